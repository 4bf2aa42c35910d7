package service

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/raft"
)

// Peers reaches the other members, as raft.Transport reaches their nodes.
type Peers interface {
	// Call has member to [Member.Serve] a call. ErrNotSent: it certainly did
	// not. Whatever else fails on the way is raft.ErrOutcomeUnknown.
	Call(ctx context.Context, to raft.NodeID, call string, body []byte) ([]byte, error)
	// Update tells who the other members are, and their peer URLs: for Call
	// and for the transport.
	Update(urls map[raft.NodeID][]string)
	// SendSnapshot has member to [Member.Receive] head and what body writes, as
	// it is written. It may be called beside Call; body may be cut off.
	SendSnapshot(ctx context.Context, to raft.NodeID, head []byte, body io.WriterTo) error
}

// Options configure a [Member]. Raft's Config.ID, Transport and Storage as for
// raft.Start, and Self, are required; the zero value of the rest is a good
// default. Raft.StateMachine is set by Start.
type Options struct {
	Raft      raft.Options
	Peers     Peers
	ClusterID uint64
	// Self is the row of this member, which it publishes. Self.ID is
	// Raft.Config.ID's.
	Self store.Member
	// Seeds are the members as of the first start, this one included; they
	// are overruled by what the cluster knows.
	Seeds []store.Member
	// Quota of the store in bytes, over which it raises NOSPACE. Default 2
	// GiB, as in etcd; negative: none.
	Quota int64
	// MaxRequestBytes bounds a command. Default 1.5 MiB, as in etcd.
	MaxRequestBytes int
	// MaxLearners in the cluster at a time. Default 1, as in etcd.
	MaxLearners int
	// Compaction by the leader. Default: none.
	Compaction AutoCompaction
	// CheckEvery so often the leader compares the members' hashes, and raises
	// CORRUPT on a difference. Default 0: never, as in etcd.
	CheckEvery time.Duration
	// Disk is where the store is. Default: in memory, from which raft's
	// snapshots are copied.
	Disk *ondisk.Dir
	// Logger hears what an operator should know. Default: silent.
	Logger *slog.Logger
}

// Member is one member of the cluster: a raft node, the store it replicates,
// and the chores of whoever leads. It is safe for concurrent use.
type Member struct {
	opts    Options
	id      raft.NodeID
	node    *raft.Node
	machine machine
	courier *courier
	timeout time.Duration // of a request
	learner atomic.Bool
	changes chan struct{} // holds a token while nobody changes the membership
	// renewals are shared by those of single leases, and held alone by who
	// records what leases have left.
	renewals sync.RWMutex

	led atomic.Uint64 // the term for which the lessor was promoted; 0: none

	// The chores' own.
	known        map[raft.NodeID][]string // as last told to Peers
	lastSeen     time.Time                // of a leader
	checkpointed time.Time

	ctx     context.Context // ends with Close
	stop    context.CancelCauseFunc
	running sync.WaitGroup
	counters
}

type counters struct {
	proposed, failed, slowReads atomic.Uint64
}

// Start runs a member on what its storage holds, until Close, or until its
// disk fails or the cluster removes it: see Done. It owns Disk and Raft's Storage
// and Transport, also when it fails.
func Start(o Options) (*Member, error) {
	o.Quota = cmp.Or(o.Quota, 2<<30)
	o.MaxRequestBytes = cmp.Or(o.MaxRequestBytes, 3<<19)
	o.MaxLearners = cmp.Or(o.MaxLearners, 1)
	o.Raft.TickInterval = cmp.Or(o.Raft.TickInterval, 100*time.Millisecond)
	o.Raft.ElectionTicks = cmp.Or(o.Raft.ElectionTicks, 10)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Self.ID = uint64(o.Raft.ID)
	// Members of one process may be given the same lists.
	o.Self.PeerURLs, o.Self.ClientURLs = slices.Clone(o.Self.PeerURLs), slices.Clone(o.Self.ClientURLs)
	m := &Member{opts: o, id: o.Raft.ID, changes: make(chan struct{}, 1), lastSeen: time.Now()}
	m.changes <- struct{}{}
	m.timeout = 5*time.Second + 2*m.election() // etcd's ReqTimeout
	m.ctx, m.stop = context.WithCancelCause(context.Background())
	if err := m.start(); err != nil {
		m.stop(err)
		return nil, fmt.Errorf("kv: start member %x: %w", o.Self.ID, err)
	}
	m.running.Go(m.chores)
	if o.Compaction.Retention > 0 || o.Compaction.Revisions > 0 {
		m.running.Go(m.compactNowAndThen)
	}
	if o.CheckEvery > 0 {
		m.running.Go(m.checkNowAndThen)
	}
	return m, nil
}

// start opens the store and runs the node on it.
func (m *Member) start() error {
	r := m.opts.Raft
	err := m.machine.open(m.opts.Disk, m.stop)
	if err != nil {
		errs := []error{err}
		if r.Storage != nil {
			errs = append(errs, r.Storage.Close())
		}
		if r.Transport != nil {
			errs = append(errs, r.Transport.Close())
		}
		return errors.Join(errs...)
	}
	m.tell(raft.Membership{})
	if r.Transport != nil {
		m.courier = newCourier(m, r.Transport)
		r.Transport = m.courier
	}
	r.StateMachine = &m.machine
	if m.node, err = raft.Start(r); err != nil {
		m.machine.close()
		return err
	}
	m.machine.ready()
	return nil
}

func (m *Member) election() time.Duration {
	return m.opts.Raft.TickInterval * time.Duration(m.opts.Raft.ElectionTicks)
}

