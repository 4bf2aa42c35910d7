// Where rows come from.

package coprocessor

import "context"

// Rows are some rows of a table, in the order of their keys. Values has as many as Keys,
// or none if the plan does not need them ([Plan.NeedsValues]).
type Rows struct {
	Keys, Values [][]byte
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
	n := min(max, len(m.rest.Keys))
	next := Rows{Keys: m.rest.Keys[:n]}
	m.rest.Keys = m.rest.Keys[n:]
	if m.rest.Values != nil {
		next.Values = m.rest.Values[:n]
		m.rest.Values = m.rest.Values[n:]
	}
	return next, nil
}
