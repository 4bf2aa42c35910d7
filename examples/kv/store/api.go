package store

// The vocabulary: requests, responses and data, with etcd's names and numbers.
//
// A request that changes something is a [Command]: EncodeCommand makes bytes of
// it, the cluster agrees on their place in the log, Apply executes them on
// every member, and DecodeResult reads what Apply returned. A request that only
// reads never enters the log; it is a method of [Store].
//
// Byte slices. What is passed to the store must not be changed afterwards; what
// it returns is shared with it and must not be changed either.
//
// Header. Revision in a response is that of the store when it was made, which
// for a write is the write's own. Cluster, member and term are the server's to
// add.

// MaxTxnOps bounds each list of a transaction: compares, then, else; etcd's
// default of --max-txn-ops. It is no option: the members must agree on it.
const MaxTxnOps = 128

// MaxLeaseTTL in seconds, as in etcd: about 285 years.
const MaxLeaseTTL = 9_000_000_000

// KeyValue is one version of a key.
type KeyValue struct {
	Key            []byte
	CreateRevision int64 // of the version 1 that this one descends from
	ModRevision    int64 // of this version
	Version        int64 // 1 when created, 0 in the KeyValue of a deletion
	Value          []byte
	Lease          int64 // 0: none
}

// EventType tells a put from a deletion.
type EventType uint8

// The types of events.
const (
	EventPut    EventType = 0
	EventDelete EventType = 1
)

// Event is one change of one key. Of a deletion, KV has Key and ModRevision only.
type Event struct {
	Type   EventType
	KV     *KeyValue
	PrevKV *KeyValue // the version replaced; nil: none, or not asked for
}

// Command is a request that goes through the log: *PutRequest,
// *DeleteRangeRequest, *TxnRequest, *CompactionRequest, *LeaseGrantRequest,
// *LeaseRevokeRequest, *LeaseCheckpointRequest, *AlarmRequest,
// *DefragmentRequest, *MemberSetRequest, *MemberRemoveRequest.
type Command interface{ command() }

// Response is what DecodeResult returns: the type whose name is that of the
// command, with Response in the place of Request.
type Response interface{ response() }

// SortOrder and SortTarget order a range.
type (
	SortOrder  uint8
	SortTarget uint8
)

// The orders of a range. With SortNone and another target than the key, etcd
// sorts ascending.
const (
	SortNone    SortOrder = 0
	SortAscend  SortOrder = 1
	SortDescend SortOrder = 2
)

// What a range is sorted by; equal ones stay in the order of their keys.
const (
	SortByKey     SortTarget = 0
	SortByVersion SortTarget = 1
	SortByCreate  SortTarget = 2
	SortByMod     SortTarget = 3
	SortByValue   SortTarget = 4
)

// RangeRequest reads keys at one revision. The range is
//
//	Key, End empty         that key
//	Key, End               Key <= k < End
//	Key, End = "\x00"      Key <= k
//	"\x00", End = "\x00"   all keys
//
// A prefix p is [p, PrefixEnd(p)). An inverted range is empty.
type RangeRequest struct {
	Key, End   []byte
	Limit      int64 // of keys returned; 0 or less: none
	Revision   int64 // 0 or less: now
	SortOrder  SortOrder
	SortTarget SortTarget
	KeysOnly   bool // leaves values out
	CountOnly  bool // leaves keys out
	// Those outside are left out; 0: no bound. Count counts them.
	MinModRevision, MaxModRevision       int64
	MinCreateRevision, MaxCreateRevision int64
}

// RangeResponse answers a RangeRequest.
type RangeResponse struct {
	Revision int64 // of the store, not the one asked for
	KVs      []*KeyValue
	More     bool  // Limit cut some off
	Count    int64 // keys in the range, whatever limit and bounds
}

// PutRequest writes one key.
type PutRequest struct {
	Key, Value  []byte
	Lease       int64 // the key is deleted when it ends; 0: none
	PrevKV      bool  // return the version replaced
	IgnoreValue bool  // keep the value; ErrKeyNotFound if there is none
	IgnoreLease bool  // keep the lease; ErrKeyNotFound likewise
}

// PutResponse answers a PutRequest.
type PutResponse struct {
	Revision int64
	PrevKV   *KeyValue // if asked for, and there was one
}

// DeleteRangeRequest deletes the keys of a range, as in RangeRequest, in one
// revision.
type DeleteRangeRequest struct {
	Key, End []byte
	PrevKV   bool // return the versions deleted
}

