package multi

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// engine is the storage engine of a host: the state machines of all groups are
// parts of it. Synced by itself now and then, and when it is asked, it comes back
// from a power cut as of then.
type engine struct {
	mu      sync.Mutex
	groups  map[GroupID]*enginePart
	durable map[GroupID]*table
	writes  int
}

// sync makes everything durable that is in the engine now.
func (e *engine) sync() {
	e.durable = map[GroupID]*table{}
	for g, part := range e.groups {
		e.durable[g] = &table{values: part.all(), last: part.index()}
	}
}

// crash is the engine after a power cut.
func (e *engine) crash() *engine {
	after := &engine{groups: map[GroupID]*enginePart{}}
	for g, t := range e.durable {
		after.groups[g] = &enginePart{table: t, engine: after}
	}
	after.sync()
	return after
}

type enginePart struct {
	*table
	engine *engine
}

func (p *enginePart) index() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

func (p *enginePart) Applied() uint64 {
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	p.engine.sync()
	return p.index()
}

func (p *enginePart) Apply(index uint64, command []byte) []byte {
	result := p.table.Apply(index, command)
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	if p.engine.writes++; p.engine.writes%7 == 0 {
		p.engine.sync()
	}
	return result
}

func (p *enginePart) Split(index uint64, right GroupID, at []byte) raft.StateMachine {
	part := &enginePart{table: p.table.Split(index, right, at).(*table), engine: p.engine}
	part.last = 0
	p.engine.mu.Lock()
	defer p.engine.mu.Unlock()
	p.engine.groups[right] = part
	return part
}

// machine finds a group's part, which exists for group 1 only, or after a split.
func (e *engine) machine(g GroupID) (raft.StateMachine, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if part := e.groups[g]; part != nil {
		return part, nil
	}
	if g != 1 {
		return nil, nil
	}
	e.groups[g] = &enginePart{table: newTable(), engine: e}
	return e.groups[g], nil
}

func (e *engine) part(g GroupID) *enginePart {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.groups[g]
}

// all is everything in all groups, and complains of what is there twice.
func (e *engine) all(t *testing.T) map[string]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := map[string]string{}
	for g, part := range e.groups {
		for key, value := range part.all() {
			if _, twice := all[key]; twice {
				broken(t, "M7", "%s is in %s and in another group", key, g)
			}
			all[key] = value
		}
	}
	return all
}

func startDurable(t *testing.T, fs *vfs.Mem, e *engine) *Host {
	d, err := OpenDisk("d", DiskOptions{Node: 1, FS: fs, SegmentSize: 8 << 10, MaxSegments: 2})
	require.NoError(t, err)
	h, err := Start(Options{ID: 1, Storage: d, StateMachine: e.machine, SnapshotEvery: 8, Raft: raft.Config{Seed: 1}})
	if err != nil {
		broken(t, "M7", "the host does not start on what the engine and the log hold: %v", err)
		t.FailNow()
	}
	return h
}

