package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/table"
)

// small are options under which every room of the store is passed with a few
// hundred writes.
func small(fs vfs.FS, rng *rand.Rand) *Options {
	o := &Options{
		FS: fs, MemTableSize: 64 << 10, BaseTableSize: 4 << 10, BaseLevelSize: 16 << 10, LevelRatio: 3,
		L0Compaction: 2, L0Stop: 6, BlockSize: 256, MergeOperator: joinOperands, ValueLogFileSize: 16 << 10,
	}
	if rng == nil {
		return o
	}
	o.Schedule = func(jobs []string) int { return rng.IntN(4*len(jobs)) - 3*len(jobs) }
	o.ValueThreshold = []int{0, 50, 200}[rng.IntN(3)]
	o.NoMmap = rng.IntN(2) == 0
	o.Compression = table.Compression(rng.IntN(3))
	o.BitsPerKey = []int{-1, 4, 10}[rng.IntN(3)]
	o.MaxValueAmplification = 1.1
	return o
}

func openTest(t testing.TB, dir string, o *Options) *DB {
	t.Helper()
	db, err := Open(dir, o)
	require.NoError(t, err)
	return db
}

// model is what a store should hold: the simplest thing that is right.
type model map[string]string

func (m model) clone() model {
	out := model{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func (m model) keys() []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// reader is a store or a snapshot.
type reader interface {
	Get(k []byte) ([]byte, error)
	NewIter(*IterOptions) (*Iterator, error)
}

// check compares everything that r shows with the model, in both directions.
func (m model) check(t testing.TB, rule string, r reader) {
	t.Helper()
	it, err := r.NewIter(nil)
	require.NoError(t, err)
	want := m.keys()
	var got []string
	for ok := it.First(); ok; ok = it.Next() {
		got = append(got, string(it.Key()))
		if len(got) > len(want) {
			break // also of an iterator that does not come to an end
		}
		if v := string(it.Value()); v != m[string(it.Key())] {
			t.Fatalf("RULE %s: key %q is %.40q, want %.40q", rule, it.Key(), v, m[string(it.Key())])
		}
	}
	require.NoError(t, it.Err())
	if !slices.Equal(got, want) {
		t.Fatalf("RULE %s: keys %q, want %q", rule, got, want)
	}
	got = nil
	for ok := it.Last(); ok; ok = it.Prev() {
		got = append(got, string(it.Key()))
		if v := string(it.Value()); v != m[string(it.Key())] {
			t.Fatalf("RULE %s: backwards, key %q is %.40q, want %.40q", rule, it.Key(), v, m[string(it.Key())])
		}
	}
	slices.Reverse(got)
	if !slices.Equal(got, want) {
		t.Fatalf("RULE %s: backwards, keys %q, want %q", rule, got, want)
	}
	require.NoError(t, it.Close())
	for i := range 60 {
		k := fmt.Sprintf("k%02d", i)
		v, err := r.Get([]byte(k))
		w, ok := m[k]
		if ok && (err != nil || string(v) != w) || !ok && !errors.Is(err, ErrNotFound) {
			t.Fatalf("RULE %s: get %q is %.40q, %v; want %.40q, %t", rule, k, v, err, w, ok)
		}
	}
}

// writeRandom makes one random write to both.
func writeRandom(t testing.TB, rng *rand.Rand, db *DB, m model) {
	t.Helper()
	b := db.NewBatch()
	n := 1
	if rng.IntN(10) == 0 {
		n = rng.IntN(8)
	}
	size := 60
	if rng.IntN(200) == 0 {
		n, size = 60, 800 // more than half a memtable
	}
	for range n {
		k := fmt.Sprintf("k%02d", rng.IntN(60))
		switch rng.IntN(12) {
		case 0, 1:
			b.Delete([]byte(k))
			delete(m, k)
		case 2:
			v := fmt.Sprintf("+%d", rng.IntN(10))
			b.Merge([]byte(k), []byte(v))
			m[k] += v
		case 3:
			from, to := fmt.Sprintf("k%02d", rng.IntN(60)), fmt.Sprintf("k%02d", rng.IntN(60))
			if rng.IntN(4) > 0 {
				to = from + "x"
			}
			b.DeleteRange([]byte(from), []byte(to))
			for k := range m {
				if from <= k && k < to {
					delete(m, k)
				}
			}
		default:
			v := fmt.Sprintf("%d", rng.Uint64()) + string(bytes.Repeat([]byte{'.'}, rng.IntN(10*size)))
			b.Put([]byte(k), []byte(v))
			m[k] = v
		}
	}
	require.NoError(t, db.Apply(b), "RULE L12: a job has failed")
}

// TestModel runs seeded schedules of everything against the model: one seed, one
// run.
func TestModel(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 8
	}
	for seed := range uint64(seeds) {
		t.Run(fmt.Sprintf("seed=%d", seed+1), func(t *testing.T) {
			t.Parallel()
			runModel(t, seed+1, 1200)
		})
	}
}

func runModel(t *testing.T, seed uint64, steps int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	fs := vfs.NewMem()
	db := openTest(t, "db", small(fs, rng))
	m := model{}
	type pinned struct {
		s *Snapshot
		m model
	}
	var snaps []pinned
	for range steps {
		switch op := rng.IntN(100); {
		case op < 90:
			writeRandom(t, rng, db, m)
		case op < 91:
			require.NoError(t, db.Flush())
		case op < 92:
			require.NoError(t, db.Compact(nil, nil))
		case op < 94 && len(snaps) < 3:
			snaps = append(snaps, pinned{db.Snapshot(), m.clone()})
		case op < 96 && len(snaps) > 0:
			i := rng.IntN(len(snaps))
			snaps[i].m.check(t, "L5", snaps[i].s)
			require.NoError(t, snaps[i].s.Close())
			snaps = slices.Delete(snaps, i, i+1)
		case op < 97:
			for _, s := range snaps {
				require.NoError(t, s.s.Close())
			}
			snaps = nil
			require.NoError(t, db.Close())
			var err error
			db, err = Open("db", small(fs, rng))
			require.NoError(t, err, "RULE L2: what was closed is a store")
			m.check(t, "L3", db)
		case op < 98:
			m.check(t, "L3", db)
		}
	}
	m.check(t, "L3", db)
	require.NoError(t, db.Verify())
	for _, s := range snaps {
		s.m.check(t, "L5", s.s)
		require.NoError(t, s.s.Close())
	}
	require.NoError(t, db.Compact(nil, nil))
	m.check(t, "L3", db)
	require.NoError(t, db.Close())
}

// TestOneSeedOneSchedule: the same seed gives the same files, byte for byte
// (rule L13).
func TestOneSeedOneSchedule(t *testing.T) {
	dump := func() string {
		fs, rng := vfs.NewMem(), rand.New(rand.NewPCG(7, 7))
		o := small(fs, rng)
		o.Clock = func() time.Time { return time.Unix(1e9, 0) }
		db := openTest(t, "db", o)
		m := model{}
		for range 1500 {
			writeRandom(t, rng, db, m)
		}
		require.NoError(t, db.Close())
		return fs.Dump()
	}
	first, second := dump(), dump()
	if first != second {
		t.Error("RULE L13: two runs of one seed left different files")
	}
}

// TestUnsyncedWritesSurviveTheKilledProcess: what returned is there, in order,
// whole, without a sync; after a power cut a prefix of it is.
func TestUnsyncedWritesSurviveTheKilledProcess(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fs := vfs.NewMem()
		db := openTest(t, "db", small(fs, rng))
		m := model{}
		for range 300 {
			writeRandom(t, rng, db, m)
		}
		killed := openTest(t, "db", small(fs.KillClone(), rng))
		m.check(t, "L1", killed)
		require.NoError(t, killed.Close())
		require.NoError(t, db.Close())
	}
}

