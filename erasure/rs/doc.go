// Package rs is a Reed-Solomon erasure code from scratch: data cut into shards
// and joined by parity shards, such that any shards, as many as there were data
// shards, give the data back. It is the codec of MinIO, Ceph and Backblaze,
// byte for byte that of github.com/klauspost/reedsolomon.
//
// # The problem
//
// Three copies survive the loss of two and take three times the room. With four
// data shards and two parity shards any two of the six may be lost, for one and
// a half times the room. The price is arithmetic.
//
// # The picture
//
// A byte of each data shard at the same place is a column. Each column is
// encoded by itself, by one matrix, the generator; the identity on its top
// leaves the data as it is.
//
//	    generator        data          shards
//	 1  0  0  0                       d0   66
//	 0  1  0  0          d0  66       d1   61
//	 0  0  1  0     ×    d1  61   =   d2   73
//	 0  0  0  1          d2  73       d3   69
//	1b 1c 12 14          d3  69       p0   99
//	1c 1b 14 12                       p1   d0
//
// When d1 and p0 are lost, their rows are struck out. The four rows that are
// left, a square, still say how the four shards that are left came of the data;
// the inverse of the square undoes it. [Code.ExplainReconstruct] prints each
// step, and testdata has the transcripts.
//
// # The field
//
// To invert a matrix one must divide. Bytes with the usual arithmetic cannot
// (2 has no inverse modulo 256), so bytes are taken as the elements of GF(2^8):
// polynomials with coefficients 0 and 1, modulo x^8+x^4+x^3+x^2+1. Sums are XOR,
// and every element but zero has an inverse, so that all of linear algebra
// holds. See field.go.
//
// # Why any rows will do
//
// Take the data as values of a polynomial of degree below data, at the points 0,
// 1, 2, ...; let parity be its values at the points that follow. As many values
// as coefficients determine a polynomial, whichever they are. In matrices:
// a Vandermonde matrix, row r being the powers of r, turns coefficients into
// values; multiplied by the inverse of its top square, it turns the first values
// into all. There are 256 elements, so there are at most 256 shards.
//
// The same reasoning finds errors: if too many values are there, they must
// agree. [Code.Locate] names corrupt shards without any checksum, one for two
// parity shards that are to spare. See locate.go.
//
// # What is kept
//
//	R1  Products are those of 0x11d.                                     field.go
//	R2  Parity is byte for byte what other implementations make.          code.go
//	R3  Any shards, as many as data shards, give all back.      plan.go, matrix.go
//	R4  When fewer are left it is an error; nothing is made up.    reconstruct.go
//	R5  Parity is not made of data that is not there yet: lost parity is
//	    multiplied out, not encoded.                                     plan.go
//	R6  No byte is written outside the shards that are asked for, below their
//	    length; what is present, and the caller's data, is only read.
//	R7  What is remembered belongs to one Code.                          plan.go
//	R8  Corruption is located or it is an error, never both or neither, as far
//	    as the parity reaches.                                         locate.go
//	R9  All kernels give the same bytes.                    kernel.go, selftest.go
//
// Package erasuretest grades them; testdata/bugs has a bug or more for each.
//
// # Speed
//
// Everything is the product of a matrix and shards, so speed is the business of
// a [Kernel]. There are several, from the definition to the processor's own
// instruction; they are short and side by side, to be compared:
//
//	logexp  exp(log a + log b)                                        kernel.go
//	nibble  two lookups in tables of 16                               kernel.go
//	table   one lookup in the table of all products                   kernel.go
//	packed  one lookup for up to four rows, two columns a word        packed.go
//	avx2    nibble, 32 bytes an instruction (GOEXPERIMENT=simd)       avx2.go
//	gfni    64 products an instruction (GOEXPERIMENT=simd)            gfni.go
//
// The vector kernels are plain Go by the experimental package simd/archsimd of
// Go 1.26 (amd64 only); there is no assembly. A Code runs on one goroutine; use
// several for several objects, or blocks.
//
// # Seams
//
// A generator of the caller's ([Options].Generator) makes other linear codes,
// such as those with local parities: reconstruction looks for rows that can be
// inverted, and reads only the shards that it needs. A codec that is no matrix,
// by FFT, has the methods of erasuretest.Coder.
//
// # Papers
//
//   - Reed, Solomon: Polynomial Codes over Certain Finite Fields, 1960.
//   - Peterson: Encoding and Error-Correction Procedures for the Bose-Chaudhuri
//     Codes, 1960. Locating errors by a Hankel system.
//   - Plank: A Tutorial on Reed-Solomon Coding for Fault-Tolerance in RAID-like
//     Systems, 1997; and with Ding the correction, 2003: the naive matrix loses data.
//   - Blömer et al.: An XOR-Based Erasure-Resilient Coding Scheme, 1995. Cauchy.
//   - Anvin: The mathematics of RAID-6, 2004. Delta parity.
//   - Plank, Greenan, Miller: Screaming Fast Galois Field Arithmetic Using Intel
//     SIMD Instructions, 2013. Nibbles.
//
// # Reading order
//
//	field.go        the field
//	matrix.go       matrices over it: Vandermonde, Cauchy, inversion
//	code.go         New, Encode, Verify
//	plan.go         what to multiply for which losses, remembered
//	reconstruct.go  Reconstruct
//	update.go       parity of changes
//	locate.go       which shards are corrupt
//	kernel.go       the multiplication, three ways
//	packed.go       the fastest of plain Go
//	simd.go         blocks of a matrix; gfni.go, avx2.go
//	split.go        objects to shards and back
//	stream.go       readers to writers
//	trace.go        the arithmetic, step by step
//	selftest.go, errors.go
package rs
