package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/flagship-go/flagship/gateway/filters"
)

// statusClientGone is nginx's: the client went away before it was answered. Nobody sees it but logs and metrics.
const statusClientGone = 499

// fail answers with an error: the status and what is to be known about it, and the
// route's name, but nothing of what is behind it: no address, no error of the network.
func (e *exchange) fail(status int, reason string) {
	text := fmt.Sprintf("%d %s: %s\n", status, statusText(status), reason)
	if id := e.RouteID(); id != "" {
		text = fmt.Sprintf("%d %s: route %s: %s\n", status, statusText(status), id, reason)
	}
	e.Serve(&http.Response{
		StatusCode:    status,
		Header:        http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "X-Content-Type-Options": {"nosniff"}},
		ContentLength: int64(len(text)),
		Body:          io.NopCloser(strings.NewReader(text)),
	})
}

func statusText(status int) string {
	if status == statusClientGone {
		return "Client Closed Request"
	}
	return http.StatusText(status)
}

// callFailed answers for a call that has no answer of its own.
func (e *exchange) callFailed(err error) {
	status, reason, wait := e.blame(err)
	e.fail(status, reason)
	switch {
	case status == statusClientGone:
		e.aborted = true // there is nobody to tell, and a half-open connection is not to see an answer (P7)
		return
	case status == http.StatusBadRequest || status == http.StatusRequestEntityTooLarge || status == http.StatusRequestTimeout:
		e.res.Header["Connection"] = []string{"close"} // P2: nobody knows where the next request begins
	case wait > 0:
		seconds := int64((wait + time.Second - 1) / time.Second)
		e.res.Header["Retry-After"] = []string{strconv.FormatInt(seconds, 10)}
	}
	e.gw.log.Warn("gateway: a call without an answer", "route", e.RouteID(), "upstream", e.upstreamName(), "status", status, "err", err)
}

func (e *exchange) upstreamName() string {
	if e.upstream == nil {
		return ""
	}
	return e.upstream.String()
}

// blame says whose fault an error is: the client's, a filter's, or the upstream's.
func (e *exchange) blame(err error) (status int, reason string, wait time.Duration) {
	var known *filters.Error
	var large *http.MaxBytesError
	broken := e.out.body.failure()
	switch {
	case errors.As(broken, &large), errors.As(err, &large):
		return http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", large.Limit), 0
	case broken != nil && isTimeout(broken):
		return http.StatusRequestTimeout, "the request's body did not come", 0
	case clientGone(e.in):
		return statusClientGone, "the client has gone away", 0
	case broken != nil:
		return http.StatusBadRequest, "the request's body is broken", 0
	case errors.As(err, &known):
		return known.Status, publicReason(known.Status), known.RetryAfter
	case errors.Is(err, errNoUpstream):
		return http.StatusBadGateway, "no filter says where to go", 0
	case isTimeout(err):
		return http.StatusGatewayTimeout, publicReason(http.StatusGatewayTimeout), 0
	}
	return http.StatusBadGateway, publicReason(http.StatusBadGateway), 0
}

// clientGone tells whether the client has gone away, or whatever else ended its request.
func clientGone(r *http.Request) bool { return r.Context().Err() != nil }

// isTimeout tells whether a call took too long, as far as its errors say.
func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

func publicReason(status int) string {
	switch status {
	case http.StatusBadGateway:
		return "the upstream gave no answer"
	case http.StatusServiceUnavailable:
		return "the upstream takes no requests now"
	case http.StatusGatewayTimeout:
		return "the upstream took too long"
	case http.StatusTooManyRequests:
		return "too many requests"
	}
	return "the request was not passed on"
}

// guard runs one step of an exchange in which code of filters runs. A panic there costs
// this request, and nothing else (F2): what was begun is ended, the other filters see the answer.
func (e *exchange) guard(step func(*exchange)) {
	defer func() {
		if v := recover(); v != nil {
			e.panicked(v)
		}
	}()
	step(e)
}

func (e *exchange) panicked(v any) {
	e.out.early.end()
	if v != http.ErrAbortHandler {
		e.gw.log.Error("gateway: a filter panicked", "route", e.RouteID(), "panic", v, slog.String("stack", string(debug.Stack())))
	}
	e.aborted = e.aborted || v == http.ErrAbortHandler
	e.fail(http.StatusInternalServerError, "a filter failed")
}
