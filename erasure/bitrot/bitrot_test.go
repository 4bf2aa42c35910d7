package bitrot_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/erasure/bitrot"
)

var shard = bitrot.Shard{Version: [16]byte{1, 2, 3, 15: 9}, Part: 1, Index: 2}

// written is a shard file of these bytes in blocks of the size.
func written(t testing.TB, s bitrot.Shard, p []byte, blockSize int) []byte {
	t.Helper()
	var file bytes.Buffer
	w := bitrot.NewWriter(&file, s, blockSize)
	for ; len(p) > blockSize; p = p[blockSize:] {
		require.NoError(t, w.WriteBlock(p[:blockSize]))
	}
	if len(p) > 0 {
		require.NoError(t, w.WriteBlock(p))
	}
	return file.Bytes()
}

func read(file []byte, s bitrot.Shard, size int64, blockSize int) ([]byte, error) {
	r := bitrot.NewReader(bytes.NewReader(file), s, size, blockSize)
	buf := make([]byte, bitrot.Overhead+blockSize)
	var all []byte
	for n := range r.Blocks() {
		p, err := r.ReadBlock(n, buf)
		if err != nil {
			return nil, err
		}
		all = append(all, p...)
	}
	return all, r.Verify(int64(len(file)), buf)
}

func random(n int) []byte {
	p := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

// TestFormatIsWhatThePackageSays builds a frame by hand.
func TestFormatIsWhatThePackageSays(t *testing.T) {
	file := written(t, shard, []byte("hello world"), 6)
	frame := func(block uint64, p string) []byte {
		seed := append([]byte{}, shard.Version[:]...)
		seed = binary.LittleEndian.AppendUint32(seed, 1)
		seed = binary.LittleEndian.AppendUint32(seed, 2)
		seed = binary.LittleEndian.AppendUint64(seed, block)
		body := append(binary.LittleEndian.AppendUint32(nil, uint32(len(p))), p...)
		sum := crc32.Checksum(append(seed, body...), crc32.MakeTable(crc32.Castagnoli))
		return append(binary.LittleEndian.AppendUint32(nil, sum), body...)
	}
	require.Equal(t, append(frame(0, "hello "), frame(1, "world")...), file)
}

func TestEveryLengthComesBack(t *testing.T) {
	for _, blockSize := range []int{1, 7, 64} {
		for size := range 3*blockSize + 2 {
			p := random(size)
			file := written(t, shard, p, blockSize)
			require.EqualValues(t, len(file), bitrot.FileSize(int64(size), blockSize))
			got, err := read(file, shard, int64(size), blockSize)
			require.NoError(t, err)
			require.True(t, bytes.Equal(p, got), "RULE E7: %d bytes in blocks of %d", size, blockSize)
		}
	}
}

func TestARangeIsReadAlone(t *testing.T) {
	const blockSize = 16
	p := random(100)
	file := written(t, shard, p, blockSize)
	copy(file[:bitrot.Offset(3, blockSize)], bytes.Repeat([]byte{0xff}, 999))
	r := bitrot.NewReader(bytes.NewReader(file), shard, 100, blockSize)
	buf := make([]byte, bitrot.Overhead+blockSize)
	got, err := r.ReadBlock(3, buf)
	require.NoError(t, err)
	require.Equal(t, p[48:64], got)
	_, err = r.ReadBlock(2, buf)
	require.ErrorIs(t, err, bitrot.ErrCorrupt)
	for _, n := range []int64{-1, 7} {
		_, err = r.ReadBlock(n, buf)
		require.Error(t, err)
		require.NotErrorIs(t, err, bitrot.ErrCorrupt, "there is no such block")
	}
}

func TestEveryFlippedBitIsFound(t *testing.T) {
	const blockSize = 32
	file := written(t, shard, random(80), blockSize)
	for bit := range 8 * len(file) {
		file[bit/8] ^= 1 << (bit % 8)
		_, err := read(file, shard, 80, blockSize)
		var at *bitrot.Error
		require.ErrorAs(t, err, &at, "RULE E7: bit %d is flipped", bit)
		require.EqualValues(t, bit/8/40*40, at.Offset, "RULE E7: the block of bit %d", bit)
		file[bit/8] ^= 1 << (bit % 8)
	}
}

func TestEveryTruncationIsFound(t *testing.T) {
	const blockSize = 32
	file := written(t, shard, random(96), blockSize)
	for n := range len(file) {
		_, err := read(file[:n], shard, 96, blockSize)
		require.ErrorIs(t, err, bitrot.ErrCorrupt, "RULE E7: cut to %d bytes", n)
		err = bitrot.NewReader(bytes.NewReader(file[:n]), shard, 96, blockSize).Verify(int64(n), make([]byte, 40))
		require.ErrorIs(t, err, bitrot.ErrCorrupt, "RULE E7: cut to %d bytes", n)
	}
	_, err := read(append(file, 0), shard, 96, blockSize)
	require.ErrorIs(t, err, bitrot.ErrCorrupt, "RULE E7: a byte too many")
	// A size between two edges: the last block is a whole one on the drive.
	_, err = read(file, shard, 95, blockSize)
	require.ErrorIs(t, err, bitrot.ErrCorrupt, "RULE E7: another size")
}

// TestABlockFromElsewhereIsNotBelieved reads, with the same bytes in all blocks,
// what belongs to another version, part, shard or block.
func TestABlockFromElsewhereIsNotBelieved(t *testing.T) {
	const blockSize = 16
	p := bytes.Repeat([]byte("same"), 16)
	file := written(t, shard, p, blockSize)
	other := func(change func(s *bitrot.Shard)) bitrot.Shard {
		s := shard
		change(&s)
		return s
	}
	for i := range 16 {
		s := other(func(s *bitrot.Shard) { s.Version[i] ^= 1 })
		_, err := read(file, s, 64, blockSize)
		require.ErrorIs(t, err, bitrot.ErrCorrupt, "RULE E2: of another version, in byte %d of its ID", i)
	}
	for i := range 300 {
		if i != shard.Part {
			_, err := read(file, other(func(s *bitrot.Shard) { s.Part = i }), 64, blockSize)
			require.ErrorIs(t, err, bitrot.ErrCorrupt, "RULE E2: of part %d", i)
		}
		if i != shard.Index {
			_, err := read(file, other(func(s *bitrot.Shard) { s.Index = i }), 64, blockSize)
			require.ErrorIs(t, err, bitrot.ErrCorrupt, "RULE E2: of shard %d", i)
		}
	}
	_, err := read(file, other(func(s *bitrot.Shard) { s.Index, s.Part = s.Part, s.Index }), 64, blockSize)
	require.ErrorIs(t, err, bitrot.ErrCorrupt, "RULE E2: part for shard")
	frame := bitrot.Offset(1, blockSize)
	swapped := append(append(bytes.Clone(file[frame:2*frame]), file[:frame]...), file[2*frame:]...)
	_, err = read(swapped, shard, 64, blockSize)
	require.ErrorIs(t, err, bitrot.ErrCorrupt, "RULE E2: two blocks swapped")
}

func TestErrorsOfTheDriveAreItsOwn(t *testing.T) {
	boom := errors.New("boom")
	r := bitrot.NewReader(readerAt{iotest.ErrReader(boom)}, shard, 10, 10)
	_, err := r.ReadBlock(0, make([]byte, 18))
	require.ErrorIs(t, err, boom)
	require.NotErrorIs(t, err, bitrot.ErrCorrupt)
	require.ErrorIs(t, bitrot.NewWriter(io.Discard, shard, 4).WriteBlock(make([]byte, 5)), io.ErrShortBuffer)
	_, err = shard.Open(make([]byte, 7), 0)
	require.ErrorContains(t, err, "7 bytes are no frame")
}

type readerAt struct{ io.Reader }

func (r readerAt) ReadAt(p []byte, _ int64) (int, error) { return r.Read(p) }

func TestBlocksAreNotAllocated(t *testing.T) {
	const blockSize = 4 << 10
	p := random(blockSize)
	w := bitrot.NewWriter(io.Discard, shard, blockSize)
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = w.WriteBlock(p) }))
	r := bitrot.NewReader(bytes.NewReader(written(t, shard, p, blockSize)), shard, blockSize, blockSize)
	buf := make([]byte, bitrot.Overhead+blockSize)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := r.ReadBlock(0, buf); err != nil {
			panic(err)
		}
	}))
}

