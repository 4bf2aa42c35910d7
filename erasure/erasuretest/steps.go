package erasuretest

import (
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
)

// doing is what steps do.
var doing = map[string]func(*player, Step){
	"put":     func(p *player, s Step) { p.put(s.String(), s.Name, content(s), false) },
	"version": func(p *player, s Step) { p.versioned(s, func() { p.put(s.String(), s.Name, content(s), true) }) },
	"upload":  func(p *player, s Step) { p.upload(s.String(), s.Name, content(s), false) },
	"mark":    func(p *player, s Step) { p.versioned(s, func() { p.mark(s.String(), s.Name, false) }) },
	"marknull": func(p *player, s Step) {
		p.versioned(s, func() { p.mark(s.String(), s.Name, true) })
	},
	"delete": func(p *player, s Step) { p.remove(s.Name, "null") },
	"drop":   dropVersion,
	"hangup": func(p *player, s Step) { p.hangUp(s.String(), s.Name, content(s)) },
	"get": func(p *player, s Step) {
		p.see(s.Name, "")
		for i, e := range p.l.names[s.Name] {
			if e.id != "" && s.N>>i&1 == 1 {
				p.see(s.Name, e.id)
			}
		}
	},
	"heal":    func(p *player, s Step) { p.heal(false) },
	"deep":    func(p *player, s Step) { p.heal(true) },
	"lose":    loseDrive,
	"return":  returnDrive,
	"attach":  attachDrive,
	"wipe":    wipeDrive,
	"shuffle": shuffleDrives,
	"slow":    slowDrive,
	"late":    catchUp,
	"quick":   catchUp,
	"flip":    damageFile,
	"cutoff":  damageFile,
	"eio": func(p *player, s Step) {
		p.outage(s, vfs.Fault{Err: vfs.ErrIO, Skip: int(s.N % 12)})
	},
	"full": func(p *player, s Step) {
		p.outage(s, vfs.Fault{Kind: vfs.OpWrite, Err: vfs.ErrNoSpace, Sticky: true})
	},
	"calm":    func(p *player, s Step) { p.r.disk.ClearFaults() },
	"power":   cutPower,
	"restart": func(p *player, s Step) { p.powerBack(s.N) },
	"clock": func(p *player, s Step) {
		p.r.clock = p.r.clock.Add(time.Duration(int64(s.N)-1<<31) * time.Microsecond)
	},
}

// versioned makes a call only where versions are claimed.
func (p *player) versioned(s Step, call func()) {
	if p.r.impl.Versions {
		call()
	} else {
		p.put(s.String(), s.Name, content(s), false)
	}
}

// dropVersion removes one of the versions that are known by an ID.
func dropVersion(p *player, s Step) {
	var ids []string
	for _, e := range p.l.names[s.Name] {
		if e.id != "" && e.state != gone {
			ids = append(ids, e.id)
		}
	}
	if len(ids) > 0 {
		p.remove(s.Name, ids[s.N%uint64(len(ids))])
	}
}

// bay is the drive of a step, wherever it is in the order.
func (p *player) bay(s Step) *bay {
	for _, b := range p.r.bays {
		if b.id == s.Drive {
			return b
		}
	}
	panic("no such drive")
}

// loseDrive makes a drive stop answering: parity of them, and seldom one more.
func loseDrive(p *player, s Step) {
	most := p.l.base.parity
	if s.N%8 == 0 {
		most++
	}
	if p.l.off.count() >= most {
		return
	}
	p.stats.Lost++
	p.l.off |= oneDrive(s.Drive)
	p.bay(s).set(func(b *bay) { b.offline = true })
}

// returnDrive has a drive answer again, as if nothing had been.
func returnDrive(p *player, s Step) {
	b := p.bay(s)
	if !p.l.off.has(s.Drive) {
		return
	}
	if b.isEmpty() { // it was away when the store was opened
		attachDrive(p, s)
		return
	}
	p.stats.Returned++
	p.l.off &^= oneDrive(s.Drive)
	b.set(func(b *bay) { b.offline = false })
}

// attachDrive plugs a drive in that was lost.
func attachDrive(p *player, s Step) {
	if !p.l.off.has(s.Drive) {
		return
	}
	p.stats.Returned++
	p.plug(s)
}

