package transcode

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

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

func TestTheBodyOfACallCanBeSentAgain(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	ctx := newContext(newRequest(t.Context(), "PUT /v1/all", `{"name":"x"}`))
	w.filter.Request(ctx)
	first, err := io.ReadAll(ctx.req.Body)
	require.NoError(t, err)
	again, err := ctx.req.GetBody()
	require.NoError(t, err)
	second, err := io.ReadAll(again)
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.EqualValues(t, len(first), ctx.req.ContentLength)
	require.Equal(t, []byte{0, 0, 0, 0, 3, 0x0a, 1, 'x'}, first, "RULE X4: a frame is flags, length and message")
}

// The table of google/rpc/code.proto, written out once more.
var httpOfCode = []int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401, 500}

func TestEveryCodeHasItsStatusInTrailersAndInTrailersOnly(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	for code, want := range httpOfCode {
		if code == 0 {
			continue
		}
		for name, serve := range map[string]func(*serverCall){
			"trailers only":            func(c *serverCall) { c.trailersOnly(Code(code), "no: 100%25 %c3%a4 %zz%") },
			"trailers":                 func(c *serverCall) { c.raw(nil); c.end(Code(code), "no: 100%25 %c3%a4 %zz%") },
			"trailers after an answer": func(c *serverCall) { c.send(`{"name":"x"}`); c.end(Code(code), "no: 100%25 %c3%a4 %zz%") },
		} {
			w.serve = serve
			res := w.do("GET /v1/shelves/7", "")
			require.Equal(t, want, res.StatusCode, "RULE X3: code %d in %s", code, name)
			require.Equal(t, "application/json", res.Header.Get("Content-Type"))
			require.JSONEq(t, fmt.Sprintf(`{"code":%d,"message":"no: 100%% ä %%zz%%"}`, code), body(t, res), "RULE X3: code %d in %s", code, name)
		}
	}
}

func TestDetailsOfAnErrorAreShown(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	text := func(number protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), s)
	}
	known := append(text(1, "type.googleapis.com/test.v1.Detail"), text(2, string(text(1, "full")))...)
	unknown := append(text(1, "type.googleapis.com/google.rpc.Other"), text(2, "\x01\x02")...)
	status := append(text(3, string(known)), text(3, string(unknown))...)
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
		w.serve = func(c *serverCall) {
			c.w.Header().Set("Grpc-Status-Details-Bin", encoding.EncodeToString(status))
			c.trailersOnly(ResourceExhausted, "full")
		}
		res := w.do("GET /v1/shelves/7", "")
		require.Equal(t, 429, res.StatusCode)
		require.JSONEq(t, `{"code":8,"message":"full","details":[{"@type":"type.googleapis.com/test.v1.Detail","reason":"full"},{"@type":"type.googleapis.com/google.rpc.Other","value":"AQI="}]}`,
			body(t, res), "RULE X3: details are part of a status")
	}
	w.serve = func(c *serverCall) {
		c.w.Header().Set("Grpc-Status-Details-Bin", "***")
		c.trailersOnly(ResourceExhausted, "full")
	}
	require.JSONEq(t, `{"code":8,"message":"full"}`, body(t, w.do("GET /v1/shelves/7", "")))
}

func TestAStreamComesMessageByMessage(t *testing.T) {
	for _, events := range []bool{false, true} {
		w := newWorld(t, new(Spec), library(t))
		next := make(chan string)
		w.serve = func(c *serverCall) {
			c.raw(nil)
			for text := range next {
				c.send(text)
			}
			c.end(OK, "")
		}
		accept, contentType, prefix := "*/*", "application/x-ndjson", ""
		if events {
			accept, contentType, prefix = "text/event-stream, */*;q=0.1", "text/event-stream", "data: "
		}
		res := w.do("GET /v1/list", "", "Accept: "+accept) // before there is any message
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, contentType, res.Header.Get("Content-Type"))
		require.EqualValues(t, -1, res.ContentLength)
		lines := bufio.NewReader(res.Body)
		for _, text := range []string{`{"name":"a"}`, `{"i64":"2"}`, `{}`} {
			next <- text // the service waits for the client to have read the one before
			line, err := lines.ReadString('\n')
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(line, prefix), line)
			require.JSONEq(t, text, line[len(prefix):])
			if events {
				empty, err := lines.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, "\n", empty)
			}
		}
		close(next)
		_, err := lines.ReadByte()
		require.ErrorIs(t, err, io.EOF)
		require.Empty(t, res.Trailer, "RULE X3: trailers of gRPC go out as the client's")
	}
}

