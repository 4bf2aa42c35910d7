package erasure

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// random are bytes that no shortcut gets right.
func random(n int, seed uint64) []byte {
	p := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(n)
	rand.NewChaCha8(key).Read(p)
	return p
}

// memDrives opens drives 0 to n-1, each in a directory of the file system.
func memDrives(t testing.TB, fs vfs.FS, n int) []Drive {
	t.Helper()
	var drives []Drive
	for i := range n {
		d, err := OpenDirFS(fs, fmt.Sprintf("drive%d", i))
		require.NoError(t, err)
		drives = append(drives, d)
	}
	return drives
}

// openStore opens a store of n drives in memory.
func openStore(t testing.TB, n int, o *Options) *Store {
	t.Helper()
	s, err := Open(memDrives(t, vfs.NewMem(), n), o)
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func mustPut(t testing.TB, s *Store, name string, body []byte, o *PutOptions) Info {
	t.Helper()
	info, err := s.Put(context.Background(), name, bytes.NewReader(body), int64(len(body)), o)
	require.NoError(t, err)
	return info
}

// mustHave wants the current version to have this body; the rest is the message.
func mustHave(t testing.TB, s *Store, name string, body []byte, message ...any) {
	t.Helper()
	obj, err := s.Get(context.Background(), name, nil)
	require.NoError(t, err, message...)
	defer obj.Close()
	got := make([]byte, obj.Info.Size)
	_, err = io.ReadFull(obj, got)
	require.NoError(t, err, message...)
	require.True(t, bytes.Equal(body, got), message...)
}

// mustGet reads an object in three ways, which must agree.
func mustGet(t testing.TB, s *Store, name string, o *GetOptions) []byte {
	t.Helper()
	obj, err := s.Get(context.Background(), name, o)
	require.NoError(t, err)
	defer obj.Close()
	var written bytes.Buffer
	_, err = obj.WriteTo(&written)
	require.NoError(t, err)
	at := make([]byte, obj.Info.Size)
	if len(at) > 0 {
		_, err = obj.ReadAt(at, 0)
		require.NoError(t, err)
	}
	_, err = obj.Seek(0, io.SeekStart)
	require.NoError(t, err)
	read, err := io.ReadAll(struct{ io.Reader }{obj})
	require.NoError(t, err)
	require.True(t, bytes.Equal(written.Bytes(), read), "Read and WriteTo")
	require.True(t, bytes.Equal(at, read), "Read and ReadAt")
	return read
}

func TestWhatIsPutIsRead(t *testing.T) {
	for _, serial := range []bool{false, true} {
		for _, g := range []struct{ drives, parity int }{{1, NoParity}, {2, 1}, {4, 2}, {8, 2}, {5, 2}} {
			s := openStore(t, g.drives, &Options{Parity: g.parity, BlockSize: 1000, InlineLimit: 100, Serial: serial})
			for i, size := range []int{0, 1, 7, 99, 100, 101, 399, 400, 401, 600, 601, 999, 1000, 1001, 5000, 12345} {
				name := fmt.Sprintf("a/%d", size)
				body := random(size, uint64(i))
				info := mustPut(t, s, name, body, nil)
				require.EqualValues(t, size, info.Size)
				require.Zero(t, info.Missing)
				require.True(t, bytes.Equal(body, mustGet(t, s, name, nil)), "RULE E1: %d bytes on %d drives", size, g.drives)
				_, err := s.Put(context.Background(), name, io.MultiReader(bytes.NewReader(body)), -1, nil)
				require.NoError(t, err)
				require.True(t, bytes.Equal(body, mustGet(t, s, name, nil)), "RULE E1: %d bytes on %d drives, of unknown size", size, g.drives)
				_, err = s.Delete(context.Background(), name, nil)
				require.NoError(t, err)
				_, err = s.Stat(context.Background(), name, nil)
				require.ErrorIs(t, err, ErrNotFound)
			}
		}
	}
}
