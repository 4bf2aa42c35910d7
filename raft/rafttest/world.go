package rafttest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/raft"
)

// world is the table on which a rule's story is played. Nothing in it moves by
// itself: a rule ticks nodes, delivers or loses messages, and says when a disk
// has written. Nodes of the cluster that were not started are played by the
// rule itself: what is sent to them stays in the sender's out.
type world struct {
	impl   Implementation
	rule   *Rule
	config raft.Config // what the nodes are started with, but for ID
	nodes  map[raft.NodeID]*node
	wire   []raft.Message
	cut    map[link]bool
}

type link struct{ from, to raft.NodeID }

// election is Config.ElectionTicks in every story. Bounds on liveness are
// multiples of it.
const election = 10

// lease is Config.Lease in the stories about it.
const lease = 8

// patience bounds what "at last" means, in elections.
const patience = 40

func newWorld(impl Implementation, rule *Rule) *world {
	w := &world{impl: impl, rule: rule}
	w.config = raft.Config{
		ElectionTicks: election,
		Seed:          1,
		NoPreVote:     !rule.uses("PreVote"),
		// PreVote is meant to be used with CheckQuorum, by who has both.
		NoCheckQuorum: !rule.uses("CheckQuorum") && !rule.uses("LeaseReads") &&
			!(rule.uses("PreVote") && impl.Claims.CheckQuorum),
	}
	if rule.uses("LeaseReads") {
		w.config.Lease = lease
	}
	w.clear()
	return w
}

// clear empties the table for another telling of the story.
func (w *world) clear() {
	w.nodes, w.wire, w.cut = map[raft.NodeID]*node{}, nil, map[link]bool{}
}

// broken is how a rule's story ends early; Rule.check recovers it.
type broken struct{ text string }

func brokenf(format string, args ...any) broken { return broken{fmt.Sprintf(format, args...)} }

// failf ends the story: the rule is broken.
func (w *world) failf(format string, args ...any) { panic(brokenf(format, args...)) }

// check fails unless ok; the text says what happened, not what should have.
func (w *world) check(ok bool, format string, args ...any) {
	if !ok {
		w.failf(format, args...)
	}
}

// voters makes the cluster n1..n<size>.
func (w *world) voters(size int) {
	w.config.Voters = nil
	for i := range size {
		w.config.Voters = append(w.config.Voters, raft.NodeID(i+1))
	}
}

// solo starts n1 of a cluster; the rule plays the others.
func (w *world) solo(size int, terms ...uint64) *node {
	w.clear()
	w.voters(size)
	return w.start(1, terms...)
}

// group starts all nodes of a cluster, with the same log.
func (w *world) group(size int, terms ...uint64) {
	w.clear()
	w.voters(size)
	for _, id := range w.config.Voters {
		w.start(id, terms...)
	}
}

// start starts a node whose disk holds a log of entries with these terms.
func (w *world) start(id raft.NodeID, terms ...uint64) *node {
	st := raft.State{Entries: logOf(1, terms...)}
	if n := len(terms); n > 0 {
		st.HardState.Term = terms[n-1]
	}
	return w.startFrom(id, st)
}

func (w *world) startFrom(id raft.NodeID, st raft.State) *node {
	return w.add(&node{w: w, id: id, disk: st})
}

// join starts a new node that is not among the first voters, and knows nobody.
func (w *world) join(id raft.NodeID) *node { return w.add(&node{w: w, id: id, joins: true}) }

func (w *world) add(n *node) *node {
	id := n.id
	w.nodes[id] = n
	n.restart()
	return n
}

// logOf makes entries from index first on, one for each term. Entries with the
// same index and term are equal, as in one history.
func logOf(first uint64, terms ...uint64) []raft.Entry {
	var es []raft.Entry
	for i, term := range terms {
		index := first + uint64(i)
		es = append(es, raft.Entry{Index: index, Term: term, Data: fmt.Appendf(nil, "x%d/t%d", index, term)})
	}
	return es
}

// termsOf draws a log as the paper does: the terms of its entries.
func termsOf(es []raft.Entry) []uint64 {
	terms := []uint64{}
	for _, e := range es {
		terms = append(terms, e.Term)
	}
	return terms
}

