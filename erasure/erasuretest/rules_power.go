package erasuretest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/flagship-go/flagship/erasure"
)

func powerRules() []StoreRule {
	rule := func(name, text, capability string, cut powerCut) StoreRule {
		return StoreRule{ID: "E4", Name: "power-" + name, Text: text, Capability: capability, story: cut.everywhere}
	}
	none := func(*player, []byte) {}
	put := func(p *player, b []byte) { p.put("the new one", "a", b, false) }
	old := func(p *player, b []byte) { p.put("the old one", "a", body(77, len(b)), false) }
	return []StoreRule{
		rule("put", "Power may go at any operation of a put: the object is there or not, the same for all who look.", "", powerCut{none, put}),
		rule("overwrite", "Power may go at any operation of an overwrite: the old one is there, or the new one.", "", powerCut{old, put}),
		rule("delete", "Power may go at any operation of a delete.", "",
			powerCut{old, func(p *player, _ []byte) { p.remove("a", "null") }}),
		rule("mark", "Power may go at any operation that puts a delete marker.", "versions",
			powerCut{old, func(p *player, _ []byte) { p.mark("the marker", "a", false) }}),
		rule("drop", "Power may go at any operation that removes a version.", "versions", powerCut{
			func(p *player, b []byte) {
				p.put("the old one", "a", body(77, len(b)), true)
				p.put("the new one", "a", b, true)
			}, func(p *player, _ []byte) { p.remove("a", p.l.names["a"][1].id) }}),
		rule("heal", "Power may go at any operation of a heal.", "", powerCut{
			func(p *player, b []byte) {
				old(p, b)
				p.lose(1)
				put(p, b)
				p.put("another", "k", b, false)
				p.back(1)
				p.damage(2, "k")
			}, func(p *player, _ []byte) { p.heal(true) }}),
		rule("rebuild", "Power may go at any operation that takes a new drive and rebuilds it.", "", powerCut{
			func(p *player, b []byte) {
				old(p, b)
				put(p, b)
				wipeDrive(p, Step{Drive: 1})
			}, func(p *player, _ []byte) { p.heal(false) }}),
		rule("complete", "Power may go at any operation that completes an upload.", "upload", powerCut{
			func(p *player, b []byte) {
				old(p, b)
				u := p.r.store.(Uploader)
				upload, err := u.NewUpload(background, "a", nil)
				must(err, "beginning an upload")
				_, err = u.PutPart(background, "a", upload.ID, 1, bytes.NewReader(b), int64(len(b)))
				must(err, "putting a part")
			}, func(p *player, b []byte) {
				u := p.r.store.(Uploader)
				uploads, err := u.ListUploads(background, "")
				if err != nil || len(uploads) != 1 {
					return // power went before
				}
				part := erasure.Part{Number: 1, Size: int64(len(b)), ETag: sum(b)}
				p.complete("the upload", "a", b, uploads[0], part, false)
			}}),
		{ID: "E4", Name: "power-in-recovery", Text: "Power may go again at any operation of opening and reading what the first cut has left.", story: powerInRecovery},
	}
}

func (p *player) lose(drive int) { loseDrive(p, Step{Drive: drive, N: 1}) }
func (p *player) back(drive int) { returnDrive(p, Step{Drive: drive}) }
func (p *player) damage(drive int, name string) {
	damageFile(p, Step{What: "flip", Drive: drive, Name: name, N: 777 << 8})
}

// A powerCut is a call that power is cut in, and what is done before.
type powerCut struct{ before, call func(p *player, b []byte) }

var powerSizes = []int{40, testBlock + 900}

// outcomes are the states that are looked at of those a power cut may leave: all
// that was not synced is lost, all of it is kept, and some by luck.
func (t *trial) outcomes(n int64) []int64 {
	if t.impl.Thorough {
		return []int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	}
	return []int64{0, 1, 2 + n%64}
}

