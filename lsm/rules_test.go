package lsm

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/key"
)

// TestPipelinePublishesInOrder: a batch that is inserted first is not seen before
// one with lower numbers.
func TestPipelinePublishesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pipeline
		var seen []uint64
		visible := func(seq uint64) { seen = append(seen, seq) }
		first, second := &commit{last: 3}, &commit{last: 5}
		p.enter(first)
		p.enter(second)
		done := false
		go func() {
			p.leave(second, visible)
			done = true
		}()
		synctest.Wait()
		if done || len(seen) > 0 {
			t.Errorf("RULE L2: batch 5 is visible (%v) before batch 3 is inserted", seen)
		}
		p.leave(first, visible)
		synctest.Wait()
		if !done || fmt.Sprint(seen) != "[3 5]" {
			t.Errorf("RULE L2: published %v, want 3 and then 5", seen)
		}
	})
}

// TestSequenceNumbersAreNotUsedAgain: what is written after a restart is newer than
// what was written before, wherever that was.
func TestSequenceNumbersAreNotUsedAgain(t *testing.T) {
	for _, flushed := range []bool{false, true} {
		o := small(vfs.NewMem(), nil)
		db := openTest(t, "db", o)
		put(t, db, "a=1", "a=2", "b=3")
		if flushed {
			require.NoError(t, db.Flush())
		}
		was := db.visible.Load()
		require.NoError(t, db.Close())
		db = openTest(t, "db", o)
		require.NoError(t, db.Put([]byte("a"), []byte("9")), "RULE L2: a write after a restart")
		if now := db.visible.Load(); now != was+1 {
			t.Errorf("RULE L2: after number %d comes %d", was, now)
		}
		if got := get(t, db, "a"); got != "9" {
			t.Errorf("RULE L2: the newest a is %q", got)
		}
		require.NoError(t, db.Close())
	}
}

// TestLogIsKeptForWhatIsNotFlushed: cutting the log after a flush keeps what later
// memtables hold.
func TestLogIsKeptForWhatIsNotFlushed(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.Schedule = func([]string) int { return -1 }
	db := openTest(t, "db", o)
	m := model{}
	write := func(from, to int) {
		for i := from; i < to; i++ {
			k, v := fmt.Sprintf("k%02d", i%60), fmt.Sprint(i, strings.Repeat(".", 2000))
			put(t, db, k+"="+v)
			m[k] = v
		}
	}
	write(0, 40) // two memtables at least
	require.Greater(t, db.Metrics().Memtables, 1)
	db.mu.Lock()
	j := db.flushJob()
	db.mu.Unlock()
	write(40, 50)
	db.mu.Lock()
	err := db.runHere(j)
	db.mu.Unlock()
	require.NoError(t, err)
	killed, err := Open("db", small(fs.KillClone(), nil))
	require.NoError(t, err, "RULE L4: the log was cut too far")
	m.check(t, "L4", killed)
	require.NoError(t, killed.Close())
	require.NoError(t, db.Close())
}

