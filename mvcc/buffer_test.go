package mvcc

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/mvcc/region"
)

// V14: what a transaction reads is its own writes over the snapshot, for any writes,
// savepoints, bounds and direction; a map says what is right.
func TestTxnReadsWhatItWrote(t *testing.T) {
	ctx := context.Background()
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 14))
		w := newClientWorld(t, region.Options{}, "k3", "k6")
		db, _ := w.client()
		key := func() string { return fmt.Sprintf("k%d", r.IntN(9)) + strings.Repeat("\x00", r.IntN(2)) }
		want := map[string]string{}
		setup := clientBegin(t, db, SnapshotIsolation)
		for range 10 {
			k := key()
			want[k] = "old"
			require.NoError(t, setup.Put([]byte(k), []byte("old")))
		}
		require.NoError(t, setup.Commit(ctx))

		tx := clientBegin(t, db, SnapshotIsolation)
		type saved struct {
			s    Savepoint
			want map[string]string
		}
		var saves []saved
		clone := func() map[string]string {
			m := map[string]string{}
			for k, v := range want {
				m[k] = v
			}
			return m
		}
		for step := range 60 {
			k := key()
			switch r.IntN(8) {
			case 0, 1:
				want[k] = fmt.Sprint(step)
				require.NoError(t, tx.Put([]byte(k), []byte(want[k])))
			case 2, 3:
				delete(want, k)
				require.NoError(t, tx.Delete([]byte(k)))
			case 4:
				saves = append(saves, saved{tx.Savepoint(), clone()})
			case 5:
				if len(saves) > 0 {
					i := r.IntN(len(saves))
					require.NoError(t, tx.RollbackTo(saves[i].s))
					want = saves[i].want
					saves = append(saves[:i], saved{saves[i].s, clone()})
				}
			default:
				lo, hi := key(), key()
				if r.IntN(3) == 0 {
					lo = ""
				}
				if r.IntN(3) == 0 {
					hi = ""
				}
				limit := r.IntN(4)
				clientCheckScan(t, "V14", tx, want, lo, hi, ScanOptions{Limit: limit})
				clientCheckScan(t, "V14", tx, want, lo, hi, ScanOptions{Limit: limit, Reverse: true})
				if got := clientGet(t, tx, k); got != clientOr(want, k) {
					t.Fatalf("RULE V14: seed %d: %q is %q, want %q", seed, k, got, clientOr(want, k))
				}
			}
		}
		require.NoError(t, tx.Commit(ctx))
		check := clientBegin(t, db, ReadOnly)
		clientCheckScan(t, "V14", check, want, "", "", ScanOptions{})
		require.NoError(t, check.Rollback(ctx))
	}
}

func clientOr(m map[string]string, k string) string {
	if v, ok := m[k]; ok {
		return v
	}
	return "-"
}

func clientCheckScan(t *testing.T, rule string, tx *Txn, m map[string]string, lo, hi string, o ScanOptions) {
	t.Helper()
	var want []string
	for k, v := range m {
		if k >= lo && (hi == "" || k < hi) {
			want = append(want, k+"="+v)
		}
	}
	slices.SortFunc(want, func(a, b string) int {
		ka, _, _ := strings.Cut(a, "=")
		kb, _, _ := strings.Cut(b, "=")
		return strings.Compare(ka, kb)
	})
	if o.Reverse {
		slices.Reverse(want)
	}
	if o.Limit > 0 && len(want) > o.Limit {
		want = want[:o.Limit]
	}
	if got := clientScan(t, tx, lo, hi, o); got != strings.Join(want, " ") {
		t.Fatalf("RULE %s: scan %q to %q, %+v is %q, want %q", rule, lo, hi, o, got, want)
	}
}

// A write in the body of a loop shows if it is ahead, in the direction of the loop.
func TestScanSeesWritesAheadOfIt(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	w.put(db, "b=1", "d=1", "f=1")
	for _, c := range []struct {
		reverse bool
		want    string
	}{{false, "b d e"}, {true, "f d c b"}} {
		tx := clientBegin(t, db, SnapshotIsolation)
		var got []string
		for kv, err := range tx.Scan(context.Background(), nil, nil, ScanOptions{Reverse: c.reverse}) {
			require.NoError(t, err)
			got = append(got, string(kv.Key))
			if string(kv.Key) == "d" {
				clientWrite(t, tx, "c=2", "e=2")
				if !c.reverse {
					clientWrite(t, tx, "f")
				}
			}
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("RULE V14: reverse %t: %s, want %s", c.reverse, s, c.want)
		}
		require.NoError(t, tx.Rollback(context.Background()))
	}
}

