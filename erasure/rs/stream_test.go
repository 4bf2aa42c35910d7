package rs

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func encodedShards(t testing.TB, c *Code, size int) [][]byte {
	t.Helper()
	shards := randomMatrix(rand.New(rand.NewPCG(4, uint64(size))), c.data+c.parity, size)
	require.NoError(t, c.Encode(shards))
	return shards
}

func readers(shards [][]byte) []io.Reader {
	r := make([]io.Reader, len(shards))
	for i, s := range shards {
		switch i % 3 { // those in memory are not copied, others are
		case 0:
			r[i] = bytes.NewReader(s)
		case 1:
			r[i] = bytes.NewBuffer(bytes.Clone(s))
		default:
			r[i] = iotest.HalfReader(bytes.NewReader(s))
		}
	}
	return r
}

func buffers(n int) ([]io.Writer, []*bytes.Buffer) {
	w, b := make([]io.Writer, n), make([]*bytes.Buffer, n)
	for i := range w {
		b[i] = &bytes.Buffer{}
		w[i] = b[i]
	}
	return w, b
}

var streamSizes = []int{1, 100, streamBlock - 1, streamBlock, streamBlock + 1, 3*streamBlock + 7}

func TestStreamsMakeWhatSlicesMake(t *testing.T) {
	c, err := New(4, 2)
	require.NoError(t, err)
	for _, size := range streamSizes {
		shards := encodedShards(t, c, size)
		w, b := buffers(2)
		require.NoError(t, c.EncodeStream(readers(shards[:4]), w))
		require.Equal(t, shards[4], b[0].Bytes())
		require.Equal(t, shards[5], b[1].Bytes())

		ok, err := c.VerifyStream(readers(shards))
		require.True(t, ok && err == nil, "%v", err)
		shards[3][size-1] ^= 1
		ok, err = c.VerifyStream(readers(shards))
		require.False(t, ok || err != nil, "%v", err)
		shards[3][size-1] ^= 1

		valid, fill := readers(shards), make([]io.Writer, 6)
		valid[1], valid[5] = nil, nil
		w, b = buffers(2)
		fill[1], fill[5] = w[0], w[1]
		require.NoError(t, c.ReconstructStream(valid, fill))
		require.Equal(t, shards[1], b[0].Bytes())
		require.Equal(t, shards[5], b[1].Bytes())
	}
}

func TestSplitStreamIsUndoneByJoinStream(t *testing.T) {
	c, err := New(4, 2)
	require.NoError(t, err)
	for _, size := range streamSizes {
		data := randomMatrix(rand.New(rand.NewPCG(5, 5)), 1, size)[0]
		w, b := buffers(4)
		require.NoError(t, c.SplitStream(bytes.NewReader(data), w, int64(size)))
		shards, err := c.Split(data)
		require.NoError(t, err)
		in := make([]io.Reader, 4)
		for i := range in {
			require.Equal(t, shards[i], b[i].Bytes(), "as Split cuts")
			in[i] = b[i]
		}
		var out bytes.Buffer
		require.NoError(t, c.JoinStream(&out, in, int64(size)))
		require.Equal(t, data, out.Bytes())
	}
}

