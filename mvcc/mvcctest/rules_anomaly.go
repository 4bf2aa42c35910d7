package mvcctest

import (
	"context"
	"errors"
	"fmt"
)

// The anomalies of Martin Kleppmann's Hermitage, as interleavings alone: what must not come
// of them is for package history to say, by what the mode forbids. Where a transaction
// may fail, in this mode or another, it says commit ?. What each mode of package mvcc makes
// of them is in testdata/hermitage.txt.

func anomalyRules() []Rule {
	return []Rule{
		{ID: "g0", V: "V4", Source: "Hermitage", Text: "Dirty write: writes of two transactions do not mix.", tell: dirtyWrite},
		{ID: "g1a", V: "V5", Source: "Hermitage", Text: "Aborted read: what is rolled back is never read.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: put a 101
				t2: scan
				t1: rollback
				t2: scan
				t2: commit`},
		{ID: "g1b", V: "V1", Source: "Hermitage", Text: "Intermediate read: what is written over before commit is never read.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: put a 101
				t2: scan
				t1: put a 11
				t1: commit
				t2: scan
				t2: commit
				t3: begin
				t3: get a = 11`},
		{ID: "g1c", V: "V1", Source: "Hermitage", Text: "Circular information flow: two do not see each other.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: put a 11
				t2: put b 22
				t1: get b
				t2: get a
				t1: commit ?
				t2: commit ?`},
		{ID: "otv", V: "V1", Source: "Hermitage", Text: "Observed transaction vanishes: what was seen of one is not taken back by another.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t3: begin
				t1: put a 11
				t1: put b 19
				t2: put a 12
				t1: commit ?
				t3: get a
				t2: put b 18
				t3: get b
				t2: commit ?
				t3: get b
				t3: get a
				t3: commit`},
		{ID: "pmp", V: "V1", Source: "Hermitage", Text: "Predicate-many-preceders: a range read twice is the same.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: scan c z
				t2: put c 30
				t2: commit
				t1: scan c z
				t1: scan
				t1: commit`},
		{ID: "pmp-write", V: "V4", Source: "Hermitage", Text: "The same, of who writes what it has found.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: scan
				t1: put a 20
				t1: put b 30
				t2: scan
				t2: put b 21
				t1: commit ?
				t2: commit ?`},
		{ID: "p4", V: "V4", Source: "Hermitage", Text: "Lost update: two do not both write over what both have read.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: get a
				t2: get a
				t1: put a 11
				t2: put a 12
				t1: commit ?
				t2: commit ?`},
		{ID: "p4-absent", V: "V4", Source: "Hermitage, a variant", Text: "The same, of a key that was not there.",
			story: `
				init b=20
				t1: begin
				t2: begin
				t1: get a
				t2: get a
				t1: put a 11
				t2: put a 12
				t2: commit ?
				t1: commit ?`},
		{ID: "g-single", V: "V1", Source: "Hermitage", Text: "Read skew: of another transaction all is seen or nothing.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: get a
				t2: get a
				t2: get b
				t2: put a 12
				t2: put b 18
				t2: commit
				t1: get b
				t1: commit`},
		{ID: "g-single-scan", V: "V1", Source: "Hermitage", Text: "The same with ranges.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: scan a b
				t2: put a 12
				t2: put c 18
				t2: commit
				t1: scan
				t1: commit`},
		{ID: "g-single-write", V: "V4", Source: "Hermitage", Text: "The same, of who writes then.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: get a
				t2: scan
				t2: put a 12
				t2: put b 18
				t2: commit
				t1: put b 21
				t1: commit = conflict`},
		{ID: "long-fork", V: "V1", Source: "Elle", Text: "All see others' commits in one order.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t3: begin
				t4: begin
				t1: put a 11
				t2: put b 22
				t1: commit
				t3: get a
				t2: commit
				t4: get b
				t3: get b
				t4: get a
				t3: commit
				t4: commit`},
	}
}

func serializableRules() []Rule {
	return []Rule{
		{ID: "g2-item", V: "V13", Source: "Hermitage", Claim: "Serializable", Text: "Write skew: two do not each write what the other has read.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: get a
				t1: get b
				t2: get a
				t2: get b
				t1: put a 11
				t2: put b 21
				t1: commit ?
				t2: commit ?`},
		{ID: "g2-item-absent", V: "V13", Source: "pitfall 19", Claim: "Serializable", Text: "The same, of keys that are not there.",
			story: `
				init c=30
				t1: begin
				t2: begin
				t1: get a
				t2: get b
				t1: put b 21
				t2: put a 11
				t1: commit ?
				t2: commit ?`},
		{ID: "g2-item-circle", V: "V13", Source: "Hermitage, a variant", Claim: "Serializable", Text: "The same, of three in a circle.",
			story: `
				init a=10 b=20 c=30
				t1: begin
				t2: begin
				t3: begin
				t1: get a
				t2: get b
				t3: get c
				t1: put b 21
				t2: put c 31
				t3: put a 11
				t3: commit ?
				t1: commit ?
				t2: commit ?`},
		{ID: "read-only", V: "V13", Source: "Fekete, O'Neil and O'Neil, 2004", Claim: "Serializable", Text: "Who only reads sees a state that a serial order has, too.",
			story: `
				init a=1 b=2
				t1: begin
				t1: get a
				t1: get b
				t2: begin
				t2: get b
				t2: put b 20
				t2: commit
				t3: begin
				t3: get a
				t3: get b
				t3: commit
				t1: put a 11
				t1: commit ?
				t4: begin
				t4: commit ?`},
		{ID: "reads-alone", V: "V13", Source: "issue, section A", Claim: "Serializable", Text: "What was read and not written since is no conflict, nor is a write by oneself.",
			story: `
				init a=1 b=2
				t1: begin
				t1: get a
				t1: get b
				t1: get c
				t2: begin
				t2: get a
				t2: put x 7
				t2: commit
				t1: put a 3
				t1: commit
				t3: begin
				t3: get a = 3`},
		{ID: "reads-are-remembered", V: "V13", Source: "pitfall 30", Claim: "Serializable", Text: "What was read is remembered, also when the caller uses his buffer again.", tell: readsRemembered},
	}
}

