package lsm_test

import (
	"errors"
	"flag"
	"math/rand/v2"
	"testing"

	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/lsm/lsmtest"
	"github.com/flagship-go/flagship/lsm/table"
)

// How much the kit tries; 0 is what takes some seconds. A night's run:
//
//	go test -run TestKit -timeout 0 -kit.logs 300 -kit.crashes 100000 -kit.damages 10000 -kit.faults 5000 ./lsm
var (
	kitSeed    = flag.Uint64("kit.seed", 1, "seed of the kit's random logs")
	kitLogs    = flag.Int("kit.logs", 0, "random logs to play with every option set")
	kitSteps   = flag.Int("kit.steps", 0, "steps of each")
	kitCrashes = flag.Int("kit.crashes", 0, "power cuts to try")
	kitDamages = flag.Int("kit.damages", 0, "damages to try")
	kitFaults  = flag.Int("kit.faults", 0, "places for a full or failing disk")
	kitReplay  = flag.String("kit.replay", "", "a log to replay, as a failure prints it, with option set -kit.set")
	kitSet     = flag.String("kit.set", "small", "option set of -kit.replay")
)

// TestKit grades the store by lsmtest.
func TestKit(t *testing.T) {
	impl := lsmtest.Implementation{
		Name: "package lsm",
		Claims: lsmtest.Capabilities{
			EmptyKeys: true, Reverse: true, Snapshots: true, Maintenance: true, RangeDelete: true, Merge: true, TTL: true,
			Checkpoint: true, Verify: true, ReadOnly: true, Locked: true,
			Memory: true, Crash: true, Damage: true, NoSpace: true, SyncFailure: true, Kill: true,
		},
		Open: openKit, Sets: kitSets(), Damage: kitDamage,
		Runs: lsmtest.Runs{Seed: *kitSeed, Logs: *kitLogs, Steps: *kitSteps, Crashes: *kitCrashes, Damages: *kitDamages, Faults: *kitFaults},
	}
	if *kitReplay != "" {
		if err := lsmtest.Replay(impl, *kitSet, *kitReplay); err != nil {
			t.Fatal(err)
		}
		return
	}
	lsmtest.Run(t, impl)
}

// optionSets are ways of configuring a store. Most start from small, in which a
// few hundred writes pass every room.
var optionSets = []struct {
	name   string
	change func(o *lsm.Options)
}{
	{"small", func(*lsm.Options) {}},
	{"defaults", func(o *lsm.Options) { // but for the memtable: its log would take most of the time
		*o = lsm.Options{FS: o.FS, MergeOperator: o.MergeOperator, Clock: o.Clock, ReadOnly: o.ReadOnly, MemTableSize: 1 << 20}
	}},
	{"values apart", func(o *lsm.Options) { o.ValueThreshold = 100 }},
	{"all values apart", func(o *lsm.Options) { o.ValueThreshold, o.ValueLogFileSize, o.MaxValueAmplification = 1, 4<<10, 1.05 }},
	{"pread", func(o *lsm.Options) { o.NoMmap = true }},
	{"pread, small cache", func(o *lsm.Options) { o.NoMmap, o.BlockCacheSize = true, 4<<10 }},
	{"mmap at startup", func(o *lsm.Options) { o.MmapAtStartup = true }},
	{"s2", func(o *lsm.Options) { o.Compression = table.S2 }},
	{"zstd, large blocks", func(o *lsm.Options) { o.Compression, o.BlockSize = table.Zstd, 16<<10 }},
	{"no filters", func(o *lsm.Options) { o.BitsPerKey = -1 }},
	{"coarse filters", func(o *lsm.Options) { o.BitsPerKey = 2 }},
	{"synced", func(o *lsm.Options) { o.SyncWrites = true }},
	{"two memtables", func(o *lsm.Options) { o.NumMemtables = 2 }},
	{"many memtables", func(o *lsm.Options) { o.NumMemtables, o.L0Compaction, o.L0Stop = 20, 8, 30 }},
	{"eager", func(o *lsm.Options) { o.L0Compaction, o.L0Stop, o.BaseLevelSize, o.LevelRatio = 1, 2, 4<<10, 2 }},
	{"tiny tables", func(o *lsm.Options) { o.BaseTableSize, o.BlockSize = 1<<10, 128 }},
	{"one large level", func(o *lsm.Options) { o.BaseTableSize, o.BaseLevelSize = 1<<20, 1<<30 }},
	{"one at a time", func(o *lsm.Options) { o.MaxCompactions = 1 }},
	{"eight at a time", func(o *lsm.Options) { o.MaxCompactions = 8 }},
	{"versions kept", func(o *lsm.Options) { o.NumVersionsToKeep = 3 }},
	{"all versions kept, values apart", func(o *lsm.Options) { o.NumVersionsToKeep, o.ValueThreshold = 1<<30, 60 }},
	{"scheduled", func(o *lsm.Options) { o.Schedule = schedule(1) }},
	{"scheduled, values apart", func(o *lsm.Options) { o.Schedule, o.ValueThreshold = schedule(2), 150 }},
	{"scheduled late", func(o *lsm.Options) { o.Schedule = func([]string) int { return -1 } }},
	{"scheduled at once", func(o *lsm.Options) { o.Schedule = func(jobs []string) int { return len(jobs) - 1 } }},
}

