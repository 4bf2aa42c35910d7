// What lies in the three column families, byte by byte.

package region

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"
)

// Keys are cut in groups of eight bytes, each followed by a marker: how many of the
// eight count, plus 0xF7. A full group is followed by another, an empty one if need be.
//
//	"a"         61 00 00 00 00 00 00 00 | F8
//	"a\x00"     61 00 00 00 00 00 00 00 | F9
//	"abcdefgh"  61 62 63 64 65 66 67 68 | FF   00 00 00 00 00 00 00 00 | F7
//
// So none is the beginning of another, and bytes may follow without spoiling the
// order: in the families default and write it is the timestamp, all bits turned, by
// which the newest version of a key comes first. Bare, `a` at a late time would come
// between `a` and `a\0` at some other one.
const (
	groupSize = 8
	noneCount = 0xF7
	allCount  = noneCount + groupSize
	tsSize    = 8
	// minEncoded is the length of the shortest encoded key. Shorter ones are not data.
	minEncoded = groupSize + 1
)

// safePointKey is where the engine has the safepoint, in family default.
var safePointKey = []byte{0}

// shortValue is how long a value may be to lie in the write record itself, which saves
// readers a second look.
const shortValue = 255

// EncodeKey appends what a key is in the families of an engine; in default and write a
// timestamp follows. The order is that of the keys, and no encoding is the beginning of
// another one.
func EncodeKey(dst, key []byte) []byte {
	for len(key) >= groupSize {
		dst = append(dst, key[:groupSize]...)
		dst = append(dst, allCount)
		key = key[groupSize:]
	}
	var last [groupSize + 1]byte
	last[groupSize] = noneCount + byte(copy(last[:], key))
	return append(dst, last[:]...)
}

// appendTS appends a timestamp to an encoded key.
func appendTS(dst []byte, ts TS) []byte { return binary.BigEndian.AppendUint64(dst, ^uint64(ts)) }

// DecodeKey appends the key that an engine's key is about to dst, and returns what
// follows its encoding. It fails with [ErrCorrupt] on what is none, as the few bytes
// are where a region keeps its safepoint. Engines need both that hold several regions,
// and split them.
func DecodeKey(dst, enc []byte) (key, rest []byte, err error) {
	whole := enc
	for len(enc) > groupSize {
		n := int(enc[groupSize]) - noneCount
		if n < 0 || n > groupSize || n < groupSize && !allZero(enc[n:groupSize]) {
			break
		}
		dst = append(dst, enc[:n]...)
		enc = enc[groupSize+1:]
		if n < groupSize {
			return dst, enc, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: %x is not an encoded key", ErrCorrupt, whole)
}

func allZero(b []byte) bool {
	for _, x := range b {
		if x != 0 {
			return false
		}
	}
	return true
}

// splitTS parts a key of family default or write: the encoded key, and the timestamp.
func splitTS(k []byte) (enc []byte, ts TS, err error) {
	n := len(k) - tsSize
	if n < minEncoded {
		return nil, 0, tooShort(k)
	}
	return k[:n], TS(^binary.BigEndian.Uint64(k[n:])), nil
}

func tooShort(k []byte) error {
	return fmt.Errorf("%w: key %x is too short for a key with a timestamp", ErrCorrupt, k)
}

// recordKind is the first byte of a record.
type recordKind byte

const (
	recPut    recordKind = 'P'
	recDelete recordKind = 'D'
	// recLock conflicts as a write does, and changes nothing.
	recLock recordKind = 'L'
	// recRollback is of the write family: the transaction of its StartTS, which is also
	// its CommitTS, will never commit here.
	recRollback recordKind = 'R'
	// recPessimistic is of the lock family: nothing was prewritten yet.
	recPessimistic recordKind = 'S'
)

// Flags are the second byte of a record.
const (
	flagShort byte = 1 << iota
	// flagOverlapped: the transaction whose StartTS is this record's CommitTS was rolled
	// back here. There is one place for both (V6).
	flagOverlapped
	flagAsync
	flagsEnd
)

// writeRecord is a record of the write family.
//
//	0     1      2            10
//	+-----+------+------------+--------------
//	|kind |flags | StartTS    | short value
//	+-----+------+------------+--------------
//
// A put without a short value has it in family default, under StartTS.
type writeRecord struct {
	kind    recordKind
	flags   byte
	startTS TS
	value   []byte
}

const writeHead = 2 + tsSize

// short reports whether the value is in the record.
func (w *writeRecord) short() bool { return w.flags&flagShort != 0 }

// overlapped reports whether another transaction was rolled back at its CommitTS.
func (w *writeRecord) overlapped() bool { return w.flags&flagOverlapped != 0 }

func (w *writeRecord) append(dst []byte) []byte {
	dst = append(dst, byte(w.kind), w.flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(w.startTS))
	return append(dst, w.value...)
}

// parseWrite reads a record. Its value is a part of v.
func parseWrite(v []byte) (w writeRecord, ok bool) {
	if len(v) < writeHead {
		return w, false
	}
	w = writeRecord{kind: recordKind(v[0]), flags: v[1], startTS: TS(binary.BigEndian.Uint64(v[2:])), value: v[writeHead:]}
	switch w.kind {
	case recPut:
		ok = w.short() || len(w.value) == 0
	case recDelete, recLock, recRollback:
		ok = !w.short() && len(w.value) == 0
	}
	return w, ok && w.flags&^(flagShort|flagOverlapped) == 0
}

// isShortPut reports whether a record is one of the most frequent kind: a put with a short
// value, which is v[writeHead:].
func isShortPut(v []byte) bool {
	return len(v) >= writeHead && recordKind(v[0]) == recPut && v[1]&^flagOverlapped == flagShort
}

// lockRecord is a record of the lock family.
//
//	0     1      2         10            18
//	+-----+------+---------+-------------+-------------+-----+---------+---------
//	|kind |flags | StartTS | MinCommitTS | ForUpdateTS | TTL | TxnSize | primary
//	+-----+------+---------+-------------+-------------+-----+---------+---------
//	                                     26 uvarints: milliseconds, keys; length, bytes
//
// Then, by the flags: a short value, length first; and in the primary's lock of an
// async commit the other keys: how many, and each as length and bytes.
type lockRecord struct {
	kind        recordKind
	flags       byte
	startTS     TS
	minCommitTS TS
	forUpdateTS TS
	ttl         uint64
	size        uint64
	primary     []byte
	value       []byte // if short
	secondaries []byte // as they are in the record
}

const lockHead = 2 + 3*tsSize

func (l *lockRecord) short() bool { return l.flags&flagShort != 0 }
func (l *lockRecord) async() bool { return l.flags&flagAsync != 0 }

// expired compares the time of day alone: V7.
func (l *lockRecord) expired(now TS) bool {
	return now.Physical()-l.startTS.Physical() > int64(min(l.ttl, 1<<62))
}

func (l *lockRecord) append(dst []byte) []byte {
	dst = append(dst, byte(l.kind), l.flags)
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.startTS))
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.minCommitTS))
	dst = binary.BigEndian.AppendUint64(dst, uint64(l.forUpdateTS))
	dst = binary.AppendUvarint(dst, l.ttl)
	dst = binary.AppendUvarint(dst, l.size)
	dst = appendBytes(dst, l.primary)
	if l.short() {
		dst = appendBytes(dst, l.value)
	}
	return append(dst, l.secondaries...)
}

