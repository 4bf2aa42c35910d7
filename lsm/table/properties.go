package table

import (
	"encoding/binary"
	"slices"

	"github.com/flagship-go/flagship/lsm/key"
)

// Properties is what a table says of itself. All but Size is in the file.
type Properties struct {
	// Size is the length of the file in bytes.
	Size uint64
	// Entries is the number of entries, Deletes how many of them are of
	// key.Delete, RangeDeletes the number of range tombstones, which are not
	// counted as entries, and Blocks that of data blocks.
	Entries, Deletes, RangeDeletes, Blocks uint64
	// RawKey and RawValue are the bytes of all internal keys and of all values.
	RawKey, RawValue uint64
	// Smallest and Largest are the first and the last internal key, of entries and
	// range tombstones; nil in an empty table. A tombstone begins at its start, with
	// its sequence number; at its end it holds nothing of the user key there, which
	// a trailer of key.MaxSeq and key.RangeDelete says.
	Smallest, Largest []byte
	// MinSeq and MaxSeq are the lowest and the highest sequence number.
	MinSeq, MaxSeq uint64
}

// count takes an entry into account. Entries come in order.
func (p *Properties) count(ikey []byte, trailer uint64, value []byte) {
	if p.Entries == 0 {
		p.Smallest = slices.Clone(ikey)
	}
	p.Entries++
	if key.KindOf(trailer) == key.Delete {
		p.Deletes++
	}
	p.RawKey += uint64(len(ikey))
	p.RawValue += uint64(len(value))
	p.countSeq(key.SeqOf(trailer))
}

func (p *Properties) countSeq(seq uint64) {
	p.MinSeq, p.MaxSeq = min(p.MinSeq, seq), max(p.MaxSeq, seq)
}

// countSpan takes a range delete into account, after all entries. They come by
// start: only the first can be before the entries.
func (p *Properties) countSpan(o key.Order, s key.Span, first bool) {
	if start := startKey(s); first && (p.Entries == 0 || o.Compare(start, p.Smallest) < 0) {
		p.Smallest = start
	}
	p.RangeDeletes++
	p.countSeq(s.Seq)
}

// setLargest sets Largest; last is the last entry's key.
func (p *Properties) setLargest(o key.Order, last []byte, spans []key.Span) {
	if p.Entries+p.RangeDeletes == 0 {
		p.MinSeq = 0
		return
	}
	if p.Entries > 0 {
		p.Largest = slices.Clone(last)
	}
	for _, s := range spans {
		if end := endKey(s); p.Largest == nil || o.Compare(end, p.Largest) > 0 {
			p.Largest = end
		}
	}
}

// encode returns the body of the properties block: numbers as varints, then the
// bounds with their lengths. The order of keys is there to refuse the wrong one.
func (p *Properties) encode(o key.Order) []byte {
	b := binary.AppendUvarint(nil, uint64(o))
	for _, n := range p.numbers() {
		b = binary.AppendUvarint(b, *n)
	}
	for _, k := range [][]byte{p.Smallest, p.Largest} {
		b = append(binary.AppendUvarint(b, uint64(len(k))), k...)
	}
	return b
}

func (p *Properties) numbers() []*uint64 {
	return []*uint64{&p.Entries, &p.Deletes, &p.RangeDeletes, &p.Blocks, &p.RawKey, &p.RawValue, &p.MinSeq, &p.MaxSeq}
}

// decodeProperties undoes encode; false if b is something else.
func decodeProperties(b []byte) (p Properties, o key.Order, ok bool) {
	var order uint64
	for _, n := range append([]*uint64{&order}, p.numbers()...) {
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return p, 0, false
		}
		*n, b = v, b[size:]
	}
	for _, k := range []*[]byte{&p.Smallest, &p.Largest} {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) || n > 0 && n < key.TrailerLen {
			return p, 0, false
		}
		if n > 0 {
			*k = slices.Clone(b[size : size+int(n)])
		}
		b = b[size+int(n):]
	}
	filled := p.Entries+p.RangeDeletes > 0
	ok = len(b) == 0 && (order == uint64(key.Plain) || order == uint64(key.Timestamped)) &&
		(p.Smallest != nil) == filled && (p.Largest != nil) == filled
	return p, key.Order(order), ok
}
