// Where rows come from.

package coprocessor

import (
	"bytes"
	"context"
)

// Rows are some rows of a table, in the order of their keys. Keys and Values are of the
// same length, unless the plan does without one of them ([Plan.NeedsKeys],
// [Plan.NeedsValues]): then it may be nil.
type Rows struct {
	Keys, Values [][]byte
	// Key finds the key of a row for the message of an error, where Keys are left out.
	// It may be nil.
	Key func(i int) []byte
}

func (r *Rows) len() int { return max(len(r.Keys), len(r.Values)) }

// key is the key of a row, to keep; nil if nobody knows it.
func (r *Rows) key(i int32) []byte {
	switch {
	case int(i) < len(r.Keys):
		return bytes.Clone(r.Keys[i])
	case r.Key != nil:
		return bytes.Clone(r.Key(int(i)))
	}
	return nil
}

// Source gives the rows of a table, or of a region of it, in the order of their keys. It
// serves one goroutine.
type Source interface {
	// Next returns the next rows, about max of them, and none after the last. They are
	// the source's, and valid until Next is called again: so a source may hand
	// out slices of its own memory, and use the slices that hold them again.
	Next(ctx context.Context, max int) (Rows, error)
}

// NewSource is a source of rows that are in memory.
func NewSource(rows Rows) Source { return &memory{rows} }

type memory struct{ rest Rows }

func (m *memory) Next(_ context.Context, max int) (Rows, error) {
	var next Rows
	next.Keys, m.rest.Keys = cut(m.rest.Keys, max)
	next.Values, m.rest.Values = cut(m.rest.Values, max)
	return next, nil
}

func cut(s [][]byte, n int) (head, rest [][]byte) {
	n = min(n, len(s))
	return s[:n], s[n:]
}
