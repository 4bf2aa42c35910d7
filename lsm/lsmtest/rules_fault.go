package lsmtest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/flagship-go/flagship/internal/vfs"
)

func faultRules() []Rule {
	return []Rule{
		{ID: "full-disk-once", Source: "pitfall 26", Capability: "NoSpace", every: true, tell: fullOnce,
			Text: "A write that a full disk refuses is ErrNoSpace and has not happened; reading goes on, and writing when there is room."},
		{ID: "full-disk", Source: "badger issue 1682, pebble issue 5354", Capability: "NoSpace", every: true, tell: fullDisk,
			Text: "On a disk that stays full, the store is read, closed and opened; with room again it takes deletions."},
		{ID: "failed-sync", Source: "pitfall 6", Capability: "SyncFailure", every: true, tell: failedSyncs,
			Text: "After a failed sync nothing is acknowledged until the store is opened anew, and what was promised is there."},
		{ID: "failed-write", Source: "issue, section B", Capability: "SyncFailure", every: true, tell: failedWrites,
			Text: "After another failed write likewise, unless nothing hung on it."},
	}
}

// faultLog is what is played while something fails: memtables fill, tables are
// written and merged, values go apart.
func faultLog(c Capabilities, seed uint64) Log {
	var l Log
	for i := range 4 {
		l = append(l, step{verb: "batch", ops: spread(60, 500, i)})
		l = append(l, generate(seed+uint64(i), c, 8, true)...)
		if c.Maintenance {
			l = append(l, step{verb: "flush"})
		}
	}
	if c.Maintenance {
		l = append(l, step{verb: "compact"})
	}
	l = append(l, generate(seed+9, c, 6, true)...)
	kept := l[:0]
	for _, s := range l {
		if s.verb != "reopen" {
			kept = append(kept, s)
		}
	}
	return append(kept, step{verb: "put", sync: true, ops: []Op{{Key: []byte("k00"), Value: []byte("end")}}})
}

func needsSpace(k vfs.Kind) bool { return k == vfs.OpWrite || k == vfs.OpPreallocate }

func syncs(k vfs.Kind) bool { return k == vfs.OpSync || k == vfs.OpSyncDir }

func fails(k vfs.Kind) bool {
	return k == vfs.OpWrite || k == vfs.OpPreallocate || k == vfs.OpCreate || k == vfs.OpRename || k == vfs.OpTruncate
}

// places plays the fault log without a fault and calls try for up to
// Runs.Faults of the operations that a fault could strike, counted from 0.
func places(w *world, strikes func(vfs.Kind) bool, try func(w *world, l Log, n int) error) error {
	sets := w.impl.allSets()
	tries := max(1, w.runs.Faults/min(len(sets), 4))
	for i, set := range sets[:min(len(sets), max(4, w.runs.Faults/60))] {
		w.set = set
		l := faultLog(w.impl.Claims, w.runs.Seed+uint64(i))
		p, err := w.player()
		if err != nil {
			return err
		}
		total := 0
		counted := make(chan struct{}, 1) // the observer may be on any goroutine
		p.fs.Observe(func(op vfs.Op) {
			counted <- struct{}{}
			if strikes(op.Kind) {
				total++
			}
			<-counted
		})
		if err := p.play(l); err != nil {
			return err
		}
		if total == 0 {
			return errors.New("nothing was written to the disk")
		}
		for k := range min(tries, total) {
			n := k * total / min(tries, total)
			if err := try(w, l, n); err != nil {
				return fmt.Errorf("option set %q, fault at operation %d of its kind: %w", set.Name, n, err)
			}
		}
	}
	return nil
}

// trouble plays a log into a fault. It returns the step that failed and its
// error, and whether the batch of that step may have happened.
func (p *player) trouble(l Log) (rest Log, failed *step, err error) {
	for i, s := range l {
		if err := p.step(s); err != nil {
			return l[i:], &s, err
		}
	}
	return nil, nil, nil
}

// settles reads the store after a batch has failed: it is there or not, and
// stays so.
func (p *player) settles(failed *step) error {
	got, err := readAll(p.store, nil, nil)
	if err != nil {
		return fmt.Errorf("reading after an error: %w", err)
	}
	without := compare(got, p.state.pairs(nil, nil, p.now()), p.set.MayDrop)
	if without == nil || failed == nil || len(failed.ops) == 0 {
		return without
	}
	next := p.state.apply(failed.ops, p.now())
	if compare(got, next.pairs(nil, nil, p.now()), p.set.MayDrop) != nil {
		return fmt.Errorf("after a write that failed, reading shows neither what was before it nor what would be after: %w", without)
	}
	p.state = next
	return nil
}

// openThrough opens the store although the disk may be full before it is made.
func (p *player) openThrough() error {
	err := p.open()
	if err == nil {
		return nil
	}
	if !errors.Is(err, ErrNoSpace) {
		return fmt.Errorf("opening on a full disk ends with another error than that: %w", err)
	}
	p.full.roomAgain()
	if err := p.open(); err != nil {
		return fmt.Errorf("after a failed Open, with nothing wrong any more: %w", err)
	}
	return nil
}

// filler makes a disk full after some more operations that need space, but for a
// few bytes. What has its blocks already can still be written, as on a real one.
//
// Its observer is called from any goroutine, and may be on its way there when room
// is made again: whoever is late finds it over.
type filler struct {
	fs    *MemFS
	spare int64 // bytes of room left
	mu    sync.Mutex
	left  int
	over  bool
}

func (f *filler) see(op vfs.Op) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !needsSpace(op.Kind) || f.over {
		return
	}
	if f.left--; f.left == 0 {
		f.fill()
	}
}