func TestAnErrorInAStreamIsItsLastMessage(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) {
		c.send(`{"name":"a"}`)
		c.end(FailedPrecondition, "enough")
	}
	lines := strings.Split(body(t, w.do("GET /v1/list", "")), "\n")
	require.Len(t, lines, 2, "RULE X3: the error is the last message")
	require.JSONEq(t, `{"name":"a"}`, lines[0])
	require.JSONEq(t, `{"error":{"code":9,"message":"enough"}}`, lines[1], "RULE X3: the error is the last message")

	text := body(t, w.do("GET /v1/list", "", "Accept: text/event-stream"))
	parts := strings.Split(text, "\n\n")
	require.Len(t, parts, 2, "RULE X3: the error is the last event")
	require.Equal(t, `event: error`+"\n"+`data: {"code":9,"message":"enough"}`, parts[1], "RULE X3: the error is the last event")

	w.serve = func(c *serverCall) { c.trailersOnly(PermissionDenied, "no") }
	res := w.do("GET /v1/list", "")
	require.Equal(t, 403, res.StatusCode, "RULE X3: before the first message there is still a status to send")
	require.JSONEq(t, `{"code":7,"message":"no"}`, body(t, res))
}

func TestAStreamOfNoMessages(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	for _, serve := range []func(*serverCall){
		func(c *serverCall) { c.trailersOnly(OK, "") },
		func(c *serverCall) { c.raw(nil); c.end(OK, "") },
	} {
		w.serve = serve
		res := w.do("GET /v1/list", "")
		require.Equal(t, 200, res.StatusCode)
		require.Empty(t, body(t, res), "RULE X3: an empty stream is no error")
	}
}

func TestAStreamThatBreaksOffIsSeenToBreakOff(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	first := make(chan bool)
	w.serve = func(c *serverCall) {
		c.send(`{"name":"a"}`)
		<-first // or the break would overtake the message
		panic(http.ErrAbortHandler)
	}
	res := w.do("GET /v1/list", "")
	lines := bufio.NewReader(res.Body)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"a"}`, line)
	close(first)
	line, err = lines.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, `{"error":{"code":14,"message":"the stream broke off`, "RULE X3: the error is the last message")
	_, err = lines.ReadByte()
	require.Error(t, err)
	require.NotErrorIs(t, err, io.EOF, "RULE X3: a stream that broke off must not look complete (P7)")
}

func TestClosingTheAnswerEndsTheCall(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	ended := make(chan bool)
	w.serve = func(c *serverCall) {
		c.send(`{"name":"a"}`)
		<-c.r.Context().Done()
		close(ended)
	}
	res := w.do("GET /v1/list", "")
	_, err := bufio.NewReader(res.Body).ReadString('\n')
	require.NoError(t, err)
	res.Body.Close()
	<-ended
}

func TestServicesThatBreakTheProtocol(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	cases := map[string]struct {
		serve  func(*serverCall)
		status int
		want   string
	}{
		"no message":               {func(c *serverCall) { c.end(OK, "") }, 500, "has no message"},
		"no message, only":         {func(c *serverCall) { c.trailersOnly(OK, "") }, 500, "has no message"},
		"two messages":             {func(c *serverCall) { c.send(`{}`); c.answer(`{}`) }, 500, "more than one message"},
		"no status":                {func(c *serverCall) { c.send(`{}`) }, 500, "ended without grpc-status"},
		"a strange status":         {func(c *serverCall) { c.w.Header().Set("Grpc-Status", "OK"); c.w.WriteHeader(200) }, 500, `grpc-status is \"OK\"`},
		"no protobuf":              {func(c *serverCall) { c.raw([]byte{0, 0, 0, 0, 1, 0xff}); c.end(OK, "") }, 500, "is no test.v1.All"},
		"strange flags":            {func(c *serverCall) { c.raw([]byte{2, 0, 0, 0, 0}); c.end(OK, "") }, 500, "flags 0x02"},
		"compressed, not said how": {func(c *serverCall) { c.raw([]byte{1, 0, 0, 0, 0}); c.end(OK, "") }, 500, "grpc-encoding is"},
		"cut in a header":          {func(c *serverCall) { c.raw([]byte{0, 0}); c.end(OK, "") }, 503, "broke off"},
		"cut in a message":         {func(c *serverCall) { c.raw([]byte{0, 0, 0, 0, 9, 1}); c.end(OK, "") }, 503, "broke off"},
		"no gRPC":                  {func(c *serverCall) { c.w.Header().Set("Content-Type", "text/html"); c.raw([]byte("<html>")) }, 502, "it is no gRPC service"},
		"503 as gRPC":              {func(c *serverCall) { c.w.WriteHeader(503) }, 503, "answers with status 503"},
		"404 as gRPC":              {func(c *serverCall) { c.w.WriteHeader(404) }, 501, "answers with status 404"},
		"breaks off":               {func(c *serverCall) { c.send(`{}`); panic(http.ErrAbortHandler) }, 503, "broke off"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w.serve = c.serve
			res := w.do("GET /v1/shelves/7", "")
			require.Equal(t, c.status, res.StatusCode, "RULE X3: %s", name)
			require.Contains(t, body(t, res), c.want, "RULE X3: %s", name)
		})
	}
}

