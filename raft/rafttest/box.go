package rafttest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// box is a black-box cluster and the test that looks at it. It waits by
// polling with timers, so in a bubble of testing/synctest it waits for nothing.
type box struct {
	t       *testing.T
	rule    *Rule
	cluster Cluster
	ids     []raft.NodeID
}

const (
	// boxPatience bounds each wait: generous, because only a broken
	// implementation meets it.
	boxPatience = 30 * time.Second
	// boxPoll is how often the box looks.
	boxPoll = 5 * time.Millisecond
	// boxTry bounds one attempt to propose: a node that was leader may never
	// answer.
	boxTry = time.Second
)

// runCluster tells the rule's story on a fresh cluster of five.
func (r *Rule) runCluster(t *testing.T, impl Implementation) {
	tell := func(t *testing.T) {
		b := &box{t: t, rule: r, ids: []raft.NodeID{1, 2, 3, 4, 5}}
		var err error
		if b.cluster, err = impl.NewCluster(b.ids); err != nil {
			b.failf("the cluster does not start: %v", err)
		}
		defer func() {
			if err := b.cluster.Close(); err != nil {
				b.t.Errorf("closing the cluster: %v", err)
			}
		}()
		r.cluster(b)
	}
	if impl.Virtual {
		synctest.Test(t, tell)
	} else {
		tell(t)
	}
}

func (b *box) failf(format string, args ...any) {
	b.t.Helper()
	b.t.Fatal(b.rule.verdict(brokenf(format, args...)))
}

// must fails when the cluster cannot do what the story asks for.
func (b *box) must(what string, err error) {
	b.t.Helper()
	if err != nil {
		b.failf("the cluster cannot %s: %v", what, err)
	}
}

// eventually polls until done.
func (b *box) eventually(done func() bool, format string, args ...any) {
	b.t.Helper()
	poll := time.NewTicker(boxPoll)
	defer poll.Stop()
	for end := time.Now().Add(boxPatience); !done(); <-poll.C {
		if time.Now().After(end) {
			b.failf(format, args...)
		}
	}
}

// propose gives the command to whom the nodes take for the leader, again and
// again until one says that it is applied. A command may so be applied twice;
// the rules allow for it.
func (b *box) propose(command string, via ...raft.NodeID) {
	b.t.Helper()
	turn := 0
	b.eventually(func() bool {
		id := b.cluster.Leader(via[turn%len(via)])
		turn++
		if !slices.Contains(via, id) {
			return false
		}
		ctx, cancel := context.WithTimeout(b.t.Context(), boxTry)
		defer cancel()
		return b.cluster.Propose(ctx, id, []byte(command)) == nil
	}, "no node of %v applies %q", via, command)
}

// applied returns what a node has applied, each command once: a command that
// was proposed twice counts by its first place.
func (b *box) applied(id raft.NodeID) []string {
	var commands []string
	for _, c := range b.cluster.Applied(id) {
		if !slices.Contains(commands, string(c)) {
			commands = append(commands, string(c))
		}
	}
	return commands
}

// awaitAgreement waits until these nodes have applied all commands, and checks
// that they did so in one order.
func (b *box) awaitAgreement(ids []raft.NodeID, commands ...string) {
	b.t.Helper()
	for _, id := range ids {
		b.eventually(func() bool {
			applied := b.applied(id)
			return !slices.ContainsFunc(commands, func(c string) bool { return !slices.Contains(applied, c) })
		}, "%s never applies all of %q", id, commands)
	}
	b.sameOrder(ids)
}

// sameOrder checks State Machine Safety: of two nodes, one's commands begin
// with the other's.
func (b *box) sameOrder(ids []raft.NodeID) {
	b.t.Helper()
	for _, id := range ids[1:] {
		x, y := b.cluster.Applied(ids[0]), b.cluster.Applied(id)
		for i := range min(len(x), len(y)) {
			if string(x[i]) != string(y[i]) {
				b.failf("%s and %s applied %q and %q as command %d", ids[0], id, x[i], y[i], i+1)
			}
		}
	}
}

// awaitLeader returns whom a majority of these nodes takes for the leader, one
// of them.
func (b *box) awaitLeader(ids []raft.NodeID) (leader raft.NodeID) {
	b.t.Helper()
	b.eventually(func() bool {
		votes := map[raft.NodeID]int{}
		for _, id := range ids {
			votes[b.cluster.Leader(id)]++
		}
		for id, n := range votes {
			if slices.Contains(ids, id) && n > len(b.ids)/2 {
				leader = id
				return true
			}
		}
		return false
	}, "the nodes %v never agree on a leader", ids)
	return leader
}

// without returns the nodes but those given.
func (b *box) without(ids ...raft.NodeID) []raft.NodeID {
	return slices.DeleteFunc(slices.Clone(b.ids), func(id raft.NodeID) bool { return slices.Contains(ids, id) })
}
