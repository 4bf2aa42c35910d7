package tcp

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

// cluster is three nodes on loopback sockets.
type cluster struct {
	t          *testing.T
	change     func(*Options)
	addresses  map[raft.NodeID]string
	disks      [4]raft.MemStorage
	nodes      [4]*raft.Node
	states     [4]*counter
	transports [4]*Transport
}

func newCluster(t *testing.T, change func(*Options)) *cluster {
	c := &cluster{t: t, change: change, addresses: map[raft.NodeID]string{}}
	var listeners [4]net.Listener
	for id := raft.NodeID(1); id <= 3; id++ {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listeners[id], c.addresses[id] = l, l.Addr().String()
	}
	for id := raft.NodeID(1); id <= 3; id++ {
		c.start(id, listeners[id])
	}
	t.Cleanup(func() {
		for id := raft.NodeID(1); id <= 3; id++ {
			require.NoError(t, c.nodes[id].Close())
		}
		requireNoGoroutines(t)
	})
	return c
}

// start runs a node, on its old address when no listener is given.
func (c *cluster) start(id raft.NodeID, l net.Listener) {
	o := Options{ID: id, ClusterID: "sockets", Listener: l, Address: c.addresses[id], Peers: c.addresses, Logger: textLogger(newTestWriter(c.t))}
	c.change(&o)
	var err error
	c.transports[id], err = Listen(o)
	require.NoError(c.t, err)
	c.states[id] = &counter{}
	c.nodes[id], err = raft.Start(raft.Options{
		Config:  raft.Config{ID: id, Voters: []raft.NodeID{1, 2, 3}},
		Storage: &c.disks[id], Transport: c.transports[id], StateMachine: c.states[id], TickInterval: 10 * time.Millisecond,
		SnapshotEvery: 50, KeepEntries: 1,
	})
	require.NoError(c.t, err)
}

func TestThreeNodesElectCommitAndSurviveTheirLeader(t *testing.T) {
	ca := newAuthority(t)
	for name, change := range map[string]func(*Options){
		"plain": func(*Options) {},
		"tls":   func(o *Options) { o.TLS, o.VerifyPeer = ca.config(o.ID), verifyName },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, change)
			commits := uint64(0)
			for range 20 {
				commit(t, c.nodes[1:]...)
				commits++
			}
			leader := commit(t, c.nodes[1:]...)
			commits++
			dead := leader.Status().ID
			require.NoError(t, leader.Close())
			rest := slices.Delete(slices.Clone(c.nodes[1:]), int(dead)-1, int(dead))
			for range 150 { // past a snapshot: the dead one's log ends below it
				commit(t, rest...)
				commits++
			}
			c.start(dead, nil)
			commit(t, c.nodes[1:]...)
			commits++
			eventually(t, "all nodes hold all commands", func() bool {
				for _, s := range c.states[1:] {
					if s.n.Load() < commits {
						return false
					}
				}
				return true
			})
			eventually(t, "all are connected", func() bool {
				for _, tr := range c.transports[1:] {
					for _, p := range tr.Peers() {
						if !p.Connected {
							return false
						}
					}
				}
				return true
			})
			require.Positive(t, c.transports[dead].Metrics().SnapshotsReceived, "it came back by a snapshot")
		})
	}
}

func TestConnectionReturnsWhenTheListenerDoes(t *testing.T) {
	one, two, in := pair(t, func(*Options) {})
	eventually(t, "connected", func() bool { return peerStatus(one, 2).Connected })
	address := two.Addr().String()
	require.NoError(t, two.Close())
	eventually(t, "lost", func() bool { return !peerStatus(one, 2).Connected })
	again, err := Listen(Options{ID: 2, Address: address, Peers: map[raft.NodeID]string{1: one.Addr().String()}})
	require.NoError(t, err)
	defer again.Close()
	require.NoError(t, again.Start(in.deliver))
	eventually(t, "connected again", func() bool { return peerStatus(one, 2).Connected })
	one.Send([]raft.Message{heartbeat(1, 2, 1)})
	eventually(t, "delivered", func() bool { return len(in.all()) == 1 })
}

func TestSnapshotGoesOverSockets(t *testing.T) {
	one, _, in := pair(t, func(*Options) {})
	m := snapshotMessage(1, 2, 1, randomBytes(8<<20+5))
	one.Send([]raft.Message{m})
	eventually(t, "delivered", func() bool { return len(in.all()) == 1 })
	require.Equal(t, m, in.all()[0])
	eventually(t, "acknowledged", func() bool { return one.Metrics().SnapshotsSent == 1 })
}

func TestCloseLeavesNoGoroutineBehind(t *testing.T) {
	for range 5 {
		one, two, in := pair(t, func(*Options) {})
		for i := range uint64(100) {
			one.Send([]raft.Message{heartbeat(1, 2, i)})
		}
		one.Send([]raft.Message{snapshotMessage(1, 2, 1, randomBytes(4<<20))})
		eventually(t, "something arrives", func() bool { return len(in.all()) > 0 })
		requireCloses(t, one) // in the middle of all that
		requireCloses(t, two)
		requireNoGoroutines(t)
	}
}