// await calls f until it succeeds, or the host has stopped.
func await(h *Host, f func() error) error {
	for {
		err := f()
		if err == nil || h.Err() != nil {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// The engine remembers at once what it applied, the log only what was synced:
// power is cut at every operation in turn of a story in which a group is split.
func TestASplitIsThereWholeOrNotAtAll(t *testing.T) {
	ctx := context.Background()
	// story returns what was acknowledged.
	story := func(h *Host) (acked map[string]string, err error) {
		acked = map[string]string{}
		put := func(g GroupID, key string) {
			if err == nil {
				err = await(h, func() error {
					_, err := h.Propose(ctx, g, []byte(key+"=v"))
					return err
				})
			}
			if err == nil {
				acked[key] = "v"
			}
		}
		if err = h.Create(ctx, 1, []raft.NodeID{1}); err != nil {
			return acked, err
		}
		for i := range 3 { // few: the cut of the log makes the engine durable
			put(1, fmt.Sprintf("k%d", 2*i))
		}
		if err == nil {
			err = h.Split(ctx, 1, 2, []byte("k3"))
		}
		put(1, "k0")
		for i := range 12 { // the log is cut meanwhile
			put(2, fmt.Sprintf("k7%d", i))
		}
		return acked, err
	}
	cut := func(n int64) (done bool) {
		synctest.Test(t, func(t *testing.T) {
			fs, e := vfs.NewMem(), &engine{groups: map[GroupID]*enginePart{}}
			h := startDurable(t, fs, e)
			fs.CutPowerDuring(fs.Ops() + n)
			acked, err := story(h)
			done = err == nil
			h.Close()
			synctest.Wait()
			e = e.crash()
			h = startDurable(t, fs.CrashClone(rand.New(rand.NewPCG(uint64(n), 1))), e)
			defer h.Close()
			time.Sleep(5 * time.Second)
			for key := range acked {
				if _, ok := e.all(t)[key]; !ok {
					broken(t, "M7", "%s was acknowledged and is nowhere; power was cut at operation %d", key, n)
				}
			}
			if part := e.part(2); part != nil { // the right part lives, so it must have a group
				if err := await(h, func() error {
					_, err := h.Propose(ctx, 2, []byte("k9=w"))
					if errors.Is(err, ErrNoGroup) {
						broken(t, "M7", "the state was split, and the group is gone; power was cut at operation %d", n)
						return nil
					}
					return err
				}); err == nil && !t.Failed() {
					require.Equal(t, "w", part.get("k9"))
				}
			}
		})
		return done
	}
	n := int64(1)
	for !cut(n) && !t.Failed() {
		n++
	}
	require.Greater(t, n, int64(30), "the story has hardly touched the disk")
}

// What a durable state machine has already, is not applied again, and its log is
// cut without its state.
func TestADurableStateMachineStartsWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		fs, e := vfs.NewMem(), &engine{groups: map[GroupID]*enginePart{}}
		h := startDurable(t, fs, e)
		require.NoError(t, h.Create(ctx, 1, []raft.NodeID{1}))
		for i := range 30 {
			require.NoError(t, await(h, func() error {
				_, err := h.Propose(ctx, 1, fmt.Appendf(nil, "k=%d", i))
				return err
			}))
		}
		require.Positive(t, h.Metrics().Cuts)
		require.NoError(t, h.Close())
		before := maps.Clone(e.groups[1].all())
		e.groups[1].values["k"] = "not again" // shows if anything is applied or restored
		h = startDurable(t, fs, e)
		defer h.Close()
		require.NoError(t, await(h, func() error { return h.Read(ctx, 1) }))
		require.Equal(t, "29", before["k"])
		require.Equal(t, "not again", e.groups[1].get("k"))
	})
}

// Hosts on disks, one of which loses its power; then all are started again.
func TestHostsComeBackFromTheirLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newParty(t, 0, func(o *Options) { o.SnapshotEvery = 20 })
		disks := map[raft.NodeID]*vfs.Mem{}
		for id := raft.NodeID(1); id <= 3; id++ {
			p.ids = append(p.ids, id)
			disks[id] = vfs.NewMem()
			p.storages[id] = func() Storage {
				d, err := OpenDisk("d", DiskOptions{Node: id, FS: disks[id], SegmentSize: 8 << 10, MaxSegments: 2})
				require.NoError(t, err)
				return d
			}
			p.start(id)
		}
		for g := GroupID(1); g <= 4; g++ {
			p.create(g)
		}
		for i := range 60 {
			for g := GroupID(1); g <= 4; g++ {
				p.put(g, fmt.Sprintf("k%d", i%7), fmt.Sprint(i))
			}
		}
		require.NoError(t, p.leader(1).Split(context.Background(), 1, 9, []byte("k4")))
		p.put(9, "k6", "new")
		power := disks[1].CrashClone(rand.New(rand.NewPCG(1, 1)))
		p.stop(1)
		disks[1] = power
		p.start(1)
		p.put(9, "k5", "newer")
		for _, id := range p.ids {
			p.stop(id)
		}
		for _, id := range p.ids {
			p.start(id)
		}
		p.put(1, "k0", "last")
		p.put(9, "k7", "last")
		require.True(t, p.asleep(1))
		require.True(t, p.asleep(9))
		for _, id := range p.ids {
			require.Equal(t, map[string]string{"k0": "last", "k1": "57", "k2": "58", "k3": "59"}, p.hosts[id].groups[1].machine.(*table).all(), id)
			require.Equal(t, map[string]string{"k4": "53", "k5": "newer", "k6": "new", "k7": "last"}, p.hosts[id].groups[9].machine.(*table).all(), id)
		}
	})
}
