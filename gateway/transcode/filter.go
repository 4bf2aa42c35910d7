package transcode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// A Spec makes filters grpcTranscode(file, services...): file is a descriptor set, and services are the full names of
// those whose rules count, all if there is none. A request that is gRPC already passes as it is: which of those
// do is for the route's predicates to say.
//
//	library: PathSubtree("/v1")
//	  -> grpcTranscode("library.pb", "library.v1.Library") -> "http://127.0.0.1:9000";
//
// The backend is spoken to in HTTP/2 without TLS (h2c), unless another filter says backendProtocol("h2").
//
// The zero value is a good default. A Spec is not changed after its first use.
type Spec struct {
	// Env reads the file.
	Env filters.Env
	// MaxMessage bounds a message in bytes, in both directions, as JSON and as protobuf, and a whole stream
	// of a client (X4). 0: 4 MiB. A request takes up to sixty times as much while it is turned, if somebody wants it
	// to: where clients are strangers, a limit near the largest request that makes sense is worth its line.
	MaxMessage int
	// EmitDefaults writes also fields that are zero, empty lists and empty maps, but not members of a oneof. Clients
	// that are not strict about absent fields get by without, and answers are shorter.
	EmitDefaults bool
	// ProtoNames writes fields as in the .proto file, and not in lowerCamelCase. Requests may have both always.
	ProtoNames bool
	// IgnoreUnknown passes over query parameters and JSON fields that the message does not have, where 400 is
	// the answer otherwise: for clients newer than the descriptor set, at the price that nobody hears of a misspelling.
	IgnoreUnknown bool
}

// Name is "grpcTranscode".
func (s *Spec) Name() string { return "grpcTranscode" }

// CreateFilter loads the descriptor set, and checks all rules of the services.
func (s *Spec) CreateFilter(args []any) (filters.Filter, error) {
	if len(args) == 0 {
		return nil, errors.New(`which descriptor set? Write grpcTranscode("file.pb", "pkg.Service")`)
	}
	names := make([]string, len(args))
	for i, arg := range args {
		name, ok := arg.(string)
		if !ok || name == "" {
			return nil, fmt.Errorf("argument %d is %v, and must be text: a file and then services", i+1, arg)
		}
		names[i] = name
	}
	set, err := s.Env.WithDefaults().ReadFile(names[0])
	if err != nil {
		return nil, err // it names the file
	}
	services, err := Load(set)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", names[0], err)
	}
	rules, err := services.Rules(names[1:]...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", names[0], err)
	}
	return &filter{rules: rules, codec: s.codec(services)}, nil
}

const (
	defaultMaxMessage = 4 << 20
	// Deeper JSON is no message but an attack on the stack; gRPC's C++ core has the same bound.
	maxDepth = 100
)

func (s *Spec) codec(services *Services) *codec {
	c := &codec{
		marshal: protojson.MarshalOptions{
			Resolver: services.types, EmitDefaultValues: s.EmitDefaults, UseProtoNames: s.ProtoNames, AllowPartial: true,
		},
		// Partial, since a required field may be in the path. The whole message is checked when it is written.
		unmarshal: protojson.UnmarshalOptions{
			Resolver: services.types, DiscardUnknown: s.IgnoreUnknown, RecursionLimit: maxDepth, AllowPartial: true,
		},
		maxMessage:    s.MaxMessage,
		ignoreUnknown: s.IgnoreUnknown,
	}
	if c.maxMessage <= 0 {
		c.maxMessage = defaultMaxMessage
	}
	return c
}

type filter struct {
	rules *Rules
	codec *codec
}

// Configure speaks HTTP/2 to the backend, without TLS unless backendProtocol says otherwise: gRPC is nothing else.
func (f *filter) Configure(o *upstream.Options) {
	if o.Transport.Protocol == "" {
		o.Transport.Protocol = "h2c"
	}
}

// A call is what Request leaves for Response.
type call struct {
	of      *filter
	binding *Binding
	head    bool // the client wants no body
	events  bool // and a stream as server-sent events
}

const stateKey = "grpcTranscode"

// Request turns a request that has a rule into a call, answers one that has none, and leaves one
// alone that is gRPC already.
func (f *filter) Request(ctx filters.FilterContext) {
	r := ctx.Request()
	if isGRPC(r.Header) {
		return
	}
	path := r.URL.EscapedPath()
	b, bare := f.rules.root.match(r.Method, path)
	if b == nil && r.Method == http.MethodHead {
		b, bare = f.rules.root.match(http.MethodGet, path)
	}
	if b == nil {
		ctx.Serve(f.unmatched(r.Method, path))
		return
	}
	c := &call{of: f, binding: b, head: r.Method == http.MethodHead, events: wantsEvents(r.Header)}
	frames, err := f.frames(b, bare, r)
	if err == nil {
		err = rewrite(r, b, frames)
	}
	if err != nil {
		ctx.Event("grpcTranscode", "refused")
		ctx.Serve(f.refuse(asStatus(err)))
		return
	}
	ctx.StateBag()[stateKey] = c
}

// isGRPC is true for application/grpc and application/grpc+proto, and not for application/grpc-web.
func isGRPC(h http.Header) bool {
	rest, ok := strings.CutPrefix(h.Get("Content-Type"), "application/grpc")
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}

// asStatus is the status of an error: what is wrong with a request is the client's mistake.
func asStatus(err error) *status {
	var s *status
	if errors.As(err, &s) {
		return s
	}
	return statusf(InvalidArgument, "%v", err)
}

