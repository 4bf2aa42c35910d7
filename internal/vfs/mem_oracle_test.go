package vfs_test

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Two oracles judge crash clones of random histories. They are as simple as
// they are slow: one keeps a copy of the whole file after every operation, the
// other tries all subsets of name operations.

var seeds = flag.Uint64("seeds", 1000, "how many random histories of each sort to judge")

// dice makes the choices of a history: from a random source, or from a fuzzer's
// bytes.
type dice func(n int) int

func seeded(seed uint64) dice {
	rng := rand.New(rand.NewPCG(seed, 5))
	return rng.IntN
}

func fromBytes(data []byte) dice {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		b := data[0]
		data = data[1:]
		return int(b) % n
	}
}

const oracleSectors = 4

// moment is a file after an operation, and what the operation was.
type moment struct {
	size   int
	bytes  [oracleSectors * vfs.SectorSize]byte // zeros past size
	from   int                                  // bytes touched: [from, to)
	to     int
	synced int  // bytes synced: [0, synced)
	failed bool // the sync failed
	length bool // the sync was of the length too
}

func (m *moment) sector(s int) string {
	return string(m.bytes[s*vfs.SectorSize : (s+1)*vfs.SectorSize])
}

// legalSector returns the images a power cut may show of a sector.
func legalSector(story []moment, s int) map[string]bool {
	lo, hi := s*vfs.SectorSize, (s+1)*vfs.SectorSize
	legal := map[string]bool{story[0].sector(s): true}
	lost := false
	for i := range story {
		m := &story[i]
		switch {
		case m.from < hi && m.to > lo:
			legal[m.sector(s)] = true
			lost = false
		case m.synced > lo && m.failed:
			lost = len(legal) > 1
		case m.synced > lo && !lost:
			legal = map[string]bool{m.sector(s): true}
		}
	}
	return legal
}

func legalSizes(story []moment) map[int]bool {
	legal := map[int]bool{story[0].size: true}
	lost := false
	for i := range story {
		m := &story[i]
		switch {
		case i > 0 && m.size != story[i-1].size:
			legal[m.size] = true
			lost = false
		case m.length && m.failed:
			lost = len(legal) > 1
		case m.length && !lost:
			legal = map[int]bool{m.size: true}
		}
	}
	return legal
}

// contentStory runs random operations on one file, and judges crash clones.
func contentStory(t testing.TB, roll dice, steps int) {
	m := vfs.NewMem()
	f := create(t, m, "f", "")
	require.NoError(t, m.SyncDir("."))
	story := []moment{{}}
	fill := byte(0)
	for range steps {
		next := story[len(story)-1]
		next.from, next.to, next.synced, next.failed, next.length = 0, 0, 0, false, false
		switch roll(8) {
		case 0, 1, 2:
			fill++
			off, n := roll(oracleSectors*vfs.SectorSize), 1+roll(2*vfs.SectorSize)
			n = min(n, len(next.bytes)-off)
			writeAt(t, f, strings.Repeat(string([]byte{fill}), n), int64(off))
			for i := off; i < off+n; i++ {
				next.bytes[i] = fill
			}
			next.from, next.to, next.size = off, off+n, max(next.size, off+n)
		case 3:
			size := roll(len(next.bytes))
			require.NoError(t, f.Truncate(int64(size)))
			if size < next.size {
				clear(next.bytes[size:])
				next.from, next.to = size, len(next.bytes)
			}
			next.size = size
		case 4:
			size := roll(len(next.bytes))
			require.NoError(t, f.Preallocate(int64(size)))
			next.size = max(next.size, size)
		case 5:
			fill++
			mp := mapping(t, f, int64(next.size), vfs.ReadWrite)
			if next.size > 0 {
				off := roll(next.size)
				_, err := mp.WriteAt([]byte{fill}, int64(off))
				require.NoError(t, err)
				next.bytes[off] = fill
				next.from, next.to = off, off+1
			}
			require.NoError(t, mp.Close())
		case 6:
			mp := mapping(t, f, int64(roll(next.size+1)), vfs.ReadWrite)
			next.synced = len(mp.Bytes())
			next.failed = syncMayFail(t, m, roll, mp.Sync)
			require.NoError(t, mp.Close())
		case 7:
			next.synced, next.length = len(next.bytes), true
			next.failed = syncMayFail(t, m, roll, f.Sync)
		}
		story = append(story, next)
		require.Equal(t, string(next.bytes[:next.size]), contents(t, f))
		if roll(4) == 0 {
			judgeContents(t, story, m, roll)
		}
	}
	judgeContents(t, story, m, roll)
}

