// Get and Object: a version being read.

package erasure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sort"
	"sync"
)

// Get opens a version for reading. What is replaced or deleted meanwhile stays
// readable until Close. The context is that of all reads. When the version is a
// delete marker the error is ErrDeleted.
func (s *Store) Get(ctx context.Context, name string, o *GetOptions) (*Object, error) {
	if o == nil {
		o = new(GetOptions)
	}
	if err := s.enter(name); err != nil {
		return nil, err
	}
	obj, err := s.get(ctx, name, o)
	if err != nil {
		s.leave()
		return nil, fmt.Errorf("erasure: get %q: %w", name, err)
	}
	return obj, nil
}

func (s *Store) get(ctx context.Context, name string, o *GetOptions) (*Object, error) {
	c, t, release, err := s.find(ctx, name, o.VersionID)
	if err != nil {
		return nil, err
	}
	defer release()
	info, err := c.describe(t, o)
	if err != nil {
		return nil, err
	}
	s.pins.add(t.ID)
	obj := &Object{Info: info, ctx: ctx, source: c.source(t), spans: t.spans(), wanted: t.damaged(c)}
	obj.source.damaged = func(error) { obj.mu.Lock(); obj.wanted = true; obj.mu.Unlock() }
	return obj, nil
}

// Stat returns what is known of a version. When it is a delete marker the error
// is ErrDeleted, and the Info is that of the marker.
func (s *Store) Stat(ctx context.Context, name string, o *GetOptions) (Info, error) {
	if o == nil {
		o = new(GetOptions)
	}
	if err := s.enter(name); err != nil {
		return Info{}, err
	}
	defer s.leave()
	c, t, release, err := s.find(ctx, name, o.VersionID)
	if err != nil {
		return Info{}, fmt.Errorf("erasure: stat %q: %w", name, err)
	}
	release()
	if t.damaged(c) {
		s.queue(name)
	}
	info, err := c.describe(t, o)
	if err != nil {
		return info, fmt.Errorf("erasure: stat %q: %w", name, err)
	}
	return info, nil
}

// describe is the Info of a version that was found, if it has a body and the
// condition holds.
func (c *census) describe(t *tally, o *GetOptions) (Info, error) {
	info := t.info(c.name)
	// What was asked for without an ID is the current version; a newer name may be left
	// of one that was never acknowledged.
	info.Latest = o.VersionID == "" || c.keys()[0] == t.versionKey
	info.Missing = len(c.answers) - t.holding
	for _, a := range c.answers {
		if errors.Is(a.err, errLate) {
			info.Missing-- // nobody knows
		}
	}
	if t.marker {
		return info, ErrDeleted
	}
	return info, o.Condition.check(c.name, t.version)
}

// damaged reports whether a drive that answers lacks the version, or has it
// damaged.
func (t *tally) damaged(c *census) bool {
	if len(t.absent) > 0 {
		return true
	}
	for _, a := range c.answers {
		if f, ok := a.files[t.versionKey]; ok && errors.Is(f.err, ErrCorrupt) {
			return true
		}
	}
	return false
}

// An Object reads a version: io.ReadSeeker, io.ReaderAt, io.WriterTo. ReadAt is
// safe for concurrent use. Only the blocks and shards that are needed are read;
// each shard that is missing or wrong costs one more, and is queued for healing.
// It holds the block that was read last.
type Object struct {
	Info Info

	ctx    context.Context
	source *source
	spans  []span

	mu     sync.Mutex
	pos    int64
	wanted bool // a shard is to be healed
	closed bool
	last   *fetched // a block that was read, and which
	at     blockID
}

// A blockID is a block of a part, by its index in spans and its number.
type blockID struct {
	span   int
	number int64
}

// Read reads from the offset of the last Read or Seek.
func (o *Object) Read(p []byte) (int, error) {
	o.mu.Lock()
	pos := o.pos
	o.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	// The rest of the block is likely to be read next.
	n, err := o.readAt(p, pos, o.Info.Size)
	o.mu.Lock()
	o.pos = pos + int64(n)
	o.mu.Unlock()
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt implements io.ReaderAt.
func (o *Object) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("erasure: read at %d: %w", off, fs.ErrInvalid)
	}
	end := off + int64(len(p))
	for n < len(p) && err == nil {
		var m int
		m, err = o.readAt(p[n:], off+int64(n), end)
		n += m
	}
	return n, err
}

// Seek implements io.Seeker.
func (o *Object) Seek(off int64, whence int) (int64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		off += o.pos
	case io.SeekEnd:
		off += o.Info.Size
	case io.SeekStart:
	default:
		return 0, fmt.Errorf("erasure: seek: %w", fs.ErrInvalid)
	}
	if off < 0 {
		return 0, fmt.Errorf("erasure: seek to %d: %w", off, fs.ErrInvalid)
	}
	o.pos = off
	return off, nil
}

