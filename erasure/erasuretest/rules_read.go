package erasuretest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/flagship-go/flagship/erasure"
)

func rangeRules() []StoreRule {
	return []StoreRule{
		{ID: "E7", Name: "ranges", story: ranges,
			Text: "ReadAt and Seek give any range, over the edges of blocks and over missing shards, and io.EOF at the end."},
		{ID: "E7", Name: "only-what-is-needed", story: onlyWhatIsNeeded,
			Text: "Reading one block opens the shards of no more drives than there are data shards."},
	}
}

func ranges(t *trial) {
	for _, g := range []geometry{{2, 2}, {3, 1}, {6, 2}} {
		r := t.rack(g)
		for _, size := range []int{0, 1, 700, testBlock, 6*testBlock + 77} {
			name, b := fmt.Sprint("a", size), body(1, size)
			r.put(name, b, nil)
			r.readsRanges(g, name, b)
			r.lose(1)
			r.readsRanges(g, name, b)
			r.giveBack(1)
		}
	}
}

// readsRanges fails the rule when a range is not that of b.
func (r *rack) readsRanges(g geometry, name string, b []byte) {
	object, err := r.store.Get(background, name, nil)
	must(err, "%v: opening %q", g, name)
	defer object.Close()
	size := len(b)
	for _, from := range []int{0, 1, testBlock - 1, testBlock, testBlock + 1, 3*testBlock - 5, size - 3, size - 1, size, size + 1, size + testBlock} {
		for _, n := range []int{0, 1, 10, testBlock, 2*testBlock + 2, size} {
			if from < 0 {
				continue
			}
			want := b[min(from, size):min(from+n, size)]
			p := make([]byte, n)
			got, err := object.ReadAt(p, int64(from))
			switch {
			case !bytes.Equal(p[:got], want):
				failf("%v: bytes %d+%d of %d: what is read %s", g, from, n, size, differs(p[:got], want))
			case got < n && err != io.EOF:
				failf("%v: bytes %d+%d of %d: the end is told by error %v", g, from, n, size, err)
			case got == n && err != nil && err != io.EOF:
				failf("%v: bytes %d+%d of %d: %v", g, from, n, size, err)
			}
		}
	}
	for _, suffix := range []int{0, 1, 100, testBlock, testBlock + 1} {
		if suffix > size {
			continue
		}
		at, err := object.Seek(int64(-suffix), io.SeekEnd)
		must(err, "%v: seeking %d before the end of %d bytes", g, suffix, size)
		if at != int64(size-suffix) {
			failf("%v: %d before the end of %d bytes is said to be at %d", g, suffix, size, at)
		}
		got, err := io.ReadAll(object)
		must(err, "%v: reading the last %d of %d bytes", g, suffix, size)
		if want := b[size-suffix:]; !bytes.Equal(got, want) {
			failf("%v: the last %d of %d bytes: what is read %s", g, suffix, size, differs(got, want))
		}
	}
	if _, err := object.Seek(-1, io.SeekStart); err == nil {
		failf("%v: Seek goes to before the beginning", g)
	}
	if _, err := object.ReadAt(make([]byte, 1), -1); err == nil {
		failf("%v: ReadAt reads before the beginning", g)
	}
}

func onlyWhatIsNeeded(t *trial) {
	g := geometry{6, 2}
	r := t.rack(g)
	r.put("a", body(1, 20*testBlock), nil)
	for _, lost := range []int{0, 1, 2} {
		for i := range lost {
			r.lose(i)
		}
		for _, b := range r.bays {
			b.takeCalls()
		}
		object, err := r.store.Get(background, "a", nil)
		must(err, "opening an object")
		_, err = object.ReadAt(make([]byte, 10), 7*testBlock+5)
		must(err, "reading ten bytes")
		object.Close()
		opened := 0
		for _, b := range r.bays {
			if _, opens := b.takeCalls(); opens > 0 {
				opened++
			}
		}
		if opened > g.data {
			failf("%v: ten bytes of one block, with %d drives lost, took the shards of %d drives", g, lost, opened)
		}
	}
}

