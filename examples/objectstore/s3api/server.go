package s3api

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
)

const (
	// retrySeconds is when a client that was refused may come again.
	retrySeconds = 1
	// hostID is S3's x-amz-id-2: which host answered.
	hostID = "objectstore"
)

// Options configure the server; Store and Verifier are required.
type Options struct {
	Store    Store
	Verifier *sigv4.Verifier
	// Region is what a bucket's location says; "" is us-east-1, which S3 writes
	// as nothing.
	Region string
	// Domains whose sub-domains are buckets, such as s3.example.com; without any,
	// the bucket is in the path.
	Domains []string
	// Reserved are names that buckets cannot have, because the server has other
	// uses for these paths.
	Reserved []string
	// RequestsMax is how many requests may be under way; more are refused with
	// 429. Default: no limit.
	RequestsMax int
	// MaxObjectSize of a body, in bytes: an object's, if not in parts, or a
	// part's. Default 5 GiB, as in S3.
	MaxObjectSize int64
	// StallTimeout is how long a client may send, or take, no byte. Default 30 s.
	StallTimeout time.Duration
	// Logger hears of each request (debug), and of errors that are the server's
	// own. Default: silent.
	Logger *slog.Logger
}

// Server is S3 before a Store. It is safe for concurrent use.
type Server struct {
	Options
	metrics  metrics
	underWay atomic.Int64
	number   atomic.Uint64 // of requests, from a random start
}

// New returns a server for http.Server's Handler.
func New(o Options) *Server {
	if o.MaxObjectSize == 0 {
		o.MaxObjectSize = 5 << 30
	}
	if o.StallTimeout == 0 {
		o.StallTimeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{Options: o}
	s.number.Store(rand.Uint64())
	return s
}

// call is one request and its answer.
type call struct {
	*http.Request
	server *Server
	w      http.ResponseWriter
	id     string
	query  url.Values
	signed *sigv4.Request
	line   *line

	bucket, key string
	operation   string // S3's name

	status int // that was answered; 0: none yet
	sent   int64
	code   Code // of the error that was answered
}

// ServeHTTP serves S3.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	c := &call{Request: r, server: s, w: w, operation: "Unknown", id: fmt.Sprintf("%016X", s.number.Add(1))}
	w.Header().Set("X-Amz-Request-Id", c.id)
	w.Header().Set("X-Amz-Id-2", hostID)
	w.Header().Set("Server", "objectstore")
	c.guardStalls()
	defer s.underWay.Add(-1)
	if n := s.underWay.Add(1); s.RequestsMax > 0 && n > int64(s.RequestsMax) {
		s.metrics.refused.Add(1)
		c.fail(SlowDown)
		return
	}
	// Also when the connection is to be cut, by a panic that net/http knows.
	defer func() {
		s.metrics.count(c, time.Since(started))
		s.Logger.Debug("request", "id", c.id, "operation", c.operation, "method", r.Method, "path", r.URL.Path,
			"status", c.status, "code", string(c.code), "sent", c.sent, "took", time.Since(started))
	}()
	if err := c.serve(); err != nil {
		c.failed(err)
	}
}

// serve finds out what is asked, and by whom, and does it.
func (c *call) serve() (err error) {
	if c.bucket, c.key, err = c.server.address(c.Request); err != nil {
		return err
	}
	if c.signed, err = c.server.Verifier.Verify(c.Request); err != nil {
		return err
	}
	if c.query, err = url.ParseQuery(c.URL.RawQuery); err != nil {
		return InvalidURI
	}
	operation, handle, err := c.route()
	if err != nil {
		return err
	}
	c.operation = operation
	return handle(c)
}

// failed answers with an error; a client that was promised an object already
// gets a cut connection, so that it does not take what it has for the whole.
func (c *call) failed(err error) {
	if failureOf(err).Code.status() >= http.StatusInternalServerError && c.Context().Err() == nil {
		c.server.Logger.Error("request failed", "id", c.id, "operation", c.operation, "bucket", c.bucket, "key", c.key, "err", err)
	}
	if c.status == 0 {
		c.fail(err)
		return
	}
	c.code = failureOf(err).Code
	panic(http.ErrAbortHandler)
}

// begin sends the head of the answer.
func (c *call) begin(status int, header http.Header) {
	for name, values := range header {
		c.w.Header()[name] = values
	}
	c.status = status
	c.line.beforeWrite()
	c.w.WriteHeader(status)
}

// Write sends a part of the answer's body.
func (c *call) Write(p []byte) (int, error) {
	c.line.beforeWrite()
	n, err := c.w.Write(p)
	c.sent += int64(n)
	return n, err
}
