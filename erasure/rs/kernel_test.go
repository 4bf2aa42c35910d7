package rs

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func randomMatrix(r *rand.Rand, rows, columns int) Matrix {
	m := NewMatrix(rows, columns)
	for _, row := range m {
		for c := range row {
			row[c] = byte(r.Uint32())
		}
	}
	return m
}

// A kernel is right when it gives what the definition gives, of any matrix, any
// length, from any place, and writes nothing else.
func TestKernelsGiveWhatTheDefinitionGives(t *testing.T) {
	for _, k := range Kernels() {
		t.Run(k.String(), func(t *testing.T) {
			r := rand.New(rand.NewPCG(2, 2))
			for rows := 1; rows <= 10; rows++ {
				for columns := 1; columns <= 10; columns++ {
					m := randomMatrix(r, rows, columns)
					program, oracle := k.Compile(m), logExp{}.Compile(m)
					for _, n := range []int{0, 1, 2, 31, 63, 64, 65, 200, 515 + r.IntN(600), 5000} {
						at := r.IntN(70)
						in, out := randomMatrix(r, columns, at+n), randomMatrix(r, rows, n+9)
						want, rest := NewMatrix(rows, n), make([][]byte, rows)
						for i := range out {
							rest[i] = bytes.Clone(out[i][n:])
							out[i] = out[i][:n]
						}
						oracle.Mul(want, in, at)
						program.Mul(out, in, at)
						for i := range out {
							require.Equal(t, want[i], out[i], "RULE kernel-definition: %d×%d, %d bytes from %d, row %d", rows, columns, n, at, i)
							require.Equal(t, rest[i], out[i][n:n+9], "RULE kernel-writes: %d×%d, %d bytes, row %d", rows, columns, n, i)
						}
					}
				}
			}
		})
	}
}

func TestSelfTestPassesEveryKernelAndFailsOneThatIsWrong(t *testing.T) {
	for _, k := range Kernels() {
		require.NoError(t, SelfTest(k))
	}
	require.ErrorContains(t, SelfTest(skewed{}), "kernel skewed multiplies wrongly here (6+4, row 3)")
}

// skewed gets the fourth row wrong, of six inputs, in one column.
type skewed struct{ table }

func (skewed) String() string { return "skewed" }

func (k skewed) Compile(m Matrix) Program {
	p := k.table.Compile(m)
	if len(m) == 4 && m.columns() == 6 {
		return skewedProgram{p}
	}
	return p
}

type skewedProgram struct{ Program }

func (p skewedProgram) Mul(out, in [][]byte, at int) {
	p.Program.Mul(out, in, at)
	out[3][70] ^= 1
}

func TestKernelsAreListedByName(t *testing.T) {
	var names []string
	for _, k := range Kernels() {
		names = append(names, k.String())
	}
	require.Equal(t, []string{"packed", "table", "nibble", "logexp"}, names[len(names)-4:])
	slices.Sort(names)
	require.Equal(t, len(names), len(slices.Compact(names)))
}

// go test -bench Kernel ./erasure/rs
func BenchmarkKernel(b *testing.B) {
	for _, k := range Kernels() {
		for _, g := range []struct{ data, parity int }{{4, 2}, {8, 4}, {16, 4}} {
			b.Run(fmt.Sprintf("kernel=%s/data=%d/parity=%d", k, g.data, g.parity), func(b *testing.B) {
				const size = 64 << 10
				r := rand.New(rand.NewPCG(3, 3))
				program := k.Compile(randomMatrix(r, g.parity, g.data))
				in, out := randomMatrix(r, g.data, size), NewMatrix(g.parity, size)
				b.SetBytes(int64(g.data * size))
				for b.Loop() {
					program.Mul(out, in, 0)
				}
			})
		}
	}
}
