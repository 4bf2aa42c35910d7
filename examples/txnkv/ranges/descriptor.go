package ranges

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/raft"
)

// Descriptor is what a range is, as of its log.
type Descriptor struct {
	ID    uint64 // of the range and of its raft group
	Epoch uint64 // rises with every split
	Start []byte
	End   []byte // nil: none
	Lease Lease
}

// Lease says who serves a range. It is taken by a command of the range's log, and
// its number is that command's index. What is written names the lease it was decided
// under, and does not count under another: see T3.
type Lease struct {
	Holder raft.NodeID // raft.None: nobody
	Seq    uint64
}

// info is the range as clients know it.
func (d *Descriptor) info() region.Info {
	return region.Info{Ref: region.Ref{ID: d.ID, Epoch: d.Epoch}, Start: d.Start, End: d.End}
}

func (d *Descriptor) contains(key []byte) bool { return d.info().Contains(key) }

func (d *Descriptor) overlaps(o *Descriptor) bool {
	return (d.End == nil || bytes.Compare(o.Start, d.End) < 0) && (o.End == nil || bytes.Compare(d.Start, o.End) < 0)
}

func (d *Descriptor) String() string {
	return fmt.Sprintf("range %d, epoch %d, %q to %q", d.ID, d.Epoch, d.Start, d.End)
}

// What a node's store holds. A range's records have keys that begin with its space, a
// number that only this node knows: the right part of a split goes on in the left
// one's, so that no data moves; and a range that comes as a snapshot gets a new one,
// so that nothing it holds can meet what an older state of a neighbour left.
//
//	'v'                            the version of this layout, and whose store it is
//	'r' range                      where it is: descriptor and space
//	'a' range                      how far its log is applied, and about how large it is
//	'l' range family key           what it keeps beside records: safepoint, clock, numbers
//	'd' space family key           its records, as package mvcc has them (lsmengine)
const layout = 1

var versionKey = []byte{'v'}

func numbered(letter byte, n uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{letter}, n)
}

// place is the record at 'r'.
type place struct {
	Descriptor
	Space uint64 // 0: the range is to come, as a snapshot
}

func (p *place) put(b *lsm.Batch) {
	v, err := json.Marshal(p)
	if err != nil {
		panic("ranges: broken invariant: a descriptor has no JSON: " + err.Error())
	}
	b.Put(numbered('r', p.ID), v)
}

func decodePlace(v []byte) (p place, err error) {
	if err := json.Unmarshal(v, &p); err != nil {
		return p, fmt.Errorf("%w: a range's descriptor is %q: %w", mvcc.ErrCorrupt, v, err)
	}
	return p, nil
}

// progress is the record at 'a'.
type progress struct{ applied, size uint64 }

func (p progress) put(b *lsm.Batch, id uint64) {
	v := binary.BigEndian.AppendUint64(nil, p.applied)
	b.Put(numbered('a', id), binary.BigEndian.AppendUint64(v, p.size))
}

func decodeProgress(v []byte) (progress, error) {
	if len(v) != 16 {
		return progress{}, fmt.Errorf("%w: a range's progress is % x", mvcc.ErrCorrupt, v)
	}
	return progress{binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])}, nil
}

// encodedBounds are where a range's keys begin and end in each family.
func (d *Descriptor) encodedBounds() (lo, hi []byte) {
	if len(d.Start) > 0 {
		lo = region.EncodeKey(nil, d.Start)
	}
	if d.End != nil {
		hi = region.EncodeKey(nil, d.End)
	}
	return lo, hi
}

// families are those of an engine.
var families = [...]mvcc.CF{mvcc.Default, mvcc.LockCF, mvcc.WriteCF}

func sortRanges(rs []RangeStatus) {
	slices.SortFunc(rs, func(a, b RangeStatus) int { return bytes.Compare(a.Start, b.Start) })
}