// HandOver gives leadership away, if this member has it, before a planned stop:
// the others need not miss it first. It waits an election timeout at most.
func (m *Member) HandOver(ctx context.Context) {
	if !m.Leads() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, m.election())
	defer cancel()
	if heir := m.heir(ctx); heir != raft.None {
		if err := m.node.TransferLeadership(ctx, heir); err != nil {
			m.opts.Logger.Warn("leadership was not handed over", "to", heir, "err", err)
		}
	}
}

// Close stops the member, and waits until it has. It may be called twice.
func (m *Member) Close() error {
	m.stop(ErrStopped)
	m.running.Wait()
	err := m.node.Close()
	m.machine.close()
	return err
}

// heir is the other voter with the longest log.
func (m *Member) heir(ctx context.Context) raft.NodeID {
	all, err := m.node.Membership(ctx)
	peers, err2 := m.node.Peers(ctx)
	if err != nil || err2 != nil {
		return raft.None
	}
	best := raft.PeerStatus{}
	for _, p := range peers {
		if p.ID != m.id && slices.Contains(all.Voters, p.ID) && (best.ID == raft.None || p.MatchIndex > best.MatchIndex) {
			best = p
		}
	}
	return best.ID
}

// Done is closed when the member serves no more; Err says why.
func (m *Member) Done() <-chan struct{} { return m.ctx.Done() }

// Err is nil while the member runs; ErrStopped, ErrRemoved or the node's error
// afterwards.
func (m *Member) Err() error { return context.Cause(m.ctx) }

// chores are what a member does unasked, a tick at a time.
func (m *Member) chores() {
	tick := time.NewTicker(m.opts.Raft.TickInterval)
	defer tick.Stop()
	defer m.machine.caught()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-m.node.Done():
			m.stop(m.node.Err())
			return
		case <-tick.C:
		}
		who, err := m.node.Membership(m.ctx)
		if err != nil {
			continue
		}
		m.learner.Store(slices.Contains(who.Learners, m.id))
		m.tell(who)
		if err := m.checkRemoved(who); err != nil {
			m.opts.Logger.Error("stopping", "err", err)
			m.stop(err)
			return
		}
		m.publish(who)
		m.lead()
	}
}

// tell gives Peers the members and where they are: those of the membership in
// force, by their rows, or by what was known at the first start.
func (m *Member) tell(who raft.Membership) {
	urls := map[raft.NodeID][]string{}
	for _, rows := range [][]store.Member{m.opts.Seeds, m.machine.Members()} {
		for _, row := range rows {
			id := raft.NodeID(row.ID)
			// A node without a log has no membership yet: it believes its seeds.
			if len(row.PeerURLs) > 0 && id != m.id && (len(who.Voters) == 0 || who.Contains(id)) {
				urls[id] = row.PeerURLs
			}
		}
	}
	same := len(urls) == len(m.known)
	for id, u := range urls {
		same = same && slices.Equal(u, m.known[id])
	}
	if !same && m.opts.Peers != nil {
		m.opts.Peers.Update(urls)
	}
	m.known = urls
}

// checkRemoved finds out whether the cluster goes on without this member. Its
// own log may end before it says so: the others stop sending as soon as they
// know. So it asks them when it has missed a leader for long.
func (m *Member) checkRemoved(who raft.Membership) error {
	if len(who.Voters) > 0 && !who.Contains(m.id) && !m.Leads() {
		return ErrRemoved
	}
	if m.node.Status().Leader != raft.None {
		m.lastSeen = time.Now()
	}
	if time.Since(m.lastSeen) < 5*m.election() || m.opts.Peers == nil {
		return nil
	}
	m.lastSeen = time.Now()
	for id := range m.known {
		ctx, cancel := context.WithTimeout(m.ctx, m.election())
		b, err := m.opts.Peers.Call(ctx, id, CallMembers, EncodeMembers(false))
		cancel()
		if err != nil {
			continue
		}
		cluster, err := DecodeCluster(b)
		if err == nil && !slices.ContainsFunc(cluster.Members, func(x MemberInfo) bool { return x.ID == uint64(m.id) }) {
			return ErrRemoved
		}
	}
	return nil
}

// publish writes this member's row when the cluster has another. Learners do
// so too; whoever is no member does not.
func (m *Member) publish(who raft.Membership) {
	if s := m.node.Status(); s.Leader == raft.None || !who.Contains(m.id) {
		return
	}
	for _, row := range m.machine.Members() {
		if row.ID == m.opts.Self.ID && row.Name == m.opts.Self.Name &&
			slices.Equal(row.PeerURLs, m.opts.Self.PeerURLs) && slices.Equal(row.ClientURLs, m.opts.Self.ClientURLs) {
			return
		}
	}
	ctx, cancel := context.WithTimeout(m.ctx, m.election())
	defer cancel()
	if _, err := m.propose(ctx, &store.MemberSetRequest{Member: m.opts.Self}); err != nil && !errors.Is(err, ErrTimeout) {
		m.opts.Logger.Warn("own row not published yet", "err", err)
	}
}

// lead does what only the leader does, and ends it when leadership is over.
func (m *Member) lead() {
	s := m.node.Status()
	lessor := m.machine.Lessor()
	if s.Role != raft.Leader {
		if m.led.Load() != 0 {
			lessor.Demote()
			m.led.Store(0)
		}
		return
	}
	if m.led.Load() != s.Term {
		// Whatever earlier leaders committed must be applied first: a lease is
		// given its time only if it is known.
		ctx, cancel := context.WithTimeout(m.ctx, m.election())
		defer cancel()
		if err := m.node.Read(ctx); err != nil {
			return
		}
		lessor.Promote(time.Now(), m.election())
		m.led.Store(s.Term)
	}
	m.expire(lessor)
	m.checkpoint(lessor)
}
