package transcode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/flagship-go/flagship/gateway/filters/filtertest"
	"github.com/flagship-go/flagship/gateway/upstream"
)

func TestRequestBecomesACallAndItsAnswerJSON(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	var seen *serverCall
	w.serve = func(c *serverCall) {
		seen = c
		c.w.Header().Set("X-Served-By", "shelf")
		c.answer(`{"name":"shelves/7","i64":"9007199254740993","kind":"LARGE","subs":[{"subfield":"a"}],"at":"2026-11-27T03:00:00Z"}`)
	}
	res := w.do("GET /v1/shelves/7?kind=SMALL&numbers=1&numbers=2", "", "Accept: application/json", "Accept-Encoding: br", "Authorization: Bearer x")
	require.Equal(t, 200, res.StatusCode)
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	require.Equal(t, "shelf", res.Header.Get("X-Served-By"))
	require.JSONEq(t, `{"name":"shelves/7","i64":"9007199254740993","kind":"LARGE","subs":[{"subfield":"a"}],"at":"2026-11-27T03:00:00Z"}`, body(t, res),
		"RULE X1: 64-bit integers are text, enums names")
	for name := range res.Header {
		require.False(t, strings.HasPrefix(name, "Grpc-"), "header %s goes out", name)
	}

	require.Equal(t, "POST", seen.r.Method)
	require.Equal(t, "/test.v1.Test/Get", seen.r.URL.Path)
	require.Empty(t, seen.r.URL.RawQuery)
	require.Equal(t, "application/grpc", seen.r.Header.Get("Content-Type"))
	require.Equal(t, "trailers", seen.r.Header.Get("Te"))
	require.Equal(t, "Bearer x", seen.r.Header.Get("Authorization"))
	require.Empty(t, seen.r.Header.Get("Accept-Encoding"))
	require.JSONEq(t, `{"name":"shelves/7","kind":"SMALL","numbers":["1","2"]}`, seen.request(0))
}

func TestVerbsAndBodies(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) { c.answer(c.request(0)) }
	require.JSONEq(t, `{"name":"shelves/7","tags":["a"]}`, body(t, w.do("POST /v1/shelves/7:merge", `{"tags":["a"]}`)))
	require.JSONEq(t, `{"i32":1}`, body(t, w.do("PUT /v1/all", `{"i32":1}`, "Content-Type: application/json")))
	require.JSONEq(t, `{"name":"shelves/7"}`, body(t, w.do("DELETE /v1/shelves/7", "ignored, since no rule says what it is")))
}

type closing struct {
	io.Reader
	closed *bool
}

func (c closing) Close() error { *c.closed = true; return nil }

func TestABodyThatNoRuleTakesIsClosed(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	ctx, closed := filtertest.Of(newRequest(t.Context(), "DELETE /v1/shelves/7", "ignored")), false
	ctx.Request().Body = closing{ctx.Request().Body, &closed}
	w.filter.Request(ctx)
	require.False(t, ctx.Served())
	require.True(t, closed, "RULE P6: what is put in place of a body leaves it open")
}

func TestTheBodyOfACallCanBeSentAgain(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	ctx := filtertest.Of(newRequest(t.Context(), "PUT /v1/all", `{"name":"x"}`))
	w.filter.Request(ctx)
	first, err := io.ReadAll(ctx.Request().Body)
	require.NoError(t, err)
	again, err := ctx.Request().GetBody()
	require.NoError(t, err)
	second, err := io.ReadAll(again)
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.EqualValues(t, len(first), ctx.Request().ContentLength)
	require.Equal(t, []byte{0, 0, 0, 0, 3, 0x0a, 1, 'x'}, first, "RULE X4: a frame is flags, length and message")
}

