// The background scanner: it looks at every object now and then, and is never in a
// hurry.

package erasure

import (
	"context"
	"time"
)

// startScanner walks over all objects and heals, with a pause between two passes;
// every ScrubEvery-th reads every shard too. The first pass starts at once: what
// was queued when the process ended is found by it.
func (s *Store) startScanner() {
	s.background.Go(func() {
		for pass := 1; ; pass++ {
			h := &healer{store: s, deep: pass%s.o.ScrubEvery == 0, pause: s.pace()}
			if err := h.all(s.ctx, "", ""); err != nil && s.ctx.Err() == nil {
				s.o.Logger.Warn("scanner", "err", err)
			}
			if r := h.report; r.Healed > 0 || r.Purged > 0 || r.Unreadable > 0 {
				s.o.Logger.Info("scanner", "pass", pass, "objects", r.Objects, "healed", r.Healed,
					"purged", r.Purged, "unreadable", r.Unreadable)
			}
			if !sleep(s.ctx, s.o.ScanEvery) {
				return
			}
		}
	})
}

// pace returns what is called between two objects: it sleeps so long that work
// takes no more than its share of the time.
func (s *Store) pace() func() {
	rest := 1/s.o.ScanShare - 1
	begin := time.Now()
	return func() {
		sleep(s.ctx, time.Duration(float64(time.Since(begin))*rest))
		begin = time.Now()
	}
}

// sleep reports whether the time has passed; the context has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
