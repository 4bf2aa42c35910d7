package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// An Outcome is what a call has taught of its endpoint.
type Outcome uint8

const (
	// Canceled: nothing. The call never reached the backend (a breaker or a limit was in the way), or the client
	// went away before the answer came (U3). It is the zero value: who forgets to judge accuses nobody.
	Canceled Outcome = iota
	// OK: the backend has answered, also with 404 or 500: that is what it says, not how it is.
	OK
	// Failed: no connection, no answer, or a 502, 503 or 504.
	Failed
)

// Judge is the outcome of a RoundTrip.
func Judge(answer *http.Response, err error) Outcome {
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case err != nil || answer == nil:
		return Failed
	}
	if status := StatusOf(answer); status >= http.StatusBadGateway && status <= http.StatusGatewayTimeout {
		return Failed
	}
	return OK
}

// StatusOf is the status that an answer amounts to: its own, but for a gRPC call that failed at once,
// which says 200 and its code beside it, in what is the trailer and the header in one. The table is that of google.rpc.Code.
func StatusOf(answer *http.Response) int {
	code := answer.Header["Grpc-Status"]
	if len(code) != 1 || answer.StatusCode != http.StatusOK {
		return answer.StatusCode
	}
	switch code[0] {
	case "2", "13", "15": // UNKNOWN, INTERNAL, DATA_LOSS
		return http.StatusInternalServerError
	case "14": // UNAVAILABLE
		return http.StatusServiceUnavailable
	case "4": // DEADLINE_EXCEEDED
		return http.StatusGatewayTimeout
	}
	return answer.StatusCode // of the other codes, the caller is to blame
}

// A Token is the right to send one request to one endpoint. It is given back exactly
// once (U1): the first Done does, and all others do nothing, also on copies, from other goroutines and
// much later. The zero Token belongs to nobody.
type Token struct {
	pool  *Pool
	end   *Endpoint
	start time.Duration
	lease *lease
	turn  uint64
}

// A lease is the part of a token that all its copies share. Leases are used again: a turn is one
// token's use, and a token of an earlier turn finds that the turn is not its own.
type lease struct {
	state atomic.Uint64 // turn<<2 | what was said by Answered
}

// What Answered has said.
const (
	unanswered = iota
	answeredOK
	answeredElse
)

func (p *Pool) token(e *Endpoint, now time.Duration) Token {
	l := p.registry.leases.Get().(*lease)
	return Token{pool: p, end: e, start: now, lease: l, turn: l.state.Load() >> 2}
}

// Endpoint is where the request goes.
func (t Token) Endpoint() *Endpoint { return t.end }

// Answered says that the answer's header is there, or that there will be none. That is when
// the endpoint is judged and its latency is taken: a body may take hours (a WebSocket, a stream) and say nothing of
// either. Only the first call counts, and none after Done.
func (t Token) Answered(o Outcome) {
	if t.lease == nil {
		return
	}
	said := uint64(answeredElse)
	if o == OK {
		said = answeredOK
	}
	if t.lease.state.CompareAndSwap(t.turn<<2, t.turn<<2|said) {
		t.pool.count(t.end, t.start, o)
	}
}

// Done gives the token back. If Answered was not called, it is now, with o. If it was, with OK, an o of Failed says
// that the answer broke off, and counts as a failure too.
func (t Token) Done(o Outcome) {
	if t.lease == nil {
		return
	}
	for {
		state := t.lease.state.Load()
		if state>>2 != t.turn {
			return
		}
		if !t.lease.state.CompareAndSwap(state, (t.turn+1)<<2) {
			continue
		}
		switch said := state & 3; {
		case said == unanswered:
			t.pool.count(t.end, t.start, o)
		case said == answeredOK && o == Failed:
			t.pool.failed(t.end, t.start, t.pool.registry.elapsed())
		}
		t.end.release()
		t.pool.registry.leases.Put(t.lease)
		return
	}
}

// count takes what a call has taught.
func (p *Pool) count(e *Endpoint, start time.Duration, o Outcome) {
	now := p.registry.elapsed()
	took := now - start
	switch o {
	case OK:
		e.latency.observe(took, now)
		e.ejection.succeeded()
	case Failed:
		e.latency.observe(max(took, failurePenalty), now)
		p.failed(e, start, now)
	case Canceled:
		e.latency.atLeast(took, now)
	}
}
