package store

import (
	"errors"
	"fmt"
)

// Code is a gRPC status code, which etcd's JSON gateway shows as "code".
type Code uint32

// The codes that etcd's errors have here. HTTP is what its gateway makes of
// them.
const (
	CodeInvalidArgument    Code = 3  // HTTP 400
	CodeNotFound           Code = 5  // HTTP 404
	CodeResourceExhausted  Code = 8  // HTTP 429
	CodeFailedPrecondition Code = 9  // HTTP 400
	CodeOutOfRange         Code = 11 // HTTP 400
	CodeDataLoss           Code = 15 // HTTP 500
)

// Error is a refusal with etcd's code and text. The values below are compared
// with errors.Is; they are never wrapped, because clients match the text.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return e.Message }

// The refusals of the store, as etcd's clients know them.
var (
	ErrEmptyKey      = &Error{CodeInvalidArgument, "etcdserver: key is not provided"}
	ErrKeyNotFound   = &Error{CodeInvalidArgument, "etcdserver: key not found"}
	ErrKeyTooLong    = &Error{CodeInvalidArgument, "etcdserver: request is too large"}
	ErrValueProvided = &Error{CodeInvalidArgument, "etcdserver: value is provided"}
	ErrLeaseProvided = &Error{CodeInvalidArgument, "etcdserver: lease is provided"}
	ErrTooManyOps    = &Error{CodeInvalidArgument, "etcdserver: too many operations in txn request"}
	ErrDuplicateKey  = &Error{CodeInvalidArgument, "etcdserver: duplicate key given in txn request"}
	ErrInvalidSort   = &Error{CodeInvalidArgument, "etcdserver: invalid sort option"}
	ErrCompacted     = &Error{CodeOutOfRange, "etcdserver: mvcc: required revision has been compacted"}
	ErrFutureRev     = &Error{CodeOutOfRange, "etcdserver: mvcc: required revision is a future revision"}
	ErrNoSpace       = &Error{CodeResourceExhausted, "etcdserver: mvcc: database space exceeded"}
	ErrCorrupt       = &Error{CodeDataLoss, "etcdserver: corrupt cluster"}

	ErrLeaseNotFound    = &Error{CodeNotFound, "etcdserver: requested lease not found"}
	ErrLeaseExist       = &Error{CodeFailedPrecondition, "etcdserver: lease already exists"}
	ErrLeaseTTLTooLarge = &Error{CodeOutOfRange, "etcdserver: too large lease TTL"}
)

// ErrInvalidCommand: the bytes are no command, result or snapshot of a version
// that this build reads. A command that cannot be read changes nothing, and its
// result says so, on every member alike.
var ErrInvalidCommand = errors.New("store: cannot be decoded")

// ErrVersion: the bytes were written by a newer build.
var ErrVersion = fmt.Errorf("%w: of a newer version", ErrInvalidCommand)
