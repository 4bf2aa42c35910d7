package rafttest

import (
	"context"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// The black-box part asks what any user of a replicated log may ask, and so
// grades libraries that have no step core.
func clusterRules() []Rule {
	return claimed("Cluster", []Rule{
		{ID: "cluster-agreement", Section: "§5.4.3", cluster: clusterAgreement,
			Text: "All nodes apply the same commands in the same order."},
		{ID: "cluster-leader-crash", Section: "§5.4", cluster: clusterLeaderCrash,
			Text: "What was applied before the leader crashed is applied by its successors."},
		{ID: "cluster-minority", Section: "§5.3", cluster: clusterMinority,
			Text: "A minority applies nothing new, and takes over what the majority applied."},
		{ID: "cluster-all-restart", Section: "§5.4", cluster: clusterAllRestart,
			Text: "What was applied survives a crash of all nodes."},
		{ID: "cluster-catch-up", Section: "§5.3", cluster: clusterCatchUp,
			Text: "A node that was down catches up."},
	})
}

// proposeMany proposes n commands and returns them.
func (b *box) proposeMany(prefix string, n int, via ...raft.NodeID) []string {
	b.t.Helper()
	var commands []string
	for i := range n {
		c := fmt.Sprintf("%s%d", prefix, i)
		b.propose(c, via...)
		commands = append(commands, c)
	}
	return commands
}

func clusterAgreement(b *box) {
	b.awaitAgreement(b.ids, b.proposeMany("a", 20, b.ids...)...)
}

func clusterLeaderCrash(b *box) {
	var all []string
	for i := range 2 {
		all = append(all, b.proposeMany(fmt.Sprintf("r%d.", i), 3, b.ids...)...)
		leader := b.awaitLeader(b.ids)
		b.must("crash its leader", b.cluster.Crash(leader))
		rest := b.without(leader)
		all = append(all, b.proposeMany(fmt.Sprintf("s%d.", i), 3, rest...)...)
		b.awaitAgreement(rest, all...)
		b.must("restart a node", b.cluster.Restart(leader))
		b.awaitAgreement(b.ids, all...)
	}
}

func clusterMinority(b *box) {
	before := b.proposeMany("before", 3, b.ids...)
	leader := b.awaitLeader(b.ids)
	b.awaitAgreement(b.ids, before...)
	minority := []raft.NodeID{leader, b.without(leader)[0]}
	majority := b.without(minority...)
	b.must("be partitioned", b.cluster.Partition(minority, majority))
	// The old leader may take the command, but nobody must apply it.
	ctx, cancel := context.WithTimeout(b.t.Context(), boxTry)
	err := b.cluster.Propose(ctx, leader, []byte("lost"))
	cancel()
	if err == nil {
		b.failf("%s, cut off with one other node of five, says that a command is applied", leader)
	}
	during := b.proposeMany("during", 3, majority...)
	for _, id := range minority {
		if got := b.applied(id); slices.Contains(got, "lost") || slices.Contains(got, during[0]) {
			b.failf("%s, cut off with one other node of five, applied %q", id, got)
		}
	}
	b.must("be healed", b.cluster.Partition(b.ids))
	after := b.proposeMany("after", 1, b.ids...)
	b.awaitAgreement(b.ids, slices.Concat(before, during, after)...)
}

func clusterAllRestart(b *box) {
	all := b.proposeMany("a", 5, b.ids...)
	for _, id := range b.ids {
		b.must("crash a node", b.cluster.Crash(id))
	}
	for _, id := range b.ids {
		b.must("restart a node", b.cluster.Restart(id))
	}
	all = append(all, b.proposeMany("b", 2, b.ids...)...)
	b.awaitAgreement(b.ids, all...)
}

func clusterCatchUp(b *box) {
	all := b.proposeMany("a", 3, b.ids...)
	down := b.without(b.awaitLeader(b.ids))[0]
	b.must("crash a node", b.cluster.Crash(down))
	all = append(all, b.proposeMany("b", 30, b.without(down)...)...)
	b.must("restart a node", b.cluster.Restart(down))
	b.awaitAgreement(b.ids, all...)
}
