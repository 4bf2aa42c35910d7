package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/valyala/fasthttp"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
)

const (
	oursPlain    = "flagship-no-filters"
	bareDefault  = "bare-default"
	muxName      = "ServeMux"
	chiName      = "chi"
	fasthttpName = "fasthttp"
)

// servers are what a child may be: each returns what serves a listener.
var servers = map[string]func(peer.Order) (func(net.Listener) error, error){
	backendName:  serveBackend,
	ours:         serveOurs,
	oursPlain:    serveOurs,
	bareName:     handled(func(_ peer.Order, proxy http.Handler) http.Handler { return proxy }),
	bareDefault:  serveDefault,
	muxName:      handled(withServeMux),
	chiName:      handled(withChi),
	fasthttpName: serveFasthttp,
}

// child is a child's main.
func child(o peer.Order) error {
	if start := foreign[o.Contender]; start != nil {
		return start(o)
	}
	make := servers[o.Contender]
	if make == nil {
		return fmt.Errorf("no contender has the name %q", o.Contender)
	}
	serve, err := make(o)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		err := serve(ln)
		fmt.Fprintln(os.Stderr, "serving:", err)
		os.Exit(1)
	}()
	return peer.Answer(ln.Addr().String(), peer.Own)
}

// fiveFilters are those of the goal.
var fiveFilters = []string{`setRequestHeader("X-From", "gateway")`, `dropRequestHeader("X-Secret")`, `setResponseHeader("X-By", "gateway")`,
	`appendResponseHeader("X-By", "again")`, `modPath("^/old", "/new")`}

// serveOurs is a gateway as it is when nothing is said: its server, and routes to one endpoint.
func serveOurs(o peer.Order) (func(net.Listener) error, error) {
	chain := `"http://` + o.Backend + `"`
	if o.Contender == ours {
		chain = strings.Join(append(fiveFilters, chain), " -> ")
	}
	var text strings.Builder
	for i, p := range o.Prefixes {
		fmt.Fprintf(&text, "p%d: PathSubtree(%q) -> \"http://%s\";\n", i, p.Prefix, p.Upstream)
	}
	for i := range o.Routes {
		fmt.Fprintf(&text, "r%d: Path(%q) && Method(\"GET\") -> %s;\n", i, peer.Path(i, ":id"), chain)
	}
	routes, err := eskip.Parse("", text.String())
	if err != nil {
		return nil, err
	}
	gw, err := gateway.New(gateway.Options{})
	if err != nil {
		return nil, err
	}
	if err := gw.Apply(routes); err != nil {
		return nil, err
	}
	server, err := gateway.NewServer(gw, gateway.ServerOptions{})
	if err != nil {
		return nil, err
	}
	return server.Serve, nil
}

// handled is net/http's server with a tuned ReverseProxy, and possibly a router before it.
func handled(route func(o peer.Order, proxy http.Handler) http.Handler) func(peer.Order) (func(net.Listener) error, error) {
	return func(o peer.Order) (func(net.Listener) error, error) {
		server := &http.Server{ErrorLog: log.New(io.Discard, "", 0)}
		if len(o.Prefixes) > 0 {
			server.Handler = byPrefix(o.Prefixes)
		} else {
			server.Handler = route(o, tuned(o.Backend))
		}
		return server.Serve, nil
	}
}

// tuned is a ReverseProxy as its users learn to write it: connections are kept, buffers are used again, and bodies pass as
// they are.
func tuned(upstream string) *httputil.ReverseProxy {
	target := &url.URL{Scheme: "http", Host: upstream}
	return &httputil.ReverseProxy{
		Rewrite:    func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
		Transport:  &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		BufferPool: &buffers{},
		ErrorLog:   log.New(io.Discard, "", 0),
	}
}

type buffers struct{ sync.Pool }

func (p *buffers) Put(b []byte) { p.Pool.Put(&b) }
func (p *buffers) Get() []byte {
	if b, is := p.Pool.Get().(*[]byte); is {
		return *b
	}
	return make([]byte, 32<<10)
}

// serveDefault is a ReverseProxy as its documentation begins.
func serveDefault(o peer.Order) (func(net.Listener) error, error) {
	target, err := url.Parse("http://" + o.Backend)
	if err != nil {
		return nil, err
	}
	server := &http.Server{Handler: &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.SetXForwarded() },
	}}
	return server.Serve, nil
}

func withServeMux(o peer.Order, proxy http.Handler) http.Handler {
	mux := http.NewServeMux()
	for i := range o.Routes {
		mux.Handle("GET "+peer.Path(i, "{id}"), proxy)
	}
	return mux
}

func withChi(o peer.Order, proxy http.Handler) http.Handler {
	mux := chi.NewRouter()
	for i := range o.Routes {
		mux.Method("GET", peer.Path(i, "{id}"), proxy)
	}
	return mux
}

// byPrefix is for the conformance kit, which asks for more than most users do: a tuned ReverseProxy that writes each piece
// on when it comes, goes on with a request whose answer has begun, and says nothing that its client has not said.
func byPrefix(prefixes []peer.Prefix) http.Handler {
	mux := http.NewServeMux()
	for _, p := range prefixes {
		proxy := tuned(p.Upstream)
		proxy.FlushInterval = -1
		proxy.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
		rewrite := proxy.Rewrite
		proxy.Rewrite = func(r *httputil.ProxyRequest) {
			rewrite(r)
			r.Out.URL.RawQuery = r.In.URL.RawQuery // also what net/url cannot read
			if _, said := r.In.Header["User-Agent"]; !said {
				r.Out.Header["User-Agent"] = nil
			}
		}
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			proxy.ServeHTTP(w, r)
		})
		mux.Handle(p.Prefix, handler)
		if p.Prefix != "/" {
			mux.Handle(p.Prefix+"/", handler)
		}
	}
	return mux
}

// serveFasthttp passes a message on, and what is between neighbours not. It knows no routes, but those of the
// conformance kit.
func serveFasthttp(o peer.Order) (func(net.Listener) error, error) {
	if o.Prefixes == nil {
		o.Prefixes = []peer.Prefix{{Prefix: "/", Upstream: o.Backend}}
	}
	slices.SortFunc(o.Prefixes, func(a, b peer.Prefix) int { return len(b.Prefix) - len(a.Prefix) })
	clients := make([]*fasthttp.HostClient, len(o.Prefixes))
	for i, p := range o.Prefixes {
		clients[i] = &fasthttp.HostClient{Addr: p.Upstream, MaxConns: 512, NoDefaultUserAgentHeader: true}
	}
	s := &fasthttp.Server{NoDefaultServerHeader: true, NoDefaultDate: true, NoDefaultContentType: true, Handler: func(ctx *fasthttp.RequestCtx) {
		i := slices.IndexFunc(o.Prefixes, func(p peer.Prefix) bool { return fits(p.Prefix, string(ctx.Path())) })
		if i < 0 {
			ctx.Error("no route", fasthttp.StatusNotFound)
			return
		}
		client := clients[i]
		ctx.Request.Header.Del("Connection")
		ctx.Request.Header.Set("X-Forwarded-For", ctx.RemoteIP().String())
		if err := client.Do(&ctx.Request, &ctx.Response); err != nil {
			ctx.Error(err.Error(), fasthttp.StatusBadGateway)
			return
		}
		ctx.Response.Header.Del("Connection")
	}}
	return s.Serve, nil
}

// fits tells whether a path is below a prefix of whole segments.
func fits(prefix, path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (prefix == "/" || rest == "" || rest[0] == '/')
}