// DeleteRangeResponse answers a DeleteRangeRequest. If nothing was deleted,
// there is no new revision.
type DeleteRangeResponse struct {
	Revision int64
	Deleted  int64
	PrevKVs  []*KeyValue
}

// CompareResult and CompareTarget say what is compared, and how.
type (
	CompareResult uint8
	CompareTarget uint8
)

// How a compare must come out.
const (
	Equal    CompareResult = 0
	Greater  CompareResult = 1
	Less     CompareResult = 2
	NotEqual CompareResult = 3
)

// What of the key is compared.
const (
	CompareVersion CompareTarget = 0
	CompareCreate  CompareTarget = 1
	CompareMod     CompareTarget = 2
	CompareValue   CompareTarget = 3
	CompareLease   CompareTarget = 4
)

// Compare is a condition of a transaction: "the key's target is Result than
// the operand". With an End it must hold for every key of the range. A missing
// key has zeros; its value compares to nothing, so that is false.
type Compare struct {
	Key, End []byte
	Result   CompareResult
	Target   CompareTarget
	Number   int64  // operand of all targets but the value
	Value    []byte // operand of CompareValue
}

// Op is one operation of a transaction: the one field that is set.
type Op struct {
	Range       *RangeRequest
	Put         *PutRequest
	DeleteRange *DeleteRangeRequest
	Txn         *TxnRequest
}

// OpResponse is what the Op of the same place returned.
type OpResponse struct {
	Range       *RangeResponse
	Put         *PutResponse
	DeleteRange *DeleteRangeResponse
	Txn         *TxnResponse
}

// TxnRequest executes Success if all of Compare hold, and Failure otherwise,
// in one revision, atomically. Compares of nested transactions, too, see the
// state before the transaction; ranges see what the operations before them
// wrote. A key may be put once, and not put and deleted: ErrDuplicateKey.
type TxnRequest struct {
	Compare          []Compare
	Success, Failure []Op
}

// TxnResponse answers a TxnRequest.
type TxnResponse struct {
	Revision  int64
	Succeeded bool
	Responses []OpResponse
}

// CompactionRequest forgets the history before Revision: what a read at
// Revision sees stays. ErrCompacted if that is done, ErrFutureRev if there is
// no such revision yet.
type CompactionRequest struct{ Revision int64 }

// CompactionResponse answers a CompactionRequest.
type CompactionResponse struct{ Revision int64 }

// LeaseGrantRequest makes a lease. The proposer chooses an ID (positive,
// random) when its client left it 0, and raises the TTL to its own minimum, as
// etcd does by its election timeout; here it is raised to 1. ErrLeaseExist,
// ErrLeaseTTLTooLarge.
type LeaseGrantRequest struct {
	ID  int64
	TTL int64 // seconds
}

// LeaseGrantResponse answers a LeaseGrantRequest.
type LeaseGrantResponse struct {
	Revision int64
	ID       int64
	TTL      int64
}

// LeaseRevokeRequest ends a lease and deletes its keys in one revision. The
// leader proposes it for those that Lessor.Expired returns. ErrLeaseNotFound.
type LeaseRevokeRequest struct{ ID int64 }

// LeaseRevokeResponse answers a LeaseRevokeRequest.
type LeaseRevokeResponse struct{ Revision int64 }

// LeaseCheckpoint is what a lease has left, for the next leader.
type LeaseCheckpoint struct {
	ID        int64
	Remaining int64 // seconds; 0: the whole TTL
}

// LeaseCheckpointRequest records them. Unknown leases are passed over.
type LeaseCheckpointRequest struct{ Checkpoints []LeaseCheckpoint }

// LeaseCheckpointResponse answers a LeaseCheckpointRequest.
type LeaseCheckpointResponse struct{ Revision int64 }

// Lease is a lease as the members agree on it. When it ends is known to the
// leader alone: see [Lessor].
type Lease struct {
	ID        int64
	TTL       int64 // seconds, as granted
	Remaining int64 // seconds, by the last checkpoint; 0: TTL
}

// AlarmType is why the cluster refuses requests.
type AlarmType uint8

// The alarms.
const (
	AlarmNone    AlarmType = 0
	AlarmNoSpace AlarmType = 1 // refuses what takes space: ErrNoSpace
	AlarmCorrupt AlarmType = 2 // refuses all writes: ErrCorrupt
)