func TestLargeAnswersAreRefused(t *testing.T) {
	w := newWorld(t, &Spec{MaxMessage: 1000}, library(t))
	for _, serve := range []func(*serverCall){
		func(c *serverCall) { c.raw([]byte{0, 0xff, 0xff, 0xff, 0xff}) },
		func(c *serverCall) { c.compressed(strings.Repeat("a", 1001)) },
	} {
		w.serve = serve
		res := w.do("GET /v1/shelves/7", "")
		require.Equal(t, 502, res.StatusCode, "RULE X4: larger than is allowed")
		require.Contains(t, body(t, res), "1000 are allowed")
	}
	w.serve = func(c *serverCall) { c.send(`{}`); c.raw([]byte{0, 0xff, 0xff, 0xff, 0xff}); <-c.r.Context().Done() }
	require.Contains(t, body(t, w.do("GET /v1/list", "")), `{"error":{"code":8,"message":"the answer has a message of 4294967295 bytes`, "RULE X4: also in a stream")
}

// compressed answers with a name that is sent compressed.
func (c *serverCall) compressed(name string) {
	var b bytes.Buffer
	b.Write([]byte{1, 0, 0, 0, 0})
	z := gzip.NewWriter(&b)
	z.Write(append([]byte{0x0a, byte(len(name)%128 | 128), byte(len(name) / 128)}, name...))
	z.Close()
	b.Bytes()[3], b.Bytes()[4] = byte((b.Len()-5)>>8), byte(b.Len()-5)
	c.w.Header().Set("Grpc-Encoding", "gzip")
	c.raw(b.Bytes())
	c.end(OK, "")
}

func TestCompressedMessagesAreRead(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	name := strings.Repeat("abc", 100)
	w.serve = func(c *serverCall) { c.compressed(name) }
	require.JSONEq(t, `{"name":"`+name+`"}`, body(t, w.do("GET /v1/shelves/7", "")))
	w.serve = func(c *serverCall) { c.compressed(name); c.compressed(name + "x") }
	require.Equal(t, 3, len(strings.Split(body(t, w.do("GET /v1/list", ""))+"\n", "\n")))
}

