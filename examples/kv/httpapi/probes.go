package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/raft"
)

// What machines ask: whether a member lives, may be sent clients, and how it
// does.

// probeTimeout bounds the read of a probe, which is asked again soon.
const probeTimeout = 2 * time.Second

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func (a *api) probes(mux *http.ServeMux) {
	mux.HandleFunc("GET /health", a.health)
	mux.HandleFunc("GET /readyz", a.readyz)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		if err := a.Member().Err(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]string{"etcdserver": Version, "etcdcluster": Version})
	})
	mux.HandleFunc("GET /metrics", a.metrics)
}

// sick says why a member is not healthy, in etcd's words.
func (a *api) sick(r *http.Request) string {
	m := a.Member()
	s := m.Status()
	exclude := r.URL.Query()["exclude"]
	_, names := alarmType(0).names()
	for _, alarm := range s.Alarms {
		if name := names[alarm.Type]; !slices.Contains(exclude, name) {
			return "ALARM " + name
		}
	}
	if r.URL.Query().Get("serializable") == "true" {
		return ""
	}
	if s.Raft.Leader == raft.None {
		return "RAFT NO LEADER"
	}
	ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
	defer cancel()
	if err := m.Ready(ctx); err != nil {
		return "QGET ERROR: " + err.Error()
	}
	return ""
}

func (a *api) health(w http.ResponseWriter, r *http.Request) {
	reason := a.sick(r)
	w.Header().Set("Content-Type", "application/json")
	if reason != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	// etcd's health is a string.
	fmt.Fprintf(w, "{\"health\":\"%t\",\"reason\":%q}", reason == "", reason)
}

// readyz is health without NOSPACE: a member that serves reads is ready.
func (a *api) readyz(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	q.Add("exclude", "NOSPACE")
	r.URL.RawQuery = q.Encode()
	if reason := a.sick(r); reason != "" {
		http.Error(w, reason, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// metrics in Prometheus' text format, under etcd's names where it has them.
func (a *api) metrics(w http.ResponseWriter, _ *http.Request) {
	s := a.Member().Status()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var b strings.Builder
	for _, m := range append(metricsOf(s),
		metric{"kv_streams_cut_total", "counter", "Streams whose client stopped reading.", a.cut.Load()},
		metric{"go_goroutines", "gauge", "Number of goroutines that currently exist.", uint64(runtime.NumGoroutine())}) {
		fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", m.name, m.help, m.name, m.kind, m.name, m.value)
	}
	fmt.Fprint(w, b.String())
}

type metric struct {
	name, kind, help string
	value            uint64
}

func metricsOf(s service.Status) []metric {
	flag := func(b bool) uint64 {
		if b {
			return 1
		}
		return 0
	}
	const gauge, counter = "gauge", "counter"
	metrics := []metric{
		{"etcd_server_has_leader", gauge, "Whether or not a leader exists.", flag(s.Raft.Leader != raft.None)},
		{"etcd_server_is_leader", gauge, "Whether or not this member is a leader.", flag(s.Raft.Role == raft.Leader)},
		{"etcd_server_is_learner", gauge, "Whether or not this member is a learner.", flag(s.Learner)},
		{"etcd_server_leader_changes_seen_total", counter, "Times this member took or lost the lead.", s.Counts.LeaderChanges},
		{"etcd_server_proposals_committed_total", gauge, "Index of the last committed entry.", s.Raft.Commit},
		{"etcd_server_proposals_applied_total", gauge, "Index of the last applied entry.", s.Store.Index},
		{"etcd_server_proposals_failed_total", counter, "Commands of clients without a result.", s.Failed},
		{"etcd_server_slow_read_indexes_total", counter, "Linearizable reads that had to be asked again.", s.SlowReads},
		{"etcd_server_quota_backend_bytes", gauge, "Quota of the store in bytes.", uint64(max(s.Quota, 0))},
		{"etcd_mvcc_db_total_size_in_bytes", gauge, "Size of the store, with what compaction freed.", uint64(s.Size)},
		{"etcd_mvcc_db_total_size_in_use_in_bytes", gauge, "Size of the store, without what compaction freed.", uint64(s.Store.SizeInUse)},
		{"etcd_debugging_mvcc_current_revision", gauge, "Current revision of the store.", uint64(s.Store.Revision)},
		{"etcd_debugging_mvcc_compact_revision", gauge, "Revision of the last compaction.", uint64(max(s.Store.CompactRevision, 0))},
		{"etcd_debugging_mvcc_watcher_total", gauge, "Watchers.", uint64(s.Store.Watchers)},
		{"etcd_debugging_mvcc_slow_watcher_total", gauge, "Watchers that catch up from history.", uint64(s.Store.SlowWatchers)},
		{"kv_leases", gauge, "Leases.", uint64(s.Store.Leases)},
		{"kv_proposals_total", counter, "Commands of clients.", s.Proposed},
		{"kv_raft_term", gauge, "Current term.", s.Raft.Term},
		{"kv_raft_elections_total", counter, "Times this member stood for election.", s.Counts.Elections},
		{"kv_raft_messages_sent_total", counter, "Messages of raft sent.", s.Counts.Sent},
		{"kv_raft_messages_received_total", counter, "Messages of raft received.", s.Counts.Received},
		{"kv_disk_syncs_total", counter, "Times the log was made durable.", s.Counts.Syncs},
		{"kv_snapshots_taken_total", counter, "Snapshots taken.", s.Counts.SnapshotsTaken},
		{"kv_snapshots_applied_total", counter, "Snapshots received from a leader.", s.Counts.SnapshotsApplied},
	}
	if s.Tree == nil {
		return metrics // the store is in memory
	}
	t, tables, bytes := s.Tree, 0, uint64(0)
	for _, level := range t.Levels {
		tables += level.Tables
		bytes += level.Size
	}
	return append(metrics,
		metric{"kv_lsm_tables", gauge, "Tables of the tree.", uint64(tables)},
		metric{"kv_lsm_tables_bytes", gauge, "What they take.", bytes},
		metric{"kv_lsm_l0_layers", gauge, "Layers of level 0 that a read may meet.", uint64(t.L0Layers)},
		metric{"kv_lsm_memtables", gauge, "Memtables that are not flushed.", uint64(t.Memtables)},
		metric{"kv_lsm_values_bytes", gauge, "What the value log takes.", uint64(t.ValueLogSize)},
		metric{"kv_lsm_values_live_bytes", gauge, "What of it tables point to.", uint64(t.ValueLogLive)},
		metric{"kv_lsm_log_bytes_total", counter, "Bytes written to the tree's log.", t.LogBytes},
		metric{"kv_lsm_flush_bytes_total", counter, "Bytes written by flushes.", t.FlushBytes},
		metric{"kv_lsm_flushes_total", counter, "Flushes.", t.Flushes},
		metric{"kv_lsm_compaction_bytes_total", counter, "Bytes written by compactions.", t.CompactionBytes},
		metric{"kv_lsm_compactions_total", counter, "Compactions.", t.Compactions},
		metric{"kv_lsm_stalls_total", counter, "Times a command waited for flushes or compactions.", t.Stalls},
		metric{"kv_lsm_stalled_milliseconds_total", counter, "How long in all.", uint64(t.Stalled.Milliseconds())},
	)
}
