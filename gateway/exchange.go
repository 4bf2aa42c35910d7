package gateway

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/route"
)

// An exchange is one request on its way, and the answer to it: what filters see as
// [filters.FilterContext]. It belongs to the goroutine that serves the request. When the
// request is over it is used again for another one, so nothing that may live longer points
// at it: what a transport is given is in the outgoing.
type exchange struct {
	gw    *Gateway
	table *route.Table // C2: the one that was there when the request came
	w     http.ResponseWriter
	rc    http.ResponseController
	in    *http.Request // as the client sent it
	out   *outgoing     // as it is sent upstream
	now   time.Time
	draw  float64 // M4: one number for all rounds

	// rounds are the routes that were taken: one, and one more for each <loopback>. at is the
	// one whose filters are at work.
	rounds []round
	at     int

	res     *http.Response // the answer; nil: there is none yet
	body    bodyOf         // what came from the upstream, to tell whether a filter has replaced it
	served  bool
	aborted bool // the client is to see a broken connection (P7)

	peer     peer
	identity string
	bag      map[string]any
	hashKey  uint64
	hashed   bool
	upstream filters.Upstream
	attempt  attempt // the pool's memory of this request
	record   served  // for metrics and the access log
}

// A round is one route's part in an exchange.
type round struct {
	route   *compiled
	lookup  route.Lookup
	entered int // filters that the request has entered and the answer not yet left (F1)
}

// dataPath is what a gateway's requests use one after the other.
type dataPath struct {
	exchanges sync.Pool         // of *exchange
	buffers   sync.Pool         // of *[copySize]byte
	dynamic   http.RoundTripper // of routes that end in <dynamic>
}

func (p *dataPath) exchange() *exchange {
	if e, is := p.exchanges.Get().(*exchange); is {
		return e
	}
	return &exchange{rounds: make([]round, 0, 1)}
}

// begin makes a fresh exchange of one that was used.
func (e *exchange) begin(g *Gateway, w http.ResponseWriter, r *http.Request, t *route.Table) {
	e.gw, e.table, e.w, e.in = g, t, w, r
	e.rc = *http.NewResponseController(w)
	e.now, e.draw = g.env.Now(), g.env.Rand()
	e.peer = peerOf(r, g.opts.TrustedProxies)
	e.out = newOutgoing(w, r)
	if e.out.req.Body != nil && r.ProtoMajor == 1 {
		// Or an answer that is there before the whole body is (P3) would wait for the rest of it.
		_ = e.rc.EnableFullDuplex()
	}
	if e.out.body.limit > 0 {
		e.rc = *http.NewResponseController(&deadlineWriter{w, &e.out.body})
	}
	e.at = -1
}

// reset lets go of everything but the memory.
func (e *exchange) reset() {
	for i := range e.rounds {
		e.rounds[i].lookup.Reset()
		e.rounds[i].route = nil
	}
	clear(e.bag)
	*e = exchange{rounds: e.rounds[:0], bag: e.bag}
}

// take enters the next round. A lookup keeps its memory from the exchange before.
func (e *exchange) take() *round {
	if n := len(e.rounds); n < cap(e.rounds) {
		e.rounds = e.rounds[:n+1]
	} else {
		e.rounds = append(e.rounds, round{})
	}
	e.at++
	r := &e.rounds[e.at]
	r.entered = 0
	r.lookup.Client, r.lookup.Draw, r.lookup.Now = e.peer.client, e.draw, e.now
	return r
}

// current is the route whose filters are at work, or nil before there is one.
func (e *exchange) current() *compiled {
	if e.at < 0 {
		return nil
	}
	return e.rounds[e.at].route
}

// What follows is filters.FilterContext.

func (e *exchange) Request() *http.Request         { return e.out.req }
func (e *exchange) SetRequest(r *http.Request)     { e.out.req = r }
func (e *exchange) OriginalRequest() *http.Request { return e.in }
func (e *exchange) Response() *http.Response       { return e.res }
func (e *exchange) Served() bool                   { return e.served }

// Serve replaces an answer that is there already, and closes its body (P6).
func (e *exchange) Serve(res *http.Response) {
	if e.res != nil && e.res != res && e.res.Body != nil && e.res.Body != res.Body {
		e.res.Body.Close()
	}
	if res.Header == nil {
		res.Header = http.Header{}
	}
	if res.Body == nil {
		res.Body = http.NoBody
	}
	if res.StatusCode == 0 {
		res.StatusCode = http.StatusOK
	}
	res.Request = e.out.req
	e.res, e.served = res, true
}

func (e *exchange) PathParam(name string) string {
	if e.at < 0 {
		return ""
	}
	return e.rounds[e.at].lookup.Param(name)
}

func (e *exchange) RouteID() string {
	if c := e.current(); c != nil {
		return c.def.ID
	}
	return ""
}

func (e *exchange) StateBag() map[string]any {
	if e.bag == nil {
		e.bag = map[string]any{}
	}
	return e.bag
}

func (e *exchange) Client() netip.Addr             { return e.peer.client }
func (e *exchange) Identity() string               { return e.identity }
func (e *exchange) SetIdentity(id string)          { e.identity = id }
func (e *exchange) Upstream() filters.Upstream     { return e.upstream }
func (e *exchange) SetHashKey(key uint64)          { e.hashKey, e.hashed = key, true }
func (e *exchange) Now() time.Time                 { return e.gw.env.Now() }
func (e *exchange) Log() *slog.Logger              { return e.gw.log.With("route", e.RouteID()) }
func (e *exchange) SetUpstream(u filters.Upstream) { e.upstream = u }

func (e *exchange) Controller() *http.ResponseController { return &e.rc }

func (e *exchange) Event(name, outcome string) {
	if c := e.current(); c != nil {
		c.stats.events.add(name, outcome)
	}
}

// HashKey is the same in every replica: FNV-1a of the address's 16 bytes.
func (e *exchange) HashKey() uint64 {
	if !e.hashed {
		e.SetHashKey(hashAddr(e.peer.client))
	}
	return e.hashKey
}

func hashAddr(a netip.Addr) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range a.As16() {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}