func TestRequestsAreBounded(t *testing.T) {
	w := newWorld(t, &Spec{MaxMessage: 100}, library(t))
	w.serve = func(c *serverCall) { c.answer(`{}`) }
	large := `{"name":"` + strings.Repeat("a", 100) + `"}`

	ctx := newContext(newRequest(t.Context(), "PUT /v1/all", large))
	touched := &touchReader{}
	ctx.req.Body = io.NopCloser(touched)
	res := w.send(ctx)
	require.Equal(t, 413, res.StatusCode, "RULE X4: larger than is allowed")
	require.False(t, touched.yes, "RULE X4: a body that is announced as too large is not read")
	require.Contains(t, body(t, res), `"code":8`)
	require.Equal(t, []string{"grpcTranscode refused"}, ctx.events)

	ctx = newContext(newRequest(t.Context(), "PUT /v1/all", large))
	ctx.req.ContentLength = -1
	require.Equal(t, 413, w.send(ctx).StatusCode, "RULE X4: also if nobody says how long it is")

	// Forty numbers are longer as fixed64 than as text.
	require.Equal(t, 413, w.do("POST /v1/collect", strings.Repeat(`{"f64":1}`, 11)).StatusCode, "RULE X4: what it becomes is bounded too")
	require.Equal(t, 200, w.do("POST /v1/collect", strings.Repeat(`{"f64":1}`, 7)).StatusCode)

	require.Equal(t, 415, w.do("PUT /v1/all", "x", "Content-Encoding: gzip").StatusCode)
	require.Equal(t, 400, w.do("PUT /v1/all", "{").StatusCode)
	ctx = newContext(newRequest(t.Context(), "PUT /v1/all", ""))
	ctx.req.Body, ctx.req.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{})), -1
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
		ctx := newContext(newRequest(t.Context(), "POST /test.v1.Test/Get", frame, "Content-Type: "+contentType, "X: y"))
		res := w.send(ctx)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, frame, string(text))
		require.Equal(t, "0", res.Trailer.Get("Grpc-Status"))
		require.Empty(t, ctx.bag)
	}
	require.Equal(t, 404, w.do("POST /test.v1.Test/Get", frame, "Content-Type: application/grpc-web").StatusCode)
}

func TestAnswersOfOthersAreLeftAlone(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	for _, c := range []struct {
		status int
		served bool
	}{{502, false}, {429, true}, {200, true}} {
		ctx := newContext(newRequest(t.Context(), "GET /v1/shelves/7", ""))
		w.filter.Request(ctx)
		ctx.res = &http.Response{StatusCode: c.status, Header: http.Header{"Content-Type": {"text/plain"}}, Body: io.NopCloser(strings.NewReader("hello"))}
		ctx.served = c.served
		w.filter.Response(ctx)
		text, err := io.ReadAll(ctx.res.Body)
		require.NoError(t, err)
		require.Equal(t, "hello", string(text))
		require.Equal(t, c.status, ctx.res.StatusCode)
	}
	// Of two such filters on a route each turns back what it has turned.
	other, err := w.spec.CreateFilter([]any{"test.pb"})
	require.NoError(t, err)
	ctx := newContext(newRequest(t.Context(), "GET /v1/shelves/7", ""))
	w.filter.Request(ctx)
	other.Request(ctx)
	ctx.res = &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/grpc"}, "Grpc-Status": {"5"}}, Body: http.NoBody}
	other.Response(ctx)
	require.Equal(t, 200, ctx.res.StatusCode)
	w.filter.Response(ctx)
	require.Equal(t, 404, ctx.res.StatusCode)
}

