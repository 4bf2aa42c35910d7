//go:build goexperiment.simd && amd64

package rs

import (
	"simd/archsimd"
	"unsafe"
)

// avx2 is the nibble kernel, 32 bytes at a time: VPSHUFB looks 32 nibbles up in
// a table of 16 that is a register.
type avx2 struct{}

func (avx2) String() string { return "avx2" }

func (avx2) Compile(m Matrix) Program {
	return &avx2Program{blocksOf(m, 2, nibblesOf), tileOf(m, 32), table{}.Compile(m)}
}

type avx2Program struct {
	blocks []block[nibbles]
	tile   int
	short  Program // for less than a vector
}

func (p *avx2Program) Mul(out, in [][]byte, at int) {
	n := len(out[0])
	if n < 32 {
		p.short.Mul(out, in, at)
		return
	}
	for k, size := nextTile(0, n, p.tile, 32); size > 0; k, size = nextTile(k+size, n, p.tile, 32) {
		for i := range p.blocks {
			b := &p.blocks[i]
			for r := range b.rows {
				avx2x2(&b.a[r], b.first, out[b.row+r], in[b.in[0]], in[b.in[1]], at, k, size)
			}
		}
	}
}

// avx2x2 sets one row of two inputs, or adds to it.
func avx2x2(a *[4]nibbles, first bool, out, in0, in1 []byte, at, k, n int) {
	dst, src0, src1 := base(out, k, n), base(in0, at+k, n), base(in1, at+k, n)
	low0, high0 := repeat(&a[0].low), repeat(&a[0].high)
	low1, high1 := repeat(&a[1].low), repeat(&a[1].high)
	mask, four := archsimd.BroadcastUint8x32(15), archsimd.BroadcastUint32x8(4)
	for j := 0; j < n; j += 32 {
		x := archsimd.LoadUint8x32((*[32]byte)(unsafe.Add(src0, j)))
		y := archsimd.LoadUint8x32((*[32]byte)(unsafe.Add(src1, j)))
		sum := lookUp(low0, x.And(mask)).Xor(lookUp(high0, highNibbles(x, four).And(mask)))
		sum = sum.Xor(lookUp(low1, y.And(mask))).Xor(lookUp(high1, highNibbles(y, four).And(mask)))
		if !first {
			sum = sum.Xor(archsimd.LoadUint8x32((*[32]byte)(unsafe.Add(dst, j))))
		}
		sum.Store((*[32]byte)(unsafe.Add(dst, j)))
	}
}

// repeat puts a table into both halves of a register: the lookup works on each
// half by itself.
func repeat(table *[16]byte) archsimd.Uint8x32 {
	t := archsimd.LoadUint8x16(table)
	var both archsimd.Uint8x32
	return both.SetLo(t).SetHi(t)
}

func lookUp(table, nibbles archsimd.Uint8x32) archsimd.Uint8x32 {
	return table.PermuteOrZeroGrouped(nibbles.AsInt8x32())
}

// highNibbles moves them down; what comes in from the neighbouring byte is for
// the caller to mask out. There is no shift of bytes. A shift by a constant
// would be loaded in each turn by an instruction of SSE, which costs 300 cycles
// between those of AVX.
func highNibbles(x archsimd.Uint8x32, four archsimd.Uint32x8) archsimd.Uint8x32 {
	return x.AsUint32x8().ShiftRight(four).AsUint8x32()
}