// readAt reads from one block, and has at hand what follows of it up to end.
func (o *Object) readAt(p []byte, off, end int64) (int, error) {
	if off >= o.Info.Size {
		return 0, io.EOF
	}
	id, from := o.find(off)
	length := o.source.blockLen(o.spans[id.span], id.number)
	to := int(min(int64(length), int64(from)+end-off))
	size := o.source.shardSize(length)
	wanted := make([]bool, o.source.geometry.shards())
	for i := from / size; i*size < to; i++ {
		wanted[i] = true
	}
	p = p[:min(len(p), to-from)]
	if n, err := o.readLast(p, id, from, size, wanted); n > 0 || err != nil {
		return n, err
	}
	b, err := o.source.fetch(o.ctx, o.spans[id.span], id.number, wanted)
	if err != nil {
		return 0, fmt.Errorf("erasure: read: %w", err)
	}
	n := b.copy(p, from, size)
	o.keep(b, id)
	return n, nil
}

// find is the block of an offset, and the place in it.
func (o *Object) find(off int64) (id blockID, from int) {
	i := sort.Search(len(o.spans), func(i int) bool { return o.spans[i].offset > off }) - 1
	in := off - o.spans[i].offset
	block := int64(o.source.blockSize)
	return blockID{i, in / block}, int(in % block)
}

// copy copies from the data shards, which are of the given size.
func (b *fetched) copy(p []byte, from, size int) (n int) {
	for n < len(p) {
		n += copy(p[n:], b.shards[(from+n)/size][(from+n)%size:])
	}
	return n
}

// readLast reads from the block that was read last, if it is the one, and has what
// is wanted.
func (o *Object) readLast(p []byte, id blockID, from, size int, wanted []bool) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return 0, fmt.Errorf("erasure: read %q: %w", o.Info.Name, fs.ErrClosed)
	}
	if o.last == nil || o.at != id {
		return 0, nil
	}
	for i, w := range wanted {
		if w && o.last.shards[i] == nil {
			return 0, nil
		}
	}
	return o.last.copy(p, from, size), nil
}

// keep keeps the block for the next read, instead of the one before, which nobody
// reads: that takes the lock.
func (o *Object) keep(b *fetched, id blockID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		b = nil
	}
	if o.last != nil {
		o.source.store.buffers.give(o.last.memory)
	}
	o.last, o.at = b, id
}

// WriteTo writes the rest of the object, from the offset of the last Read or Seek.
// The next block is read while one is written.
func (o *Object) WriteTo(w io.Writer) (written int64, err error) {
	o.mu.Lock()
	pos := o.pos
	o.mu.Unlock()
	if pos >= o.Info.Size {
		return 0, nil
	}
	id, from := o.find(pos)
	next := o.ahead(id)
	for next != nil && err == nil {
		var n int
		b, ferr := next()
		if next = nil; ferr != nil {
			err = ferr
			break
		}
		length := o.source.blockLen(o.spans[id.span], id.number)
		if following, ok := o.following(id); ok {
			next, id = o.ahead(following), following
		}
		n, err = b.writeTo(w, from, length, o.source.shardSize(length))
		o.source.store.buffers.give(b.memory)
		written, from = written+int64(n), 0
	}
	if next != nil {
		if b, err := next(); err == nil {
			o.source.store.buffers.give(b.memory)
		}
	}
	o.mu.Lock()
	o.pos = pos + written
	o.mu.Unlock()
	return written, err
}

// writeTo writes the bytes of the block from one place to another.
func (b *fetched) writeTo(w io.Writer, from, to, size int) (n int, err error) {
	for from < to && err == nil {
		var m int
		shard := b.shards[from/size]
		m, err = w.Write(shard[from%size : min(size, from%size+to-from)])
		n, from = n+m, from+m
	}
	return n, err
}

// following is the block behind another.
func (o *Object) following(id blockID) (blockID, bool) {
	id.number++
	if id.number*int64(o.source.blockSize) >= o.spans[id.span].size {
		id = blockID{span: id.span + 1}
	}
	return id, id.span < len(o.spans)
}

// ahead starts reading the data of a block, and returns how to wait for it.
func (o *Object) ahead(id blockID) func() (*fetched, error) {
	read := func() (*fetched, error) {
		o.mu.Lock()
		closed := o.closed
		o.mu.Unlock()
		if closed {
			return nil, fmt.Errorf("erasure: read %q: %w", o.Info.Name, fs.ErrClosed)
		}
		wanted := make([]bool, o.source.geometry.shards())
		for i := range o.source.data {
			wanted[i] = true
		}
		b, err := o.source.fetch(o.ctx, o.spans[id.span], id.number, wanted)
		if err != nil {
			return nil, fmt.Errorf("erasure: read: %w", err)
		}
		return b, nil
	}
	if o.source.store.o.Serial {
		return read
	}
	type result struct {
		b   *fetched
		err error
	}
	done := make(chan result, 1)
	go func() {
		b, err := read()
		done <- result{b, err}
	}()
	return func() (*fetched, error) {
		r := <-done
		return r.b, r.err
	}
}

// Close gives the object up. If a shard was missing or wrong it is now queued for
// healing. It is idempotent.
func (o *Object) Close() error {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		return nil
	}
	o.closed = true
	wanted := o.wanted
	if o.last != nil {
		o.source.store.buffers.give(o.last.memory)
		o.last = nil
	}
	o.mu.Unlock()
	s := o.source.store
	s.pins.drop(o.source.ID)
	if wanted {
		s.queueDeep(o.Info.Name)
	}
	s.leave()
	return nil
}
