package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
)

// What machines and administrators ask: whether the store can serve, counts, and
// healing.

// sick says why some object may not be written; "": it may.
func sick(info erasure.StoreInfo) string {
	quorum := info.Data
	if info.Data == info.Parity {
		quorum++
	}
	online := map[int]int{}
	for _, d := range info.Drives {
		if d.State != erasure.Offline {
			online[d.Set]++
		}
	}
	for set := range info.Sets {
		if online[set] < quorum {
			return fmt.Sprintf("set %d has %d drives of the %d that a write needs", set, online[set], quorum)
		}
	}
	return ""
}

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	reason := sick(s.store.Info(r.Context()))
	w.Header().Set("Content-Type", "application/json")
	if reason != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(struct {
		Healthy bool   `json:"healthy"`
		Reason  string `json:"reason,omitempty"`
	}{reason == "", reason})
}

// metrics in Prometheus' text format.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	s.s3.WriteMetrics(w)
	info := s.store.Info(r.Context())
	states := map[erasure.DriveState]int{}
	var total, free, missed int64
	for _, d := range info.Drives {
		states[d.State]++
		total, free, missed = total+d.Usage.Total, free+d.Usage.Free, missed+d.Missed
	}
	fmt.Fprintf(w, "# HELP erasure_drives Drives by state.\n# TYPE erasure_drives gauge\n")
	for state, name := range []string{"online", "offline", "stale", "rebuilding"} {
		fmt.Fprintf(w, "erasure_drives{state=%q} %d\n", name, states[erasure.DriveState(state)])
	}
	for _, x := range []struct {
		name, help string
		value      int64
	}{
		{"erasure_heal_queue_objects", "Objects that wait to be healed.", int64(info.Queued)},
		{"erasure_missed_writes", "Writes that drives missed since they were healed.", missed},
		{"erasure_capacity_bytes", "Size of the drives' file systems.", total},
		{"erasure_free_bytes", "What is free of it.", free},
		{"go_goroutines", "Number of goroutines that currently exist.", int64(runtime.NumGoroutine())},
	} {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s gauge\n%s %d\n", x.name, x.help, x.name, x.name, x.value)
	}
}

// admin serves what is signed, and not S3's.
func (s *server) admin(w http.ResponseWriter, r *http.Request) {
	q, err := s.verifier.Verify(r)
	if err == nil {
		_, err = io.Copy(io.Discard, io.LimitReader(q.Body, 1<<20))
	}
	var refusal *sigv4.Error
	switch {
	case errors.As(err, &refusal):
		http.Error(w, err.Error(), http.StatusForbidden)
	case err != nil:
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		s.administer(w, r)
	}
}

func (s *server) administer(w http.ResponseWriter, r *http.Request) {
	what := strings.TrimPrefix(r.URL.Path, adminPath)
	name, explain := strings.CutPrefix(what, "explain/")
	switch {
	case what == "heal" && r.Method == http.MethodPost:
		s.heal(w, r)
	case what == "info" && r.Method == http.MethodGet:
		s.info(w, r)
	case explain && r.Method == http.MethodGet:
		s.explain(w, r, name)
	default:
		http.Error(w, "there are POST /admin/heal, GET /admin/info, and GET /admin/explain/BUCKET/KEY", http.StatusNotFound)
	}
}

func (s *server) info(w http.ResponseWriter, r *http.Request) {
	info := s.store.Info(r.Context())
	states := []string{"online", "offline", "stale", "rebuilding"}
	fmt.Fprintf(w, "deployment %s: %d set(s) of %d drives, %d data and %d parity shards; %d objects wait to be healed\n",
		info.Deployment, info.Sets, info.DrivesPerSet, info.Data, info.Parity, info.Queued)
	for _, d := range info.Drives {
		fmt.Fprintf(w, "set %d place %d: %s %s", d.Set, d.Place, states[d.State], d.Drive)
		if d.Missed > 0 {
			fmt.Fprintf(w, ", missed %d writes", d.Missed)
		}
		if d.Rebuilt != "" {
			fmt.Fprintf(w, ", rebuilt up to %s", d.Rebuilt)
		}
		if d.Err != nil {
			fmt.Fprintf(w, ": %v", d.Err)
		}
		fmt.Fprintln(w)
	}
}

// explain says where the shards of an object are.
func (s *server) explain(w http.ResponseWriter, r *http.Request, name string) {
	text, err := s.store.Explain(r.Context(), name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	io.WriteString(w, text)
}

// healLine is a line of the answer to /admin/heal: how far it is, and at last
// how it ended.
type healLine struct {
	erasure.HealReport
	Done  bool
	Error string `json:",omitempty"`
}

// progressEvery is the pause between two lines.
const progressEvery = 500 * time.Millisecond

// heal heals, and tells how far it is while it does. It ends with its client. It is
// the word of somebody who knows which disks are in: empty directories in the places
// of drives that do not work become new drives.
func (s *server) heal(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	dry := q.Get("dry-run") == "true"
	s.attachDrives(r.Context(), !dry)
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, control := json.NewEncoder(w), http.NewResponseController(w)
	told := time.Now()
	report, err := s.store.Heal(r.Context(), &erasure.HealOptions{Prefix: q.Get("prefix"), Deep: q.Get("deep") == "true", DryRun: dry},
		func(h erasure.HealReport) {
			if time.Since(told) >= progressEvery {
				told = time.Now()
				out.Encode(healLine{HealReport: h})
				control.Flush()
			}
		})
	last := healLine{HealReport: report, Done: err == nil}
	if err != nil {
		last.Error = err.Error()
	}
	out.Encode(last) // the client is gone, if this fails
}
