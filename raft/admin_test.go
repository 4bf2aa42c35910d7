package raft

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// gated is a storage whose Save waits while its gate is shut.
type gated struct {
	Storage
	gate atomic.Pointer[chan struct{}]
}

func (g *gated) shut() (open func()) {
	gate := make(chan struct{})
	g.gate.Store(&gate)
	return func() {
		g.gate.Store(nil)
		close(gate)
	}
}

func (g *gated) Save(hs HardState, es []Entry, sync bool) error {
	if gate := g.gate.Load(); gate != nil {
		<-*gate
	}
	return g.Storage.Save(hs, es, sync)
}

// holdLoop has a node's loop wait in the middle of a turn: what comes
// meanwhile is one turn's mail.
func holdLoop(n *Node) (release func()) {
	held := make(chan struct{})
	go n.ask(context.Background(), func(*Core) error { <-held; return nil }, nil)
	synctest.Wait()
	return func() { close(held) }
}

func learner(id NodeID) Membership {
	return Membership{Voters: []NodeID{1}, Learners: []NodeID{id}}
}

// A change is committed, and the next one begins, in one turn of the loop.
func TestNodeChangeOfMembershipIsAnsweredAlthoughTheNextOneFollows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		disk := &gated{Storage: &MemStorage{}}
		n, err := Start(Options{Config: Config{ID: 1, Voters: []NodeID{1}}, Storage: disk, StateMachine: newRegister()})
		require.NoError(t, err)
		defer n.Close()
		time.Sleep(5 * time.Second)
		require.Equal(t, Leader, n.Status().Role)
		ends := [2]chan error{make(chan error, 1), make(chan error, 1)}
		change := func(i int) {
			go func() { ends[i] <- n.ChangeMembership(t.Context(), learner(NodeID(2+i))) }()
			synctest.Wait()
		}
		open := disk.shut()
		change(0)
		release := holdLoop(n)
		open() // the first is durable, which commits it
		synctest.Wait()
		change(1)
		release()
		time.Sleep(5 * time.Second)
		for i := range ends {
			select {
			case err := <-ends[i]:
				require.NoError(t, err)
			default:
				t.Errorf("RULE no-silence: change %d of 2 is committed, and who asked for it waits on", i+1)
			}
		}
	})
}

// Who gives up while the change waits for its turn has not undone it.
func TestNodeChangeOfMembershipThatTimesOutHasAnUnknownOutcome(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 1, nil)
		n := p.nodes[p.leader()]
		release := holdLoop(n)
		ctx, giveUp := context.WithCancel(t.Context())
		end := make(chan error, 1)
		go func() { end <- n.ChangeMembership(ctx, learner(2)) }()
		synctest.Wait()
		giveUp()
		err := <-end
		release()
		synctest.Wait()
		m, failed := n.Membership(t.Context())
		require.NoError(t, failed)
		require.Equal(t, learner(2), m, "it was done")
		require.ErrorIs(t, err, ErrOutcomeUnknown, "RULE outcome-unknown: of a change that was done")
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, context.Canceled, n.ChangeMembership(ctx, learner(3)), "it was over before it began")
		m, failed = n.Membership(t.Context())
		require.NoError(t, failed)
		require.Equal(t, learner(2), m)
	})
}

// deaf is the transport of a node that is heard when it campaigns, and hears
// and says nothing else.
type deaf struct {
	Transport
	on atomic.Bool
}

func (d *deaf) Start(deliver func(Message)) error {
	return d.Transport.Start(func(m Message) {
		if !d.on.Load() || m.Type == TimeoutNow {
			deliver(m)
		}
	})
}

func (d *deaf) Send(ms []Message) {
	for _, m := range ms {
		if !d.on.Load() || m.Type == RequestVote && m.Force {
			d.Transport.Send([]Message{m})
		}
	}
}

// The heir campaigns and is lost; then another is elected.
func TestNodeTransferIsAnsweredWhenAnotherTakesOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		heir := &deaf{}
		p := newParty(t, 3, func(o *Options) {
			switch o.ID {
			case 1:
				o.ElectionDelay = 50 // so that it is not the one
			case 2:
				heir.Transport = o.Transport
				o.Transport = heir
			}
		})
		if l := p.leader(); l != 1 {
			require.NoError(t, p.nodes[l].TransferLeadership(t.Context(), 1))
		}
		p.put(1, "x", "1")
		time.Sleep(time.Second)
		heir.on.Store(true)
		end := make(chan error, 1)
		go func() { end <- p.nodes[1].TransferLeadership(t.Context(), 2) }()
		time.Sleep(20 * time.Second)
		require.Equal(t, NodeID(3), p.nodes[1].Status().Leader)
		select {
		case err := <-end:
			require.ErrorIs(t, err, ErrDropped)
			require.ErrorContains(t, err, "n3 took over in place of n2")
		default:
			t.Error("RULE no-silence: another leads, and who asked for a transfer waits on")
		}
	})
}
