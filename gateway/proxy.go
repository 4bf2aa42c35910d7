package gateway

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/route"
)

// serve takes one request along its way:
//
//	canonical path -> [ lookup -> filters in ] -> call -> filters out, reversed -> answer
//	                     ^            |
//	                     +-<loopback>-+
//
// Each step leaves an answer in the exchange, or none; the last one writes it.
func (g *Gateway) serve(w http.ResponseWriter, r *http.Request, t *route.Table) {
	e := g.path.exchange()
	e.begin(g, w, r, t)
	defer e.end()
	e.guard((*exchange).forward)
	for e.at >= 0 {
		e.guard((*exchange).leave)
	}
	e.respond()
}

// forward is the way there, until there is an answer.
func (e *exchange) forward() {
	switch {
	case e.in.Method == http.MethodConnect:
		e.fail(http.StatusMethodNotAllowed, "CONNECT is for forward proxies")
		return
	case e.in.ProtoMajor >= 2 && !e.lengthsAgree():
		e.fail(http.StatusBadRequest, "fields and frames say different lengths")
		return
	}
	for e.res == nil {
		// M2: what is matched is what is forwarded, also what filters have made of it.
		if err := route.Canonical(e.out.req.URL); err != nil {
			e.fail(http.StatusBadRequest, err.Error())
			return
		}
		if len(e.rounds) > e.gw.opts.MaxLoopbacks {
			e.fail(http.StatusLoopDetected, "too many rounds of <loopback>")
			return
		}
		if !e.find() {
			return
		}
		if e.enter(); e.res == nil {
			e.pass()
		}
	}
}

// lengthsAgree is what the guard is for in HTTP/1: an HTTP/2 request has one length at most, and if that is 0, no
// data (P2). That other lengths are kept net/http watches while the body is read.
func (e *exchange) lengthsAgree() bool {
	if len(e.in.Header["Content-Length"]) > 1 {
		return false
	}
	if e.in.ContentLength != 0 || e.in.Body == nil || e.in.Body == http.NoBody {
		return true
	}
	var body requestBody // for its time limit: the end may be a long time coming (P8)
	body.from, body.in = e.in.Body, e.in
	body.limitPieces(e.w)
	_, err := body.Read(make([]byte, 1))
	return err == io.EOF
}

// find looks for the round's route. The first time predicates see the header that the client sent.
func (e *exchange) find() bool {
	r, req := e.take(), e.out.req
	host := req.Host
	if host == "" {
		req.Host = e.in.Host
	}
	found := e.table.Lookup(req, &r.lookup)
	req.Host = host
	if found == nil {
		e.at--
		e.rounds = e.rounds[:len(e.rounds)-1]
		e.fail(http.StatusNotFound, "no route")
		return false
	}
	r.route = payload(found)
	e.record.route = r.route
	e.upstream = r.route.upstream
	if e.at == 0 {
		e.out.sealHeader(e.in, &e.peer)
		if !e.gw.opts.PreserveHost {
			req.Host = "" // the backend's
		}
	}
	return true
}

// enter passes the request through the route's filters, until one of them answers (F1).
func (e *exchange) enter() {
	r := &e.rounds[e.at]
	for i := range r.route.filters {
		r.route.filters[i].Request(e)
		r.entered++
		if e.res != nil {
			return
		}
	}
}

// leave passes the answer through the filters that the request has entered, in reverse, and
// through those of earlier rounds. It is called again after a panic, and goes on with the next.
func (e *exchange) leave() {
	for ; e.at >= 0; e.at-- {
		r := &e.rounds[e.at]
		for r.entered > 0 {
			r.entered--
			r.route.filters[r.entered].Response(e)
		}
	}
}

// pass ends a round: with a call upstream, an answer, or another round.
func (e *exchange) pass() {
	c := e.rounds[e.at].route
	switch {
	case e.upstream != nil:
	case c.def.Backend.Kind == eskip.Loopback:
		return
	case c.def.Backend.Kind == eskip.Dynamic:
		e.upstream = e.dynamicUpstream()
	default:
		e.fail(http.StatusNotFound, "no filter has answered")
		return
	}
	e.call(c)
}

// call sends the request, by way of the filters that stand around calls, and takes the answer.
func (e *exchange) call(c *compiled) {
	res, err := c.roundTrip(e)
	e.out.early.end()
	if err != nil {
		e.callFailed(err)
		return
	}
	e.res = res
	if res.Body == nil {
		res.Body = http.NoBody
	}
	if res.Header == nil {
		res.Header = http.Header{}
	}
	e.body = bodyOf{res.Body, res.ContentLength}
	if res.StatusCode == http.StatusSwitchingProtocols {
		if reason := e.badUpgrade(res); reason != "" {
			e.fail(http.StatusBadGateway, reason)
		}
		return
	}
	removeHopByHop(res.Header) // P1
}

