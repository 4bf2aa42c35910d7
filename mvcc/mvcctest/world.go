package mvcctest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sort"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/hlc"
	"github.com/flagship-go/flagship/mvcc/oracle"
	"github.com/flagship-go/flagship/mvcc/region"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

const (
	// lockTTL is short beside how long clients stall, so that live ones are rolled back.
	lockTTL  = 40 * time.Millisecond
	lockWait = 2 * time.Second
	// maxOffset is how far hybrid clocks may differ.
	maxOffset = 10 * time.Millisecond
)

var (
	errWire = errors.New("mvcctest: nobody answers")
	errGone = errors.New("mvcctest: this client is gone")
)

// world is a store whose regions and clients are in one process, and in one goroutine at a
// time: clients are coroutines, and say where another may go on. Time is a number. The same
// seed gives the same world.
//
//	client 1 ─ DB ─┐ wire        ┌ region 1 ┐
//	client 2 ─ DB ─┤ loses,      ├ region 2 ┼─ engine
//	client 3 ─ DB ─┘ delays...   └ region 3 ┘
//	    clocks: one oracle, or a hybrid clock each
type world struct {
	o        *Simulation
	r        *rand.Rand
	now      time.Duration // since epoch
	calm     bool          // nothing is lost any more
	engine   *slowEngine
	regions  []*region.Region // in the order of keys
	nextID   uint64
	detector region.Detector
	clients  []*client
	running  *client // whose coroutine it is; nil: the world's
	writer   *client // in the middle of a write; only those who read go on
	late     []delivery
	oracle   *oracle.Oracle
	manual   *clock.Manual
	kept     clock.Memory // the oracle's bound
	tell     func(format string, args ...any)
}

// epoch is when every world begins.
var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// delivery is a request that comes late.
type delivery struct {
	at   time.Duration
	ref  region.Ref
	q    region.Request
	from int
}

func newWorld(o *Simulation, splits [][]byte) (*world, error) {
	w := &world{o: o, r: rand.New(rand.NewPCG(o.Seed, 7)), manual: clock.NewManual(epoch), nextID: 1, tell: func(string, ...any) {}}
	w.engine = &slowEngine{Engine: mvcc.NewMemory(), w: w}
	var start []byte
	for _, end := range append(slices.Clone(splits), nil) {
		w.regions = append(w.regions, w.newRegion(region.Info{Ref: region.Ref{ID: w.nextID, Epoch: 1}, Start: start, End: end}))
		w.nextID++
		start = end
	}
	if o.Hybrid {
		return w, nil
	}
	return w, w.startOracle()
}

func (w *world) startOracle() (err error) {
	w.oracle, err = oracle.New(&oracle.Options{Store: &w.kept, Window: 20 * time.Millisecond, Source: w.manual})
	return err
}

func (w *world) newRegion(i region.Info) *region.Region {
	return region.New(i, w.engine, region.Options{
		Hybrid: w.o.Hybrid, Detector: &w.detector, Now: func() mvcc.TS { return timestamp.Of(epoch.Add(w.now)) },
	})
}

// find returns the region that has a key.
func (w *world) find(key []byte) *region.Region {
	i := sort.Search(len(w.regions), func(i int) bool { return string(w.regions[i].Info().Start) > string(key) })
	return w.regions[i-1]
}

// infos are the regions as they are now.
func (w *world) infos() (all []region.Info) {
	for _, r := range w.regions {
		all = append(all, r.Info())
	}
	return all
}

// do has a request done, here and now.
func (w *world) do(ref region.Ref, q region.Request) (any, error) {
	for _, r := range w.regions {
		if r.Info().ID == ref.ID {
			return r.Do(context.Background(), ref, q)
		}
	}
	return nil, &region.Error{Region: ref, Reason: "there is none of that number"}
}

