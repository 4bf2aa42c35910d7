package erasuretest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/internal/vfs"
)

func damageRules() []StoreRule {
	return []StoreRule{
		{ID: "E7", Name: "flipped-bits", story: flippedBits,
			Text: "A flipped bit in any file of parity drives changes nothing that is read, and a deep heal mends it."},
		{ID: "E7", Name: "cut-files", story: cutFiles,
			Text: "A file cut off anywhere, at the edge of a block too, is noticed and mended."},
		{ID: "E7", Name: "too-much-damage", story: tooMuchDamage,
			Text: "With more than parity shards damaged there is an error, never a wrong byte; and nothing is purged."},
		{ID: "E2", Name: "another-versions-shard", story: anothersShard,
			Text: "A shard of another version, of another object or of another block, whole as it is, is not taken."},
	}
}

// damages calls use with the drives damaged that may be, one file of each.
func (t *trial) damages(damage func(r *rack, b *bay, f file, turn int), turns int, what string) {
	for _, g := range []geometry{{2, 2}, {3, 1}} {
		for _, size := range []int{40, 700, 3*testBlock + 1} {
			for turn := range turns {
				r := t.rack(g)
				content := body(turn, size)
				r.put("a", content, nil)
				hit := random(turn, size).Perm(g.total())[:g.parity]
				for _, i := range hit {
					files := r.files(r.bays[i], "objects/")
					damage(r, r.bays[i], files[turn%len(files)], turn)
				}
				for range 2 {
					r.has("a", "", content, "%v: %d bytes, of drives %v a file is %s (turn %d)", g, size, hit, what, turn)
				}
				r.heal()
				losses(r, g, g.parity, func(drives []int) {
					r.has("a", "", content, "%v: %d bytes, of drives %v a file was %s (turn %d), healed, then %v lost", g, size, hit, what, turn, drives)
				})
				r.close()
			}
		}
	}
}

func flippedBits(t *trial) {
	t.damages(func(r *rack, b *bay, f file, turn int) {
		must(r.disk.FlipBit(b.dir+"/"+f.path, random(turn, int(f.size)).Int64N(8*f.size)), "flipping a bit")
	}, 24, "damaged in one bit")
}

func cutFiles(t *trial) {
	t.damages(func(r *rack, b *bay, f file, turn int) {
		sizes := []int64{0, 1, f.size / 2, f.size - 1, f.size / 4 * 3, max(0, f.size-testBlock/2), f.size * 2 / 3, f.size / 3}
		must(r.truncate(b, f.path, sizes[turn/2%len(sizes)]), "truncating a file")
	}, 16, "cut off")
}

func tooMuchDamage(t *trial) {
	for _, g := range []geometry{{2, 2}, {3, 1}} {
		for turn := range 10 {
			r := t.rack(g)
			content := body(turn, 2*testBlock+7)
			r.put("a", content, nil)
			for i := range g.parity + 1 {
				shards, _ := r.shards(r.bays[i], "a")
				must(r.disk.FlipBit(r.bays[i].dir+"/"+shards[0].path, random(turn, i).Int64N(8*shards[0].size)), "flipping a bit")
			}
			for _, when := range []string{"at once", "after healing"} {
				got, err := r.read("a", "")
				if err == nil && !bytes.Equal(got, content) {
					failf("%v: %d shards are damaged, %s: what is read %s, without error", g, g.parity+1, when, differs(got, content))
				}
				if errors.Is(err, erasure.ErrNotFound) {
					failf("%v: %d shards are damaged, %s: the object is said not to be there", g, g.parity+1, when)
				}
				if err != nil && !bytes.HasPrefix(content, got) {
					failf("%v: %d shards are damaged, %s: before the error %v, what is read is wrong", g, g.parity+1, when, err)
				}
				if when == "at once" {
					_, _ = r.store.Heal(background, &erasure.HealOptions{Deep: true}, nil)
				}
			}
			r.close()
		}
	}
}

// anothersShard puts what is whole, but something else, in the place of shards
// of parity drives: of the version before, of another object, of two blocks
// exchanged, of another drive.
func anothersShard(t *trial) {
	g := geometry{2, 2}
	for _, what := range []string{"the version before", "another object", "another drive"} {
		r := t.rack(g)
		content := body(1, 4*testBlock)
		r.put("a", body(2, 4*testBlock), nil)
		r.put("b", body(3, 4*testBlock), nil)
		shard := func(i int, name string) ([]byte, string) {
			shards, _ := r.shards(r.bays[i], name)
			path := r.bays[i].dir + "/" + shards[0].path
			b, err := readFile(r.disk, path)
			must(err, "reading a shard")
			return b, path
		}
		before := [][]byte{nil, nil}
		for i := range before {
			before[i], _ = shard(i, "a")
		}
		r.put("a", content, nil)
		for i := range before {
			other := before[i]
			if what == "another object" {
				other, _ = shard(i, "b")
			} else if what == "another drive" {
				other, _ = shard(3-i, "a")
			}
			_, path := shard(i, "a")
			must(overwriteFile(r.disk, path, other), "exchanging a shard")
		}
		r.has("a", "", content, "two shards are those of %s", what)
		r.heal()
		r.lose(2, 3)
		r.has("a", "", content, "two shards were those of %s, and were healed", what)
		r.close()
	}
}

