// Package filtertest is for tests of filters: a FilterContext without a gateway, and a way
// to pass a request through filters as a gateway does.
//
//	c := filtertest.New("GET", "http://shop.example.org/cart/7")
//	filtertest.Run(c, filtertest.Upstream(200, "hello"), myFilter)
//	// c.Request() is what went upstream, c.Response() what the client gets
package filtertest

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway/filters"
)

// A Context is one request on its way. Its fields may be set before it is used. It belongs to one goroutine, as a gateway's does.
type Context struct {
	Params map[string]string // of the path
	Route  string            // New: "route"
	Addr   netip.Addr        // the client's; New: 192.0.2.1
	ID     string            // the identity
	Bag    map[string]any
	Time   time.Time
	Key    uint64
	To     filters.Upstream
	// Conn is nil: there is no connection.
	Conn   *http.ResponseController
	Logger *slog.Logger
	// Events are those that filters have reported, as "name outcome".
	Events []string

	request, original *http.Request
	response          *http.Response
	served            bool
}

var _ filters.FilterContext = (*Context)(nil)

// New is a request without a body.
func New(method, url string) *Context { return Of(httptest.NewRequest(method, url, nil)) }

// Of is a request, as a server has received it.
func Of(r *http.Request) *Context {
	out := r.Clone(r.Context())
	out.Host, out.RequestURI = "", ""
	return &Context{
		Route: "route", Addr: netip.MustParseAddr("192.0.2.1"), Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Logger: slog.New(slog.DiscardHandler), request: out, original: r,
	}
}

// Run passes a request through filters, calls the upstream if none has answered, and passes the answer back
// through those that the request has entered, in reverse (F1). An error of the call becomes
// an answer with its status, or 502. To is nil for a route that ends in <shunt>: 404.
//
// It ends a test's request as a gateway would, but for panics: these go to the test.
func Run(c *Context, to filters.Upstream, chain ...filters.Filter) {
	c.SetUpstream(to)
	entered := 0
	for _, f := range chain {
		entered++
		if f.Request(c); c.Served() {
			break
		}
	}
	if !c.Served() {
		c.answer(Wrap(chain...)(c))
	}
	for entered > 0 {
		entered--
		chain[entered].Response(c)
	}
}

// Wrap is the call upstream with all Wrappers around it; the first is outermost.
func Wrap(chain ...filters.Filter) filters.RoundTrip {
	call := func(c filters.FilterContext) (*http.Response, error) {
		if c.Upstream() == nil {
			return nil, &filters.Error{Status: http.StatusNotFound, Reason: "no filter has answered", Local: true}
		}
		return c.Upstream().RoundTrip(c)
	}
	for i := len(chain) - 1; i >= 0; i-- {
		if w, is := chain[i].(filters.Wrapper); is {
			call = w.Wrap(call)
		}
	}
	return call
}

func (c *Context) answer(r *http.Response, err error) {
	if err == nil {
		c.response = r
		return
	}
	status := http.StatusBadGateway
	if e, is := err.(*filters.Error); is {
		status = e.Status
	}
	c.Serve(&http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(err.Error()))})
}

// Body reads the answer's body to its end and closes it.
func (c *Context) Body() string {
	text, err := io.ReadAll(c.response.Body)
	if err != nil {
		text = fmt.Appendf(text, "<broken: %v>", err)
	}
	c.response.Body.Close()
	return string(text)
}

// An UpstreamFunc is an upstream in a test.
type UpstreamFunc func(filters.FilterContext) (*http.Response, error)

// RoundTrip calls the function.
func (f UpstreamFunc) RoundTrip(c filters.FilterContext) (*http.Response, error) { return f(c) }

func (UpstreamFunc) String() string { return "test" }

// Upstream answers each request alike, after it has read its body. Header is pairs of names and values.
func Upstream(status int, body string, header ...string) UpstreamFunc {
	return func(c filters.FilterContext) (*http.Response, error) {
		r := c.Request()
		if r.Body != nil {
			_, err := io.Copy(io.Discard, r.Body)
			r.Body.Close()
			if err != nil {
				return nil, err
			}
		}
		return Response(r, status, body, header...), nil
	}
}

// Response is an answer to a request as a transport makes it. To HEAD it has no body.
func Response(r *http.Request, status int, body string, header ...string) *http.Response {
	h := http.Header{"Content-Length": {fmt.Sprint(len(body))}}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	res := &http.Response{
		StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, Body: http.NoBody, ContentLength: int64(len(body)), Request: r,
	}
	if r.Method != http.MethodHead && body != "" {
		res.Body = io.NopCloser(strings.NewReader(body))
	}
	return res
}

// What follows is FilterContext.

// Request is what goes upstream.
func (c *Context) Request() *http.Request { return c.request }

// SetRequest replaces it.
func (c *Context) SetRequest(r *http.Request) { c.request = r }

// OriginalRequest is what Of was given.
func (c *Context) OriginalRequest() *http.Request { return c.original }

// Response is the answer, or nil.
func (c *Context) Response() *http.Response { return c.response }

// Serve answers, and closes the body of the answer before.
func (c *Context) Serve(r *http.Response) {
	if c.response != nil && c.response.Body != nil && c.response.Body != r.Body {
		c.response.Body.Close()
	}
	if r.Header == nil {
		r.Header = http.Header{}
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	c.response, c.served = r, true
}

// Served tells whether a filter has answered.
func (c *Context) Served() bool { return c.served }

// PathParam is of Params.
func (c *Context) PathParam(name string) string { return c.Params[name] }

// RouteID is Route.
func (c *Context) RouteID() string { return c.Route }

// StateBag is Bag.
func (c *Context) StateBag() map[string]any {
	if c.Bag == nil {
		c.Bag = map[string]any{}
	}
	return c.Bag
}

// Client is Addr.
func (c *Context) Client() netip.Addr { return c.Addr }

// Identity is ID.
func (c *Context) Identity() string { return c.ID }

// SetIdentity sets ID.
func (c *Context) SetIdentity(id string) { c.ID = id }

// Upstream is To.
func (c *Context) Upstream() filters.Upstream { return c.To }

// SetUpstream sets To.
func (c *Context) SetUpstream(u filters.Upstream) { c.To = u }

// HashKey is Key.
func (c *Context) HashKey() uint64 { return c.Key }

// SetHashKey sets Key.
func (c *Context) SetHashKey(key uint64) { c.Key = key }

// Controller is Conn.
func (c *Context) Controller() *http.ResponseController { return c.Conn }

// Log is Logger.
func (c *Context) Log() *slog.Logger { return c.Logger }

// Now is Time.
func (c *Context) Now() time.Time { return c.Time }

// Event adds to Events.
func (c *Context) Event(name, outcome string) { c.Events = append(c.Events, name+" "+outcome) }
