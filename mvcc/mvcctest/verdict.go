// The end of a simulation: everything can be read, written and collected, and what was
// seen is what the mode allows.

package mvcctest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/history"
	"github.com/flagship-go/flagship/mvcc/region"
)

// finish sees to it that all can be read and written, and nothing is locked for ever; and
// judges.
func (s *simulation) finish() error {
	s.calm = true
	for len(s.late) > 0 {
		s.pass(lockTTL)
		s.deliver()
	}
	s.pass(time.Second)
	if err := s.alone(s.last); err != nil {
		return err
	}
	s.tell("the end: %+v", s.done)
	if err := s.load.judge(&s.hist, s.rules); err != nil {
		return fmt.Errorf("RULE %s: %w", ruleOf(err), err)
	}
	if s.o.Hybrid && s.load.name != "bank" {
		return s.judgeKeys()
	}
	return nil
}

// last reads and writes all keys, and collects all that is old.
func (s *simulation) last(c *client) error {
	ctx := context.Background()
	if s.o.Seed/6%2 == 0 { // with the locks of all who are gone
		if err := s.collectAll(ctx, c); err != nil {
			return err
		}
	}
	t, err := c.db.Begin(ctx, mvcc.TxnOptions{Mode: s.o.Mode})
	if err != nil {
		return err
	}
	rec := history.Txn{Start: s.tick()}
	p := program{ops: []operation{{scan: true, end: len(s.load.keys)}}}
	err = s.load.run(ctx, flagshipTxn{t}, &p, &rec, func() {})
	for _, k := range s.load.keys {
		err = errors.Join(err, t.Put(k, []byte("end")))
	}
	if err = errors.Join(err, t.Commit(ctx)); err != nil {
		return fmt.Errorf("RULE V5: in the end not all can be read and written: %w", err)
	}
	rec.End = s.tick()
	s.hist.Txns = append(s.hist.Txns, rec)
	if err := s.collectAll(ctx, c); err != nil {
		return err
	}
	now, err := c.clock.Now(ctx)
	if err != nil {
		return err
	}
	for _, r := range s.regions {
		i := r.Info()
		a, err := r.Do(ctx, i.Ref, &region.ScanLocksRequest{Start: i.Start, End: i.End, MaxTS: now})
		if err != nil {
			return err
		}
		if locks := a.(*region.ScanLocksResponse).Locks; len(locks) > 0 {
			return fmt.Errorf("RULE V5: %w, for ever", &mvcc.LockedError{Locks: locks})
		}
	}
	return nil
}

// collectAll collects all that is old.
func (s *simulation) collectAll(ctx context.Context, c *client) error {
	now, err := c.clock.Now(ctx)
	if err == nil {
		_, err = c.db.Collect(ctx, now)
	}
	if err != nil {
		return fmt.Errorf("RULE V16: in the end not all can be collected: %w", err)
	}
	return nil
}

// judgeKeys looks at each key by itself: there also with hybrid clocks nobody misses what
// was committed before he began (V12).
func (s *simulation) judgeKeys() error {
	for k := range s.load.keys {
		h := history.History{KeyName: s.load.keyName}
		for _, t := range s.hist.Txns {
			of := t
			of.Ops = nil
			for _, o := range t.Ops {
				if o.Key == k {
					of.Ops = append(of.Ops, o)
				}
			}
			h.Txns = append(h.Txns, of)
		}
		m := s.rules
		m.RealTime = true
		if err := m.judge(&h); err != nil {
			return fmt.Errorf("RULE V12: of key %s alone: %w", s.load.keyName(k), err)
		}
	}
	return nil
}

// ruleOf says which rule an anomaly breaks, as far as that can be told from outside.
func ruleOf(err error) string {
	var b *Broken
	if !errors.As(err, &b) {
		return "V1"
	}
	switch {
	case b.RealTime:
		return "V11"
	case b.Name == history.G0 || b.Name == history.LostUpdate:
		return "V4"
	case b.Name == history.G1a || b.Name == history.G1b || b.Name == history.Garbage:
		return "V5"
	case b.Name == history.G2Item || b.Name == history.G2:
		return "V13"
	case b.Name == history.Internal:
		return "V14"
	}
	return "V1"
}
