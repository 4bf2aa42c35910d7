package rs

import (
	"encoding/binary"
	"unsafe"
)

// packed is the fastest kernel of plain Go. The products of one byte with
// several rows stand side by side in one word, so that one lookup and one XOR
// do the work of up to four:
//
//	          column k      column k+1
//	in[0]       5a             c3
//	             |              |
//	       even table      odd table            256 words each
//	             |              |
//	       |..r3|..r2|..r1|..r0|  XOR
//	       |r3..|r2..|r1..|r0..|
//	             |
//	in[1] -----> XOR, and so on for all inputs
//	             |
//	       | r3 | r2 | r1 | r0 |                16 bits each: two columns of a row
//
// The two tables of an input hold the same products, a byte apart, so that two
// neighbouring columns fall into one word, and a row's bytes come out in pairs.
// Words of 32 bits serve two rows, words of 64 bits four.
type packed struct{}

func (packed) String() string { return "packed" }

// packedMost is how many coefficients are worth tables, of 1 KiB each. More do
// not stay in the second-level cache.
const packedMost = 4096

func (packed) Compile(m Matrix) Program {
	if len(m)*m.columns() > packedMost {
		return table{}.Compile(m)
	}
	var p packedProgram
	for len(m) > 0 {
		n := min(len(m), 4)
		if n > 2 {
			p = append(p, packRows[uint64](m[:n]))
		} else {
			p = append(p, packRows[uint32](m[:n]))
		}
		m = m[n:]
	}
	return p
}

// packedProgram is the matrix, up to four rows a part.
type packedProgram []interface {
	// mul works out the part's rows, and says how many they are.
	mul(out, in [][]byte, at int) (rows int)
}

func (p packedProgram) Mul(out, in [][]byte, at int) {
	for _, rows := range p {
		out = out[rows.mul(out, in, at):]
	}
}

// packedRows is one part: W has 16 bits for each row.
type packedRows[W uint32 | uint64] struct {
	rows   int
	tables []evenOdd[W] // one an input
}

// evenOdd has the products of an input's byte in an even and an odd column.
type evenOdd[W uint32 | uint64] [2][256]W

func packRows[W uint32 | uint64](m Matrix) *packedRows[W] {
	p := &packedRows[W]{rows: len(m), tables: make([]evenOdd[W], m.columns())}
	f := field()
	for c := range p.tables {
		even, odd := &p.tables[c][0], &p.tables[c][1]
		for bit := 1; bit < 256; bit <<= 1 {
			var products W
			for r := range m {
				products |= W(f.mul[m[r][c]][bit]) << (16 * r)
			}
			for b := range bit { // a·(bit+b) = a·bit + a·b
				even[bit+b] = even[b] ^ products
				odd[bit+b] = even[bit+b] << 8
			}
		}
	}
	return p
}

// packedTile is how many columns are worked on at a time: their sums, 2 KiB of
// them, and the tables of four inputs stay in the first-level cache.
const packedTile = 512

func (p *packedRows[W]) mul(out, in [][]byte, at int) int {
	var sums [packedTile / 2]W
	out = out[:p.rows]
	n := len(out[0])
	for k := 0; k < n; k += packedTile {
		columns := min(packedTile, n-k)
		pairs := sums[:columns/2]
		p.sum(pairs, in, at+k)
		for r := range out {
			unpackRow(out[r][k:k+columns], pairs, 16*r)
		}
	}
	if n%2 == 1 {
		p.lastColumn(out, in, at)
	}
	return p.rows
}

// sum fills sums with those of the columns from at on, two a word.
func (p *packedRows[W]) sum(sums []W, in [][]byte, at int) {
	t, end := p.tables, at+2*len(sums)
	clear(sums)
	for ; len(t) >= 4; t, in = t[4:], in[4:] {
		add4(sums, (*[4]evenOdd[W])(t), pairsOf(in[0][at:end]), pairsOf(in[1][at:end]), pairsOf(in[2][at:end]), pairsOf(in[3][at:end]))
	}
	if len(t) >= 2 {
		add2(sums, (*[2]evenOdd[W])(t), pairsOf(in[0][at:end]), pairsOf(in[1][at:end]))
		t, in = t[2:], in[2:]
	}
	if len(t) == 1 {
		add1(sums, &t[0], pairsOf(in[0][at:end]))
	}
}

// The loops that matter. Four inputs at a time, because a sum is read and
// written once for all four; no more, because that is what registers hold.

func add4[W uint32 | uint64](sums []W, t *[4]evenOdd[W], b0, b1, b2, b3 [][2]byte) {
	b0, b1, b2, b3 = b0[:len(sums)], b1[:len(sums)], b2[:len(sums)], b3[:len(sums)]
	for k := range sums {
		sums[k] ^= t[0][0][b0[k][0]] ^ t[0][1][b0[k][1]] ^ t[1][0][b1[k][0]] ^ t[1][1][b1[k][1]] ^
			t[2][0][b2[k][0]] ^ t[2][1][b2[k][1]] ^ t[3][0][b3[k][0]] ^ t[3][1][b3[k][1]]
	}
}

func add2[W uint32 | uint64](sums []W, t *[2]evenOdd[W], b0, b1 [][2]byte) {
	b0, b1 = b0[:len(sums)], b1[:len(sums)]
	for k := range sums {
		sums[k] ^= t[0][0][b0[k][0]] ^ t[0][1][b0[k][1]] ^ t[1][0][b1[k][0]] ^ t[1][1][b1[k][1]]
	}
}

func add1[W uint32 | uint64](sums []W, t *evenOdd[W], b [][2]byte) {
	b = b[:len(sums)]
	for k := range sums {
		sums[k] ^= t[0][b[k][0]] ^ t[1][b[k][1]]
	}
}

// unpackRow writes the columns of one row, which are shift bits up in the sums.
func unpackRow[W uint32 | uint64](dst []byte, sums []W, shift int) {
	shift &= 63 // which the compiler then need not check
	for len(sums) >= 4 && len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, uint64(uint16(sums[0]>>shift))|uint64(uint16(sums[1]>>shift))<<16|
			uint64(uint16(sums[2]>>shift))<<32|uint64(uint16(sums[3]>>shift))<<48)
		sums, dst = sums[4:], dst[8:]
	}
	for i, w := range sums {
		binary.LittleEndian.PutUint16(dst[2*i:], uint16(w>>shift))
	}
}

// lastColumn works out the last of an odd number of columns.
func (p *packedRows[W]) lastColumn(out, in [][]byte, at int) {
	last := len(out[0]) - 1
	var sum W
	for c := range p.tables {
		sum ^= p.tables[c][0][in[c][at+last]]
	}
	for r := range out {
		out[r][last] = byte(sum >> (16 * r))
	}
}

// pairsOf views bytes as pairs, without the last of an odd number. A type of
// arrays saves the loops above one bounds check a byte.
func pairsOf(b []byte) [][2]byte {
	return unsafe.Slice((*[2]byte)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}
