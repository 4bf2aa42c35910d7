package rafttest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

// What a lease costs. It trusts that no two clocks differ in speed by more
// than Config.Lease allows for: by ElectionTicks/Lease, 10/8 here. n1 leads,
// and its clock is eight times slower. It is cut off; n2 and n3 wait for an
// election timeout of theirs, elect one of them and commit y. The story then
// asks n1 for a read.
//
//	n1      asked |.......|.......|..    2 ticks of its own: the lease of 8 holds
//	n2, n3  heard |||||||||||||||||||    elect a leader, which commits y
//
// It returns the answer, nil if there is none, and the index of y.
func readFromSlowLeader(t *testing.T, leaseTicks int) (answer *raft.Read, committed uint64) {
	rule := Rule{ID: "drift", story: func(w *world) {
		w.config.Lease, w.config.NoCheckQuorum = leaseTicks, false
		w.group(3)
		for _, n := range w.all() {
			n.tick(election) // who has just started votes for nobody
			n.take()
		}
		w.wire = nil
		old := w.elect(1)
		old.propose("x")
		w.settle()
		w.tick(2)
		w.isolate(1)
		for ticks := 0; w.leader() == nil && ticks < 4*election; ticks++ {
			if ticks%8 == 0 {
				old.tick(1)
			}
			w.nodes[2].tick(1)
			w.nodes[3].tick(1)
			w.settle()
		}
		next := w.leader()
		w.check(next != nil, "n2 and n3 elected nobody")
		next.propose("y")
		w.settle()
		committed = next.status().Commit
		old.ask(7)
		w.settle()
		answer = old.answered(7)
	}}
	require.NoError(t, rule.check(Implementation{
		NewCore: func(cfg raft.Config, st raft.State) (Core, error) { return raft.NewCore(cfg, st) },
	}))
	return answer, committed
}

func TestLeaseAnswersStaleReadsWhenClocksDriftBeyondItsBound(t *testing.T) {
	read, committed := readFromSlowLeader(t, lease)
	require.NotNil(t, read)
	require.Less(t, read.Index, committed, "the read must miss what was committed before it was asked")
}

func TestReadIndexTrustsNoClock(t *testing.T) {
	read, _ := readFromSlowLeader(t, 0)
	require.Nil(t, read, "a leader that was replaced answers no read, however slow its clock is")
}
