package lsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/skiplist"
)

// A batch is encoded once, and the same bytes are what the log keeps and what
// goes into the memtable:
//
//	 0                8            12
//	+----------------+------------+---------------------------------------+
//	| sequence number| entries    | kind | length, key | length, value |...
//	+----------------+------------+---------------------------------------+
//	  of the first     uint32      1 byte  uvarint       uvarint; none for a delete
//	  entry, uint64
//
// The entries take consecutive sequence numbers in the order of the calls, so
// that of two writes to one key the later one wins. A value begins with 8 bytes
// of expiry where the kind has one; the value of a range delete is its end.
const batchHeader = 12

// Batch collects writes that take effect together or not at all. It is not safe
// for concurrent use; keys and values are copied by its methods.
type Batch struct {
	// Sync makes Apply durable even without Options.SyncWrites.
	Sync bool

	db    *DB
	data  []byte
	count uint32
	room  int // worst case of the memtable's arena that the entries take
	large int // entries whose value goes to the value log
	spans int // range deletes
	err   error
	commit
}

// NewBatch returns an empty batch for this store.
func (d *DB) NewBatch() *Batch {
	return &Batch{db: d, data: make([]byte, batchHeader, 256)}
}

// Reset empties the batch for reuse.
func (b *Batch) Reset() {
	if cap(b.data) < batchHeader {
		b.data = make([]byte, batchHeader, 256)
	}
	clear(b.data[:batchHeader])
	b.data = b.data[:batchHeader]
	b.count, b.room, b.large, b.spans, b.err = 0, 0, 0, 0, nil
	b.commit.reset()
}

// Len returns the number of writes in the batch.
func (b *Batch) Len() int { return int(b.count) }

// Size returns the encoded length in bytes.
func (b *Batch) Size() int { return len(b.data) }

// Put sets key to value.
func (b *Batch) Put(k, value []byte) { b.add(key.Set, k, value, 0) }

// PutTTL sets key to value until ttl from now.
func (b *Batch) PutTTL(k, value []byte, ttl time.Duration) {
	now := b.db.opts.Clock().UnixNano()
	expires := now + int64(ttl)
	if ttl > 0 && expires < now {
		expires = math.MaxInt64 // in the year 2262: later cannot be said
	}
	b.add(key.SetTTL, k, value, expires)
}

// Delete removes key; one that is not there may be deleted too.
func (b *Batch) Delete(k []byte) { b.add(key.Delete, k, nil, 0) }

// Merge puts operand on top of what key holds, for Options.MergeOperator.
func (b *Batch) Merge(k, operand []byte) {
	if b.db.opts.MergeOperator == nil {
		b.fail(ErrNoMergeOperator)
		return
	}
	b.add(key.Merge, k, operand, 0)
}

// DeleteRange removes the keys from start up to, and without, end. With
// timestamps it removes all versions of them.
func (b *Batch) DeleteRange(start, end []byte) {
	if b.db.opts.Timestamps {
		// Before all versions of a key is its name with the newest timestamp.
		start, end = appendTS(nil, start, ^uint64(0)), appendTS(nil, end, ^uint64(0))
	}
	if b.db.order.CompareUser(start, end) >= 0 {
		return
	}
	// A bound behind the longest key is a byte longer.
	if n, limit := max(len(start), len(end)), MaxKeyLen+1+int(b.db.order); n > limit {
		b.fail(fmt.Errorf("%w: bound of %d bytes, at most %d", ErrTooLarge, n, limit))
		return
	}
	b.append(key.RangeDelete, start, end, 0)
	b.spans++
}

// PutAt sets the version ts of key, in a store with Options.Timestamps.
func (b *Batch) PutAt(k []byte, ts uint64, value []byte) {
	b.addAt(key.Set, k, ts, value)
}

// DeleteAt marks key as deleted from the version ts on.
func (b *Batch) DeleteAt(k []byte, ts uint64) { b.addAt(key.Delete, k, ts, nil) }