func TestRequestsAreBounded(t *testing.T) {
	w := newWorld(t, &Spec{MaxMessage: 100}, library(t))
	w.serve = func(c *serverCall) { c.answer(`{}`) }
	large := `{"name":"` + strings.Repeat("a", 100) + `"}`

	ctx := filtertest.Of(newRequest(t.Context(), "PUT /v1/all", large))
	touched := &touchReader{}
	ctx.Request().Body = io.NopCloser(touched)
	res := w.send(ctx)
	require.Equal(t, 413, res.StatusCode, "RULE X4: larger than is allowed")
	require.False(t, touched.yes, "RULE X4: a body that is announced as too large is not read")
	require.Contains(t, body(t, res), `"code":8`)
	require.Equal(t, []string{"grpcTranscode refused"}, ctx.Events)

	ctx = filtertest.Of(newRequest(t.Context(), "PUT /v1/all", large))
	ctx.Request().ContentLength = -1
	require.Equal(t, 413, w.send(ctx).StatusCode, "RULE X4: also if nobody says how long it is")

	// Forty numbers are longer as fixed64 than as text.
	require.Equal(t, 413, w.do("POST /v1/collect", strings.Repeat(`{"f64":1}`, 11)).StatusCode, "RULE X4: what it becomes is bounded too")
	require.Equal(t, 200, w.do("POST /v1/collect", strings.Repeat(`{"f64":1}`, 7)).StatusCode)

	require.Equal(t, 415, w.do("PUT /v1/all", "x", "Content-Encoding: gzip").StatusCode)
	require.Equal(t, 400, w.do("PUT /v1/all", "{").StatusCode)
	ctx = filtertest.Of(newRequest(t.Context(), "PUT /v1/all", ""))
	ctx.Request().Body, ctx.Request().ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{})), -1
	require.Contains(t, body(t, w.send(ctx)), "cannot be read to its end")
}

type touchReader struct{ yes bool }

func (r *touchReader) Read([]byte) (int, error) { r.yes = true; return 0, io.EOF }

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestRequestsThatAreNoCalls(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) { t.Error("called") }
	res := w.do("GET /v2/x", "")
	require.Equal(t, 404, res.StatusCode)
	require.JSONEq(t, `{"code":5,"message":"no method has a rule for /v2/x"}`, body(t, res))

	res = w.do("PATCH /v1/shelves/7", "")
	require.Equal(t, 405, res.StatusCode)
	require.Equal(t, "DELETE, GET, HEAD, OPTIONS", res.Header.Get("Allow"))
	require.Contains(t, body(t, res), `"code":12`)

	res = w.do("OPTIONS /v1/all", "")
	require.Equal(t, 204, res.StatusCode)
	require.Equal(t, "OPTIONS, PUT", res.Header.Get("Allow"))
	require.Empty(t, body(t, res))
	require.Equal(t, 404, w.do("OPTIONS /v2/x", "").StatusCode)
	require.Equal(t, 405, w.do("HEAD /v1/all", "").StatusCode)
}

func TestHeadIsGetWithoutTheBody(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) { c.answer(`{"name":"x"}`) }
	want := len(body(t, w.do("GET /v1/shelves/7", "")))
	res := w.do("HEAD /v1/shelves/7", "")
	require.Equal(t, 200, res.StatusCode)
	require.EqualValues(t, want, res.ContentLength)
	require.Equal(t, http.NoBody, res.Body)

	ended := make(chan bool)
	w.serve = func(c *serverCall) {
		c.send(`{}`)
		<-c.r.Context().Done() // a stream without end, that nobody is going to read
		close(ended)
	}
	require.Empty(t, body(t, w.do("HEAD /v1/list", "")))
	<-ended
}

func TestWhatIsGRPCAlreadyIsLeftAlone(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) { c.answer(c.request(0)) }
	frame := "\x00\x00\x00\x00\x03\x0a\x01x"
	for _, contentType := range []string{"application/grpc", "application/grpc+proto", "application/grpc;v=1"} {
		ctx := filtertest.Of(newRequest(t.Context(), "POST /test.v1.Test/Get", frame, "Content-Type: "+contentType, "X: y"))
		res := w.send(ctx)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, frame, string(text))
		require.Equal(t, "0", res.Trailer.Get("Grpc-Status"))
		require.Empty(t, ctx.Bag)
	}
	require.Equal(t, 404, w.do("POST /test.v1.Test/Get", frame, "Content-Type: application/grpc-web").StatusCode)
}

func TestTheServiceHearsHowLongSomebodyWaits(t *testing.T) {
	timeout := func(ctx context.Context, header ...string) (string, *filtertest.Context) {
		services, rules := testRules(t)
		f := &filter{rules: rules, codec: new(Spec).codec(services)}
		c := filtertest.Of(newRequest(ctx, "GET /q", "", header...))
		f.Request(c)
		return c.Request().Header.Get("Grpc-Timeout"), c
	}
	synctest.Test(t, func(t *testing.T) {
		got, _ := timeout(t.Context())
		require.Empty(t, got)
		got, _ = timeout(t.Context(), "Grpc-Timeout: 5S")
		require.Equal(t, "5S", got)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		got, _ = timeout(ctx)
		require.Equal(t, "2000000u", got)
		got, _ = timeout(ctx, "Grpc-Timeout: 1S")
		require.Equal(t, "1S", got)
		got, _ = timeout(ctx, "Grpc-Timeout: 1H")
		require.Equal(t, "2000000u", got)
		_, c := timeout(ctx, "Grpc-Timeout: soon")
		require.Equal(t, 400, c.Response().StatusCode)
	})
}

