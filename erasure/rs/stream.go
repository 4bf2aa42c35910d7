package rs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Streams: shards that come from readers and go to writers, a block of each at
// a time. The memory of a stream is that of its blocks, (data+parity) times
// streamBlock, however long the shards are; it is borrowed from the Code.

// A reader is read to its end, and further than the others if it is longer; a
// bytes.Reader to its own end in any case.

// streamBlock is how much of each shard is in memory. Small enough for the
// second-level cache, so that what was copied in is still there when it is
// multiplied.
const streamBlock = 16 << 10

// EncodeStream reads the data shards to their common end, and writes the
// parity shards. Writes are in order, from one goroutine. Readers that end
// apart are an error; parity of what they have in common may have been written
// then.
func (c *Code) EncodeStream(data []io.Reader, parity []io.Writer) error {
	if len(data) != c.data || len(parity) != c.parity {
		return fmt.Errorf("%w: %d readers and %d writers; %d data and %d parity are needed", ErrShardCount, len(data), len(parity), c.data, c.parity)
	}
	s := c.takeStream()
	defer c.giveStream(s)
	return s.each(data, func(in [][]byte) error {
		out := s.out(parity, len(in[0]))
		c.encode.Mul(out, in, 0)
		return writeAll(parity, out)
	})
}

// VerifyStream reads all shards to their common end and says whether the parity
// is that of the data.
func (c *Code) VerifyStream(shards []io.Reader) (bool, error) {
	if len(shards) != c.data+c.parity {
		return false, fmt.Errorf("%w: %d readers; %d data and %d parity need %d", ErrShardCount, len(shards), c.data, c.parity, c.data+c.parity)
	}
	s := c.takeStream()
	defer c.giveStream(s)
	err := s.each(shards, func(in [][]byte) error {
		ok, err := c.Verify(in)
		if err == nil && !ok {
			return errDiffers
		}
		return err
	})
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	return err == nil, err
}

var errDiffers = errors.New("rs: parity differs")

// ReconstructStream reads the shards that valid has readers for and writes
// those that fill has writers for; both have a place for each shard, nil where
// there is none. At least as many valid ones as data shards are needed; exactly
// as many are read.
func (c *Code) ReconstructStream(valid []io.Reader, fill []io.Writer) error {
	total := c.data + c.parity
	if len(valid) != total || len(fill) != total {
		return fmt.Errorf("%w: %d readers and %d writers; both need %d places", ErrShardCount, len(valid), len(fill), total)
	}
	key := planKey{purpose: toReconstruct}
	wanted := false
	for i := range total {
		if valid[i] != nil {
			key.present.add(i)
		}
		if fill[i] != nil {
			if valid[i] != nil {
				return fmt.Errorf("%w: shard %d has a reader and a writer; give it one", ErrShardCount, i)
			}
			key.wanted.add(i)
			wanted = true
		}
	}
	if !wanted {
		return nil
	}
	p, err := c.plans.get(key, func() (*plan, error) { return c.planReconstruction(key) })
	if err != nil {
		return err
	}
	readers, writers := pickAll(valid, p.from), pickAll(fill, p.to)
	s := c.takeStream()
	defer c.giveStream(s)
	return s.each(readers, func(in [][]byte) error {
		out := s.out(writers, len(in[0]))
		p.program.Mul(out, in, 0)
		return writeAll(writers, out)
	})
}

func pickAll[T any](from []T, places []int) []T {
	picked := make([]T, len(places))
	for i, at := range places {
		picked[i] = from[at]
	}
	return picked
}

// SplitStream cuts size bytes of src into the data shards: the first of them
// the beginning, as Split does, so what is written to one is written before
// anything to the next. The last is padded with zeros.
func (c *Code) SplitStream(src io.Reader, data []io.Writer, size int64) error {
	if len(data) != c.data {
		return fmt.Errorf("%w: %d writers; %d data shards need as many", ErrShardCount, len(data), c.data)
	}
	if size < 1 {
		return fmt.Errorf("%w: nothing to split", ErrShortData)
	}
	shard := (size-1)/int64(c.data) + 1 // rounded up
	left := size
	for i, dst := range data {
		n := min(shard, left)
		if _, err := io.CopyN(dst, src, n); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: the source ends before the %d bytes that were promised", ErrShortData, size)
			}
			return fmt.Errorf("rs: splitting into data shard %d: %w", i, err)
		}
		left -= n
		if _, err := io.CopyN(dst, zeros{}, shard-n); err != nil {
			return fmt.Errorf("rs: padding data shard %d: %w", i, err)
		}
	}
	return nil
}

