package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// The calls between members.
const (
	CallPropose = "propose" // an encoded command; its result
	CallMembers = "members" // whether this member's own word will do; a Cluster
	CallHash    = "hash"    // a revision; a store.HashResponse
	callRenew   = "renew"   // a lease; its TTL
	callTTL     = "ttl"     // a lease; a TimeToLive
	callMember  = "member"  // a memberChange; the member
)

// Serve does what another member asks of this one.
func (m *Member) Serve(ctx context.Context, call string, body []byte) (_ []byte, err error) {
	defer store.Caught(&err) // its caller is not this member's, and must not end
	switch call {
	case CallPropose:
		b, err := m.node.Propose(ctx, body)
		if err == nil && len(b) == 0 {
			// Committed, and not executed here: the disk has failed.
			err = errors.Join(raft.ErrOutcomeUnknown, m.Err())
		}
		return b, err
	case CallMembers:
		return typed(body, func(local bool) (any, error) { return m.cluster(ctx, !local) })
	case CallHash:
		return typed(body, func(rev int64) (any, error) { return m.machine.Hash(rev) })
	case callRenew:
		return typed(body, func(id int64) (any, error) { return m.renewHere(ctx, id) })
	case callTTL:
		return typed(body, func(r ttlRequest) (any, error) { return m.timeToLiveHere(ctx, r) })
	case callMember:
		return typed(body, func(c memberChange) (any, error) { return m.changeHere(ctx, c) })
	}
	return nil, fmt.Errorf("kv: unknown call %q between members", call)
}

func answer(f func() (any, error)) ([]byte, error) {
	v, err := f()
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func typed[T any](body []byte, f func(T) (any, error)) ([]byte, error) {
	var v T
	if err := json.Unmarshal(body, &v); err != nil {
		return nil, fmt.Errorf("kv: read a call: %w", err)
	}
	return answer(func() (any, error) { return f(v) })
}

// onLeader has the leader serve a call, whoever it is, and looks for the next
// one as long as nothing was done and ctx lasts.
func (m *Member) onLeader(ctx context.Context, call string, body []byte) ([]byte, error) {
	for {
		b, err := m.attempt(ctx, call, body)
		if err == nil || !again(err) {
			return b, err
		}
		if !m.pause(ctx) {
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

func (m *Member) attempt(ctx context.Context, call string, body []byte) ([]byte, error) {
	switch leader := m.node.Status().Leader; {
	case m.ctx.Err() != nil:
		return nil, raft.ErrStopped // its last word on the leader may be old
	case leader == m.id:
		return m.Serve(ctx, call, body)
	case leader == raft.None || m.opts.Peers == nil:
		return nil, &raft.NotLeaderError{}
	default:
		return m.opts.Peers.Call(ctx, leader, call, body)
	}
}

// pause waits a tick; false: there is no time left.
func (m *Member) pause(ctx context.Context) bool {
	timer := time.NewTimer(m.opts.Raft.TickInterval / 4)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-m.ctx.Done():
	}
	return ctx.Err() == nil && m.ctx.Err() == nil
}

// within bounds a request, as etcd does.
func (m *Member) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, m.timeout)
}

// propose has the cluster execute a command, once or, when the error leaves it
// open, at most once.
func (m *Member) propose(ctx context.Context, c store.Command) (store.Response, error) {
	if err := store.Validate(c); err != nil {
		return nil, err
	}
	data := store.EncodeCommand(c)
	if len(data) > m.opts.MaxRequestBytes {
		return nil, ErrTooLarge
	}
	ctx, cancel := m.within(ctx)
	defer cancel()
	cost := store.Cost(c)
	if cost > 0 && !m.fits(cost) {
		if err := m.alarmNoSpace(ctx); err != nil {
			return nil, err
		}
		return nil, store.ErrNoSpace
	}
	m.proposed.Add(1)
	b, err := m.onLeader(ctx, CallPropose, data)
	if err != nil {
		m.failed.Add(1)
		return nil, m.explain(err)
	}
	if cost > 0 && !m.fits(0) {
		if err := m.alarmNoSpace(ctx); err != nil {
			m.opts.Logger.Warn("NOSPACE not raised, the next write tries again", "err", err)
		}
	}
	return store.DecodeResult(b)
}

// explain is known, for a member that may be stopping.
func (m *Member) explain(err error) error {
	if m.ctx.Err() != nil && again(err) {
		return ErrStopped
	}
	return known(err)
}

// do is propose for a client, whose command has a response of type R.
func do[R store.Response](m *Member, ctx context.Context, c store.Command) (R, error) {
	var none R
	if err := m.votes(ctx); err != nil {
		return none, err
	}
	r, err := m.propose(ctx, c)
	if err != nil {
		return none, err
	}
	response, ok := r.(R)
	if !ok {
		return none, fmt.Errorf("kv: result of %T is a %T", c, r)
	}
	return response, nil
}

// read waits until this member's store has all that was committed before.
func (m *Member) read(ctx context.Context) error {
	if err := m.votes(ctx); err != nil {
		return err
	}
	return m.catchUp(ctx)
}

// votes refuses what a learner does not serve. What was known at the last tick
// is good enough of a voter; a learner may just have been promoted.
func (m *Member) votes(ctx context.Context) error {
	if !m.learner.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.election())
	defer cancel()
	if m.node.Read(ctx) != nil {
		return ErrLearner
	}
	who, err := m.node.Membership(ctx)
	if err != nil || slices.Contains(who.Learners, m.id) {
		return ErrLearner
	}
	m.learner.Store(false)
	return nil
}

// catchUp is read, of a learner too.
func (m *Member) catchUp(ctx context.Context) error {
	ctx, cancel := m.within(ctx)
	defer cancel()
	for {
		err := m.node.Read(ctx)
		if err == nil || !again(err) {
			return m.explain(err)
		}
		m.slowReads.Add(1)
		if !m.pause(ctx) {
			return m.explain(err)
		}
	}
}

// fits says whether more bytes are within the quota.
func (m *Member) fits(more int64) bool {
	return m.opts.Quota < 0 || m.machine.size()+more < m.opts.Quota
}

// alarmNoSpace makes all members refuse what takes space. It goes through the
// log: were it each member's own decision, they would disagree on which
// commands were executed.
func (m *Member) alarmNoSpace(ctx context.Context) error {
	alarm := store.Alarm{Member: uint64(m.id), Type: store.AlarmNoSpace}
	for _, a := range m.machine.Alarms() {
		if a == alarm {
			return nil
		}
	}
	m.opts.Logger.Warn("over the quota, raising NOSPACE", "quota", m.opts.Quota, "size", m.machine.size())
	_, err := m.propose(ctx, &store.AlarmRequest{Action: store.AlarmActivate, Alarm: alarm})
	return err
}