// TestFilesLiveAsLongAsTheirReaders: an iterator from before a compaction reads the
// old tables and values; afterwards they go.
func TestFilesLiveAsLongAsTheirReaders(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.ValueThreshold, o.MaxValueAmplification, o.MmapAtStartup = 100, 1.05, false
	o.Schedule = func([]string) int { return 0 }
	db := openTest(t, "db", o)
	m := model{}
	round := func(n int) {
		for i := range 200 {
			k, v := fmt.Sprintf("k%02d", i%60), fmt.Sprintf("%d-%d%s", n, i, strings.Repeat(".", 300*(i%2)))
			put(t, db, k+"="+v)
			m[k] = v
		}
	}
	round(0)
	require.NoError(t, db.Compact(nil, nil))
	for db.Metrics().ValueLogLive < db.Metrics().ValueLogSize*3/4 {
		put(t, db, "a=1") // each write runs a job: the tables settle
		m["a"] = "1"
	}
	it, err := db.NewIter(nil)
	require.NoError(t, err)
	was := m.clone()
	for n := range 5 {
		round(n + 1)
		require.NoError(t, db.Compact(nil, nil))
	}
	got := model{}
	for ok := it.First(); ok; ok = it.Next() {
		got[string(it.Key())] = string(it.Value())
	}
	if err := it.Close(); err != nil || !maps(was, got) {
		t.Errorf("RULE L7: an iterator lost what it reads: %d keys of %d, error %v", len(got), len(was), err)
	}
	m.check(t, "L7", db)
	require.NoError(t, db.Compact(nil, nil))
	names, err := fs.List("db")
	require.NoError(t, err)
	tables := 0
	for _, name := range names {
		if _, ok := parseTableName(name); ok {
			tables++
		}
	}
	held := 0
	for _, l := range db.Metrics().Levels {
		held += l.Tables
	}
	if tables != held {
		t.Errorf("RULE L7: %d tables on disk, %d in the tree", tables, held)
	}
	require.NoError(t, db.Close())
}

// TestDamageToTheLogIsTold: a flipped bit below what a later record vouches for is
// damage with a place; one above is a reported cut.
func TestDamageToTheLogIsTold(t *testing.T) {
	fs := vfs.NewMem()
	db := openTest(t, "db", small(fs, nil))
	for i := range 50 {
		b := db.NewBatch()
		b.Sync = true
		b.Put(fmt.Appendf(nil, "k%02d", i), bytes.Repeat([]byte{'v'}, 100))
		require.NoError(t, db.Apply(b))
	}
	require.NoError(t, db.Close())
	names, err := fs.List("db/wal")
	require.NoError(t, err)
	file := "db/wal/" + names[0]
	require.True(t, strings.HasSuffix(file, ".wal"), file)
	for _, at := range []int64{40, 700, 3000} {
		clone := fs.KillClone()
		require.NoError(t, clone.FlipBit(file, at*8))
		_, err := Open("db", small(clone, nil))
		var damage *CorruptError
		if !errors.As(err, &damage) || damage.File != file || !errors.Is(err, ErrCorrupt) {
			t.Errorf("RULE L6: byte %d of %s was damaged, and Open said %v", at, file, err)
		}
	}
}

// TestMissingFilesAreTold: each file that the store cannot do without.
func TestMissingFilesAreTold(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.ValueThreshold = 100
	db := openTest(t, "db", o)
	rng := rand.New(rand.NewPCG(3, 3))
	m := model{}
	for range 300 {
		writeRandom(t, rng, db, m)
	}
	require.NoError(t, db.Compact(nil, nil))
	require.NoError(t, db.Close())
	for _, dir := range []string{"db", "db/values", "db/wal"} {
		names, err := fs.List(dir)
		require.NoError(t, err)
		for _, name := range names {
			if name == "LOCK" || name == "wal" || name == "values" || strings.HasSuffix(name, ".spare") {
				continue
			}
			clone := fs.KillClone()
			require.NoError(t, clone.Remove(dir+"/"+name))
			o.FS, o.ReadOnly = clone, true
			db, read := Open("db", o)
			if read == nil {
				m.check(t, "L6", db)
				require.NoError(t, db.Close())
			}
			o.ReadOnly = false
			db, err := Open("db", o)
			if (read == nil) != (err == nil) {
				t.Errorf("RULE read-only: %s/%s was removed, and Open said %v read-only, and %v", dir, name, read, err)
			}
			if err == nil {
				// Some are not needed: what is there must be all there is.
				m.check(t, "L6", db)
				put(t, db, "later=1")
				require.NoError(t, db.Close())
				db = openTest(t, "db", o)
				if got := get(t, db, "later"); got != "1" {
					t.Errorf("RULE L6: %s/%s was removed, nobody said so, and the next write is lost", dir, name)
				}
				require.NoError(t, db.Close())
			} else if !errors.Is(err, ErrCorrupt) {
				t.Errorf("RULE L6: %s/%s was removed, and Open said %v", dir, name, err)
			}
		}
	}
}