// everywhere cuts power after, and during, every operation of the call, and looks
// at several states that the disks may be left in.
func (c powerCut) everywhere(t *trial) {
	for _, g := range []geometry{{2, 2}, {3, 1}} {
		for _, size := range powerSizes {
			b := body(5, size)
			for n := int64(1); ; n += int64(max(t.impl.CutEvery, 1)) {
				p := c.cut(t, g, b, n)
				for _, left := range t.outcomes(n) {
					c.check(p, left, fmt.Sprintf("%v, %d bytes, power cut %s operation %d", g, size, when(n), n/2))
				}
				if p.r.close(); !p.dark() {
					break
				}
			}
		}
	}
}

func when(n int64) string {
	if n%2 == 0 {
		return "during"
	}
	return "after"
}

// cut makes the call with a power cut at an operation of it, after it if n is odd.
func (c powerCut) cut(t *trial, g geometry, b []byte, n int64) *player {
	p, err := newPlayer(t.impl, g)
	must(err, "a store %v on new drives cannot be made", g)
	c.before(p, b)
	if at := p.r.disk.Ops() + n/2; n%2 == 0 {
		p.r.disk.CutPowerDuring(at)
	} else {
		p.r.disk.CutPower(at)
	}
	c.call(p, b)
	return p
}

// check opens the store on what is left, reads it twice, heals, and reads again.
func (c powerCut) check(dead *player, left int64, what string) {
	p := dead.afterPowerCut(left)
	defer func() {
		p.r.close()
		if v, ok := recover().(violation); ok {
			panic(violation{v.rule, what + ": " + v.text})
		}
	}()
	if err := p.r.open(); err != nil {
		violated("E4", "the store does not open: %v", err)
	}
	p.seeAll()
	if left < 2 {
		p.seeWithout()
	}
	if left == 0 { // another write, and not the healer, meets what is left
		p.put("one later", "a", body(99, 50), false)
	}
	p.heal(true)
	p.seeAll()
	if left > 1 {
		p.calm()
	}
}

// seeWithout reads with every set of parity drives lost: what was decided by those
// who saw all drives holds for them too.
func (p *player) seeWithout() {
	all := p.l.off
	losses(p.r, p.l.base, p.l.base.parity, func(drives []int) {
		for _, i := range drives {
			p.l.off |= oneDrive(i)
		}
		p.see("a", "")
		p.l.off = all
	})
	for _, b := range p.r.bays {
		b.set(func(b *bay) { b.offline = all.has(b.id) })
	}
}

// afterPowerCut is a player on one of the states that the disk may be left in.
func (p *player) afterPowerCut(left int64) *player {
	r := *p.r
	r.store, r.bays = nil, nil
	for _, b := range p.r.bays {
		r.bays = append(r.bays, &bay{rack: &r, id: b.id, dir: b.dir, offline: b.offline})
	}
	switch left {
	case 0:
		r.disk = p.r.disk.CrashClone(nil)
	case 1:
		r.disk = p.r.disk.CrashCloneKeepAll()
	default:
		r.disk = p.r.disk.CrashClone(rand.New(rand.NewPCG(uint64(left), 9)))
	}
	r.opts.Now = r.now
	return &player{r: &r, l: p.l.clone()}
}

// powerInRecovery cuts power in an overwrite, and then again in what comes after.
func powerInRecovery(t *trial) {
	overwrite := powerCut{
		func(p *player, b []byte) { p.put("the old one", "a", body(77, len(b)), false) },
		func(p *player, b []byte) { p.put("the new one", "a", b, false) }}
	g, b := geometry{2, 2}, body(5, testBlock+900)
	first, second := int64(12), int64(5)
	if t.impl.Thorough {
		first, second = 1, 1
	}
	for n := int64(1); ; n += first {
		dead := overwrite.cut(t, g, b, n)
		if !dead.dark() {
			dead.r.close()
			return
		}
		for at, over := n%second, false; !over; at += second {
			p := dead.afterPowerCut(n + at)
			p.r.disk.CutPower(at)
			if err := p.r.open(); err == nil {
				p.see("a", "")
				p.heal(false)
				p.see("a", "")
			}
			over = !p.dark()
			what := fmt.Sprintf("%v, power cut at operation %d, and again at operation %d of opening, reading, healing", g, n/2, at)
			for _, left := range t.outcomes(at) {
				overwrite.check(p, left, what)
			}
			p.r.close()
		}
		dead.r.close()
	}
}
