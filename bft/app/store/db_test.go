package store

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// grow commits versions up to height: the same whenever they are made.
func grow(db *DB, height int64) error {
	for h := db.Last().Height + 1; h <= height; h++ {
		if _, err := db.Commit(h, version(db.Last().Tree, h)); err != nil {
			return err
		}
	}
	return nil
}

// version is what follows t at height h.
func version(t Tree, h int64) Tree {
	rng := rand.New(rand.NewPCG(uint64(h), 5))
	b := t.Branch()
	for range 8 {
		k := fmt.Appendf(nil, "key %02d", rng.IntN(40))
		if rng.IntN(4) == 0 {
			_ = b.Delete(k)
		} else {
			_ = b.Set(k, fmt.Appendf(nil, "%d at %d", rng.IntN(1000), h))
		}
	}
	return b.Tree()
}

// roots are those of heights 0 to n.
func roots(n int64) []Hash {
	t := Tree{}
	out := []Hash{t.Root()}
	for h := int64(1); h <= n; h++ {
		t = version(t, h)
		out = append(out, t.Root())
	}
	return out
}

func small(fs vfs.FS) Options {
	return Options{Dir: "state", FS: fs, Keep: 3, Rewrite: 2000, SegmentSize: 4096}
}

func TestVersionsAreKeptAndPruned(t *testing.T) {
	want := roots(20)
	for _, where := range []string{"memory", "disk"} {
		opts := small(vfs.NewMem())
		if where == "memory" {
			opts.Dir = ""
		}
		db, err := Open(opts)
		require.NoError(t, err)
		_, err = db.At(1)
		require.ErrorIs(t, err, ErrFuture)
		require.NoError(t, grow(db, 20))
		check := func() {
			for h := int64(1); h <= 20; h++ {
				v, err := db.At(h)
				if h <= 17 {
					require.ErrorIs(t, err, ErrPruned, "RULE ST7: height %d in %s", h, where)
					continue
				}
				require.NoError(t, err, "RULE ST7: height %d in %s", h, where)
				require.Equal(t, want[h], v.Root)
				require.Equal(t, want[h], v.Tree.Root())
			}
			_, err = db.At(21)
			require.ErrorIs(t, err, ErrFuture)
		}
		check()
		_, err = db.Commit(20, Tree{})
		require.ErrorIs(t, err, ErrHeight)
		require.NoError(t, db.Close())
		require.NoError(t, db.Close())
		_, err = db.Commit(21, Tree{})
		require.ErrorIs(t, err, ErrClosed)
		if where == "disk" {
			db, err = Open(opts)
			require.NoError(t, err)
			check()
			_, err = Open(opts)
			require.ErrorIs(t, err, vfs.ErrLocked)
			require.NoError(t, db.Close())
		}
	}
}