// plug attaches what is in the directory of a drive.
func (p *player) plug(s Step) {
	b := p.bay(s)
	p.failed()
	err := p.r.attach(b)
	failed := p.failed()
	p.l.off &^= oneDrive(s.Drive)
	b.set(func(b *bay) { b.offline = false })
	if err == nil || p.dark() {
		return
	}
	if failed == 0 && p.l.off == 0 && !errors.Is(err, vfs.ErrIO) && !errors.Is(err, vfs.ErrNoSpace) {
		violated("E13", "drive %s cannot be attached: %v", b.dir, err)
	}
	p.l.off |= oneDrive(s.Drive)
	b.unplug()
}

// slowDrive has a drive answer late, now or from one of the next calls on, a few
// calls or many: as many as may be lost, and seldom one more.
func slowDrive(p *player, s Step) {
	slow := p.l.off | p.slow()
	most := p.l.base.parity
	if s.N%8 == 0 {
		most++
	}
	if slow.has(s.Drive) || slow.count() >= most {
		return
	}
	p.stats.Slowed++
	p.bay(s).set(func(b *bay) { b.brisk, b.lags = int(s.N>>3%8), [...]int{1, 2, 5, 1000}[s.N>>6%4] })
}

// catchUp has a slow drive do some of what it was asked, or all and be quick again.
func catchUp(p *player, s Step) {
	b, n := p.bay(s), 1+int(s.N%4)
	if s.What == "quick" {
		b.set(func(b *bay) { b.brisk, b.lags = 0, 0 })
		n = len(b.backlog)
	}
	p.catchUp(b, n, rand.New(rand.NewPCG(s.N, 7)))
}

// wipeDrive replaces a drive by an empty one, if nothing is lost by that. With
// another drive away, the new one might be given its place.
func wipeDrive(p *player, s Step) {
	if !p.l.canSpare(s.Drive, "") || p.l.fresh != 0 || p.l.off != 0 {
		return
	}
	p.stats.Replaced++
	p.bay(s).unplug()
	p.r.wipe(p.bay(s))
	p.l.lose(s.Drive)
	p.plug(s)
}

func shuffleDrives(p *player, s Step) {
	rng := rand.New(rand.NewPCG(s.N, 5))
	rng.Shuffle(len(p.r.bays), func(i, j int) { p.r.bays[i], p.r.bays[j] = p.r.bays[j], p.r.bays[i] })
	p.powerBack(s.N)
}

// damageFile flips a bit of, or cuts off, a file of an object on a drive, if
// nothing is lost by that.
func damageFile(p *player, s Step) {
	b := p.bay(s)
	files := p.r.files(b, "objects/"+s.Name+"/")
	if len(files) == 0 {
		return
	}
	f := files[s.N>>8%uint64(len(files))]
	name := objectOf(f.path)
	if f.size == 0 || !p.l.canSpare(s.Drive, name) {
		return
	}
	var err error
	if s.What == "flip" {
		err = p.r.disk.FlipBit(b.dir+"/"+f.path, int64(s.N>>8%uint64(8*f.size)))
	} else {
		err = p.r.truncate(b, f.path, int64(s.N>>8%uint64(f.size)))
	}
	if err == nil || p.dark() {
		p.stats.Damaged++
	}
	// A fault that waits for this drive may have struck after the file was changed.
	p.l.rotten[name] |= oneDrive(s.Drive)
}

// objectOf is the object that a file belongs to.
func objectOf(path string) string {
	dir := path[:strings.LastIndexByte(path, '/')]
	return strings.TrimPrefix(dir, "objects/")
}

// outage injects a fault into one drive.
func (p *player) outage(s Step, f vfs.Fault) {
	dir := p.bay(s).dir + "/"
	p.stats.Outages++
	f.Match = func(op vfs.Op) bool { return strings.HasPrefix(op.Name, dir) }
	p.r.disk.Inject(f)
}

// cutPower has power go at, or during, one of the next operations.
func cutPower(p *player, s Step) {
	at := p.r.disk.Ops() + 1 + int64(s.N>>1%uint64(12*p.l.drives))
	if s.N&1 == 0 {
		p.r.disk.CutPower(at)
	} else {
		p.r.disk.CutPowerDuring(at)
	}
}
