package store

import (
	"bytes"
	"encoding/binary"
	"math"
)

// What the rows of the tables mean.
//
//	table        key                                   value
//	meta         -                                     revision, compacted, sizes, index
//	index        key, escaped | ^revision              the version: count, create, lease, value
//	history      revision                              key
//	leases       id                                    TTL | remaining
//	leaseKeys    lease id | key                        -
//	alarms       type | member                         -
//	members      id                                    name, URLs
//
// Index is the truth, once: all versions of all keys, a key's newest first, so
// that "the key as of revision 7" is the first row at or after (key, ^7), and
// what a version replaced is the row behind it. History leads from a revision to
// its keys, which is the order in which watchers want them.
//
//	index                      history
//	a  ^5.0  "new"             2.0  a
//	a  ^2.0  "old"             3.0  b
//	b  ^4.0  deleted           4.0  b
//	b  ^3.0  "x"               5.0  a
const (
	tableMeta Table = iota
	tableIndex
	tableHistory
	tableLeases
	tableLeaseKeys
	tableAlarms
	tableMembers
	tables
)

// revision orders changes: main counts the commands that changed keys, sub the
// changes inside one.
type revision struct {
	main int64
	sub  uint32
}

// latest is not before any revision.
var latest = revision{math.MaxInt64, math.MaxUint32}

func (r revision) less(o revision) bool {
	return r.main < o.main || r.main == o.main && r.sub < o.sub
}

const revisionSize = 12

// appendPrefix appends what the index rows of a key begin with. Escaping and
// terminator keep the order of the keys, and no key's prefix is that of another:
// a zero byte becomes 00 FF, and 00 00 ends the key.
func appendPrefix(b, key []byte) []byte {
	for {
		i := bytes.IndexByte(key, 0)
		if i < 0 {
			break
		}
		b = append(append(b, key[:i]...), 0, 0xff)
		key = key[i+1:]
	}
	return append(append(b, key...), 0, 0)
}

// keyOf is the inverse of appendPrefix. It copies only keys with zero bytes.
func keyOf(prefix []byte) []byte {
	escaped := prefix[: len(prefix)-2 : len(prefix)-2]
	if bytes.IndexByte(escaped, 0) < 0 {
		return escaped
	}
	return bytes.ReplaceAll(escaped, []byte{0, 0xff}, []byte{0})
}

// afterPrefix is the first possible index row behind those of the prefix's key.
func afterPrefix(prefix []byte) []byte {
	b := bytes.Clone(prefix)
	b[len(b)-1] = 1
	return b
}

func indexKey(key []byte, r revision) []byte {
	return appendNewestFirst(appendPrefix(make([]byte, 0, len(key)+2+revisionSize), key), r)
}

func appendNewestFirst(b []byte, r revision) []byte {
	b = binary.BigEndian.AppendUint64(b, ^uint64(r.main))
	return binary.BigEndian.AppendUint32(b, ^r.sub)
}

// splitIndexKey returns the prefix of an index row's key, and its revision.
func splitIndexKey(b []byte) (prefix []byte, r revision) {
	at := len(b) - revisionSize
	return b[:at], revision{int64(^binary.BigEndian.Uint64(b[at:])), ^binary.BigEndian.Uint32(b[at+8:])}
}

func historyKey(r revision) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, revisionSize), uint64(r.main))
	return binary.BigEndian.AppendUint32(b, r.sub)
}