// FuzzReader gives a reader any file: it returns what was written, or an error.
func FuzzReader(f *testing.F) {
	const size, blockSize = 40, 16
	p := random(size)
	good := written(f, shard, p, blockSize)
	f.Add(good)
	f.Add(good[:24])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, file []byte) {
		got, err := read(file, shard, size, blockSize)
		switch {
		case err == nil && !bytes.Equal(file, good) && len(file) == len(good):
			// Only a file with a right checksum of its own, one in 2^32.
			t.Logf("another file passes: %x", file)
		case err == nil && !bytes.Equal(got, p):
			t.Fatalf("RULE E7: %x is read from %x", got, file)
		case err != nil && !errors.Is(err, bitrot.ErrCorrupt):
			t.Fatal(err)
		}
	})
}

func BenchmarkBlock(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10} {
		p := random(size)
		b.Run(fmt.Sprintf("op=write/size=%d", size), func(b *testing.B) {
			w := bitrot.NewWriter(io.Discard, shard, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if err := w.WriteBlock(p); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("op=read/size=%d", size), func(b *testing.B) {
			r := bitrot.NewReader(bytes.NewReader(written(b, shard, p, size)), shard, int64(size), size)
			buf := make([]byte, bitrot.Overhead+size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.ReadBlock(0, buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