func TestTheServiceHearsHowLongSomebodyWaits(t *testing.T) {
	timeout := func(ctx context.Context, header ...string) (string, *fakeContext) {
		services, rules := testRules(t)
		f := &filter{rules: rules, codec: new(Spec).codec(services)}
		c := newContext(newRequest(ctx, "GET /q", "", header...))
		f.Request(c)
		return c.req.Header.Get("Grpc-Timeout"), c
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
		require.Equal(t, 400, c.res.StatusCode)
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

func TestResponseBodyIsAField(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	for _, c := range []struct{ field, answer, want string }{
		{"sub", `{"sub":{"big":7},"name":"x"}`, `{"big":"7"}`},
		{"sub", `{"name":"x"}`, `null`},
		{"tags", `{"tags":["a","b"],"name":"x"}`, `["a","b"]`},
		{"tags", `{}`, `[]`},
		{"labels", `{"labels":{"a":"b"}}`, `{"a":"b"}`},
		{"i64", `{"i64":7}`, `"7"`},
		{"i64", `{}`, `"0"`},
		{"left", `{"left":"a"}`, `"a"`},
		{"left", `{"right":"a"}`, `null`},
		{"at", `{"at":"2026-11-27T03:00:00Z"}`, `"2026-11-27T03:00:00Z"`},
	} {
		w.serve = func(call *serverCall) { call.answer(c.answer) }
		require.JSONEq(t, c.want, body(t, w.do("GET /v1/only/"+c.field, "")), "RULE X1: %s of %s", c.field, c.answer)
	}
	w.serve = func(c *serverCall) { c.send(`{"sub":{"big":1}}`); c.answer(`{"sub":{"big":2}}`) }
	lines := strings.Split(body(t, w.do("GET /v1/only/sublist", "")), "\n")
	require.Len(t, lines, 2)
	require.JSONEq(t, `{"big":"2"}`, lines[1])
}

func TestHTTPBodyIsBytesAsTheyAre(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) { c.answer(`{"content_type":"image/png","data":"iVBORw=="}`) }
	res := w.do("GET /v1/download", "")
	require.Equal(t, "image/png", res.Header.Get("Content-Type"))
	require.Equal(t, "\x89PNG", body(t, res))
	w.serve = func(c *serverCall) { c.answer(`{"file":{"data":"aGk="}}`) }
	res = w.do("GET /v1/only/file", "")
	require.Equal(t, "application/octet-stream", res.Header.Get("Content-Type"))
	require.Equal(t, "hi", body(t, res))
	w.serve = func(c *serverCall) { c.answer(`{"file":` + c.request(0) + `}`) }
	res = w.do("POST /v1/upload", "{ no JSON \xff", "Content-Type: text/odd")
	require.Equal(t, 200, res.StatusCode)
}

func TestAStreamOfHTTPBodiesIsOneBody(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) {
		c.send(`{"content_type":"video/mp4","data":"aGVs"}`)
		c.send(`{}`)
		c.answer(`{"data":"bG8="}`)
	}
	res := w.do("GET /v1/stream", "")
	require.Equal(t, "video/mp4", res.Header.Get("Content-Type"))
	require.Equal(t, "hello", body(t, res))

	w.serve = func(c *serverCall) { c.raw(nil); c.end(OK, "") }
	res = w.do("GET /v1/stream", "")
	require.Equal(t, 200, res.StatusCode)
	require.Empty(t, body(t, res))

	w.serve = func(c *serverCall) { c.raw(nil); c.end(NotFound, "no film") }
	res = w.do("GET /v1/stream", "")
	require.Equal(t, 404, res.StatusCode, "RULE X3: before the first message there is still a status to send")
	require.JSONEq(t, `{"code":5,"message":"no film"}`, body(t, res))

	w.serve = func(c *serverCall) { c.send(`{"data":"aGVs"}`); c.end(DataLoss, "torn") }
	text, err := io.ReadAll(w.do("GET /v1/stream", "").Body)
	require.Equal(t, "hel", string(text))
	require.ErrorContains(t, err, "DATA_LOSS: torn", "RULE X3: bytes that are not all must not look complete (P7)")
}

func TestAStreamIsReadInPiecesOfAnySize(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	w.serve = func(c *serverCall) { c.send(`{"name":"a"}`); c.send(`{"name":"b"}`); c.end(NotFound, "c") }
	for _, accept := range []string{"*/*", "text/event-stream"} {
		want := body(t, w.do("GET /v1/list", "", "Accept: "+accept))
		res := w.do("GET /v1/list", "", "Accept: "+accept)
		got, err := io.ReadAll(iotest.OneByteReader(res.Body))
		require.NoError(t, err)
		require.Equal(t, want, strings.TrimSpace(string(got)))
	}
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