func splitHistoryKey(b []byte) revision {
	return revision{int64(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint32(b[8:])}
}

// version is an index row's value. Count 0 is a deletion.
type version struct {
	count, create, lease int64
	value                []byte
}

func (v *version) encode() []byte {
	if v.count == 0 {
		return []byte{0}
	}
	b := make([]byte, 0, 2*binary.MaxVarintLen64+len(v.value))
	b = binary.AppendUvarint(b, uint64(v.count))
	b = binary.AppendUvarint(b, uint64(v.create))
	b = binary.AppendUvarint(b, uint64(v.lease))
	return append(b, v.value...)
}

// decodeVersion reads a row that encode wrote; the value is a part of it.
// Rows from outside pass checkRow first.
func decodeVersion(b []byte) (v version) {
	for _, n := range [...]*int64{&v.count, &v.create, &v.lease} {
		u, size := binary.Uvarint(b)
		*n, b = int64(u), b[max(size, 0):]
		if v.count == 0 {
			return v
		}
	}
	v.value = b[:len(b):len(b)]
	return v
}

// cost is what a version counts for: etcd's estimate.
func (v *version) cost(key []byte) int64 { return keyCost + int64(len(key)) + int64(len(v.value)) }

func (v *version) keyValue(key []byte, mod int64) *KeyValue {
	return &KeyValue{Key: key, CreateRevision: v.create, ModRevision: mod, Version: v.count, Value: v.value, Lease: v.lease}
}

// idKey keeps the order of numbers, negative ones first.
func idKey(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)^1<<63) }

func idOf(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

func (l *Lease) encode() []byte {
	return binary.AppendVarint(binary.AppendVarint(nil, l.TTL), l.Remaining)
}

func decodeLease(key, value []byte) Lease {
	ttl, n := binary.Varint(value)
	remaining, _ := binary.Varint(value[max(n, 0):])
	return Lease{ID: idOf(key), TTL: ttl, Remaining: remaining}
}

func leaseKey(id int64, key []byte) []byte { return append(idKey(id), key...) }

func alarmKey(a Alarm) []byte { return binary.BigEndian.AppendUint64([]byte{byte(a.Type)}, a.Member) }

func alarmOf(b []byte) Alarm {
	return Alarm{Member: binary.BigEndian.Uint64(b[1:]), Type: AlarmType(b[0])}
}

func memberKey(id uint64) []byte { return binary.BigEndian.AppendUint64(nil, id) }

// meta is the one row of its table: what is true of the state as a whole.
type meta struct {
	index     uint64 // of the last command applied
	revision  int64
	compacted int64 // -1: never
	size      int64 // bytes taken; falls only by defragmentation
	inUse     int64 // bytes of these that hold something
	leases    int64
}

var metaKey = []byte("meta")

func (m *meta) encode() []byte {
	b := make([]byte, 0, 48)
	for _, n := range [...]uint64{m.index, uint64(m.revision), uint64(m.compacted), uint64(m.size), uint64(m.inUse), uint64(m.leases)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func decodeMeta(b []byte) (m meta) {
	m.index = binary.BigEndian.Uint64(b)
	for i, n := range [...]*int64{&m.revision, &m.compacted, &m.size, &m.inUse, &m.leases} {
		*n = int64(binary.BigEndian.Uint64(b[8*(i+1):]))
	}
	return m
}

// checkRow tells whether a row that came from outside can be read by the
// functions above.
func checkRow(t Table, key, value []byte) bool {
	switch t {
	case tableMeta:
		return bytes.Equal(key, metaKey) && len(value) == 48
	case tableIndex:
		return checkIndexKey(key) && checkVersion(value)
	case tableHistory:
		return len(key) == revisionSize && len(value) > 0
	case tableLeases:
		_, n := binary.Varint(value)
		if n <= 0 {
			return false
		}
		_, k := binary.Varint(value[n:])
		return len(key) == 8 && k > 0 && n+k == len(value)
	case tableLeaseKeys:
		return len(key) > 8
	case tableAlarms:
		return len(key) == 9
	case tableMembers:
		var m Member
		c := codec{b: value}
		c.member(&m)
		return len(key) == 8 && c.done() && binary.BigEndian.Uint64(key) == m.ID
	}
	return false
}

// checkIndexKey refuses what appendPrefix would not have written.
func checkIndexKey(key []byte) bool {
	if len(key) < 2+revisionSize {
		return false
	}
	prefix, _ := splitIndexKey(key)
	return len(prefix) > 2 && bytes.Equal(appendPrefix(nil, keyOf(prefix)), prefix)
}

func checkVersion(b []byte) bool {
	if len(b) == 1 && b[0] == 0 {
		return true
	}
	for i := range 3 {
		u, n := binary.Uvarint(b)
		if n <= 0 || i == 0 && u == 0 {
			return false
		}
		b = b[n:]
	}
	return true
}
