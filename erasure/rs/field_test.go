package rs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPowersOfXVisitEveryElementButZero(t *testing.T) {
	seen := map[byte]bool{}
	for i := range 255 {
		seen[Exp(2, i)] = true
	}
	require.Len(t, seen, 255)
	require.False(t, seen[0])
	require.Equal(t, byte(1), Exp(2, 255))
}

func TestExpIsRepeatedMultiplication(t *testing.T) {
	for a := range 256 {
		want := byte(1)
		for n := range 300 {
			require.Equal(t, want, Exp(byte(a), n), "%02x^%d", a, n)
			want = Mul(want, byte(a))
		}
	}
}

func TestZeroHasNoInverse(t *testing.T) {
	require.PanicsWithValue(t, "rs: division by zero in GF(2^8)", func() { Inv(0) })
	require.Panics(t, func() { Div(1, 0) })
}
