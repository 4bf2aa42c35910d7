package lsm

import (
	"fmt"
	"strings"
	"time"

	"github.com/flagship-go/flagship/lsm/table"
)

// Trace is what one Get touched, step by step. See [DB.GetTraced].
type Trace struct {
	Steps []TraceStep
	rest  table.Trace // of a read by way of an iterator
}

// TraceStep is one place that was asked.
type TraceStep struct {
	// Level is the level of a table, or -1 for a memtable, whose Table is its
	// place: 0 is the one being written.
	Level int
	Table uint64
	// Found says that the answer was here.
	Found bool
	// Trace counts filters, blocks and bytes.
	table.Trace
}

func (t *Trace) table() *table.Trace {
	if t == nil {
		return nil
	}
	return &t.rest
}

func (t *Trace) memtable(i int, found bool) {
	if t != nil {
		t.Steps = append(t.Steps, TraceStep{Level: -1, Table: uint64(i), Found: found})
	}
}

// String tells the trace, a line for each step.
func (t *Trace) String() string {
	var b strings.Builder
	for _, s := range t.Steps {
		if s.Level < 0 {
			fmt.Fprintf(&b, "memtable %d", s.Table)
		} else {
			fmt.Fprintf(&b, "L%d table %06d: filters %d (%d said no), blocks %d (%d cached), %d bytes",
				s.Level, s.Table, s.Filters, s.FilterSaved, s.Blocks, s.CacheHits, s.Bytes)
		}
		if s.Found {
			b.WriteString(": found")
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// GetTraced is Get, and tells what it touched.
func (d *DB) GetTraced(k []byte) ([]byte, *Trace, error) {
	t := new(Trace)
	v, err := d.read(nil, nil, k, ^uint64(0), t)
	return v, t, err
}

// EventKind says what an event is about.
type EventKind string

// The kinds of events.
const (
	EventJob        EventKind = "job"         // a background job has ended, with Err or without
	EventCompaction EventKind = "compaction"  // one has put its tables in place: Level to Written
	EventStallBegin EventKind = "stall begin" // writes wait; Job says for what
	EventStallEnd   EventKind = "stall end"
)

// Event is what happened in the background. See Options.OnEvent.
type Event struct {
	Kind EventKind
	// Job names the job, or the reason of a compaction or a stall.
	Job           string
	Level, Target int
	// Inputs and Outputs are numbers of tables.
	Inputs, Outputs []uint64
	// Read and Written are bytes of tables.
	Read, Written uint64
	// Touched counts the blocks of index and data that a compaction has read. It
	// asks no filter: everything is read. Blocks and Filters are those that it
	// has written; blocks of data, and a filter for each table that has one.
	Touched         table.Trace
	Blocks, Filters uint64
	Duration        time.Duration
	Err             error
}

// read returns where to count the blocks that are read, nil for nowhere.
func (e *Event) read() *table.Trace {
	if e == nil {
		return nil
	}
	return &e.Touched
}

// built counts a table written.
func (e *Event) built(p table.Properties, filters bool) {
	if e == nil {
		return
	}
	e.Blocks += p.Blocks
	if filters && p.Entries > 0 {
		e.Filters++
	}
}

// add counts what a part of the job has.
func (e *Event) add(part *Event) {
	if part != nil {
		e.Touched.Add(part.Touched)
		e.Blocks += part.Blocks
		e.Filters += part.Filters
	}
}

func (d *DB) event(e Event) {
	if d.opts.OnEvent != nil {
		d.opts.OnEvent(e)
	}
}
