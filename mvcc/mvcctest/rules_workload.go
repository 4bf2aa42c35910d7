package mvcctest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"

	"github.com/flagship-go/flagship/mvcc/history"
)

func workloadRules() (rules []Rule) {
	for _, name := range Workloads() {
		rules = append(rules, Rule{ID: "workload-" + name, V: "V1", Source: "Elle", Text: "Many transactions, interleaved by a seed, come to what some order of them could.",
			tell: func(s *stage) error { return interleave(s, name) }})
	}
	return append(rules, Rule{ID: "goroutines", V: "V2", Source: "issue, section C", Text: "Money that goroutines move at the same time stays as much.", tell: goroutines})
}

// interleave has some clients do transactions of a workload, one operation of one client
// at a time, all in this goroutine.
func interleave(s *stage, name string) error {
	const seeds, clients, each = 4, 5, 30
	for seed := range uint64(seeds) {
		if err := interleaveOnce(s, newWorkload(name), rand.New(rand.NewPCG(seed, 1)), clients, each); err != nil {
			return fmt.Errorf("seed %d: %w", seed, err)
		}
	}
	return nil
}

func interleaveOnce(s *stage, w *workload, r *rand.Rand, clients, each int) error {
	ctx := context.Background()
	db, err := s.db()
	if err != nil {
		return err
	}
	h, events, committed := &history.History{}, 0, 0
	var failed error
	one := func(p program, pause func()) {
		rec := history.Txn{Start: events}
		events++
		t, err := db.Begin(ctx)
		if err == nil {
			if err = w.run(ctx, t, &p, &rec, pause); err == nil {
				pause()
				err = t.Commit(ctx)
			} else {
				_ = t.Rollback(ctx)
			}
		}
		rec.End = events
		events++
		switch {
		case err == nil:
			committed++
		case errors.Is(err, ErrConflict):
			rec.Status = history.Failed
		default:
			failed = err
		}
		h.Txns = append(h.Txns, rec)
	}
	if err := setUp(ctx, db, w); err != nil {
		return err
	}
	var resume []func() (struct{}, bool)
	for range clients {
		next, stop := iter.Pull(func(yield func(struct{}) bool) {
			for range each {
				one(w.next(r), func() { yield(struct{}{}) })
			}
		})
		defer stop()
		resume = append(resume, next)
	}
	for len(resume) > 0 && failed == nil {
		i := r.IntN(len(resume))
		if _, more := resume[i](); !more {
			resume = append(resume[:i], resume[i+1:]...)
		}
	}
	one(program{ops: []operation{{scan: true, end: len(w.keys)}}}, func() {})
	switch {
	case failed != nil:
		return failed
	case committed < len(h.Txns)/10:
		return fmt.Errorf("of %d transactions %d were committed", len(h.Txns), committed)
	}
	return w.judge(h, s.mode)
}

func setUp(ctx context.Context, db DB, w *workload) error {
	t, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.setUp(t), t.Commit(ctx))
}

func goroutines(s *stage) error {
	const workers, each = 6, 40
	ctx := context.Background()
	db, err := s.db()
	if err != nil {
		return err
	}
	w := newWorkload("bank")
	if err := setUp(ctx, db, w); err != nil {
		return err
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	h := &history.History{}
	var failed error
	for i := range workers {
		group.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 2))
			for range each {
				p := w.next(r)
				var rec history.Txn
				t, err := db.Begin(ctx)
				if err == nil {
					if err = w.run(ctx, t, &p, &rec, func() {}); err == nil {
						err = t.Commit(ctx)
					} else {
						_ = t.Rollback(ctx)
					}
				}
				mu.Lock()
				switch {
				case err == nil:
					h.Txns = append(h.Txns, rec)
				case !errors.Is(err, ErrConflict):
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if failed != nil {
		return failed
	}
	return w.judge(h, s.mode)
}