func healRules() []StoreRule {
	return []StoreRule{
		{ID: "E13", Name: "dry-run", story: healDryRun,
			Text: "A dry run reports what a heal would do, and changes nothing."},
		{ID: "E13", Name: "again", story: healAgain,
			Text: "A second heal has nothing to do; nor has one of a store that nothing happened to."},
		{ID: "E13", Name: "progress", story: healProgress,
			Text: "Progress is told after each object; a prefix or a name selects."},
	}
}

func healDryRun(t *trial) {
	r := t.rack(geometry{2, 2})
	r.fillUp()
	r.lose(1)
	r.put("late", body(8, 5000), nil)
	r.giveBack(1)
	before := r.disk.Dump()
	report, err := r.store.Heal(background, &erasure.HealOptions{DryRun: true}, nil)
	must(err, "a dry run")
	if after := r.disk.Dump(); after != before {
		failf("a dry run has changed the drives:\n%s\nwas\n%s", after, before)
	}
	if report.Healed+report.Absent == 0 {
		failf("a dry run has not seen what a drive has missed: %+v", report)
	}
}

func healAgain(t *trial) {
	r := t.rack(geometry{6, 2})
	want := r.fillUp()
	if report := r.heal(); report.Healed+report.Purged+report.Corrupt+report.Absent+report.Unreadable > 0 || report.Objects != len(want) {
		failf("healing %d objects that nothing happened to: %+v", len(want), report)
	}
	r.lose(0, 4)
	for name := range want {
		want[name] = body(9, len(want[name])+5)
		r.put(name, want[name], nil)
	}
	r.giveBack(0, 4)
	if report := r.heal(); report.Healed == 0 {
		failf("two drives have missed %d puts, and a heal has healed nothing: %+v", len(want), report)
	}
	if report := r.heal(); report.Healed+report.Purged+report.Corrupt+report.Absent+report.Unreadable > 0 {
		failf("a second heal has found something to do: %+v", report)
	}
	for _, b := range r.bays {
		if n := len(r.files(b, "objects/")); n < len(want) || n > 2*len(want) {
			failf("drive %s has %d files of %d objects", b.dir, n, len(want))
		}
	}
}

func healProgress(t *trial) {
	r := t.rack(geometry{3, 1})
	want := r.fillUp()
	r.put("other", body(1, 100), nil)
	var told []string
	tell := func(h erasure.HealReport) { told = append(told, h.Name) }
	_, err := r.store.Heal(background, &erasure.HealOptions{Prefix: "fill/"}, tell)
	must(err, "healing a prefix")
	if len(told) != len(want) || !slices.IsSorted(told) {
		failf("healing %d objects of a prefix has told of %q", len(want), told)
	}
	told = nil
	report, err := r.store.Heal(background, &erasure.HealOptions{Name: "other"}, tell)
	must(err, "healing one object")
	if report.Objects != 1 || len(told) > 1 {
		failf("healing one object has looked at %d, and told of %q", report.Objects, told)
	}
}

func outageRules() []StoreRule {
	return []StoreRule{
		{ID: "E3", Name: "full-drives", story: fullDrives,
			Text: "Full drives beyond the write quorum fail a put, which leaves nothing; with few of them it goes on."},
		{ID: "E3", Name: "failing-drives", story: failingDrives,
			Text: "An I/O error at any operation of any drives either leaves the put good, or nothing of it."},
	}
}

// breaks has all operations of a kind on some drives fail.
func (r *rack) breaks(drives []int, kind vfs.Kind, failure error) {
	for _, i := range drives {
		dir := r.bays[i].dir + "/"
		r.disk.Inject(vfs.Fault{Kind: kind, Err: failure, Sticky: true, Match: func(op vfs.Op) bool {
			return len(op.Name) > len(dir) && op.Name[:len(dir)] == dir
		}})
	}
}

func fullDrives(t *trial) { t.outage(vfs.ErrNoSpace, vfs.OpWrite) }

func failingDrives(t *trial) {
	for _, kind := range []vfs.Kind{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir, vfs.OpMkdir} {
		t.outage(vfs.ErrIO, kind)
	}
}

