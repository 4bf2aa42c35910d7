package gateway

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// written is what the access log has after requests, without the time.
func accessLog(out *bytes.Buffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey {
			return slog.Attr{}
		}
		if a.Key == "duration" {
			a.Value = slog.StringValue("D")
		}
		return a
	}}))
}

func TestAccessLogHasARecordForEachRequest(t *testing.T) {
	var out bytes.Buffer
	w := newWorld(t, Options{AccessLog: accessLog(&out)})
	w.apply(`a: Path("/a") -> say(201) -> <shunt>; b: Path("/b/:name") -> "http://b"`)
	w.get("/a?password=secret")
	w.get("/b/x%20y")
	w.get("/nowhere")
	require.Equal(t, ""+
		"method=GET host=gateway path=/a status=201 bytes=0 duration=D route=a flow=\"\" client=192.0.2.1\n"+
		"method=GET host=gateway path=/b/x%20y status=200 bytes=8 duration=D route=b flow=\"\" client=192.0.2.1\n"+
		"method=GET host=gateway path=/nowhere status=404 bytes=24 duration=D route=\"\" flow=\"\" client=192.0.2.1\n", out.String())
}

func TestAccessLogCanBeLeftToRoutes(t *testing.T) {
	var out bytes.Buffer
	w := newWorld(t, Options{AccessLog: accessLog(&out), AccessLogOnDemand: true})
	yes, no := true, false
	s := served{request: httptest.NewRequest("GET", "/x", nil), status: 200, client: netip.MustParseAddr("::1")}
	w.finish(&s)
	s.log = &no
	w.finish(&s)
	require.Empty(t, out.String())
	s.log = &yes
	w.finish(&s)
	require.Contains(t, out.String(), "path=/x")
}

// BenchmarkFinish is what counting and logging cost each request.
func BenchmarkFinish(b *testing.B) {
	for name, log := range map[string]*slog.Logger{"off": nil, "discarded": slog.New(slog.DiscardHandler)} {
		b.Run("log="+name, func(b *testing.B) {
			g, err := New(Options{AccessLog: log})
			require.NoError(b, err)
			s := served{request: httptest.NewRequest("GET", "/x", nil), status: 200, bytes: 1024, took: time.Millisecond}
			b.ReportAllocs()
			for b.Loop() {
				g.finish(&s)
			}
		})
	}
}
