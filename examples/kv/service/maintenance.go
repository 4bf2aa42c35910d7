package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/raft"
)

// Header is what every response begins with.
type Header struct {
	ClusterID, MemberID uint64
	Revision            int64
	Term                uint64
}

// Header for a response made at a revision; 0: the store's newest.
func (m *Member) Header(revision int64) Header {
	if revision == 0 {
		revision = m.machine.Status().Revision
	}
	return Header{m.opts.ClusterID, uint64(m.id), revision, m.node.Status().Term}
}

// Status is a member's state, for its operator.
type Status struct {
	Store   store.Status
	Raft    raft.Status
	Counts  raft.Metrics
	Learner bool
	Quota   int64
	Alarms  []store.Alarm
	// Proposed counts commands of clients, Failed those without a result,
	// SlowReads linearizable reads that had to be asked again.
	Proposed, Failed, SlowReads uint64
	// Size is what the quota is compared with. Tree is about the store's tree
	// on the disk; nil: it is in memory.
	Size int64
	Tree *lsm.Metrics
}

// Status of this member alone.
func (m *Member) Status() Status {
	return Status{Store: m.machine.Status(), Raft: m.node.Status(), Counts: m.node.Metrics(), Learner: m.learner.Load(),
		Quota: m.opts.Quota, Size: m.machine.size(), Tree: m.machine.tree(), Alarms: m.machine.Alarms(),
		Proposed: m.proposed.Load(), Failed: m.failed.Load(), SlowReads: m.slowReads.Load()}
}

// Leads says whether this member believes to be the leader. It is cheap.
func (m *Member) Leads() bool { return m.node.Status().Role == raft.Leader }

// Ready waits until a linearizable read succeeds: this member can serve.
func (m *Member) Ready(ctx context.Context) error {
	if m.learner.Load() {
		return nil // serves what a learner serves
	}
	return m.read(ctx)
}

// Alarm lists alarms, or raises or disarms one.
func (m *Member) Alarm(ctx context.Context, r *store.AlarmRequest) (*store.AlarmResponse, error) {
	if r.Action == store.AlarmGet {
		if err := m.read(ctx); err != nil {
			return nil, err
		}
		response := &store.AlarmResponse{Revision: m.machine.Status().Revision}
		for _, a := range m.machine.Alarms() {
			if r.Type == store.AlarmNone || r.Type == a.Type {
				response.Alarms = append(response.Alarms, a)
			}
		}
		return response, nil
	}
	return do[*store.AlarmResponse](m, ctx, r)
}

// Defragment gives freed room back. A tree on a disk is merged for it, which takes
// its time and holds nobody up; the answer comes when this member's is.
func (m *Member) Defragment(ctx context.Context) (*store.DefragmentResponse, error) {
	r, err := do[*store.DefragmentResponse](m, ctx, &store.DefragmentRequest{})
	if err == nil {
		err = m.machine.settle(ctx)
	}
	return r, err
}

// Hash of this member's keys and history up to a revision; 0: now.
func (m *Member) Hash(revision int64) (store.HashResponse, error) { return m.machine.Hash(revision) }

// Snapshot captures this member's state; writing it delays nobody. It must be
// closed.
func (m *Member) Snapshot() store.Frozen { return m.machine.Freeze() }

// CheckHashes compares this member's hash with the others', at one revision,
// and names those that differ. Members that cannot be reached, or that have
// compacted elsewhere, say nothing.
func (m *Member) CheckHashes(ctx context.Context) (differ []raft.NodeID, err error) {
	if err := m.read(ctx); err != nil {
		return nil, err
	}
	own, err := m.machine.Hash(0)
	if err != nil {
		return nil, err
	}
	who, err := m.node.Membership(ctx)
	if err != nil || m.opts.Peers == nil {
		return nil, m.explain(err)
	}
	for _, id := range slices.Concat(who.Voters, who.Learners) {
		if id == m.id {
			continue
		}
		other, err := m.hashOf(ctx, id, own.Revision)
		if err != nil {
			m.opts.Logger.Debug("no hash", "of", id, "err", err)
			continue
		}
		if other.Revision == own.Revision && other.CompactRevision == own.CompactRevision && other.Hash != own.Hash {
			differ = append(differ, id)
		}
	}
	return differ, nil
}

func (m *Member) hashOf(ctx context.Context, id raft.NodeID, revision int64) (h store.HashResponse, err error) {
	body, err := json.Marshal(revision)
	if err != nil {
		return h, err
	}
	ctx, cancel := context.WithTimeout(ctx, m.timeout)
	defer cancel()
	b, err := m.opts.Peers.Call(ctx, id, CallHash, body)
	if err != nil {
		return h, err
	}
	return h, json.Unmarshal(b, &h)
}

// checkNowAndThen raises CORRUPT for members that differ from their leader.
func (m *Member) checkNowAndThen() {
	m.every(m.opts.CheckEvery, func(ctx context.Context) {
		if !m.Leads() {
			return
		}
		differ, err := m.CheckHashes(ctx)
		if err != nil {
			m.opts.Logger.Warn("hashes not compared", "err", err)
		}
		for _, id := range differ {
			m.opts.Logger.Error("member differs from the leader, raising CORRUPT", "member", fmt.Sprintf("%x", uint64(id)))
			_, err := m.propose(ctx, &store.AlarmRequest{Action: store.AlarmActivate,
				Alarm: store.Alarm{Member: uint64(id), Type: store.AlarmCorrupt}})
			if err != nil {
				m.opts.Logger.Error("CORRUPT not raised", "err", err)
			}
		}
	})
}

// every does something again and again, until Close.
func (m *Member) every(interval time.Duration, f func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
			f(m.ctx)
		}
	}
}

// AutoCompaction forgets history by itself, with etcd's two modes: what is
// older than Retention, or all but so many Revisions. At most one is set.
type AutoCompaction struct {
	Retention time.Duration
	Revisions int64
}

// revisionInterval is etcd's, between two compactions in revision mode.
const revisionInterval = 5 * time.Minute

// compactNowAndThen compacts while this member leads. In periodic mode it
// notes the revision ten times a retention, at most every six minutes, so that
// history is at most a tenth older than asked for.
func (m *Member) compactNowAndThen() {
	retention, revisions := m.opts.Compaction.Retention, m.opts.Compaction.Revisions
	if revisions > 0 {
		m.every(revisionInterval, func(ctx context.Context) {
			m.compactTo(ctx, m.machine.Status().Revision-revisions)
		})
		return
	}
	noted := map[time.Time]int64{}
	m.every(max(min(retention, time.Hour)/10, time.Millisecond), func(ctx context.Context) {
		now := time.Now()
		noted[now] = m.machine.Status().Revision
		best := int64(0)
		for at, revision := range maps.Clone(noted) {
			if now.Sub(at) >= retention {
				best = max(best, revision)
				delete(noted, at)
			}
		}
		m.compactTo(ctx, best)
	})
}

func (m *Member) compactTo(ctx context.Context, revision int64) {
	if revision <= max(m.machine.Status().CompactRevision, 0) || !m.Leads() {
		return
	}
	_, err := m.propose(ctx, &store.CompactionRequest{Revision: revision})
	if err != nil && !errors.Is(err, store.ErrCompacted) {
		m.opts.Logger.Warn("not compacted", "revision", revision, "err", err)
		return
	}
	m.opts.Logger.Info("compacted", "revision", revision)
}