// Heights may begin anywhere, and leave some out.
func TestHeightsNeedNotBeAllThere(t *testing.T) {
	opts := small(vfs.NewMem())
	db, err := Open(opts)
	require.NoError(t, err)
	for _, h := range []int64{100, 101, 110} {
		_, err := db.Commit(h, version(db.Last().Tree, h))
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
	db, err = Open(opts)
	require.NoError(t, err)
	require.Equal(t, int64(110), db.Last().Height)
	_, err = db.At(105)
	require.ErrorIs(t, err, ErrPruned)
	require.NoError(t, db.Close())
}

// ST5: power goes after each operation in turn.
func TestACrashLeavesTheLastVersionOrTheNext(t *testing.T) {
	const height = 40
	want := roots(height)
	rng := rand.New(rand.NewPCG(7, 7))
	disk := vfs.NewMem()
	committed := int64(0) // told to be
	crashes, rewritten := 0, false
	var clones []*vfs.Mem
	var least []int64
	disk.Observe(func(op vfs.Op) {
		rewritten = rewritten || op.Kind == vfs.OpRemove || op.Kind == vfs.OpRename
		for range 3 {
			clones, least = append(clones, disk.CrashClone(rng)), append(least, committed)
		}
	})
	db, err := Open(small(disk))
	require.NoError(t, err)
	for h := int64(1); h <= height; h++ {
		require.NoError(t, grow(db, h))
		committed = h
	}
	disk.Observe(nil)
	require.NoError(t, db.Close())
	require.True(t, rewritten, "the log was never rewritten")
	for i, c := range clones {
		db, err := Open(small(c))
		require.NoError(t, err, "RULE ST5: clone %d, after height %d", i, least[i])
		last := db.Last()
		require.True(t, last.Height == least[i] || last.Height == least[i]+1, "RULE ST5: clone %d: height %d was committed, %d is there", i, least[i], last.Height)
		require.Equal(t, want[last.Height], last.Tree.Root(), "RULE ST5: clone %d: height %d is another one", i, last.Height)
		for h := max(1, last.Height-2); h <= last.Height; h++ {
			v, err := db.At(h)
			require.NoError(t, err, "RULE ST7: clone %d: height %d of %d", i, h, last.Height)
			require.Equal(t, want[h], v.Root)
		}
		require.NoError(t, grow(db, last.Height+3))
		require.NoError(t, db.Close())
		crashes++
	}
	require.Greater(t, crashes, 100)
}

// ST6: a bit that flips in what was committed is found, whichever it is.
func TestDamageIsReported(t *testing.T) {
	disk := vfs.NewMem()
	opts := small(disk)
	opts.Rewrite = 1 << 20
	db, err := Open(opts)
	require.NoError(t, err)
	require.NoError(t, grow(db, 5))
	require.NoError(t, db.Close())
	names, err := disk.List("state")
	require.NoError(t, err)
	found := 0
	for _, name := range names {
		f, err := disk.Open("state/"+name, vfs.ReadOnly)
		require.NoError(t, err)
		size, err := f.Size()
		require.NoError(t, err)
		for off := int64(0); off < min(size, 1200); off += 7 {
			c := disk.CrashCloneKeepAll()
			w, err := c.Open("state/"+name, vfs.ReadWrite)
			require.NoError(t, err)
			p := []byte{0}
			_, _ = w.ReadAt(p, off)
			p[0] ^= 0x10
			_, err = w.WriteAt(p, off)
			require.NoError(t, err)
			require.NoError(t, w.Sync())
			require.NoError(t, w.Close())
			bad := opts
			bad.FS = c
			db, err := Open(bad)
			if err != nil {
				found++
				continue
			}
			require.Equal(t, roots(5)[db.Last().Height], db.Last().Tree.Root(), "RULE ST6: %s at %d", name, off)
			require.Equal(t, int64(5), db.Last().Height, "RULE ST6: damage in %s at %d made versions vanish", name, off)
			require.NoError(t, db.Close())
		}
	}
	require.Greater(t, found, 20)
}

// ST6: a record whose changes do not have its root is refused, as are all that are cut or run over.
func TestARecordIsCheckedAgainstItsRoot(t *testing.T) {
	one := Version{Height: 1, Tree: version(Tree{}, 1)}
	one.Root = one.Tree.Root()
	two := Version{Height: 2, Tree: version(one.Tree, 2)}
	two.Root = two.Tree.Root()
	good := record(one, two, false)
	got, err := parse(good, one)
	require.NoError(t, err)
	require.Equal(t, two.Root, got.Tree.Root())
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x40
		_, err := parse(bad, one)
		if i != 1 { // the height: only the log's own checksum vouches for it
			require.Error(t, err, "RULE ST6: byte %d", i)
		}
		_, err = parse(good[:i], one)
		require.Error(t, err, "RULE ST6: cut at %d", i)
	}
	_, err = parse(append(good, 0), one)
	require.Error(t, err)
	_, err = parse(good, Version{})
	require.Error(t, err, "RULE ST6: changes to another version")
}

func TestAFullDiskFailsACommitAndNothingElse(t *testing.T) {
	disk := vfs.NewMem()
	opts := small(disk)
	opts.Rewrite = 1 << 20
	db, err := Open(opts)
	require.NoError(t, err)
	require.NoError(t, grow(db, 2))
	big := db.Last().Tree.Branch()
	require.NoError(t, big.Set([]byte("big"), make([]byte, 1<<20)))
	disk.SetCapacity(64 << 10)
	_, err = db.Commit(3, big.Tree())
	require.ErrorIs(t, err, vfs.ErrNoSpace)
	require.Equal(t, int64(2), db.Last().Height, "RULE ST5: it is not committed")
	require.NoError(t, grow(db, 3))
	require.NoError(t, db.Close())
	db, err = Open(opts)
	require.NoError(t, err)
	require.Equal(t, roots(3)[3], db.Last().Tree.Root())
	require.NoError(t, db.Close())
}