// outage puts while one kind of operation fails on ever more drives.
func (t *trial) outage(failure error, kind vfs.Kind) {
	for _, g := range []geometry{{2, 2}, {6, 2}} {
		quorum := g.data
		if g.data == g.parity {
			quorum++
		}
		for broken := 1; broken <= g.total(); broken++ {
			for _, size := range []int{40, 3*testBlock + 1} {
				r := t.rack(g)
				r.put("old", body(1, size), nil)
				hit := random(broken, size).Perm(g.total())[:broken]
				r.breaks(hit, kind, failure)
				what := fmt.Sprintf("%v: %d bytes, %s fails on drives %v with %q", g, size, kind, hit, failure)
				for _, name := range []string{"old", "new"} {
					_, err := r.store.Put(background, name, bytes.NewReader(body(2, size)), int64(size), nil)
					if err != nil && g.total()-broken >= quorum {
						failf("%s: the put fails: %v", what, err)
					}
					r.disk.ClearFaults()
					got, readErr := r.read(name, "")
					switch {
					case err == nil:
						r.has(name, "", body(2, size), "%s: it was acknowledged", what)
					case errors.Is(err, erasure.ErrOutcomeUnknown):
						if old := name == "old" && bytes.Equal(got, body(1, size)); !old && !bytes.Equal(got, body(2, size)) && !errors.Is(readErr, erasure.ErrNotFound) {
							failf("%s: the outcome was unknown, and reading gives %d bytes and error %v", what, len(got), readErr)
						}
					case name == "old":
						r.has(name, "", body(1, size), "%s: the put has failed", what)
					default:
						r.hasNot(name, "", "%s: the put has failed", what)
					}
					again, againErr := r.read(name, "")
					if !bytes.Equal(again, got) || (againErr == nil) != (readErr == nil) {
						failf("%s: read twice, it is %d bytes and error %v, then %d and %v", what, len(got), readErr, len(again), againErr)
					}
					r.breaks(hit, kind, failure)
				}
				r.disk.ClearFaults()
				r.heal()
				r.restart() // drives on which nothing can be removed are cleared then
				r.leavesNothing()
				r.close()
			}
		}
	}
}

func slowRules() []StoreRule {
	return []StoreRule{
		{ID: "E12", Name: "slow-put", story: slowPut, bubble: true,
			Text: "A drive that takes a minute for everything holds a put no longer than a quorum takes, plus the grace."},
		{ID: "E12", Name: "slow-get", story: slowGet, bubble: true,
			Text: "A drive that takes a minute for everything holds a read no longer than the grace and the hedge allow."},
	}
}

const testGrace = 2 * time.Second

func (t *trial) slowRack(g geometry) *rack {
	return t.rack(g, func(o *erasure.Options) { o.Serial, o.Grace, o.Hedge = false, testGrace, 50*time.Millisecond })
}

func slowPut(t *trial) {
	for _, g := range []geometry{{6, 2}, {2, 2}, {3, 1}} {
		for _, size := range []int{100, 5 * testBlock} {
			r := t.slowRack(g)
			r.put("a", body(1, size), nil)
			r.bays[1].set(func(b *bay) { b.slow = time.Minute })
			from := time.Now()
			r.put("a", body(2, size), nil)
			if took := time.Since(from); took > testGrace*5/4 {
				failf("%v: one drive takes a minute for each call, a put of %d bytes took %v", g, size, took)
			}
			r.has("a", "", body(2, size), "%v: put while a drive was slow", g)
			r.bays[1].set(func(b *bay) { b.slow = 0 })
			time.Sleep(time.Hour) // the slow calls end
			synctest.Wait()
			r.has("a", "", body(2, size), "%v: the slow drive has come to its end", g)
			r.heal()
			r.has("a", "", body(2, size), "%v: the slow drive is healed", g)
			time.Sleep(time.Hour) // the store heals on its own, too
			synctest.Wait()
			r.leavesNothing()
			r.close()
		}
	}
}

func slowGet(t *trial) {
	g := geometry{6, 2}
	for _, size := range []int{100, 9 * testBlock} {
		r := t.slowRack(g)
		r.put("a", body(1, size), nil)
		for _, slow := range [][]int{{0}, {0, 1}, {5, 2}, {7, 3}} {
			for _, i := range slow {
				r.bays[i].set(func(b *bay) { b.slow = time.Minute })
			}
			from := time.Now()
			r.has("a", "", body(1, size), "drives %v are slow", slow)
			if took := time.Since(from); took > testGrace*5/4 {
				failf("%v: drives %v take a minute for each call, reading %d bytes took %v", g, slow, size, took)
			}
			for _, i := range slow {
				r.bays[i].set(func(b *bay) { b.slow = 0 })
			}
			time.Sleep(time.Hour)
			synctest.Wait()
		}
		r.close()
	}
}
