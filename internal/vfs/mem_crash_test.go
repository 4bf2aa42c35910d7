package vfs_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// outcomes returns what 2,000 power cuts leave, as show shows it, and checks
// that the two extremes are among it.
func outcomes(t *testing.T, m *vfs.Mem, show func(*vfs.Mem) string) []string {
	t.Helper()
	seen := map[string]bool{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		seen[show(m.CrashClone(rng))] = true
	}
	require.Contains(t, seen, show(m.CrashClone(nil)), "the strictest state is one of them")
	require.Contains(t, seen, show(m.CrashCloneKeepAll()), "and so is everything kept")
	return slices.Sorted(maps.Keys(seen))
}

// tree shows every file with its contents, runs of a byte as "a*512".
func tree(t testing.TB) func(*vfs.Mem) string {
	return func(m *vfs.Mem) string {
		var parts []string
		for _, line := range strings.Split(strings.TrimSpace(m.Dump()), "\n") {
			if name, _, isFile := strings.Cut(line, " "); isFile {
				parts = append(parts, name+"="+runs(readName(t, m, name)))
			} else if line != "" {
				parts = append(parts, line)
			}
		}
		return strings.Join(parts, " ")
	}
}

func runs(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && s[j] == s[i] {
			j++
		}
		c := string(s[i])
		if s[i] == 0 {
			c = "."
		}
		if j-i == 1 {
			b.WriteString(c)
		} else {
			fmt.Fprintf(&b, "%s*%d ", c, j-i)
		}
		i = j
	}
	return strings.TrimSpace(b.String())
}

