package mvcctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

func basicRules() []Rule {
	return []Rule{
		{ID: "own-writes", V: "V14", Source: "pitfall 17", Text: "A transaction reads what it has written, over what is there.",
			story: `
				init a=1 c=3
				t1: begin
				t1: put b 2
				t1: put a 4
				t1: get a = 4
				t1: get b = 2
				t1: scan = a=4 b=2 c=3
				t1: scan b c = b=2
				t1: put a 5
				t1: get a = 5
				t1: commit
				t2: begin
				t2: scan = a=5 b=2 c=3`},
		{ID: "own-deletes", V: "V14", Source: "pitfall 17", Text: "What a transaction has deleted is not there for it, nor for others once it is committed.",
			story: `
				init a=1 b=2 c=3
				t1: begin
				t1: del b
				t1: del x
				t1: get b = -
				t1: scan = a=1 c=3
				t1: put b 4
				t1: scan = a=1 b=4 c=3
				t1: del a
				t1: scan = b=4 c=3
				t2: begin
				t2: scan = a=1 b=2 c=3
				t1: commit
				t2: scan = a=1 b=2 c=3
				t3: begin
				t3: scan = b=4 c=3`},
		{ID: "snapshot", V: "V1", Source: "Percolator §2.2", Text: "A transaction reads what had been committed when it began.",
			story: `
				init a=1 b=2
				t1: begin
				t1: get a = 1
				t2: begin
				t2: put a 3
				t2: put b 4
				t2: put c 5
				t2: commit
				t1: get a = 1
				t1: get b = 2
				t1: get c = -
				t1: scan = a=1 b=2
				t1: commit
				t3: begin
				t3: scan = a=3 b=4 c=5`},
		{ID: "uncommitted", V: "V1", Source: "Percolator §2.2", Text: "Nobody reads what is not committed, and nobody ever what is rolled back.",
			story: `
				init a=1
				t1: begin
				t1: put a 2
				t1: put b 3
				t2: begin
				t2: get a = 1
				t2: get b = -
				t1: rollback
				t2: scan = a=1
				t3: begin
				t3: scan = a=1`},
		{ID: "commit-not-start", V: "V4", Source: "pitfall 4", Text: "Who has begun before, and commits after, is a conflict too: the time of commit decides.",
			story: `
				init a=1
				t1: begin
				t2: begin
				t2: get a = 1
				t1: put a 2
				t1: commit
				t2: put a 3
				t2: commit = conflict
				t3: begin
				t3: get a = 2`},
		{ID: "after-rollback", V: "V4", Source: "pitfall 5", Text: "Who was rolled back is nobody's conflict.",
			story: `
				init a=1
				t1: begin
				t2: begin
				t1: put a 2
				t1: rollback
				t2: get a = 1
				t2: put a 3
				t2: commit
				t3: begin
				t3: get a = 3`},
		{ID: "no-false-conflict", V: "V4", Source: "cockroach#81095", Text: "Transactions that share no key do not conflict.",
			story: `
				init a=1 b=2
				t1: begin
				t2: begin
				t1: get a = 1
				t1: put a 3
				t2: get b = 2
				t2: put b 4
				t2: put c 5
				t1: put aa 6
				t1: commit
				t2: commit
				t3: begin
				t3: scan = a=3 aa=6 b=4 c=5`},
		{ID: "delete-conflicts", V: "V4", Source: "Percolator, figure 6", Text: "A delete is a write.",
			story: `
				init a=1
				t1: begin
				t2: begin
				t1: get a = 1
				t2: get a = 1
				t1: del a
				t1: commit
				t2: put a 2
				t2: commit = conflict
				t3: begin
				t3: get a = -`},
		{ID: "keys-are-bytes", V: "V1", Source: "pitfall 14", Text: "Keys are bytes, in their order: zeros, 0xff, prefixes of each other.", tell: oddKeys},
		{ID: "values", V: "V1", Source: "pitfall 30", Text: "Values of no bytes and of many come back, and the caller's buffers are his own.", tell: values},
		{ID: "many-versions", V: "V1", Source: "pitfall 7", Text: "An old snapshot is read through any number of newer versions.", tell: manyVersions},
		{ID: "over", V: "V15", Source: "issue, section F", Text: "After commit or rollback a transaction does nothing any more.", tell: over},
	}
}

// write commits pairs in one transaction.
func write(db DB, pairs ...[]byte) error {
	ctx := context.Background()
	t, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	for i := 0; i < len(pairs); i += 2 {
		if err := t.Put(pairs[i], pairs[i+1]); err != nil {
			return errors.Join(err, t.Rollback(ctx))
		}
	}
	return t.Commit(ctx)
}

// read calls f in a transaction.
func read(db DB, f func(Txn) error) error {
	ctx := context.Background()
	t, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(t), t.Rollback(ctx))
}

