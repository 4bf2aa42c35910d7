// What a version file says: what the version is, how it was cut, and which of
// its shards this drive has (E2, E8, E9, E15).

package erasure

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"time"

	"github.com/flagship-go/flagship/erasure/bitrot"
)

// A geometry is how an object is cut: into data shards, joined by parity shards.
type geometry struct{ data, parity int }

// shards is how many there are: one for each drive of the set.
func (g geometry) shards() int { return g.data + g.parity }

// writeQuorum is how many drives must hold a version before it is acknowledged:
// enough to read it, and more than half, so that two never miss each other.
func (g geometry) writeQuorum() int {
	if g.data == g.parity {
		return g.data + 1
	}
	return g.data
}

// A version is what all drives know of a version of an object.
type version struct {
	versionKey // Time is the file's name alone: it is drawn last, under the lock
	geometry
	marker    bool // a delete marker: no body
	inline    bool // the shards are in the version files
	size      int64
	blockSize int
	etag      string
	class     string
	parts     []Part // of a multipart object
	metadata  map[string]string
}

// A holding is a version file: the version, and what this drive has of it.
type holding struct {
	version
	sum   uint32 // of what all drives share
	shard int
	body  []byte // the shard, if inline
}

// nullBit of an ID marks the null version: one that the next of its kind
// replaces. It is in the name, so that writers need no file to be read.
const nullBit = 0x80

// null reports whether the version is the null version.
func (k versionKey) null() bool { return k.ID[0]&nullBit != 0 }

// versionID is the version's name for users.
func (k versionKey) versionID() string {
	if k.null() {
		return ""
	}
	return hex.EncodeToString(k.ID[:])
}

// matches reports whether a user's version ID is that of the version.
func (k versionKey) matches(versionID string) bool {
	if versionID == "null" {
		return k.null()
	}
	return versionID == k.versionID() && versionID != ""
}

// partList are the parts as they are stored: one of all bytes when the object
// was not uploaded in parts, none when it is empty.
func (v *version) partList() []Part {
	switch {
	case len(v.parts) > 0:
		return v.parts
	case v.size == 0:
		return nil
	}
	return []Part{{Number: 1, Size: v.size}}
}

// sealOf is what the blocks of a shard of a part are sealed with. A part that was
// uploaded keeps the seals it was uploaded with, as a version of its own.
func (v *version) sealOf(p span, index int) bitrot.Shard {
	if p.id != [16]byte{} {
		return bitrot.Shard{Version: p.id, Part: 1, Index: index}
	}
	return bitrot.Shard{Version: v.ID, Part: p.number, Index: index}
}

// info is the version as users see it.
func (v *version) info(name string) Info {
	return Info{
		Name: name, VersionID: v.versionID(), DeleteMarker: v.marker,
		Size: v.size, Modified: time.Unix(0, v.Time).UTC(), ETag: v.etag, Class: v.class,
		Metadata: v.metadata, Parts: v.parts, Data: v.data, Parity: v.parity,
	}
}

// shardSize is the length of the shards of a block of so many bytes.
func (g geometry) shardSize(block int) int { return (block + g.data - 1) / g.data }

// The format of a version file, all numbers big endian or uvarint:
//
//	"FLver" format(1)
//	length(4) CRC-32C(4) common      the version: the same on every drive
//	length(4) CRC-32C(4) own         shard index, then the inline shard
//
// The first sum starts from the six bytes in front, so that a newer format is one,
// and not a wrong bit; it will have to be there in all formats. The second starts
// from the first, so that one drive's part does not pass with another version's.
const (
	metaMagic  = "FLver"
	metaFormat = 1
	metaHead   = len(metaMagic) + 1
)

const (
	flagMarker = 1 << iota
	flagInline
)

// maxShards bounds the geometry of a file that is read: see package rs.
const maxShards = 256

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// common encodes what all drives share: everything up to this drive's part.
func (v *version) common() []byte {
	b := append([]byte(metaMagic), metaFormat)
	b = append(b, make([]byte, 8)...)
	b = append(b, v.ID[:]...)
	var flags byte
	if v.marker {
		flags |= flagMarker
	}
	if v.inline {
		flags |= flagInline
	}
	b = append(b, flags)
	for _, n := range []int64{int64(v.data), int64(v.parity), v.size, int64(v.blockSize)} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = appendString(b, v.etag)
	b = appendString(b, v.class)
	b = binary.AppendUvarint(b, uint64(len(v.parts)))
	for _, p := range v.parts {
		b = binary.AppendUvarint(b, uint64(p.Number))
		b = binary.AppendUvarint(b, uint64(p.Size))
		b = binary.AppendVarint(b, p.Modified.UnixNano())
		b = appendString(b, p.ETag)
		b = append(b, p.id[:]...)
	}
	b = binary.AppendUvarint(b, uint64(len(v.metadata)))
	for _, k := range slices.Sorted(maps.Keys(v.metadata)) {
		b = appendString(appendString(b, k), v.metadata[k])
	}
	seal(b[metaHead:], headSum(b))
	return b
}