// AlarmAction is what an AlarmRequest does.
type AlarmAction uint8

// The actions.
const (
	AlarmGet        AlarmAction = 0 // lists; Store.Alarms does so without the log
	AlarmActivate   AlarmAction = 1
	AlarmDeactivate AlarmAction = 2
)

// Alarm is raised by a member.
type Alarm struct {
	Member uint64
	Type   AlarmType
}

// AlarmRequest raises, disarms or lists alarms.
type AlarmRequest struct {
	Action AlarmAction
	Alarm
}

// AlarmResponse holds those raised, disarmed or, for AlarmGet, active ones of
// the type (AlarmNone: of all).
type AlarmResponse struct {
	Revision int64
	Alarms   []Alarm
}

// DefragmentRequest gives back the room that compaction freed: Status.Size
// falls to Status.SizeInUse. It goes through the log, because the size decides about
// the quota.
type DefragmentRequest struct{}

// DefragmentResponse answers a DefragmentRequest.
type DefragmentResponse struct {
	Revision int64
	Size     int64 // bytes, now
}

// Member holds what the cluster knows of a member beside raft's membership.
type Member struct {
	ID         uint64
	Name       string
	PeerURLs   []string
	ClientURLs []string
}

// MemberSetRequest writes the row of a member.
type MemberSetRequest struct{ Member }

// MemberSetResponse answers a MemberSetRequest.
type MemberSetResponse struct{ Revision int64 }

// MemberRemoveRequest deletes the row of a member, if there is one, and the
// alarms it raised.
type MemberRemoveRequest struct{ ID uint64 }

// MemberRemoveResponse answers a MemberRemoveRequest.
type MemberRemoveResponse struct{ Revision int64 }

// HashResponse answers Store.Hash. Members agree if Hash is equal where
// Revision and CompactRevision are; otherwise it says nothing.
type HashResponse struct {
	Hash            uint32
	Revision        int64 // hashed up to
	CompactRevision int64 // -1: never compacted
}

// Status is a summary, for /v3/maintenance/status and metrics.
type Status struct {
	Index           uint64 // of the last entry applied
	Revision        int64
	CompactRevision int64 // -1: never compacted
	Size            int64 // bytes, by etcd's cost model; what the quota bounds
	SizeInUse       int64 // bytes without what compaction freed
	Leases          int
	Watchers        int
	SlowWatchers    int // of these, those that catch up from history
}

// WatchRequest asks for the events of a range, as in RangeRequest.
type WatchRequest struct {
	Key, End []byte
	// StartRevision is the first revision of interest, past or future. 0 or
	// less: the one after now.
	StartRevision   int64
	NoPut, NoDelete bool // leave these out
	PrevKV          bool // fill Event.PrevKV
	Fragment        bool // a revision may be cut where it exceeds Next's limit
}

// WatchResponse is a piece of a watch.
type WatchResponse struct {
	// Revision up to which the watcher has been told everything, this response
	// included (of a fragment: once its last piece is there). A client resumes
	// with StartRevision Revision+1.
	Revision int64
	Events   []*Event
	Fragment bool // the same revision continues in the next response
	// Canceled: the watch is over; nothing follows. CompactRevision then says
	// which history is left, if that was why.
	Canceled        bool
	CompactRevision int64
	CancelReason    string
}

func (*PutRequest) command()             {}
func (*DeleteRangeRequest) command()     {}
func (*TxnRequest) command()             {}
func (*CompactionRequest) command()      {}
func (*LeaseGrantRequest) command()      {}
func (*LeaseRevokeRequest) command()     {}
func (*LeaseCheckpointRequest) command() {}
func (*AlarmRequest) command()           {}
func (*DefragmentRequest) command()      {}
func (*MemberSetRequest) command()       {}
func (*MemberRemoveRequest) command()    {}

func (*PutResponse) response()             {}
func (*DeleteRangeResponse) response()     {}
func (*TxnResponse) response()             {}
func (*CompactionResponse) response()      {}
func (*LeaseGrantResponse) response()      {}
func (*LeaseRevokeResponse) response()     {}
func (*LeaseCheckpointResponse) response() {}
func (*AlarmResponse) response()           {}
func (*DefragmentResponse) response()      {}
func (*MemberSetResponse) response()       {}
func (*MemberRemoveResponse) response()    {}