// split splits a region.
func (w *world) split(key []byte) {
	r := w.find(key)
	right, err := r.Split(key, w.nextID)
	if err != nil {
		return
	}
	w.nextID++
	i := slices.Index(w.regions, r)
	w.regions = slices.Insert(w.regions, i+1, right)
	w.tell("region %d is split at %s: region %d begins there", r.Info().ID, key, right.Info().ID)
}

// moveLeader makes a region anew, as another machine does that now leads it: all that the
// old one had in memory is lost. The new one begins above what the old one can have served.
func (w *world) moveLeader(i int) {
	w.engine.settle()
	old := w.regions[i]
	w.regions[i] = w.newRegion(old.Info())
	old.Close()
	bound := timestamp.Of(epoch.Add(w.now + maxOffset/2)) // no clock shows more
	if w.oracle != nil {
		bound, _ = w.oracle.Now(context.Background())
	}
	w.regions[i].RaiseReadBound(bound)
	w.tell("region %d is led by another machine, from %v on", old.Info().ID, bound)
}

// slowEngine lets others go on within a request: before its snapshot is taken, if it only
// reads, and before its batch is written. Latches are held there, so that only those who
// read may then come to a region. Now and then nobody knows whether a write was made: it
// comes to be before the next one, or never.
type slowEngine struct {
	mvcc.Engine
	w       *world
	unknown *mvcc.Batch
}

func (e *slowEngine) Snapshot(ctx context.Context) (mvcc.Snapshot, error) {
	if c := e.w.running; c != nil && c.reading && !e.w.calm && e.w.r.IntN(4) == 0 {
		c.pause()
	}
	return e.Engine.Snapshot(ctx)
}

func (e *slowEngine) Write(ctx context.Context, b *mvcc.Batch) error {
	if c := e.w.running; c != nil && !c.reading && !e.w.calm && len(b.Ops) > 0 && e.w.r.IntN(4) == 0 {
		e.w.writer = c
		for range 1 + e.w.r.IntN(6) {
			c.pause()
		}
		e.w.writer = nil
	}
	e.settle()
	if !e.w.calm && !e.w.o.NoFaults && len(b.Ops) > 0 && e.w.r.IntN(300) == 0 {
		e.unknown = copyBatch(b)
		e.w.tell("nobody knows whether the next is written")
		return mvcc.ErrUndetermined
	}
	return e.Engine.Write(ctx, b)
}

// settle decides about the write of which nobody knows.
func (e *slowEngine) settle() {
	b := e.unknown
	e.unknown = nil
	if b != nil && e.w.r.IntN(2) == 0 {
		_ = e.Engine.Write(context.Background(), b)
		e.w.tell("what nobody knew of is written")
	}
}

func copyBatch(b *mvcc.Batch) *mvcc.Batch {
	out := new(mvcc.Batch)
	for _, op := range b.Ops {
		op.Key, op.Value = slices.Clone(op.Key), slices.Clone(op.Value)
		out.Ops = append(out.Ops, op)
	}
	return out
}

// client is a coroutine with a DB of its own, on a machine with a clock.
type client struct {
	w       *world
	id      int
	db      *mvcc.DB
	clock   mvcc.Clock
	source  *clock.Manual // of a hybrid clock
	ahead   time.Duration // of it, before the world's time
	wild    time.Duration // until then it shows a wrong hour; 0 if it does not
	cache   []region.Info
	resume  func() (struct{}, bool)
	yield   func(struct{}) bool
	wakeAt  time.Duration
	gone    bool // it has died: nothing that it does has an effect
	reading bool // it is within a request that only reads
	txn     string
}

