package httpapi

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/flagship-go/flagship/examples/kv/service"
)

// stream is a request whose body and answer are rows of JSON objects, each
// answer within {"result": ...}.
type stream struct {
	api     *api
	w       http.ResponseWriter
	control *http.ResponseController
	in      *json.Decoder
	remote  string
	closed  chan struct{}
	waiting sync.WaitGroup // for Stop

	mu    sync.Mutex // of what follows, and of w
	begun bool
	err   error
}

func (a *api) newStream(w http.ResponseWriter, r *http.Request) *stream {
	s := &stream{api: a, w: w, control: http.NewResponseController(w), remote: r.RemoteAddr, closed: make(chan struct{})}
	// Answers begin while the request goes on. HTTP/2 does so anyway, and
	// refuses to be told.
	s.control.EnableFullDuplex()
	s.waiting.Go(func() {
		select {
		case <-a.Stop:
			s.control.SetReadDeadline(past)
		case <-s.closed:
		}
	})
	s.in = json.NewDecoder(&limited{r: r.Body, max: int64(a.MaxRequestBytes)*2 + 64<<10, in: &s.in})
	return s
}

// limited bounds one message of a stream that may be endless: what the decoder
// holds and has not given out yet.
type limited struct {
	r   interface{ Read([]byte) (int, error) }
	max int64
	in  **json.Decoder
	got int64
}

func (l *limited) Read(p []byte) (int, error) {
	if *l.in != nil && l.got-(*l.in).InputOffset() > l.max {
		return 0, &http.MaxBytesError{Limit: l.max}
	}
	n, err := l.r.Read(p)
	l.got += int64(n)
	return n, err
}

// receive reads the next request; io.EOF: there are no more.
func (s *stream) receive(v any) error {
	var raw json.RawMessage
	if err := s.in.Decode(&raw); err != nil {
		return err
	}
	return decode(raw, v)
}

// close ends reading, also where another goroutine waits for the client: the
// server could not end the request before. It leaves nobody behind who would use
// w: after the handler it is another request's, or, with HTTP/2, a panic that ends
// the process.
func (s *stream) close() {
	close(s.closed)
	s.control.SetReadDeadline(past)
	s.waiting.Wait()
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// refused is why the client's last words could not be read: it sent nonsense,
// or is being sent away.
func (s *stream) refused(err error) error {
	if s.stopping() {
		return service.ErrStopped
	}
	return malformed(err)
}

func (s *stream) stopping() bool {
	select {
	case <-s.api.Stop:
		return true
	default:
		return false
	}
}

// streamAnswer is one object of the row.
type streamAnswer struct {
	Result any          `json:"result,omitempty"`
	Error  *streamError `json:"error,omitempty"`
}

// errOver is of answers behind the last.
var errOver = errors.New("kv: the stream is over")

// send writes an answer and waits until the connection took it. After an error
// there is no client any more.
func (s *stream) send(v any) error {
	body, err := marshal(streamAnswer{Result: v})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(body, http.StatusOK)
}

// fail is the last answer, also where others go on sending.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.begun {
		writeError(s.w, err)
	} else {
		code, message := codeOf(err)
		status := statuses[code]
		body, _ := marshal(streamAnswer{Error: &streamError{code, status, message, http.StatusText(status)}}) // plain data cannot fail
		s.write(body, status)
	}
	s.err = cmp.Or(s.err, errOver)
}

// write is called with the lock held.
func (s *stream) write(body []byte, status int) error {
	if s.err != nil {
		return s.err
	}
	if !s.begun {
		s.w.Header().Set("Content-Type", "application/json")
		s.w.WriteHeader(status)
		s.begun = true
	}
	// A client that stops reading holds this buffer and a connection, nothing
	// else, and not for ever.
	s.control.SetWriteDeadline(time.Now().Add(s.api.StallTimeout))
	if _, err := s.w.Write(append(body, '\n')); err != nil {
		s.err = err
	} else {
		s.err = s.control.Flush()
	}
	if errors.Is(s.err, os.ErrDeadlineExceeded) {
		s.api.cut.Add(1)
		s.api.Logger.Warn("stream cut: its client stopped reading", "client", s.remote, "after", s.api.StallTimeout)
	}
	return s.err
}
