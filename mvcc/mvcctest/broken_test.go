package mvcctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc"
)

// brokenRules names, for each rule, a way to break package mvcc at the kit's interface that
// must fail it.
var brokenRules = map[string]string{
	"own-writes":             "reads-past-the-buffer",
	"own-deletes":            "deletes-nothing",
	"snapshot":               "reads-the-latest",
	"uncommitted":            "writes-through",
	"commit-not-start":       "commits-blindly",
	"after-rollback":         "rollback-conflicts",
	"no-false-conflict":      "everybody-conflicts",
	"delete-conflicts":       "commits-blindly",
	"keys-are-bytes":         "c-strings",
	"values":                 "empty-is-missing",
	"many-versions":          "forgets",
	"over":                   "never-over",
	"g0":                     "skips-a-key",
	"g1a":                    "writes-through",
	"g1b":                    "writes-through, reads-the-latest",
	"g1c":                    "writes-through",
	"otv":                    "commits-blindly, reads-the-latest",
	"pmp":                    "reads-the-latest",
	"pmp-write":              "commits-blindly",
	"p4":                     "commits-blindly",
	"p4-absent":              "commits-blindly",
	"g-single":               "reads-the-latest",
	"g-single-scan":          "reads-the-latest",
	"g-single-write":         "commits-blindly",
	"long-fork":              "first-read-is-latest",
	"workload-bank":          "commits-blindly",
	"workload-write-skew":    "",
	"workload-long-fork":     "first-read-is-latest",
	"workload-phantom":       "",
	"workload-list-append":   "commits-blindly",
	"workload-registers":     "commits-blindly",
	"goroutines":             "commits-blindly",
	"g2-item":                "",
	"g2-item-absent":         "",
	"g2-item-circle":         "",
	"read-only":              "",
	"reads-alone":            "everybody-conflicts",
	"reads-are-remembered":   "",
	"g2":                     "",
	"g2-two-edges":           "",
	"g2-changed":             "",
	"beside-a-range":         "everybody-conflicts",
	"not-stale":              "reads-the-past",
	"read-then-commit":       "reads-the-latest",
	"reverse":                "reverse-goes-up",
	"reverse-versions":       "reads-the-latest",
	"insert":                 "insert-fails",
	"insert-exists":          "insert-is-put",
	"insert-twice":           "commits-blindly",
	"savepoint":              "savepoint-of-nothing",
	"lock-waits":             "lock-is-a-read",
	"lock-passes-readers":    "readers-lock",
	"lock-keeps-writers-out": "lock-is-a-read",
	"lock-rolled-back":       "lock-is-a-read",
	"deadlock":               "lock-is-a-read",
	"deadlock-long":          "lock-is-a-read",
	"deadlock-stale":         "lock-is-a-read",
	"time-travel":            "travels-nowhere",
}

func TestEveryRuleHasABrokenStoreThatFailsIt(t *testing.T) {
	met := map[string]bool{}
	for _, r := range Rules() {
		require.NotContains(t, met, r.ID, "two rules of one name")
		met[r.ID] = true
		bug, ok := brokenRules[r.ID]
		require.True(t, ok, "rule %s has no broken store", r.ID)
		require.NotEmpty(t, r.Text)
		require.NotEmpty(t, r.Source)
		t.Run(r.ID, func(t *testing.T) {
			// Snapshot isolation that claims to be serializable is broken as it is.
			mode := mvcc.SnapshotIsolation
			claims := Claims(mvcc.Serializable, true)
			switch {
			case r.Claim == "Locks":
				mode, claims = mvcc.Pessimistic, Claims(mvcc.Pessimistic, true)
			case bug == "everybody-conflicts":
				mode = mvcc.Serializable
			}
			s := &stage{rule: &r, mode: claims, open: func() (DB, error) {
				db, err := openFlagship(mode)()
				return &broken{closing: db.(*closing), bugs: bug}, err
			}}
			var err error
			if r.Claim == "Locks" {
				synctest.Test(t, func(*testing.T) {
					s.wait = synctest.Wait
					err = s.play()
				})
			} else {
				err = s.play()
			}
			require.ErrorContains(t, err, "RULE "+r.V+": "+r.ID+" (", "bug %q", bug)
		})
	}
	require.Len(t, brokenRules, len(met), "brokenRules has rules that are not")
}