// brief names entries by index and term.
func brief(es []raft.Entry) string {
	names := []string{}
	for _, e := range es {
		names = append(names, fmt.Sprintf("%d/t%d", e.Index, e.Term))
	}
	return strings.Join(names, " ")
}

// all returns the started nodes by ID.
func (w *world) all() []*node {
	var ns []*node
	for _, id := range slices.Sorted(maps.Keys(w.nodes)) {
		ns = append(ns, w.nodes[id])
	}
	return ns
}

// everybody is who takes part in the story: the first voters, and who joined.
func (w *world) everybody() []raft.NodeID {
	ids := append(slices.Collect(maps.Keys(w.nodes)), w.config.Voters...)
	slices.Sort(ids)
	return slices.Compact(ids)
}

// isolate cuts nodes from all others, and from each other.
func (w *world) isolate(ids ...raft.NodeID) {
	for _, a := range ids {
		for _, b := range w.everybody() {
			w.cut[link{a, b}], w.cut[link{b, a}] = true, true
		}
	}
}

// split lets only nodes of the same side talk.
func (w *world) split(side ...raft.NodeID) {
	for _, a := range w.everybody() {
		for _, b := range w.everybody() {
			if slices.Contains(side, a) != slices.Contains(side, b) {
				w.cut[link{a, b}] = true
			}
		}
	}
}

func (w *world) heal() { clear(w.cut) }

// deliver hands over what is on the wire now, in order. Messages over a cut
// link or to a node that is down are lost.
func (w *world) deliver() {
	wire := w.wire
	w.wire = nil
	for _, m := range wire {
		n := w.nodes[m.To]
		if n.up && !w.cut[link{m.From, m.To}] {
			if err := n.step(m); err != nil {
				w.failf("%s refused %s: %v", n.id, m, err)
			}
		}
	}
}

// settle delivers until nothing is left to say.
func (w *world) settle() {
	for range 2000 {
		if len(w.wire) == 0 {
			return
		}
		w.deliver()
	}
	w.failf("after 2000 rounds the nodes still have something to say, the last is %s", w.wire[0])
}

// tick lets all nodes that are up live for some ticks, side by side.
func (w *world) tick(ticks int) {
	for range ticks {
		for _, n := range w.all() {
			n.tick(1)
		}
		w.settle()
	}
}

// until ticks all nodes until done, and fails with the text if it never is.
func (w *world) until(done func() bool, format string, args ...any) {
	for range patience * election {
		if done() {
			return
		}
		w.tick(1)
	}
	w.check(done(), "after %d ticks %s", patience*election, fmt.Sprintf(format, args...))
}

// leader is the leader of the highest term among the nodes that are up and
// not cut off, nil if there is none.
func (w *world) leader() *node {
	var best *node
	for _, n := range w.all() {
		isolated := len(w.everybody()) > 1
		for _, to := range w.everybody() {
			isolated = isolated && (to == n.id || w.cut[link{n.id, to}])
		}
		if n.up && !isolated && n.status().Role == raft.Leader && (best == nil || best.status().Term < n.status().Term) {
			best = n
		}
	}
	return best
}

// awaitLeader ticks until there is a leader.
func (w *world) awaitLeader() *node {
	w.until(func() bool { return w.leader() != nil }, "no node leads")
	return w.leader()
}

// elect makes a node the leader: only its clock runs until it leads.
func (w *world) elect(id raft.NodeID) *node {
	n := w.nodes[id]
	for range patience * election {
		if n.status().Role == raft.Leader {
			return n
		}
		n.tick(1)
		w.settle()
	}
	w.failf("%s does not lead after %d ticks in which only it could campaign", id, patience*election)
	return nil
}

// agree fails unless all nodes that are up have applied the same commands,
// and these among them.
func (w *world) agree(commands ...string) {
	var first *node
	for _, n := range w.all() {
		if !n.up {
			continue
		}
		if first == nil {
			first = n
		}
		w.check(slices.Equal(n.state, first.state), "%s applied %q, but %s applied %q", n.id, n.state, first.id, first.state)
		for _, c := range commands {
			w.check(slices.Contains(n.state, c), "%s has not applied %q, only %q", n.id, c, n.state)
		}
	}
}
