package httpapi

import "github.com/flagship-go/flagship/examples/kv/store"

// The messages of etcd's rpc.proto and kv.proto, each under its name and with
// its fields under theirs. A zero value is left out of a response, as protobuf
// does.

type (
	sortOrder     store.SortOrder
	sortTarget    store.SortTarget
	compareResult store.CompareResult
	compareTarget store.CompareTarget
	eventType     store.EventType
	filterType    uint8
	alarmType     store.AlarmType
	alarmAction   store.AlarmAction
)

func (sortOrder) names() (string, []string) {
	return "RangeRequest.SortOrder", []string{"NONE", "ASCEND", "DESCEND"}
}
func (sortTarget) names() (string, []string) {
	return "RangeRequest.SortTarget", []string{"KEY", "VERSION", "CREATE", "MOD", "VALUE"}
}
func (compareResult) names() (string, []string) {
	return "Compare.CompareResult", []string{"EQUAL", "GREATER", "LESS", "NOT_EQUAL"}
}
func (compareTarget) names() (string, []string) {
	return "Compare.CompareTarget", []string{"VERSION", "CREATE", "MOD", "VALUE", "LEASE"}
}
func (eventType) names() (string, []string) { return "Event.EventType", []string{"PUT", "DELETE"} }
func (filterType) names() (string, []string) {
	return "WatchCreateRequest.FilterType", []string{"NOPUT", "NODELETE"}
}
func (alarmType) names() (string, []string) {
	return "AlarmType", []string{"NONE", "NOSPACE", "CORRUPT"}
}
func (alarmAction) names() (string, []string) {
	return "AlarmRequest.AlarmAction", []string{"GET", "ACTIVATE", "DEACTIVATE"}
}

func (e eventType) MarshalJSON() ([]byte, error) { return encodeEnum(e, uint8(e)) }
func (e alarmType) MarshalJSON() ([]byte, error) { return encodeEnum(e, uint8(e)) }

type responseHeader struct {
	ClusterID uint64 `json:"cluster_id,omitempty,string"`
	MemberID  uint64 `json:"member_id,omitempty,string"`
	Revision  int64  `json:"revision,omitempty,string"`
	RaftTerm  uint64 `json:"raft_term,omitempty,string"`
}

type keyValue struct {
	Key            []byte `json:"key,omitempty"`
	CreateRevision int64  `json:"create_revision,omitempty,string"`
	ModRevision    int64  `json:"mod_revision,omitempty,string"`
	Version        int64  `json:"version,omitempty,string"`
	Value          []byte `json:"value,omitempty"`
	Lease          int64  `json:"lease,omitempty,string"`
}

type rangeRequest struct {
	Key               []byte     `json:"key"`
	RangeEnd          []byte     `json:"range_end"`
	Limit             int64      `json:"limit"`
	Revision          int64      `json:"revision"`
	SortOrder         sortOrder  `json:"sort_order"`
	SortTarget        sortTarget `json:"sort_target"`
	Serializable      bool       `json:"serializable"`
	KeysOnly          bool       `json:"keys_only"`
	CountOnly         bool       `json:"count_only"`
	MinModRevision    int64      `json:"min_mod_revision"`
	MaxModRevision    int64      `json:"max_mod_revision"`
	MinCreateRevision int64      `json:"min_create_revision"`
	MaxCreateRevision int64      `json:"max_create_revision"`
}

type rangeResponse struct {
	Header *responseHeader `json:"header,omitempty"`
	Kvs    []*keyValue     `json:"kvs,omitempty"`
	More   bool            `json:"more,omitempty"`
	Count  int64           `json:"count,omitempty,string"`
}

type putRequest struct {
	Key         []byte `json:"key"`
	Value       []byte `json:"value"`
	Lease       int64  `json:"lease"`
	PrevKv      bool   `json:"prev_kv"`
	IgnoreValue bool   `json:"ignore_value"`
	IgnoreLease bool   `json:"ignore_lease"`
}