func oddKeys(s *stage) error {
	db, err := s.db()
	if err != nil {
		return err
	}
	want := []string{"\x00", "\x00\x00", "\x00\xff", "a", "a\x00", "a\x00\x00", "a\x01", "aaaaaaa", "aaaaaaaa", "aaaaaaaa\x00", "aaaaaaaaa", "ab", "b", "\xff", "\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff"}
	// In three transactions, so that timestamps do not follow the keys' order.
	for from := range 3 {
		var pairs [][]byte
		for i := from; i < len(want); i += 3 {
			pairs = append(pairs, []byte(want[i]), fmt.Append(nil, i))
		}
		if err := write(db, pairs...); err != nil {
			return err
		}
	}
	return read(db, func(t Txn) error {
		keys, _, err := collect(t.Scan(context.Background(), nil, nil))
		if err != nil {
			return err
		}
		if got := asStrings(keys); !slices.Equal(got, want) {
			return fmt.Errorf("a scan finds %q, and not %q", got, want)
		}
		for i, k := range want {
			v, err := t.Get(context.Background(), []byte(k))
			if err != nil || string(v) != fmt.Sprint(i) {
				return fmt.Errorf("key %q has %q, %v, and not %d", k, v, err, i)
			}
		}
		keys, _, err = collect(t.Scan(context.Background(), []byte("a\x00"), []byte("aaaaaaaa\x00")))
		if got := asStrings(keys); err != nil || !slices.Equal(got, want[4:9]) {
			return fmt.Errorf("from %q to below %q a scan finds %q, %v", want[4], want[9], got, err)
		}
		return nil
	})
}

func asStrings(bs [][]byte) (s []string) {
	for _, b := range bs {
		s = append(s, string(b))
	}
	return s
}

func values(s *stage) error {
	ctx := context.Background()
	db, err := s.db()
	if err != nil {
		return err
	}
	t, err := db.Begin(ctx)
	if err != nil {
		return err
	}
	buf, key := make([]byte, 70_000), []byte("k?")
	lengths := []int{0, 1, 255, 256, 4096, 70_000}
	for i, n := range lengths {
		for j := range n {
			buf[j] = byte(i + j)
		}
		key[1] = byte('a' + i)
		if err := t.Put(key, buf[:n]); err != nil {
			return err
		}
		clear(buf)
	}
	key[1] = 'z'
	if err := t.Commit(ctx); err != nil {
		return err
	}
	return read(db, func(t Txn) error {
		for range 2 {
			keys, values, err := collect(t.Scan(ctx, nil, nil))
			if err != nil || len(keys) != len(lengths) {
				return fmt.Errorf("a scan finds %q, %v", keys, err)
			}
			for i, n := range lengths {
				v, err := t.Get(ctx, keys[i])
				for j := range n {
					buf[j] = byte(i + j)
				}
				if err != nil || !bytes.Equal(v, buf[:n]) || !bytes.Equal(values[i], buf[:n]) {
					return fmt.Errorf("the value of %d bytes has come back as %d from a get and %d from a scan, %v, or with others' bytes", n, len(v), len(values[i]), err)
				}
				clear(v) // it is ours
				clear(values[i])
			}
		}
		return nil
	})
}

func manyVersions(s *stage) error {
	ctx := context.Background()
	db, err := s.db()
	if err != nil {
		return err
	}
	const versions = 60
	var txns []Txn
	for i := range versions {
		if err := write(db, []byte("a"), fmt.Append(nil, i), []byte("b"), fmt.Append(nil, i)); err != nil {
			return err
		}
		// And some that are rolled back.
		for range i % 12 {
			t, err := db.Begin(ctx)
			if err == nil {
				err = errors.Join(t.Put([]byte("a"), []byte("x")), t.Rollback(ctx))
			}
			if err != nil {
				return err
			}
		}
		t, err := db.Begin(ctx)
		if err != nil {
			return err
		}
		txns = append(txns, t)
	}
	for i, t := range txns {
		v, err := t.Get(ctx, []byte("a"))
		if err != nil || string(v) != fmt.Sprint(i) {
			return fmt.Errorf("after version %d a transaction reads %q, %v", i, v, err)
		}
		_, values, err := collect(t.Scan(ctx, nil, nil))
		if want := fmt.Sprintf("[%d %d]", i, i); err != nil || fmt.Sprint(asStrings(values)) != want {
			return fmt.Errorf("after version %d a scan finds %q, %v", i, values, err)
		}
		if err := t.Rollback(ctx); err != nil {
			return err
		}
	}
	return nil
}

func over(s *stage) error {
	ctx := context.Background()
	db, err := s.db()
	if err != nil {
		return err
	}
	for _, end := range []string{"commit", "rollback"} {
		t, err := db.Begin(ctx)
		if err != nil {
			return err
		}
		if err := t.Put([]byte("a"), []byte("1")); err != nil {
			return err
		}
		if end == "commit" {
			err = t.Commit(ctx)
		} else {
			err = t.Rollback(ctx)
		}
		if err != nil {
			return err
		}
		if err := t.Put([]byte("a"), []byte("2")); err == nil {
			return fmt.Errorf("a put after %s succeeds", end)
		}
		if err := t.Commit(ctx); err == nil {
			return fmt.Errorf("a commit after %s succeeds", end)
		}
	}
	return read(db, func(t Txn) error {
		v, err := t.Get(ctx, []byte("a"))
		if err != nil || string(v) != "1" {
			return fmt.Errorf("the value is %q, %v", v, err)
		}
		return nil
	})
}
