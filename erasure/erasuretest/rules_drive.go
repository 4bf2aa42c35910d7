package erasuretest

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/internal/vfs"
)

func driveRules() []StoreRule {
	return []StoreRule{
		{ID: "E8", Name: "swapped-drives", story: swappedDrives,
			Text: "The order in which drives are given does not matter."},
		{ID: "E15", Name: "foreign-drive", story: foreignDrive,
			Text: "A drive of another deployment is ErrForeign, when the store is opened and when it is attached; so is a drive given twice."},
		{ID: "E15", Name: "newer-format", Capability: "newer", story: newerFormat,
			Text: "What has a newer format is ErrNewer or a drive that is missing, is never taken for damage, and is left as it is."},
		{ID: "E5", Name: "stale-drive", story: staleDrive,
			Text: "A drive that returns with the state of last week is outvoted, and brings back nothing that was replaced or deleted."},
		{ID: "E13", Name: "replaced-drive", story: replacedDrive,
			Text: "An empty drive in the place of a lost one is rebuilt; until it is, what it lacks says nothing."},
		{ID: "E1", Name: "missing-at-open", story: missingAtOpen,
			Text: "A store opens with parity drives missing, and says ErrReadQuorum with more."},
	}
}

// fillUp puts some objects, small and large.
func (r *rack) fillUp() map[string][]byte {
	want := map[string][]byte{}
	for i, size := range []int{0, 40, 900, 3*testBlock + 1, 7 * testBlock} {
		name := fmt.Sprint("fill/", i)
		want[name] = body(i, size)
		r.put(name, want[name], nil)
	}
	return want
}

func (r *rack) hasAll(want map[string][]byte, format string, args ...any) {
	for name, b := range want {
		r.has(name, "", b, format, args...)
	}
}

func swappedDrives(t *trial) {
	for _, g := range []geometry{{2, 2}, {6, 2}} {
		r := t.rack(g)
		want := r.fillUp()
		for turn := range 5 {
			random(turn).Shuffle(len(r.bays), func(i, j int) { r.bays[i], r.bays[j] = r.bays[j], r.bays[i] })
			r.restart()
			r.hasAll(want, "%v: the drives were swapped", g)
			losses(r, g, g.parity, func(drives []int) {
				r.hasAll(want, "%v: the drives were swapped, and %v lost", g, drives)
			})
			b := body(turn, 3000)
			name := fmt.Sprint("new/", turn)
			want[name] = b
			r.put(name, b, nil)
		}
		if report := r.heal(); report.Healed > 0 || report.Purged > 0 {
			failf("%v: the drives were swapped, and healing has found something to do: %+v", g, report)
		}
	}
}

func foreignDrive(t *trial) {
	g := geometry{2, 2}
	a, b := t.rack(g), t.rack(g)
	want := a.fillUp()
	b.put("a", body(9, 100), nil)
	for _, twice := range []bool{false, true} {
		a.close()
		var drives []erasure.Drive
		for i := range g.total() {
			from, dir := a, a.bays[i].dir
			if i == 2 && twice {
				dir = "copy"
				must(copyDir(a.disk, a.bays[1].dir, dir), "copying a drive")
			} else if i == 2 {
				b.close()
				from = b
			}
			d, err := from.openDrive(dir)
			must(err, "opening a drive")
			drives = append(drives, d)
		}
		s, err := t.impl.Open(drives, &a.opts)
		if err == nil {
			s.Close()
		}
		for _, d := range drives {
			d.Close()
		}
		what := "a drive of another deployment is among them"
		if twice {
			what = "a drive is there twice"
		}
		fails(err, erasure.ErrForeign, "opening drives, where %s", what)
	}
	a.bays[3].pulled = true
	must(a.open(), "opening without one drive")
	d, err := b.openDrive(b.bays[0].dir)
	must(err, "opening a drive")
	fails(a.store.Attach(background, d), erasure.ErrForeign, "attaching a drive of another deployment")
	d.Close()
	a.hasAll(want, "a foreign drive was refused")
	must(a.attach(a.bays[3]), "attaching the drive that was missing")
	a.hasAll(want, "the drive that was missing is attached")
	must(b.open(), "opening the other deployment")
	b.has("a", "", body(9, 100), "the other deployment, of which a drive was refused")
}

