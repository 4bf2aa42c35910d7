package lsm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// TestFullDiskIsAnError: at every amount of room, writes fail with ErrNoSpace,
// reads go on, and with room again everything does (rule L8).
func TestFullDiskIsAnError(t *testing.T) {
	for seed := range uint64(25) {
		rng := rand.New(rand.NewPCG(seed, 4))
		fs := vfs.NewMem()
		o := small(fs, rng)
		db := openTest(t, "db", o)
		m := model{}
		fs.SetCapacity(fs.Used() + int64(rng.IntN(400<<10)))
		full := false
		for i := range 2000 {
			k, v := fmt.Sprintf("k%02d", rng.IntN(60)), fmt.Sprint(i, strings.Repeat(".", rng.IntN(300)))
			err := db.Put([]byte(k), []byte(v))
			if errors.Is(err, vfs.ErrNoSpace) {
				full = true
				break
			}
			require.NoError(t, err, "RULE L8: seed %d", seed)
			m[k] = v
		}
		if !full {
			require.NoError(t, db.Close())
			continue
		}
		m.check(t, "L8", db)
		killed, err := Open("db", small(fs.KillClone(), rng))
		require.NoError(t, err, "RULE L8: a full store opens")
		m.check(t, "L8", killed)
		require.NoError(t, killed.Close())

		fs.SetCapacity(0)
		writeRandom(t, rng, db, m)
		killed, err = Open("db", small(fs.KillClone(), rng))
		require.NoError(t, err, "RULE L8: a store that was full opens")
		m.check(t, "L8", killed)
		require.NoError(t, killed.Close())
		for range 300 {
			writeRandom(t, rng, db, m)
		}
		require.NoError(t, db.Flush(), "RULE L8")
		require.NoError(t, db.Compact(nil, nil), "RULE L8")
		m.check(t, "L8", db)
		require.NoError(t, db.Close())
		db = openTest(t, "db", small(fs, rng))
		m.check(t, "L8", db)
		require.NoError(t, db.Close())
	}
}

// TestFailedSyncEndsWriting is rule L9, at every sync of a run in turn: after the
// error no write succeeds, reads do, and the store opens with what was promised.
func TestFailedSyncEndsWriting(t *testing.T) {
	for skip := range 40 {
		rng := rand.New(rand.NewPCG(uint64(skip), 5))
		fs := vfs.NewMem()
		db := openTest(t, "db", small(fs, rng))
		fs.Inject(vfs.Fault{Kind: vfs.OpSync, Skip: skip, Err: vfs.ErrIO})
		m := model{}
		var failed error
		for i := 0; i < 2000 && failed == nil; i++ {
			b := db.NewBatch()
			k, v := fmt.Sprintf("k%02d", rng.IntN(60)), fmt.Sprint(i, strings.Repeat(".", rng.IntN(400)))
			b.Put([]byte(k), []byte(v))
			b.Sync = rng.IntN(20) == 0
			if failed = db.Apply(b); failed == nil {
				m[k] = v
			}
		}
		if fs.Strikes() == 0 {
			require.NoError(t, db.Close())
			continue
		}
		if !errors.Is(failed, ErrReadOnly) || !errors.Is(failed, vfs.ErrIO) {
			t.Fatalf("RULE L9: sync %d failed, and a write returned %v", skip, failed)
		}
		if err := db.Put([]byte("a"), nil); !errors.Is(err, ErrReadOnly) {
			t.Fatalf("RULE L9: sync %d failed, and a later write returned %v", skip, err)
		}
		_, err := db.Get([]byte("k00"))
		require.True(t, err == nil || errors.Is(err, ErrNotFound))
		require.NoError(t, db.Verify())
		db.Close()
		db, err = Open("db", small(fs, rng))
		require.NoError(t, err, "RULE L9: after sync %d failed, what is there is no store", skip)
		require.NoError(t, db.Close())
	}
}

