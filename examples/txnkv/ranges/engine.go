package ranges

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/flagship-go/flagship/examples/txnkv/lsmengine"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/multi"
)

// engine is a range as an [mvcc.Engine], for the region of one lease: what is written
// goes through the log, and what is read is the latest, or an error.
type engine struct {
	r     *replica
	lease uint64
}

// Write proposes a batch. A refusal says that nothing was done, and a [*region.Error]
// is one; of anything else nobody knows.
func (e *engine) Write(ctx context.Context, b *mvcc.Batch) error {
	n := e.r.node
	result, err := n.host.Propose(ctx, multi.GroupID(e.r.id), encodeWrite(e.lease, b))
	_, err = answer(result, err)
	switch {
	case err == nil:
		return nil
	case refused(err):
		return e.r.refusal(err)
	}
	return fmt.Errorf("%w: %v: %w", mvcc.ErrUndetermined, n.id, err)
}

// refused says whether an error of a proposal is that nothing was done or ever will be.
func refused(err error) bool {
	for _, known := range []error{raft.ErrNotLeader, raft.ErrDropped, raft.ErrPending, raft.ErrBusy, multi.ErrNoGroup, multi.ErrRemoved, errSuperseded} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

func (r *replica) refusal(err error) error {
	p := r.place.Load()
	return &region.Error{Region: p.info().Ref, Reason: fmt.Sprintf("%v: %v", r.node.id, err)}
}

// Snapshot waits until this node has everything that was acknowledged before the call,
// which it knows by itself while its raft lease lasts. The order matters (T3): only
// then does it look whether the range's lease is still its own. If it is, the next
// holder takes it later, and commits above what is read here.
func (e *engine) Snapshot(ctx context.Context) (mvcc.Snapshot, error) {
	r := e.r
	if err := r.node.host.Read(ctx, multi.GroupID(r.id)); err != nil {
		return nil, r.refusal(err)
	}
	before := r.place.Load()
	if before.Lease.Seq != e.lease {
		return nil, r.refusal(errSuperseded)
	}
	s := r.node.db.Snapshot()
	if r.place.Load() != before { // the snapshot may have its records elsewhere
		s.Close()
		return nil, r.refusal(errSuperseded)
	}
	return r.view(s, before), nil
}

// view is a range in a snapshot of the node's store.
func (r *replica) view(s *lsm.Snapshot, p *place) *view {
	v := &view{Snapshot: lsmengine.NewSnapshot(s, dataPrefix(p.Space)), local: lsmengine.NewSnapshot(s, numbered('l', r.id))}
	v.lo, v.hi = p.encodedBounds()
	return v
}

type view struct {
	mvcc.Snapshot
	local  mvcc.Snapshot
	lo, hi []byte
}

func (v *view) Get(cf mvcc.CF, key []byte) ([]byte, bool, error) {
	if local(key) {
		return v.local.Get(cf, key)
	}
	return v.Snapshot.Get(cf, key)
}

// Iter keeps to the range: a space may have others beside it.
func (v *view) Iter(cf mvcc.CF, lo, hi []byte) mvcc.Iterator {
	if bytes.Compare(lo, v.lo) < 0 {
		lo = v.lo
	}
	if hi == nil || v.hi != nil && bytes.Compare(hi, v.hi) > 0 {
		hi = v.hi
	}
	return v.Snapshot.Iter(cf, lo, hi)
}
