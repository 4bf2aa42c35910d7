package multi

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

func TestGroupsOfOneHostAreIndependent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		for g := GroupID(1); g <= 5; g++ {
			p.create(g)
		}
		for g := GroupID(1); g <= 5; g++ {
			p.put(g, "a", g.String())
		}
		time.Sleep(time.Second)
		for _, id := range p.ids {
			for g := GroupID(1); g <= 5; g++ {
				require.Equal(t, g.String(), p.tables[id][g].get("a"))
			}
		}
	})
}

func TestIdleGroupsSleepAndWakeForACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		p.create(1)
		p.put(1, "a", "1")
		require.True(t, p.asleep(1), "the group does not come to rest")
		before := p.hosts[1].Metrics()
		time.Sleep(10 * time.Second)
		after := p.hosts[1].Metrics()
		require.Equal(t, before.Woken, after.Woken)
		p.put(1, "a", "2")
		require.True(t, p.asleep(1), "the group does not come to rest again")
		for _, id := range p.ids {
			require.Equal(t, "2", p.tables[id][1].get("a"))
		}
	})
}

func TestASleepingGroupOutlivesItsLeadersHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		p.create(1)
		p.put(1, "a", "1")
		require.True(t, p.asleep(1))
		st, err := p.hosts[1].Status(context.Background(), 1)
		require.NoError(t, err)
		dead := st.Leader
		p.stop(dead)
		p.put(1, "a", "2")
		p.start(dead)
		require.True(t, p.asleep(1), "the host that came back keeps the group awake")
		require.Equal(t, "2", p.tables[dead][1].get("a"))
	})
}

func TestASplitMakesTheRightGroupOnEveryHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		p.create(1)
		for i := range 10 {
			p.put(1, fmt.Sprintf("k%d", i), "v")
		}
		h := p.leader(1)
		require.ErrorIs(t, h.Split(context.Background(), 1, 2, nil), errNoSplit)
		require.NoError(t, h.Split(context.Background(), 1, 2, []byte("k5")))
		require.ErrorIs(t, h.Split(context.Background(), 1, 2, []byte("k5")), ErrExists)
		p.put(2, "k7", "w")
		p.put(1, "k3", "w")
		require.True(t, p.asleep(1))
		require.True(t, p.asleep(2))
		for _, id := range p.ids {
			gr := p.hosts[id].groups[2]
			require.Len(t, gr.machine.(*table).all(), 5)
			require.Equal(t, "w", gr.machine.(*table).get("k7"))
			require.Len(t, p.tables[id][1].all(), 5)
		}
	})
}

func TestLeadershipMovesAndReadsFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 3, func(o *Options) { o.Raft.Lease = 8 })
		p.create(1)
		p.put(1, "a", "1")
		require.True(t, p.asleep(1))
		h := p.leader(1)
		to := raft.NodeID(1)
		if h.opts.ID == to {
			to = 2
		}
		require.NoError(t, h.TransferLeadership(context.Background(), 1, to))
		time.Sleep(2 * time.Second)
		require.Equal(t, to, p.leader(1).opts.ID)
		require.NoError(t, p.hosts[to].Read(context.Background(), 1))
		st, err := p.hosts[to].Status(context.Background(), 1)
		require.NoError(t, err)
		require.True(t, st.Lease, "a leader that is asked has a lease")
		// With a lease a read sends nothing.
		sent := p.hosts[to].Metrics().Sent
		for range 100 {
			require.NoError(t, p.hosts[to].Read(context.Background(), 1))
		}
		require.LessOrEqual(t, p.hosts[to].Metrics().Sent, sent+2)
	})
}

func TestARemovedGroupIsGoneForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		leads := map[Lead]bool{}
		p := newParty(t, 3, func(o *Options) {
			o.OnLeader = func(g GroupID, term uint64, led bool) {
				mu.Lock()
				defer mu.Unlock()
				leads[Lead{g, term, led}] = true
			}
		})
		p.create(1)
		p.create(2)
		p.put(1, "a", "1")
		for _, id := range p.ids {
			require.NoError(t, p.hosts[id].Remove(context.Background(), 1))
		}
		_, err := p.hosts[1].Propose(context.Background(), 1, []byte("a=2"))
		require.ErrorIs(t, err, ErrRemoved)
		synctest.Wait()
		mu.Lock()
		require.True(t, leads[Lead{1, 1, true}] && leads[Lead{1, 1, false}], "the lead of a group ends with the group: %v", leads)
		mu.Unlock()
		require.ErrorIs(t, p.hosts[1].Create(context.Background(), 1, p.ids), ErrRemoved)
		p.put(2, "a", "2")
		p.stop(1)
		p.start(1)
		require.ErrorIs(t, p.hosts[1].Create(context.Background(), 1, p.ids), ErrRemoved)
		require.ErrorIs(t, p.hosts[1].Read(context.Background(), 1), ErrRemoved)
		require.ErrorIs(t, p.hosts[1].Read(context.Background(), 77), ErrNoGroup)
	})
}

func TestANewMemberGetsTheGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 4, nil)
		first := p.ids[:3]
		for _, id := range first {
			require.NoError(t, p.hosts[id].Create(context.Background(), 1, first))
		}
		p.put(1, "a", "1")
		h := p.leader(1)
		require.NoError(t, h.ChangeMembership(context.Background(), 1, raft.Membership{Voters: first, Learners: []raft.NodeID{4}}))
		time.Sleep(5 * time.Second)
		require.NoError(t, p.leader(1).ChangeMembership(context.Background(), 1, raft.Membership{Voters: p.ids}))
		p.put(1, "b", "2")
		require.True(t, p.asleep(1))
		require.Equal(t, map[string]string{"a": "1", "b": "2"}, p.tables[4][1].all())
	})
}

func TestAReadWaitsForWhatItMustSee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 3, func(o *Options) { o.Raft.Lease = 8 })
		p.create(1)
		p.put(1, "a", "1")
		h := p.leader(1)
		block := make(chan struct{})
		p.tables[h.opts.ID][1].block = block
		go h.Propose(context.Background(), 1, []byte("a=2"))
		time.Sleep(time.Second) // it is committed, and not applied here
		got := make(chan string, 1)
		go func() {
			if h.Read(context.Background(), 1) == nil {
				got <- p.tables[h.opts.ID][1].get("a")
			}
		}()
		synctest.Wait()
		select {
		case v := <-got:
			broken(t, "M13", "a read finds %s; what it must see is not applied yet", v)
			close(block)
		default:
			close(block)
			require.Equal(t, "2", <-got)
		}
	})
}

func TestASlowStateMachineHoldsUpNoOtherGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 1, func(o *Options) { o.Workers = 2 })
		p.create(1)
		p.create(2)
		p.leader(1)
		p.leader(2)
		block := make(chan struct{})
		p.tables[1][1].block = block
		go p.hosts[1].Propose(context.Background(), 1, []byte("a=1"))
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		if _, err := p.hosts[1].Propose(ctx, 2, []byte("a=1")); err != nil {
			broken(t, "M10", "a command of g2 waits for one of g1: %v", err)
		}
		close(block)
	})
}
