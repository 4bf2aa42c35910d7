package main

import (
	"fmt"
	"io"
	"runtime"
	"time"
)

// writeMetrics writes what is known of the process, in the text format of
// Prometheus. Names begin with that of the package they are of.
func (s *store) writeMetrics(w io.Writer) {
	m := s.db.Metrics()
	metric := func(kind, name, help string, value any) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %v\n", name, help, name, kind, name, value)
	}
	metric("counter", "logstore_lines_total", "Lines stored.", s.lines.Load())
	metric("counter", "logstore_bytes_total", "Bytes of lines stored.", s.bytes.Load())
	metric("counter", "logstore_appends_total", "Batches of lines stored.", s.appends.Load())
	metric("counter", "logstore_append_seconds_total", "Time spent storing them.", time.Duration(s.spent.Load()).Seconds())
	metric("gauge", "logstore_open_seconds", "How long opening the store took.", s.opening.Seconds())
	metric("gauge", "logstore_followers", "Readers that follow.", s.following())

	metric("counter", "lsm_log_bytes_total", "Bytes written to the log.", m.LogBytes)
	metric("counter", "lsm_flush_bytes_total", "Bytes written by flushes.", m.FlushBytes)
	metric("counter", "lsm_compaction_bytes_total", "Bytes written by compactions.", m.CompactionBytes)
	metric("counter", "lsm_value_rewrite_bytes_total", "Bytes of values copied to clean the value log.", m.ValueBytes)
	metric("counter", "lsm_flushes_total", "Flushes.", m.Flushes)
	metric("counter", "lsm_compactions_total", "Compactions.", m.Compactions)
	metric("counter", "lsm_stalls_total", "Times that writers had to wait.", m.Stalls)
	metric("counter", "lsm_stalled_seconds_total", "How long in all.", m.Stalled.Seconds())
	metric("counter", "lsm_replayed_total", "Writes found in the log when the store was opened.", m.Replayed)
	metric("counter", "lsm_cut_total", "What a crash had torn off the log.", m.Cut)
	metric("gauge", "lsm_memtables", "Memtables that are not flushed.", m.Memtables)
	metric("gauge", "lsm_jobs", "Flushes and compactions under way.", m.Running)
	metric("gauge", "lsm_l0_layers", "Tables that a read may meet in L0.", m.L0Layers)
	metric("gauge", "lsm_value_log_bytes", "Length of the value log.", m.ValueLogSize)
	metric("gauge", "lsm_value_log_live_bytes", "What tables point to in it.", m.ValueLogLive)
	failed := 0
	if m.Failure != nil {
		failed = 1
	}
	metric("gauge", "lsm_failed", "1 when the store takes no writes any more.", failed)
	fmt.Fprint(w, "# HELP lsm_level_bytes Bytes of tables.\n# TYPE lsm_level_bytes gauge\n")
	for i, l := range m.Levels {
		fmt.Fprintf(w, "lsm_level_bytes{level=\"%d\"} %d\n", i, l.Size)
	}
	fmt.Fprint(w, "# HELP lsm_level_tables Tables.\n# TYPE lsm_level_tables gauge\n")
	for i, l := range m.Levels {
		fmt.Fprintf(w, "lsm_level_tables{level=\"%d\"} %d\n", i, l.Tables)
	}

	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	metric("gauge", "go_goroutines", "Goroutines.", runtime.NumGoroutine())
	metric("gauge", "go_memstats_heap_inuse_bytes", "Heap in use.", mem.HeapInuse)
}

// writeStats writes the same for people.
func (s *store) writeStats(w io.Writer) error {
	m := s.db.Metrics()
	var size, entries uint64
	for _, l := range m.Levels {
		size += l.Size
		entries += l.Entries
	}
	_, err := fmt.Fprintf(w, `stored by this process  %s lines, %.1f MB, in %s batches
opened in               %v, with %s writes found in the log
tables                  %.1f MB, %s entries
value log               %.1f MB, of which tables point to %.1f MB
written                 log %.1f MB, flushes %.1f MB (%d), compactions %.1f MB (%d), cleaning %.1f MB
writers waited          %d times, %v in all

%s`, thousands(s.lines.Load()), mb(s.bytes.Load()), thousands(s.appends.Load()),
		s.opening.Round(time.Millisecond), thousands(m.Replayed),
		mb(size), thousands(entries), mb(m.ValueLogSize), mb(m.ValueLogLive),
		mb(m.LogBytes), mb(m.FlushBytes), m.Flushes, mb(m.CompactionBytes), m.Compactions, mb(m.ValueBytes),
		m.Stalls, m.Stalled.Round(time.Millisecond), s.db.Tree())
	return err
}

func (s *store) following() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.followers)
}

func mb[T int64 | uint64](n T) float64 { return float64(n) / 1e6 }
