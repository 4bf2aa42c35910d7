package light_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/light"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

func TestABlockIsWhatWasEncoded(t *testing.T) {
	c := bfttest.NewLightChain("demo").Validators(3, "n3=1 n4=2")
	for h := types.Height(1); h < 5; h++ {
		b := *c.Block(h)
		for range 2 {
			data := b.Encode(nil)
			got, err := light.DecodeBlock(data)
			require.NoError(t, err)
			require.NoError(t, got.Check("demo"))
			require.NoError(t, light.VerifyCommit("demo", got))
			require.Equal(t, data, got.Encode(nil))
			require.Equal(t, b.Next == nil, got.Next == nil)
			for n := range data {
				if got, err := light.DecodeBlock(data[:n]); err == nil {
					require.Nil(t, got.Next, "cut at %d", n) // without the last piece, it is a block without it
					require.NotNil(t, b.Next)
				}
			}
			_, err = light.DecodeBlock(append(data, 0))
			require.ErrorIs(t, err, light.ErrEncoding)
			b.Next = nil
		}
	}
}

// FuzzDecodeBlock reads anything as a block: it is the one encoding of what is read, which can be judged, or an error.
func FuzzDecodeBlock(f *testing.F) {
	b := bfttest.NewLightChain("demo").Block(2)
	f.Add(b.Encode(nil))
	b.Next = nil
	f.Add(b.Encode(nil))
	f.Add(append(b.Encode(nil), 0x80, 0))
	set := b.Validators.Encode(nil)
	long := append(binary.AppendUvarint(b.Encode(nil), uint64(len(set))), set...)
	long[len(long)-len(set)-1] |= 0x80
	f.Add(slices.Insert(long, len(long)-len(set), 0))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := light.DecodeBlock(data)
		if err != nil {
			require.ErrorIs(t, err, light.ErrEncoding)
			return
		}
		require.Equal(t, data, b.Encode(nil), "RULE ENC: a second encoding")
		if err := b.Check("demo"); err != nil {
			require.ErrorIs(t, err, light.ErrInvalid)
			return
		}
		_ = light.VerifyCommit("demo", b)
	})
}

// FuzzFileStore reads anything in a file's place, under a checksum that is right: it is damage with its place, or a block of this height.
func FuzzFileStore(f *testing.F) {
	c := bfttest.NewLightChain("demo")
	f.Add(c.Block(2).Encode(nil), true)
	f.Add(c.Block(3).Encode(nil), true)
	f.Add(append([]byte{9}, c.Block(2).Encode(nil)[1:]...), true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, data []byte, sum bool) {
		fsys := vfs.NewMem()
		file := data
		if sum {
			file = append(binary.LittleEndian.AppendUint32(nil, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))), data...)
		}
		const name = "00000000000000000002.block"
		require.NoError(t, fsys.MkdirAll("dir"))
		require.NoError(t, vfs.Replace(fsys, "dir", "new", name, file))
		s, err := light.OpenFileStore(fsys, "dir")
		require.NoError(t, err)
		b, err := s.Block(2)
		if err != nil {
			require.True(t, errors.Is(err, vfs.ErrCorrupt) || errors.As(err, new(*vfs.VersionError)), "%v", err)
			require.ErrorContains(t, err, name)
		} else {
			require.Equal(t, types.Height(2), b.Height())
			require.NoError(t, s.Save(b))
			again, err := s.Block(2)
			require.NoError(t, err)
			require.Equal(t, b.Encode(nil), again.Encode(nil))
		}
		require.NoError(t, s.Close())
	})
}

// stores are both kinds, empty.
func stores(t *testing.T) map[string]light.Store {
	file, err := light.OpenFileStore(vfs.NewMem(), "dir")
	require.NoError(t, err)
	t.Cleanup(func() { file.Close() })
	return map[string]light.Store{"memory": light.NewMemStore(), "file": file}
}

func TestStoresKeepWhatIsSaved(t *testing.T) {
	c := bfttest.NewLightChain("demo")
	for name, s := range stores(t) {
		for _, h := range []types.Height{5, 2, 9, 5} {
			require.NoError(t, s.Save(c.Block(h)), name)
		}
		require.Equal(t, []types.Height{2, 5, 9}, s.Heights(), name)
		b, err := s.Block(5)
		require.NoError(t, err, name)
		require.Equal(t, c.Block(5).Encode(nil), b.Encode(nil), name)
		_, err = s.Block(3)
		require.ErrorIs(t, err, light.ErrNotFound, name)
		require.NoError(t, s.Remove(2, 3), name)
		require.Equal(t, []types.Height{5, 9}, s.Heights(), name)
		_, err = s.Block(2)
		require.ErrorIs(t, err, light.ErrNotFound, name)
	}
}

