package main

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
)

// metrics in Prometheus' text format.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	st, db, sv := s.cluster.Status(r.Context()), s.db.Metrics(), s.service.Metrics()
	perNode(w, st.Nodes, "txnkv_node_up", "gauge", "Whether a node runs.", func(i int) (int, uint64) {
		up := uint64(0)
		if st.Nodes[i].Running {
			up = 1
		}
		return int(st.Nodes[i].ID), up
	})
	perNode(w, st.Nodes, "txnkv_node_leases", "gauge", "Ranges that a node serves.", func(i int) (int, uint64) {
		return int(st.Nodes[i].ID), uint64(st.Nodes[i].Leases)
	})
	perNode(w, st.Nodes, "txnkv_raft_syncs_total", "counter", "Times a node's log was made durable.", func(i int) (int, uint64) {
		return int(st.Nodes[i].ID), st.Nodes[i].Raft.Syncs
	})
	perNode(w, st.Nodes, "txnkv_raft_committed_total", "counter", "Entries given to state machines.", func(i int) (int, uint64) {
		return int(st.Nodes[i].ID), st.Nodes[i].Raft.Committed
	})
	served, size := 0, uint64(0)
	for _, x := range st.Ranges {
		size += x.Size
		if x.Served {
			served++
		}
	}
	for _, m := range []struct {
		name, kind, help string
		value            int64
	}{
		{"txnkv_ranges", "gauge", "Ranges.", int64(len(st.Ranges))},
		{"txnkv_ranges_served", "gauge", "Ranges that somebody serves now.", int64(served)},
		{"txnkv_bytes", "gauge", "About how much all ranges have, of one replica each.", int64(size)},
		{"txnkv_transactions_open", "gauge", "Transactions of clients that are open.", int64(sv.Open)},
		{"txnkv_transactions_expired_total", "counter", "Transactions that were idle for too long.", sv.Expired},
		{"mvcc_transactions_begun_total", "counter", "Transactions begun.", db.Begun},
		{"mvcc_commits_one_phase_total", "counter", "Commits in one phase.", db.OnePhase},
		{"mvcc_commits_async_total", "counter", "Commits in one round of prewrites.", db.Async},
		{"mvcc_commits_two_phase_total", "counter", "Commits in two phases.", db.TwoPhase},
		{"mvcc_conflicts_total", "counter", "Commits that failed because somebody came between.", db.Conflicts},
		{"mvcc_undetermined_total", "counter", "Commits whose outcome is unknown.", db.Undetermined},
		{"mvcc_locks_met_total", "counter", "Locks of others that were met.", db.LocksMet},
		{"mvcc_resolved_total", "counter", "Others' transactions that were decided.", db.Resolved},
		{"mvcc_requests_resent_total", "counter", "Requests that were sent again.", db.Resent},
		{"mvcc_requests_stale_total", "counter", "Requests that came to the wrong place.", db.Stale},
		{"mvcc_collected_total", "counter", "Versions that were collected.", db.Collected},
		{"go_goroutines", "gauge", "Number of goroutines that currently exist.", int64(runtime.NumGoroutine())},
	} {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n%s %d\n", m.name, m.help, m.name, m.kind, m.name, m.value)
	}
}

func perNode[T any](w io.Writer, nodes []T, name, kind, help string, value func(i int) (int, uint64)) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	for i := range nodes {
		id, v := value(i)
		fmt.Fprintf(w, "%s{node=\"%d\"} %d\n", name, id, v)
	}
}
