package rafttest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

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
		{ID: "cluster-replacement", Section: "§6", cluster: clusterReplacement,
			Text: "A new node takes a dead one's place, counts from then on, and does so after a restart of all (a MembershipCluster)."},
		{ID: "cluster-exactly-once", Section: "§8, D§6.3", cluster: clusterExactlyOnce,
			Text: "A session's command that is repeated, because its leader died, is executed once (a SessionCluster)."},
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

// offered returns the cluster with the methods of a part that is optional.
func offered[T Cluster](b *box) T {
	b.t.Helper()
	cluster, ok := b.cluster.(T)
	if !ok {
		b.t.Skipf("not offered: %s", reflect.TypeFor[T]())
	}
	return cluster
}

func clusterReplacement(b *box) {
	cluster := offered[MembershipCluster](b)
	all := b.proposeMany("before", 3, b.ids...)
	dead := b.without(b.awaitLeader(b.ids))[0]
	b.must("crash a node", cluster.Crash(dead))
	const fresh = 6
	b.must("add a node", cluster.Add(fresh))
	members := append(b.without(dead), fresh)
	b.changeMembership(cluster, members, b.without(dead))
	// Enough for nodes that cut their logs to forget the entry of the change.
	all = append(all, b.proposeMany("changed", 60, members...)...)
	b.awaitAgreement(members, all...)
	for _, id := range members {
		b.must("crash a node", cluster.Crash(id))
	}
	// With the dead node two others are a majority of the old voters, with the
	// new node one of the new.
	two := b.without(dead)[:2]
	for _, id := range append(two[:2:2], dead) {
		b.must("restart a node", cluster.Restart(id))
	}
	b.never("lost", two)
	b.must("crash a node", cluster.Crash(dead))
	b.must("restart a node", cluster.Restart(fresh))
	majority := append(two[:2:2], fresh)
	all = append(all, b.proposeMany("restarted", 3, majority...)...)
	b.awaitAgreement(majority, all...)
}

// never gives nodes a command again and again for a while, and fails if one
// says that it is applied.
func (b *box) never(command string, ids []raft.NodeID) {
	b.t.Helper()
	poll := time.NewTicker(boxPoll)
	defer poll.Stop()
	for end := time.Now().Add(3 * boxTry); time.Now().Before(end); <-poll.C {
		for _, id := range ids {
			ctx, cancel := context.WithTimeout(b.t.Context(), boxTry)
			err := b.cluster.Propose(ctx, id, []byte(command))
			cancel()
			if err == nil {
				b.failf("%v, two of five members, say with a removed node that a command is applied", ids)
			}
		}
	}
}

// changeMembership asks whom the nodes take for the leader, until one says
// that the change is done.
func (b *box) changeMembership(cluster MembershipCluster, voters, via []raft.NodeID) {
	b.t.Helper()
	var err error
	turn := 0
	b.eventually(func() bool {
		id := cluster.Leader(via[turn%len(via)])
		turn++
		if !slices.Contains(via, id) {
			return false
		}
		ctx, cancel := context.WithTimeout(b.t.Context(), boxTry)
		defer cancel()
		err = cluster.ChangeMembership(ctx, id, voters)
		return err == nil
	}, "the voters never become %v", voters)
}

// The command reaches the leader and one follower, who is elected with it when
// the leader is dead, and commits it. Nobody could tell the client so: it
// repeats the command.
//
//	leader    x |        crashes
//	follower  x | ....   leads, commits x .. x again
//	others      | ....   cannot lead without x
func clusterExactlyOnce(b *box) {
	cluster := offered[SessionCluster](b)
	b.proposeMany("before", 1, b.ids...)
	leader := b.awaitLeader(b.ids)
	within := func(do func(ctx context.Context) error) error {
		ctx, cancel := context.WithTimeout(b.t.Context(), boxTry)
		defer cancel()
		return do(ctx)
	}
	var session Session
	b.must("open a session", within(func(ctx context.Context) (err error) {
		session, err = cluster.Session(ctx, leader)
		return err
	}))
	b.must("take a session's command", within(func(ctx context.Context) error { return session.Propose(ctx, leader, []byte("sure")) }))
	b.awaitAgreement(b.ids, "sure")

	rest := b.without(leader)
	heir := rest[0]
	b.must("be partitioned", cluster.Partition([]raft.NodeID{leader, heir}, rest[1:2], rest[2:3], rest[3:]))
	if err := within(func(ctx context.Context) error { return session.Propose(ctx, leader, []byte("in doubt")) }); err == nil {
		b.failf("%s, cut off with one other node of five, says that a session's command is applied", leader)
	}
	b.must("crash its leader", cluster.Crash(leader))
	b.must("be partitioned", cluster.Partition(rest[:3], rest[3:]))
	b.eventually(func() bool {
		return within(func(ctx context.Context) error { return session.Retry(ctx, heir) }) == nil
	}, "%s, of three connected nodes of five, never executes a session's command", heir)
	b.must("restart a node", cluster.Restart(leader))
	b.must("be healed", cluster.Partition(b.ids))
	b.propose("after", b.ids...)
	b.awaitAgreement(b.ids, "sure", "in doubt", "after")
	for _, id := range b.ids {
		for _, command := range []string{"sure", "in doubt"} {
			n := 0
			for _, c := range cluster.Applied(id) {
				if string(c) == command {
					n++
				}
			}
			if n != 1 {
				b.failf("%s executed the session's command %q %d times; its leader died and it was repeated", id, command, n)
			}
		}
	}
}
