package rs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/reedsolomon"
	"github.com/stretchr/testify/require"
)

func TestGeometryIsChecked(t *testing.T) {
	for _, g := range [][2]int{{0, 1}, {1, 0}, {-1, 3}, {200, 57}, {257, 1}, {1 << 30, 1 << 30}} {
		_, err := New(g[0], g[1])
		require.ErrorIs(t, err, ErrGeometry, "%v", g)
	}
	for _, generator := range []Matrix{{{1}}, {{1, 0}, {0, 1}, {1}}, {{1, 0}, {1, 1}, {1, 1}}} {
		_, err := NewWith(2, 1, Options{Generator: generator})
		require.ErrorIs(t, err, ErrGeometry)
	}
}

func TestCauchyParityIsKlauspostsToo(t *testing.T) {
	for _, g := range [][2]int{{1, 1}, {4, 2}, {10, 4}, {50, 20}} {
		c, err := NewWith(g[0], g[1], Options{Generator: Cauchy(g[0]+g[1], g[0])})
		require.NoError(t, err)
		oracle, err := reedsolomon.New(g[0], g[1], reedsolomon.WithCauchyMatrix())
		require.NoError(t, err)
		ok, err := oracle.Verify(encodedShards(t, c, 777))
		require.True(t, ok && err == nil)
	}
}

// A code with local parities is a generator of the caller's: shards 0 to 2 have
// a parity of their own, and so have 3 to 5; a third parity covers all.
func TestGeneratorWithLocalParities(t *testing.T) {
	generator := append(Identity(6), Matrix{
		{1, 1, 1, 0, 0, 0},
		{0, 0, 0, 1, 1, 1},
		{1, 2, 4, 8, 16, 32},
	}...)
	c, err := NewWith(6, 3, Options{Generator: generator})
	require.NoError(t, err)
	want := encodedShards(t, c, 100)
	lose := func(lost ...int) error {
		got := make([][]byte, 9)
		copy(got, want)
		for _, i := range lost {
			got[i] = nil
		}
		err := c.Reconstruct(got)
		if err == nil {
			require.Equal(t, want, got, "lost %v", lost)
		}
		return err
	}
	require.NoError(t, lose(1))
	require.NoError(t, lose(0, 4))
	require.NoError(t, lose(0, 1, 5), "the first six that are left cannot be inverted; others can")
	require.ErrorIs(t, lose(0, 1, 2), ErrTooFewShards, "three of one group")
	_, err = c.Locate(want)
	require.ErrorIs(t, err, ErrUnlocatable)

	key := planKey{purpose: toReconstruct}
	for i := range 9 {
		if i != 1 {
			key.present.add(i)
		}
	}
	key.wanted.add(1)
	p, err := c.planReconstruction(key)
	require.NoError(t, err)
	require.Subset(t, []int{0, 2, 3, 4, 5, 6}, p.from)
}

func TestUpdateLeavesTheDataAlone(t *testing.T) {
	c, err := New(4, 2)
	require.NoError(t, err)
	shards := encodedShards(t, c, 5000)
	old := bytes.Clone(shards[2])
	changed := bytes.Repeat([]byte{7}, 5000)
	require.NoError(t, c.Update([][]byte{nil, nil, shards[2], nil, shards[4], shards[5]}, [][]byte{nil, nil, changed, nil}))
	require.Equal(t, old, shards[2])
	shards[2] = changed
	ok, err := c.Verify(shards)
	require.True(t, ok && err == nil)
	require.NoError(t, c.Update(shards, make([][]byte, 4)), "nothing changes")
	require.ErrorIs(t, c.Update([][]byte{nil, nil, shards[2], nil, shards[4], nil}, [][]byte{nil, nil, old, nil}), ErrMissing)
}

// poolsForget says that the race detector is on: a sync.Pool then drops some of
// what it is given, at random, so allocations cannot be counted.
var poolsForget bool

func TestNothingIsAllocatedOnceWarm(t *testing.T) {
	if poolsForget {
		t.Skip("under -race a sync.Pool drops what it is given at random")
	}
	c, err := New(10, 4)
	require.NoError(t, err)
	shards := encodedShards(t, c, 10000)
	newData := make([][]byte, 10)
	newData[3] = bytes.Clone(shards[4])
	for name, op := range map[string]func() error{
		"Encode": func() error { return c.Encode(shards) },
		"Verify": func() error { _, err := c.Verify(shards); return err },
		"Update": func() error { return c.Update(shards, newData) },
		"Reconstruct": func() error {
			shards[1], shards[12] = shards[1][:0], shards[12][:0]
			return c.Reconstruct(shards)
		},
	} {
		require.Zero(t, testing.AllocsPerRun(50, func() {
			if err := op(); err != nil {
				t.Fatal(err)
			}
		}), name)
	}
}

func TestPlanCacheIsBounded(t *testing.T) {
	c, err := New(100, 20)
	require.NoError(t, err)
	want := encodedShards(t, c, 10)
	for i := range 30 {
		got := make([][]byte, 120)
		copy(got, want)
		got[i], got[i+50] = nil, nil
		require.NoError(t, c.Reconstruct(got))
		require.Equal(t, want, got)
	}
	require.LessOrEqual(t, len(c.plans.plans), planBudget/100)
}

func TestLocateCauchy(t *testing.T) {
	c, err := NewWith(6, 5, Options{Generator: Cauchy(11, 6)})
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(6, 6))
	for range 200 {
		shards := encodedShards(t, c, 50)
		order := r.Perm(11)
		shards[order[0]] = nil
		want := map[int]bool{order[1]: true, order[2]: true}
		shards[order[1]][r.IntN(50)] ^= 1
		shards[order[2]][r.IntN(50)] ^= 0x80
		got, err := c.Locate(shards)
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.True(t, want[got[0]] && want[got[1]])
	}
}

// go test -bench Codec ./erasure/rs
func BenchmarkCodec(b *testing.B) {
	for _, g := range [][2]int{{4, 2}, {8, 4}, {12, 4}, {16, 4}} {
		for _, size := range []int{4 << 10, 64 << 10, 1 << 20} {
			c, err := New(g[0], g[1])
			require.NoError(b, err)
			shards := encodedShards(b, c, size)
			newData := make([][]byte, g[0])
			newData[0] = bytes.Clone(shards[0])
			for name, op := range map[string]func(){
				"encode": func() { c.Encode(shards) },
				"verify": func() { c.Verify(shards) },
				"update": func() { c.Update(shards, newData) },
				"locate": func() { c.Locate(shards) },
				"reconstruct": func() {
					for i := range g[1] {
						shards[i] = shards[i][:0]
					}
					c.Reconstruct(shards)
				},
			} {
				b.Run(fmt.Sprintf("op=%s/data=%d/parity=%d/size=%d", name, g[0], g[1], size), func(b *testing.B) {
					b.ReportAllocs()
					b.SetBytes(int64(g[0] * size))
					for b.Loop() {
						op()
					}
				})
			}
		}
	}
}

func BenchmarkNew(b *testing.B) {
	for _, g := range [][2]int{{4, 2}, {16, 4}, {128, 128}} {
		b.Run(fmt.Sprintf("data=%d/parity=%d", g[0], g[1]), func(b *testing.B) {
			for b.Loop() {
				if _, err := New(g[0], g[1]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSelfTest(b *testing.B) {
	for _, k := range Kernels() {
		b.Run("kernel="+k.String(), func(b *testing.B) {
			for b.Loop() {
				if err := SelfTest(k); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
