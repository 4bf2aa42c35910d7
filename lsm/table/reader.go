package table

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
)

// ReaderOptions are the options of a [Reader].
type ReaderOptions struct {
	// Order must be the one the table was written with.
	Order key.Order
	// Cache keeps blocks that are read or decompressed; nil: none are kept.
	Cache *Cache
	// Mmap maps the file instead of reading it, where the platform can. Then who
	// reads the table guards against faults (see [Guard]).
	Mmap bool
}

// Reader reads a table. It is safe for concurrent use, up to Close.
type Reader struct {
	name  string
	order key.Order
	cache *Cache
	id    uint64 // in the cache
	size  int64

	file    vfs.File // nil if it is mapped
	closed  bool
	mapping vfs.Mapping
	mapped  []byte
	// checked has a bit for each block of a mapped file that is not compressed and
	// whose checksum was found right: data blocks, then index parts.
	checked []atomic.Uint32

	footer footer
	props  Properties
	root   index
	spans  []key.Span
	filter atomic.Pointer[bloom.Filter] // once it was read
}

// Open opens a table. It owns f from now on: it is closed by Close, or now, if
// Open fails or the file is mapped. An error that is not the disk's is a
// [CorruptError] or a [VersionError].
func Open(f vfs.File, o ReaderOptions) (*Reader, error) {
	r := &Reader{name: f.Name(), order: o.Order, cache: o.Cache, file: f}
	if err := r.open(o); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Reader) open(o ReaderOptions) (err error) {
	if r.size, err = r.file.Size(); err != nil {
		return fmt.Errorf("table: opening %s: %w", r.name, err)
	}
	if o.Mmap && r.size >= footerSize {
		if err := r.mmap(); err != nil {
			return fmt.Errorf("table: mapping %s: %w", r.name, err)
		}
	}
	tail := make([]byte, min(r.size, footerSize))
	if err := r.readAt(tail, r.size-int64(len(tail))); err != nil {
		return err
	}
	if r.footer, err = decodeFooter(tail, r.name, r.size); err != nil {
		return err
	}
	if err := r.readProperties(); err != nil {
		return err
	}
	if err := r.readRoot(); err != nil {
		return err
	}
	r.id = r.cache.newID()
	if r.mapped != nil {
		r.checked = make([]atomic.Uint32, (r.partNumber(r.root.len())+31)/32)
	}
	return r.readRangeDeletes()
}

// mmap maps the file, unless the platform cannot.
func (r *Reader) mmap() error {
	m, err := r.file.Map(r.size, vfs.ReadOnly)
	if errors.Is(err, vfs.ErrNotSupported) {
		return nil
	}
	if err != nil {
		return err
	}
	r.mapping, r.mapped = m, m.Bytes()
	f := r.file
	r.file = nil
	return f.Close()
}

func (r *Reader) readProperties() error {
	h := r.footer.properties
	b, err := r.read(h)
	if err != nil {
		return err
	}
	p, order, ok := decodeProperties(b)
	if !ok || p.Blocks > uint64(r.size)/blockTrailer {
		return r.corrupt(h, "the properties make no sense")
	}
	if order != r.order {
		return r.corrupt(h, fmt.Sprintf("its keys have %d bytes of timestamp, not %d as the store's", order, r.order))
	}
	r.props = p
	r.props.Size = uint64(r.size)
	return nil
}

func (r *Reader) readRoot() error {
	b, err := r.read(r.footer.root)
	if err != nil {
		return err
	}
	root, ok := parseBlock(b)
	if !ok {
		return r.corrupt(r.footer.root, "the root of the index is no block")
	}
	r.root = index{root}
	return nil
}

func (r *Reader) readRangeDeletes() error {
	h := r.footer.rangeDeletes
	if h.length == 0 {
		return nil
	}
	b, err := r.read(h)
	if err != nil {
		return err
	}
	spans, ok := decodeSpans(b)
	if !ok || uint64(len(spans)) != r.props.RangeDeletes {
		return r.corrupt(h, "the range deletes make no sense")
	}
	r.spans = spans
	return nil
}

// decodeSpans reads the entries of a block of range deletes.
func decodeSpans(b []byte) ([]key.Span, bool) {
	blk, ok := parseBlock(b)
	if !ok {
		return nil, false
	}
	var spans []key.Span
	var c blockCursor
	c.init(blk)
	for k := c.first(); k != nil; k = c.next() {
		user, trailer := key.Split(append([]byte(nil), k...))
		spans = append(spans, key.Span{Start: user, End: append([]byte(nil), c.value()...), Seq: key.SeqOf(trailer)})
		if key.KindOf(trailer) != key.RangeDelete {
			return nil, false
		}
	}
	return spans, !c.fail
}