// TestLostCurrentIsNoNewStore: of a checkpoint only the tables tell.
func TestLostCurrentIsNoNewStore(t *testing.T) {
	fs := vfs.NewMem()
	db := openTest(t, "db", small(fs, nil))
	put(t, db, "a=1")
	require.NoError(t, db.Checkpoint("copy"))
	require.NoError(t, db.Close())
	require.NoError(t, fs.Remove("copy/CURRENT"))
	if _, err := Open("copy", small(fs, nil)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("RULE L6: CURRENT was removed, and Open said %v", err)
	}
}

// TestRateLimit paces by what is due, not by sleeping after each write.
func TestRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &limiter{rate: 1000}
		start := time.Now()
		for range 10 {
			l.wait(500)
		}
		if took := time.Since(start); took < 4*time.Second || took > 5*time.Second {
			t.Errorf("RULE rate: 5000 bytes at 1000 a second took %v", took)
		}
	})
}

// TestSubcompactionsAreOneCompaction: a compaction cut into ranges leaves the same
// tree as an uncut one.
func TestSubcompactionsAreOneCompaction(t *testing.T) {
	for _, parts := range []int{1, 4} {
		o := small(vfs.NewMem(), nil)
		o.MaxCompactions = parts
		o.L0Compaction, o.L0Stop = 1000, 1001
		db := openTest(t, "db", o)
		rng := rand.New(rand.NewPCG(9, 9))
		m := model{}
		for range 1500 {
			writeRandom(t, rng, db, m)
		}
		s := db.Snapshot()
		was := m.clone()
		for range 500 {
			writeRandom(t, rng, db, m)
		}
		require.NoError(t, db.Compact(nil, nil), "RULE L12: parts of a compaction")
		m.check(t, "L12", db)
		was.check(t, "L5", s)
		require.NoError(t, s.Close())
		require.NoError(t, db.Close())
	}
}

func TestTreeAndTraceTellWhereAKeyIs(t *testing.T) {
	db := openTest(t, "db", small(vfs.NewMem(), nil))
	defer db.Close()
	put(t, db, "a=1", "m=2")
	require.NoError(t, db.Compact(nil, nil))
	put(t, db, "b=3")
	require.NoError(t, db.Flush())
	put(t, db, "c=4")
	require.Regexp(t, `(?s)memtables 1\nL0  1 tables.*"b".."b"\nL6  1 tables.*"a".."m"`, db.Tree())
	_, trace, err := db.GetTraced([]byte("m"))
	require.NoError(t, err)
	last := trace.Steps[len(trace.Steps)-1]
	require.True(t, last.Found)
	require.Equal(t, 6, last.Level)
	require.Contains(t, trace.String(), "L6 table")
}

// TestTreeHasEightyColumns: whatever the keys and sizes, as a terminal has.
func TestTreeHasEightyColumns(t *testing.T) {
	db := openTest(t, "db", small(vfs.NewMem(), nil))
	defer db.Close()
	for _, k := range []string{"", "\x00\x01\xff\xfe\x80", "ключ", strings.Repeat("long/", 30), "z\"\\\n"} {
		require.NoError(t, db.Put([]byte(k), bytes.Repeat([]byte{'v'}, 5000)))
	}
	require.NoError(t, db.Compact(nil, nil))
	require.NoError(t, db.Put([]byte(strings.Repeat("\xf0", 100)), nil))
	require.NoError(t, db.Flush())
	tree := db.Tree()
	for line := range strings.Lines(tree) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 {
			t.Errorf("RULE tree: a line of %d columns: %s", n, line)
		}
	}
	for _, name := range []string{`""`, `"long/long/long…"`, `"\xf0\xf0\xf0…"`} {
		if !strings.Contains(tree, name) {
			t.Errorf("RULE tree: key %s is not in\n%s", name, tree)
		}
	}
}

