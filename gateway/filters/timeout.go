package filters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// How long things may take.

func timeouts() []Spec {
	return []Spec{
		NewSpec("backendTimeout", "timeout", func(a *Args) Filter {
			return &backendTimeout{after: a.Duration("timeout", time.Microsecond)}
		}),
		NewSpec("readTimeout", "timeout", func(a *Args) Filter {
			f := deadline(a.Duration("timeout", time.Microsecond), (*http.ResponseController).SetReadDeadline)
			return OnRequest(func(c FilterContext) {
				// Without a body net/http reads only to see a client that leaves, and would take the deadline for that.
				if body := c.OriginalRequest().Body; body != nil && body != http.NoBody {
					f(c)
				}
			})
		}),
		NewSpec("writeTimeout", "timeout", func(a *Args) Filter {
			return OnRequest(deadline(a.Duration("timeout", time.Microsecond), (*http.ResponseController).SetWriteDeadline))
		}),
	}
}

// deadline sets one on the client's connection, as it is when the request comes. Deadlines are those of the network: they
// are real time, whatever Env's clock says.
func deadline(after time.Duration, set func(*http.ResponseController, time.Time) error) func(FilterContext) {
	return func(c FilterContext) {
		conn := c.Controller()
		if conn == nil {
			return
		}
		if err := set(conn, time.Now().Add(after)); err != nil {
			c.Log().Warn("the connection takes no deadline", "error", err)
		}
	}
}

var errBackendTimeout = errors.New("backendTimeout is over")

// backendTimeout bounds a call from picking a connection to the end of the answer's body. If the
// header is there already the body breaks off, which the client sees (P7). Inside of a retry it is for
// each attempt, and around one for all of them.
type backendTimeout struct {
	Nothing
	after time.Duration
}

func (f *backendTimeout) Wrap(next RoundTrip) RoundTrip {
	return func(c FilterContext) (*http.Response, error) {
		before := c.Request()
		ctx, cancel := context.WithCancelCause(before.Context())
		timer := time.AfterFunc(f.after, func() { cancel(errBackendTimeout) })
		end := func() {
			timer.Stop()
			cancel(nil)
		}
		ended := false
		defer func() {
			if !ended { // also by a panic
				end()
			}
		}()
		c.SetRequest(before.WithContext(ctx))
		r, err := next(c)
		// A retry around this one begins with what was there.
		c.SetRequest(before)
		if err != nil {
			if context.Cause(ctx) == errBackendTimeout && c.OriginalRequest().Context().Err() == nil {
				err = &Error{Status: http.StatusGatewayTimeout, Reason: fmt.Sprintf("no answer in %v", f.after), Err: err}
			}
			return nil, err
		}
		ended = true
		if r.StatusCode == http.StatusSwitchingProtocols {
			timer.Stop() // what follows may take hours, and ends with the client's request
			return r, nil
		}
		if r.Body == nil || r.Body == http.NoBody {
			end()
			return r, nil
		}
		r.Body = &endingBody{r.Body, end}
		return r, nil
	}
}

// endingBody calls end when it is closed.
type endingBody struct {
	io.ReadCloser
	end func()
}

func (b *endingBody) Close() error {
	err := b.ReadCloser.Close()
	b.end()
	return err
}
