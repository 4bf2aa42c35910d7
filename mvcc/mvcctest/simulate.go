package mvcctest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/history"
	"github.com/flagship-go/flagship/mvcc/hlc"
	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// Simulation is one run of package mvcc in a world made of a seed, in which requests are lost
// and come late and twice, clients die and stall, regions split and change their leaders,
// clocks differ, step and start anew, and old versions are collected. Fields that are zero
// have defaults.
type Simulation struct {
	Seed     uint64
	Mode     mvcc.Mode // not ReadOnly
	Hybrid   bool      // hybrid clocks; else an oracle
	Workload string    // one of Workloads; default bank
	Txns     int       // default 150
	Clients  int       // at the same time; default 6
	NoFaults bool      // nothing is lost, nobody dies
	// Story is told all that happens.
	Story io.Writer
}

// Simulated is what a run has done, to see that it has done something.
type Simulated struct {
	Txns, Committed, Unknown, Died int
	Collected                      int64
	Regions                        int
}

// Simulate runs one. The error has a line "RULE <V>: ..." and says how to run it again.
func Simulate(o Simulation) (Simulated, error) {
	if o.Workload == "" {
		o.Workload = "bank"
	}
	if o.Txns == 0 {
		o.Txns = 150
	}
	if o.Clients == 0 {
		o.Clients = 6
	}
	load := newWorkload(o.Workload)
	w, err := newWorld(&o, [][]byte{load.keys[1], load.keys[len(load.keys)/2]})
	if err != nil {
		return Simulated{}, err
	}
	s := &simulation{o: &o, world: w, load: load, rules: Claims(o.Mode, !o.Hybrid), kept: map[int]*clock.Memory{}}
	if o.Story != nil {
		w.tell = func(format string, args ...any) {
			fmt.Fprintf(o.Story, "%9.3f ms  %s\n", float64(w.now)/1e6, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; "))
		}
	}
	err = s.run()
	s.done.Regions = len(w.regions)
	if err != nil {
		clocks := "an oracle"
		if o.Hybrid {
			clocks = "hybrid clocks"
		}
		err = fmt.Errorf("%w\nseed %d, %v, %s, %s", err, o.Seed, o.Mode, o.Workload, clocks)
	}
	return s.done, err
}

// simulation is one under way.
type simulation struct {
	*world
	o       *Simulation
	load    *workload
	rules   Mode
	begun   int // transactions
	events  int // of real time
	hist    history.History
	stamps  []mvcc.TS // of commits
	kept    map[int]*clock.Memory
	nobody  clock.Memory // of who is alone
	done    Simulated
	failure error
}

func (s *simulation) run() error {
	if err := s.alone(func(c *client) error { return setUp(context.Background(), Flagship(c.db, s.o.Mode), s.load) }); err != nil {
		return err
	}
	for id := range s.o.Clients {
		if err := s.start(id); err != nil {
			return err
		}
	}
	if err := s.world.run(s.mischief); err != nil {
		return err
	}
	if s.failure != nil {
		return s.failure
	}
	return s.finish()
}

// alone runs one client, to whom nothing happens.
func (s *simulation) alone(f func(c *client) error) error {
	s.calm = true
	defer func() { s.calm = false }()
	var err error
	c, oerr := s.newClient(s.o.Clients, &s.nobody, func(c *client) { err = f(c) })
	if oerr != nil {
		return oerr
	}
	c.txn = "alone"
	if rerr := s.world.run(func() {}); rerr != nil {
		return rerr
	}
	return err
}

// start starts a client, or the next one on the same machine.
func (s *simulation) start(id int) error {
	if s.kept[id] == nil {
		s.kept[id] = new(clock.Memory)
	}
	_, err := s.newClient(id, s.kept[id], s.life)
	return err
}

// life is what a client does until all transactions are done, or it is gone.
func (s *simulation) life(c *client) {
	for s.begun < s.o.Txns && !c.gone && s.failure == nil {
		s.begun++
		switch n := s.r.IntN(100); {
		case n < 2 && !s.o.NoFaults:
			s.collect(c)
		case n < 6 && len(s.stamps) > 0:
			s.lookBack(c)
		default:
			s.transact(c)
		}
	}
	if !c.gone {
		return
	}
	s.done.Died++
	if err := s.start(c.id); err != nil {
		s.failure = err
	}
}

// transact does one transaction of the workload.
func (s *simulation) transact(c *client) {
	ctx := context.Background()
	p := s.load.next(s.r)
	mode := s.o.Mode
	if p.readOnly() && s.r.IntN(2) == 0 {
		mode = mvcc.ReadOnly
	}
	rec := history.Txn{Start: s.tick(), Status: history.Failed}
	c.txn = fmt.Sprintf("T%d", len(s.hist.Txns))
	place := len(s.hist.Txns)
	s.hist.Txns = append(s.hist.Txns, history.Txn{Status: history.Failed})
	t, err := c.db.Begin(ctx, mvcc.TxnOptions{Mode: mode})
	if err == nil {
		c.say("begins, %v at %v", mode, t.StartTS())
		err = s.operate(c, t, &p, &rec)
	}
	rec.End = s.tick()
	s.hist.Txns[place] = rec
	s.done.Txns++
	switch rec.Status {
	case history.OK:
		s.done.Committed++
		if ts := t.CommitTS(); ts != 0 {
			s.stamps = append(s.stamps, ts)
		}
		c.say("is committed, at %v", t.CommitTS())
	case history.Unknown:
		s.done.Unknown++
		c.say("does not know whether it is committed: %v", err)
	default:
		c.say("has failed: %v", err)
	}
	if err != nil && !c.gone && !expected(err) {
		s.failure = fmt.Errorf("RULE V15: %s fails for what is no reason: %w", c.txn, err)
	}
}

// operate runs a program in a transaction, and ends it.
func (s *simulation) operate(c *client, t *mvcc.Txn, p *program, rec *history.Txn) error {
	ctx := context.Background()
	err := s.lock(ctx, t, p)
	if err == nil {
		err = s.load.run(ctx, flagshipTxn{t}, p, rec, func() {})
	}
	if err != nil || !p.readOnly() && s.r.IntN(20) == 0 {
		_ = t.Rollback(ctx)
		return err
	}
	switch err = t.Commit(ctx); {
	case c.gone || errors.Is(err, mvcc.ErrUndetermined):
		rec.Status = history.Unknown
	case err == nil:
		rec.Status = history.OK
	}
	return err
}

// lock locks the keys of a program in a pessimistic transaction, most often: all at once or
// one by one. What such a transaction reads is the latest then, and not its snapshot; so one
// that scans has to do without.
func (s *simulation) lock(ctx context.Context, t *mvcc.Txn, p *program) error {
	if t.Mode() != mvcc.Pessimistic || p.scans() || s.r.IntN(4) == 0 {
		return nil
	}
	var keys [][]byte
	for _, o := range p.ops {
		keys = append(keys, s.load.keys[o.key])
	}
	if s.r.IntN(2) == 0 {
		_, err := t.GetForUpdate(ctx, keys...)
		return err
	}
	for _, k := range keys {
		if _, err := t.GetForUpdate(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// expected reports whether a transaction may fail so in this world.
func expected(err error) bool {
	for _, known := range []error{mvcc.ErrConflict, mvcc.ErrRolledBack, mvcc.ErrLocked, mvcc.ErrDeadlock, mvcc.ErrUndetermined, mvcc.ErrTooOld, errWire} {
		if errors.Is(err, known) {
			return true
		}
	}
	_, jumped := errors.AsType[*hlc.JumpError](err)
	return jumped
}

// lookBack reads all keys as of an earlier commit. It is at no time of the wall.
func (s *simulation) lookBack(c *client) {
	ctx := context.Background()
	at := s.stamps[s.r.IntN(len(s.stamps))]
	rec := history.Txn{Start: 0, End: 1 << 30, Status: history.Failed}
	place := len(s.hist.Txns)
	c.txn = fmt.Sprintf("T%d", place)
	s.hist.Txns = append(s.hist.Txns, rec)
	t, err := c.db.Begin(ctx, mvcc.TxnOptions{Mode: mvcc.ReadOnly, ReadTS: at})
	if err == nil {
		p := program{ops: []operation{{scan: true, end: len(s.load.keys)}}}
		c.say("looks back, at %v", at)
		if err = s.load.run(ctx, flagshipTxn{t}, &p, &rec, func() {}); err == nil {
			rec.Status = history.OK
		}
		_ = t.Rollback(ctx)
	}
	s.hist.Txns[place] = rec
	if err != nil && !c.gone && !expected(err) && !errors.Is(err, mvcc.ErrFuture) {
		s.failure = fmt.Errorf("RULE V1: a read of the past, at %v, fails: %w", at, err)
	}
}

// collect collects what is old. Others may still read there: then they fail.
func (s *simulation) collect(c *client) {
	c.txn = "collection"
	safe := timestamp.Of(epoch.Add(s.now - time.Duration(s.r.Int64N(int64(4*lockTTL)))))
	got, err := c.db.Collect(context.Background(), safe)
	s.done.Collected += int64(got.Removed)
	c.say("collected: %+v %v", got, err)
	if err != nil && !c.gone && (!expected(err) || errors.Is(err, mvcc.ErrLocked)) {
		s.failure = fmt.Errorf("RULE V16: collection below %v fails: %w", safe, err)
	}
}

func (s *simulation) tick() int { s.events++; return s.events }

// wrongHour is how far a clock jumps that somebody has set wrong.
const wrongHour = time.Hour

// mischief is what happens to machines.
func (s *simulation) mischief() {
	if s.o.NoFaults {
		return
	}
	for _, c := range s.clients {
		if c.wild != 0 && c.wild <= s.now {
			c.source.Step(-wrongHour)
			c.wild = 0
		}
	}
	switch n := s.r.IntN(3000); {
	case n == 0 && len(s.regions) < 6:
		s.split(s.load.keys[1+s.r.IntN(len(s.load.keys)-1)])
	case n < 10:
		s.moveLeader(s.r.IntN(len(s.regions)))
	case n == 10 && s.oracle != nil:
		s.tell("the oracle starts anew")
		if err := s.startOracle(); err != nil {
			s.failure = err
		}
	case n == 14 && s.oracle == nil && len(s.clients) > 0:
		if c := s.clients[s.r.IntN(len(s.clients))]; c.wild == 0 {
			c.source.Step(wrongHour)
			c.wild = s.now + time.Millisecond
			s.tell("the clock of client %d shows a wrong hour, for a while", c.id)
		}
	case n < 14 && s.oracle == nil && len(s.clients) > 0:
		c := s.clients[s.r.IntN(len(s.clients))]
		to := s.skew()
		c.source.Step(to - c.ahead)
		s.tell("the clock of client %d steps by %v", c.id, to-c.ahead)
		c.ahead = to
	}
}