// unmatched answers what is not a call: 404, 405, or what OPTIONS asks for.
func (f *filter) unmatched(method, path string) *http.Response {
	allow := f.rules.Allowed(path)
	if len(allow) == 0 {
		return f.refuse(statusf(NotFound, "no method has a rule for %s", path))
	}
	if slices.Contains(allow, http.MethodGet) && !slices.Contains(allow, http.MethodHead) {
		allow = append(allow, http.MethodHead)
	}
	allow = append(allow, http.MethodOptions)
	slices.Sort(allow)
	var resp *http.Response
	if method == http.MethodOptions {
		resp = &http.Response{StatusCode: http.StatusNoContent, Header: make(http.Header), Body: http.NoBody}
	} else {
		s := statusf(Unimplemented, "%s is not %s's: %s are", method, path, strings.Join(allow, ", "))
		s.http = http.StatusMethodNotAllowed
		resp = f.refuse(s)
	}
	resp.Header.Set("Allow", strings.Join(allow, ", "))
	return resp
}

// refuse is an answer with a status as its body.
func (f *filter) refuse(s *status) *http.Response {
	resp := &http.Response{Header: make(http.Header)}
	setBody(resp, s.httpStatus(), "application/json", f.codec.statusJSON(s))
	return resp
}

// frames reads the body of a request, and makes the messages of the call: one, or as many as a client's stream has.
func (f *filter) frames(b *Binding, path string, r *http.Request) ([]byte, error) {
	in := input{path: path, query: r.URL.RawQuery}
	if b.takesBody() {
		var err error
		if in.body, err = f.readBody(r); err != nil {
			return nil, err
		}
		in.contentType = r.Header.Get("Content-Type")
	}
	if !b.rpc.IsStreamingClient() || !b.takesBody() || b.takesRawBody() {
		return f.frame(nil, b, in)
	}
	messages, err := splitStream(in.body)
	if err != nil {
		return nil, err
	}
	frames := []byte{}
	for i, message := range messages {
		in.body = message
		if frames, err = f.frame(frames, b, in); err != nil {
			return nil, fmt.Errorf("message %d of the stream: %w", i, err)
		}
	}
	return frames, nil
}

func (f *filter) frame(dst []byte, b *Binding, in input) ([]byte, error) {
	m, err := f.codec.build(b, in)
	if err != nil {
		return nil, err
	}
	if dst, err = appendFrame(dst, m); err != nil {
		return nil, errors.New(protoText(err)) // a required field that neither body nor path nor query has
	}
	if len(dst) > f.codec.maxMessage+frameHeader {
		return nil, f.tooLarge() // numbers can be shorter as text
	}
	return dst, nil
}

func (f *filter) readBody(r *http.Request) ([]byte, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		s := statusf(InvalidArgument, "the body has Content-Encoding %s, and only identity is read", encoding)
		s.http = http.StatusUnsupportedMediaType
		return nil, s
	}
	if r.Body == nil {
		return nil, nil
	}
	if r.ContentLength > int64(f.codec.maxMessage) { // X4: before anything is read
		return nil, f.tooLarge()
	}
	// One more than is announced, so that the end is seen without growing; but what is only announced gets little.
	size := min(max(r.ContentLength+1, 512), 64<<10)
	body, err := readAtMost(r.Body, make([]byte, 0, size), f.codec.maxMessage)
	if errors.Is(err, errTooLong) {
		return nil, f.tooLarge()
	}
	if err != nil {
		return nil, fmt.Errorf("the body cannot be read to its end: %w", err)
	}
	return body, r.Body.Close()
}

func (f *filter) tooLarge() *status {
	s := statusf(ResourceExhausted, "the request is larger than the %d bytes that are allowed", f.codec.maxMessage)
	s.http = http.StatusRequestEntityTooLarge
	return s
}

// rewrite makes the request the call's. The body can be sent again.
func rewrite(r *http.Request, b *Binding, frames []byte) error {
	if text := r.Header.Get("Grpc-Timeout"); text != "" {
		if _, err := parseTimeout(text); err != nil {
			return err
		}
	}
	if r.Body != nil {
		r.Body.Close() // that of a rule without one was not read
	}
	r.Method = http.MethodPost
	r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.URL.ForceQuery = b.path, "", "", false
	for _, name := range []string{"Accept-Encoding", "Content-Encoding", "Content-Length", "Expect", "Connection", "Upgrade"} {
		r.Header.Del(name) // they were about the request that was, and HTTP/2 has no upgrades
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	r.Header.Set("Grpc-Accept-Encoding", "identity,gzip")
	setTimeout(r)
	r.TransferEncoding, r.Trailer = nil, nil
	r.ContentLength = int64(len(frames))
	r.GetBody = func() (io.ReadCloser, error) {
		if len(frames) == 0 {
			return http.NoBody, nil // or net/http takes 0 for a length that nobody knows
		}
		return io.NopCloser(bytes.NewReader(frames)), nil
	}
	r.Body, _ = r.GetBody() // it never fails
	return nil
}

// setTimeout tells the service how long somebody will wait: the client's own Grpc-Timeout, or the time the gateway
// gives, whichever is less.
func setTimeout(r *http.Request) {
	deadline, ok := r.Context().Deadline()
	if !ok {
		return
	}
	left := time.Until(deadline)
	if own, err := parseTimeout(r.Header.Get("Grpc-Timeout")); err != nil || own > left {
		r.Header.Set("Grpc-Timeout", formatTimeout(left))
	}
}