// withShard appends a drive's part to what common returned.
func withShard(common []byte, shard int, body []byte) []byte {
	b := make([]byte, 0, len(common)+8+binary.MaxVarintLen16+len(body))
	b = append(b, common...)
	b = append(b, make([]byte, 8)...)
	b = binary.AppendUvarint(b, uint64(shard))
	b = append(b, body...)
	seal(b[len(common):], binary.BigEndian.Uint32(common[metaHead+4:]))
	return b
}

// headSum is what the first sum starts from.
func headSum(b []byte) uint32 { return crc32.Checksum(b[:metaHead], castagnoli) }

// seal fills in the length and the sum that a section starts with.
func seal(section []byte, seed uint32) {
	binary.BigEndian.PutUint32(section, uint32(len(section)-8))
	binary.BigEndian.PutUint32(section[4:], crc32.Update(seed, castagnoli, section[8:]))
}

// unseal takes a section off the front of b. The sum is what seals the next one.
func unseal(b []byte, seed uint32) (section, rest []byte, sum uint32, err error) {
	if len(b) < 8 {
		return nil, nil, 0, errors.New("it is cut off")
	}
	length := binary.BigEndian.Uint32(b)
	sum = binary.BigEndian.Uint32(b[4:])
	if uint64(length) > uint64(len(b)-8) {
		return nil, nil, 0, errors.New("it is cut off")
	}
	section, rest = b[8:8+length], b[8+length:]
	if crc32.Update(seed, castagnoli, section) != sum {
		return nil, nil, 0, errors.New("its checksum is wrong")
	}
	return section, rest, sum, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeVersion reads the version file that is named key. The body is a part of
// b. An error is an ErrNewer, or says what is wrong with the bytes.
func decodeVersion(key versionKey, b []byte) (*holding, error) {
	if len(b) < metaHead || string(b[:len(metaMagic)]) != metaMagic {
		return nil, errors.New("it is not a version file")
	}
	common, rest, sum, err := unseal(b[metaHead:], headSum(b))
	if err != nil {
		return nil, err
	}
	if f := b[len(metaMagic)]; f > metaFormat {
		return nil, fmt.Errorf("%w: version file of format %d, this package reads up to %d", ErrNewer, f, metaFormat)
	}
	own, rest, _, err := unseal(rest, sum)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, errors.New("there are bytes behind its end")
	}
	h := &holding{version: version{versionKey: key}, sum: sum}
	if err := h.decodeCommon(common); err != nil {
		return nil, err
	}
	r := reader{b: own}
	h.shard = r.int(h.shards() - 1)
	h.body = r.b
	if r.bad || h.inline != (len(h.body) > 0) {
		return nil, errors.New("its shard makes no sense")
	}
	if h.inline && len(h.body) != h.shardSize(int(h.size)) {
		return nil, errors.New("its shard has the wrong length")
	}
	return h, nil
}

// decodeCommon reads what all drives share, and refuses what cannot be.
func (v *version) decodeCommon(b []byte) error {
	r := reader{b: b}
	if id := r.take(len(v.ID)); string(id) != string(v.ID[:]) {
		return errors.New("it is another version's")
	}
	flags := r.take(1)
	v.data, v.parity = r.int(maxShards), r.int(maxShards)
	v.size, v.blockSize = r.int64(), r.int(1<<30)
	v.etag, v.class = r.string(), r.string()
	v.parts = make([]Part, r.count())
	var sum int64
	for i := range v.parts {
		p := &v.parts[i]
		p.Number, p.Size = r.int(maxPart), r.int64()
		p.Modified = time.Unix(0, r.varint()).UTC()
		p.ETag = r.string()
		copy(p.id[:], r.take(len(p.id)))
		sum += p.Size
		r.bad = r.bad || p.Size < 0 || sum < 0
	}
	if n := r.count(); n > 0 {
		v.metadata = make(map[string]string, n)
		for range n {
			k := r.string()
			v.metadata[k] = r.string()
		}
	}
	if r.bad || len(r.b) > 0 {
		return errors.New("its fields make no sense")
	}
	v.marker, v.inline = flags[0]&flagMarker != 0, flags[0]&flagInline != 0
	if len(v.parts) == 0 {
		v.parts = nil
	}
	if v.data < 1 || v.parity > v.data || v.shards() > maxShards || v.blockSize < 1 ||
		v.parts != nil && (sum != v.size || v.inline) ||
		v.inline && (v.size == 0 || v.size > int64(v.blockSize)) ||
		v.marker && v.size != 0 {
		return errors.New("its fields contradict each other")
	}
	return nil
}

// maxPart is the highest number of a part.
const maxPart = 10000

// A reader takes fields off the front of b. After the first that is not there
// it is bad, and returns zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad, r.b = true, nil
		return make([]byte, min(n, 16))
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) int64() int64 {
	n, size := binary.Uvarint(r.b)
	if r.bad || size <= 0 || n > 1<<63-1 {
		r.bad = true
		return 0
	}
	r.b = r.b[size:]
	return int64(n)
}

func (r *reader) varint() int64 {
	n, size := binary.Varint(r.b)
	if r.bad || size <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[size:]
	return n
}

// int is a number that is at most max.
func (r *reader) int(max int) int {
	n := r.int64()
	if n > int64(max) {
		r.bad = true
		return 0
	}
	return int(n)
}

// count is a number of things of a byte or more that follow.
func (r *reader) count() int { return r.int(len(r.b)) }

func (r *reader) string() string { return string(r.take(r.count())) }
