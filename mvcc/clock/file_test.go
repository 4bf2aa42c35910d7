package clock

import (
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

func openFile(t *testing.T, m *vfs.Mem) *File {
	f, err := OpenFile(m, "clock")
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

// put writes a file as somebody else might.
func put(t *testing.T, m *vfs.Mem, text string) {
	f, err := m.Create("clock")
	require.NoError(t, err)
	_, err = io.WriteString(f, text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestFileKeepsTheLastOne(t *testing.T) {
	name := filepath.Join(t.TempDir(), "clock")
	for i, ts := range []timestamp.TS{0, 1, timestamp.Make(1<<40, 5), timestamp.Max} {
		f, err := OpenFile(nil, name)
		require.NoError(t, err)
		_, err = OpenFile(nil, name)
		require.ErrorIs(t, err, ErrLocked)
		if i == 0 {
			got, err := f.Load()
			require.NoError(t, err)
			require.Zero(t, got, "there is no file")
		}
		require.NoError(t, f.Save(ts))
		require.NoError(t, f.Close())
		f, err = OpenFile(nil, name)
		require.NoError(t, err)
		got, err := f.Load()
		require.NoError(t, err)
		require.Equal(t, ts, got, "RULE C2: the file has another bound")
		require.NoError(t, f.Close())
	}
}

func TestDamagedFileIsRefused(t *testing.T) {
	m := vfs.NewMem()
	good := encode(timestamp.Make(1_750_000_000_000, 3))
	for i := range len(good) {
		for bit := range 8 {
			bad := []byte(good)
			bad[i] ^= 1 << bit
			put(t, m, string(bad))
			_, err := openAndLoad(m)
			require.Error(t, err, "RULE C2: bit %d of byte %d is wrong, and the file is believed", bit, i)
			require.ErrorContains(t, err, "clock")
		}
		put(t, m, good[:i])
		_, err := openAndLoad(m)
		require.ErrorIs(t, err, ErrCorrupt, "RULE C2: the file ends after %d bytes, and is believed", i)
	}
	put(t, m, good+"x")
	_, err := openAndLoad(m)
	require.ErrorIs(t, err, ErrCorrupt, "RULE C2: the file goes on behind its end, and is believed")
	put(t, m, "flagship clock 2 hello\n")
	_, err = openAndLoad(m)
	require.ErrorContains(t, err, "clock has format 2, and this program knows 1")
}

func openAndLoad(m *vfs.Mem) (timestamp.TS, error) {
	f, err := OpenFile(m, "clock")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return f.Load()
}

func TestPowerCutLeavesTheOldOneOrTheNewOne(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, openFile(t, m).Save(1000))
	start, rng, both := m.Ops(), rand.New(rand.NewPCG(1, 2)), map[timestamp.TS]bool{}
	var f *File
	check := func(least timestamp.TS) {
		for range 30 {
			got, err := openAndLoad(m.CrashClone(rng))
			require.NoError(t, err, "RULE C2: after a power cut")
			require.GreaterOrEqual(t, got, least, "RULE C2: what was saved is gone")
			require.Contains(t, []timestamp.TS{1000, 2000}, got)
			both[got] = true
		}
	}
	m.Observe(func(vfs.Op) { check(1000) })
	f = &File{fs: m, name: "clock"}
	require.NoError(t, f.Save(2000))
	check(2000)
	require.Greater(t, m.Ops(), start+4)
	require.Len(t, both, 2)
}

func TestFailedWriteIsTold(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpCreate, vfs.OpWrite, vfs.OpSync, vfs.OpRename, vfs.OpSyncDir} {
		m := vfs.NewMem()
		f := openFile(t, m)
		require.NoError(t, f.Save(1000))
		m.Inject(vfs.Fault{Kind: kind, Err: vfs.ErrIO})
		require.ErrorIs(t, f.Save(2000), vfs.ErrIO, "RULE C2: %s failed, and Save did not", kind)
		require.NoError(t, f.Save(2000))
	}
}
