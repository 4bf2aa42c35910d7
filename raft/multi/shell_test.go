package multi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// counter notices when two workers are in it, and when commands come out of
// order.
type counter struct {
	nothing
	inside atomic.Int32
	twice  atomic.Bool
	last   atomic.Uint64
	gaps   atomic.Bool
}

func (c *counter) Apply(index uint64, _ []byte) []byte {
	if c.inside.Add(1) > 1 {
		c.twice.Store(true)
	}
	if index <= c.last.Swap(index) {
		c.gaps.Store(true)
	}
	time.Sleep(time.Millisecond) // in the bubble: lets another worker in
	c.inside.Add(-1)
	return nil
}

func TestAGroupIsAppliedByOneWorkerAtATimeInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &counter{}
		p := newParty(t, 1, func(o *Options) {
			o.StateMachine = func(GroupID) (raft.StateMachine, error) { return c, nil }
		})
		p.create(1)
		p.leader(1)
		for i := range 20 {
			go p.hosts[1].Propose(context.Background(), 1, []byte("x"))
			if i%3 == 0 {
				synctest.Wait()
			}
		}
		time.Sleep(time.Second)
		if c.twice.Load() || c.gaps.Load() {
			broken(t, "M10", "two workers are in one state machine: %v, out of order: %v", c.twice.Load(), c.gaps.Load())
		}
		require.NotZero(t, c.last.Load())
	})
}

// slowDisk is a storage whose Save can be made to wait, or to fail.
type slowDisk struct {
	MemStorage
	block atomic.Pointer[chan struct{}]
	fail  atomic.Bool
}

var errDisk = errors.New("the disk is broken")

func (d *slowDisk) Save(writes []Write, sync bool) error {
	if block := d.block.Load(); block != nil {
		<-*block
	}
	if d.fail.Load() {
		return errDisk
	}
	return d.MemStorage.Save(writes, sync)
}

func slowParty(t *testing.T) (*party, map[raft.NodeID]*slowDisk) {
	p := newParty(t, 0, func(o *Options) { o.Raft.Lease = 8 })
	disks := map[raft.NodeID]*slowDisk{}
	for id := raft.NodeID(1); id <= 3; id++ {
		disks[id] = &slowDisk{}
		p.ids = append(p.ids, id)
		p.storages[id] = func() Storage { return disks[id] }
		p.start(id)
	}
	p.create(1)
	p.put(1, "a", "1")
	return p, disks
}

func TestAHostWhoseDiskStallsFallsSilentAndIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, disks := slowParty(t)
		old := p.leader(1)
		block := make(chan struct{})
		disks[old.opts.ID].block.Store(&block)
		go old.Propose(context.Background(), 1, []byte("a=2"))
		time.Sleep(5 * time.Second)
		var now raft.NodeID
		for _, id := range p.ids {
			if st, err := p.hosts[id].Status(context.Background(), 1); err == nil && id != old.opts.ID && st.Role == raft.Leader {
				now = id
			}
		}
		if now == raft.None {
			broken(t, "M11", "a leader whose disk has not answered for 5 s is not replaced")
		}
		disks[old.opts.ID].block.Store(nil)
		close(block)
		time.Sleep(5 * time.Second)
		p.put(1, "a", "3")
	})
}

// Nor do the commands and reads that clients go on to ask of it keep it alive.
func TestAHostWhoseDiskStallsIsReplacedThoughItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, disks := slowParty(t)
		old := p.leader(1)
		block := make(chan struct{})
		disks[old.opts.ID].block.Store(&block)
		defer func() {
			disks[old.opts.ID].block.Store(nil)
			close(block)
		}()
		asking, enough := context.WithCancel(t.Context())
		defer enough()
		for _, ask := range []func(context.Context) error{
			func(ctx context.Context) error { return old.Read(ctx, 1) },
			func(ctx context.Context) error {
				_, err := old.Propose(ctx, 1, []byte("a=2"))
				return err
			},
		} {
			go func() {
				for asking.Err() == nil {
					ctx, cancel := context.WithTimeout(asking, 100*time.Millisecond)
					_ = ask(ctx)
					<-ctx.Done()
					cancel()
				}
			}()
		}
		time.Sleep(10 * time.Second)
		for _, id := range p.ids {
			if st, err := p.hosts[id].Status(context.Background(), 1); err == nil && id != old.opts.ID && st.Role == raft.Leader {
				return
			}
		}
		broken(t, "M11", "a leader whose disk has not answered for 10 s, while clients ask on, is not replaced")
	})
}

func TestLeasesEndWhenTheClockStoodStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 1, func(c *Config) { c.Raft.Lease = 8 })
		core := l.cores[0]
		const interval = 100 * time.Millisecond
		h := &Host{core: core, due: time.Now().Add(interval), opts: Options{TickInterval: interval}}
		h.opts.Raft.ElectionTicks = 10
		lease := func() bool {
			st, err := core.GroupStatus(1)
			require.NoError(t, err)
			return st.Lease
		}
		for range 5 {
			time.Sleep(interval)
			h.passTime()
			l.settle()
			l.cores[1].Tick()
			l.cores[2].Tick()
			l.settle()
		}
		require.True(t, lease(), "a leader that is heard has a lease")
		time.Sleep(10 * interval)
		before := core.now
		h.passTime()
		require.Equal(t, before+1, core.now, "one tick, no burst")
		if lease() {
			broken(t, "M11", "a lease outlives a clock that stood still")
		}
	})
}

func TestAHostWhoseDiskFailsStopsAndSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, disks := slowParty(t)
		h := p.leader(1)
		disks[h.opts.ID].fail.Store(true)
		_, err := h.Propose(context.Background(), 1, []byte("a=2"))
		require.ErrorIs(t, err, raft.ErrOutcomeUnknown)
		<-h.Done()
		require.ErrorIs(t, h.Err(), raft.ErrStorage)
		require.ErrorIs(t, h.Err(), errDisk)
		_, err = h.Propose(context.Background(), 1, []byte("a=2"))
		require.ErrorIs(t, err, raft.ErrStopped)
		require.ErrorIs(t, h.Read(context.Background(), 1), raft.ErrStopped)
		_, err = h.Groups(context.Background())
		require.ErrorIs(t, err, raft.ErrStopped)
		disks[h.opts.ID].fail.Store(false)
		p.stop(h.opts.ID)
		p.put(1, "a", "4") // the others go on
	})
}

// Commands of a deposed leader stand at indexes that its successor's log does
// not reach, perhaps for hours: what became of them is known all the same.
func TestNobodyWaitsForAnIndexThatNobodyReaches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		p.create(1)
		p.put(1, "a", "1")
		old := p.leader(1)
		rest := slices.DeleteFunc(slices.Clone(p.ids), func(id raft.NodeID) bool { return id == old.opts.ID })
		p.network.Cut([]raft.NodeID{old.opts.ID}, rest)
		ends := make(chan error, 20)
		for range cap(ends) {
			go func() {
				_, err := old.Propose(t.Context(), 1, []byte("a=2"))
				ends <- err
			}()
		}
		time.Sleep(10 * time.Second) // the others have a leader, who adds one entry
		p.network.Heal()
		time.Sleep(10 * time.Second)
		st, err := old.Status(t.Context(), 1)
		require.NoError(t, err)
		require.Equal(t, raft.Follower, st.Role)
		for range cap(ends) {
			select {
			case err := <-ends:
				require.ErrorIs(t, err, raft.ErrDropped)
			default:
				broken(t, "no-silence", "a command of a deposed leader is not answered for 10 s")
				return
			}
		}
	})
}