func syncMayFail(t testing.TB, m *vfs.Mem, roll dice, sync func() error) bool {
	if roll(3) > 0 {
		require.NoError(t, sync())
		return false
	}
	m.Inject(vfs.Fault{Err: vfs.ErrIO})
	require.ErrorIs(t, sync(), vfs.ErrIO)
	return true
}

func judgeContents(t testing.TB, story []moment, m *vfs.Mem, roll dice) {
	sizes := legalSizes(story)
	var legal [oracleSectors]map[string]bool
	for s := range legal {
		legal[s] = legalSector(story, s)
	}
	rng := rand.New(rand.NewPCG(uint64(roll(1<<30)), 6))
	for _, clone := range []*vfs.Mem{m.CrashClone(nil), m.CrashCloneKeepAll(), m.CrashClone(rng), m.KillClone().CrashClone(rng)} {
		got := readName(t, clone, "f")
		require.True(t, sizes[len(got)], "length %d, legal are %v", len(got), sizes)
		for s := range legal {
			lo := min(s*vfs.SectorSize, len(got))
			shown := got[lo:min(lo+vfs.SectorSize, len(got))]
			ok := false
			for image := range legal[s] {
				ok = ok || image[:len(shown)] == shown
			}
			require.True(t, ok, "sector %d shows %s", s, runs(shown))
		}
	}
	last := story[len(story)-1]
	require.Equal(t, string(last.bytes[:last.size]), readName(t, m.CrashCloneKeepAll(), "f"))
}

// nameOp and nameModel are the oracle of names in directories a and b: files
// are known by their contents.
type nameOp struct{ from, to, file string }

func (o nameOp) paths() []string {
	return slices.DeleteFunc([]string{o.from, o.to}, func(p string) bool { return p == "" })
}

func (o nameOp) sharesPath(p nameOp) bool {
	return slices.ContainsFunc(o.paths(), func(s string) bool { return slices.Contains(p.paths(), s) })
}

func (o nameOp) in(dir string) bool {
	return slices.ContainsFunc(o.paths(), func(s string) bool { return path.Dir(s) == dir })
}

func (o nameOp) apply(names map[string]string) {
	delete(names, o.from)
	if o.to != "" {
		names[o.to] = o.file
	}
}

type nameModel struct {
	durable, now map[string]string
	pending      []nameOp
}

func (d *nameModel) do(o nameOp) {
	o.apply(d.now)
	d.pending = append(d.pending, o)
}

func (d *nameModel) syncDir(dir string) {
	flushed := make([]bool, len(d.pending))
	for changed := true; changed; {
		changed = false
		for i, o := range d.pending {
			needed := o.in(dir)
			for j := i + 1; j < len(d.pending); j++ {
				needed = needed || flushed[j] && o.sharesPath(d.pending[j])
			}
			if needed && !flushed[i] {
				flushed[i], changed = true, true
			}
		}
	}
	var rest []nameOp
	for i, o := range d.pending {
		if flushed[i] {
			o.apply(d.durable)
		} else {
			rest = append(rest, o)
		}
	}
	d.pending = rest
}

// legal returns all states that a power cut may leave.
func (d *nameModel) legal() map[string]bool {
	states := map[string]bool{}
	for set := range 1 << len(d.pending) {
		names, whole := maps.Clone(d.durable), true
		for j, o := range d.pending {
			if set>>j&1 == 0 {
				continue
			}
			for i := range j {
				whole = whole && (set>>i&1 == 1 || !d.pending[i].sharesPath(o))
			}
			o.apply(names)
		}
		if whole {
			states[showNames(names)] = true
		}
	}
	return states
}

func showNames(names map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		parts = append(parts, name+"="+names[name])
	}
	return strings.Join(parts, " ")
}