type putResponse struct {
	Header *responseHeader `json:"header,omitempty"`
	PrevKv *keyValue       `json:"prev_kv,omitempty"`
}

type deleteRangeRequest struct {
	Key      []byte `json:"key"`
	RangeEnd []byte `json:"range_end"`
	PrevKv   bool   `json:"prev_kv"`
}

type deleteRangeResponse struct {
	Header  *responseHeader `json:"header,omitempty"`
	Deleted int64           `json:"deleted,omitempty,string"`
	PrevKvs []*keyValue     `json:"prev_kvs,omitempty"`
}

type requestOp struct {
	RequestRange       *rangeRequest       `json:"request_range"`
	RequestPut         *putRequest         `json:"request_put"`
	RequestDeleteRange *deleteRangeRequest `json:"request_delete_range"`
	RequestTxn         *txnRequest         `json:"request_txn"`
}

type responseOp struct {
	ResponseRange       *rangeResponse       `json:"response_range,omitempty"`
	ResponsePut         *putResponse         `json:"response_put,omitempty"`
	ResponseDeleteRange *deleteRangeResponse `json:"response_delete_range,omitempty"`
	ResponseTxn         *txnResponse         `json:"response_txn,omitempty"`
}

type compare struct {
	Result         compareResult `json:"result"`
	Target         compareTarget `json:"target"`
	Key            []byte        `json:"key"`
	Version        int64         `json:"version"`
	CreateRevision int64         `json:"create_revision"`
	ModRevision    int64         `json:"mod_revision"`
	Value          []byte        `json:"value"`
	Lease          int64         `json:"lease"`
	RangeEnd       []byte        `json:"range_end"`
}

type txnRequest struct {
	Compare []compare   `json:"compare"`
	Success []requestOp `json:"success"`
	Failure []requestOp `json:"failure"`
}

type txnResponse struct {
	Header    *responseHeader `json:"header,omitempty"`
	Succeeded bool            `json:"succeeded,omitempty"`
	Responses []responseOp    `json:"responses,omitempty"`
}

type compactionRequest struct {
	Revision int64 `json:"revision"`
	Physical bool  `json:"physical"`
}

type headerResponse struct {
	Header *responseHeader `json:"header,omitempty"`
}

type hashKVRequest struct {
	Revision int64 `json:"revision"`
}

type hashKVResponse struct {
	Header          *responseHeader `json:"header,omitempty"`
	Hash            uint32          `json:"hash,omitempty"`
	CompactRevision int64           `json:"compact_revision,omitempty,string"`
	HashRevision    int64           `json:"hash_revision,omitempty,string"`
}

type snapshotResponse struct {
	Header         *responseHeader `json:"header,omitempty"`
	RemainingBytes uint64          `json:"remaining_bytes,omitempty,string"`
	Blob           []byte          `json:"blob,omitempty"`
}

type watchRequest struct {
	CreateRequest   *watchCreateRequest   `json:"create_request"`
	CancelRequest   *watchCancelRequest   `json:"cancel_request"`
	ProgressRequest *watchProgressRequest `json:"progress_request"`
}

type watchCreateRequest struct {
	Key            []byte       `json:"key"`
	RangeEnd       []byte       `json:"range_end"`
	StartRevision  int64        `json:"start_revision"`
	ProgressNotify bool         `json:"progress_notify"`
	Filters        []filterType `json:"filters"`
	PrevKv         bool         `json:"prev_kv"`
	WatchID        int64        `json:"watch_id"`
	Fragment       bool         `json:"fragment"`
}

type watchCancelRequest struct {
	WatchID int64 `json:"watch_id"`
}

type watchProgressRequest struct{}

type event struct {
	Type   eventType `json:"type,omitempty"`
	Kv     *keyValue `json:"kv,omitempty"`
	PrevKv *keyValue `json:"prev_kv,omitempty"`
}

