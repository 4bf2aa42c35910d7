package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
	"github.com/flagship-go/flagship/internal/versus"
)

func TestMain(m *testing.M) {
	beChild() // the test's program is what it starts as a child
	os.Exit(m.Run())
}

// TestEverythingRuns measures all tables for an instant: each contender is in each, and none fails.
func TestEverythingRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute")
	}
	var out bytes.Buffer
	require.NoError(t, program().Run(t.Context(), []string{"-quick", "-dir", t.TempDir()}, &out, io.Discard))
	for _, want := range []string{
		"| routes=1 | direct |", "| routes=1 | flagship |", "| routes=100 | flagship-no-filters |", "| routes=100 | bare |", "| routes=100 | bare-default |",
		"| routes=100 | ServeMux |", "| routes=100 | chi |", "| routes=100 | fasthttp |", "| routes=100 | caddy |",
		"| connections=64 | flagship-1000 |", "| routes=1000 | httprouter |", "| routes=1000 | ServeMux |", "| routes=100 | flagship-gateway |",
		"| fails=1in20/goroutines=many | gobreaker-two-step |", "| fails=never/goroutines=many | failsafe-go-timed |", "| fails=never/goroutines=one | aegis |",
		"| answer=deny/goroutines=many | x-time-rate |", "| bytes=65536 | flagship |", "| required | 5 of 5 | 5 of 5 | 5 of 5 |",
		">= 110 MB/s at routes=1000", "<= 0 allocations at fails=never/goroutines=many (0)", "<= 1.1x CPU/op of bare at routes=1",
		"<= 1.15 times the processor time of one route, with 1000",
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "failed")
}

// TestProxiesHaveTheirRoutes: each answers what its routes have, which is asked when clients are dialed; and the
// routers nothing else.
func TestProxiesHaveTheirRoutes(t *testing.T) {
	o := &session{Session: &versus.Session{Dir: t.TempDir(), Progress: io.Discard}}
	var err error
	o.backend, err = o.startBackend(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, o.backend.Close()) }()
	for name, routed := range map[string]bool{ours: true, oursPlain: true, bareName: false, bareDefault: false, muxName: true, chiName: true, fasthttpName: false} {
		t.Run(name, func(t *testing.T) {
			r, err := o.startProxy(t.Context(), name, 30)
			require.NoError(t, err)
			c := r.(*clients)
			defer func() { require.NoError(t, c.Close()) }()
			before, err := c.Usage()
			require.NoError(t, err)
			c.requests = []question{{[]byte("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"), []byte("/nowhere")}}
			err = exchange(c.conns[0], c.requests[0], make([]byte, 4096))
			if routed {
				require.Error(t, err)
			} else {
				require.NoError(t, err)
			}
			after, err := c.Usage()
			require.NoError(t, err)
			require.GreaterOrEqual(t, after.CPU, before.CPU)
		})
	}
}

// TestRoutersAgree on what has a route.
func TestRoutersAgree(t *testing.T) {
	for _, r := range routers {
		f, err := r.build(50)
		require.NoError(t, err)
		for i := range 50 {
			require.True(t, f(peer.Path(i, "42")), "%s: %s", r.name, peer.Path(i, "42"))
		}
		if r.name != httprouter && r.name != muxName { // whose ServeHTTP would answer, and there is nobody to take it
			require.False(t, f(peer.Path(50, "42")), r.name)
			require.False(t, f("/"), r.name)
		}
	}
}

func TestBoundsAreJudged(t *testing.T) {
	r := &versus.Report{}
	var out bytes.Buffer
	at := func(v float64, ok bool) func(*versus.Report) (float64, bool) {
		return func(*versus.Report) (float64, bool) { return v, ok }
	}
	writeLimits(&out, r, []bound{
		{text: "a", figure: at(38, true), atMost: 38}, {text: "b", figure: at(38.1, true), atMost: 38},
		{text: "c", figure: at(110, true), atLeast: 110}, {text: "d", figure: at(109, true), atLeast: 110}, {text: "e", figure: at(0, false), atMost: 1},
		{text: "f", figure: at(1, true)},
	})
	require.Equal(t, []string{"* **met**: <= 38 a (38)", "* **missed**: <= 38 b (38.1)", "* **met**: >= 110 c (110)", "* **missed**: >= 110 d (109)", "* **missed**: <= 0 f (1)"},
		strings.Split(strings.TrimSpace(out.String()), "\n"))
}

// TestAChildThatDoesNotStartSaysWhy.
func TestAChildThatDoesNotStartSaysWhy(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	_, err = peer.Start(t.Context(), self, peer.Order{Contender: "nobody"})
	require.ErrorContains(t, err, `no contender has the name "nobody"`)
	require.True(t, errors.Is(err, io.EOF))
}

func TestWrongUseIsTold(t *testing.T) {
	for _, args := range [][]string{{"surplus"}, {"-only", "("}, {"-subscribers", "3"}} {
		require.Error(t, program().Run(t.Context(), args, io.Discard, io.Discard), strings.Join(args, " "))
	}
}
