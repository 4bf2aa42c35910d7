package service

import (
	"context"
	"errors"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/coprocessor"
	"github.com/flagship-go/flagship/mvcc/region"
)

// Errors of this package.
var (
	// ErrNoTxn reports the name of a transaction that is not open: it was committed, rolled
	// back, or idle for too long.
	ErrNoTxn = errors.New("service: no such transaction: it is over, or was idle for too long")
	// ErrBusy reports too many open transactions.
	ErrBusy = errors.New("service: too many transactions are open")
	// ErrNoTable reports a table that was not made.
	ErrNoTable = errors.New("service: no such table")
	// ErrRequest reports what cannot be meant.
	ErrRequest = errors.New("service: bad request")
	// ErrClosed reports a service that ends.
	ErrClosed = errors.New("service: closed")
)

// Code says what an error is, for clients to decide by (S4).
type Code string

// The codes. The comment says what a client should do.
const (
	CodeNotFound     Code = "not_found"      // nothing: there is no value
	CodeExists       Code = "exists"         // nothing: there is one
	CodeConflict     Code = "conflict"       // run the transaction again
	CodeDeadlock     Code = "deadlock"       // run the transaction again
	CodeRolledBack   Code = "rolled_back"    // run the transaction again
	CodeLocked       Code = "locked"         // try again later
	CodeUndetermined Code = "undetermined"   // read what was written, to see whether it is
	CodeTooOld       Code = "too_old"        // read at a later time
	CodeFuture       Code = "future"         // read at an earlier time
	CodeNoTxn        Code = "no_transaction" // begin a new one
	CodeReadOnly     Code = "read_only"      // begin one that writes
	CodeTooLarge     Code = "too_large"      // send less
	CodeBadKey       Code = "bad_key"        // another key
	CodeBadRequest   Code = "bad_request"    // look at the message
	CodeBadQuery     Code = "bad_query"      // look at the message, which has the position
	CodeNoTable      Code = "no_table"       // make it
	CodeBadRow       Code = "bad_row"        // look at the message
	CodeArithmetic   Code = "arithmetic"     // a query that does not overflow
	CodeMemory       Code = "memory_limit"   // a query for less
	CodeBusy         Code = "busy"           // try again later
	CodeUnavailable  Code = "unavailable"    // try again later: too few nodes run
	CodeTimeout      Code = "timeout"        // try again, with more time
	CodeInternal     Code = "internal"       // tell the operator
)

// codes is in order: the outcome of a commit that is unknown comes first, since it may
// wrap why (V15).
var codes = []struct {
	err  error
	code Code
}{
	{mvcc.ErrUndetermined, CodeUndetermined},
	{mvcc.ErrNotFound, CodeNotFound},
	{mvcc.ErrExists, CodeExists},
	{mvcc.ErrConflict, CodeConflict},
	{mvcc.ErrDeadlock, CodeDeadlock},
	{mvcc.ErrRolledBack, CodeRolledBack},
	{mvcc.ErrLocked, CodeLocked},
	{mvcc.ErrTooOld, CodeTooOld},
	{mvcc.ErrFuture, CodeFuture},
	{ErrNoTxn, CodeNoTxn},
	{mvcc.ErrDone, CodeNoTxn},
	{mvcc.ErrReadOnly, CodeReadOnly},
	{mvcc.ErrTooLarge, CodeTooLarge},
	{mvcc.ErrKey, CodeBadKey},
	{ErrRequest, CodeBadRequest},
	{coprocessor.ErrQuery, CodeBadQuery},
	{ErrNoTable, CodeNoTable},
	{coprocessor.ErrSchema, CodeBadRow},
	{coprocessor.ErrRow, CodeBadRow},
	{coprocessor.ErrArithmetic, CodeArithmetic},
	{coprocessor.ErrMemory, CodeMemory},
	{ErrBusy, CodeBusy},
	{ErrClosed, CodeUnavailable},
	{mvcc.ErrClosed, CodeUnavailable},
	{context.DeadlineExceeded, CodeTimeout},
	{context.Canceled, CodeTimeout},
	{mvcc.ErrCorrupt, CodeInternal},
}

// CodeOf returns the code of an error of a Service.
func CodeOf(err error) Code {
	for _, c := range codes {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	if _, ok := errors.AsType[*region.Error](err); ok {
		return CodeUnavailable
	}
	return CodeInternal
}
