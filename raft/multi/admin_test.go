package multi

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// holdLoop has a host's loop wait in the middle of a turn: what comes meanwhile
// is one turn's mail.
func holdLoop(h *Host) (release func()) {
	held := make(chan struct{})
	go h.ask(context.Background(), &request{start: func() error { <-held; return nil }})
	synctest.Wait()
	return func() { close(held) }
}

func learner(id raft.NodeID) raft.Membership {
	return raft.Membership{Voters: []raft.NodeID{1}, Learners: []raft.NodeID{id}}
}

// A change is committed, and the next one begins, in one turn of the loop.
func TestAChangeOfMembershipIsAnsweredAlthoughTheNextOneFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, disk := newParty(t, 0, nil), &slowDisk{}
		p.ids = []raft.NodeID{1}
		p.storages[1] = func() Storage { return disk }
		h := p.start(1)
		p.create(1)
		p.put(1, "a", "1")
		ends := [2]chan error{make(chan error, 1), make(chan error, 1)}
		change := func(i int) {
			go func() { ends[i] <- h.ChangeMembership(t.Context(), 1, learner(raft.NodeID(2+i))) }()
			synctest.Wait()
		}
		block := make(chan struct{})
		disk.block.Store(&block)
		change(0)
		release := holdLoop(h)
		disk.block.Store(nil)
		close(block) // the first is durable, which commits it
		synctest.Wait()
		change(1)
		release()
		time.Sleep(5 * time.Second)
		for i := range ends {
			select {
			case err := <-ends[i]:
				require.NoError(t, err)
			default:
				broken(t, "no-silence", "change %d of 2 is committed, and who asked for it waits on", i+1)
			}
		}
	})
}

// Who gives up while the change waits for its turn has not undone it.
func TestAChangeOfMembershipThatIsGivenUpHasAnUnknownOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 1, nil)
		p.create(1)
		h := p.leader(1)
		release := holdLoop(h)
		ctx, giveUp := context.WithCancel(t.Context())
		end := make(chan error, 1)
		go func() { end <- h.ChangeMembership(ctx, 1, learner(2)) }()
		synctest.Wait()
		giveUp()
		err := <-end
		release()
		synctest.Wait()
		st, failed := h.Status(t.Context(), 1)
		require.NoError(t, failed)
		require.Equal(t, learner(2), st.Membership, "it was done")
		require.ErrorIs(t, err, raft.ErrOutcomeUnknown, "RULE outcome-unknown: of a change that was done")
		require.Equal(t, context.Canceled, h.ChangeMembership(ctx, 1, learner(3)), "it was over before it began")
	})
}

// deaf is the transport of a host that is heard when it campaigns because it is
// told to, and hears and says nothing else.
type deaf struct {
	Transport
	on atomic.Bool
}

func (d *deaf) only(e Envelope, keep func(m *raft.Message) bool) (Envelope, bool) {
	if !d.on.Load() {
		return e, true
	}
	e.Messages = slices.DeleteFunc(slices.Clone(e.Messages), func(m Message) bool { return !keep(&m.Raft) })
	return e, len(e.Messages) > 0
}

func (d *deaf) Start(deliver func(Envelope)) error {
	return d.Transport.Start(func(e Envelope) {
		if e, ok := d.only(e, func(m *raft.Message) bool { return m.Type == raft.TimeoutNow }); ok {
			deliver(e)
		}
	})
}

func (d *deaf) Send(es []Envelope) {
	for _, e := range es {
		if e, ok := d.only(e, func(m *raft.Message) bool { return m.Type == raft.RequestVote && m.Force }); ok {
			d.Transport.Send([]Envelope{e})
		}
	}
}

// The heir campaigns and is lost; then another is elected.
func TestATransferIsAnsweredWhenAnotherTakesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heir := &deaf{}
		p := newParty(t, 3, func(o *Options) {
			o.NeverRest = true
			switch o.ID {
			case 1:
				o.Raft.ElectionDelay = 50 // so that it is not the one
			case 2:
				heir.Transport = o.Transport
				o.Transport = heir
			}
		})
		p.create(1)
		if l := p.leader(1); l.opts.ID != 1 {
			require.NoError(t, l.TransferLeadership(t.Context(), 1, 1))
		}
		p.put(1, "a", "1")
		time.Sleep(time.Second) // the heir has everything, and said so
		heir.on.Store(true)
		end := make(chan error, 1)
		go func() { end <- p.hosts[1].TransferLeadership(t.Context(), 1, 2) }()
		time.Sleep(20 * time.Second)
		st, err := p.hosts[1].Status(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, raft.NodeID(3), st.Leader)
		select {
		case err := <-end:
			require.ErrorIs(t, err, raft.ErrDropped)
			require.ErrorContains(t, err, "n3 took over")
		default:
			broken(t, "no-silence", "another leads, and who asked for a transfer waits on")
		}
	})
}
