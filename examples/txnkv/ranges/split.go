package ranges

import (
	"errors"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/examples/txnkv/lsmengine"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/multi"
)

// A split is a command of the left range's log, so that all replicas make the same
// two ranges of the same state (T4):
//
//	range 3, epoch 4   a ........................ z     space 12, lease 88
//
//	range 3, epoch 5   a ......... m                    space 12, no lease
//	range 9, epoch 5               m ............ z     space 12, no lease
//
// One batch of the store does it. No record moves. Both have to be leased again, by
// their leaders: what was decided under the old lease, and comes later in the log, does
// not count, and what was read under it is below what the new ones commit at (V11).

// ErrSplit reports a split that cannot be.
var ErrSplit = errors.New("ranges: cannot split")

// CanSplit refuses a split outside of the range.
func (r *replica) CanSplit(argument []byte) error {
	a, err := decodeSplit(argument)
	if err != nil {
		return err
	}
	p := r.place.Load()
	if len(a.Key) == 0 || !p.contains(a.Key) || string(a.Key) == string(p.Start) {
		return fmt.Errorf("%w: %v at %q: that is not between its ends", ErrSplit, &p.Descriptor, a.Key)
	}
	return nil
}

// Split makes two ranges of one. Where the right one has come already, as a snapshot, its
// part of the left one is old, and goes.
func (r *replica) Split(index uint64, right multi.GroupID, argument []byte) raft.StateMachine {
	a, err := decodeSplit(argument)
	old := r.place.Load()
	left, born := *old, *old
	left.End, born.Start, born.ID = a.Key, a.Key, uint64(right)
	left.Epoch++
	born.Epoch++
	left.Lease, born.Lease = Lease{}, Lease{}
	if a.Sizes == [2]uint64{} {
		half := r.size.Load() / 2
		a.Sizes = [2]uint64{half, half}
	}
	n := r.node
	b := n.db.NewBatch()
	left.put(b)
	existing := n.replica(uint64(right))
	if existing == nil {
		existing = &replica{node: n, id: uint64(right)}
		existing.place.Store(&born)
		existing.size.Store(a.Sizes[1])
		born.put(b)
		progress{0, a.Sizes[1]}.put(b, uint64(right))
		if err == nil {
			err = r.inherit(b, existing)
		}
	} else {
		dropRecords(b, &born)
	}
	if err == nil {
		err = r.commit(b, index, a.Sizes[0])
	}
	if err != nil {
		n.fail(fmt.Errorf("%v: split at %q: %w", &old.Descriptor, a.Key, err))
		return existing
	}
	n.add(existing)
	r.become(&left)
	n.log.Info("range split", "range", r.id, "new", uint64(right), "key", string(a.Key), "epoch", left.Epoch)
	n.wake()
	return existing
}

// inherit gives the right part what package mvcc keeps beside the records.
func (r *replica) inherit(b *lsm.Batch, right *replica) error {
	v, err := r.node.db.Get(r.localKey(mvcc.Default, safePointKey))
	if errors.Is(err, lsm.ErrNotFound) {
		return nil
	}
	b.Put(right.localKey(mvcc.Default, safePointKey), v)
	return err
}

// dropRecords removes a range's records from the space where they are.
func dropRecords(b *lsm.Batch, p *place) {
	lo, hi := p.encodedBounds()
	for _, cf := range families {
		prefix := dataPrefix(p.Space)
		b.DeleteRange(lsmengine.AppendKey(nil, prefix, cf, lo), lsmengine.AppendEnd(nil, prefix, cf, hi))
	}
}

// middle looks where a range is to be split: at the key with half of its bytes before
// it. It is nil where the range is smaller than most, or one key has it all; size
// is what was found.
func middle(s mvcc.Snapshot, d *Descriptor, most uint64) (key []byte, size uint64, err error) {
	const step = 16 << 10
	var samples [2][][]byte // of the two families with something in them: keys, a step apart
	var sizes [2]uint64
	for i, cf := range []mvcc.CF{mvcc.Default, mvcc.WriteCF} {
		it := s.Iter(cf, nil, nil)
		next := uint64(0)
		for on := it.SeekGE(nil); on; on = it.Next() {
			if local(it.Key()) {
				continue
			}
			sizes[i] += uint64(len(it.Key()) + len(it.Value()))
			if sizes[i] >= next {
				samples[i] = append(samples[i], slices.Clone(it.Key()))
				next = sizes[i] + step
			}
		}
		if err := errors.Join(it.Err(), it.Close()); err != nil {
			return nil, 0, err
		}
	}
	size = sizes[0] + sizes[1]
	larger := samples[0]
	if sizes[1] >= sizes[0] {
		larger = samples[1]
	}
	if size < most || len(larger) == 0 {
		return nil, size, nil
	}
	key, _, err = region.DecodeKey(nil, larger[len(larger)/2])
	if err != nil || string(key) <= string(d.Start) {
		return nil, size, err
	}
	return key, size, nil
}