// TestFullDiskLeavesNothing: a flush that finds no room takes its tables away
// again, so that there is some.
func TestFullDiskLeavesNothing(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.Schedule = func([]string) int { return -1 }
	db := openTest(t, "db", o)
	for i := range 20 {
		put(t, db, fmt.Sprintf("k%02d=%s", i, strings.Repeat("x", 1500)))
	}
	before := fs.Used()
	fs.SetCapacity(before + 10<<10) // for some of the tables, not for all
	require.ErrorIs(t, db.Flush(), vfs.ErrNoSpace)
	if after := fs.Used(); after > before {
		t.Errorf("RULE L8: a flush that failed left %d bytes behind", after-before)
	}
	fs.SetCapacity(0)
	require.NoError(t, db.Flush())
	require.NoError(t, db.Close())
}

// TestRewrittenValuesAreHeld: what a rewrite has copied is in no table until it
// ends, and no file may go before that.
func TestRewrittenValuesAreHeld(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.ValueThreshold, o.ValueLogFileSize = 100, 4<<10
	o.Schedule = func([]string) int { return -1 }
	db := openTest(t, "db", o)
	m := model{}
	for i := range 100 {
		k, v := fmt.Sprintf("k%02d", i%60), fmt.Sprint(i, strings.Repeat("v", 400))
		put(t, db, k+"="+v)
		m[k] = v
	}
	require.NoError(t, db.Compact(nil, nil))
	state, err := db.acquire()
	require.NoError(t, err)
	files := map[uint64]bool{}
	for _, f := range db.values.Files() {
		files[f.Num] = true
	}
	p := state.version.view().Rewrite(files)
	require.NotNil(t, p)
	p.Inputs, p.Values = state.version.view().Levels[p.Level], files
	// In the middle of the rewrite, the only memtable that is older goes.
	o.OnEvent = nil
	done := false
	db.opts.Clock = func() time.Time {
		if !done && len(db.values.Files()) > len(files)+2 {
			done = true
			db.liveValues.drop(db.mutable)
			db.liveValues.hold(db.mutable, db.values.Head())
		}
		return time.Now()
	}
	require.NoError(t, db.compact(p))
	require.True(t, done, "the rewrite was too short to be disturbed")
	state.unref()
	for k, v := range m {
		if got, err := db.Get([]byte(k)); err != nil || string(got) != v {
			t.Fatalf("RULE L7: a rewritten value is gone: %v", err)
		}
	}
	require.NoError(t, db.Close())
}

// TestVersionsOfAKeyAreInOneTable: however many there are.
func TestVersionsOfAKeyAreInOneTable(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.NumVersionsToKeep = 1000
	db := openTest(t, "db", o)
	for i := range 300 {
		put(t, db, fmt.Sprintf("k%d=%d%s", i%3, i, strings.Repeat("x", 200)))
	}
	require.NoError(t, db.Compact(nil, nil))
	state, err := db.acquire()
	require.NoError(t, err)
	defer state.unref()
	tables := state.version.levels[6]
	for i := 1; i < len(tables); i++ {
		if last, first := key.UserKey(tables[i-1].Largest), key.UserKey(tables[i].Smallest); bytes.Equal(last, first) {
			t.Errorf("RULE L3: key %q is in two tables of a level", first)
		}
	}
	require.Len(t, tables, 3)
	require.NoError(t, db.Close())
}