// TestPowerCutLeavesAPrefix cuts power after random operations: what was synced
// is there, and what is there is a prefix of what was written, batch by batch.
func TestPowerCutLeavesAPrefix(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 2))
		fs := vfs.NewMem()
		db := openTest(t, "db", small(fs, rng))
		states := []model{{}}
		synced := 0
		fs.CutPower(fs.Ops() + int64(rng.IntN(2500)))
		m := model{}
		for range 400 {
			b := db.NewBatch()
			next := m.clone()
			for range 1 + rng.IntN(4) {
				k, v := fmt.Sprintf("k%02d", rng.IntN(60)), fmt.Sprintf("%d", rng.Uint64())+string(bytes.Repeat([]byte{'.'}, rng.IntN(400)))
				b.Put([]byte(k), []byte(v))
				next[k] = v
			}
			b.Sync = rng.IntN(4) == 0
			states = append(states, next)
			if err := db.Apply(b); err != nil {
				break
			}
			m = next
			if b.Sync {
				synced = len(states) - 1
			}
		}
		db.Close()
		after, err := Open("db", small(fs.CrashClone(rng), rng))
		require.NoError(t, err, "RULE L4: seed %d: what a power cut leaves is no store", seed)
		got := model{}
		for kv, err := range after.Range(nil, nil) {
			require.NoError(t, err, "RULE L4: seed %d: what the store names is not there", seed)
			got[string(kv.Key)] = string(kv.Value)
		}
		at := -1
		for i, s := range states {
			if maps(s, got) {
				at = i
			}
		}
		if at < 0 {
			t.Fatalf("RULE L1: seed %d: after the power cut the store holds no state that there ever was", seed)
		}
		if at < synced {
			t.Fatalf("RULE L4: seed %d: state %d is back, and %d was synced", seed, at, synced)
		}
		require.NoError(t, after.Close())
	}
}

func maps(a, b model) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// TestEmptyDurableBatchIsASync: a batch of nothing that asks to be durable makes
// what came before it so, values too.
func TestEmptyDurableBatchIsASync(t *testing.T) {
	for _, syncWrites := range []bool{false, true} {
		fs := vfs.NewMem()
		o := small(fs, nil)
		o.ValueThreshold = 100
		db := openTest(t, "db", o)
		m := model{"a": "1", "b": strings.Repeat("2", 500)}
		put(t, db, "a="+m["a"], "b="+m["b"])
		b := db.NewBatch()
		b.Sync = !syncWrites
		db.opts.SyncWrites = syncWrites
		b.DeleteRange([]byte("z"), []byte("a")) // of no keys
		require.NoError(t, db.Apply(b))
		after := openTest(t, "db", small(fs.CrashClone(nil), nil))
		m.check(t, "L4", after)
		require.NoError(t, after.Close())
		require.NoError(t, db.Close())
		require.ErrorIs(t, db.Apply(b), ErrClosed)
	}
}
