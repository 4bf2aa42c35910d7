package varint

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestANumberHasOneEncoding(t *testing.T) {
	for _, x := range []uint64{0, 1, 127, 128, 1<<14 - 1, 1 << 14, math.MaxInt32, math.MaxInt64, math.MaxUint64} {
		b := binary.AppendUvarint(nil, x)
		got, n := Take(append(b, 7), x)
		require.Equal(t, x, got)
		require.Len(t, b, n)
		for i := range b {
			_, n = Take(b[:i], x)
			require.Zero(t, n, "cut off after %d bytes", i)
		}
		if x > 0 {
			_, n = Take(b, x-1)
			require.Zero(t, n, "%d, and %d is the most", x, x-1)
		}
		long := append([]byte(nil), b...)
		long[len(long)-1] |= 0x80
		if _, n = Take(append(long, 0), math.MaxUint64); n != 0 {
			t.Fatalf("RULE ENC: %d in a longer form", x)
		}
	}
}
