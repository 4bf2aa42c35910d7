package coprocessor

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with errors.Is.
var (
	// ErrQuery reports a query that is wrong whatever the rows are: its text, its
	// names, its types. Every [QueryError] is one.
	ErrQuery = errors.New("coprocessor: bad query")
	// ErrRow reports a row that is not as its table says. Every [RowError] is one.
	ErrRow = errors.New("coprocessor: malformed row")
	// ErrArithmetic reports an overflow, or a division by zero. Every
	// [ArithmeticError] is one.
	ErrArithmetic = errors.New("coprocessor: arithmetic")
	// ErrMemory reports a query that needs more memory than it may have.
	ErrMemory = errors.New("coprocessor: memory limit")
	// ErrSchema reports a table that cannot be, or a row that does not fit its table.
	ErrSchema = errors.New("coprocessor: bad schema")
)

// QueryError says what is wrong with a query, and where.
type QueryError struct {
	Pos int    // in bytes from 1; 0 if the query was not made from a text
	Msg string // what is wrong, and what would be right
}

func (e *QueryError) Error() string {
	if e.Pos == 0 {
		return "coprocessor: query: " + e.Msg
	}
	return fmt.Sprintf("coprocessor: query, position %d: %s", e.Pos, e.Msg)
}

func (e *QueryError) Is(target error) bool { return target == ErrQuery }

func queryErrorf(pos int, format string, args ...any) error {
	return &QueryError{Pos: pos, Msg: fmt.Sprintf(format, args...)}
}

// RowError names a row that cannot be read.
type RowError struct {
	Table  string
	Key    []byte // of the row
	Column string // that was wanted; empty if it is the whole row
	Reason string
}

func (e *RowError) Error() string {
	if e.Column == "" {
		return fmt.Sprintf("coprocessor: table %s, row with key %q: %s", e.Table, e.Key, e.Reason)
	}
	return fmt.Sprintf("coprocessor: table %s, row with key %q, column %s: %s", e.Table, e.Key, e.Column, e.Reason)
}

func (e *RowError) Is(target error) bool { return target == ErrRow }

// ArithmeticError names an operation that has no result.
type ArithmeticError struct {
	Expr   string // the operation, as text
	Pos    int    // where it is in the query's text, from 1; 0 if there was none
	Reason string // with the operands
	Key    []byte // of the row; nil for a group
}

func (e *ArithmeticError) Error() string {
	s := "coprocessor: " + e.Expr
	if e.Pos != 0 {
		s += fmt.Sprintf(" at position %d", e.Pos)
	}
	s += ": " + e.Reason
	if e.Key != nil {
		s += fmt.Sprintf(", in the row with key %q", e.Key)
	}
	return s
}

func (e *ArithmeticError) Is(target error) bool { return target == ErrArithmetic }