// newClient starts a client that does life. kept is what its clock kept of an earlier one.
func (w *world) newClient(id int, kept *clock.Memory, life func(c *client)) (*client, error) {
	c := &client{w: w, id: id, clock: w.oracle, cache: w.infos()}
	if w.o.Hybrid {
		c.ahead = w.skew()
		c.source = clock.NewManual(epoch.Add(w.now + c.ahead))
		c.clock = hlc.New(&hlc.Options{Node: id, Nodes: w.o.Clients + 1, MaxOffset: maxOffset, MaxJump: 2 * maxOffset, Store: kept, Window: 5 * time.Millisecond, Source: c.source, Sleep: c.sleep})
	}
	db, err := mvcc.Open(&mvcc.Options{
		Transport: c, Clock: (*clientClock)(c), LockTTL: lockTTL, LockWait: lockWait, MaxLifetime: time.Minute, Serial: true, Sleep: c.sleep,
		NoAsyncCommit: w.r.IntN(3) == 0, NoOnePC: w.r.IntN(3) == 0,
	})
	if err != nil {
		return nil, err
	}
	c.db = db
	c.resume, _ = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		life(c)
	})
	w.clients = append(w.clients, c)
	return c, nil
}

// skew is how far a clock is ahead of the world's time: two never differ by maxOffset.
func (w *world) skew() time.Duration {
	const most = maxOffset/2 - time.Millisecond
	return time.Duration(w.r.Int64N(int64(2*most))) - most
}

// pause lets others go on.
func (c *client) pause() {
	was := c.w.running
	c.yield(struct{}{})
	c.w.running = was
}

func (c *client) sleep(_ context.Context, d time.Duration) error {
	if c.gone {
		return errGone
	}
	c.wakeAt = c.w.now + d
	c.pause()
	if c.gone {
		return errGone
	}
	return nil
}

// clientClock is the clock of a client, at which others may go on.
type clientClock client

func (k *clientClock) Now(ctx context.Context) (mvcc.TS, error) {
	c := (*client)(k)
	if c.pause(); c.gone {
		return 0, errGone
	}
	if c.source == nil {
		return c.w.oracle.Now(ctx) // it may be another by now
	}
	return c.clock.Now(ctx)
}

func (k *clientClock) Observe(ts mvcc.TS) error {
	if k.source == nil {
		return k.w.oracle.Observe(ts)
	}
	return k.clock.Observe(ts)
}

func (k *clientClock) MaxOffset() time.Duration {
	if k.source == nil {
		return 0
	}
	return maxOffset
}

// pass lets time go by, on all clocks.
func (w *world) pass(d time.Duration) {
	w.now += d
	w.manual.Advance(d)
	for _, c := range w.clients {
		if c.source != nil {
			c.source.Advance(d)
		}
	}
}

// run runs clients until there are none. between is called before each turn.
func (w *world) run(between func()) error {
	for turns := 0; len(w.clients) > 0; turns++ {
		if turns > 20_000_000 {
			return fmt.Errorf("RULE V9: %d clients do not come to an end", len(w.clients))
		}
		w.pass(time.Duration(w.r.Int64N(int64(100 * time.Microsecond))))
		if w.writer == nil {
			between()
			w.deliver()
		}
		var ready []*client
		for _, c := range w.clients {
			if c.wakeAt <= w.now {
				ready = append(ready, c)
			}
		}
		if len(ready) == 0 {
			w.pass(w.next() - w.now)
			continue
		}
		c := ready[w.r.IntN(len(ready))]
		w.running = c
		_, more := c.resume()
		w.running = nil
		if !more {
			if err := c.db.Close(); err != nil {
				return err
			}
			w.clients = slices.Delete(w.clients, slices.Index(w.clients, c), slices.Index(w.clients, c)+1)
		}
	}
	return nil
}

// next is when something happens, if nobody is ready now.
func (w *world) next() time.Duration {
	at := w.clients[0].wakeAt
	for _, c := range w.clients {
		at = min(at, c.wakeAt)
	}
	for _, d := range w.late {
		at = min(at, max(d.at, w.now))
	}
	return at
}

// deliver does what is due of what was late.
func (w *world) deliver() {
	for i := 0; i < len(w.late); i++ {
		if d := w.late[i]; d.at <= w.now {
			w.late = slices.Delete(w.late, i, i+1)
			_, err := w.do(d.ref, d.q)
			w.tell("late, of client %d: %s: %v", d.from, describeRequest(d.q), err)
			return
		}
	}
}