func (f *filler) fill() { f.fs.SetCapacity(max(f.fs.Used(), 1) + f.spare) }

func (f *filler) roomAgain() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.fs.Observe(nil)
	f.fs.SetCapacity(0)
}

// fillAt makes the disk full after n operations that need space.
func (p *player) fillAt(n int) {
	p.full = &filler{fs: p.fs, spare: int64(n % 50), left: n}
	if n == 0 {
		p.full.fill()
	}
	p.fs.Observe(p.full.see)
}

func fullOnce(w *world) error {
	return places(w, needsSpace, func(w *world, l Log, n int) error {
		p, err := w.player()
		if err != nil {
			return err
		}
		defer p.release()
		p.fillAt(n)
		if err := p.openThrough(); err != nil {
			return err
		}
		rest, failed, err := p.trouble(l)
		if failed != nil && !errors.Is(err, ErrNoSpace) {
			return errOf(*failed, err)
		}
		if err := p.settles(failed); err != nil {
			return err
		}
		p.full.roomAgain()
		if _, failed, err := p.trouble(rest); err != nil {
			return fmt.Errorf("with room again, %w", errOf(*failed, err))
		}
		return p.endsWell()
	})
}

// endsWell compares the store as it is, and reopened, with the model.
func (p *player) endsWell() error {
	_, failed, err := p.trouble(mustParse("scan\nflush\nscan\nreopen\nscan\ndel k00\nflush\ncompact\nscan"))
	if err != nil {
		return fmt.Errorf("with room again, %w", errOf(*failed, err))
	}
	return nil
}

func fullDisk(w *world) error {
	return places(w, needsSpace, func(w *world, l Log, n int) error {
		p, err := w.player()
		if err != nil {
			return err
		}
		defer p.release()
		p.fillAt(n)
		if err := p.openThrough(); err != nil {
			return err
		}
		_, failed, err := p.trouble(l)
		if failed != nil && !errors.Is(err, ErrNoSpace) {
			return errOf(*failed, err)
		}
		if err := p.settles(failed); err != nil {
			return err
		}
		p.fs.Observe(nil)
		p.fs.SetCapacity(max(p.fs.Used(), 1)) // whatever was given back
		if err := p.store.Close(); err != nil && !errors.Is(err, ErrNoSpace) {
			return fmt.Errorf("closing on a full disk: %w", err)
		}
		if err := p.open(); err != nil {
			return fmt.Errorf("on a full disk: %w", err)
		}
		if err := p.settles(nil); err != nil {
			return fmt.Errorf("reopened on a full disk: %w", err)
		}
		del := mustParse("sync batch del k01, del key00001")[0]
		if err := p.step(del); err != nil {
			if !errors.Is(err, ErrNoSpace) {
				return errOf(del, err)
			}
			if err := p.settles(&del); err != nil {
				return err
			}
		}
		p.full.roomAgain()
		if err := p.step(del); err != nil {
			return fmt.Errorf("with room again, %w", errOf(del, err))
		}
		return p.endsWell()
	})
}

func failedSyncs(w *world) error { return failures(w, syncs, true) }

func failedWrites(w *world) error { return failures(w, fails, false) }

// failures lets one operation fail and sees that nothing is acknowledged any
// more. must says that the failure cannot go unnoticed.
func failures(w *world, strikes func(vfs.Kind) bool, must bool) error {
	return places(w, strikes, func(w *world, l Log, n int) error {
		p, err := w.player()
		if err != nil {
			return err
		}
		defer p.release()
		c := watch(w.impl, p)
		p.fs.Inject(vfs.Fault{Match: func(op vfs.Op) bool { return strikes(op.Kind) }, Skip: n, Err: vfs.ErrIO})
		if err := p.open(); err != nil {
			if !errors.Is(err, vfs.ErrIO) {
				return fmt.Errorf("opening ends with another error than %v: %w", vfs.ErrIO, err)
			}
			return c.comesBack(n)
		}
		_, failed, err := p.trouble(l)
		if failed == nil && p.fs.Strikes() > 0 && must {
			return errors.New("a sync failed, and every write after it was acknowledged")
		}
		if err != nil && !errors.Is(err, vfs.ErrIO) {
			return errOf(*failed, err)
		}
		if err := p.settles(failed); err != nil {
			return err
		}
		if failed != nil {
			for _, sync := range []bool{false, true} {
				if err := p.store.Apply([]Op{{Key: []byte("k00"), Value: []byte("too much")}}, sync); err == nil {
					return fmt.Errorf("%s failed, and a later write (sync %t) was acknowledged", failed.short(), sync)
				}
			}
			if err := p.settles(nil); err != nil {
				return fmt.Errorf("reading after a refused write: %w", err)
			}
		}
		p.letGo()
		p.store.Close()
		p.store = nil
		return c.comesBack(n)
	})
}

// comesBack opens the disk after a failure, as it is and as a power cut leaves
// it.
func (c *watcher) comesBack(n int) error {
	high := len(c.states) - 1
	rng := rand.New(rand.NewPCG(uint64(n), 31))
	for kind := range 3 {
		if err := c.recovers(draw(c.p.fs, rng, kind), c.promised, high, kind == 0); err != nil {
			return fmt.Errorf("after a failure and a power cut: %w", err)
		}
	}
	after := c.p.fs.KillClone()
	after.ClearFaults()
	if err := c.recovers(after, c.acked, high, true); err != nil {
		return fmt.Errorf("reopened after a failure: %w", err)
	}
	return nil
}
