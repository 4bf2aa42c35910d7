package rs

// A Kernel is one way to multiply a matrix by shards, which is all the work
// there is: encoding multiplies by the parity rows, reconstruction by rows of
// an inverse. All kernels give the same bytes.
type Kernel interface {
	// String names the kernel, as Options.Kernel and benchmarks do.
	String() string
	// Compile prepares for many products with one matrix, of at least one row
	// and one column. It keeps nothing of m.
	Compile(m Matrix) Program
}

// A Program multiplies its matrix by shards. Safe for concurrent use.
type Program interface {
	// Mul sets
	//
	//	out[r][k] = Σ_c m[r][c] · in[c][at+k]
	//
	// for each row r of the matrix and each k below the length of out[0]. All
	// of out are as long as out[0], all of in reach to at+len(out[0]), and no
	// byte of out is one of in. It does not allocate.
	Mul(out, in [][]byte, at int)
}

// Kernels returns those that this build and this processor have, the fastest
// first, the most obvious last.
func Kernels() []Kernel {
	return append(simdKernels(), packed{}, table{}, nibble{}, logExp{})
}

// logExp is the oracle: the definition, with products by logarithms.
//
//	a·b = exp(log a + log b)
type logExp struct{}

func (logExp) String() string { return "logexp" }

func (logExp) Compile(m Matrix) Program { return logExpProgram(m.Clone()) }

type logExpProgram Matrix

func (m logExpProgram) Mul(out, in [][]byte, at int) {
	t := field()
	for r, row := range m {
		for k := range out[r] {
			sum := byte(0)
			for c, a := range row {
				b := in[c][at+k]
				if a != 0 && b != 0 { // zero has no logarithm
					sum ^= t.exp[int(t.log[a])+int(t.log[b])]
				}
			}
			out[r][k] = sum
		}
	}
}

// table looks whole products up, in the 64 KiB table of all of them. One
// coefficient at a time, so it needs only that coefficient's 256 bytes.
type table struct{}

func (table) String() string { return "table" }

func (table) Compile(m Matrix) Program { return tableProgram(m.Clone()) }

type tableProgram Matrix

func (m tableProgram) Mul(out, in [][]byte, at int) {
	t := field()
	for r, row := range m {
		dst := out[r]
		clear(dst)
		for c, a := range row {
			products := &t.mul[a]
			for k, b := range in[c][at : at+len(dst)] {
				dst[k] ^= products[b]
			}
		}
	}
}

// nibble cuts each byte in two and looks the halves up in two tables of 16:
//
//	a·b = a·(high nibble of b) + a·(low nibble of b)
//
// By itself it is slower than table. It is here because a vector register holds
// 16 bytes, and processors look up all of its bytes at once: see the SIMD
// kernels.
type nibble struct{}

func (nibble) String() string { return "nibble" }

func (nibble) Compile(m Matrix) Program {
	p := make(nibbleProgram, len(m))
	for r, row := range m {
		p[r] = make([]nibbles, len(row))
		for c, a := range row {
			p[r][c] = nibblesOf(a)
		}
	}
	return p
}

type nibbles struct{ low, high [16]byte }

func nibblesOf(a byte) (n nibbles) {
	products := &field().mul[a]
	for i := range 16 {
		n.low[i], n.high[i] = products[i], products[i<<4]
	}
	return n
}

type nibbleProgram [][]nibbles

func (m nibbleProgram) Mul(out, in [][]byte, at int) {
	for r, row := range m {
		dst := out[r]
		clear(dst)
		for c := range row {
			n := &row[c]
			for k, b := range in[c][at : at+len(dst)] {
				dst[k] ^= n.low[b&15] ^ n.high[b>>4]
			}
		}
	}
}
