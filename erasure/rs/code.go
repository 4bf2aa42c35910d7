package rs

import (
	"bytes"
	"fmt"
	"sync"
)

// MaxShards is the largest number of data and parity shards together: a matrix
// row needs a field element of its own.
const MaxShards = 256

// Options choose how a Code works. The zero value is the code that
// github.com/klauspost/reedsolomon and Backblaze's JavaReedSolomon make, on the
// fastest kernel.
type Options struct {
	// Generator is the matrix that turns data into all shards: one row a shard,
	// one column a data shard, the identity on top. [Cauchy] is one. It is
	// copied. What losses it survives is up to it: Reconstruct finds rows to
	// invert if there are any. Default: [Vandermonde], made systematic.
	Generator Matrix
	// Kernel does the multiplying. Default: the first of [Kernels].
	Kernel Kernel
}

// Code encodes so many data shards with so many parity shards. Shards are
// passed as a slice of data+parity byte slices of one length, the data first;
// those missing have length zero.
//
// A Code is safe for concurrent use, by operations on different shards.
type Code struct {
	data, parity int
	generator    Matrix // of data+parity rows
	kernel       Kernel
	encode       Program // the parity rows
	kind         kind
	weights      []byte // of the known kinds: see locate.go
	plans        planCache
	scratch      sync.Pool // of *scratch
	streams      sync.Pool // of *stream
}

// kind is what is known about a generator.
type kind byte

const (
	custom      kind = iota // nothing
	vandermonde             // any rows, as many as data shards, are invertible
	cauchy                  // so they are
)

// New returns the code of data shards and parity shards with default options.
func New(data, parity int) (*Code, error) { return NewWith(data, parity, Options{}) }

// NewWith is New with options.
func NewWith(data, parity int, o Options) (*Code, error) {
	total := data + parity
	switch {
	case data < 1 || parity < 1:
		return nil, fmt.Errorf("%w: %d data and %d parity; at least one of each is needed", ErrGeometry, data, parity)
	case data > MaxShards || parity > MaxShards || total > MaxShards:
		return nil, fmt.Errorf("%w: %d data and %d parity; together at most %d", ErrGeometry, data, parity, MaxShards)
	}
	c := &Code{data: data, parity: parity, kernel: o.Kernel, plans: newPlanCache(data)}
	if c.kernel == nil {
		if err := selfTested(); err != nil {
			return nil, err
		}
		c.kernel = defaultKernel()
	}
	if err := c.generate(o.Generator); err != nil {
		return nil, err
	}
	c.encode = c.kernel.Compile(c.generator[data:])
	c.scratch.New = func() any { return &scratch{headers: make([][]byte, 2*total)} }
	return c, nil
}

// generate sets the generator matrix.
func (c *Code) generate(given Matrix) error {
	total := c.data + c.parity
	if given == nil {
		generator, err := Vandermonde(total, c.data).Systematic()
		c.generator, c.kind, c.weights = generator, vandermonde, vandermondeWeights(total)
		return err
	}
	if len(given) != total {
		return fmt.Errorf("%w: the generator has %d rows; %d data and %d parity need %d", ErrGeometry, len(given), c.data, c.parity, total)
	}
	for r, row := range given {
		if len(row) != c.data {
			return fmt.Errorf("%w: row %d of the generator has %d columns; %d data shards need as many", ErrGeometry, r, len(row), c.data)
		}
		if r < c.data && !bytes.Equal(row, Identity(c.data)[r]) {
			return fmt.Errorf("%w: row %d of the generator is not of the identity; see Matrix.Systematic", ErrGeometry, r)
		}
	}
	c.generator = given.Clone()
	if equal(given, Cauchy(total, c.data)) {
		c.kind, c.weights = cauchy, cauchyWeights(c.data, total)
	}
	return nil
}

// Data returns the number of data shards.
func (c *Code) Data() int { return c.data }

// Parity returns the number of parity shards.
func (c *Code) Parity() int { return c.parity }

// Generator returns a copy of the matrix that turns data into all shards.
func (c *Code) Generator() Matrix { return c.generator.Clone() }

// Encode fills the parity shards from the data shards. All have to be there,
// of one length; what the parity shards hold is overwritten.
func (c *Code) Encode(shards [][]byte) error {
	if _, err := c.check(shards, false); err != nil {
		return err
	}
	c.encode.Mul(shards[c.data:], shards[:c.data], 0)
	return nil
}

// tileColumns is how many columns Verify, Update and Locate work on at a time.
const tileColumns = 4 << 10

// Verify says whether the parity shards are those of the data shards. All have
// to be there, of one length. It does not tell which shard is wrong: see
// Locate.
func (c *Code) Verify(shards [][]byte) (bool, error) {
	size, err := c.check(shards, false)
	if err != nil {
		return false, err
	}
	s := c.take()
	defer c.give(s)
	for k := 0; k < size; k += tileColumns {
		columns := min(tileColumns, size-k)
		parity := s.tile(0, c.parity, columns)
		c.encode.Mul(parity, shards[:c.data], k)
		for i, p := range parity {
			if !bytes.Equal(p, shards[c.data+i][k:k+columns]) {
				return false, nil
			}
		}
	}
	return true, nil
}

// check returns the length of the shards. Those of length zero are missing,
// which only some operations allow.
func (c *Code) check(shards [][]byte, missing bool) (size int, err error) {
	if len(shards) != c.data+c.parity {
		return 0, fmt.Errorf("%w: %d; %d data and %d parity need %d", ErrShardCount, len(shards), c.data, c.parity, c.data+c.parity)
	}
	first := -1
	for i, s := range shards {
		switch {
		case len(s) == 0 && missing:
		case len(s) == 0:
			return 0, fmt.Errorf("%w: shard %d is empty; give it memory to write to, or reconstruct it first", ErrShardSize, i)
		case first < 0:
			first, size = i, len(s)
		case len(s) != size:
			return 0, fmt.Errorf("%w: shard %d has %d bytes, shard %d has %d", ErrShardSize, i, len(s), first, size)
		}
	}
	if first < 0 {
		return 0, fmt.Errorf("%w: all %d are missing", ErrTooFewShards, len(shards))
	}
	return size, nil
}

// scratch is memory that operations borrow, so that they do not allocate.
type scratch struct {
	headers [][]byte // 2·(data+parity) of them
	columns []byte
}

func (c *Code) take() *scratch { return c.scratch.Get().(*scratch) }

func (c *Code) give(s *scratch) {
	clear(s.headers) // which would keep the caller's shards from being collected
	c.scratch.Put(s)
}

// tile returns the headers from first on of so many short shards, of the
// scratch's own memory.
func (s *scratch) tile(first, shards, columns int) [][]byte {
	if need := (first + shards) * tileColumns; len(s.columns) < need {
		s.columns = make([]byte, need)
	}
	tile := s.headers[first : first+shards]
	for i := range tile {
		at := (first + i) * tileColumns
		tile[i] = s.columns[at : at+columns]
	}
	return tile
}

func equal(m, n Matrix) bool {
	if len(m) != len(n) {
		return false
	}
	for r := range m {
		if !bytes.Equal(m[r], n[r]) {
			return false
		}
	}
	return true
}