func (b *Batch) addAt(kind key.Kind, k []byte, ts uint64, value []byte) {
	if !b.db.opts.Timestamps {
		b.fail(errors.New("lsm: a write at a timestamp needs Options.Timestamps"))
		return
	}
	if len(k) > MaxKeyLen-8 {
		b.fail(fmt.Errorf("%w: key of %d bytes, at most %d", ErrTooLarge, len(k), MaxKeyLen-8))
		return
	}
	b.append(kind, appendTS(nil, k, ts), value, 0)
}

// appendTS appends key and timestamp as one user key: the newest sorts first.
func appendTS(dst, k []byte, ts uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, k...), ^ts)
}

func (b *Batch) add(kind key.Kind, k, value []byte, expires int64) {
	switch {
	case b.db.opts.Timestamps:
		b.fail(errors.New("lsm: with Options.Timestamps every write needs one: PutAt, DeleteAt"))
	case len(k) > MaxKeyLen:
		b.fail(fmt.Errorf("%w: key of %d bytes, at most %d", ErrTooLarge, len(k), MaxKeyLen))
	default:
		b.append(kind, k, value, expires)
	}
}

func (b *Batch) append(kind key.Kind, k, value []byte, expires int64) {
	if len(b.data)+len(k)+len(value) > MaxBatchLen {
		b.fail(fmt.Errorf("%w: batch of more than %d bytes", ErrTooLarge, MaxBatchLen))
		return
	}
	n := len(value)
	if kind == key.SetTTL {
		n += 8
	}
	b.data = appendBytes(append(b.data, byte(kind)), k)
	if kind != key.Delete {
		b.data = binary.AppendUvarint(b.data, uint64(n))
		if kind == key.SetTTL {
			b.data = binary.LittleEndian.AppendUint64(b.data, uint64(expires))
		}
		b.data = append(b.data, value...)
	}
	if t := b.db.opts.ValueThreshold; t > 0 && len(value) >= t && (kind == key.Set || kind == key.SetTTL) {
		b.large++
		n = 8 + maxPointer
	}
	b.count++
	b.room += skiplist.NodeSize(len(k), n)
}

// fail keeps the first error for Apply, so that a chain of calls needs one check.
func (b *Batch) fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

func (b *Batch) seal(seq uint64) {
	binary.LittleEndian.PutUint64(b.data, seq)
	binary.LittleEndian.PutUint32(b.data[8:], b.count)
}

// entry is one write of an encoded batch; its slices are parts of it.
type entry struct {
	kind   key.Kind
	key    []byte
	value  []byte
	keyEnd int // of the key, in the batch
}

// entries reads an encoded batch.
type entries struct {
	seq   uint64
	count uint32
	size  int // of the whole batch
	rest  []byte
}

var errBatch = errors.New("malformed batch")

// openBatch reads the header of a batch.
func openBatch(data []byte) (entries, error) {
	if len(data) < batchHeader {
		return entries{}, fmt.Errorf("%w: %d bytes", errBatch, len(data))
	}
	return entries{
		seq: binary.LittleEndian.Uint64(data), count: binary.LittleEndian.Uint32(data[8:]),
		size: len(data), rest: data[batchHeader:],
	}, nil
}

// next returns the next entry; ok is false at the end.
func (r *entries) next() (e entry, ok bool, err error) {
	if len(r.rest) == 0 {
		return e, false, nil
	}
	e.kind = key.Kind(r.rest[0])
	if e.kind > key.Mark {
		return e, false, fmt.Errorf("%w: kind %d", errBatch, e.kind)
	}
	r.rest = r.rest[1:]
	e.key, err = r.bytes()
	e.keyEnd = r.size - len(r.rest)
	if err == nil && e.kind != key.Delete {
		e.value, err = r.bytes()
	}
	return e, err == nil, err
}

func (r *entries) bytes() ([]byte, error) {
	n, w := binary.Uvarint(r.rest)
	// One batch has one encoding.
	if padded := w > 1 && n>>(7*(w-1)) == 0; w <= 0 || padded || n > uint64(len(r.rest)-w) {
		return nil, fmt.Errorf("%w: a length leads past its end, or has bytes too many", errBatch)
	}
	b := r.rest[w : w+int(n) : w+int(n)]
	r.rest = r.rest[w+int(n):]
	return b, nil
}
