package multi

import "fmt"

// Snapshots. A group's state is written out by its state machine when it is
// wanted: by a follower whose entries are cut off, or for the log to be cut.
// None is kept: the state machine has a newer one at any time.

// captured is a group's state at an index.
type captured struct {
	group   *group
	index   uint64
	data    []byte // nil: the state machine keeps it itself
	err     error
	message *Message // it is for a follower
	cut     bool     // it is for the log to be cut
}

// capture has a state machine write its state for a follower.
func (h *Host) capture(m Message) {
	if g := h.groups[m.Group]; g != nil {
		h.pool.put(g, batch{capture: &m})
	}
}

// cut has a group's log cut, soon.
func (h *Host) cut(g *group) {
	if !g.cutting {
		g.cutting = true
		h.pool.put(g, batch{cut: true})
	}
}

// onCaptured does with a state what it was wanted for.
func (h *Host) onCaptured(c *captured) error {
	g := c.group
	if h.groups[g.id] != g {
		return nil // removed meanwhile
	}
	if c.cut {
		// A state machine that has not made its state durable is asked again, but
		// not at once.
		applied := g.applied.Load()
		g.cutting, g.cutAt = false, max(c.index, applied-min(applied, h.opts.SnapshotEvery/2))
	}
	if c.err != nil {
		h.opts.Logger.Warn("raft/multi: no snapshot", "host", h.opts.ID, "group", uint64(g.id), "index", c.index, "err", c.err)
	}
	switch {
	case c.message != nil:
		h.sendSnapshot(c)
	case c.err == nil:
		h.counters.cuts.Add(1)
		h.core.Applied(g.id, g.applied.Load())
		if err := h.core.Compact(g.id, c.index, c.data, h.opts.KeepEntries); err != nil {
			return fmt.Errorf("raft/multi: cut the log of %s: %w", g.id, err)
		}
	}
	return nil
}

// sendSnapshot sends a follower the state it needs.
func (h *Host) sendSnapshot(c *captured) {
	m := c.message
	s, ok := h.core.SnapshotAt(m.Group, c.index)
	if c.err != nil || !ok {
		h.core.ReportSnapshot(m.Group, m.Raft.To, true)
		return
	}
	s.Data = c.data
	m.Raft.Snapshot = &s
	h.send([]Envelope{h.core.Envelope(m.Raft.To, []Message{*m})})
}