type watchResponse struct {
	Header          *responseHeader `json:"header,omitempty"`
	WatchID         int64           `json:"watch_id,omitempty,string"`
	Created         bool            `json:"created,omitempty"`
	Canceled        bool            `json:"canceled,omitempty"`
	CompactRevision int64           `json:"compact_revision,omitempty,string"`
	CancelReason    string          `json:"cancel_reason,omitempty"`
	Fragment        bool            `json:"fragment,omitempty"`
	Events          []event         `json:"events,omitempty"`
}

type leaseGrantRequest struct {
	TTL int64 `json:"TTL"`
	ID  int64 `json:"ID"`
}

type leaseGrantResponse struct {
	Header *responseHeader `json:"header,omitempty"`
	ID     int64           `json:"ID,omitempty,string"`
	TTL    int64           `json:"TTL,omitempty,string"`
}

type leaseRevokeRequest struct {
	ID int64 `json:"ID"`
}

type leaseKeepAliveRequest struct {
	ID int64 `json:"ID"`
}

type leaseTimeToLiveRequest struct {
	ID   int64 `json:"ID"`
	Keys bool  `json:"keys"`
}

type leaseTimeToLiveResponse struct {
	Header     *responseHeader `json:"header,omitempty"`
	ID         int64           `json:"ID,omitempty,string"`
	TTL        int64           `json:"TTL,omitempty,string"`
	GrantedTTL int64           `json:"grantedTTL,omitempty,string"`
	Keys       [][]byte        `json:"keys,omitempty"`
}

type leaseLeasesRequest struct{}

type leaseStatus struct {
	ID int64 `json:"ID,omitempty,string"`
}

type leaseLeasesResponse struct {
	Header *responseHeader `json:"header,omitempty"`
	Leases []leaseStatus   `json:"leases,omitempty"`
}

type member struct {
	ID         uint64   `json:"ID,omitempty,string"`
	Name       string   `json:"name,omitempty"`
	PeerURLs   []string `json:"peerURLs,omitempty"`
	ClientURLs []string `json:"clientURLs,omitempty"`
	IsLearner  bool     `json:"isLearner,omitempty"`
}

type memberAddRequest struct {
	PeerURLs  []string `json:"peerURLs"`
	IsLearner bool     `json:"isLearner"`
}

type memberAddResponse struct {
	Header  *responseHeader `json:"header,omitempty"`
	Member  *member         `json:"member,omitempty"`
	Members []member        `json:"members,omitempty"`
}

type memberRemoveRequest struct {
	ID uint64 `json:"ID"`
}

type memberPromoteRequest struct {
	ID uint64 `json:"ID"`
}

type memberListRequest struct {
	Linearizable bool `json:"linearizable"`
}

type membersResponse struct {
	Header  *responseHeader `json:"header,omitempty"`
	Members []member        `json:"members,omitempty"`
}

type defragmentRequest struct{}

type moveLeaderRequest struct {
	TargetID uint64 `json:"targetID"`
}

type statusRequest struct{}

type alarmRequest struct {
	Action   alarmAction `json:"action"`
	MemberID uint64      `json:"memberID"`
	Alarm    alarmType   `json:"alarm"`
}

type alarmMember struct {
	MemberID uint64    `json:"memberID,omitempty,string"`
	Alarm    alarmType `json:"alarm,omitempty"`
}

type alarmResponse struct {
	Header *responseHeader `json:"header,omitempty"`
	Alarms []alarmMember   `json:"alarms,omitempty"`
}

type statusResponse struct {
	Header           *responseHeader `json:"header,omitempty"`
	Version          string          `json:"version,omitempty"`
	DbSize           int64           `json:"dbSize,omitempty,string"`
	Leader           uint64          `json:"leader,omitempty,string"`
	RaftIndex        uint64          `json:"raftIndex,omitempty,string"`
	RaftTerm         uint64          `json:"raftTerm,omitempty,string"`
	RaftAppliedIndex uint64          `json:"raftAppliedIndex,omitempty,string"`
	Errors           []string        `json:"errors,omitempty"`
	DbSizeInUse      int64           `json:"dbSizeInUse,omitempty,string"`
	IsLearner        bool            `json:"isLearner,omitempty"`
}