// TestValuesOfAMemtableStay: files of the value log to which no table points may
// be all that a memtable points to.
func TestValuesOfAMemtableStay(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.ValueThreshold, o.ValueLogFileSize = 100, 4<<10
	o.Schedule = func([]string) int { return -1 }
	db := openTest(t, "db", o)
	m := model{}
	for i := range 24 { // fewer than make a flush necessary
		k, v := fmt.Sprintf("k%02d", i), strings.Repeat("v", 400)
		put(t, db, k+"="+v)
		m[k] = v
	}
	files := len(db.values.Files())
	db.liveValues.sweep()
	require.Greater(t, files, 2)
	for k, v := range m {
		if got, err := db.Get([]byte(k)); err != nil || string(got) != v {
			t.Fatalf("RULE L7: a value of a memtable is gone: %v", err)
		}
	}
	require.NoError(t, db.Close())
}

// TestReadAsksTheNewestFirst: of one key in several layers of L0, the newest.
func TestReadAsksTheNewestFirst(t *testing.T) {
	o := small(vfs.NewMem(), nil)
	o.L0Compaction, o.L0Stop = 100, 101
	db := openTest(t, "db", o)
	for i := range 5 {
		put(t, db, fmt.Sprintf("a=%d", i))
		require.NoError(t, db.Flush())
		if got := get(t, db, "a"); got != fmt.Sprint(i) {
			t.Errorf("RULE L3: a was set to %d last, and is %q", i, got)
		}
	}
	require.NoError(t, db.Close())
}

// TestOlderLongerRangeDeleteStays: a newer one with the same start, which ends
// sooner, does not replace it.
func TestOlderLongerRangeDeleteStays(t *testing.T) {
	db := openTest(t, "db", small(vfs.NewMem(), nil))
	put(t, db, "b=1", "m=2", "z=3")
	require.NoError(t, db.Compact(nil, nil))
	require.NoError(t, db.DeleteRange([]byte("b"), []byte("x")))
	require.NoError(t, db.DeleteRange([]byte("b"), []byte("c")))
	require.NoError(t, db.Flush())
	if got := get(t, db, "b") + get(t, db, "m") + get(t, db, "z"); got != "--3" {
		t.Errorf("RULE L3: after range deletes of b to x and b to c, the values are %q", got)
	}
	require.NoError(t, db.Close())
}

// TestCompactionTellsWhatItTouched: which blocks were read, and what was written, in
// one part or several, from mapped tables and others.
func TestCompactionTellsWhatItTouched(t *testing.T) {
	for _, noMmap := range []bool{false, true} {
		var told []Event
		o := small(vfs.NewMem(), nil)
		o.NoMmap, o.MaxCompactions = noMmap, 3
		o.L0Compaction, o.L0Stop = 1000, 1001
		o.OnEvent = func(e Event) {
			if e.Kind == EventCompaction {
				told = append(told, e)
			}
		}
		db := openTest(t, "db", o)
		for round := range 2 {
			for i := range 200 {
				put(t, db, fmt.Sprintf("k%03d=%d%s", i, round, strings.Repeat(".", 300)))
			}
			require.NoError(t, db.Flush())
		}
		blocks := func() (n, tables uint64) {
			state, err := db.acquire()
			require.NoError(t, err)
			defer state.unref()
			for f := range state.version.all {
				r, err := f.reader()
				require.NoError(t, err)
				n, tables = n+r.Properties().Blocks, tables+1
			}
			return n, tables
		}
		before, inputs := blocks()
		require.NoError(t, db.Compact(nil, nil))
		after, outputs := blocks()
		require.Len(t, told, 1)
		e := told[0]
		if got := uint64(e.Touched.Blocks); got < before+inputs || got > 2*before || e.Touched.Bytes < int64(e.Read)/2 || e.Touched.Bytes > int64(e.Read)*5/4 {
			t.Errorf("RULE trace: of %d tables with %d blocks of data in %d bytes, %d blocks in %d bytes are said to be read", inputs, before, e.Read, got, e.Touched.Bytes)
		}
		if e.Blocks != after || e.Filters != outputs {
			t.Errorf("RULE trace: %d blocks and %d filters were written, and %d and %d are told", after, outputs, e.Blocks, e.Filters)
		}
		require.NoError(t, db.Close())
	}
}
