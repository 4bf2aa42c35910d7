package service_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// group is a cluster in this process and in virtual time.
type group struct {
	t       *testing.T
	network *raft.Network
	local   service.Local
	members map[raft.NodeID]*service.Member
	peers   map[raft.NodeID]*lossy
}

// start starts members 1 to n, and waits until they have found together.
func start(t *testing.T, n int, tune func(*service.Options)) *group {
	g := &group{t: t, network: raft.NewNetwork(), members: map[raft.NodeID]*service.Member{}, peers: map[raft.NodeID]*lossy{}}
	var all []raft.NodeID
	for id := range raft.NodeID(n) {
		all = append(all, id+1)
	}
	for _, id := range all {
		g.add(id, all, tune)
	}
	time.Sleep(10 * time.Second) // virtual: there is a leader, and rows are published
	return g
}

func (g *group) add(id raft.NodeID, voters []raft.NodeID, tune func(*service.Options)) *service.Member {
	g.peers[id] = &lossy{Peers: g.local.Peers(id)}
	o := service.Options{Peers: g.peers[id], Self: store.Member{Name: id.String(), PeerURLs: []string{"http://" + id.String() + ":1"}}}
	o.Raft.ID, o.Raft.Voters, o.Raft.Transport = id, voters, g.network.Join(id)
	o.Raft.Seed = uint64(id)
	if tune != nil {
		tune(&o)
	}
	m, err := service.Start(o)
	require.NoError(g.t, err)
	g.local.Join(id, m)
	g.members[id] = m
	g.t.Cleanup(func() { m.Close() })
	return m
}

// leader and follower return one that is reachable.
func (g *group) leader() *service.Member   { return g.find(true) }
func (g *group) follower() *service.Member { return g.find(false) }

func (g *group) find(leads bool) *service.Member {
	for range 1000 {
		for id := range raft.NodeID(len(g.members)) {
			if m := g.members[id+1]; m.Err() == nil && m.Leads() == leads && m.Status().Raft.Leader != raft.None {
				return m
			}
		}
		time.Sleep(10 * time.Millisecond) // virtual
	}
	require.Fail(g.t, "no such member", "leader: %v", leads)
	return nil
}

func id(m *service.Member) raft.NodeID { return raft.NodeID(m.Header(0).MemberID) }

// cut takes a member off the network; heal puts all back.
func (g *group) cut(m *service.Member) {
	var others []raft.NodeID
	for other := range g.members {
		if other != id(m) {
			others = append(others, other)
		}
	}
	g.network.Cut([]raft.NodeID{id(m)}, others)
	g.local.Cut(id(m), true)
}

func (g *group) heal() {
	g.network.Heal()
	for id := range g.members {
		g.local.Cut(id, false)
	}
}

// lossy loses the answers, or the questions, of calls.
type lossy struct {
	service.Peers
	answers, questions int  // so many
	large              bool // what the others hold: nobody waits for its hash
}

func (l *lossy) Call(ctx context.Context, to raft.NodeID, call string, body []byte) ([]byte, error) {
	if l.large && call == service.CallHash {
		<-ctx.Done()
		return nil, errors.Join(raft.ErrOutcomeUnknown, ctx.Err())
	}
	if call != service.CallPropose {
		return l.Peers.Call(ctx, to, call, body)
	}
	if l.questions > 0 {
		l.questions--
		return nil, service.ErrNotSent
	}
	b, err := l.Peers.Call(ctx, to, call, body)
	if l.answers > 0 {
		l.answers--
		return nil, errors.Join(raft.ErrOutcomeUnknown, errors.New("connection reset"))
	}
	return b, err
}

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

var k = []byte("k")

func put(m *service.Member) error {
	_, err := m.Put(context.Background(), &store.PutRequest{Key: k})
	return err
}

// version is that of the key k; 0: there is none.
func version(t *testing.T, m *service.Member) int64 {
	r, err := m.Range(t.Context(), &store.RangeRequest{Key: k}, false)
	require.NoError(t, err)
	return versionOf(r)
}

func versionOf(r *store.RangeResponse) int64 {
	if len(r.KVs) == 0 {
		return 0
	}
	return r.KVs[0].Version
}