// nameStory runs random name operations, and judges crash clones. It returns
// how many of the legal states at the end were seen.
func nameStory(t testing.TB, roll dice, steps, clones int) (seen, legal int) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("a"))
	require.NoError(t, m.MkdirAll("b"))
	require.NoError(t, m.SyncDir("."))
	model := &nameModel{durable: map[string]string{}, now: map[string]string{}}
	pick := func() string { return []string{"a/x", "a/y", "b/x", "b/y"}[roll(4)] }
	for i := range steps {
		name, other := pick(), pick()
		file, there := model.now[name]
		switch roll(4) {
		case 0:
			if !there {
				f := create(t, m, name, fmt.Sprint(i))
				require.NoError(t, f.Sync())
				require.NoError(t, f.Close())
				model.do(nameOp{to: name, file: fmt.Sprint(i)})
			}
		case 1:
			if there {
				require.NoError(t, m.Remove(name))
				model.do(nameOp{from: name})
			}
		case 2:
			if there {
				require.NoError(t, m.Rename(name, other))
				if name != other {
					model.do(nameOp{from: name, to: other, file: file})
				}
			}
		case 3:
			if roll(2) == 0 {
				require.NoError(t, m.SyncDir(path.Dir(name)))
				model.syncDir(path.Dir(name))
			}
		}
		if len(model.pending) > 6 {
			require.NoError(t, m.SyncDir("a"))
			model.syncDir("a")
		}
	}
	show := func(m *vfs.Mem) string {
		names := map[string]string{}
		for _, name := range strings.Fields(files(m)) {
			names[name] = readName(t, m, name)
		}
		return showNames(names)
	}
	states, found := model.legal(), map[string]bool{}
	rng := rand.New(rand.NewPCG(uint64(roll(1<<30)), 7))
	for range clones {
		s := show(m.CrashClone(rng))
		require.True(t, states[s], "%q is none of %v", s, states)
		found[s] = true
	}
	require.Equal(t, showNames(model.durable), show(m.CrashClone(nil)))
	require.Equal(t, showNames(model.now), show(m.CrashCloneKeepAll()))
	return len(found), len(states)
}

func TestRandomWritesCrashIntoLegalContentsOnly(t *testing.T) {
	for seed := range *seeds {
		contentStory(t, seeded(seed), 25)
	}
}

func TestRandomNamesCrashIntoLegalTreesOnly(t *testing.T) {
	seen, legal := 0, 0
	for seed := range *seeds {
		s, l := nameStory(t, seeded(seed), 15, 30)
		seen, legal = seen+s, legal+l
	}
	require.Greater(t, seen*100, legal*80, "%d of %d legal states were seen: too timid", seen, legal)
}

func FuzzCrash(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7}, true)
	f.Add([]byte("a rename, a removal, a sync that fails"), false)
	f.Fuzz(func(t *testing.T, data []byte, names bool) {
		if names {
			nameStory(t, fromBytes(data), min(len(data), 40), 20)
		} else {
			contentStory(t, fromBytes(data), min(len(data), 40))
		}
	})
}

// TestFilesThatOnlyMoveAreNeverLost moves durable files and directories about,
// makes and removes directories, and never syncs more than by chance: after any
// power cut each file is there, once, with its contents.
func TestFilesThatOnlyMoveAreNeverLost(t *testing.T) {
	for seed := range *seeds {
		roll := seeded(seed)
		m := vfs.NewMem()
		for i := range 3 {
			require.NoError(t, create(t, m, fmt.Sprint("f", i), fmt.Sprint("[", i, "]")).Sync())
		}
		require.NoError(t, m.SyncDir("."))
		dirs := []string{"p", "q", "p/r", "q/r", "p/r/s", "q/p"}
		for step := range 25 {
			dir, other := dirs[roll(len(dirs))], dirs[roll(len(dirs))]
			switch roll(5) {
			case 0:
				require.NoError(t, m.MkdirAll(dir))
			case 1:
				_ = m.Remove(dir) // fails unless it is there and empty
			case 2:
				_ = m.Rename(dir, other)
			case 3:
				_ = m.SyncDir(dir)
			case 4: // a file found anywhere moves anywhere
				if at := strings.Fields(files(m)); len(at) > 0 {
					_ = m.Rename(at[roll(len(at))], path.Join(other, fmt.Sprint("moved", step)))
				}
			}
		}
		rng := rand.New(rand.NewPCG(seed, 8))
		for range 10 {
			after := m.CrashClone(rng)
			var found []string
			for _, name := range strings.Fields(files(after)) {
				found = append(found, readName(t, after, name))
			}
			slices.Sort(found)
			require.Equal(t, []string{"[0]", "[1]", "[2]"}, found, "seed %d", seed)
		}
	}
}

// files lists the names of all files.
func files(m *vfs.Mem) string {
	var names []string
	for _, line := range strings.Split(m.Dump(), "\n") {
		if name, _, isFile := strings.Cut(line, " "); isFile {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}