// broken is package mvcc with a bug.
type broken struct {
	*closing
	bugs string // one or more

	mu     sync.Mutex
	stamps []uint64 // of commits
}

func (b *broken) has(bug string) bool { return strings.Contains(b.bugs, bug) }

func (b *broken) Begin(ctx context.Context) (Txn, error) {
	t, err := b.closing.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &brokenTxn{flagshipTxn: t.(flagshipTxn), db: b}, nil
}

func (b *broken) BeginAt(ctx context.Context, stamp uint64) (Txn, error) {
	if b.has("travels-nowhere") {
		return b.closing.BeginAt(ctx, 0)
	}
	return b.closing.BeginAt(ctx, stamp)
}

// brokenTxn notes what it writes, to do it again.
type brokenTxn struct {
	flagshipTxn
	db    *broken
	puts  []KV // nil value: deleted
	reads int
	ended bool
}

func (t *brokenTxn) wrote(key []byte) bool {
	return slices.ContainsFunc(t.puts, func(kv KV) bool { return bytes.Equal(kv.Key, key) })
}

// other is a transaction to read in instead, or nil.
func (t *brokenTxn) other(key []byte) (Txn, error) {
	t.reads++
	now := uint64(0)
	switch {
	case t.db.has("reads-past-the-buffer"):
		now = uint64(t.ReadTS())
	case t.db.has("reads-the-latest") && (key == nil || !t.wrote(key)):
	case t.db.has("first-read-is-latest") && t.reads == 1 && !t.wrote(key):
	case t.db.has("forgets") && t.db.Metrics().Active > 20:
	case t.db.has("reads-the-past") && len(t.puts) == 0:
		if now = t.db.past(); now == 0 {
			return nil, nil
		}
	default:
		return nil, nil
	}
	return t.db.closing.BeginAt(context.Background(), now)
}

// past is as of before the last commit; 0 if there were not two.
func (b *broken) past() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.stamps) < 2 {
		return 0
	}
	return b.stamps[len(b.stamps)-2]
}

func (b *broken) Metrics() mvcc.Metrics { return b.db.Metrics() }

func (t *brokenTxn) key(k []byte) []byte {
	if i := bytes.IndexByte(k, 0); i > 0 && t.db.has("c-strings") {
		return k[:i]
	}
	return k
}

func (t *brokenTxn) Get(ctx context.Context, key []byte) ([]byte, error) {
	if t.db.has("readers-lock") {
		v, err := t.GetForUpdate(ctx, key)
		if err != nil || v[0] == nil {
			return nil, errors.Join(err, ErrNotFound)
		}
		return v[0], nil
	}
	o, err := t.other(key)
	if err != nil {
		return nil, err
	}
	if o != nil {
		defer o.Rollback(ctx)
		return o.Get(ctx, t.key(key))
	}
	v, err := t.flagshipTxn.Get(ctx, t.key(key))
	if err == nil && len(v) == 0 && t.db.has("empty-is-missing") {
		err = ErrNotFound
	}
	return v, err
}

func (t *brokenTxn) Scan(ctx context.Context, lo, hi []byte) iter.Seq2[KV, error] {
	if o, err := t.other(nil); err == nil && o != nil && len(t.puts) == 0 {
		defer o.Rollback(ctx)
		var rows []KV
		for kv := range o.Scan(ctx, lo, hi) {
			rows = append(rows, kv)
		}
		return func(yield func(KV, error) bool) {
			for _, kv := range rows {
				if !yield(kv, nil) {
					return
				}
			}
		}
	}
	return t.flagshipTxn.Scan(ctx, lo, hi)
}

func (t *brokenTxn) ScanReverse(ctx context.Context, lo, hi []byte) iter.Seq2[KV, error] {
	if t.db.has("reverse-goes-up") {
		return t.Scan(ctx, lo, hi)
	}
	if o, err := t.other(nil); err == nil && o != nil {
		return o.(flagshipTxn).ScanReverse(ctx, lo, hi)
	}
	return t.flagshipTxn.ScanReverse(ctx, lo, hi)
}