// What an Insert promised has to hold at commit, whatever is written over it.
func TestInsertIsAPromise(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct {
		steps  string
		exists error // when the key has a value
		absent error // when it has none
		left   string
	}{
		{"i", ErrExists, nil, "i"},
		{"ip", ErrExists, nil, "p"},
		{"id", ErrExists, nil, "-"},
		{"idi", ErrExists, nil, "i"},
		{"idp", ErrExists, nil, "p"},
		{"di", nil, nil, "i"},
		{"pdi", nil, nil, "i"},
		{"dip", nil, nil, "p"},
	} {
		for _, there := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/there=%t", c.steps, there), func(t *testing.T) {
				w := newClientWorld(t, region.Options{})
				db, _ := w.client()
				want, left := c.absent, c.left
				if there {
					w.put(db, "k=old")
					want = c.exists
				}
				if want != nil {
					left = "old"
				}
				tx := clientBegin(t, db, SnapshotIsolation)
				for _, s := range c.steps {
					switch s {
					case 'i':
						require.NoError(t, tx.Insert([]byte("k"), []byte("i")))
					case 'p':
						require.NoError(t, tx.Put([]byte("k"), []byte("p")))
					case 'd':
						require.NoError(t, tx.Delete([]byte("k")))
					}
				}
				require.ErrorIs(t, tx.Commit(ctx), want, "RULE V14: it is not so")
				check := clientBegin(t, db, ReadOnly)
				require.Equal(t, left, clientGet(t, check, "k"), "RULE V14: it is not so")
				require.NoError(t, check.Rollback(ctx))
				w.settled("V14")
			})
		}
	}
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	tx := clientBegin(t, db, SnapshotIsolation)
	require.NoError(t, tx.Put([]byte("k"), nil))
	require.ErrorIs(t, tx.Insert([]byte("k"), nil), ErrExists, "RULE V14: an empty value is one")
	require.NoError(t, tx.Rollback(ctx))
}

// What savepoints go back to is memory of the transaction, like what it writes.
func TestWhatSavepointsKeepCounts(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	tx := clientBegin(t, db, SnapshotIsolation)
	mib := make([]byte, 1<<20)
	require.NoError(t, tx.Put([]byte("a"), mib))
	tx.buf.bytes += MaxTxnSize - 5<<20 // as if it had written so much
	s := tx.Savepoint()
	n := 0
	for ; n < 10 && tx.Put([]byte("a"), mib) == nil; n++ {
	}
	if n != 3 {
		t.Errorf("RULE V14: with room for 4 MiB, 1 MiB was written %d times, each kept for a savepoint", n)
	}
	require.ErrorIs(t, tx.Put([]byte("a"), mib), ErrTooLarge)
	require.NoError(t, tx.RollbackTo(s))
	if err := tx.Put([]byte("b"), mib); err != nil || tx.buf.kept != len("b") {
		t.Errorf("RULE V14: after going back there are %d bytes kept, and room for %v", tx.buf.kept, err)
	}
	require.NoError(t, tx.Rollback(context.Background()))
}

func TestSavepoints(t *testing.T) {
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	tx := clientBegin(t, db, SnapshotIsolation)
	clientWrite(t, tx, "a=1")
	first := tx.Savepoint()
	clientWrite(t, tx, "a=2", "b=2")
	second := tx.Savepoint()
	clientWrite(t, tx, "a", "c=3")
	require.NoError(t, tx.RollbackTo(second))
	require.Equal(t, "a=2 b=2", clientScan(t, tx, "", "", ScanOptions{}), "RULE V14: it is not so")
	require.NoError(t, tx.RollbackTo(first))
	require.Equal(t, "a=1", clientScan(t, tx, "", "", ScanOptions{}), "RULE V14: it is not so")
	require.Error(t, tx.RollbackTo(second), "RULE V14: the second is gone with what came after the first")
	clientWrite(t, tx, "d=4")
	require.NoError(t, tx.RollbackTo(first), "RULE V14: it can be gone back to again")
	require.Equal(t, "a=1", clientScan(t, tx, "", "", ScanOptions{}), "RULE V14: it is not so")
	require.Error(t, tx.RollbackTo(Savepoint{}))
	require.NoError(t, tx.Rollback(context.Background()))
}

