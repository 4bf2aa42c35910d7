package main

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/flagship-go/flagship/examples/internal/profiles"
)

// The operators' address (P4).
//
//	GET  /health                   200 if all nodes of this process run
//	GET  /metrics
//	GET  /debug/pprof/
//	POST /admin/nodes/N/stop       and start
func (s *server) operators() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", s.health)
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("POST /admin/nodes/{node}/{what}", s.change)
	profiles.Handle(mux)
	return mux
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	for _, m := range s.members {
		n := m.running()
		if n == nil {
			http.Error(w, m.name+" does not run", http.StatusServiceUnavailable)
			return
		}
		if err := n.Err(); err != nil {
			http.Error(w, fmt.Sprintf("%s has stopped: %v", m.name, err), http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// change stops or starts a node.
func (s *server) change(w http.ResponseWriter, r *http.Request) {
	// Another site's page in the operator's browser is not the operator.
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" && site != "none" {
		http.Error(w, "a command from another site", http.StatusForbidden)
		return
	}
	i, err := strconv.Atoi(r.PathValue("node"))
	if err != nil || i < 0 || i >= len(s.members) {
		http.Error(w, fmt.Sprintf("there are nodes 0 to %d", len(s.members)-1), http.StatusNotFound)
		return
	}
	m := s.members[i]
	switch what := r.PathValue("what"); what {
	case "stop":
		err = m.stop()
	case "start":
		err = m.start(s.others(m), nil)
	default:
		http.Error(w, what+": there are stop and start", http.StatusNotFound)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	fmt.Fprintf(w, "%s: %s is done\n", m.name, r.PathValue("what"))
}