func nameRules() []StoreRule {
	return []StoreRule{
		{ID: "E14", Name: "bad-names", story: badNames,
			Text: "Names that no object can have are ErrName, in every call, and reach no drive."},
		{ID: "E14", Name: "odd-names", story: oddNames,
			Text: "Names are kept as they are: case, dots, devices of Windows, what looks like the store's own files."},
		{ID: "E14", Name: "one-below-another", story: oneBelowAnother,
			Text: "An object may lie below another's name; neither disturbs the other."},
	}
}

func badNames(t *trial) {
	r := t.rack(geometry{2, 2})
	before := r.disk.Dump()
	for _, name := range []string{"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "a\x00b", "a\nb", "a\xffb",
		strings.Repeat("x", 1025), strings.Repeat("é", 300), strings.Repeat("a/", 512) + "b"} {
		shown := name[:min(len(name), 20)]
		_, err := r.store.Put(background, name, bytes.NewReader(nil), 0, nil)
		fails(err, erasure.ErrName, "putting %q", shown)
		_, err = r.store.Get(background, name, nil)
		fails(err, erasure.ErrName, "getting %q", shown)
		_, err = r.store.Stat(background, name, nil)
		fails(err, erasure.ErrName, "stat of %q", shown)
		_, err = r.store.Delete(background, name, nil)
		fails(err, erasure.ErrName, "deleting %q", shown)
		if after := r.disk.Dump(); after != before {
			failf("name %q has changed the drives", shown)
		}
	}
}

func oddNames(t *trial) {
	r := t.rack(geometry{2, 2})
	names := []string{"a", "A", "aA", "Aa", "a.", "a..", "...", ".a", "a b", "con", "CON.txt", "nul", "lpt1", "%41", "a%", "!a", "@a", "+a", "ä", "日本",
		"objects", "tmp", "format", "uploads", "x/tmp/y", "a\\b", "c:d", "*?<>|\"", "-", "_", "~", strings.Repeat("y", 255), strings.Repeat("z/", 500) + "z"}
	for i, name := range names {
		r.put(name, body(i, 300+i), nil)
	}
	r.put("copy", body(1, 600), nil)
	for _, f := range r.files(r.bays[0], "objects/copy/") {
		own := strings.TrimPrefix(f.path, "objects/copy/")
		names = append(names, "copy/"+own)
		r.put("copy/"+own, body(len(names)-1, 300+len(names)-1), nil)
	}
	r.restart()
	for i, name := range names {
		r.has(name, "", body(i, 300+i), "among odd names")
	}
	r.has("copy", "", body(1, 600), "beside objects that are called as its files")
	for _, name := range names {
		r.delete(name, nil)
		r.hasNot(name, "", "deleted")
	}
	r.has("copy", "", body(1, 600), "when objects that are called as its files are deleted")
}

func oneBelowAnother(t *trial) {
	r := t.rack(geometry{3, 1})
	names := []string{"a", "a/b", "a/b/c", "a/b/c/d"}
	for round := range 2 {
		for i, name := range names {
			r.put(name, body(i+round, 1000*i), nil)
		}
		for k, name := range names {
			r.delete(name, nil)
			for i, other := range names {
				if i <= k {
					r.hasNot(other, "", "%q was deleted", name)
				} else {
					r.has(other, "", body(i+round, 1000*i), "%q was deleted", name)
				}
			}
		}
	}
	r.leavesNothing("a")
}

func lossRulesOfStore() []StoreRule {
	return []StoreRule{
		{ID: "E1", Name: "any-loss", story: drivesLost,
			Text: "Of 6+2 any pair of drives may be lost, of 2+2 too, of 3+1 any one, and everything is read; one more is ErrReadQuorum until it returns."},
		{ID: "E1", Name: "writes-go-on", story: writesGoOn,
			Text: "With parity drives lost, puts and deletes go on and are as good as others; Missing says how many shards are not there."},
		{ID: "E1", Name: "too-few-to-write", story: tooFewToWrite,
			Text: "Without a write quorum puts and deletes fail, and have not happened."},
	}
}

// losses calls use with all sets of so many drives lost.
func losses(r *rack, g geometry, lost int, use func(drives []int)) {
	allSubsets(g.total(), lost, nil, func(drives []int) {
		if len(drives) == lost {
			r.lose(drives...)
			use(drives)
			r.giveBack(drives...)
		}
	})
}

