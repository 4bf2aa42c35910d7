package service

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// A lease is replicated, its end is not: only the leader's clock counts, and
// what it finds over it revokes through the log. A new leader gives every lease
// its time again. So leases may live longer than they should, never shorter. That
// a long lease does not live for ever by changes of leader, its leader records
// now and then what it has left.

const (
	// checkpointEvery is etcd's interval between two records of a lease.
	checkpointEvery = 5 * time.Minute
	// expireAtOnce bounds what one tick revokes, revokers how many at a time:
	// after a long stop all leases may be over, and clients have requests too.
	expireAtOnce = 500
	revokers     = 16
)

// LeaseGrant makes a lease.
func (m *Member) LeaseGrant(ctx context.Context, r *store.LeaseGrantRequest) (*store.LeaseGrantResponse, error) {
	grant := *r
	if grant.ID == 0 {
		grant.ID = rand.Int64N(1<<63-1) + 1
	}
	// A lease shorter than an election would end by every change of leader.
	if least := int64((m.election()*3/2 + time.Second - 1) / time.Second); grant.TTL < least {
		grant.TTL = least
	}
	return do[*store.LeaseGrantResponse](m, ctx, &grant)
}

// LeaseRevoke ends a lease.
func (m *Member) LeaseRevoke(ctx context.Context, id int64) (*store.LeaseRevokeResponse, error) {
	return do[*store.LeaseRevokeResponse](m, ctx, &store.LeaseRevokeRequest{ID: id})
}

// LeaseRenew is a keepalive; it returns the TTL that starts anew.
func (m *Member) LeaseRenew(ctx context.Context, id int64) (ttl int64, err error) {
	if err := m.votes(ctx); err != nil {
		return 0, err
	}
	err = m.ask(ctx, callRenew, id, &ttl)
	return ttl, err
}

// ask is onLeader, in JSON.
func (m *Member) ask(ctx context.Context, call string, in, out any) error {
	ctx, cancel := m.within(ctx)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	b, err := m.onLeader(ctx, call, body)
	if err != nil {
		return m.explain(err)
	}
	return json.Unmarshal(b, out)
}

// renewHere renews on the leader. A leader that was deposed without knowing
// must not promise time that its successor does not know of: it makes sure
// first, with the round of messages of a read.
func (m *Member) renewHere(ctx context.Context, id int64) (int64, error) {
	if err := m.node.Read(ctx); err != nil {
		return 0, err
	}
	if err := m.keepsLeases(); err != nil {
		return 0, err
	}
	m.renewals.RLock()
	defer m.renewals.RUnlock()
	ttl, checkpoint, err := m.machine.Lessor().Renew(id, time.Now())
	if err != nil {
		if _, _, gone := m.machine.Lease(id, false); gone == nil && m.machine.Lessor().Remaining(id, time.Now()) < 0 {
			return 0, &raft.NotLeaderError{} // not promoted yet: a tick later
		}
		return 0, err
	}
	if checkpoint != nil {
		if _, err := m.propose(ctx, checkpoint); err != nil {
			return 0, err
		}
	}
	return ttl, nil
}

// keepsLeases refuses what only the leader knows, and a leader of many terms only
// by the book of its present one: others have renewed leases in between. The next
// tick opens it.
func (m *Member) keepsLeases() error {
	if s := m.node.Status(); s.Role != raft.Leader || m.led.Load() != s.Term {
		return &raft.NotLeaderError{Leader: s.Leader}
	}
	return nil
}

type ttlRequest struct {
	ID   int64
	Keys bool
}

// TimeToLive is what is left of a lease.
type TimeToLive struct {
	store.Lease
	Left int64 // seconds
	Keys [][]byte
}

// LeaseTimeToLive returns what is left of a lease, and its keys if asked for.
func (m *Member) LeaseTimeToLive(ctx context.Context, id int64, keys bool) (TimeToLive, error) {
	var t TimeToLive
	if err := m.votes(ctx); err != nil {
		return t, err
	}
	err := m.ask(ctx, callTTL, ttlRequest{id, keys}, &t)
	return t, err
}

func (m *Member) timeToLiveHere(ctx context.Context, r ttlRequest) (TimeToLive, error) {
	if err := m.node.Read(ctx); err != nil {
		return TimeToLive{}, err
	}
	if err := m.keepsLeases(); err != nil {
		return TimeToLive{}, err
	}
	lease, keys, err := m.machine.Lease(r.ID, r.Keys)
	if err != nil {
		return TimeToLive{}, err
	}
	left := m.machine.Lessor().Remaining(r.ID, time.Now())
	if left < 0 {
		return TimeToLive{}, &raft.NotLeaderError{} // not promoted yet
	}
	return TimeToLive{lease, int64(left / time.Second), keys}, nil
}

// Leases of the cluster, linearizable.
func (m *Member) Leases(ctx context.Context) ([]store.Lease, error) {
	if err := m.read(ctx); err != nil {
		return nil, err
	}
	return m.machine.Leases(), nil
}

// checkpoint records what leases have left. Nobody renews meanwhile: what a
// renewal takes back must be behind it in the log. When somebody does, it waits
// for the next tick.
func (m *Member) checkpoint(lessor *store.Lessor) {
	now := time.Now()
	if now.Sub(m.checkpointed) < checkpointEvery/10 || !m.renewals.TryLock() {
		return
	}
	defer m.renewals.Unlock()
	m.checkpointed = now
	c := lessor.Checkpoints(now, checkpointEvery)
	if c == nil {
		return
	}
	ctx, cancel := context.WithTimeout(m.ctx, m.election())
	defer cancel()
	_, err := m.node.Propose(ctx, store.EncodeCommand(c))
	m.opts.Logger.Debug("leases checkpointed", "leases", len(c.Checkpoints), "err", err)
}

// expire revokes what is over. What fails comes again.
func (m *Member) expire(lessor *store.Lessor) {
	ids := lessor.Expired(time.Now(), expireAtOnce)
	if len(ids) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(m.ctx, m.election())
	defer cancel()
	queue := make(chan int64)
	var workers sync.WaitGroup
	for range min(revokers, len(ids)) {
		workers.Go(func() {
			for id := range queue {
				// Not by onLeader: whether it is over is this leader's word.
				_, err := m.node.Propose(ctx, store.EncodeCommand(&store.LeaseRevokeRequest{ID: id}))
				m.opts.Logger.Debug("lease expired", "lease", id, "err", err)
			}
		})
	}
	for _, id := range ids {
		queue <- id
	}
	close(queue)
	workers.Wait()
}
