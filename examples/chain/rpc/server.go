package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/bft/fullnode"
)

// Options configure a [Server]. Node is required.
type Options struct {
	Node *fullnode.FullNode
	// MaxBody bounds a request, in bytes. Default 1,000,000.
	MaxBody int64
	// MaxBatch bounds how many calls a request may have. Default 10.
	MaxBatch int
	// MaxClients bounds connections to /websocket, and MaxSubscriptions what each may subscribe to. Defaults 100 and 5.
	MaxClients, MaxSubscriptions int
	// CommitTimeout is how long broadcast_tx_commit waits for a block. Default 10 s.
	CommitTimeout time.Duration
	// Version is told by status.
	Version string
	// Logger hears of calls that panic. Default: silent.
	Logger *slog.Logger
}

// A Server is the RPC of one node, a [http.Handler]. It is safe for concurrent use.
type Server struct {
	opts    Options
	methods map[string]method
	clients atomic.Int32
	ctx     context.Context
	cancel  context.CancelFunc
}

// New makes one.
func New(o Options) *Server {
	for _, v := range []struct {
		have *int
		def  int
	}{{&o.MaxBatch, 10}, {&o.MaxClients, 100}, {&o.MaxSubscriptions, 5}} {
		if *v.have == 0 {
			*v.have = v.def
		}
	}
	if o.MaxBody == 0 {
		o.MaxBody = 1_000_000
	}
	if o.CommitTimeout == 0 {
		o.CommitTimeout = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{opts: o}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.methods = s.table()
	return s
}

// Close ends all subscriptions. Calls under way go on.
func (s *Server) Close() { s.cancel() }

// The messages are JSON-RPC 2.0's.
type (
	request struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id,omitempty"`
		Method  string          `json:"method"`
		Params  json.RawMessage `json:"params,omitempty"`
	}
	response struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  any             `json:"result,omitempty"`
		Error   *Error          `json:"error,omitempty"`
	}
)

// An Error is why a call has failed, in JSON-RPC's form.
type Error struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Data    string `json:"data,omitempty"`
}

// Error is all of it in one line.
func (e *Error) Error() string { return fmt.Sprintf("rpc: %s (%d): %s", e.Message, e.Code, e.Data) }

func failure(code int, message, format string, args ...any) *Error {
	return &Error{code, message, fmt.Sprintf(format, args...)}
}

func invalidParams(format string, args ...any) *Error {
	return failure(-32602, "Invalid params", format, args...)
}

// asError is err in JSON-RPC's form.
func asError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return failure(-32603, "Internal error", "%v", err)
}

// byURI is the id of an answer to a call by URI.
var byURI = json.RawMessage("-1")

// ServeHTTP serves both forms of calls, and the websocket.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, s.opts.MaxBody)
	name := strings.Trim(r.URL.Path, "/")
	switch {
	case name == "websocket":
		s.websocket(w, r)
	case r.Method == http.MethodPost && name == "":
		s.post(w, r)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, POST")
		http.Error(w, "calls are GET /method?name=value, or POST / with JSON-RPC", http.StatusMethodNotAllowed)
	case name == "":
		s.index(w)
	default:
		s.get(w, r, name)
	}
}

// index lists what can be called.
func (s *Server) index(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "Call by GET /method?name=value, POST / with JSON-RPC, or the latter over /websocket:")
	for _, name := range s.names() {
		fmt.Fprintf(w, "  /%s?%s\n", name, strings.Join(s.methods[name].params, "=_&"))
	}
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, name string) {
	answer := s.call(r.Context(), name, uriParams(r.URL.Query()))
	answer.ID = byURI
	status := http.StatusOK
	if answer.Error != nil {
		status = http.StatusInternalServerError
		if answer.Error.Code == -32601 {
			status = http.StatusNotFound
		}
	}
	write(w, status, answer)
}

func (s *Server) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		write(w, http.StatusRequestEntityTooLarge, response{ID: json.RawMessage("null"), Error: failure(-32600, "Invalid Request", "%v", err)})
		return
	}
	if answers := s.answer(r.Context(), body); answers != nil {
		write(w, http.StatusOK, answers)
	}
}

// answer makes the calls of a body, one or a batch; nil: nobody wants to know.
func (s *Server) answer(ctx context.Context, body []byte) any {
	var batch []request
	body = bytes.TrimSpace(body)
	single := !bytes.HasPrefix(body, []byte("["))
	var err error
	if single {
		batch = make([]request, 1)
		err = json.Unmarshal(body, &batch[0])
	} else {
		err = json.Unmarshal(body, &batch)
	}
	if err != nil {
		return response{Version: "2.0", ID: json.RawMessage("null"), Error: failure(-32700, "Parse error. Invalid JSON", "%v", err)}
	}
	if len(batch) == 0 || len(batch) > s.opts.MaxBatch {
		return response{Version: "2.0", ID: json.RawMessage("null"), Error: failure(-32600, "Invalid Request", "a batch has 1 to %d calls, not %d", s.opts.MaxBatch, len(batch))}
	}
	answers := []response{}
	for _, q := range batch {
		if a, told := s.one(ctx, q); told {
			answers = append(answers, a)
		}
	}
	switch {
	case len(answers) == 0:
		return nil
	case single:
		return answers[0]
	}
	return answers
}

// one makes a call of JSON-RPC. One without an id wants no answer.
func (s *Server) one(ctx context.Context, q request) (response, bool) {
	if len(q.ID) == 0 {
		return response{}, false
	}
	if q.Version != "2.0" && q.Version != "" {
		return response{Version: "2.0", ID: q.ID, Error: failure(-32600, "Invalid Request", "jsonrpc is %q, not 2.0", q.Version)}, true
	}
	a := s.call(ctx, q.Method, func(m *method) (*params, error) { return jsonParams(m, q.Params) })
	a.ID = q.ID
	return a, true
}

// call makes a call. A panic is an error of the call's, and no other's (Q2).
func (s *Server) call(ctx context.Context, name string, read func(*method) (*params, error)) (a response) {
	a.Version = "2.0"
	defer func() {
		if cause := recover(); cause != nil {
			s.opts.Logger.Error("rpc: a call panicked", "method", name, "cause", cause)
			a.Result, a.Error = nil, failure(-32603, "Internal error", "%s panicked: %v", name, cause)
		}
	}()
	m, ok := s.methods[name]
	if !ok {
		a.Error = failure(-32601, "Method not found", "%.100q; GET / lists them", name)
		return a
	}
	p, err := read(&m)
	if err == nil {
		a.Result, err = m.do(ctx, p)
	}
	if err == nil {
		err = p.err
	}
	if err != nil {
		a.Result, a.Error = nil, asError(err)
	}
	return a
}

func write(w http.ResponseWriter, status int, answer any) {
	if a, ok := answer.(response); ok {
		a.Version = "2.0"
		answer = a
	}
	body, err := json.Marshal(answer)
	if err != nil { // shapes always marshal; a raw id that was valid JSON does, too
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}