// TestPowerCutLeavesTheseStatesAndNoOthers lists, for small stories, all that a
// power cut may leave: no more, no less.
func TestPowerCutLeavesTheseStatesAndNoOthers(t *testing.T) {
	sector := func(c string) string { return strings.Repeat(c, vfs.SectorSize) }
	durable := func(t *testing.T, m *vfs.Mem, name, text string) vfs.File {
		f := create(t, m, name, text)
		require.NoError(t, f.Sync())
		require.NoError(t, m.SyncDir("."))
		return f
	}
	for _, c := range []struct {
		name  string
		story func(t *testing.T, m *vfs.Mem)
		want  []string
	}{
		{"two sectors are torn apart", func(t *testing.T, m *vfs.Mem) {
			writeAt(t, durable(t, m, "f", sector("a")+sector("b")), sector("A")+sector("B"), 0)
		}, []string{"f=A*512 B*512", "f=A*512 b*512", "f=a*512 B*512", "f=a*512 b*512"}},
		{"one sector is not, however often written", func(t *testing.T, m *vfs.Mem) {
			f := durable(t, m, "f", "0000")
			writeAt(t, f, "1", 0)
			writeAt(t, f, "22", 1)
			writeAt(t, f, "3", 3)
		}, []string{"f=0*4", "f=10*3", "f=12*2 0", "f=12*2 3"}},
		{"a mapping's stores are writes", func(t *testing.T, m *vfs.Mem) {
			_, err := mapping(t, durable(t, m, "f", sector("a")+"b"), 513, vfs.ReadWrite).WriteAt([]byte("AB"), 511)
			require.NoError(t, err)
		}, []string{"f=a*511 AB", "f=a*511 Ab", "f=a*512 B", "f=a*512 b"}},
		{"a mapping's sync holds its bytes, not the others", func(t *testing.T, m *vfs.Mem) {
			f := durable(t, m, "f", sector("a")+"b")
			writeAt(t, f, "A", 0)
			writeAt(t, f, "B", 512)
			require.NoError(t, mapping(t, f, 512, vfs.ReadOnly).Sync())
		}, []string{"f=Aa*511 B", "f=Aa*511 b"}},
		{"an append is length and bytes, apart", func(t *testing.T, m *vfs.Mem) {
			write(t, durable(t, m, "f", "aa"), "bb")
		}, []string{"f=a*2", "f=a*2 .*2", "f=a*2 b*2"}},
		{"a truncation too", func(t *testing.T, m *vfs.Mem) {
			require.NoError(t, durable(t, m, "f", "aabb").Truncate(2))
		}, []string{"f=a*2", "f=a*2 .*2", "f=a*2 b*2"}},
		{"preallocation is a length", func(t *testing.T, m *vfs.Mem) {
			require.NoError(t, durable(t, m, "f", "a").Preallocate(4))
		}, []string{"f=a", "f=a.*3"}},
		{"a synced file without a synced directory may vanish whole", func(t *testing.T, m *vfs.Mem) {
			require.NoError(t, create(t, m, "f", "a").Sync())
		}, []string{"", "f=a"}},
		{"a synced directory without a synced file has an empty one", func(t *testing.T, m *vfs.Mem) {
			create(t, m, "f", "a")
			require.NoError(t, m.SyncDir("."))
		}, []string{"f=", "f=.", "f=a"}},
		{"a rename is whole or not at all", func(t *testing.T, m *vfs.Mem) {
			durable(t, m, "f", "a")
			require.NoError(t, m.Rename("f", "g"))
		}, []string{"f=a", "g=a"}},
		{"a rename onto a file leaves one or the other there", func(t *testing.T, m *vfs.Mem) {
			durable(t, m, "f", "old")
			durable(t, m, "tmp", "new")
			require.NoError(t, m.Rename("tmp", "f"))
		}, []string{"f=new", "f=old tmp=new"}},
		{"renaming what was never synced durably names nothing", func(t *testing.T, m *vfs.Mem) {
			durable(t, m, "f", "o")
			create(t, m, "tmp", "n")
			require.NoError(t, m.Rename("tmp", "f"))
			require.NoError(t, m.SyncDir("."))
		}, []string{"f=", "f=.", "f=n"}},
		{"a rename needs the creation before it", func(t *testing.T, m *vfs.Mem) {
			require.NoError(t, create(t, m, "tmp", "n").Sync())
			require.NoError(t, m.Rename("tmp", "f"))
		}, []string{"", "f=n", "tmp=n"}},
		{"a name removed and made again keeps the order", func(t *testing.T, m *vfs.Mem) {
			durable(t, m, "f", "old")
			require.NoError(t, m.Remove("f"))
			require.NoError(t, create(t, m, "f", "new").Sync())
		}, []string{"", "f=new", "f=old"}},
		{"other names have no order", func(t *testing.T, m *vfs.Mem) {
			durable(t, m, "a", "1")
			require.NoError(t, m.Remove("a"))
			require.NoError(t, create(t, m, "b", "2").Sync())
		}, []string{"", "a=1", "a=1 b=2", "b=2"}},
		{"a file emptied by Create may be old, empty, or zeros", func(t *testing.T, m *vfs.Mem) {
			durable(t, m, "f", "aa")
			create(t, m, "f", "")
		}, []string{"f=", "f=.*2", "f=a*2"}},
		{"a recycled file shows its old bytes under the new name", func(t *testing.T, m *vfs.Mem) {
			f := durable(t, m, "old.wal", "oo")
			require.NoError(t, m.Rename("old.wal", "new.wal"))
			writeAt(t, f, "n", 0)
			require.NoError(t, m.SyncDir("."))
		}, []string{"new.wal=no", "new.wal=o*2"}},
		{"directories not synced above vanish with what is in them", func(t *testing.T, m *vfs.Mem) {
			require.NoError(t, m.MkdirAll("a/b"))
			require.NoError(t, create(t, m, "a/b/f", "x").Sync())
			require.NoError(t, m.SyncDir("a/b"))
		}, []string{"", "a/", "a/ a/b/ a/b/f=x"}},
		{"a move between directories is in one of them", func(t *testing.T, m *vfs.Mem) {
			require.NoError(t, m.MkdirAll("a"))
			durable(t, m, "f", "x")
			require.NoError(t, m.Rename("f", "a/f"))
		}, []string{"a/ a/f=x", "a/ f=x"}},
		{"and durable when the one it came from is synced", func(t *testing.T, m *vfs.Mem) {
			require.NoError(t, m.MkdirAll("a"))
			durable(t, m, "f", "x")
			require.NoError(t, m.Rename("f", "a/f"))
			require.NoError(t, m.SyncDir("."))
		}, []string{"a/ a/f=x"}},
		{"a move into a new directory does not lose the file with it", func(t *testing.T, m *vfs.Mem) {
			durable(t, m, "f", "x")
			require.NoError(t, m.MkdirAll("a"))
			require.NoError(t, m.Rename("f", "a/f"))
		}, []string{"a/ a/f=x", "a/ f=x", "f=x"}},
		{"nor a move out of a removed one", func(t *testing.T, m *vfs.Mem) {
			require.NoError(t, m.MkdirAll("a"))
			durable(t, m, "a/f", "x")
			require.NoError(t, m.SyncDir("a"))
			require.NoError(t, m.Rename("a/f", "f"))
			require.NoError(t, m.Remove("a"))
		}, []string{"a/ a/f=x", "a/ f=x", "f=x"}},
		{"two new names depend on nothing of each other", func(t *testing.T, m *vfs.Mem) {
			create(t, m, "a", "")
			create(t, m, "b", "")
		}, []string{"", "a=", "a= b=", "b="}},
		{"the file that Lock makes is a name as any other", func(t *testing.T, m *vfs.Mem) {
			_, err := m.Lock("LOCK")
			require.NoError(t, err)
		}, []string{"", "LOCK="}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			m := vfs.NewMem()
			c.story(t, m)
			before := tree(t)(m)
			require.Equal(t, c.want, outcomes(t, m, tree(t)))
			require.Equal(t, before, tree(t)(m), "the original is as it was")

			killed := m.KillClone()
			require.Equal(t, before, tree(t)(killed), "a kill loses nothing")
			require.Equal(t, c.want, outcomes(t, killed, tree(t)), "but promises nothing more")
		})
	}
}