func kitSets() []lsmtest.Set {
	var sets []lsmtest.Set
	for _, s := range optionSets {
		sets = append(sets, lsmtest.Set{Name: s.name})
	}
	return sets
}

// schedule runs background jobs after some of the writes, in an order that the
// seed decides.
func schedule(seed uint64) func([]string) int {
	rng := rand.New(rand.NewPCG(seed, 1))
	return func(jobs []string) int { return rng.IntN(3*len(jobs)) - 2*len(jobs) }
}

func openKit(o lsmtest.Options) (lsmtest.Store, error) {
	opts := &lsm.Options{
		FS: o.FS, MergeOperator: o.Merge, Clock: o.Now, ReadOnly: o.ReadOnly,
		MemTableSize: 64 << 10, BaseTableSize: 4 << 10, BaseLevelSize: 16 << 10, LevelRatio: 3,
		L0Compaction: 2, L0Stop: 6, BlockSize: 256, ValueLogFileSize: 16 << 10,
	}
	for _, s := range optionSets {
		if s.name == o.Set.Name {
			s.change(opts)
		}
	}
	db, err := lsm.Open(o.Dir, opts)
	if err != nil {
		return nil, err
	}
	return kitStore{db}, nil
}

// kitDamage says whether an error reports damage, and of which file.
func kitDamage(err error) (string, int64, bool) {
	var damage *lsm.CorruptError
	var newer *lsm.VersionError
	switch {
	case errors.As(err, &damage):
		return damage.File, damage.Offset, true
	case errors.As(err, &newer):
		return newer.File, 0, true
	}
	return "", 0, false
}

// kitReader is what a DB and a Snapshot have in common.
type kitReader interface {
	Get(key []byte) ([]byte, error)
	NewIter(*lsm.IterOptions) (*lsm.Iterator, error)
}

func kitGet(r kitReader, key []byte) ([]byte, error) {
	v, err := r.Get(key)
	if errors.Is(err, lsm.ErrNotFound) {
		return nil, lsmtest.ErrNotFound
	}
	return v, err
}

func kitIter(r kitReader, lower, upper []byte) (lsmtest.Iterator, error) {
	it, err := r.NewIter(&lsm.IterOptions{Lower: lower, Upper: upper})
	if err != nil {
		return nil, err
	}
	return it, nil
}

type kitStore struct{ db *lsm.DB }

func (s kitStore) Get(key []byte) ([]byte, error) { return kitGet(s.db, key) }
func (s kitStore) NewIter(lower, upper []byte) (lsmtest.Iterator, error) {
	return kitIter(s.db, lower, upper)
}
func (s kitStore) Close() error                { return s.db.Close() }
func (s kitStore) Flush() error                { return s.db.Flush() }
func (s kitStore) Compact() error              { return s.db.Compact(nil, nil) }
func (s kitStore) Checkpoint(dir string) error { return s.db.Checkpoint(dir) }
func (s kitStore) Verify() error               { return s.db.Verify() }

func (s kitStore) Apply(ops []lsmtest.Op, sync bool) error {
	b := s.db.NewBatch()
	b.Sync = sync
	for _, op := range ops {
		switch op.Kind {
		case lsmtest.Put:
			b.Put(op.Key, op.Value)
		case lsmtest.PutTTL:
			b.PutTTL(op.Key, op.Value, op.TTL)
		case lsmtest.Delete:
			b.Delete(op.Key)
		case lsmtest.DeleteRange:
			b.DeleteRange(op.Key, op.Value)
		case lsmtest.Merge:
			b.Merge(op.Key, op.Value)
		}
	}
	return s.db.Apply(b)
}

func (s kitStore) Snapshot() (lsmtest.Snapshot, error) { return kitSnapshot{s.db.Snapshot()}, nil }

type kitSnapshot struct{ *lsm.Snapshot }

func (s kitSnapshot) Get(key []byte) ([]byte, error) { return kitGet(s.Snapshot, key) }
func (s kitSnapshot) NewIter(lower, upper []byte) (lsmtest.Iterator, error) {
	return kitIter(s.Snapshot, lower, upper)
}
func (s kitSnapshot) Close() error { s.Snapshot.Close(); return nil }
