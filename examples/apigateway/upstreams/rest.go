package upstreams

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Shop is a REST service. Every answer says which version gave it, and what reached it.
//
//	GET  /items        what is sold; ?q=text
//	GET  /items/{n}    one of it
//	POST /orders       any JSON
//	GET  /orders       how many there were
//	POST /fail?for=30s everything else is answered with 503 for so long: to see breakers open
type Shop struct {
	version string
	mux     *http.ServeMux
	// broken is until when it fails, in Unix nanoseconds.
	broken atomic.Int64
	orders atomic.Int64
}

// items are what the shop sells.
var items = []string{"teapot", "kettle", "saucer", "spoon", "tray"}

// NewShop makes a shop of a version.
func NewShop(version string) *Shop {
	s := &Shop{version: version, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /items", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, http.StatusOK, map[string]any{"items": items})
	})
	s.mux.HandleFunc("GET /items/{n}", s.item)
	s.mux.HandleFunc("POST /orders", s.order)
	s.mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		s.answer(w, r, http.StatusOK, map[string]any{"orders": s.orders.Load()})
	})
	s.mux.HandleFunc("POST /fail", s.fail)
	return s
}

// ServeHTTP answers a request.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if time.Now().UnixNano() < s.broken.Load() && r.URL.Path != "/fail" {
		s.answer(w, r, http.StatusServiceUnavailable, map[string]any{"error": "broken, as POST /fail wanted it"})
		return
	}
	s.mux.ServeHTTP(w, r)
}

func (s *Shop) item(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.PathValue("n"))
	if err != nil || n < 1 || n > len(items) {
		s.answer(w, r, http.StatusNotFound, map[string]any{"error": fmt.Sprintf("there are items 1 to %d", len(items))})
		return
	}
	s.answer(w, r, http.StatusOK, map[string]any{"item": items[n-1]})
}

func (s *Shop) order(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 64<<10))
	if err != nil || !json.Valid(body) {
		s.answer(w, r, http.StatusBadRequest, map[string]any{"error": "an order is JSON, up to 64 KiB"})
		return
	}
	s.answer(w, r, http.StatusCreated, map[string]any{"order": s.orders.Add(1), "of": json.RawMessage(body)})
}

func (s *Shop) fail(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.URL.Query().Get("for"))
	if err != nil || d < 0 {
		s.answer(w, r, http.StatusBadRequest, map[string]any{"error": "for=30s says for how long; for=0s ends it"})
		return
	}
	s.broken.Store(time.Now().Add(d).UnixNano())
	s.answer(w, r, http.StatusOK, map[string]any{"failing_for": d.String()})
}

func (s *Shop) answer(w http.ResponseWriter, r *http.Request, status int, fields map[string]any) {
	fields["version"] = s.version
	fields["path"] = r.URL.RequestURI()
	if flow := r.Header.Get("X-Flow-Id"); flow != "" {
		fields["flow"] = flow
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(fields)
}
