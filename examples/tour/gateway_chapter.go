package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/gateway/eskip"
)

const (
	gatewayRoutes  = 10_000
	gatewayUsers   = 1000
	gatewayClients = 8
	gatewayServers = 3
	gatewayReloads = 200
	// gatewayLeast is how many files there must be: fewer are no table.
	gatewayLeast = 50
)

// gatewayChapter is about the way of requests: which route, which side, which upstream, while all of it changes.
var gatewayChapter = Chapter{
	Name:   "gateway",
	Title:  "ten thousand routes, a canary, and an upstream that dies",
	Victim: gatewayVictim,
	Run: func(ctx context.Context, s *Stage) error {
		size := gatewaySize{every: 1, users: gatewayUsers, reloads: gatewayReloads}
		if s.Short {
			size = gatewaySize{every: 10, users: gatewayUsers / 5, reloads: gatewayReloads / 5}
		}
		return playGateway(ctx, s, size)
	},
}

// gatewaySize is how much is done.
type gatewaySize struct {
	every   int // each how manyth file is fetched
	users   int
	reloads int
}

// gatewayClock is the gateways' time, which stands still until the chapter moves it. It begins at a whole second, as
// a ramp's start does.
type gatewayClock struct {
	start time.Time
	ahead atomic.Int64
}

func (c *gatewayClock) now() time.Time         { return c.start.Add(c.elapsed()) }
func (c *gatewayClock) elapsed() time.Duration { return time.Duration(c.ahead.Load()) }
func (c *gatewayClock) move(d time.Duration)   { c.ahead.Add(int64(d)) }

// gatewayActs is the chapter while it runs.
type gatewayActs struct {
	*Stage
	gatewaySize
	ctx     context.Context
	clock   *gatewayClock
	gateway *aGateway
	root    *os.Root
	servers []string // addresses
	paths   []string // of all files, as in /net/http/server.go
	routes  []*eskip.Route
	// own has the name of a path's route; those that are not there share the one of all others.
	own    map[string]string
	client *http.Client
}

func playGateway(ctx context.Context, s *Stage, size gatewaySize) (err error) {
	a := &gatewayActs{Stage: s, gatewaySize: size, ctx: ctx, clock: &gatewayClock{start: time.Now().Truncate(time.Second)}, own: map[string]string{}}
	a.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: gatewayClients, DisableCompression: true}}
	defer a.client.CloseIdleConnections()
	if a.root, err = os.OpenRoot(s.Root); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.root.Close()) }()
	for i := range gatewayServers {
		address, stop, err := serveOnLoopback(&fileServer{name: string(rune('A' + i)), root: a.root})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
		a.servers = append(a.servers, address)
	}
	if a.gateway, err = startGateway(a.clock); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.gateway.close()) }()
	for _, act := range []func() error{a.fill, a.fetch, a.canary, a.breaker, a.reload} {
		if err := act(); err != nil {
			return err
		}
	}
	return nil
}

// fill makes a route for each file, as many as there may be, and one for all others.
func (a *gatewayActs) fill() error {
	err := fs.WalkDir(a.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			a.paths = append(a.paths, "/"+name)
		}
		return errors.Join(err, a.ctx.Err())
	})
	if err != nil {
		return fmt.Errorf("reading the source in %s: %w", a.Root, err)
	}
	if len(a.paths) < gatewayLeast {
		return fmt.Errorf("there are %d files in %s, and the chapter needs %d; name a larger folder with -src", len(a.paths), a.Root, gatewayLeast)
	}
	var written bytes.Buffer
	if err := eskip.Print(&written, a.writeRoutes()); err != nil {
		return err
	}
	began := time.Now()
	routes, err := eskip.Parse("src.eskip", written.String())
	if err != nil {
		return err
	}
	parsed := time.Now()
	if err := a.gateway.Apply(routes); err != nil {
		return err
	}
	a.routes = routes
	a.Say("%d files of %s are URLs. %d upstreams have them, behind a gateway with %d routes: %.1f MB of eskip, parsed in %v, checked and built in %v.",
		len(a.paths), a.Root, gatewayServers, len(routes), mb(int64(written.Len())), parsed.Sub(began).Round(100*time.Microsecond), time.Since(parsed).Round(100*time.Microsecond))
	return nil
}

