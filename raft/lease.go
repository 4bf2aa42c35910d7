package raft

import "slices"

// Leases (dissertation §6.4.1). With Config.Lease a leader answers reads
// without a round while the clocks say that nobody else can have been elected:
// voters that answered a round turn candidates away for an election timeout
// from then on. It counts from when the round started, which it knows, not from
// when they answered.
//
//	leader   | round 7 starts . . . . . . . . . . lease ends |
//	voter    |      | answers 7 . . . . . . . . . . . . . . . . votes for others |
//
// It trusts the clocks, within a bound: see Config.Lease.

// lease is what a node with Config.Lease keeps.
type lease struct {
	now    int       // ticks of this reign
	starts []started // rounds that may still extend it
	since  int       // it began at this tick
	held   bool
	ended  bool // given up for this reign
	quiet  bool // just restarted: who had our word may hold a lease
}

// started is a round, and when it started.
type started struct {
	round uint64
	tick  int
}

// holds says whether a read may be answered now. Between ticks it may be up to
// one later than now says, and the first tick that a voter counts after its
// answer may come at once: of E ticks it keeps its word for as little as E-1.
// So the last tick of the lease is not used.
func (l *lease) holds(ticks int) bool {
	return l != nil && l.held && !l.ended && l.now-l.since < ticks-1
}

// start notes that a round starts.
func (l *lease) start(round uint64) {
	if l != nil {
		l.starts = append(l.starts, started{round, l.now})
	}
}

// confirm extends the lease: a majority has answered a round.
func (l *lease) confirm(round uint64) {
	for l != nil && len(l.starts) > 0 && l.starts[0].round <= round {
		l.since, l.held = l.starts[0].tick, true
		l.starts = slices.Delete(l.starts, 0, 1)
	}
}

// reset starts over, without a lease.
func (l *lease) reset(quiet bool) {
	if l != nil {
		*l = lease{quiet: quiet}
	}
}

// quiet says whether this node gives no vote yet: it has just restarted, and a
// leader may hold a lease by its word.
func (c *Core) quiet() bool { return c.lease != nil && c.lease.quiet }

// DropLease makes a leader prove itself anew before it answers reads without
// a round. The shell calls it when its clock may have stood still: after a
// pause of the process longer than a tick or two.
func (c *Core) DropLease() {
	if l := c.lease; l != nil {
		l.held = false
		l.starts = l.starts[:0]
	}
}
