package mvcctest

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

func reverseRules() []Rule {
	return []Rule{
		{ID: "reverse", V: "V14", Source: "pitfalls 17 and 18", Claim: "Reverse", Text: "A range read from its end is the same range, own writes in it.",
			story: `
				init a=1 b=2 c=3 d=4
				t1: begin
				t1: rscan = d=4 c=3 b=2 a=1
				t1: rscan b d = c=3 b=2
				t1: del c
				t1: put bb 5
				t1: put e 6
				t1: rscan = e=6 d=4 bb=5 b=2 a=1
				t2: begin
				t2: put c 7
				t2: put d 8
				t2: commit
				t1: rscan = e=6 d=4 bb=5 b=2 a=1
				t3: begin
				t3: rscan = d=8 c=7 b=2 a=1`},
		{ID: "reverse-versions", V: "V1", Source: "pitfall 18", Claim: "Reverse", Text: "Backwards too an old snapshot is read through any number of newer versions.", tell: reverseVersions},
	}
}

func reverseVersions(s *stage) error {
	ctx := context.Background()
	db, err := s.db()
	if err != nil {
		return err
	}
	var txns []Txn
	for i := range 30 {
		if err := write(db, []byte("a"), fmt.Append(nil, i), []byte("b"), fmt.Append(nil, i)); err != nil {
			return err
		}
		t, err := db.Begin(ctx)
		if err != nil {
			return err
		}
		txns = append(txns, t)
	}
	for i, t := range txns {
		r, ok := t.(Reverser)
		if !ok {
			return notThere("Reverse")
		}
		keys, values, err := collect(r.ScanReverse(ctx, nil, nil))
		if want := fmt.Sprint([]int{i, i}); err != nil || fmt.Sprint(asStrings(values)) != want || !slices.Equal(asStrings(keys), []string{"b", "a"}) {
			return fmt.Errorf("after version %d a scan finds %q %q, %v", i, keys, values, err)
		}
		if err := t.Rollback(ctx); err != nil {
			return err
		}
	}
	return nil
}

func insertRules() []Rule {
	return []Rule{
		{ID: "insert", V: "V4", Source: "issue, section A", Claim: "Insert", Text: "An insert is a put where nothing is, after a delete too.",
			story: `
				init a=1
				t1: begin
				t1: insert b 2
				t1: get b = 2
				t1: commit
				t2: begin
				t2: del b
				t2: insert b 3
				t2: commit
				t3: begin
				t3: scan = a=1 b=3
				t3: del a
				t3: commit
				t4: begin
				t4: insert a 4
				t4: commit
				t5: begin
				t5: scan = a=4 b=3`},
		{ID: "insert-exists", V: "V4", Source: "issue, section A", Claim: "Insert", Text: "An insert of a key that has a value fails, at once or at commit, and nothing is written.", tell: insertExists},
		{ID: "insert-twice", V: "V4", Source: "issue, section A", Claim: "Insert", Text: "Of two that insert a key one succeeds.",
			story: `
				init b=1
				t1: begin
				t2: begin
				t1: insert a 2
				t2: insert a 3
				t2: commit ?
				t1: commit = conflict`},
	}
}

func insertExists(s *stage) error {
	ctx := context.Background()
	db, err := s.db()
	if err != nil {
		return err
	}
	if err := write(db, []byte("a"), []byte("1")); err != nil {
		return err
	}
	t, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	i, ok := t.(Inserter)
	if !ok {
		return notThere("Insert")
	}
	if err := t.Put([]byte("b"), []byte("2")); err != nil {
		return err
	}
	if err = i.Insert([]byte("a"), []byte("3")); err == nil {
		err = t.Commit(ctx)
	} else {
		_ = t.Rollback(ctx)
	}
	if !errors.Is(err, ErrExists) {
		return fmt.Errorf("the insert of a key that is there comes to %v", err)
	}
	return read(db, func(t Txn) error {
		_, values, err := collect(t.Scan(ctx, nil, nil))
		if err == nil && fmt.Sprint(asStrings(values)) != "[1]" {
			err = fmt.Errorf("after an insert that failed there is %q", values)
		}
		return err
	})
}

func savepointRules() []Rule {
	return []Rule{
		{ID: "savepoint", V: "V14", Source: "issue, section A", Claim: "Savepoints", Text: "A savepoint takes back all that came after it, and nothing before.",
			story: `
				init a=1 b=2
				t1: begin
				t1: put a 3
				t1: save
				t1: put a 4
				t1: put c 5
				t1: del b
				t1: scan = a=4 c=5
				t1: back
				t1: scan = a=3 b=2
				t1: put d 6
				t1: back
				t1: scan = a=3 b=2
				t1: commit
				t2: begin
				t2: scan = a=3 b=2`},
	}
}