func TestStreamsOfClients(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) {
		var all []string
		for i := range c.requests {
			all = append(all, c.request(i))
		}
		c.answer(fmt.Sprintf(`{"name":%q}`, strings.ReplaceAll(strings.Join(all, " "), " ", "")))
	}
	for _, text := range []string{`[{"i32":1},{"i64":2}]`, "{\"i32\":1}\n{\"i64\":2}\n"} {
		require.JSONEq(t, `{"name":"{\"i32\":1}{\"i64\":\"2\"}"}`, body(t, w.do("POST /v1/collect", text)))
	}
	require.JSONEq(t, `{}`, body(t, w.do("POST /v1/collect", "")))
	res := w.do("POST /v1/collect", `[{"i32":1},{"nme":2}]`)
	require.Equal(t, 400, res.StatusCode)
	require.Contains(t, body(t, res), "message 1 of the stream")

	w.serve = func(c *serverCall) {
		for i := range c.requests {
			c.send(c.request(i))
		}
		c.end(OK, "")
	}
	lines := strings.Split(body(t, w.do("POST /v1/chat/me", `{"big":1} {"big":2}`)), "\n")
	require.Len(t, lines, 2)
	require.JSONEq(t, `{"name":"me","sub":{"big":"2"}}`, lines[1])
}

func TestWhatASpecCanSay(t *testing.T) {
	w := newWorld(t, &Spec{EmitDefaults: true, ProtoNames: true}, library(t))
	w.serve = func(c *serverCall) { c.answer(`{"sub":{}}`) }
	text := body(t, w.do("GET /v1/shelves/7", ""))
	require.Contains(t, text, `"small_real"`)
	require.Contains(t, text, `"tags"`)
	require.NotContains(t, text, `"left"`)

	for _, c := range []struct {
		args []any
		want string
	}{
		{nil, "which descriptor set?"},
		{[]any{7.0}, "argument 1 is 7, and must be text"},
		{[]any{"test.pb", 8.0}, "argument 2 is 8, and must be text"},
		{[]any{"none.pb"}, "open none.pb"},
		{[]any{"test.pb", "test.v1.Tst"}, `test.pb: transcode: no service "test.v1.Tst" in the descriptor set, which has test.v1.Test`},
	} {
		_, err := w.spec.CreateFilter(c.args)
		require.ErrorContains(t, err, c.want)
	}
	require.Equal(t, "grpcTranscode", w.spec.Name())
	var o upstream.Options
	w.filter.(*filter).Configure(&o)
	require.Equal(t, "h2c", o.Transport.Protocol)
	o.Transport.Protocol = "h2"
	w.filter.(*filter).Configure(&o)
	require.Equal(t, "h2", o.Transport.Protocol)
}

func TestManyCallsAtOnce(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) { c.answer(c.request(0)) }
	want := strings.NewReplacer(" ", "", "\n", "") // protojson's spaces depend on the build
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			text, err := io.ReadAll(w.do(fmt.Sprintf("GET /v1/shelves/%d", i), "").Body)
			if err != nil || want.Replace(string(text)) != fmt.Sprintf(`{"name":"shelves/%d"}`, i) {
				t.Errorf("call %d: %s %v", i, text, err)
			}
		})
	}
	wg.Wait()
}

func TestRequiredFieldsMayComeFromAnywhere(t *testing.T) {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("old.proto"), Package: proto.String("test.v1"), Syntax: proto.String("proto2"),
		MessageType: []*descriptorpb.DescriptorProto{message("Old", "name required string", "size int32")},
		Service: []*descriptorpb.ServiceDescriptorProto{service("Test",
			method("Put", ".test.v1.Old", ".test.v1.Old", "", rule("PUT", "/v1/{name}").withBody("*"), rule("PUT", "/v1").withBody("*")))},
	}
	w := newWorld(t, new(Spec), encodeSet(t, file))
	w.serve = func(c *serverCall) { c.answer(c.request(0)) }
	require.JSONEq(t, `{"name":"x","size":7}`, body(t, w.do("PUT /v1/x", `{"size":7}`)))
	res := w.do("PUT /v1", `{"size":7}`)
	require.Equal(t, 400, res.StatusCode)
	require.JSONEq(t, `{"code":3,"message":"required field test.v1.Old.name not set"}`, body(t, res))
	w.serve = func(c *serverCall) { c.raw([]byte{0, 0, 0, 0, 2, 0x10, 7}); c.end(OK, "") }
	require.JSONEq(t, `{"size":7}`, body(t, w.do("PUT /v1/x", `{}`)))
}