// Slices that go in may be changed afterwards, and those that come out too.
func TestSlicesAreNotShared(t *testing.T) {
	ctx := context.Background()
	w := newClientWorld(t, region.Options{})
	db, _ := w.client()
	tx := clientBegin(t, db, Serializable)
	k, v := []byte("key"), []byte("value")
	require.NoError(t, tx.Put(k, v))
	spoil := func(b []byte) {
		for i := range b {
			b[i] = '!'
		}
	}
	spoil(k)
	spoil(v)
	got, err := tx.Get(ctx, []byte("key"))
	require.NoError(t, err)
	require.Equal(t, "value", string(got), "RULE V14: Put keeps a slice of its caller")
	spoil(got)
	for kv, err := range tx.Scan(ctx, nil, nil, ScanOptions{}) {
		require.NoError(t, err)
		require.Equal(t, "key=value", string(kv.Key)+"="+string(kv.Value), "RULE V14: Get hands out the buffer")
		spoil(kv.Key)
		spoil(kv.Value)
	}
	values, err := tx.BatchGet(ctx, []byte("key"))
	require.NoError(t, err)
	require.Equal(t, "value", string(values[0]), "RULE V14: Scan hands out the buffer")
	spoil(values[0])
	values, err = tx.GetForUpdate(ctx, []byte("key"))
	require.NoError(t, err)
	require.Equal(t, "value", string(values[0]), "RULE V14: BatchGet hands out the buffer")
	require.NoError(t, tx.Commit(ctx))
	require.Equal(t, "key=value", w.state(db), "RULE V14: it is not so")

	// A key that was read is part of the read set, and remembered as it was then.
	tx = clientBegin(t, db, Serializable)
	k = []byte("key")
	_, err = tx.Get(ctx, k)
	require.NoError(t, err)
	spoil(k)
	require.NoError(t, tx.Put([]byte("other"), nil))
	w.put(db, "key=new")
	require.ErrorIs(t, tx.Commit(ctx), ErrConflict, "RULE V13: the read set keeps a slice of its caller")
}

// A large buffer keeps its order whatever the order of the writes.
func TestBufferOfManyBlocks(t *testing.T) {
	for name, next := range map[string]func(i int) int{
		"up":     func(i int) int { return i },
		"down":   func(i int) int { return 9999 - i },
		"spread": func(i int) int { return i * 7919 % 10000 },
	} {
		var b buffer
		for i := range 10000 {
			require.NoError(t, b.put(region.MutPut, fmt.Appendf(nil, "%05d", next(i)), []byte{byte(i)}))
		}
		require.Equal(t, 10000, b.n)
		i := 0
		b.all(func(c *change) {
			if want := fmt.Sprintf("%05d", i); string(c.key) != want {
				t.Fatalf("RULE V14: %s: change %d is of %q", name, i, c.key)
			}
			i++
		})
		require.Equal(t, 10000, i)
		c := cursor{b: &b, reverse: true, lo: []byte("00100"), hi: []byte("05000")}
		for i := 4999; i >= 100; i-- {
			if ch := c.peek(); ch == nil || string(ch.key) != fmt.Sprintf("%05d", i) {
				t.Fatalf("RULE V14: %s: backwards, at %d", name, i)
			}
			c.next()
		}
		require.Nil(t, c.peek())
		for i := range 10000 {
			p, found := b.find(fmt.Appendf(nil, "%05d", next(i)))
			require.True(t, found)
			b.remove(p)
		}
		require.Zero(t, b.n)
		require.Zero(t, b.bytes)
		require.Empty(t, b.blocks)
	}
	require.True(t, bytes.Equal(above([]byte("a")), []byte("a\x00")))
}

// The promise is kept too where the key lies in another region than what is written, in
// whichever order the regions answer; and where it was locked in between, so that the
// transaction's primary may be a key that it leaves as it was.
func TestInsertIsAPromiseAcrossRegions(t *testing.T) {
	ctx := context.Background()
	for _, mode := range []Mode{SnapshotIsolation, Serializable, Pessimistic} {
		for _, steps := range []string{"id", "idl", "ild"} {
			for _, keys := range [][2]string{{"a", "z"}, {"z", "a"}} {
				for _, there := range []bool{false, true} {
					name := fmt.Sprintf("%v, %s of %s, there=%t", mode, steps, keys[0], there)
					w := newClientWorld(t, region.Options{}, "m")
					db, _ := w.client()
					var want error
					left := keys[1] + "=1"
					if there {
						w.put(db, keys[0]+"=old")
						want, left = ErrExists, keys[0]+"=old"
					}
					tx := clientBegin(t, db, mode)
					for _, s := range steps {
						switch s {
						case 'i':
							require.NoError(t, tx.Insert([]byte(keys[0]), []byte("i")))
						case 'd':
							require.NoError(t, tx.Delete([]byte(keys[0])))
						case 'l':
							_, err := tx.GetForUpdate(ctx, []byte(keys[0]))
							require.NoError(t, err)
						}
					}
					clientWrite(t, tx, keys[1]+"=1")
					require.ErrorIs(t, tx.Commit(ctx), want, "RULE V14: %s", name)
					w.clock.pass(time.Minute)
					require.Equal(t, left, w.state(db), "RULE V14: %s", name)
				}
			}
		}
	}
}
