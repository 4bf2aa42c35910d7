package table

import (
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
)

// WriterOptions are the options of a [Writer]. The zero value is a good default.
type WriterOptions struct {
	// Order is the order of keys.
	Order key.Order
	// BlockSize is the bytes of a data block before compression; default 4 KiB.
	// Smaller ones make reads of one key cheaper, larger ones compress better.
	BlockSize int
	// RestartInterval is how many entries have one whole key; default 16. With
	// fewer, searching is faster and the table larger.
	RestartInterval int
	// Compression of the blocks; default None.
	Compression Compression
	// BitsPerKey is the size of the filter; default 10, negative: no filter.
	BitsPerKey int
}

func (o WriterOptions) withDefaults() WriterOptions {
	if o.BlockSize <= 0 {
		o.BlockSize = 4 << 10
	}
	o.BlockSize = min(o.BlockSize, maxCompressed)
	if o.RestartInterval <= 0 {
		o.RestartInterval = 16
	}
	if o.BitsPerKey == 0 {
		o.BitsPerKey = 10
	}
	return o
}

const (
	// writeSize is how many bytes go to the file at once.
	writeSize = 256 << 10
	// indexSize is about the length of a part of the index.
	indexSize = 4 << 10
)

// Writer writes a table: entries in order, range deletes in any order, Finish.
// It is for one goroutine. After an error all methods return it.
type Writer struct {
	opts WriterOptions
	file vfs.File
	err  error
	done bool

	out     []byte // what is not yet in the file
	written uint64 // what is
	scratch []byte

	block   blockWriter
	last    []byte // the last internal key added
	pending handle // the last data block, until its separator is known
	sep     []byte

	index   blockWriter
	parts   [][]byte // finished parts of the index, which come after the data
	partEnd [][]byte // and their last separators
	indexed int      // bytes in parts

	hash   uint64
	hashes []uint64 // of the bare keys, each once
	spans  []key.Span
	props  Properties
}

// NewWriter returns a writer to f, which is empty. It writes at the end of f, and
// neither syncs nor closes it.
func NewWriter(f vfs.File, o WriterOptions) *Writer {
	o = o.withDefaults()
	return &Writer{
		opts: o, file: f,
		block: blockWriter{interval: o.RestartInterval, hashed: true},
		index: blockWriter{interval: 1},
		props: Properties{MinSeq: key.MaxSeq},
	}
}

// Size returns about how long the file would be if it were finished now.
func (w *Writer) Size() uint64 {
	n := w.written + uint64(len(w.out)+w.block.size()+w.indexed+w.index.size()) + footerSize
	if w.opts.BitsPerKey > 0 {
		n += uint64(len(w.hashes)*w.opts.BitsPerKey) / 8
	}
	return n
}

// Add adds an entry; its internal key must be after the last one's. Both slices
// are copied.
func (w *Writer) Add(ikey, value []byte) error {
	if err := w.check(ikey, value); err != nil {
		return err
	}
	user, trailer := key.Split(ikey)
	fresh := w.props.Entries == 0 || !sameBare(w.opts.Order, user, key.UserKey(w.last))
	if fresh {
		w.hash = bloom.Hash(w.opts.Order.Bare(user))
		if w.opts.BitsPerKey > 0 {
			w.hashes = append(w.hashes, w.hash)
		}
	}
	if w.block.entries > 0 && w.block.size()+len(ikey)+len(value) > w.opts.BlockSize {
		w.endBlock()
	}
	if w.pending.length > 0 {
		w.sep = w.opts.Order.Separator(w.sep[:0], w.last, ikey)
		w.addIndex()
	}
	w.block.add(user, trailer, value, w.hash)
	w.last = append(w.last[:0], ikey...)
	w.props.count(ikey, trailer, value)
	if len(w.out) >= writeSize {
		w.flush()
	}
	return w.err
}

func sameBare(o key.Order, a, b []byte) bool { return string(o.Bare(a)) == string(o.Bare(b)) }

func (w *Writer) check(ikey, value []byte) error {
	switch {
	case w.err != nil:
		return w.err
	case w.done:
		return ErrFinished
	case len(ikey) < key.TrailerLen:
		return fmt.Errorf("table: %q is no internal key: it has no trailer", ikey)
	case len(ikey) > MaxEntry || len(value) > MaxEntry-len(ikey):
		return fmt.Errorf("%w: a key of %d bytes, a value of %d", ErrTooLarge, len(ikey), len(value))
	case w.props.Entries > 0 && w.opts.Order.Compare(w.last, ikey) >= 0:
		return fmt.Errorf("%w: %q after %q", ErrOrder, ikey, w.last)
	}
	return nil
}

