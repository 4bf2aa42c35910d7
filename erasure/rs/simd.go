//go:build goexperiment.simd && amd64

package rs

import (
	"simd/archsimd"
	"unsafe"
)

// simdKernels returns those that the processor can run, the fastest first.
func simdKernels() (kernels []Kernel) {
	if archsimd.X86.AVX512() && archsimd.X86.AVX512GFNI() {
		kernels = append(kernels, gfni{})
	}
	if archsimd.X86.AVX2() {
		kernels = append(kernels, avx2{})
	}
	return kernels
}

// A block is a corner of the matrix, small enough for its coefficients to stay
// in registers while shards stream by: two rows and four inputs at most.
//
//	      in0 in1 in2 in3   in4 in5 ...
//	r0  [  a   a   a   a  |  a   a  ]     the first block of a row sets the
//	r1  [  a   a   a   a  |  a   a  ]     output, the others add to it
//	    -------------------
//	r2  [  a   a   a   a  |  a   a  ]
//
// More rows at a time would read inputs less often, but need more registers
// than there are, and what is spilled is loaded again for each vector.
type block[C any] struct {
	row, rows int    // rows is 1 or 2
	in        [4]int // the inputs
	a         [2][4]C
	first     bool // of its rows
	narrow    bool // only the first two inputs have coefficients
}

// blocksOf cuts a matrix into blocks of so many inputs, 2 or 4. of turns a
// coefficient into what the kernel keeps of it; where a block has fewer inputs
// its last ones are the last of the matrix again, with the coefficient zero.
func blocksOf[C any](m Matrix, inputs int, of func(a byte) C) (blocks []block[C]) {
	columns := m.columns()
	for row := 0; row < len(m); row += 2 {
		for c := 0; c < columns; c += inputs {
			b := block[C]{row: row, rows: min(2, len(m)-row), first: c == 0, narrow: columns-c <= 2}
			for i := range b.in {
				b.in[i] = min(c+i, columns-1)
				for r := range b.rows {
					if i < inputs && c+i < columns {
						b.a[r][i] = of(m[row+r][c+i])
					}
				}
			}
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// tileBytes is how much of all shards is worked on at a time: it stays in the
// first-level cache while one block after the other goes over it.
const tileBytes = 32 << 10

// tileOf returns how many columns that is, a multiple of vector.
func tileOf(m Matrix, vector int) int {
	return max(tileBytes/(len(m)+m.columns()), 4*vector) / vector * vector
}

// nextTile returns which columns of n come after the first k, as whole vectors.
// The last vector ends with the last column and may overlap what is done
// already: it is worked out again, from the first block on.
func nextTile(k, n, tile, vector int) (at, size int) {
	switch rest := n - k; {
	case rest <= 0:
		return n, 0
	case rest < vector:
		return n - vector, vector
	default:
		return k, min(rest/vector*vector, tile)
	}
}

// base returns the address of b[k:k+n], checked here once for all the loads and
// stores that follow.
func base(b []byte, k, n int) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b[k : k+n])) }
