package transcode

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

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

func TestAnswersOfOthersAreLeftAlone(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	for status, chain := range map[int][]filters.Filter{
		502: {w.filter}, // the gateway's own, or something's between here and the service
		429: {w.filter, serves(429)},
		200: {w.filter, serves(200)},
	} {
		c := filtertest.New("GET", "/v1/shelves/7")
		filtertest.Run(c, filtertest.Upstream(502, "hello"), chain...)
		require.Equal(t, "hello", c.Body())
		require.Equal(t, status, c.Response().StatusCode)
	}
}

// serves is a filter that answers.
func serves(status int) filters.Filter {
	return filters.OnRequest(func(c filters.FilterContext) {
		c.Serve(filtertest.Response(c.Request(), status, "hello", "Content-Type", "text/plain"))
	})
}

func TestOfTwoFiltersEachTurnsBackWhatItHasTurned(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	second, err := w.spec.CreateFilter([]any{"test.pb"})
	require.NoError(t, err)
	seen := 0
	between := filters.OnResponse(func(c filters.FilterContext) { seen = c.Response().StatusCode })
	c := filtertest.New("GET", "/v1/shelves/7")
	filtertest.Run(c, filtertest.Upstream(200, "", "Content-Type", "application/grpc", "Grpc-Status", "5"), w.filter, between, second)
	require.Equal(t, 200, seen)
	require.Equal(t, 404, c.Response().StatusCode)
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