// partNumber returns the number of a part of the index: it is behind the data
// blocks.
func (r *Reader) partNumber(part int) int { return int(r.props.Blocks) + part }

// readAt fills b from the file.
func (r *Reader) readAt(b []byte, at int64) error {
	if r.closed {
		return r.errClosed()
	}
	if r.mapped != nil {
		copy(b, r.mapped[at:])
		return nil
	}
	n, err := r.file.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return &CorruptError{File: r.name, Offset: at, Reason: fmt.Sprintf("%d bytes were to be here, and only %d are: it was cut", len(b), n)}
	}
	return fmt.Errorf("table: reading %s at byte %d: %w", r.name, at, err)
}

// read reads a block that is kept: not by way of the cache.
func (r *Reader) read(h handle) ([]byte, error) {
	raw, err := r.raw(h)
	if err != nil {
		return nil, err
	}
	return r.unpack(h, raw)
}

// raw returns a block with its trailer as it is in the file.
func (r *Reader) raw(h handle) ([]byte, error) {
	if h.length == 0 || !h.within(r.size-footerSize) {
		return nil, r.corrupt(h, fmt.Sprintf("a block of %d bytes here would not be within the file", h.length))
	}
	if r.closed {
		return nil, r.errClosed()
	}
	size := int(h.length) + blockTrailer
	if r.mapped != nil {
		return r.mapped[h.offset:][:size:size], nil
	}
	b := make([]byte, size)
	return b, r.readAt(b, int64(h.offset))
}

// unpack checks a block with its trailer, and decompresses it.
func (r *Reader) unpack(h handle, raw []byte) ([]byte, error) {
	body, c, ok := unseal(raw)
	if !ok {
		return nil, r.corrupt(h, "the checksum of the block is wrong")
	}
	b, reason := decompress(c, body)
	if reason != "" {
		return nil, r.corrupt(h, reason)
	}
	return b, nil
}

// load returns a block by way of the cache, or of the mapping; number is its bit
// in checked. With keep false a block that is not in the cache is not put there.
func (r *Reader) load(h handle, number int, tr *Trace, keep bool) ([]byte, error) {
	if r.isChecked(number) && h.within(r.size-footerSize) {
		tr.block(h, false)
		return r.mapped[h.offset:][:h.length:h.length], nil
	}
	k := cacheKey{r.id, h.offset}
	if b, ok := r.cache.get(k); ok {
		tr.block(h, true)
		return b, nil
	}
	tr.block(h, false)
	raw, err := r.raw(h)
	if err != nil {
		return nil, err
	}
	b, err := r.unpack(h, raw)
	switch {
	case err != nil:
		return nil, err
	case r.mapped != nil && Compression(raw[h.length]) == None:
		r.setChecked(number)
	case keep:
		r.cache.put(k, b)
	}
	return b, nil
}

// isChecked reports whether a block was found right, and may be used where it is
// mapped.
func (r *Reader) isChecked(number int) bool {
	return number < len(r.checked)*32 && r.checked[number/32].Load()&(1<<(number%32)) != 0
}

func (r *Reader) setChecked(number int) {
	if number < len(r.checked)*32 {
		r.checked[number/32].Or(1 << (number % 32))
	}
}

func (r *Reader) corrupt(h handle, reason string) error {
	return &CorruptError{File: r.name, Offset: int64(h.offset), Reason: reason}
}

func (r *Reader) errClosed() error {
	return fmt.Errorf("table: reading %s: %w", r.name, fs.ErrClosed)
}

// Properties returns what the table says of itself. The slices are the reader's.
func (r *Reader) Properties() Properties { return r.props }

// RangeDeletes returns the range tombstones, by start and then newest first. They
// are the reader's, and stay after Close.
func (r *Reader) RangeDeletes() []key.Span { return r.spans }

// Close unmaps and closes the file. Nobody may be reading, or use what came out
// of a mapped table. Reads after it fail with [fs.ErrClosed].
func (r *Reader) Close() error {
	var err error
	r.closed = true
	if r.mapping != nil {
		err = r.mapping.Close()
	}
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
	}
	r.mapping, r.file = nil, nil
	return err
}
