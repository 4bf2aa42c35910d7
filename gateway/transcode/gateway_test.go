package transcode

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
)

// inGateway puts a world's filter into a whole gateway, whose clients speak HTTP/1.1, or h2c to the second address.
func inGateway(t *testing.T, w *world) (http1, h2c string) {
	registry := gateway.NewRegistry(filters.Env{})
	require.NoError(t, registry.AddFilter(w.spec))
	g, err := gateway.New(gateway.Options{Registry: registry})
	require.NoError(t, err)
	t.Cleanup(func() { g.Close() })
	routes, err := eskip.Parse("routes.eskip", `
		json: PathSubtree("/v1") -> grpcTranscode("test.pb", "test.v1.Test") -> "`+w.server.URL+`";
		grpc: PathSubtree("/test.v1.Test") -> grpcTranscode("test.pb", "test.v1.Test") -> "`+w.server.URL+`";
	`)
	require.NoError(t, err)
	require.NoError(t, g.Apply(routes))

	front := httptest.NewServer(g)
	t.Cleanup(front.Close)
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	second := httptest.NewUnstartedServer(g)
	second.Config.Protocols = &protocols
	second.Start()
	t.Cleanup(second.Close)
	return front.URL, second.URL
}

func TestThroughAWholeGateway(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	url, _ := inGateway(t, w)
	var seen http.Header
	w.serve = func(c *serverCall) {
		seen = c.r.Header
		c.answer(c.request(0))
	}
	res, err := http.Get(url + "/v1/shelves/a%2Fb?tags=x&tags=y")
	require.NoError(t, err)
	require.Equal(t, 200, res.StatusCode)
	require.JSONEq(t, `{"name":"shelves/a%2Fb","tags":["x","y"]}`, body(t, res), "RULE X2: the gateway's path and the template's are one")
	require.Equal(t, "trailers", seen.Get("Te"))

	// Who asks for another protocol besides (curl --http2, or a WebSocket) gets the answer in this one.
	for _, protocol := range []string{"h2c", "websocket"} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", url+"/v1/shelves/7", nil)
		require.NoError(t, err)
		r.Header = http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {protocol}, "Http2-Settings": {"AAMAAABkAAQAoAAAAAIAAAAA"}}
		res, err = http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.Equal(t, 200, res.StatusCode, protocol)
		require.JSONEq(t, `{"name":"shelves/7"}`, body(t, res))
	}

	w.serve = func(c *serverCall) { c.raw(nil); c.end(NotFound, "no shelf") }
	res, err = http.Post(url+"/v1/shelves/7:merge", "application/json", strings.NewReader(`{"tags":["z"]}`))
	require.NoError(t, err)
	require.Equal(t, 404, res.StatusCode)
	require.JSONEq(t, `{"code":5,"message":"no shelf"}`, body(t, res))

	res, err = http.Post(url+"/v1/shelves/7:merge", "application/json", strings.NewReader(`{"tags":`))
	require.NoError(t, err)
	require.Equal(t, 400, res.StatusCode)
	res.Body.Close()

	res, err = http.Head(url + "/v1/shelves/7")
	require.NoError(t, err)
	require.Equal(t, 404, res.StatusCode)
	res.Body.Close()
}

func TestAStreamPassesAWholeGatewayAtOnce(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	url, _ := inGateway(t, w)
	next := make(chan string)
	w.serve = func(c *serverCall) {
		c.raw(nil)
		for text := range next {
			c.send(text)
		}
		if c.requests != nil && strings.Contains(c.request(0), "abort") {
			panic(http.ErrAbortHandler)
		}
		c.end(Aborted, "enough")
	}
	stream := func(query string) (*http.Response, *bufio.Reader) {
		res, err := http.Get(url + "/v1/list" + query)
		require.NoError(t, err)
		lines := bufio.NewReader(res.Body)
		for _, text := range []string{`{"i32":1}`, `{"i32":2}`} {
			next <- text
			line, err := lines.ReadString('\n') // or this would wait for ever
			require.NoError(t, err)
			require.JSONEq(t, text, line)
		}
		return res, lines
	}
	res, lines := stream("")
	close(next)
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	require.JSONEq(t, `{"error":{"code":10,"message":"enough"}}`, string(rest))
	require.Empty(t, res.Trailer)

	next = make(chan string)
	res, lines = stream("?name=abort")
	close(next)
	rest, err = io.ReadAll(lines)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "RULE X3: a stream that broke off must not look complete (P7)")
	require.Contains(t, string(rest), `"code":14`)
	res.Body.Close()
}

func TestGRPCPassesAWholeGatewayAsItIs(t *testing.T) {
	w := newWorld(t, new(Spec), library(t))
	_, url := inGateway(t, w)
	w.serve = func(c *serverCall) { c.answer(c.request(0)) }
	frame := "\x00\x00\x00\x00\x03\x0a\x01x"
	r, err := http.NewRequestWithContext(t.Context(), "POST", url+"/test.v1.Test/Get", strings.NewReader(frame))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	res, err := w.client.RoundTrip(r)
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, frame, string(text))
	require.Equal(t, "0", res.Trailer.Get("Grpc-Status"))
}
