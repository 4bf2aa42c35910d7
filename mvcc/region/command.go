// The vocabulary: what clients ask of a region, and what it answers. Each request is
// a function from a snapshot to a batch of changes and an answer; see V2.

package region

import (
	"time"

	"github.com/flagship-go/flagship/mvcc/coprocessor"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// TS is a timestamp; see package timestamp for its layout.
type TS = timestamp.TS

// MutationKind is what a transaction does to a key.
type MutationKind uint8

const (
	MutPut MutationKind = iota
	// MutDelete leaves a tombstone.
	MutDelete
	// MutInsert puts where nothing is, and fails with ErrExists otherwise.
	MutInsert
	// MutLock changes nothing, but conflicts as a write does.
	MutLock
	// MutCheckAbsent only checks that nothing is there: a key inserted and deleted
	// again.
	MutCheckAbsent
)

// Mutation is one change of a transaction.
type Mutation struct {
	Kind  MutationKind
	Key   []byte
	Value []byte
	// Pessimistic says that the key is locked already: then the lock must be there
	// still (V8), and there is no check for conflicts, which was made when it was taken.
	Pessimistic bool
	// ForUpdateTS is at what the key was locked, if Pessimistic: a lock at a higher one
	// is not the same any more. 0 is not compared.
	ForUpdateTS TS
}

// LockInfo describes the lock of a transaction that is not decided.
type LockInfo struct {
	Key, Primary []byte
	StartTS      TS
	ForUpdateTS  TS   // not 0: of a pessimistic transaction
	Pessimistic  bool // nothing is prewritten yet: readers pass
	MinCommitTS  TS
	TTL          time.Duration // from StartTS on
	TxnSize      int           // keys
	AsyncCommit  bool
	Secondaries  [][]byte // of an async commit's primary
}

// Request is one of the requests below. What it holds is the sender's: a region does
// not change it, and keeps nothing of it.
type Request interface {
	// within reports whether all keys that it is about are a region's. A region refuses
	// what is not wholly its own.
	within(r *Info) bool
}

// KV is a key with its value. The slices are the receiver's.
type KV struct{ Key, Value []byte }

// ReadOptions say as of when to read.
type ReadOptions struct {
	// ReadTS is the snapshot: what was committed at or before it.
	ReadTS TS
	// UncertainUntil is above ReadTS where clocks differ: a value between them may be
	// older than the reader (V12).
	UncertainUntil TS
	// StartTS is the reader's own transaction, whose locks are not in its way; 0 for
	// none.
	StartTS TS
	// Past has transactions whose locks the reader passes: they are rolled back, or
	// cannot commit at or below ReadTS and UncertainUntil, since their primary's
	// MinCommitTS was pushed above.
	Past []TS
}

// GetRequest reads keys. The answer is a [*GetResponse].
type GetRequest struct {
	ReadOptions
	Keys [][]byte
}

// GetResponse has a value for each key, nil for those that have none; a value that
// is empty is not nil.
type GetResponse struct{ Values [][]byte }

// ScanRequest reads the keys of Start <= key < End, from the first on, or from the
// last if Reverse is set, at most Limit, and about Bytes. The answer is a
// [*ScanResponse].
type ScanRequest struct {
	ReadOptions
	Start, End   []byte
	Limit, Bytes int // 0: no limit
	Reverse      bool
	KeysOnly     bool
}

// ScanResponse has keys in the order of the scan. More says that a limit ended it;
// then Resume is where to go on: Start of the next request, or End if Reverse is set.
type ScanResponse struct {
	Pairs  []KV
	More   bool
	Resume []byte
}

// CoprocessorRequest does a region's part of a plan over the rows of Start <= key < End.
// The answer is a [*coprocessor.Partial]; if it has More, the next request begins at
// Resume. A request is not sent over a wire as it is: a plan has a text, its String.
type CoprocessorRequest struct {
	ReadOptions
	Start, End []byte
	Plan       *coprocessor.Plan
	Options    *coprocessor.Options // nil: the defaults
}

// PrewriteRequest is the first phase (Percolator, figure 6): it locks the keys, and
// puts the values where the second phase will make them visible. The answer is a
// [*PrewriteResponse].
type PrewriteRequest struct {
	Mutations   []Mutation // in the order of keys
	Primary     []byte
	StartTS     TS
	ForUpdateTS TS // of pessimistic mutations
	TTL         time.Duration
	TxnSize     int
	// MinCommitTS is the client's own bound, for async commit and OnePC.
	MinCommitTS TS
	// AsyncCommit asks for a commit that is decided once all prewrites are there.
	// Secondaries are all keys but the primary, in the request that has the primary.
	AsyncCommit bool
	Secondaries [][]byte
	// OnePC asks to commit at once: the request has all keys of the transaction.
	OnePC bool
}

// PrewriteResponse says how far it went. MinCommitTS is above every timestamp at
// which this region was read (V11), if the request asks for AsyncCommit or OnePC or
// the clocks are hybrid. Async says that the locks are those of an async commit; if the
// request asked for one, and this is not set, the whole transaction goes on in two
// phases. CommitTS is that of a OnePC which succeeded, or of a transaction that turns out
// to be committed already.
type PrewriteResponse struct {
	MinCommitTS TS
	CommitTS    TS
	Async       bool
}

// CommitRequest is the second phase. It is the decision, if it has the primary, which
// then must be in a request by itself or its first key. The answer is nil.
type CommitRequest struct {
	Keys              [][]byte // in order, but for the primary
	StartTS, CommitTS TS
}

// RollbackRequest undoes the first phase, and sees to it that it cannot come later.
// It fails with an [*AlreadyCommittedError]. The answer is nil.
//
// Where prewrites decide (AsyncCommit, OnePC), it is for transactions that are known not to
// be committed. That a prewrite was refused does not say so, if the reason may pass: a
// copy of it may come later. Whoever gives up asks with a CheckSecondaryLocksRequest
// of all keys first, as others do, which prevents what is missing (V10).
type RollbackRequest struct {
	Keys    [][]byte
	StartTS TS
}

// AlreadyCommittedError reports a rollback of what is committed.
type AlreadyCommittedError struct {
	Key               []byte
	StartTS, CommitTS TS
}

func (e *AlreadyCommittedError) Error() string {
	return "mvcc: transaction " + e.StartTS.String() + " is committed, at " + e.CommitTS.String()
}

// TxnState is how far a transaction is.
type TxnState uint8

const (
	// TxnAlive: its primary is locked, and not expired.
	TxnAlive TxnState = iota
	TxnCommitted
	TxnRolledBack
	// TxnAsync: its primary has expired as a lock of an async commit: its secondaries
	// decide (CheckSecondaryLocksRequest).
	TxnAsync
	// TxnUnknown: there is no trace of it, and none was to be left.
	TxnUnknown
)

// CheckTxnStatusRequest asks the primary what became of a transaction. A lock that
// has expired by CurrentTS is rolled back; where nothing is found a rollback is
// recorded, if RollbackIfMissing is set, so that a late prewrite fails (V6). A lock
// that lives gets a MinCommitTS above CallerTS, so that the caller may read past it.
// The answer is a [*TxnStatus].
type CheckTxnStatusRequest struct {
	Primary           []byte
	StartTS           TS
	CallerTS          TS // 0: do not push
	CurrentTS         TS
	RollbackIfMissing bool
	// ForceSync treats an async commit as an ordinary one: one of its secondaries was
	// prewritten as such.
	ForceSync bool
}

// TxnStatus is the answer to CheckTxnStatusRequest. Lock is set of TxnAlive and
// TxnAsync; Pushed says that the lock's MinCommitTS is above CallerTS.
type TxnStatus struct {
	State    TxnState
	CommitTS TS
	Lock     *LockInfo
	Pushed   bool
}

// CheckSecondaryLocksRequest asks whether the keys of an async commit were
// prewritten. A key that is not locked is rolled back for good. The answer is a
// [*SecondaryStatus].
type CheckSecondaryLocksRequest struct {
	Keys    [][]byte
	StartTS TS
	Look    bool // changes nothing: a key that is not locked may be yet
}

// SecondaryStatus has the locks that were found; fewer than keys were asked for means
// that the transaction is decided: committed at CommitTS, or rolled back if that is 0. After
// a Look it means nothing.
type SecondaryStatus struct {
	Locks    []LockInfo
	CommitTS TS
}

// ResolveLockRequest commits, or rolls back if CommitTS is 0, the locks of a
// transaction that is decided: those of Keys, or all between Start and End if there
// are none. The answer is nil.
type ResolveLockRequest struct {
	StartTS, CommitTS TS
	Keys              [][]byte
	Start, End        []byte
}

// LockRequest takes pessimistic locks, of all keys or none. The answer is a
// [*LockResponse].
type LockRequest struct {
	Keys        [][]byte // in order, so that nobody waits in a circle within it
	Primary     []byte
	StartTS     TS
	ForUpdateTS TS // what is committed above it is a conflict
	TTL         time.Duration
	// Wait is how long to wait for others' locks; 0 does not. A region may answer with
	// a LockedError before that, so that the sender looks whether the other is alive.
	Wait time.Duration
	// Raise locks also where something was committed above ForUpdateTS, at that
	// CommitTS, instead of failing: for whoever decides by the values that come back.
	Raise bool
	// Values asks for the latest values.
	Values bool
	// CheckAbsent fails with ErrExists for a key with a value.
	CheckAbsent bool
}

// LockResponse has the latest values, as in GetResponse. ForUpdateTS is that of the
// request, or what it was raised to.
type LockResponse struct {
	Values      [][]byte
	ForUpdateTS TS
}

// PessimisticRollbackRequest gives pessimistic locks back that were taken at or below
// ForUpdateTS. It leaves no record. The answer is nil.
type PessimisticRollbackRequest struct {
	Keys                 [][]byte
	StartTS, ForUpdateTS TS
}

// HeartbeatRequest prolongs the life of a primary's lock. The answer is a
// [*HeartbeatResponse].
type HeartbeatRequest struct {
	Primary []byte
	StartTS TS
	TTL     time.Duration
}

// HeartbeatResponse has how long the lock lives now.
type HeartbeatResponse struct{ TTL time.Duration }

// Span is Start <= key < End; a nil End is no bound.
type Span struct{ Start, End []byte }

// Contains reports whether a key is in it.
func (s Span) Contains(key []byte) bool {
	return string(s.Start) <= string(key) && (s.End == nil || string(key) < string(s.End))
}

// RefreshRequest asks whether what was read at From is the same at To, and sees to it
// that it stays so: later writes there get a CommitTS above To (V13). It fails with a
// [*ConflictError], or a [*LockedError] of a transaction that might commit at or below To.
// The answer is nil.
type RefreshRequest struct {
	Keys     [][]byte
	Spans    []Span
	StartTS  TS // whose own locks are not in the way
	From, To TS
	Past     []TS // as in ReadOptions, about To
}

// ScanLocksRequest lists the locks of transactions that began at or before MaxTS. The
// answer is a [*ScanLocksResponse].
type ScanLocksRequest struct {
	Start, End []byte
	MaxTS      TS
	Limit      int
}

// ScanLocksResponse has locks in the order of keys; Resume is not nil if there may be
// more from there on.
type ScanLocksResponse struct {
	Locks  []LockInfo
	Resume []byte
}

// GCRequest removes what no reader above SafePoint can see, from Start on, about Limit
// versions looked at. The region's safepoint rises to SafePoint first. No lock may be
// left that is at or below it: a [*LockedError] names those that are, and in other
// regions they must be gone too, since they may have their primary here; so the locks of
// all regions are resolved before the first one is collected. With a negative Limit the
// safepoint rises, and that is all: collection does that first in every region, so that no lock
// comes up any more below it. The answer is a [*GCResponse].
type GCRequest struct {
	Start, End []byte
	SafePoint  TS
	Limit      int
}

// GCResponse says what was done; Resume is not nil if there is more from there on.
type GCResponse struct {
	Scanned, Removed int
	Resume           []byte
}
