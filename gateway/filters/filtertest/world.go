package filtertest

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/flagship-go/flagship/gateway/filters"
)

// A World is what a filter lives in: clocks that a test moves, draws that it chooses, files and upstreams that
// it makes up. It is safe for concurrent use; the maps are filled before.
type World struct {
	// Files are those that filters can read. A name that is not here is a file of the system.
	Files map[string]string
	// Upstreams are what Env.NewUpstream makes, by their addresses with commas between them. One that is not here answers 200 with its addresses.
	Upstreams map[string]UpstreamFunc

	mu     sync.Mutex
	passed time.Duration
	draws  []float64
	slept  []time.Duration
	open   map[string]int
}

// Start is the time at which a world begins.
var Start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// Env is the world as filters see it. To sleep moves the clock, and takes no time.
func (w *World) Env() filters.Env {
	return filters.Env{
		Now:     func() time.Time { return Start.Add(w.Elapsed()) },
		Elapsed: w.Elapsed,
		Rand:    w.rand,
		Sleep: func(r *http.Request, d time.Duration) error {
			if err := r.Context().Err(); err != nil {
				return err
			}
			w.mu.Lock()
			w.slept = append(w.slept, d)
			w.mu.Unlock()
			w.Advance(d)
			return nil
		},
		NewUpstream: w.newUpstream,
		ReadFile: func(name string) ([]byte, error) {
			if text, is := w.Files[name]; is {
				return []byte(text), nil
			}
			return os.ReadFile(name)
		},
	}
}

// Elapsed is how much time has passed.
func (w *World) Elapsed() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed
}

// Advance lets time pass.
func (w *World) Advance(d time.Duration) {
	w.mu.Lock()
	w.passed += d
	w.mu.Unlock()
}

// Draw says what Env.Rand gives next, and after that: 0.5.
func (w *World) Draw(values ...float64) {
	w.mu.Lock()
	w.draws = append(w.draws, values...)
	w.mu.Unlock()
}

func (w *World) rand() float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.draws) == 0 {
		return 0.5
	}
	v := w.draws[0]
	w.draws = w.draws[1:]
	return v
}

// Slept is how long Env.Sleep was asked to wait, each time.
func (w *World) Slept() []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]time.Duration(nil), w.slept...)
}

// Open is how many upstreams were made and not closed.
func (w *World) Open() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.open {
		n += k
	}
	return n
}

func (w *World) newUpstream(addresses []string, _ string) (filters.Upstream, error) {
	name := strings.Join(addresses, ",")
	if name == "http://refused" {
		return nil, errors.New("http://refused: refused")
	}
	f := w.Upstreams[name]
	if f == nil {
		f = Upstream(http.StatusOK, name)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open == nil {
		w.open = map[string]int{}
	}
	w.open[name]++
	return &pool{UpstreamFunc: f, name: name, world: w}, nil
}

type pool struct {
	UpstreamFunc
	name   string
	world  *World
	closed bool
}

func (p *pool) String() string { return p.name }

func (p *pool) Close() error {
	p.world.mu.Lock()
	defer p.world.mu.Unlock()
	if p.closed {
		return fmt.Errorf("%s: %w", p.name, fs.ErrClosed)
	}
	p.closed = true
	p.world.open[p.name]--
	return nil
}
