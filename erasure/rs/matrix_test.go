package rs

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInverseTimesMatrixIsIdentity(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	inverted := 0
	for n := 1; n <= 20; n++ {
		m := NewMatrix(n, n)
		for _, row := range m {
			for c := range row {
				row[c] = byte(r.Uint32())
			}
		}
		before := m.Clone()
		inverse, err := m.Invert()
		require.Equal(t, before, m, "Invert must not change the matrix")
		if err != nil {
			require.ErrorIs(t, err, ErrSingular)
			continue
		}
		inverted++
		require.Equal(t, Identity(n), m.Mul(inverse))
		require.Equal(t, Identity(n), inverse.Mul(m))
	}
	require.Greater(t, inverted, 15, "255 of 256 random matrices are invertible")
}

func TestSingularMatrixIsRefused(t *testing.T) {
	_, err := Matrix{{1, 2}, {2, 4}}.Invert()
	require.ErrorIs(t, err, ErrSingular)
	require.ErrorContains(t, err, "rank 1 of 2")
	_, err = Matrix{{1, 2, 3}, {2, 4, 5}}.Invert()
	require.ErrorContains(t, err, "must be square")
	_, err = NewMatrix(3, 2).Systematic()
	require.ErrorIs(t, err, ErrSingular)
}

// The identity written over the top of a Vandermonde matrix looks like a
// generator. It is not one: some squares of its rows are singular.
func TestIdentityOverVandermondeLosesData(t *testing.T) {
	const data, total = 6, 12
	naive := Vandermonde(total, data)
	copy(naive, Identity(data))
	systematic, err := Vandermonde(total, data).Systematic()
	require.NoError(t, err)
	singular := 0
	for pattern := range 1 << total {
		var rows []int
		for i := range total {
			if pattern>>i&1 == 1 {
				rows = append(rows, i)
			}
		}
		if len(rows) != data {
			continue
		}
		for name, m := range map[string]Matrix{"systematic": systematic, "Cauchy": Cauchy(total, data)} {
			_, err = m.pick(rows).Invert()
			require.NoError(t, err, "%s, rows %v", name, rows)
		}
		if _, err = naive.pick(rows).Invert(); err != nil {
			singular++
		}
	}
	require.Positive(t, singular)
}

func TestMatrixPrintsInHexadecimal(t *testing.T) {
	require.Equal(t, "01 ff\n00 1d\n", Matrix{{1, 255}, {0, 0x1d}}.String())
}