// AddRangeDelete adds a range tombstone, and copies it. It is already cut at the
// bounds between this table and its neighbours (rule L12).
func (w *Writer) AddRangeDelete(s key.Span) error {
	switch {
	case w.err != nil:
		return w.err
	case w.done:
		return ErrFinished
	case len(s.Start)+len(s.End) > MaxEntry:
		return fmt.Errorf("%w: a range delete of %d and %d bytes", ErrTooLarge, len(s.Start), len(s.End))
	case w.opts.Order.CompareUser(s.Start, s.End) >= 0:
		return nil
	}
	w.spans = append(w.spans, key.Span{Start: slices.Clone(s.Start), End: slices.Clone(s.End), Seq: s.Seq})
	return nil
}

// endBlock puts the data block out. Its separator waits for the next key.
func (w *Writer) endBlock() {
	w.pending = w.emit(w.block.finish())
	w.props.Blocks++
}

// emit puts a block out, compressed as the options say.
func (w *Writer) emit(block []byte) handle {
	b, c := compress(w.opts.Compression, block, w.scratch)
	if c != None {
		w.scratch = b
	}
	return w.emitAs(b, c)
}

func (w *Writer) emitAs(b []byte, c Compression) handle {
	h := handle{w.written + uint64(len(w.out)), uint32(len(b))}
	start := len(w.out)
	w.out = seal(append(w.out, b...), start, c)
	return h
}

// addIndex adds the pending data block to the index, with the separator in sep.
func (w *Writer) addIndex() {
	user, trailer := key.Split(w.sep)
	w.index.add(user, trailer, w.pending.append(nil), 0)
	w.pending = handle{}
	if w.index.size() >= indexSize {
		w.endIndex()
	}
}

func (w *Writer) endIndex() {
	part := slices.Clone(w.index.finish())
	w.parts = append(w.parts, part)
	w.partEnd = append(w.partEnd, slices.Clone(w.sep))
	w.indexed += len(part) + len(w.sep)
}

// flush writes what is out to the file.
func (w *Writer) flush() {
	if w.err == nil {
		_, w.err = w.file.Write(w.out)
	}
	w.written += uint64(len(w.out))
	w.out = w.out[:0]
}

// Finish writes the rest of the table, and returns what is in it.
func (w *Writer) Finish() (Properties, error) {
	switch {
	case w.err != nil:
		return Properties{}, w.err
	case w.done:
		return Properties{}, ErrFinished
	}
	w.done = true
	if w.block.entries > 0 {
		w.endBlock()
		w.sep = w.opts.Order.Successor(w.sep[:0], w.last)
		w.addIndex()
	}
	if w.index.entries > 0 {
		w.endIndex()
	}
	var f footer
	f.rangeDeletes = w.emitRangeDeletes()
	if len(w.hashes) > 0 {
		// Bits of a good filter are random: they do not compress.
		f.filter = w.emitAs(bloom.Build(w.hashes, w.opts.BitsPerKey), None)
	}
	f.root = w.emitIndex()
	w.props.setLargest(w.opts.Order, w.last, w.spans)
	f.properties = w.emitAs(w.props.encode(w.opts.Order), None)
	w.out = append(w.out, f.encode()...)
	w.flush()
	if w.err != nil {
		return Properties{}, w.err
	}
	w.props.Size = w.written
	return w.props, nil
}

// emitIndex puts the parts of the index and its root out. The root's entries say
// for each part where it is, and how many data blocks are in those before it.
func (w *Writer) emitIndex() handle {
	var root blockWriter
	root.interval = 1
	blocks := uint64(0)
	for i, part := range w.parts {
		user, trailer := key.Split(w.partEnd[i])
		value := appendUvarint(w.emit(part).append(nil), blocks)
		root.add(user, trailer, value, 0)
		b, _ := parseBlock(part)
		blocks += uint64(b.len())
	}
	return w.emit(root.finish())
}

// emitRangeDeletes puts the range deletes out: entries from a start, with the
// sequence number, to an end.
func (w *Writer) emitRangeDeletes() handle {
	if len(w.spans) == 0 {
		return handle{}
	}
	slices.SortFunc(w.spans, func(a, b key.Span) int {
		return w.opts.Order.Compare(startKey(a), startKey(b))
	})
	b := blockWriter{interval: w.opts.RestartInterval}
	for i, s := range w.spans {
		b.add(s.Start, key.Trailer(s.Seq, key.RangeDelete), s.End, 0)
		w.props.countSpan(w.opts.Order, s, i == 0)
	}
	return w.emit(b.finish())
}

// startKey returns the internal key at which a range delete begins, endKey the
// one before all entries of the user key that it ends with.
func startKey(s key.Span) []byte {
	return key.Append(nil, s.Start, key.Trailer(s.Seq, key.RangeDelete))
}

func endKey(s key.Span) []byte {
	return key.Append(nil, s.End, key.Trailer(key.MaxSeq, key.RangeDelete))
}
