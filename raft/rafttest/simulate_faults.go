package rafttest

import (
	"math/rand/v2"
	"time"
)

// Faults are counts of faults in a run.
type Faults struct {
	// Longest bounds how long each lasts, from 100 ms. Default 4 s: two or
	// three election timeouts.
	Longest time.Duration

	PowerCuts       int // a node loses what it had not synced, and restarts
	Kills           int // a node loses nothing that it wrote, and restarts
	PowerCutsDuring int // in the midst of a disk operation
	KillsDuring     int // likewise
	Pauses          int // a node stands still; its clock does not
	Drifts          int // a clock gains or loses up to Options.MaxDrift
	Partitions      int // two groups; a client may reach both
	Cuts            int // one direction of one link
	Chaoses         int // windows of loss, duplicates, reordering, latency
	DiskErrors      int // EIO of one disk operation
	SyncErrors      int // of one sync, which then has lost what it was to keep
	DiskStalls      int // one disk operation takes long
	FullDisks       int // ENOSPC for a while
	Corruptions     int // a bit rots; of a minority of the nodes at most
}

// NoFaults is a calm world.
func NoFaults() *Faults { return &Faults{} }

// Operations are counts of what an operator does in a run. They need cores
// that can: see [MembershipCore] and [TransferCore].
type Operations struct {
	// Changes make others voters and learners: nodes join with empty disks,
	// are promoted, demoted and removed, several at once.
	Changes int
	// Losses take a node away for good, never a majority; a new one under a
	// new ID replaces it.
	Losses int
	// Transfers ask the leader to hand over to a certain node.
	Transfers int
}

// NoOperations leaves the cluster as it is.
func NoOperations() *Operations { return &Operations{} }

// count is a kind of event and how many of it there are at most.
type count struct {
	n    *int
	most int
}

// draw leaves out half of the kinds: a run with fewer kinds has more of each,
// and finds what needs one kind alone (Groce et al., "Swarm Testing", 2012).
func draw(r *rand.Rand, length time.Duration, counts ...count) {
	scale := max(1, int(length/(20*time.Second)))
	for _, c := range counts {
		*c.n = scale * max(0, r.IntN(2*c.most+1)-c.most)
	}
}

func (f *Faults) draw(r *rand.Rand, length time.Duration) {
	draw(r, length,
		count{&f.PowerCuts, 6}, count{&f.Kills, 4}, count{&f.PowerCutsDuring, 6}, count{&f.KillsDuring, 3},
		count{&f.Pauses, 5}, count{&f.Drifts, 4}, count{&f.Partitions, 6}, count{&f.Cuts, 5}, count{&f.Chaoses, 5},
		count{&f.DiskErrors, 4}, count{&f.SyncErrors, 2}, count{&f.DiskStalls, 5}, count{&f.FullDisks, 2}, count{&f.Corruptions, 1})
}

func (o *Operations) draw(r *rand.Rand, length time.Duration) {
	draw(r, length, count{&o.Changes, 5}, count{&o.Losses, 2}, count{&o.Transfers, 5})
}