// bodyOf is a body as the upstream sent it.
type bodyOf struct {
	io.ReadCloser
	length int64
}

// end is the one way out: it closes what is open (P6), counts the request, and breaks off what is to be seen as broken.
func (e *exchange) end() {
	failed := recover() // of writing the answer: a filter's body may panic too
	if failed != nil {
		e.at = -1
		e.panicked(failed)
		e.aborted = true
	}
	e.out.early.end()
	if e.res != nil && e.res.Body != nil {
		e.res.Body.Close()
	}
	if e.body.ReadCloser != nil {
		e.body.Close() // a filter may have replaced it and forgotten
	}
	if e.attempt.lease != nil {
		e.attempt.lease.Close() // a filter may have panicked with the answer in its hands
	}
	if body := e.out.req.Body; body != nil {
		body.Close() // what a filter has put around it may wait for that, and no transport may have had it
	}
	e.count()
	aborted := e.aborted
	e.out.body.end()
	if failed == nil {
		g := e.gw
		e.reset()
		g.path.exchanges.Put(e)
	}
	if aborted {
		panic(http.ErrAbortHandler) // P7
	}
}

// count hands the exchange to metrics and the access log.
func (e *exchange) count() {
	s := &e.record
	s.request, s.client, s.took = e.in, e.peer.client, e.gw.env.Now().Sub(e.now)
	if e.gw.opts.AccessLog != nil {
		s.flowID = e.out.req.Header.Get("X-Flow-Id")
		if logged, is := e.bag[filters.AccessLog].(bool); is {
			s.log = &logged
		}
	}
	e.gw.finish(s)
}

// respond writes the answer to the client.
func (e *exchange) respond() {
	res := e.res
	e.record.status = res.StatusCode
	if e.aborted {
		return
	}
	if res.StatusCode == http.StatusSwitchingProtocols {
		e.upgrade()
		return
	}
	e.sendHeader(res)
	if e.in.Method == http.MethodHead || !bodyAllowed(res.StatusCode) {
		return
	}
	if err := e.sendBody(res); err != nil {
		// P7: what is missing must not look complete. P4: if it is the client who left, nobody looks.
		e.aborted = true
		if !clientGone(e.in) {
			e.gw.log.Warn("gateway: an answer broke off", "route", e.routeName(), "bytes", e.record.bytes, "err", err)
		}
		return
	}
	e.sendTrailer(res)
}

func (e *exchange) routeName() string {
	if e.record.route == nil {
		return ""
	}
	return e.record.route.def.ID
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// sendHeader takes over the values as they are: nobody changes them any more.
func (e *exchange) sendHeader(res *http.Response) {
	h := e.w.Header()
	for name, values := range res.Header {
		h[name] = values
	}
	if h["Content-Type"] == nil {
		h["Content-Type"] = nil // or net/http would guess one
	}
	if res.Body != e.body.ReadCloser && bodyAllowed(res.StatusCode) {
		e.sendLength(res, h)
	}
	if len(res.Trailer) > 0 {
		names := make([]string, 0, len(res.Trailer))
		for name := range res.Trailer {
			if !forbiddenTrailer(name) {
				names = append(names, name)
			}
		}
		if len(names) > 0 {
			h["Trailer"] = []string{strings.Join(names, ", ")}
		}
	}
	if e.in.ProtoMajor == 1 && (e.in.Header["Upgrade"] != nil || !e.bodyRead(res)) {
		// What follows a request for another protocol may be in that protocol: nothing here reads it as HTTP (P2).
		h["Connection"] = []string{"close"}
	}
	e.w.WriteHeader(res.StatusCode)
}

// shortBody is how much of a body that nobody wants is read away, so that its connection can be used again.
const shortBody = 64 << 10

// bodyRead tells whether nothing is left of a request's body. If something is, the connection ends with this answer, and the client
// is told (P6): net/http reads the rest behind the answer, and in full duplex cannot take a next request after that.
// A short body that was never sent upstream is read away before.
func (e *exchange) bodyRead(res *http.Response) bool {
	body := &e.out.body
	if body.from == nil {
		return true
	}
	begun, ended := body.progress()
	local := e.body.ReadCloser == nil && res.ContentLength >= 0
	if begun || !local || e.in.Header["Expect"] != nil || e.in.ContentLength < 0 || e.in.ContentLength > shortBody {
		return ended
	}
	_, err := io.Copy(io.Discard, body)
	return err == nil
}

// sendLength states the length of a body that is not the upstream's: as its filter says, or, if it
// says nothing new, none.
func (e *exchange) sendLength(res *http.Response, h http.Header) {
	if res.ContentLength < 0 || e.body.ReadCloser != nil && !e.served && res.ContentLength == e.body.length {
		delete(h, "Content-Length")
		return
	}
	if res.ContentLength > 0 || res.Body == http.NoBody {
		h["Content-Length"] = []string{strconv.FormatInt(res.ContentLength, 10)}
	}
}
