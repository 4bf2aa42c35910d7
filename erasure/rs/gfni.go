//go:build goexperiment.simd && amd64

package rs

import (
	"simd/archsimd"
	"unsafe"
)

// gfni multiplies 64 bytes by a coefficient with one instruction,
// VGF2P8AFFINEQB: it takes each byte as a vector of eight bits and multiplies
// it by an 8x8 matrix of bits. Multiplying by a field element is linear in the
// bits, so it is such a matrix, for whatever polynomial the field has.
type gfni struct{}

func (gfni) String() string { return "gfni" }

func (gfni) Compile(m Matrix) Program {
	return &gfniProgram{blocksOf(m, 4, bitMatrix), tileOf(m, 64), table{}.Compile(m)}
}

// bitMatrix returns the 8x8 matrix of bits of multiplying by a: column i holds
// the bits of a·x^i. The instruction wants the row of bit 0 in the last byte.
func bitMatrix(a byte) (m uint64) {
	products := &field().mul[a]
	for column := range 8 {
		product := products[1<<column]
		for bit := range 8 {
			m |= uint64(product>>bit&1) << (8*(7-bit) + column)
		}
	}
	return m
}

type gfniProgram struct {
	blocks []block[uint64]
	tile   int
	short  Program // for less than a vector
}

func (p *gfniProgram) Mul(out, in [][]byte, at int) {
	n := len(out[0])
	if n < 64 {
		p.short.Mul(out, in, at)
		return
	}
	for k, size := nextTile(0, n, p.tile, 64); size > 0; k, size = nextTile(k+size, n, p.tile, 64) {
		for i := range p.blocks {
			switch b := &p.blocks[i]; {
			case b.rows == 1:
				gfni1(b, out, in, at, k, size)
			case b.narrow && !b.first:
				gfni2x2(b, out, in, at, k, size)
			default:
				gfni2x4(b, out, in, at, k, size)
			}
		}
	}
}

// gfni2x4 sets two rows of four inputs, or adds to them.
func gfni2x4(b *block[uint64], out, in [][]byte, at, k, n int) {
	in0, in1, in2, in3 := base(in[b.in[0]], at+k, n), base(in[b.in[1]], at+k, n), base(in[b.in[2]], at+k, n), base(in[b.in[3]], at+k, n)
	out0, out1 := base(out[b.row], k, n), base(out[b.row+1], k, n)
	a0, a1, a2, a3 := spread(b.a[0][0]), spread(b.a[0][1]), spread(b.a[0][2]), spread(b.a[0][3])
	c0, c1, c2, c3 := spread(b.a[1][0]), spread(b.a[1][1]), spread(b.a[1][2]), spread(b.a[1][3])
	if b.first {
		for j := 0; j < n; j += 64 {
			x0, x1, x2, x3 := load(in0, j), load(in1, j), load(in2, j), load(in3, j)
			store(out0, j, sum4(x0, x1, x2, x3, a0, a1, a2, a3))
			store(out1, j, sum4(x0, x1, x2, x3, c0, c1, c2, c3))
		}
		return
	}
	for j := 0; j < n; j += 64 {
		x0, x1, x2, x3 := load(in0, j), load(in1, j), load(in2, j), load(in3, j)
		store(out0, j, load(out0, j).Xor(sum4(x0, x1, x2, x3, a0, a1, a2, a3)))
		store(out1, j, load(out1, j).Xor(sum4(x0, x1, x2, x3, c0, c1, c2, c3)))
	}
}

// gfni2x2 adds two inputs to two rows.
func gfni2x2(b *block[uint64], out, in [][]byte, at, k, n int) {
	in0, in1 := base(in[b.in[0]], at+k, n), base(in[b.in[1]], at+k, n)
	out0, out1 := base(out[b.row], k, n), base(out[b.row+1], k, n)
	a0, a1, c0, c1 := spread(b.a[0][0]), spread(b.a[0][1]), spread(b.a[1][0]), spread(b.a[1][1])
	for j := 0; j < n; j += 64 {
		x0, x1 := load(in0, j), load(in1, j)
		store(out0, j, load(out0, j).Xor(sum2(x0, x1, a0, a1)))
		store(out1, j, load(out1, j).Xor(sum2(x0, x1, c0, c1)))
	}
}

// gfni1 sets one row of four inputs, or adds to it.
func gfni1(b *block[uint64], out, in [][]byte, at, k, n int) {
	in0, in1, in2, in3 := base(in[b.in[0]], at+k, n), base(in[b.in[1]], at+k, n), base(in[b.in[2]], at+k, n), base(in[b.in[3]], at+k, n)
	out0 := base(out[b.row], k, n)
	a0, a1, a2, a3 := spread(b.a[0][0]), spread(b.a[0][1]), spread(b.a[0][2]), spread(b.a[0][3])
	if b.first {
		for j := 0; j < n; j += 64 {
			store(out0, j, sum4(load(in0, j), load(in1, j), load(in2, j), load(in3, j), a0, a1, a2, a3))
		}
		return
	}
	for j := 0; j < n; j += 64 {
		store(out0, j, load(out0, j).Xor(sum4(load(in0, j), load(in1, j), load(in2, j), load(in3, j), a0, a1, a2, a3)))
	}
}

func spread(a uint64) archsimd.Uint64x8 { return archsimd.BroadcastUint64x8(a) }

func load(p unsafe.Pointer, at int) archsimd.Uint8x64 {
	return archsimd.LoadUint8x64((*[64]byte)(unsafe.Add(p, at)))
}

func store(p unsafe.Pointer, at int, x archsimd.Uint8x64) { x.Store((*[64]byte)(unsafe.Add(p, at))) }

func sum2(x0, x1 archsimd.Uint8x64, a0, a1 archsimd.Uint64x8) archsimd.Uint8x64 {
	return x0.GaloisFieldAffineTransform(a0, 0).Xor(x1.GaloisFieldAffineTransform(a1, 0))
}

func sum4(x0, x1, x2, x3 archsimd.Uint8x64, a0, a1, a2, a3 archsimd.Uint64x8) archsimd.Uint8x64 {
	return sum2(x0, x1, a0, a1).Xor(sum2(x2, x3, a2, a3))
}