func TestEverythingInACrashCloneIsDurable(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("d"))
	create(t, m, "d/f", "text")
	kept := m.CrashCloneKeepAll()
	require.Equal(t, "d/ d/f=text", tree(t)(kept))
	require.Equal(t, "d/ d/f=text", tree(t)(kept.CrashClone(nil)))
	require.Zero(t, kept.Ops())
}

func TestALengthThatWasLostTakesItsBytesAlong(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "a")
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("."))
	write(t, f, "bc")
	require.NoError(t, mapping(t, f, 3, vfs.ReadOnly).Sync())
	after := m.CrashClone(nil)
	require.Equal(t, "a", readName(t, after, "f"))
	require.EqualValues(t, 1, after.Used())
	require.NoError(t, open(t, after, "f", vfs.ReadWrite).Truncate(3))
	require.Equal(t, "a\x00\x00", readName(t, after, "f"))
}

func TestClonesAreIndependent(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "one")
	require.NoError(t, f.Sync())
	writeAt(t, f, "two", 0)
	killed, crashed := m.KillClone(), m.CrashCloneKeepAll()
	for i, other := range []*vfs.Mem{killed, crashed} {
		require.NoError(t, other.FlipBit("f", 0))
		writeAt(t, open(t, other, "f", vfs.ReadWrite), fmt.Sprint("clone ", i), 0)
		require.NoError(t, other.Rename("f", "g"))
	}
	require.Equal(t, "two", readName(t, m, "f"))
	require.Equal(t, "clone 0", readName(t, killed, "g"))
	require.Equal(t, "clone 1", readName(t, crashed, "g"))
	require.NoError(t, m.SyncDir("."))
	require.Equal(t, "one", readName(t, m.CrashClone(nil), "f"), "nor did the bit flip in a shared image")
}

func TestKillReleasesLocksAndKeepsWhatWasWritten(t *testing.T) {
	m := vfs.NewMem()
	_, err := m.Lock("LOCK")
	require.NoError(t, err)
	f := create(t, m, "f", "")
	require.NoError(t, f.Preallocate(4))
	_, err = mapping(t, f, 4, vfs.ReadWrite).WriteAt([]byte("mapped"[:4]), 0)
	require.NoError(t, err)
	m.CutPower(0)
	killed := m.KillClone()
	require.Equal(t, "mapp", readName(t, killed, "f"))
	require.Equal(t, "missing", readName(t, killed.CrashClone(nil), "f"), "nothing of it was synced")
	_, err = killed.Lock("LOCK")
	require.NoError(t, err)

	g := open(t, killed, "f", vfs.ReadWrite)
	require.NoError(t, g.Sync())
	require.NoError(t, killed.SyncDir("."))
	require.Equal(t, "mapp", readName(t, killed.CrashClone(nil), "f"), "the next process may still sync it")
}