func rangeRules() []Rule {
	return []Rule{
		{ID: "g2", V: "V13", Source: "Hermitage", Claim: "Ranges", Text: "Phantoms: two do not each add to a range that the other has read.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: scan bb z
				t2: scan bb z
				t1: put c 30
				t2: put d 42
				t1: commit ?
				t2: commit ?`},
		{ID: "g2-two-edges", V: "V13", Source: "Hermitage", Claim: "Ranges", Text: "The same, where a third sees one of the two.",
			story: `
				init a=10 b=20
				t1: begin
				t1: scan
				t2: begin
				t2: put b 25
				t2: commit
				t3: begin
				t3: scan
				t3: commit
				t1: put a 11
				t1: commit ?
				t4: begin
				t4: commit ?`},
		{ID: "g2-changed", V: "V13", Source: "pitfall 19", Claim: "Ranges", Text: "The same, of keys in a range that were there.",
			story: `
				init a=10 b=20
				t1: begin
				t2: begin
				t1: scan
				t2: scan
				t1: put a 11
				t2: put b 21
				t2: commit ?
				t1: commit ?`},
		{ID: "beside-a-range", V: "V13", Source: "issue, section A", Claim: "Ranges", Text: "A write beside the range that was read is no conflict.",
			story: `
				init a=10 b=20 m=30
				t1: begin
				t1: scan a c
				t2: begin
				t2: put c 40
				t2: put m 31
				t2: commit
				t1: put x 1
				t1: commit`},
	}
}

func realTimeRules() []Rule {
	return []Rule{
		{ID: "not-stale", V: "V11", Source: "pitfall 26", Claim: "RealTime", Text: "What was committed is seen by who begins then, and not missed by any of its keys.",
			story: `
				init a=1 b=2
				t1: begin
				t1: put a 3
				t1: commit
				t2: begin
				t2: get a
				t2: put b 4
				t2: commit
				t3: begin
				t3: scan
				t3: commit`},
		{ID: "read-then-commit", V: "V11", Source: "tikv#10570", Claim: "RealTime", Text: "Who commits after somebody has read is after him.",
			story: `
				init a=1 b=2
				t1: begin
				t1: put a 3
				t1: put b 4
				t2: begin
				t2: get a = 1
				t1: commit
				t2: get b = 2
				t2: scan = a=1 b=2
				t2: commit`},
	}
}

// dirtyWrite looks at the end itself: nobody reads, so a history cannot tell.
func dirtyWrite(s *stage) error {
	db, err := s.db()
	if err != nil {
		return err
	}
	p := newPlayer(db, s.mode, s.wait)
	for _, line := range []string{
		"init a=10 b=20", "t1: begin", "t2: begin", "t1: put a 11", "t2: put a 12", "t1: put b 21", "t2: put b 22", "t1: commit ?", "t2: commit ?", "t3: begin",
	} {
		if err := p.expect(line); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	if got := p.do("t3: scan"); got != "a=11 b=21" && got != "a=12 b=22" {
		return fmt.Errorf("in the end there is %s", got)
	}
	return p.end()
}

func readsRemembered(s *stage) error {
	ctx := context.Background()
	db, err := s.db()
	if err != nil {
		return err
	}
	if err := write(db, []byte("ka"), []byte("1"), []byte("kb"), []byte("2")); err != nil {
		return err
	}
	t, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	key := []byte("ka")
	if _, err := t.Get(ctx, key); err != nil {
		return err
	}
	copy(key, "zz")
	if err := write(db, []byte("ka"), []byte("3")); err != nil {
		return err
	}
	if err := t.Put([]byte("kb"), []byte("4")); err != nil {
		return err
	}
	// Somebody sees ka as it is and kb as it was: t cannot come before him, nor after.
	reader, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	ka, erra := reader.Get(ctx, []byte("ka"))
	kb, errb := reader.Get(ctx, []byte("kb"))
	if err := errors.Join(erra, errb, reader.Commit(ctx)); err != nil || string(ka) != "3" || string(kb) != "2" {
		return fmt.Errorf("ka is %q, kb is %q, %v", ka, kb, err)
	}
	if err := t.Commit(ctx); !errors.Is(err, ErrConflict) {
		return fmt.Errorf("what was read was written since, and commit comes to %v", err)
	}
	return nil
}