func TestAFileStoreIsThereAfterReopening(t *testing.T) {
	fsys, c := vfs.NewMem(), bfttest.NewLightChain("demo")
	s, err := light.OpenFileStore(fsys, "dir")
	require.NoError(t, err)
	require.NoError(t, s.Save(c.Block(3)))
	require.NoError(t, s.Save(c.Block(7)))
	_, err = light.OpenFileStore(fsys, "dir")
	require.ErrorIs(t, err, vfs.ErrLocked)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Block(3)
	require.Error(t, err)
	s, err = light.OpenFileStore(fsys, "dir")
	require.NoError(t, err)
	require.Equal(t, []types.Height{3, 7}, s.Heights())
	b, err := s.Block(3)
	require.NoError(t, err)
	require.Equal(t, c.Block(3).Encode(nil), b.Encode(nil))
	require.NoError(t, s.Close())
}

func TestDamageIsReportedWithItsFile(t *testing.T) {
	c := bfttest.NewLightChain("demo")
	for what, change := range map[string]func([]byte) []byte{
		"a bit": func(d []byte) []byte { d[100] ^= 4; return d },
		"cut":   func(d []byte) []byte { return d[:50] },
		"empty": func([]byte) []byte { return nil },
		"version": func(d []byte) []byte {
			return binary.LittleEndian.AppendUint32(nil, crc32.Checksum([]byte{2, 'x'}, crc32.MakeTable(crc32.Castagnoli)))
		},
	} {
		fsys := vfs.NewMem()
		s, err := light.OpenFileStore(fsys, "dir")
		require.NoError(t, err)
		require.NoError(t, s.Save(c.Block(3)))
		name := filepath.Join("dir", fmt.Sprintf("%020d.block", 3))
		f, err := fsys.Open(name, vfs.ReadWrite)
		require.NoError(t, err)
		size, err := f.Size()
		require.NoError(t, err)
		data := make([]byte, size)
		_, err = f.ReadAt(data, 0)
		require.NoError(t, err)
		require.NoError(t, f.Truncate(0))
		data = change(data)
		if what == "version" {
			data = append(data, 2, 'x')
		}
		_, err = f.WriteAt(data, 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
		_, err = s.Block(3)
		var corrupt *light.CorruptError
		var version *light.VersionError
		if what == "version" {
			require.ErrorAs(t, err, &version, "RULE damage: %v", err)
			require.Equal(t, uint32(2), version.Version)
		} else {
			require.ErrorAs(t, err, &corrupt, "RULE damage: %s: %v", what, err)
			require.Equal(t, name, corrupt.File)
		}
		require.NoError(t, s.Close())
	}
}

// After a power cut at any operation, each block is whole or not there, and what Save has answered for is.
func TestWhatIsSavedSurvivesAPowerCutAtEveryOperation(t *testing.T) {
	c := bfttest.NewLightChain("demo")
	work := func(fsys vfs.FS) (saved []types.Height, err error) {
		s, err := light.OpenFileStore(fsys, "dir")
		if err != nil {
			return nil, err
		}
		defer s.Close()
		for h := types.Height(1); h <= 3; h++ {
			if err := s.Save(c.Block(h)); err != nil {
				return saved, err
			}
			saved = append(saved, h)
		}
		return saved, nil
	}
	whole := vfs.NewMem()
	_, err := work(whole)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	for at := int64(1); at <= whole.Ops(); at++ {
		for variant := range 8 {
			fsys := vfs.NewMem()
			if variant%2 == 0 {
				fsys.CutPower(at)
			} else {
				fsys.CutPowerDuring(at)
			}
			saved, _ := work(fsys)
			s, err := light.OpenFileStore(fsys.CrashClone(rng), "dir")
			require.NoError(t, err)
			for _, h := range s.Heights() {
				_, err := s.Block(h)
				require.NoError(t, err, "RULE durable: height %d is there and broken, after operation %d", h, at)
			}
			for _, h := range saved {
				b, err := s.Block(h)
				require.NoError(t, err, "RULE durable: height %d, after operation %d", h, at)
				require.Equal(t, h, b.Height())
			}
			require.NoError(t, s.Close())
		}
	}
}
