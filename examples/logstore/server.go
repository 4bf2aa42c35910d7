package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/flagship-go/flagship/examples/internal/profiles"
)

const (
	// addressFile is where a process that has the store says where it listens.
	addressFile = "ADDRESS"
	// drainTimeout bounds how long requests under way are waited for at the end.
	drainTimeout = 10 * time.Second
)

// server is the HTTP side of a process that has the store.
type server struct {
	*config
	store   *store
	url     string
	stop    context.Context // ends streams
	end     context.CancelFunc
	servers []*http.Server
	failed  chan error
}

// startServer listens where the flags say.
func startServer(c *config, s *store) (*server, error) {
	h := &server{config: c, store: s, failed: make(chan error, 2)}
	h.stop, h.end = context.WithCancel(context.Background())
	// That of a process which was killed leads to nobody, or to somebody else.
	if err := os.Remove(filepath.Join(c.dir, addressFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if c.address != "" {
		address, err := h.listen("address", c.address, h.routes())
		if err != nil {
			return nil, err
		}
		h.url = "http://" + address
		if err := os.WriteFile(filepath.Join(c.dir, addressFile), []byte(h.url+"\n"), 0o644); err != nil {
			return nil, errors.Join(err, h.close())
		}
	}
	if c.admin != "" {
		address, err := h.listen("admin-address", c.admin, h.adminRoutes())
		if err != nil {
			return nil, errors.Join(err, h.close())
		}
		c.log.Info("admin", "address", address)
	}
	return h, nil
}

func (h *server) listen(flag, address string, handler http.Handler) (string, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("%w; choose another with -%s", err, flag)
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelDebug)}
	h.servers = append(h.servers, s)
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			h.failed <- err
		}
	}()
	return l.Addr().String(), nil
}

// close tells streams to end, waits for requests under way, and stops listening.
func (h *server) close() (err error) {
	h.end()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	for _, s := range h.servers {
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
	}
	if h.url != "" {
		err = os.Remove(filepath.Join(h.dir, addressFile))
	}
	return err
}

func (h *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /ingest", h.ingest)
	mux.HandleFunc("GET /query", h.ask)
	mux.HandleFunc("GET /tail", h.ask)
	mux.HandleFunc("GET /stats", h.ask)
	h.probes(mux)
	return mux
}

func (h *server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	profiles.Handle(mux)
	h.probes(mux)
	return mux
}

func (h *server) probes(mux *http.ServeMux) {
	mux.HandleFunc("GET /health", h.health)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		h.store.writeMetrics(w)
	})
}

// health is bad when the store takes no writes any more.
func (h *server) health(w http.ResponseWriter, _ *http.Request) {
	answer := map[string]string{"health": "true"}
	w.Header().Set("Content-Type", "application/json")
	if err := h.store.db.Metrics().Failure; err != nil {
		answer = map[string]string{"health": "false", "reason": err.Error()}
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

// ingest stores the lines of a request's body, as they come. Its answer says how
// many: they are stored when it is there.
func (h *server) ingest(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Query().Get("source")
	if name == "" {
		name = "http"
	}
	if err := checkSource(name); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	in, src, b, n := &ingester{config: h.config, store: h.store}, newStream(r.Body, name), &batch{}, 0
	for {
		err := in.fill(r.Context(), src, b)
		if len(b.lines) > 0 {
			if err := h.store.append(name, b.lines, false, 0); err != nil {
				http.Error(w, fmt.Sprintf("%d lines are stored, those after them not: %v", n, err), http.StatusInternalServerError)
				return
			}
			n += len(b.lines)
		}
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			http.Error(w, fmt.Sprintf("%d lines are stored: reading more: %v", n, err), http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int{"lines": n})
}

// ask answers a question; the commands of the same names ask nothing else.
func (h *server) ask(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query(), time.Now())
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if q.follow { // it ends with the server; every other answer is finished
		defer context.AfterFunc(h.stop, cancel)()
	}
	err = h.store.answer(ctx, r.URL.Path, q, w, func() { _ = http.NewResponseController(w).Flush() })
	if err != nil && ctx.Err() == nil {
		h.log.Warn("a question was not answered to its end", "url", r.URL, "err", err)
		panic(http.ErrAbortHandler) // so that the reader does not take it for whole
	}
}
