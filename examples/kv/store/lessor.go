package store

import (
	"container/heap"
	"slices"
	"sync"
	"time"
)

// Lessor knows when leases end, by the leader's clock. Deadlines are not
// replicated, because clocks are not: the log only says that a lease was
// granted, and that it was revoked. A new leader cannot know when the last one
// renewed a lease, so it gives each its whole TTL again. A lease therefore never
// ends early; it ends late by changes of leader. Against a long lease that lives
// for ever that way, the leader records at times what is left of it: a
// checkpoint, from which the next leader starts.
//
//	leader 1   grant 60 s ....... renew ....... dies
//	leader 2                                          Promote: 60 s ... Expired
//	                                                                       |
//	all members                                                         revoke
//
// The book has no clock and no timer. Time is passed in, by one clock which
// does not go back; a lease granted between two calls starts with the later
// one. Safe for concurrent use.
type Lessor struct {
	store   *Store
	mu      sync.Mutex // taken after the store's
	leading bool
	leases  map[int64]*deadline
	queue   deadlines
	fresh   []*deadline // granted, and not yet in the queue
}

// deadline is when a lease ends.
type deadline struct {
	Lease
	at         time.Time
	checkpoint time.Time // when the next is due; zero: not known yet
	place      int       // in the queue; -1: not there
}

// maxCheckpoints go into one log entry, as in etcd.
const maxCheckpoints = 1000

// Promote starts the book on a member that becomes the leader: every lease gets
// what its checkpoint says, or else its whole TTL, and extend on top, which
// makes up for the time without a leader (an election timeout).
func (l *Lessor) Promote(now time.Time, extend time.Duration) {
	l.store.mu.Lock() // no grant or revocation in between
	defer l.store.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leading, l.leases, l.queue, l.fresh = true, map[int64]*deadline{}, nil, nil
	for _, lease := range leasesOf(l.store.storage) {
		seconds := lease.TTL
		if lease.Remaining > 0 {
			seconds = lease.Remaining
		}
		d := &deadline{Lease: lease, at: now.Add(time.Duration(seconds)*time.Second + extend)}
		l.leases[lease.ID] = d
		heap.Push(&l.queue, d)
	}
}

// Demote closes the book: nothing expires by this member any more.
func (l *Lessor) Demote() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leading, l.leases, l.queue, l.fresh = false, nil, nil, nil
}

// granted, revoked, checkpointed and reload tell the book what Apply did.
func (l *Lessor) granted(lease Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leading {
		d := &deadline{Lease: lease, place: -1}
		l.leases[lease.ID] = d
		l.fresh = append(l.fresh, d)
	}
}

func (l *Lessor) revoked(id int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(id)
}

func (l *Lessor) drop(id int64) {
	d := l.leases[id]
	if d == nil {
		return
	}
	delete(l.leases, id)
	if d.place >= 0 {
		heap.Remove(&l.queue, d.place)
	} else {
		l.fresh = slices.DeleteFunc(l.fresh, func(f *deadline) bool { return f == d })
	}
}

func (l *Lessor) checkpointed(lease Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d := l.leases[lease.ID]; d != nil {
		d.Remaining = lease.Remaining
	}
}

// reload follows a restored state; leases it did not know start anew.
func (l *Lessor) reload(leases []Lease) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leading {
		return
	}
	old := l.leases
	l.leases, l.queue, l.fresh = map[int64]*deadline{}, nil, nil
	for _, lease := range leases {
		d := &deadline{Lease: lease, place: -1}
		l.leases[lease.ID] = d
		if o := old[lease.ID]; o != nil && o.place >= 0 {
			d.at = o.at
			heap.Push(&l.queue, d)
		} else {
			l.fresh = append(l.fresh, d)
		}
	}
}

// settle gives the leases granted since the last call their deadlines. Every
// method that is passed the time begins with it.
func (l *Lessor) settle(now time.Time) {
	for _, d := range l.fresh {
		d.at = now.Add(time.Duration(d.TTL) * time.Second)
		heap.Push(&l.queue, d)
	}
	l.fresh = nil
}

// Renew is a keepalive: the lease has its whole TTL again, which is returned in
// seconds. ErrLeaseNotFound: it is gone, or over and about to be revoked, or this
// member does not lead. A checkpoint that is not nil must be proposed: what the
// last one recorded is no longer true.
func (l *Lessor) Renew(id int64, now time.Time) (ttl int64, checkpoint *LeaseCheckpointRequest, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(now)
	d := l.leases[id]
	if d == nil || !now.Before(d.at) {
		return 0, nil, ErrLeaseNotFound
	}
	if d.Remaining > 0 {
		checkpoint = &LeaseCheckpointRequest{Checkpoints: []LeaseCheckpoint{{ID: id}}}
	}
	d.at = now.Add(time.Duration(d.TTL) * time.Second)
	d.checkpoint = time.Time{}
	heap.Fix(&l.queue, d.place)
	return d.TTL, checkpoint, nil
}

// Remaining returns how long a lease has. -1: it is gone, or this member does
// not lead. 0: it is over and about to be revoked.
func (l *Lessor) Remaining(id int64, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(now)
	d := l.leases[id]
	if d == nil {
		return -1
	}
	return max(d.at.Sub(now), 0)
}

// Expired returns up to limit leases that are over, the earliest first, to be
// revoked through the log. It returns them again until that has been done.
func (l *Lessor) Expired(now time.Time, limit int) (ids []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(now)
	var over []*deadline
	for len(over) < limit && len(l.queue) > 0 && !now.Before(l.queue[0].at) {
		over = append(over, heap.Pop(&l.queue).(*deadline))
	}
	for _, d := range over {
		heap.Push(&l.queue, d)
		ids = append(ids, d.ID)
	}
	return ids
}

// Checkpoints returns what is to be proposed, nil if nothing: for leases
// longer than interval, every interval (etcd: 5 minutes), what they have left. It
// may be called as often as Expired.
func (l *Lessor) Checkpoints(now time.Time, interval time.Duration) *LeaseCheckpointRequest {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle(now)
	var r LeaseCheckpointRequest
	for _, d := range l.queue {
		left := d.at.Sub(now)
		switch {
		case left <= 0 || time.Duration(d.TTL)*time.Second <= interval:
		case d.checkpoint.IsZero():
			d.checkpoint = now.Add(interval)
		case !now.Before(d.checkpoint):
			d.checkpoint = now.Add(interval)
			// Known here before it is applied: a renewal in between takes it back.
			d.Remaining = int64((left-1)/time.Second) + 1
			r.Checkpoints = append(r.Checkpoints, LeaseCheckpoint{ID: d.ID, Remaining: d.Remaining})
		}
		if len(r.Checkpoints) == maxCheckpoints {
			break
		}
	}
	if len(r.Checkpoints) == 0 {
		return nil
	}
	return &r
}

// deadlines is a heap, by time and then by id, so that the same input gives
// the same order.
type deadlines []*deadline

func (q deadlines) Len() int { return len(q) }

func (q deadlines) Less(i, j int) bool {
	if c := q[i].at.Compare(q[j].at); c != 0 {
		return c < 0
	}
	return q[i].ID < q[j].ID
}

func (q deadlines) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

func (q *deadlines) Push(x any) {
	d := x.(*deadline)
	d.place = len(*q)
	*q = append(*q, d)
}

func (q *deadlines) Pop() any {
	old := *q
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	d.place = -1
	return d
}
