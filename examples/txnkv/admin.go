package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/flagship-go/flagship/examples/internal/profiles"
	"github.com/flagship-go/flagship/examples/txnkv/ranges"
	"github.com/flagship-go/flagship/examples/txnkv/service"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/raft"
)

// The operators' address: the page, what it shows as JSON, and commands (P4).
//
//	GET  /                      the page
//	GET  /status                nodes, ranges, transactions, locks
//	POST /admin/nodes/N/stop    and start
//	POST /admin/ranges/N/move   ?to=NODE
//	POST /admin/split           ?key=KEY

//go:embed page.html
var page []byte

// adminTimeout bounds a command.
const adminTimeout = 30 * time.Second

func (s *server) operators() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'self' 'unsafe-inline'")
		w.Write(page)
	})
	mux.HandleFunc("GET /status", s.status)
	mux.HandleFunc("GET /health", s.health)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("POST /admin/nodes/{node}/{what}", s.command(s.changeNode))
	mux.HandleFunc("POST /admin/ranges/{range}/move", s.command(s.moveRange))
	mux.HandleFunc("POST /admin/split", s.command(s.splitAt))
	profiles.Handle(mux)
	return mux
}

// command answers with what was done, or why not.
func (s *server) command(f func(ctx context.Context, r *http.Request) (string, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		// Another site's page in the operator's browser is not the operator.
		if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
			http.Error(w, "a command from another site", http.StatusForbidden)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), adminTimeout)
		defer cancel()
		what, err := f(ctx, r)
		switch {
		case err == nil:
			fmt.Fprintln(w, what)
		case errors.Is(err, ranges.ErrUnknown):
			http.Error(w, err.Error(), http.StatusNotFound)
		case errors.Is(err, context.DeadlineExceeded):
			http.Error(w, err.Error(), http.StatusGatewayTimeout)
		default:
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}

func number(name, s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%s %q: must be a number", name, s)
	}
	return n, nil
}

func (s *server) changeNode(_ context.Context, r *http.Request) (string, error) {
	n, err := number("node", r.PathValue("node"))
	if err != nil {
		return "", err
	}
	id := raft.NodeID(n)
	switch what := r.PathValue("what"); what {
	case "stop":
		return fmt.Sprintf("node %d is stopped", n), s.cluster.Stop(id)
	case "start":
		return fmt.Sprintf("node %d is started", n), s.cluster.Start(id)
	default:
		return "", fmt.Errorf("%s: there are stop and start", what)
	}
}

func (s *server) moveRange(ctx context.Context, r *http.Request) (string, error) {
	id, err := number("range", r.PathValue("range"))
	if err != nil {
		return "", err
	}
	to, err := number("to", r.URL.Query().Get("to"))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("range %d is led and leased by node %d", id, to), s.cluster.Move(ctx, id, raft.NodeID(to))
}

func (s *server) splitAt(ctx context.Context, r *http.Request) (string, error) {
	key := r.URL.Query().Get("key")
	return fmt.Sprintf("a range begins at %q", key), s.cluster.Split(ctx, []byte(key))
}

// statusBody is what the page shows.
type statusBody struct {
	Clock    string
	Uptime   string
	Problem  string // why /health is not well; "" if it is
	Cluster  ranges.Status
	Txns     []service.Running
	Expired  int64
	Locks    []lockBody
	LocksErr string `json:",omitempty"`
	DB       mvcc.Metrics
}

type lockBody struct {
	Key, Primary, StartTS string
	Pessimistic, Async    bool
	Age                   string
}

const locksShown = 100

func (s *server) status(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	b := statusBody{Clock: s.config.clock, Uptime: time.Since(s.began).Round(time.Second).String(),
		Cluster: s.cluster.Status(ctx), Txns: s.service.Running(), Expired: s.service.Metrics().Expired, DB: s.db.Metrics()}
	b.Problem = problem(&b.Cluster)
	locks, err := s.service.LocksIn(ctx, locksShown)
	if err != nil {
		b.LocksErr = err.Error()
	}
	for _, l := range locks {
		b.Locks = append(b.Locks, lockBody{Key: string(l.Key), Primary: string(l.Primary), StartTS: l.StartTS.String(),
			Pessimistic: l.Pessimistic, Async: l.AsyncCommit, Age: time.Since(l.StartTS.Time()).Round(time.Millisecond).String()})
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(b)
}

// problem says why not everything is served; "": it is.
func problem(st *ranges.Status) string {
	running := 0
	for _, n := range st.Nodes {
		if n.Running {
			running++
		}
	}
	if running <= len(st.Nodes)/2 {
		return fmt.Sprintf("%d of %d nodes run: a majority is needed", running, len(st.Nodes))
	}
	for _, r := range st.Ranges {
		if !r.Served {
			return fmt.Sprintf("range %d is served by nobody now", r.ID)
		}
	}
	return ""
}

func (s *server) health(w http.ResponseWriter, r *http.Request) {
	st := s.cluster.Status(r.Context())
	reason := problem(&st)
	w.Header().Set("Content-Type", "application/json")
	if reason != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	json.NewEncoder(w).Encode(struct {
		Healthy bool   `json:"healthy"`
		Reason  string `json:"reason,omitempty"`
	}{reason == "", reason})
}