func TestWhoeverWaitsIsToldWhenTheHostCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 3, nil)
		p.create(1)
		h := p.leader(1)
		p.network.Cut([]raft.NodeID{h.opts.ID}, p.ids)
		errs := make(chan error, 3)
		go func() {
			_, err := h.Propose(context.Background(), 1, []byte("a=1"))
			errs <- err
		}()
		go func() { errs <- h.Read(context.Background(), 1) }()
		go func() {
			errs <- h.ChangeMembership(context.Background(), 1, raft.Membership{Voters: []raft.NodeID{1, 2}})
		}()
		synctest.Wait()
		p.stop(h.opts.ID)
		for range 3 {
			require.ErrorIs(t, <-errs, raft.ErrStopped)
		}
		require.NoError(t, h.Close())
	})
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	machine := func(GroupID) (raft.StateMachine, error) { return newTable(), nil }
	for _, o := range []Options{
		{}, {ID: 1}, {StateMachine: machine}, {ID: 1, StateMachine: machine, TickInterval: -1}, {ID: 1, StateMachine: machine, Workers: -1},
		{ID: 1, StateMachine: machine, Raft: raft.Config{Lease: 20}},
	} {
		_, err := Start(o)
		require.ErrorIs(t, err, raft.ErrInvalid)
	}
	network := NewNetwork()
	h, err := Start(Options{ID: 1, StateMachine: machine, Transport: network.Join(1)})
	require.NoError(t, err)
	defer h.Close()
	_, err = Start(Options{ID: 1, StateMachine: machine, Transport: network.Join(1)})
	require.ErrorIs(t, err, raft.ErrInvalid)
	require.ErrorContains(t, err, "already")
	require.ErrorContains(t, fmt.Errorf("%w", h.Split(context.Background(), 1, 0, nil)), "cannot be split into")
	_, err = h.Status(context.Background(), 7)
	require.ErrorIs(t, err, ErrNoGroup)
}

func TestAHostThatIsToJoinAGroupThatWasJustMadeHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 1, nil)
		p.create(1)
		p.create(2)
		p.put(1, "a", "1")
		h, before := p.hosts[1], p.tables[1][1]
		require.NoError(t, h.Remove(context.Background(), 2))
		for g := GroupID(1); g <= 2; g++ {
			if err := h.ask(context.Background(), &request{start: func() error { return h.join(g) }}); err != nil {
				broken(t, "M8", "the members of %s counted on a host that made it, and removed it, in the same turn; the host stops over it: %v", g, err)
			}
		}
		require.Same(t, before, p.tables[1][1], "RULE M8: a second state machine was made for a group")
	})
}

func TestAHostWithoutAStateMachineForAGroupThatWantsItGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refuse atomic.Bool
		refuse.Store(true)
		p := newParty(t, 3, func(o *Options) {
			machine := o.StateMachine
			o.StateMachine = func(g GroupID) (raft.StateMachine, error) {
				if g == 2 && o.ID == 3 && refuse.Load() {
					return nil, errDisk
				}
				return machine(g)
			}
		})
		p.create(1)
		for _, id := range p.ids[:2] {
			require.NoError(t, p.hosts[id].Create(context.Background(), 2, p.ids))
		}
		time.Sleep(30 * time.Second)
		if _, err := p.hosts[3].Status(context.Background(), 1); err != nil {
			broken(t, "M8", "the state machine of g2 cannot be made on n3, and g1 there: %v", err)
			return
		}
		refuse.Store(false)
		time.Sleep(30 * time.Second)
		_, err := p.hosts[3].Status(context.Background(), 2)
		require.NoError(t, err, "it was asked again")
	})
}

// Whatever ends the host, who has asked for something in that turn is told so.
func TestTheMailOfAHostsLastTurnIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		p := newParty(t, 1, func(o *Options) {
			o.StateMachine = func(GroupID) (raft.StateMachine, error) { return held{release}, nil }
		})
		p.create(1)
		h := p.leader(1)
		go h.Propose(context.Background(), 1, []byte("x"))
		synctest.Wait() // it is in the log, and not applied
		st, err := h.Status(context.Background(), 1)
		require.NoError(t, err)
		r := &reader{group: 1, done: make(chan error, 1)}
		require.NoError(t, h.inbox.put(func(m *mail) {
			m.captured = append(m.captured, captured{group: h.groups[1], index: st.Last})
			m.reads = append(m.reads, r)
		}))
		synctest.Wait()
		select {
		case err := <-r.done:
			require.ErrorIs(t, err, raft.ErrStopped)
		default:
			broken(t, "M10", "the log of a group could not be cut, the host has ended, and a read of that turn waits for ever")
		}
		close(release)
	})
}

// held is a state machine that waits with each command.
type held struct{ release chan struct{} }

func (m held) Apply(uint64, []byte) []byte    { <-m.release; return nil }
func (m held) Snapshot() (io.WriterTo, error) { return nothing{}.Snapshot() }
func (m held) Restore(r io.Reader) error      { return nil }