// TestSyncThatFailsIsNoAcknowledgement: the write that asked for the sync is told.
func TestSyncThatFailsIsNoAcknowledgement(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.SyncWrites = true
	db := openTest(t, "db", o)
	put(t, db, "a=1")
	fs.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO})
	if err := db.Put([]byte("b"), nil); !errors.Is(err, ErrReadOnly) {
		t.Errorf("RULE L9: the sync of a write failed, and the write returned %v", err)
	}
	db.Close()
}

// TestStallsAreBoundedAndReported: writers that are too fast wait for flushes and
// compactions, and go on.
func TestStallsAreBoundedAndReported(t *testing.T) {
	fs := vfs.NewMem()
	o := small(fs, nil)
	o.NumMemtables, o.L0Stop = 2, 3
	// The first flush waits for the stall that it causes.
	stalled := make(chan struct{})
	fs.Inject(vfs.Fault{
		Kind: vfs.OpSync, Match: func(op vfs.Op) bool { return strings.HasSuffix(op.Name, ".sst") }, Block: func() { <-stalled },
	})
	var begun, ended int
	o.OnEvent = func(e Event) {
		switch e.Kind {
		case EventStallBegin:
			if begun++; begun == 1 {
				close(stalled)
			}
		case EventStallEnd:
			ended++
		}
	}
	db := openTest(t, "db", o)
	for i := range 4000 {
		put(t, db, fmt.Sprintf("k%04d=%s", i, strings.Repeat("x", 200)))
	}
	require.NoError(t, db.Close())
	if m := db.Metrics(); m.Stalls == 0 || begun != int(m.Stalls) || ended != begun {
		t.Errorf("RULE stalls: %d counted, %d begun, %d ended", m.Stalls, begun, ended)
	}
}

// TestValueLogIsBounded overwrites a set of large values many times: the value log
// stays within one and a half times what is live, but for two files.
func TestValueLogIsBounded(t *testing.T) {
	fs := vfs.NewMem()
	rng := rand.New(rand.NewPCG(1, 1))
	o := small(fs, nil)
	o.Schedule = func(jobs []string) int { return 0 }
	o.ValueThreshold, o.ValueLogFileSize = 100, 16<<10
	db := openTest(t, "db", o)
	m := model{}
	for i := range 8000 {
		k, v := fmt.Sprintf("k%03d", rng.IntN(400)), fmt.Sprint(i, strings.Repeat("v", 400))
		put(t, db, k+"="+v)
		m[k] = v
		if i > 1000 && i%500 == 0 {
			s := db.Metrics()
			if live := int64(len(m) * 410); s.ValueLogSize > live*3/2+2*o.ValueLogFileSize {
				t.Errorf("RULE space: after %d writes the value log has %d bytes for %d live ones", i, s.ValueLogSize, live)
			}
		}
	}
	m.check(t, "L3", db)
	require.NotZero(t, db.Metrics().ValueBytes)
	require.NoError(t, db.Close())
	db = openTest(t, "db", o)
	m.check(t, "L4", db)
	require.NoError(t, db.Close())
}

// TestRoomIsSeenAtOnce: a job that began on the full disk fails, and whoever calls
// when there is room again is not told of it.
func TestRoomIsSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		db := openTest(t, "db", small(fs, nil))
		begun, room := make(chan bool), make(chan bool)
		fs.Inject(vfs.Fault{
			Kind: vfs.OpWrite, Match: func(op vfs.Op) bool { return strings.HasSuffix(op.Name, ".sst") }, Err: vfs.ErrNoSpace,
			Block: func() { close(begun); <-room },
		})
		m := model{}
		for i := range 60 {
			k, v := fmt.Sprintf("k%02d", i), fmt.Sprint(i, strings.Repeat(".", 1500))
			put(t, db, k+"="+v)
			m[k] = v
		}
		<-begun
		flushed := make(chan error)
		go func() { flushed <- db.Flush() }()
		synctest.Wait() // for Flush to wait for the job
		close(room)
		if err := <-flushed; err != nil {
			t.Errorf("RULE L8: there was room when Flush was called, and it said: %v", err)
		}
		m.check(t, "L8", db)
		require.NoError(t, db.Close())
	})
}
