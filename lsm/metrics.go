package lsm

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/lsm/compact"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/table"
)

// stats are the counters behind Metrics.
type stats struct {
	gets, logged, flushes, flushedBytes, compactions, compactedBytes atomic.Uint64
	rewritten, replayed, cut, stalls                                 atomic.Uint64
	stalled                                                          atomic.Int64
}

// Metrics are counts since Open, and the state now.
type Metrics struct {
	// Gets counts reads of single keys.
	Gets uint64
	// LogBytes is what went into the log, FlushBytes and CompactionBytes what
	// flushes and compactions wrote, and ValueBytes what the rewriting of the
	// value log copied. With the first appends to the value log they are all
	// that was written.
	LogBytes, FlushBytes, CompactionBytes, ValueBytes uint64
	Flushes, Compactions                              uint64
	// Stalls is how often writes had to wait, and Stalled for how long in all.
	Stalls  uint64
	Stalled time.Duration
	// Running is the number of background jobs, and JobErr why the last one
	// failed, if it is to be tried again.
	Running int
	JobErr  error
	// Failure is why the store takes no writes, if it does not.
	Failure error
	// Replayed is the number of writes that Open found in the log, and Cut what
	// of it was torn off by a crash: bytes, or records whose values were lost.
	Replayed, Cut uint64
	// Memtables counts those not flushed, the one being written included.
	Memtables int
	// Levels are the tables; L0Layers is how many of them a read may meet in L0.
	Levels   [compact.Levels]LevelMetrics
	L0Layers int
	// ValueLogSize is the length of the value log, and ValueLogLive what tables
	// point to. Values only memtables point to are in the first alone.
	ValueLogSize, ValueLogLive int64
	// Cache is of the blocks that cannot be read in place.
	Cache table.CacheMetrics
}

// LevelMetrics describe a level.
type LevelMetrics struct {
	Tables        int
	Size, Entries uint64
}

// Metrics returns the counts.
func (d *DB) Metrics() Metrics {
	s := &d.stats
	m := Metrics{
		Gets: s.gets.Load(), LogBytes: s.logged.Load(), FlushBytes: s.flushedBytes.Load(),
		CompactionBytes: s.compactedBytes.Load(), ValueBytes: s.rewritten.Load(),
		Flushes: s.flushes.Load(), Compactions: s.compactions.Load(),
		Stalls: s.stalls.Load(), Stalled: time.Duration(s.stalled.Load()),
		Replayed: s.replayed.Load(), Cut: s.cut.Load(),
	}
	if err := d.failure.Load(); err != nil {
		m.Failure = *err
	}
	m.Cache = d.cache.Metrics()
	state, err := d.acquire()
	if err != nil {
		return m
	}
	defer state.unref()
	d.mu.Lock()
	m.Running, m.JobErr = d.jobs.running(), d.jobs.err
	d.mu.Unlock()
	m.Memtables, m.L0Layers = len(state.mems), len(state.version.layers)
	for level, tables := range state.version.levels {
		for _, t := range tables {
			m.Levels[level].Tables++
			m.Levels[level].Size += t.Size
			m.Levels[level].Entries += t.Entries
		}
	}
	for _, f := range d.values.Files() {
		m.ValueLogSize += f.Size
	}
	for _, n := range state.version.values() {
		m.ValueLogLive += n
	}
	return m
}

// Tree returns a picture of the levels: of each table the number, the size, and
// where it begins and ends in the keys of the store. Lines have 80 columns at
// most; keys that are too long end with dots.
//
//	L0  1 tables  12.0 KiB
//	  000009   12.0 KiB |   ##########       | "c".."m"
func (d *DB) Tree() string {
	state, err := d.acquire()
	if err != nil {
		return err.Error() + "\n"
	}
	defer state.unref()
	v := state.version
	var all []*tableFile
	for t := range v.all {
		all = append(all, t)
	}
	scale := newScale(v.order, all)
	var b strings.Builder
	fmt.Fprintf(&b, "memtables %d\n", len(state.mems))
	for level, tables := range v.levels {
		if len(tables) == 0 {
			continue
		}
		var size uint64
		for _, t := range tables {
			size += t.Size
		}
		fmt.Fprintf(&b, "L%d  %d tables  %s\n", level, len(tables), bytesText(size))
		for _, t := range tables {
			fmt.Fprintf(&b, "  %06d %10s |%s| %s..%s\n", t.Num, bytesText(t.Size), scale.draw(t),
				keyText(v.order.Bare(key.UserKey(t.Smallest))), keyText(v.order.Bare(key.UserKey(t.Largest))))
		}
	}
	return b.String()
}

// keyWidth is the columns that a key has in the picture, quotes included.
const keyWidth = 17

// keyText quotes as much of a key as there is room for.
func keyText(k []byte) string {
	for n := min(len(k), keyWidth); ; n-- {
		switch q := fmt.Sprintf("%+q", k[:n]); {
		case n == len(k) && len(q) <= keyWidth:
			return q
		case n < len(k) && len(q) < keyWidth:
			return q[:len(q)-1] + `…"`
		}
	}
}

func bytesText(n uint64) string {
	f, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	return fmt.Sprintf("%.1f %s", f, unit)
}