func lockRules() []Rule {
	return []Rule{
		{ID: "lock-waits", V: "V8", Source: "issue, section A", Claim: "Locks", Text: "Who wants a key that is locked waits, and finds the latest value then.",
			story: `
				init a=1
				t1: begin
				t2: begin
				t1: lock a = 1
				t2: lock a = waits
				t1: put a 2
				t1: commit
				t2: woken = t2: lock a: 2
				t2: put a 3
				t2: commit
				t3: begin
				t3: get a = 3`},
		{ID: "lock-passes-readers", V: "V8", Source: "tikv#7291", Claim: "Locks", Text: "A lock holds no reader up.",
			story: `
				init a=1 b=2
				t1: begin
				t1: lock a b
				t1: put a 3
				t2: begin
				t2: get a = 1
				t2: scan = a=1 b=2
				t2: commit
				t1: commit
				t3: begin
				t3: get a = 3`},
		{ID: "lock-keeps-writers-out", V: "V8", Source: "issue, section A", Claim: "Locks", Text: "What is locked nobody else writes, and who has locked does not fail for a conflict.",
			story: `
				init a=1 b=2
				t1: begin
				t1: lock a
				t2: begin
				t2: put b 5
				t2: commit
				t1: put a 3
				t1: lock b = 5
				t1: put b 4
				t1: commit
				t3: begin
				t3: scan = a=3 b=4`},
		{ID: "lock-rolled-back", V: "V8", Source: "issue, section A", Claim: "Locks", Text: "Rollback gives locks back.",
			story: `
				init a=1
				t1: begin
				t1: lock a
				t2: begin
				t2: lock a = waits
				t1: rollback
				t2: woken = t2: lock a: 1
				t2: put a 2
				t2: commit`},
		{ID: "deadlock", V: "V9", Source: "pitfall 24", Claim: "Locks", Text: "Of two that wait for each other one gives way.",
			story: `
				init a=1 b=2
				t1: begin
				t2: begin
				t1: lock a
				t2: lock b
				t1: lock b = waits
				t2: lock a = deadlock
				t2: rollback
				t1: woken = t1: lock b: 2
				t1: put a 3
				t1: put b 4
				t1: commit`},
		{ID: "deadlock-long", V: "V9", Source: "pitfall 24", Claim: "Locks", Text: "So it is in a circle of four.",
			story: `
				init a=1 b=2 c=3 d=4
				t1: begin
				t2: begin
				t3: begin
				t4: begin
				t1: lock a
				t2: lock b
				t3: lock c
				t4: lock d
				t1: lock b = waits
				t2: lock c = waits
				t3: lock d = waits
				t4: lock a = deadlock
				t4: rollback
				t3: woken = t3: lock d: 4
				t3: commit
				t2: woken = t2: lock c: 3
				t2: commit
				t1: woken = t1: lock b: 2
				t1: commit`},
		{ID: "deadlock-stale", V: "V9", Source: "pitfall 24", Claim: "Locks", Text: "Who has waited, and does not any more, is in no circle.",
			story: `
				init a=1 b=2
				t1: begin
				t2: begin
				t1: lock a
				t2: lock a = waits
				t1: put a 3
				t1: commit
				t2: woken = t2: lock a: 3
				t3: begin
				t3: lock b
				t2: lock b = waits
				t3: rollback
				t2: woken = t2: lock b: 2
				t2: commit`},
	}
}

func travelRules() []Rule {
	return []Rule{{ID: "time-travel", V: "V1", Source: "issue, section A", Claim: "TimeTravel", Text: "At the time of a commit it is seen, and what came later is not.", tell: timeTravel}}
}

func timeTravel(s *stage) error {
	ctx := context.Background()
	db, err := s.db()
	if err != nil {
		return err
	}
	traveller, ok := db.(Traveller)
	if !ok {
		return notThere("TimeTravel")
	}
	var stamps []uint64
	for i := range 20 {
		t, err := db.Begin(ctx)
		if err != nil {
			return err
		}
		err = errors.Join(t.Put([]byte("a"), fmt.Append(nil, i)), t.Put(fmt.Appendf(nil, "k%02d", i), nil))
		if i > 0 {
			err = errors.Join(err, t.Delete(fmt.Appendf(nil, "k%02d", i-1)))
		}
		if err := errors.Join(err, t.Commit(ctx)); err != nil {
			return err
		}
		stamped, ok := t.(Stamped)
		if !ok {
			return notThere("TimeTravel")
		}
		stamps = append(stamps, stamped.Stamp())
	}
	for i, stamp := range stamps {
		t, err := traveller.BeginAt(ctx, stamp)
		if err != nil {
			return err
		}
		keys, values, err := collect(t.Scan(ctx, nil, nil))
		if err != nil || len(keys) != 2 || string(values[0]) != fmt.Sprint(i) || string(keys[1]) != fmt.Sprintf("k%02d", i) {
			return fmt.Errorf("at commit %d there is %q %q, %v", i, keys, values, err)
		}
		if err := t.Put([]byte("a"), nil); err == nil {
			return errors.New("a write in the past succeeds")
		}
		if err := t.Rollback(ctx); err != nil {
			return err
		}
	}
	return nil
}