// writeRoutes makes the routes; each says its name in the answer.
func (a *gatewayActs) writeRoutes() []*eskip.Route {
	route := func(id, predicate, path string, to ...string) *eskip.Route {
		r := &eskip.Route{
			ID:         id,
			Predicates: []eskip.Call{{Name: predicate, Args: []any{path}}},
			Filters:    []eskip.Call{{Name: "setResponseHeader", Args: []any{"X-Route", id}}, {Name: "setResponseHeader", Args: []any{"X-Edition", "1"}}},
			Backend:    eskip.Backend{Kind: eskip.Balanced},
		}
		for _, address := range to {
			r.Backend.Addresses = append(r.Backend.Addresses, "http://"+address)
		}
		return r
	}
	all := []*eskip.Route{route("others", "PathSubtree", "/", a.servers...)}
	for i, path := range a.paths {
		// A segment that begins with a colon or an asterisk would stand for any.
		if len(all) == gatewayRoutes || strings.Contains(path, "/:") || strings.Contains(path, "/*") {
			continue
		}
		id := fmt.Sprintf("file%05d", i)
		a.own[path] = id
		all = append(all, route(id, "Path", (&url.URL{Path: path}).EscapedPath(), a.servers[i%gatewayServers]))
	}
	return all
}

// get asks the gateway for a path.
func (a *gatewayActs) get(base, path string, header ...string) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(a.ctx, http.MethodGet, base+(&url.URL{Path: path}).EscapedPath(), nil)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := a.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer, body, err
}

// route is the name of a path's route.
func (a *gatewayActs) route(path string) string {
	if id, is := a.own[path]; is {
		return id
	}
	return "others"
}

// fetch asks which route each path has, and fetches files through the gateway.
func (a *gatewayActs) fetch() error {
	astray := 0
	began := time.Now()
	for _, path := range a.paths {
		e, err := a.gateway.Explain(&http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}, Header: http.Header{}})
		if err != nil {
			return err
		}
		if e.Route != a.route(path) {
			astray++
		}
	}
	took := time.Since(began)
	a.Claim(astray == 0, "each of %d paths finds its own route among %d, or that of all others: %v for one, with the reasons", len(a.paths), len(a.routes), (took / time.Duration(len(a.paths))).Round(100*time.Nanosecond))

	var fetched, length, wrong atomic.Int64
	work := make(chan string)
	var clients sync.WaitGroup
	for range gatewayClients {
		clients.Go(func() {
			for path := range work {
				answer, body, err := a.get(a.gateway.url, path)
				if err != nil || answer.StatusCode != http.StatusOK || answer.Header.Get("X-Route") != a.route(path) || !a.same(path, body) {
					wrong.Add(1)
				}
				length.Add(int64(len(body)))
				fetched.Add(1)
			}
		})
	}
	for i := 0; i < len(a.paths) && a.ctx.Err() == nil; i += a.every {
		work <- a.paths[i]
		a.Progress("files fetched", i+1, len(a.paths))
	}
	close(work)
	clients.Wait()
	a.Claim(wrong.Load() == 0, "%d files, %.1f MB, come through the gateway as they are on disk, each along its own route", fetched.Load(), mb(length.Load()))
	return a.ctx.Err()
}

// same compares with the disk.
func (a *gatewayActs) same(path string, body []byte) bool {
	want, err := a.root.ReadFile(strings.TrimPrefix(path, "/"))
	return err == nil && len(want) == len(body) && crc32.ChecksumIEEE(want) == crc32.ChecksumIEEE(body)
}
