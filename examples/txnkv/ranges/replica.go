package ranges

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/flagship-go/flagship/examples/txnkv/lsmengine"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/multi"
)

// replica is a range on a node: the state machine of its group. Package multi calls
// its methods one at a time, but for Applied; the rest may be read at any time.
//
//	log      | w  lease 7: put a | l  node 2 | w  lease 7: put b | w  lease 9: put c |
//	index      8                   9           10                  11
//	store      a, applied 8        applied 9,  applied 10: not     c, applied 11
//	                               lease 9     decided under it
//
// Each command is one batch of the store, with its index in it: so it is there once,
// whatever is replayed (T2).
type replica struct {
	node  *Node
	id    uint64
	place atomic.Pointer[place] // as of the store
	// applied is behind the store's by what is being written.
	applied, size atomic.Uint64

	mu        sync.Mutex
	serving   *region.Region // while this node holds the lease
	lease     uint64         // that it serves under
	acquiring bool
	splitting bool
}

var (
	_ multi.Durable  = (*replica)(nil)
	_ multi.Splitter = (*replica)(nil)
)

// What a range keeps beside its records, in family default.
var (
	safePointKey = []byte{0} // package mvcc's
	clockKey     = []byte{1}
	numberKey    = []byte{2}
)

// localKey is the store's key of what a range keeps beside its records.
func (r *replica) localKey(cf mvcc.CF, key []byte) []byte {
	return lsmengine.AppendKey(nil, numbered('l', r.id), cf, key)
}

// local says which keys of a region are no records. Records are longer.
func local(key []byte) bool { return len(key) == 1 }

func dataPrefix(space uint64) []byte { return numbered('d', space) }

// Apply executes a command of the log.
func (r *replica) Apply(index uint64, command []byte) []byte {
	b := r.node.db.NewBatch()
	size := r.size.Load()
	next := r.place.Load()
	result := []byte{done}
	var err error
	switch kind := commandKind(command); kind {
	case cmdWrite:
		var ok bool
		if ok, size, err = r.write(b, command, size); !ok {
			result[0] = superseded
		}
	case cmdLease:
		var holder uint64
		holder, _, err = cutUvarint(command[1:])
		changed := *next
		changed.Lease = Lease{raft.NodeID(holder), index}
		changed.put(b)
		next, result = &changed, doneWith(index)
	case cmdClock:
		err = r.raiseClock(b, command)
	case cmdNumber:
		var n uint64
		if n, err = r.number(b); err == nil {
			result = doneWith(n)
		}
	default:
		err = errCommand
	}
	if err == nil {
		err = r.commit(b, index, size)
	}
	if err != nil {
		r.node.fail(fmt.Errorf("%v: command %d: %w", &next.Descriptor, index, err))
		return []byte{broken}
	}
	r.become(next)
	return result
}

func commandKind(c []byte) byte {
	if len(c) == 0 {
		return 0
	}
	return c[0]
}

// commit writes a batch with the index that the log is applied to. After a failure
// nothing is written any more: a command must not be left out.
func (r *replica) commit(b *lsm.Batch, index, size uint64) error {
	if err := r.node.failure(); err != nil {
		return err
	}
	progress{index, size}.put(b, r.id)
	if err := r.node.db.Apply(b); err != nil {
		return err
	}
	r.applied.Store(index)
	r.size.Store(size)
	return nil
}

// become makes known what the store says. A region that served under another lease
// ends with it.
func (r *replica) become(next *place) {
	old := r.place.Swap(next)
	if old == nil || old.Lease != next.Lease || old.Epoch != next.Epoch {
		r.retire(func(lease uint64) bool { return lease != next.Lease.Seq })
	}
}

// write adds the operations of a region's batch, unless the lease that they were
// decided under is over (T3).
func (r *replica) write(b *lsm.Batch, command []byte, size uint64) (ok bool, newSize uint64, err error) {
	p := r.place.Load()
	data := dataPrefix(p.Space)
	var key, end []byte
	old := b.Len()
	lease, err := decodeWrite(command, func(op *mvcc.Op) {
		key = key[:0]
		if local(op.Key) {
			key = append(key, r.localKey(op.CF, op.Key)...)
		} else {
			key = lsmengine.AppendKey(key, data, op.CF, op.Key)
		}
		switch op.Kind {
		case mvcc.OpPut:
			b.Put(key, op.Value)
			size += uint64(len(op.Key) + len(op.Value))
		case mvcc.OpDelete:
			b.Delete(key)
			size -= min(size, uint64(len(op.Key)))
		default:
			end = lsmengine.AppendKey(end[:0], data, op.CF, op.Value)
			b.DeleteRange(key, end)
		}
	})
	if err == nil && lease != p.Lease.Seq {
		if b.Len() > old {
			b.Reset()
		}
		return false, r.size.Load(), nil
	}
	return true, size, err
}

// raiseClock keeps the highest timestamp that the clock may give out.
func (r *replica) raiseClock(b *lsm.Batch, command []byte) error {
	ts, _, err := cutUvarint(command[1:])
	if err != nil {
		return err
	}
	if old, err := r.clock(); err != nil || old >= timestamp.TS(ts) {
		return err
	}
	b.Put(r.localKey(mvcc.Default, clockKey), binary.BigEndian.AppendUint64(nil, ts))
	return nil
}

func (r *replica) clock() (timestamp.TS, error) {
	ts, err := r.localNumber(clockKey)
	return timestamp.TS(ts), err
}

// number gives out a number of a range, each once. Range 1 has its own.
func (r *replica) number(b *lsm.Batch) (uint64, error) {
	n, err := r.localNumber(numberKey)
	n = max(n, 1) + 1
	b.Put(r.localKey(mvcc.Default, numberKey), binary.BigEndian.AppendUint64(nil, n))
	return n, err
}

func (r *replica) localNumber(key []byte) (uint64, error) {
	v, err := r.node.db.Get(r.localKey(mvcc.Default, key))
	switch {
	case errors.Is(err, lsm.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case len(v) != 8:
		return 0, fmt.Errorf("%w: range %d keeps % x at %v", mvcc.ErrCorrupt, r.id, v, key)
	}
	return binary.BigEndian.Uint64(v), nil
}

// Applied makes durable what is applied, and says how far that is: package multi cuts
// the log there.
func (r *replica) Applied() uint64 {
	at := r.applied.Load()
	if err := r.node.db.Sync(); err != nil {
		r.node.fail(fmt.Errorf("range %d: %w", r.id, err))
		return 0
	}
	return at
}

// region is what serves the range here, if this node holds the lease.
func (r *replica) region() *region.Region {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.serving
}

// retire ends the region that serves under a lease of which over is true.
func (r *replica) retire(over func(lease uint64) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.serving != nil && over(r.lease) {
		r.serving.Close()
		r.serving = nil
	}
}

func always(uint64) bool { return true }