func TestKillGivesBackTheSpaceOfRemovedFiles(t *testing.T) {
	m := vfs.NewMem()
	create(t, m, "kept", "123")
	create(t, m, "gone", "45678")
	require.NoError(t, m.SyncDir("."))
	require.NoError(t, m.Remove("gone"))
	require.EqualValues(t, 8, m.Used(), "its handle holds it")
	killed := m.KillClone()
	require.EqualValues(t, 3, killed.Used())
	require.EqualValues(t, 3, m.CrashCloneKeepAll().Used())
}

func TestTheSameSeedGivesTheSameClone(t *testing.T) {
	build := func() *vfs.Mem {
		m := vfs.NewMem()
		for i := range 20 {
			f := create(t, m, fmt.Sprint("f", i), "")
			for s := range 10 {
				writeAt(t, f, fmt.Sprint(i, s), int64(s*300))
			}
		}
		return m
	}
	a, b := build(), build()
	for seed := range uint64(50) {
		x := a.CrashClone(rand.New(rand.NewPCG(seed, 0)))
		y := b.CrashClone(rand.New(rand.NewPCG(seed, 0)))
		require.Equal(t, tree(t)(x), tree(t)(y))
	}
}

// workload is a store in miniature: a value is replaced by way of a temporary
// file, as every textbook says, or as too many programs do.
func workload(fsys vfs.FS, careful bool) (acked int, err error) {
	for i := 1; i <= 3; i++ {
		f, err := fsys.Create("value.tmp")
		if err != nil {
			return acked, err
		}
		if _, err := fmt.Fprintf(f, "value %d", i); err != nil {
			return acked, err
		}
		if careful {
			if err := f.Sync(); err != nil {
				return acked, err
			}
		}
		if err := f.Close(); err != nil {
			return acked, err
		}
		if err := fsys.Rename("value.tmp", "value"); err != nil {
			return acked, err
		}
		if err := fsys.SyncDir("."); err != nil {
			return acked, err
		}
		acked = i
	}
	return acked, nil
}

// violations counts the crash states in which an acknowledged value is lost or
// a value is mangled, over power cuts after and during each operation.
func violations(t *testing.T, careful bool) (bad, all int) {
	whole := vfs.NewMem()
	_, err := workload(whole, careful)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range whole.Ops() + 1 {
		for _, cut := range []func(*vfs.Mem, int64){(*vfs.Mem).CutPower, (*vfs.Mem).CutPowerDuring} {
			m := vfs.NewMem()
			cut(m, n)
			acked, err := workload(m, careful)
			if err != nil {
				require.ErrorIs(t, err, vfs.ErrPowerCut)
			}
			for range 20 {
				got := readName(t, m.CrashClone(rng), "value")
				var v int
				if _, err := fmt.Sscanf(got, "value %d", &v); err != nil && got != "missing" || v < acked || v > acked+1 {
					bad++
				}
				all++
			}
		}
	}
	return bad, all
}

func TestPowerCutAtEveryOperationFindsTheForgottenSync(t *testing.T) {
	bad, all := violations(t, true)
	require.Zero(t, bad, "of %d", all)
	bad, _ = violations(t, false)
	require.NotZero(t, bad)
}

func TestObserverMayTakeClonesAfterEachOperation(t *testing.T) {
	m := vfs.NewMem()
	var ops []vfs.Op
	var states []string
	m.Observe(func(op vfs.Op) {
		ops = append(ops, op)
		states = append(states, fmt.Sprintf("%v | %s", op, tree(t)(m.CrashClone(nil))))
	})
	f := create(t, m, "f", "text")
	require.NoError(t, m.SyncDir("."))
	require.NoError(t, f.Sync())
	_ = m.Remove("g")
	require.NoError(t, m.Rename("f", "g"))
	require.Equal(t, []string{
		"1 create f | ",
		"2 write f 0+4 | ",
		"3 syncdir  | f=",
		"4 sync f | f=text",
		"5 remove g: remove g: file does not exist | f=text",
		"6 rename f -> g | f=text",
	}, states)
	require.Equal(t, vfs.Op{N: 2, Kind: vfs.OpWrite, Name: "f", Length: 4}, ops[1])
	require.EqualValues(t, 6, m.Ops())
}
