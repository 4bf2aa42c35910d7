package service

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// The codes that only a server needs, besides the store's.
const (
	CodeUnknown          store.Code = 2
	CodeDeadlineExceeded store.Code = 4
	CodeUnavailable      store.Code = 14
)

// The refusals of a member, with etcd's codes and texts. They are values of
// the store's type: a face handles one kind of refusal.
var (
	ErrNoLeader        = &store.Error{Code: CodeUnavailable, Message: "etcdserver: no leader"}
	ErrStopped         = &store.Error{Code: CodeUnavailable, Message: "etcdserver: server stopped"}
	ErrTimeout         = &store.Error{Code: CodeUnavailable, Message: "etcdserver: request timed out"}
	ErrLeaderFail      = &store.Error{Code: CodeUnavailable, Message: "etcdserver: request timed out, possibly due to previous leader failure"}
	ErrTooManyRequests = &store.Error{Code: store.CodeResourceExhausted, Message: "etcdserver: too many requests"}
	ErrTooLarge        = &store.Error{Code: store.CodeInvalidArgument, Message: "etcdserver: request is too large"}
	ErrLearner         = &store.Error{Code: CodeUnavailable, Message: "etcdserver: rpc not supported for learner"}

	ErrMemberNotFound   = &store.Error{Code: store.CodeNotFound, Message: "etcdserver: member not found"}
	ErrPeerURLExist     = &store.Error{Code: store.CodeFailedPrecondition, Message: "etcdserver: Peer URLs already exists"}
	ErrBadURLs          = &store.Error{Code: store.CodeInvalidArgument, Message: "etcdserver: given member URLs are invalid"}
	ErrNotEnoughStarted = &store.Error{Code: store.CodeFailedPrecondition, Message: "etcdserver: re-configuration failed due to not enough started members"}
	ErrNotLearner       = &store.Error{Code: store.CodeFailedPrecondition, Message: "etcdserver: can only promote a learner member"}
	ErrLearnerNotReady  = &store.Error{Code: store.CodeFailedPrecondition, Message: "etcdserver: can only promote a learner member which is in sync with leader"}
	ErrTooManyLearners  = &store.Error{Code: store.CodeFailedPrecondition, Message: "etcdserver: too many learner members in cluster"}
	ErrBadTransferee    = &store.Error{Code: store.CodeFailedPrecondition, Message: "etcdserver: bad leader transferee"}
	ErrNotLeader        = &store.Error{Code: store.CodeFailedPrecondition, Message: "etcdserver: not leader"}
)

// ErrRemoved: the cluster has removed this member for good; it stops.
var ErrRemoved = errors.New("kv: this member was removed from the cluster; a new one needs an empty data directory")

// ErrNotSent is the error of a [Peers] whose call certainly did not reach the
// other member, so that it may be repeated without asking whether it was done.
var ErrNotSent = errors.New("kv: member not reached")

// known returns the refusal that a client is told. What has no better word is
// code 2, unknown, as in gRPC.
func known(err error) error {
	var refusal *store.Error
	switch {
	case err == nil || errors.As(err, &refusal):
		return err
	case errors.Is(err, raft.ErrOutcomeUnknown):
		return ErrLeaderFail
	case errors.Is(err, raft.ErrStopped), errors.Is(err, raft.ErrStorage):
		return ErrStopped
	case errors.Is(err, raft.ErrBusy):
		return ErrTooManyRequests
	case errors.Is(err, raft.ErrTooLarge):
		return ErrTooLarge
	case again(err), errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout
	}
	return err
}

// again says that nothing was done and a later attempt may succeed. Only such
// calls are repeated here: a command whose outcome is unknown is never proposed
// twice, its client is told, as etcd does.
func again(err error) bool {
	return errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrDropped) ||
		errors.Is(err, raft.ErrPending) || errors.Is(err, ErrNotSent)
}

// wireError is an error on its way between two members.
type wireError struct {
	Code    store.Code `json:",omitempty"`
	Message string
	Again   bool `json:",omitempty"`
	Unknown bool `json:",omitempty"`
}

// EncodeError makes bytes of an error of [Member.Serve].
func EncodeError(err error) []byte {
	w := wireError{Message: err.Error(), Again: again(err), Unknown: errors.Is(err, raft.ErrOutcomeUnknown)}
	var refusal *store.Error
	if errors.As(err, &refusal) {
		w.Code = refusal.Code
	}
	b, _ := json.Marshal(w) // plain data cannot fail
	return b
}

// DecodeError reads them. Bytes that are no error come from a stranger: what
// became of the call is unknown then.
func DecodeError(b []byte) error {
	var w wireError
	if err := json.Unmarshal(b, &w); err != nil {
		return errors.Join(raft.ErrOutcomeUnknown, err)
	}
	switch {
	case w.Code != 0:
		return &store.Error{Code: w.Code, Message: w.Message}
	case w.Again:
		return errors.Join(raft.ErrDropped, errors.New(w.Message))
	case w.Unknown:
		return errors.Join(raft.ErrOutcomeUnknown, errors.New(w.Message))
	}
	return errors.New(w.Message)
}