func drivesLost(t *trial) {
	for _, g := range []geometry{{6, 2}, {2, 2}, {3, 1}, {1, 1}} {
		r := t.rack(g)
		sizes := []int{0, 10, testInline*g.data + 1, 3*testBlock + 5}
		for _, size := range sizes {
			r.put(fmt.Sprint(size), body(1, size), nil)
		}
		losses(r, g, g.parity, func(drives []int) {
			for _, size := range sizes {
				r.has(fmt.Sprint(size), "", body(1, size), "%v: drives %v are lost", g, drives)
			}
		})
		losses(r, g, g.parity+1, func(drives []int) {
			for _, size := range sizes {
				if b, err := r.read(fmt.Sprint(size), ""); err == nil && size == 0 && len(b) == 0 {
					continue // its metadata may be enough
				} else if !errors.Is(err, erasure.ErrReadQuorum) {
					failf("%v: drives %v are lost, reading %d bytes: %d bytes and error %v, not ErrReadQuorum", g, drives, size, len(b), err)
				}
			}
		})
		losses(r, g, g.total()/2+1, func(drives []int) {
			_, err := r.read("none", "")
			fails(err, erasure.ErrReadQuorum, "%v: drives %v are lost, reading what nobody has put", g, drives)
		})
		for _, size := range sizes {
			r.has(fmt.Sprint(size), "", body(1, size), "%v: all drives are back", g)
		}
	}
}

func writesGoOn(t *trial) {
	for _, c := range []struct {
		geometry
		lost int
	}{{geometry{6, 2}, 1}, {geometry{6, 2}, 2}, {geometry{2, 2}, 1}, {geometry{3, 1}, 1}} {
		r := t.rack(c.geometry)
		want := 0
		losses(r, c.geometry, c.lost, func(drives []int) {
			want++
			r.put("gone", body(want, 3000), nil)
			r.delete("gone", nil)
			r.hasNot("gone", "", "%v: drives %v are lost", c.geometry, drives)
			info := r.put("a", body(want, 3000), nil)
			if info.Missing != c.lost {
				failf("%v: drives %v are lost, and %d shards said to be missing", c.geometry, drives, info.Missing)
			}
			r.has("a", "", body(want, 3000), "%v: put while drives %v are lost", c.geometry, drives)
		})
		r.has("a", "", body(want, 3000), "%v: all drives are back", c.geometry)
		r.heal()
		losses(r, c.geometry, c.parity, func(drives []int) {
			r.has("a", "", body(want, 3000), "%v: healed, then drives %v are lost", c.geometry, drives)
			r.hasNot("gone", "", "%v: healed, then drives %v are lost", c.geometry, drives)
		})
	}
}

func tooFewToWrite(t *trial) {
	for _, g := range []geometry{{6, 2}, {2, 2}, {3, 1}} {
		quorum, half := g.data, g.total()/2+1 // with parity raised, half of the drives and one will do
		if g.data == g.parity {
			quorum++
		}
		r := t.rack(g)
		r.put("old", body(1, 3000), nil)
		for lost := g.total() - quorum + 1; lost <= g.total(); lost++ {
			losses(r, g, lost, func(drives []int) {
				if _, err := r.store.Delete(background, "old", nil); err == nil || errors.Is(err, erasure.ErrNotFound) {
					failf("%v: a delete with drives %v lost: the error is %v", g, drives, err)
				}
				if g.total()-lost >= half {
					return
				}
				for _, name := range []string{"old", "new"} {
					_, err := r.store.Put(background, name, bytes.NewReader(body(2, 3000)), 3000, nil)
					if !errors.Is(err, erasure.ErrWriteQuorum) && !errors.Is(err, erasure.ErrReadQuorum) {
						failf("%v: a put with drives %v lost: the error is %v, not ErrWriteQuorum", g, drives, err)
					}
				}
			})
		}
		r.has("old", "", body(1, 3000), "%v: puts have failed for want of drives", g)
		r.hasNot("new", "", "%v: its put has failed for want of drives", g)
		r.heal()
		r.leavesNothing("new")
	}
}
