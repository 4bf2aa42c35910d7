package ranges

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/flagship-go/flagship/examples/txnkv/lsmengine"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/mvcc"
)

// A range as a stream, for a replica that is too far behind for the log:
//
//	"txnkv range 1\n" | header, JSON | 'l' or 'd' family key value ... | 0
//
// with lengths before what has none by itself.
const streamMagic = "txnkv range 1\n"

type streamHeader struct {
	Descriptor
	Applied, Size uint64
}

// capture is a range at an index.
type capture struct {
	r      *replica
	s      *lsm.Snapshot
	header streamHeader
	place  *place
}

// Snapshot captures the range as it is between two commands.
func (r *replica) Snapshot() (io.WriterTo, error) {
	if err := r.node.failure(); err != nil {
		return nil, err
	}
	p := r.place.Load()
	h := streamHeader{p.Descriptor, r.applied.Load(), r.size.Load()}
	return &capture{r, r.node.db.Snapshot(), h, p}, nil
}

// WriteTo writes it out, once.
func (c *capture) WriteTo(to io.Writer) (n int64, err error) {
	defer c.s.Close()
	w := &counter{w: bufio.NewWriter(to)}
	h, err := json.Marshal(c.header)
	if err != nil {
		return 0, err
	}
	w.Write([]byte(streamMagic))
	w.bytes(h)
	local := lsmengine.NewSnapshot(c.s, numbered('l', c.r.id))
	data := lsmengine.NewSnapshot(c.s, dataPrefix(c.place.Space))
	lo, hi := c.place.encodedBounds()
	for _, cf := range families {
		err = errors.Join(err, w.pairs('l', cf, local.Iter(cf, nil, nil)), w.pairs('d', cf, data.Iter(cf, lo, hi)))
	}
	w.Write([]byte{0})
	return w.n, errors.Join(err, w.err, w.w.Flush())
}

// counter writes, and remembers how much and what went wrong.
type counter struct {
	w   *bufio.Writer
	n   int64
	err error
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

func (c *counter) bytes(b []byte) {
	var length [binary.MaxVarintLen64]byte
	c.Write(length[:binary.PutUvarint(length[:], uint64(len(b)))])
	c.Write(b)
}

func (c *counter) pairs(kind byte, cf mvcc.CF, it mvcc.Iterator) error {
	for on := it.SeekGE(nil); on && c.err == nil; on = it.Next() {
		c.Write([]byte{kind, byte(cf)})
		c.bytes(it.Key())
		c.bytes(it.Value())
	}
	return errors.Join(it.Err(), it.Close())
}

// Restore replaces the range by a stream. The records go to a space of their own; one
// batch at the end makes them the range's, and removes the old ones. What a crash
// leaves half done is in no range's space, and goes at the next start.
func (r *replica) Restore(from io.Reader) error {
	if err := r.restore(bufio.NewReader(from)); err != nil {
		err = fmt.Errorf("range %d: restore a snapshot: %w", r.id, err)
		r.node.fail(err)
		return err
	}
	return nil
}

func (r *replica) restore(from *bufio.Reader) error {
	if err := r.node.failure(); err != nil {
		return err
	}
	h, err := readHeader(from)
	if err != nil {
		return err
	}
	n, old := r.node, r.place.Load()
	next := &place{Descriptor: h.Descriptor, Space: n.newSpace()}
	last := n.db.NewBatch()
	last.DeleteRange(numbered('l', r.id), numbered('l', r.id+1))
	if err := r.fill(from, next, last); err != nil {
		return err
	}
	if old != nil && old.Space != 0 {
		dropRecords(last, old)
	}
	next.put(last)
	if err := r.commit(last, h.Applied, h.Size); err != nil {
		return err
	}
	r.become(next)
	n.log.Info("range came as a snapshot", "range", r.id, "epoch", next.Epoch, "bytes", h.Size)
	return nil
}

func readHeader(from *bufio.Reader) (h streamHeader, err error) {
	magic := make([]byte, len(streamMagic))
	if _, err := io.ReadFull(from, magic); err != nil {
		return h, err
	}
	if string(magic) != streamMagic {
		return h, fmt.Errorf("%w: it begins with %q, not %q", errCommand, magic, streamMagic)
	}
	v, err := readBytes(from)
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(v, &h)
}

// fill writes the records of a stream into a place, and what is beside them into last.
func (r *replica) fill(from *bufio.Reader, to *place, last *lsm.Batch) error {
	const batchBytes = 1 << 20
	db := r.node.db
	b := db.NewBatch()
	for {
		kind, err := from.ReadByte()
		if err != nil {
			return err
		}
		if kind == 0 {
			return db.Apply(b)
		}
		cf, err := from.ReadByte()
		if err != nil {
			return err
		}
		key, err := readBytes(from)
		if err != nil {
			return err
		}
		value, err := readBytes(from)
		switch {
		case err != nil:
			return err
		case int(cf) >= len(families):
			return fmt.Errorf("%w: family %d", errCommand, cf)
		case kind == 'l':
			last.Put(r.localKey(mvcc.CF(cf), key), value)
		case kind == 'd':
			b.Put(lsmengine.AppendKey(nil, dataPrefix(to.Space), mvcc.CF(cf), key), value)
		default:
			return fmt.Errorf("%w: a pair of kind %q", errCommand, kind)
		}
		if b.Size() > batchBytes {
			if err := db.Apply(b); err != nil {
				return err
			}
			b.Reset()
		}
	}
}

func readBytes(from *bufio.Reader) ([]byte, error) {
	n, err := binary.ReadUvarint(from)
	if err != nil {
		return nil, err
	}
	if n > 64<<20 {
		return nil, fmt.Errorf("%w: %d bytes", errCommand, n)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(from, b)
	return b, err
}
