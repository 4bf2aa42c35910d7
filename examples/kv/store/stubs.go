package store

import (
	"io"
	"time"
)

// The signatures to code against; the bodies move to their own files.

// Store is the state machine. Apply, Snapshot and Restore are called by one
// goroutine at a time; everything else is safe for concurrent use with them and
// with itself.
type Store struct{}

// Options configure a Store; the zero value is good.
type Options struct{}

// New returns an empty store, at revision 1.
func New(o Options) *Store { panic("soon") }

// Apply executes a command; it is raft.StateMachine's.
func (s *Store) Apply(index uint64, command []byte) (result []byte) { panic("soon") }

// Snapshot is raft.StateMachine's.
func (s *Store) Snapshot() (io.WriterTo, error) { panic("soon") }

// Restore is raft.StateMachine's.
func (s *Store) Restore(r io.Reader) error { panic("soon") }

// EncodeCommand makes a log entry of c.
func EncodeCommand(c Command) []byte { panic("soon") }

// DecodeCommand reads it; the command keeps parts of b.
func DecodeCommand(b []byte) (Command, error) { panic("soon") }

// DecodeResult reads what Apply returned. A refusal comes as one of the
// package's *Error values.
func DecodeResult(b []byte) (Response, error) { panic("soon") }

// Validate refuses what can be refused without the state (missing keys, too
// many operations, duplicate keys, ...), before it enters the log. Apply does so again.
func Validate(c Command) error { panic("soon") }

// ReadOnly tells whether a transaction writes nothing whichever way it goes: then
// ReadTxn answers it without the log.
func ReadOnly(t *TxnRequest) bool { panic("soon") }

// Cost estimates the bytes by which c may grow the store: etcd's key + value + 256
// per put, 64 per lease. 0: it takes no space, and is served under AlarmNoSpace.
// The proposer refuses with ErrNoSpace, and proposes AlarmActivate of
// AlarmNoSpace, when Cost(c) > 0 and Status().Size + Cost(c) >= quota; and
// proposes the alarm also when a Status().Size >= quota after an Apply.
func Cost(c Command) int64 { panic("soon") }

// PrefixEnd returns the end of the range of all keys that start with p.
func PrefixEnd(p []byte) []byte { panic("soon") }

// Range reads this member's state. For a linearizable read the caller waits
// for raft's read index first.
func (s *Store) Range(r *RangeRequest) (*RangeResponse, error) { panic("soon") }

// ReadTxn executes a read-only transaction on this member's state.
func (s *Store) ReadTxn(t *TxnRequest) (*TxnResponse, error) { panic("soon") }

// Lease returns a lease and, if keys is set, the keys attached to it. ErrLeaseNotFound.
func (s *Store) Lease(id int64, keys bool) (Lease, [][]byte, error) { panic("soon") }

// Leases in the order of their ids.
func (s *Store) Leases() []Lease { panic("soon") }

// Alarms that are active, by member and type.
func (s *Store) Alarms() []Alarm { panic("soon") }

// Members by id.
func (s *Store) Members() []Member { panic("soon") }

// Hash of all keys with their history up to rev; 0: now. ErrFutureRev, ErrCompacted.
func (s *Store) Hash(rev int64) (HashResponse, error) { panic("soon") }

// Status is a summary.
func (s *Store) Status() Status { panic("soon") }

// Lessor is the store's book of deadlines, used on the leader.
func (s *Store) Lessor() *Lessor { panic("soon") }

// Lessor knows when leases end, by the leader's clock. It is not replicated
// and has no clock: now is passed to it, never going back. Safe for concurrent use.
type Lessor struct{}

// Promote starts the book on a new leader: every lease gets its checkpointed rest,
// or its whole TTL, and extend on top (an election timeout).
func (l *Lessor) Promote(now time.Time, extend time.Duration) { panic("soon") }

// Demote ends it: no lease expires by this member any more.
func (l *Lessor) Demote() { panic("soon") }

// Renew is a keepalive. ErrLeaseNotFound: it is gone, or ends just now; on a member that is not the
// leader every lease is. checkpoint, if not nil, must be
// proposed: an old checkpoint has to be cleared.
func (l *Lessor) Renew(id int64, now time.Time) (ttl int64, checkpoint *LeaseCheckpointRequest, err error) {
	panic("soon")
}

// Remaining of the lease's TTL, rounded down to seconds, -1 when it is unknown here.
func (l *Lessor) Remaining(id int64, now time.Time) time.Duration { panic("soon") }

// Expired returns up to max leases that are over, the earliest first, to be revoked through the
// log. They are returned again by each call until they are.
func (l *Lessor) Expired(now time.Time, max int) []int64 { panic("soon") }

// Checkpoints returns what is to be proposed at times (etcd: every 5 minutes), nil if nothing:
// the rest of each lease longer than interval.
func (l *Lessor) Checkpoints(now time.Time, interval time.Duration) *LeaseCheckpointRequest {
	panic("soon")
}

// Watch registers a watcher. It is never refused: a compacted start comes as a canceled response. ErrEmptyKey.
func (s *Store) Watch(r *WatchRequest) (*Watcher, error) { panic("soon") }

// Watcher reads the events of one watch. One goroutine at a time calls Next; Ready and
// Close are safe anywhere.
type Watcher struct{}

// Ready gets a token when Next may have something. It is closed by nobody.
//
//	for {
//		select {
//		case <-w.Ready():
//		case <-ctx.Done():
//		}
//		for r, ok := w.Next(limits); ok; r, ok = w.Next(limits) { send(r) }
//	}
func (w *Watcher) Ready() <-chan struct{} { panic("soon") }

// Next returns the next events, at most about maxBytes of them (keys and values; 0: 1 MiB) but at least one revision,
// or, of a fragmented watch, one event. false: there is nothing now; wait for Ready.
func (w *Watcher) Next(maxBytes int) (WatchResponse, bool) { panic("soon") }

// Progress returns a response without events that tells up to which revision the watcher has been told
// everything; false while it has events to come, which will tell.
func (w *Watcher) Progress() (WatchResponse, bool) { panic("soon") }

// Close ends the watch.
func (w *Watcher) Close() { panic("soon") }