func (t *brokenTxn) Put(key, value []byte) error {
	ctx := context.Background()
	switch {
	case t.db.has("everybody-conflicts"):
		if _, err := t.flagshipTxn.GetForUpdate(ctx, []byte("~")); err != nil {
			return err
		}
	case t.db.has("writes-through"):
		return write(t.db.closing, key, value)
	case t.db.has("never-over"):
		if t.ended {
			return nil
		}
	}
	t.puts = append(t.puts, KV{Key: bytes.Clone(key), Value: append([]byte{}, value...)})
	return t.flagshipTxn.Put(t.key(key), value)
}

func (t *brokenTxn) Insert(key, value []byte) error {
	switch {
	case t.db.has("insert-fails"):
		return ErrExists
	case t.db.has("insert-is-put"):
		return t.Put(key, value)
	}
	t.puts = append(t.puts, KV{Key: bytes.Clone(key), Value: bytes.Clone(value)})
	return t.flagshipTxn.Insert(key, value)
}

func (t *brokenTxn) Delete(key []byte) error {
	if t.db.has("deletes-nothing") {
		return nil
	}
	t.puts = append(t.puts, KV{Key: bytes.Clone(key)})
	return t.flagshipTxn.Delete(key)
}

func (t *brokenTxn) Savepoint() func() error {
	if t.db.has("savepoint-of-nothing") {
		return func() error { return nil }
	}
	return t.flagshipTxn.Savepoint()
}

func (t *brokenTxn) GetForUpdate(ctx context.Context, keys ...[]byte) ([][]byte, error) {
	if t.db.has("lock-is-a-read") {
		return t.BatchGet(ctx, keys...)
	}
	return t.flagshipTxn.GetForUpdate(ctx, keys...)
}

func (t *brokenTxn) Commit(ctx context.Context) error {
	if t.ended && t.db.has("never-over") {
		return nil
	}
	t.ended = true
	err := t.flagshipTxn.Commit(ctx)
	if errors.Is(err, ErrConflict) && (t.db.has("commits-blindly") || t.db.has("skips-a-key")) {
		again, err := t.db.closing.Begin(ctx)
		if err != nil {
			return err
		}
		if t.db.has("skips-a-key") && len(t.puts) > 1 {
			t.puts = t.puts[:len(t.puts)-1]
		}
		for _, kv := range t.puts {
			if kv.Value == nil {
				err = errors.Join(err, again.Delete(kv.Key))
			} else {
				err = errors.Join(err, again.Put(kv.Key, kv.Value))
			}
		}
		return errors.Join(err, again.Commit(ctx))
	}
	if err == nil && t.CommitTS() != 0 {
		t.db.mu.Lock()
		t.db.stamps = append(t.db.stamps, t.Stamp())
		t.db.mu.Unlock()
	}
	return err
}

func (t *brokenTxn) Rollback(ctx context.Context) error {
	t.ended = true
	err := t.flagshipTxn.Rollback(ctx)
	if t.db.has("rollback-conflicts") && err == nil && len(t.puts) > 0 {
		o, err := t.db.closing.Begin(ctx)
		if err != nil {
			return err
		}
		for _, kv := range t.puts {
			if _, err := o.(flagshipTxn).GetForUpdate(ctx, kv.Key); err != nil {
				return err
			}
		}
		return o.Commit(ctx)
	}
	return err
}

// The failure of a rule says what was seen, and draws it.
func ExampleRun() {
	r := Rules()[slices.IndexFunc(Rules(), func(r Rule) bool { return r.ID == "g2-item" })]
	s := &stage{rule: &r, open: openFlagship(mvcc.SnapshotIsolation), mode: Claims(mvcc.Serializable, true)}
	for line := range strings.Lines(s.play().Error()) {
		fmt.Println(strings.TrimRight(line, " \n"))
	}
	// Output:
	// RULE V13: g2-item (Hermitage): G2-item: write skew
	//
	// +-> T1  read a 10; read b 20; write a 11
	// |   |   rw b: T1 read 20, and T2 wrote 21 over it
	// |   v
	// |   T2  read a 10; read b 20; write b 21
	// |   |   rw a: T2 read 10, and T1 wrote 11 over it
	// +---+
}
