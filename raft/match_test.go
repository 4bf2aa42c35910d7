package raft

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// probes elects node 1 with log ours, against a follower 2 with log theirs,
// and counts what it sends until it knows where they agree. Node 3 has an
// empty log and only votes.
func probes(t *testing.T, ours, theirs []uint64) int {
	voters := []NodeID{1, 2, 3}
	top := uint64(1)
	for _, term := range append(append([]uint64{}, ours...), theirs...) {
		top = max(top, term)
	}
	start := func(id NodeID, log []uint64) *Core {
		c, err := NewCore(Config{ID: id, Voters: voters}, State{HardState: HardState{Term: top}, Entries: entries(1, log...)})
		require.NoError(t, err)
		return c
	}
	nodes := map[NodeID]*Core{1: start(1, ours), 2: start(2, theirs), 3: start(3, nil)}
	leader := nodes[1]
	sent, wire := 0, []Message(nil)
	drain := func() {
		for id, c := range nodes {
			for c.HasReady() {
				rd := c.Ready()
				for _, m := range append(rd.Messages, rd.AfterSync...) {
					if id == 1 && m.Type == AppendEntries && m.To == 2 && leader.member(2).state == Probe {
						sent++
					}
					wire = append(wire, m)
				}
				c.Synced(rd.Seq)
			}
		}
	}
	for leader.role != Leader {
		leader.Tick()
		drain()
		for len(wire) > 0 {
			m := wire[0]
			wire = wire[1:]
			// Node 2's log may be ahead: it is not asked for its vote.
			if m.From != 2 && m.To != 2 {
				require.NoError(t, nodes[m.To].Step(m))
			}
			if leader.role == Leader {
				break
			}
			drain()
		}
	}
	wire = nil
	drain()
	for leader.member(2).state == Probe {
		require.NotEmpty(t, wire)
		m := wire[0]
		wire = wire[1:]
		require.NoError(t, nodes[m.To].Step(m))
		drain()
	}
	return sent
}

// hintAlone counts the probes that the hint needs without the second place.
func hintAlone(ours, theirs []uint64) int {
	l, f := logOf(ours...), logOf(theirs...)
	next := l.last() + 1
	for n := 1; ; n++ {
		prev := next - 1
		term, _ := l.term(prev)
		if f.matches(prev, term) {
			return n
		}
		hint, hintTerm := f.hint(prev, term)
		index, _ := l.hint(hint, hintTerm)
		next = min(prev, index+1)
	}
}

// diverge returns two logs of the given common length that go on apart: n
// entries each, over t terms that alternate between the two.
func diverge(common, n, t int) (ours, theirs []uint64) {
	for range common {
		ours, theirs = append(ours, 1), append(theirs, 1)
	}
	for i := range n {
		k := uint64(i * t / n)
		ours, theirs = append(ours, 2+2*k), append(theirs, 3+2*k)
	}
	return ours, theirs
}

func logBound(n int) int { return bits.Len(uint(max(n, 1)-1)) + 1 }

func TestAlternatingTermsAreMatchedInLogarithmicallyManyProbes(t *testing.T) {
	for _, tc := range []struct{ n, terms int }{{10, 10}, {100, 100}, {1000, 1000}, {1000, 10}, {1000, 1}} {
		for _, common := range []int{0, 7} {
			ours, theirs := diverge(common, tc.n, tc.terms)
			got := probes(t, ours, theirs)
			t.Logf("%d entries over %d terms: %d probes, the hint alone %d", tc.n, tc.terms, got, hintAlone(ours, theirs))
			require.LessOrEqual(t, got, logBound(common+tc.n))
		}
	}
}

// n counts what the follower holds above the leader's matchIndex, which is 0
// for a new leader.
func TestMatchingNeedsAtMostLogProbesAndNeverMoreThanTheHint(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	// No two leaders share a term, so behind the common part the terms of the
	// one log are even, those of the other odd.
	grow := func(log []uint64, n int, spread, parity uint64) []uint64 {
		term := parity
		if k := len(log); k > 0 {
			term += (log[k-1] + 1) &^ 1
		}
		for range n {
			term += 2 * rng.Uint64N(spread)
			log = append(log, term)
		}
		return log
	}
	for i := range 3000 {
		spread := 1 + rng.Uint64N(4)
		common := grow(nil, rng.IntN(40), spread, 2)
		ours := grow(append([]uint64{}, common...), rng.IntN(60), spread, 2)
		theirs := grow(append([]uint64{}, common...), rng.IntN(60), spread, 1)
		got := probes(t, ours, theirs)
		what := fmt.Sprintf("case %d: ours %v, theirs %v", i, ours, theirs)
		require.LessOrEqual(t, got, hintAlone(ours, theirs), what)
		if n := len(theirs); n > 0 {
			require.LessOrEqual(t, got, logBound(n), what)
		}
	}
}

// Outside the model, but operators do it: a node is given an empty disk and
// keeps its name. It cannot be repaired, and must not cause a storm.
func TestAFollowerThatLostItsDiskIsAskedOnceAHeartbeat(t *testing.T) {
	g := newGroup(t, 3, func(cfg *Config) { cfg.MaxMessageBytes = 1 }) // an entry a message
	l := g.elect()
	g.propose(20)
	lost := l.cfg.ID%3 + 1
	fresh, err := NewCore(g.cores[lost].cfg, State{HardState: HardState{Term: l.term}})
	require.NoError(t, err)
	g.cores[lost] = fresh
	g.sent = 0
	for range 10 {
		g.propose(3)
		g.tick(l.cfg.ID)
	}
	require.Less(t, g.sent, 10*20)
	require.Equal(t, Leader, l.role)
}