// JoinStream writes the first size bytes of the data shards to dst, which
// undoes SplitStream.
func (c *Code) JoinStream(dst io.Writer, data []io.Reader, size int64) error {
	if len(data) < c.data {
		return fmt.Errorf("%w: %d readers; the %d data shards are needed", ErrTooFewShards, len(data), c.data)
	}
	if size < 0 {
		return fmt.Errorf("%w: %d bytes asked for", ErrShortData, size)
	}
	left := size
	for i, src := range data[:c.data] {
		if left == 0 {
			return nil
		}
		if src == nil {
			return fmt.Errorf("%w: data shard %d; reconstruct it first", ErrMissing, i)
		}
		n, err := io.Copy(dst, io.LimitReader(src, left))
		if err != nil {
			return fmt.Errorf("rs: joining data shard %d: %w", i, err)
		}
		left -= n
	}
	if left > 0 {
		return fmt.Errorf("%w: %d bytes asked for, %d in the data shards", ErrShortData, size, size-left)
	}
	return nil
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// stream is the memory of one stream: a block of each shard.
type stream struct {
	blocks, headers [][]byte
	memory          []memory // of the readers that have all in memory
}

// memory is what a bytes.Reader holds. It hands all of it to one Write, without
// copying; nothing else is needed to read on without copying.
type memory struct {
	left  []byte
	known bool
}

func (m *memory) Write(b []byte) (int, error) { m.left = b; return len(b), nil }

// next returns the next block of a reader, shorter only at its end. What is in
// memory already is not copied: against a kernel of SIMD a copy takes as long as
// the arithmetic.
func (s *stream) next(i int, r io.Reader) ([]byte, error) {
	switch r := r.(type) {
	case *bytes.Reader:
		m := &s.memory[i]
		if !m.known {
			m.known = true
			if _, err := r.WriteTo(m); err != nil {
				return nil, err
			}
		}
		n := min(streamBlock, len(m.left))
		b := m.left[:n]
		m.left = m.left[n:]
		return b, nil
	case *bytes.Buffer:
		return r.Next(streamBlock), nil
	}
	n, err := io.ReadFull(r, s.blocks[i])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return s.blocks[i][:n], err
}

func (c *Code) takeStream() *stream {
	if s, ok := c.streams.Get().(*stream); ok {
		return s
	}
	total := c.data + c.parity
	return &stream{blocks: NewMatrix(total, streamBlock), headers: make([][]byte, total), memory: make([]memory, total)}
}

func (c *Code) giveStream(s *stream) {
	clear(s.headers)
	clear(s.memory)
	c.streams.Put(s)
}

// each reads blocks from all readers until they end together, and hands them
// on.
func (s *stream) each(readers []io.Reader, use func(blocks [][]byte) error) error {
	for at := int64(0); ; at += streamBlock {
		in, size := s.headers[:len(readers)], 0
		for i, r := range readers {
			b, err := s.next(i, r)
			if err != nil {
				return fmt.Errorf("rs: reading stream %d behind byte %d: %w", i, at, err)
			}
			if i == 0 {
				size = len(b)
			} else if len(b) != size {
				return fmt.Errorf("%w: stream %d ends at byte %d, stream 0 does not", ErrShardSize, i, at+int64(len(b)))
			}
			in[i] = b
		}
		if size == 0 {
			return nil
		}
		if err := use(in); err != nil || size < streamBlock {
			return err
		}
	}
}

// out returns blocks for the writers, behind those of the readers.
func (s *stream) out(writers []io.Writer, size int) [][]byte {
	first := len(s.blocks) - len(writers)
	out := s.headers[first:]
	for i := range out {
		out[i] = s.blocks[first+i][:size]
	}
	return out
}

func writeAll(writers []io.Writer, blocks [][]byte) error {
	for i, w := range writers {
		if n, err := w.Write(blocks[i]); err != nil {
			return fmt.Errorf("rs: writing stream %d: %w", i, err)
		} else if n < len(blocks[i]) {
			return fmt.Errorf("rs: writing stream %d: %w", i, io.ErrShortWrite)
		}
	}
	return nil
}
