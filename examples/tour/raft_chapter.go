package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/raft"
)

// raftClients is how many clients store files at the same time. They share
// fsyncs, as the clients of a real cluster do.
const raftClients = 16

// raftChapter is about consensus on a log: three nodes take every file, and
// keep all of them through what clusters are kept for.
var raftChapter = Chapter{
	Name:   "raft",
	Title:  "three nodes agree, whatever happens to them",
	Victim: raftVictim,
	Run: func(ctx context.Context, s *Stage) error {
		if len(s.Files) < 20 {
			return fmt.Errorf("this chapter needs 20 files or more, and has %d; name a larger folder with -src", len(s.Files))
		}
		a := &raftActs{Stage: s, watch: newRaftWatch(s)}
		return a.play(ctx)
	},
}

// raftActs is the chapter while it runs.
type raftActs struct {
	*Stage
	watch   *raftWatch
	cluster *raftCluster
	stored  []File // acknowledged so far
}

func (a *raftActs) play(ctx context.Context) (err error) {
	defer func() {
		if a.cluster != nil {
			err = errors.Join(err, a.cluster.Close())
		}
	}()
	n := len(a.Files)
	for _, act := range []func() error{
		func() error { return a.begin(ctx) },
		func() error { return a.loseLeader(ctx, a.Files[:n*30/100]) },
		func() error { return a.partition(ctx, a.Files[n*30/100:n*55/100]) },
		func() error { return a.killAll(ctx, a.Files[n*55/100:n*80/100]) },
		func() error { return a.replace(ctx, a.Files[n*80/100:]) },
		func() error { return a.readBack(ctx) },
	} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// begin starts the cluster and waits for the first leader.
func (a *raftActs) begin(ctx context.Context) (err error) {
	size := 0
	for _, f := range a.Files {
		size += len(f.Data)
	}
	a.Say("Three nodes, each with a log on disk, take %d files, %.1f MB, one command a file, from %d clients.",
		len(a.Files), float64(size)/1e6, raftClients)
	if a.cluster, err = startCluster(a.Dir, a.watch.observe); err != nil {
		return err
	}
	_, err = a.cluster.waitLeader(ctx)
	return err
}

// loseLeader stores files, and stops the leader half-way.
func (a *raftActs) loseLeader(ctx context.Context, files []File) error {
	var lost raft.NodeID
	var term uint64
	var at time.Time
	err := a.store(ctx, files, len(files)/2, func() error {
		leader, err := a.cluster.waitLeader(ctx)
		if err != nil {
			return err
		}
		st := leader.Status()
		lost, term, at = st.ID, st.Term, time.Now()
		a.Event(lost.String(), "is stopped while it leads", nil)
		return a.cluster.stop(lost)
	})
	if err != nil {
		return err
	}
	// The last files may have been acknowledged before the leader was gone.
	next, err := a.cluster.waitLeader(ctx)
	if err != nil {
		return err
	}
	gap := a.watch.lastElection().Sub(at)
	a.Claim(next.Status().Term > term, "two nodes of three go on without their leader: the next was elected after %v", gap.Round(time.Millisecond))
	a.Event(lost.String(), "starts again, with what is on its disk", nil)
	a.watch.restarted(lost)
	if err := a.cluster.start(lost); err != nil {
		return err
	}
	return a.agree(ctx, "after the loss of its leader the cluster has all that it acknowledged")
}

// partition stores files, and half-way cuts the leader off from the others.
func (a *raftActs) partition(ctx context.Context, files []File) error {
	forlorn := File{"forlorn.go", []byte("package forlorn // proposed to a leader without followers")}
	var taken atomic.Bool // the forlorn file was acknowledged: what must not be
	var asked sync.WaitGroup
	err := a.store(ctx, files, len(files)/2, func() error {
		leader, err := a.cluster.waitLeader(ctx)
		if err != nil {
			return err
		}
		alone := leader.Status().ID
		a.Event(alone.String(), "is cut off from both others, and does not know it", nil)
		a.cluster.network.Cut([]raft.NodeID{alone}, without(raftVoters, alone))
		asked.Go(func() {
			attempt, cancel := context.WithTimeout(ctx, attemptLimit)
			defer cancel()
			_, err := leader.Propose(attempt, encodeFile(forlorn))
			taken.Store(err == nil)
		})
		// Clients go on when they reach the other side.
		return poll(ctx, func() bool {
			now := a.cluster.leader()
			return now != nil && now.Status().ID != alone
		})
	})
	asked.Wait()
	if err != nil {
		return err
	}
	a.Claim(!taken.Load(), "a leader without a majority acknowledges nothing")
	a.Event("", "the network is whole again", nil)
	a.cluster.network.Heal()
	if err := a.agree(ctx, "after the partition all nodes have all that was acknowledged"); err != nil {
		return err
	}
	for _, id := range raftVoters {
		if _, there := a.cluster.store(id).contents()[forlorn.Name]; there {
			a.Claim(false, "what the cut-off leader took in is nowhere: %s has it", id)
			return nil
		}
	}
	a.Claim(true, "what the cut-off leader took in is nowhere")
	return nil
}

// killAll lets another process run the cluster, kills it while it writes, and
// starts the cluster again from the disks.
func (a *raftActs) killAll(ctx context.Context, files []File) error {
	if err := a.cluster.Close(); err != nil {
		return err
	}
	a.Event("", "all three nodes move into a process of their own, to be killed there", nil)
	acked, err := killRaftMidway(ctx, a.Dir, files, len(files)/2, func(done int) {
		a.Progress("files stored", len(a.stored)+done, len(a.Files))
	})
	if err != nil {
		return err
	}
	a.Event("", fmt.Sprintf("the process is killed (SIGKILL), with %d files acknowledged in it", len(acked)), nil)
	a.stored = append(a.stored, acked...)
	for _, id := range raftVoters {
		a.watch.restarted(id)
	}
	if a.cluster, err = startCluster(a.Dir, a.watch.observe); err != nil {
		return err
	}
	if err := a.agree(ctx, "killed whole and restarted, all nodes have all that was acknowledged"); err != nil {
		return err
	}
	got := map[string]bool{}
	for _, f := range acked {
		got[f.Name] = true
	}
	var rest []File
	for _, f := range files {
		if !got[f.Name] {
			rest = append(rest, f)
		}
	}
	return a.store(ctx, rest, -1, nil)
}

// readBack compares every file on every node, and sums up.
func (a *raftActs) readBack(ctx context.Context) error {
	commit, err := a.cluster.converge(ctx)
	if err != nil {
		return err
	}
	bad, size := "", 0
	members := a.cluster.members()
	for _, id := range members {
		files := a.cluster.store(id).contents()
		if len(files) != len(a.Files) && bad == "" {
			bad = fmt.Sprintf("; but %s has %d files", id, len(files))
		}
		for _, f := range a.Files {
			size += len(files[f.Name])
			if !bytes.Equal(files[f.Name], f.Data) && bad == "" {
				bad = fmt.Sprintf("; but %s on %s does not", f.Name, id)
			}
		}
	}
	a.Claim(bad == "", "every file reads back identical from every node: %d files from %d nodes, %.1f MB%s",
		len(a.Files), len(members), float64(size)/1e6, bad)
	a.watch.summary(commit)
	return nil
}

// store puts files from many clients at once. When as many as at are through,
// one client does what happens then; at < 0 means never.
func (a *raftActs) store(ctx context.Context, files []File, at int, then func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan File, len(files))
	for _, f := range files {
		work <- f
	}
	close(work)
	var mu sync.Mutex
	var wg sync.WaitGroup
	done, before := 0, len(a.stored)
	one := func(f File) error {
		start := time.Now()
		if err := a.cluster.put(ctx, f); err != nil {
			return err
		}
		a.watch.acknowledged(time.Since(start))
		mu.Lock()
		done++
		now := done
		a.stored = append(a.stored, f)
		a.Progress("files stored", before+now, len(a.Files))
		mu.Unlock()
		if now == at {
			return then()
		}
		return nil
	}
	for range raftClients {
		wg.Go(func() {
			for f := range work {
				if err := one(f); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// agree waits until the nodes agree and claims that each has all that was
// acknowledged so far.
func (a *raftActs) agree(ctx context.Context, claim string) error {
	commit, err := a.cluster.converge(ctx)
	if err != nil {
		return err
	}
	for _, id := range a.cluster.members() {
		if names := a.cluster.store(id).missing(a.stored); len(names) > 0 {
			a.Claim(false, "%s; but %s misses %d files, such as %s", claim, id, len(names), names[0])
			return nil
		}
	}
	a.Claim(true, "%s: %d files, commit index %d", claim, len(a.stored), commit)
	return nil
}

func without(ids []raft.NodeID, id raft.NodeID) (rest []raft.NodeID) {
	for _, other := range ids {
		if other != id {
			rest = append(rest, other)
		}
	}
	return rest
}
