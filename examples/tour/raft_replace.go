package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/raft"
)

// A node that has lost its disk must not come back as who it was: it may have
// voted, or acknowledged entries, and would know nothing of it. So the operator
// removes it, and puts a fresh node with an ID of its own in its place, in steps
// of which none leaves the cluster with fewer voters that it can rely on:
//
//	n1 n2 n3          n1 n3            n1 n3 + n4        n1 n3 n4
//	   x         ->            ->         learner   ->
//	n2's disk         n2 is removed    n4 catches up,    n4 is promoted
//	is lost                            and has no vote

// replace stores files while a node loses its disk and is replaced, and some
// more while only one of the old nodes is there.
func (a *raftActs) replace(ctx context.Context, files []File) error {
	during, after := files[:len(files)/2], files[len(files)/2:]
	var old []raft.NodeID // who is left of them
	err := a.store(ctx, during, max(1, len(during)/4), func() (err error) {
		old, err = a.loseDisk(ctx)
		if err != nil {
			return err
		}
		a.Event(freshNode.String(), "joins with an empty disk, as a learner: it takes the log and has no vote (D§4.2.1)", nil)
		if err := a.cluster.start(freshNode); err != nil {
			return err
		}
		return a.cluster.change(ctx, raft.Membership{Voters: old, Learners: []raft.NodeID{freshNode}})
	})
	if err != nil {
		return err
	}
	if err := a.promote(ctx, old); err != nil {
		return err
	}
	return a.rely(ctx, old, after)
}

// loseDisk destroys what a follower has on disk, and removes it from the
// cluster. It returns the others.
func (a *raftActs) loseDisk(ctx context.Context) (rest []raft.NodeID, err error) {
	leader, err := a.cluster.waitLeader(ctx)
	if err != nil {
		return nil, err
	}
	lost := without(raftVoters, leader.Status().ID)[0]
	if err := a.cluster.stop(lost); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(a.cluster.folder(lost)); err != nil {
		return nil, fmt.Errorf("destroying the disk of %s: %w", lost, err)
	}
	a.Event(lost.String(), "loses its disk for good: its directory is deleted", nil)
	a.Say("It must not come back as %s: it may have voted, and has forgotten it. The operator removes it, in two steps: "+
		"first the old voters and the new ones must both agree, then the new ones alone.", lost)
	rest = without(raftVoters, lost)
	return rest, a.cluster.change(ctx, raft.Membership{Voters: rest})
}

// promote makes the fresh node a voter, once it has all that the others have.
func (a *raftActs) promote(ctx context.Context, old []raft.NodeID) error {
	if _, err := a.cluster.converge(ctx); err != nil {
		return err
	}
	misses := ""
	if names := a.cluster.store(freshNode).missing(a.stored); len(names) > 0 {
		misses = fmt.Sprintf("; but it misses %d, such as %s", len(names), names[0])
	}
	a.Claim(misses == "", "before %s has a vote it holds all that was acknowledged: %d files%s", freshNode, len(a.stored), misses)
	lost := slices.DeleteFunc(slices.Clone(raftVoters), func(id raft.NodeID) bool { return slices.Contains(old, id) })[0]
	a.Event(freshNode.String(), fmt.Sprintf("has caught up, and the operator makes it a voter in the place of %s", lost), nil)
	members := slices.Concat(old, []raft.NodeID{freshNode})
	if err := a.cluster.change(ctx, raft.Membership{Voters: members}); err != nil {
		return err
	}
	if _, err := a.cluster.converge(ctx); err != nil {
		return err
	}
	names := strings.Trim(fmt.Sprint(members), "[]")
	for _, n := range a.cluster.running() {
		m, err := n.Membership(ctx)
		if err != nil {
			return err
		}
		if !slices.Equal(m.Voters, members) || len(m.Learners) > 0 || m.Joint() {
			a.Claim(false, "all nodes agree that the voters are %s; but %s says %+v", names, n.Status().ID, m)
			return nil
		}
	}
	a.Claim(true, "all nodes agree that the voters are %s", names)
	return nil
}

// rely stops one more of the old nodes: the other one and the fresh node are a
// majority only if the fresh one really counts.
func (a *raftActs) rely(ctx context.Context, old []raft.NodeID, files []File) error {
	leader, err := a.cluster.waitLeader(ctx)
	if err != nil {
		return err
	}
	stopped := without(old, leader.Status().ID)[0]
	a.Event(stopped.String(), "is stopped: one of the old nodes is left", nil)
	if err := a.cluster.stop(stopped); err != nil {
		return err
	}
	if err := a.store(ctx, files, -1, nil); err != nil {
		return err
	}
	commit, err := a.cluster.converge(ctx)
	if err != nil {
		return err
	}
	fresh := a.cluster.node(freshNode).Status()
	a.Claim(len(a.cluster.running()) == 2 && fresh.Durable >= commit,
		"%s and one old node are a majority: they alone took %d files, and %[1]s has all of them on its disk", freshNode, len(files))
	a.Event(stopped.String(), "starts again", nil)
	a.watch.restarted(stopped)
	if err := a.cluster.start(stopped); err != nil {
		return err
	}
	return a.agree(ctx, "after the replacement all nodes have all that was acknowledged")
}
