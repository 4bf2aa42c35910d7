package httpapi_test

import (
	"context"
	"io"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/examples/kv/httpapi"
	"github.com/flagship-go/flagship/examples/kv/service"
)

// slow is a connection on which one call, "write" or "deadline", takes its time.
type slow struct {
	*httptest.ResponseRecorder
	call  string
	begun chan struct{} // closed by the call
	going chan struct{} // closed by end, ends it
	end   func()
	in    *io.PipeReader
}

func newSlow(call string) *slow {
	going := make(chan struct{})
	return &slow{ResponseRecorder: httptest.NewRecorder(), call: call, begun: make(chan struct{}),
		going: going, end: sync.OnceFunc(func() { close(going) })}
}

func (s *slow) wait(call string) {
	if call == s.call {
		s.call = ""
		close(s.begun)
		<-s.going
	}
}

func (s *slow) Write(b []byte) (int, error) {
	s.wait("write")
	return s.ResponseRecorder.Write(b)
}

func (s *slow) SetReadDeadline(time.Time) error {
	s.wait("deadline")
	s.in.CloseWithError(os.ErrDeadlineExceeded)
	return nil
}

func (s *slow) SetWriteDeadline(time.Time) error { return nil }

// serve has c's member answer a request on s; what the client says further goes
// into the pipe. ended is closed when the server takes the request for answered.
func (s *slow) serve(c *cluster, ctx context.Context, path, first string) (more *io.PipeWriter, ended chan struct{}) {
	s.in, more = io.Pipe()
	q := httptest.NewRequestWithContext(ctx, "POST", path, io.MultiReader(strings.NewReader(first), s.in))
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		c.leader().server.Handler.ServeHTTP(s, q)
	}()
	return more, ended
}

func over(ended chan struct{}) bool {
	synctest.Wait()
	select {
	case <-ended:
		return true
	default:
		return false
	}
}

// With HTTP/2 a write behind the end of a request is a panic, and with HTTP/1.1
// it may go to another client.
func TestNothingIsWrittenBehindTheEndOfAWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		ctx, cancel := context.WithCancel(t.Context())
		s := newSlow("write")
		defer s.end()
		_, ended := s.serve(c, ctx, "/v3/watch", `{"create_request":{"key":"YQ=="}}`)
		<-s.begun
		cancel() // the client is gone
		rule(t, "H10", !over(ended), "a watch is over while its first answer is being written")
		s.end()
		rule(t, "H10", over(ended), "a watch whose client is gone goes on")
	})
}

func TestNobodyTouchesAStreamThatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		c := start(t, 1, func(_ *service.Options, h *httpapi.Options) { h.Stop = stop })
		s := newSlow("deadline")
		defer s.end()
		more, ended := s.serve(c, t.Context(), "/v3/lease/keepalive", "")
		synctest.Wait()
		close(stop)
		<-s.begun
		more.Close() // at the same time the client has no more to say
		rule(t, "H10", !over(ended), "a stream is over while its deadline is being set")
		s.end()
		rule(t, "H10", over(ended), "a stream goes on though server and client are done with it")
	})
}