// appendSecondaries appends what lockRecord.secondaries has.
func appendSecondaries(dst []byte, keys [][]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(keys)))
	for _, k := range keys {
		dst = appendBytes(dst, k)
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// parseLock reads a record. Its slices are parts of v.
func parseLock(v []byte) (l lockRecord, ok bool) {
	if len(v) < lockHead {
		return l, false
	}
	l = lockRecord{
		kind: recordKind(v[0]), flags: v[1],
		startTS:     TS(binary.BigEndian.Uint64(v[2:])),
		minCommitTS: TS(binary.BigEndian.Uint64(v[10:])),
		forUpdateTS: TS(binary.BigEndian.Uint64(v[18:])),
	}
	f := fields{rest: v[lockHead:]}
	l.ttl, l.size, l.primary = f.number(), f.number(), f.bytes()
	switch l.kind {
	case recPut:
		if l.short() {
			l.value = f.bytes()
		}
	case recDelete, recLock, recPessimistic:
		f.bad = f.bad || l.short()
	default:
		f.bad = true
	}
	l.secondaries = f.rest
	f.bad = f.bad || !l.async() && len(f.rest) > 0
	return l, !f.bad && l.flags&^(flagShort|flagAsync) == 0
}

// fields reads one number or string after the other.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) number() uint64 {
	x, n := binary.Uvarint(f.rest)
	if n <= 0 {
		f.rest, f.bad = nil, true
		return 0
	}
	f.rest = f.rest[n:]
	return x
}

func (f *fields) bytes() []byte {
	n := f.number()
	if n > uint64(len(f.rest)) {
		f.rest, f.bad = nil, true
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

// info describes a lock, in memory of its own.
func (l *lockRecord) info(key []byte) (LockInfo, error) {
	i := LockInfo{
		Key: bytes.Clone(key), Primary: bytes.Clone(l.primary), StartTS: l.startTS,
		MinCommitTS: l.minCommitTS, TTL: ttlDuration(l.ttl), TxnSize: int(min(l.size, 1<<31-1)), AsyncCommit: l.async(),
		ForUpdateTS: l.forUpdateTS, Pessimistic: l.kind == recPessimistic,
	}
	if len(l.secondaries) == 0 {
		return i, nil
	}
	f := fields{rest: l.secondaries}
	for n := f.number(); n > 0 && !f.bad; n-- {
		i.Secondaries = append(i.Secondaries, bytes.Clone(f.bytes()))
	}
	if f.bad || len(f.rest) > 0 {
		return i, corrupt(LockCF, key)
	}
	return i, nil
}

// ttlMillis and ttlDuration turn a TTL into what a record has of it, and back.
func ttlMillis(d time.Duration) uint64 { return uint64(max(d, 0) / time.Millisecond) }

func ttlDuration(ms uint64) time.Duration {
	return time.Duration(min(ms, uint64(1<<63-1)/uint64(time.Millisecond))) * time.Millisecond
}

// corrupt reports a record of a key that cannot be read.
func corrupt(cf CF, key []byte) error {
	return fmt.Errorf("%w: what family %v has of key %q cannot be read; restore it from another copy", ErrCorrupt, cf, key)
}