// copyDir copies the files below a directory.
func copyDir(disk *vfs.Mem, from, to string) error {
	for line := range strings.Lines(disk.Dump()) {
		path, _, isFile := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		rest, ok := strings.CutPrefix(path, from+"/")
		if !ok || !isFile {
			continue
		}
		dir := to + "/" + rest
		if at := strings.LastIndexByte(dir, '/'); at > 0 {
			if err := disk.MkdirAll(dir[:at]); err != nil {
				return err
			}
		}
		b, err := readFile(disk, path)
		if err != nil {
			return err
		}
		if err := overwriteFile(disk, dir, b); err != nil {
			return err
		}
	}
	return nil
}

func readFile(disk *vfs.Mem, path string) ([]byte, error) {
	f, err := disk.Open(path, vfs.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return b, nil
}

func overwriteFile(disk *vfs.Mem, path string, b []byte) error {
	f, err := disk.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(b); err != nil {
		return err
	}
	return f.Sync()
}

// newerFormat gives files a format that is to come: version files on more drives
// than parity, where they must not be purged, and the files of a drive itself.
func newerFormat(t *trial) {
	g := geometry{2, 2}
	r := t.rack(g)
	r.put("a", body(1, 3000), nil)
	var kept []string
	for _, b := range r.bays[:3] {
		_, versions := r.shards(b, "a")
		r.becomesNewer(b, versions[0].path)
		kept = append(kept, b.dir+"/"+versions[0].path)
	}
	_, err := r.read("a", "")
	fails(err, erasure.ErrNewer, "reading, where three of four version files have a newer format")
	_, err = r.store.Heal(background, &erasure.HealOptions{Deep: true}, nil)
	for _, path := range kept {
		if !strings.Contains(r.disk.Dump(), path+" ") {
			failf("a version file of a newer format is gone after healing (%v)", err)
		}
	}

	r = t.rack(g)
	want := r.fillUp()
	r.close()
	for _, f := range r.files(r.bays[0], "") {
		if !strings.Contains(f.path, "/") && f.size > 0 {
			r.becomesNewer(r.bays[0], f.path)
		}
	}
	switch err := r.open(); {
	case err == nil:
		r.hasAll(want, "one drive has a newer format")
	default:
		fails(err, erasure.ErrNewer, "opening drives one of which has a newer format")
	}
}

// becomesNewer rewrites a file in a newer format.
func (r *rack) becomesNewer(b *bay, path string) {
	content, err := readFile(r.disk, b.dir+"/"+path)
	must(err, "reading %s", path)
	must(overwriteFile(r.disk, b.dir+"/"+path, r.impl.Newer(content)), "writing %s", path)
}

func staleDrive(t *trial) {
	for _, c := range []struct {
		geometry
		stale []int
	}{{geometry{6, 2}, []int{0, 5}}, {geometry{2, 2}, []int{1}}, {geometry{3, 1}, []int{2}}} {
		for _, how := range []string{"it answers again", "it is attached", "the store is opened with it"} {
			g := c.geometry
			r := t.rack(g)
			want := r.fillUp()
			r.put("gone", body(5, 3000), nil)
			r.put("gone/too", body(5, 30), nil)
			r.lose(c.stale...)
			r.delete("gone", nil)
			r.delete("gone/too", nil)
			for name := range want {
				want[name] = body(6, len(want[name])+1)
				r.put(name, want[name], nil)
			}
			r.put("new", body(7, 3000), nil)
			want["new"] = body(7, 3000)
			switch how {
			case "it answers again":
				r.giveBack(c.stale...)
			case "it is attached":
				for _, i := range c.stale {
					must(r.attach(r.bays[i]), "%v: attaching a stale drive", g)
				}
			default:
				r.giveBack(c.stale...)
				r.restart()
			}
			check := func(when string) {
				r.hasAll(want, "%v: drives %v are back, %s; %s", g, c.stale, how, when)
				r.hasNot("gone", "", "%v: drives %v are back, %s; %s", g, c.stale, how, when)
				r.hasNot("gone/too", "", "%v: drives %v are back, %s; %s", g, c.stale, how, when)
			}
			check("at once")
			r.heal()
			check("healed")
			losses(r, g, g.parity, func(drives []int) { check(fmt.Sprintf("healed, and drives %v are lost", drives)) })
			r.leavesNothing("gone", "gone/too")
		}
	}
}

func replacedDrive(t *trial) {
	for _, g := range []geometry{{6, 2}, {2, 2}, {3, 1}} {
		for _, how := range []string{"attached", "found when the store is opened"} {
			r := t.rack(g)
			want := r.fillUp()
			r.put("gone", body(5, 3000), nil)
			for i := range g.parity {
				r.lose(i)
			}
			for i := range g.parity {
				r.wipe(r.bays[i])
			}
			if how == "attached" {
				for i := range g.parity {
					must(r.attach(r.bays[i]), "%v: attaching an empty drive", g)
				}
			} else {
				r.close()
				for i := range g.parity {
					r.giveBack(i)
				}
				must(r.open(), "%v: opening with %d empty drives", g, g.parity)
			}
			r.hasAll(want, "%v: %d drives are new, %s", g, g.parity, how)
			for i := g.parity; i < g.total(); i++ {
				r.lose(i)
				for name := range want {
					if _, err := r.read(name, ""); err != nil && !errors.Is(err, erasure.ErrReadQuorum) {
						failf("%v: %d drives are new, %s, and one is away: reading %q: %v, where it is there or cannot be known", g, g.parity, how, name, err)
					}
				}
				r.giveBack(i)
			}
			r.hasAll(want, "%v: %d drives are new, %s, others were away and are back", g, g.parity, how)
			r.heal()
			r.delete("gone", nil)
			losses(r, g, g.parity, func(drives []int) {
				r.hasAll(want, "%v: %d drives were replaced, %s, healed, then %v lost", g, g.parity, how, drives)
				r.hasNot("gone", "", "%v: deleted after %d drives were replaced", g, g.parity)
			})
			for _, b := range r.bays[:g.parity] {
				if len(r.files(b, "objects/")) == 0 {
					failf("%v: a new drive, %s, has nothing after it was healed", g, how)
				}
			}
			if report := r.heal(); report.Healed > 0 || report.Purged > 0 {
				failf("%v: rebuilt, and there is still something to heal: %+v", g, report)
			}
		}
	}
}

func missingAtOpen(t *trial) {
	g := geometry{6, 2}
	r := t.rack(g)
	want := r.fillUp()
	for _, lost := range [][]int{{0}, {7}, {2, 3}, {0, 1}} {
		for _, i := range lost {
			r.bays[i].pulled = true
		}
		r.restart()
		r.hasAll(want, "opened without drives %v", lost)
		b := body(len(want), 5000)
		r.put("new", b, nil)
		want["new"] = b
		for _, i := range lost {
			must(r.attach(r.bays[i]), "attaching drive %d", i)
		}
		r.heal()
		losses(r, g, g.parity, func(drives []int) {
			r.hasAll(want, "drives %v were missing, attached, healed; then %v lost", lost, drives)
		})
	}
	r.close()
	for i := range 5 {
		r.bays[i].pulled = true
	}
	if err := r.open(); err == nil {
		_, err = r.read("fill/1", "")
		fails(err, erasure.ErrReadQuorum, "reading in a store that was opened with three drives of eight")
	} else {
		fails(err, erasure.ErrReadQuorum, "opening with three drives of eight")
	}
}
