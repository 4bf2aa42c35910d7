package transcode

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

// A world is a gRPC server over net/http, whose frames are written here by hand, and a filter in front of it.
type world struct {
	t        testing.TB
	services *Services
	rules    *Rules
	spec     *Spec
	filter   filters.Filter
	server   *httptest.Server
	client   *http.Transport
	serve    func(*serverCall)
}

// newWorld serves methods of test.v1.Test. serve is set before each call.
func newWorld(t testing.TB, spec *Spec, files []byte) *world {
	w := &world{t: t, spec: spec}
	spec.Env.ReadFile = func(name string) ([]byte, error) {
		if name != "test.pb" {
			return nil, fmt.Errorf("open %s: no such file", name)
		}
		return files, nil
	}
	var err error
	w.services, err = Load(files)
	require.NoError(t, err)
	w.rules, err = w.services.Rules()
	require.NoError(t, err)
	w.filter, err = spec.CreateFilter([]any{"test.pb", "test.v1.Test"})
	require.NoError(t, err)

	var h2c http.Protocols
	h2c.SetUnencryptedHTTP2(true)
	w.server = httptest.NewUnstartedServer(http.HandlerFunc(w.handle))
	w.server.Config.Protocols = &h2c
	w.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	w.server.Start()
	t.Cleanup(w.server.Close)
	w.client = &http.Transport{Protocols: &h2c, DisableCompression: true}
	t.Cleanup(w.client.CloseIdleConnections)
	return w
}

// A serverCall is a call as the service sees it.
type serverCall struct {
	world    *world
	rpc      protoreflect.MethodDescriptor
	r        *http.Request
	w        http.ResponseWriter
	requests []proto.Message
}

func (w *world) handle(rw http.ResponseWriter, r *http.Request) {
	c := &serverCall{world: w, r: r, w: rw}
	for _, b := range w.rules.bindings {
		if b.path == r.URL.Path {
			c.rpc = b.rpc
		}
	}
	rw.Header().Set("Content-Type", "application/grpc")
	if c.rpc == nil {
		c.end(Unimplemented, "no method "+r.URL.Path)
		return
	}
	frames := frameReader{r: r.Body, max: 64 << 20}
	for {
		b, err := frames.next()
		if err == io.EOF {
			break
		}
		m := dynamicpb.NewMessage(c.rpc.Input())
		if err == nil {
			err = proto.Unmarshal(b, m)
		}
		if err != nil {
			c.end(Internal, err.Error())
			return
		}
		c.requests = append(c.requests, m)
	}
	w.serve(c)
}

// request is one request message as JSON.
func (c *serverCall) request(i int) string {
	b, err := protojson.MarshalOptions{Resolver: c.world.services.types}.Marshal(c.requests[i])
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// message makes one of the answer's type from JSON.
func (c *serverCall) message(text string) proto.Message {
	m := dynamicpb.NewMessage(c.rpc.Output())
	if err := (protojson.UnmarshalOptions{Resolver: c.world.services.types}).Unmarshal([]byte(text), m); err != nil {
		panic(err)
	}
	return m
}

func (c *serverCall) send(text string) {
	frame, err := appendFrame(nil, c.message(text))
	if err != nil {
		panic(err)
	}
	c.raw(frame)
}

func (c *serverCall) raw(b []byte) {
	c.w.Write(b)
	c.w.(http.Flusher).Flush()
}

// end sends trailers, or a header only if nothing was sent before.
func (c *serverCall) end(code Code, message string) {
	c.w.Header().Set(http.TrailerPrefix+"Grpc-Status", fmt.Sprint(uint32(code)))
	if message != "" {
		c.w.Header().Set(http.TrailerPrefix+"Grpc-Message", message)
	}
}

// trailersOnly ends a call with a header that has the status.
func (c *serverCall) trailersOnly(code Code, message string) {
	c.w.Header().Set("Grpc-Status", fmt.Sprint(uint32(code)))
	c.w.Header().Set("Grpc-Message", message)
	c.w.WriteHeader(200)
}

// answer is the whole of a unary answer.
func (c *serverCall) answer(text string) {
	c.send(text)
	c.end(OK, "")
}

// newRequest is "GET /path?query", with a body and header lines "Name: value".
func newRequest(ctx context.Context, request, body string, header ...string) *http.Request {
	method, target, _ := strings.Cut(request, " ")
	r := httptest.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// do takes a request through the filter to the server and back.
func (w *world) do(request, body string, header ...string) *http.Response {
	return w.send(filtertest.Of(newRequest(w.t.Context(), request, body, header...)))
}

func (w *world) send(c *filtertest.Context) *http.Response {
	filtertest.Run(c, filtertest.UpstreamFunc(func(c filters.FilterContext) (*http.Response, error) {
		r := c.Request()
		r.URL.Scheme, r.URL.Host = "http", w.server.Listener.Addr().String()
		return w.client.RoundTrip(r)
	}), w.filter)
	w.t.Cleanup(func() { c.Response().Body.Close() })
	return c.Response()
}

// body reads an answer to its end.
func body(t testing.TB, res *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if res.ContentLength >= 0 {
		require.EqualValues(t, res.ContentLength, len(b), "Content-Length")
	}
	require.Empty(t, res.Trailer, "RULE X3: trailers of gRPC go out as the client's")
	return string(bytes.TrimSpace(b))
}

// library is what most tests call.
func library(t testing.TB) []byte {
	return encodeSet(t, testFile(service("Test",
		method("Get", allType, allType, "", rule("GET", "/v1/{name=shelves/*}"), rule("DELETE", "/v1/{name=shelves/*}"), rule("POST", "/v1/{name=shelves/*}:merge").withBody("*")),
		method("Put", allType, allType, "", rule("PUT", "/v1/all").withBody("*")),
		method("List", allType, allType, "server", rule("GET", "/v1/list")),
		method("Collect", allType, allType, "client", rule("POST", "/v1/collect").withBody("*")),
		method("Chat", allType, allType, "both", rule("POST", "/v1/chat/{name}").withBody("sub")),
		method("Sub", allType, allType, "", rule("GET", "/v1/only/sub").withResponse("sub")),
		method("Tags", allType, allType, "", rule("GET", "/v1/only/tags").withResponse("tags")),
		method("Labels", allType, allType, "", rule("GET", "/v1/only/labels").withResponse("labels")),
		method("I64", allType, allType, "", rule("GET", "/v1/only/i64").withResponse("i64")),
		method("Left", allType, allType, "", rule("GET", "/v1/only/left").withResponse("left")),
		method("At", allType, allType, "", rule("GET", "/v1/only/at").withResponse("at")),
		method("SubList", allType, allType, "server", rule("GET", "/v1/only/sublist").withResponse("sub")),
		method("Download", allType, httpBodyType, "", rule("GET", "/v1/download")),
		method("Stream", allType, httpBodyType, "server", rule("GET", "/v1/stream")),
		method("DownloadPart", allType, allType, "", rule("GET", "/v1/only/file").withResponse("file")),
		method("Upload", httpBodyType, allType, "", rule("POST", "/v1/upload").withBody("*")),
	)))
}