func TestStreamsNameWhatIsWrong(t *testing.T) {
	c, err := New(3, 2)
	require.NoError(t, err)
	shards := encodedShards(t, c, 2*streamBlock)
	wrong := errors.New("the disk is gone")

	r := readers(shards[:3])
	r[1] = io.MultiReader(bytes.NewReader(shards[1][:streamBlock]), iotest.ErrReader(wrong))
	w, _ := buffers(2)
	err = c.EncodeStream(r, w)
	require.ErrorIs(t, err, wrong)
	require.ErrorContains(t, err, "reading stream 1 behind byte 16384")

	for short := range 3 {
		r = readers(shards[:3])
		r[short] = io.LimitReader(r[short], streamBlock+5)
		w, _ = buffers(2)
		require.ErrorIs(t, c.EncodeStream(r, w), ErrShardSize)
		r = readers([][]byte{shards[0], shards[1], shards[2]})
		r[short] = bytes.NewReader(shards[short][:streamBlock+5])
		require.ErrorIs(t, c.EncodeStream(r, w), ErrShardSize)
	}

	w, _ = buffers(2)
	w[1] = brokenWriter{wrong}
	err = c.EncodeStream(readers(shards[:3]), w)
	require.ErrorIs(t, err, wrong)
	require.ErrorContains(t, err, "writing stream 1")
	w[1] = brokenWriter{nil}
	require.ErrorIs(t, c.EncodeStream(readers(shards[:3]), w), io.ErrShortWrite)

	require.ErrorIs(t, c.EncodeStream(nil, nil), ErrShardCount)
	_, err = c.VerifyStream(nil)
	require.ErrorIs(t, err, ErrShardCount)
	require.ErrorIs(t, c.ReconstructStream(nil, nil), ErrShardCount)
	fill := make([]io.Writer, 5)
	fill[0] = io.Discard
	require.ErrorIs(t, c.ReconstructStream(readers(shards), fill), ErrShardCount)
	valid := readers(shards)
	valid[0], valid[1], valid[2] = nil, nil, nil
	require.ErrorIs(t, c.ReconstructStream(valid, fill), ErrTooFewShards)

	w, _ = buffers(3)
	require.ErrorIs(t, c.SplitStream(bytes.NewReader(shards[0][:10]), w, 11), ErrShortData)
	require.ErrorIs(t, c.SplitStream(bytes.NewReader(nil), w, 0), ErrShortData)
	require.ErrorIs(t, c.JoinStream(io.Discard, readers(shards[:3]), 1<<40), ErrShortData)
	require.ErrorIs(t, c.JoinStream(io.Discard, make([]io.Reader, 3), 1), ErrMissing)
}

type brokenWriter struct{ err error }

func (w brokenWriter) Write([]byte) (int, error) { return 0, w.err }

// A stream borrows its blocks: however much passes, memory stays what it was.
func TestStreamMemoryIsItsBlocks(t *testing.T) {
	if poolsForget {
		t.Skip("under -race a sync.Pool drops what it is given at random")
	}
	c, err := New(4, 2)
	require.NoError(t, err)
	w := []io.Writer{io.Discard, io.Discard}
	shards := encodedShards(t, c, 64*streamBlock)
	r := make([]bytes.Reader, 4)
	in := make([]io.Reader, 4)
	for i := range r {
		in[i] = &r[i]
	}
	allocs := testing.AllocsPerRun(20, func() {
		for i := range r {
			r[i].Reset(shards[i])
		}
		if err := c.EncodeStream(in, w); err != nil {
			t.Fatal(err)
		}
	})
	require.LessOrEqual(t, allocs, 4.0)
}

// A size that a header of somebody else's said may be anything.
func TestJoinRefusesNegativeSizes(t *testing.T) {
	c, err := New(3, 2)
	require.NoError(t, err)
	shards, err := c.Split([]byte("some data"))
	require.NoError(t, err)
	require.NotPanics(t, func() { err = c.Join(io.Discard, shards, -1) }, "RULE join-refuses: it panics")
	require.ErrorIs(t, err, ErrShortData, "RULE join-refuses: a negative size")
	require.ErrorIs(t, c.JoinStream(io.Discard, readers(shards[:3]), -1), ErrShortData, "RULE join-refuses: a negative size, of streams")
}

// TestSplitStreamOfTheLargestSize: the source ends before it, which is an error.
func TestSplitStreamOfTheLargestSize(t *testing.T) {
	c, err := New(4, 2)
	require.NoError(t, err)
	w := io.Discard
	require.ErrorIs(t, c.SplitStream(strings.NewReader("short"), []io.Writer{w, w, w, w}, math.MaxInt64), ErrShortData)
}
