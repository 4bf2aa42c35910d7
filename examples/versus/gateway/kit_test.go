package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
	"github.com/flagship-go/flagship/gateway/gatewaytest"
	"github.com/flagship-go/flagship/internal/versus"
)

// Each proxy is a process for each rule, and graded by what it claims; with -v the rest is printed as not claimed.
// What needs a hand inside the process (drain, reload, goroutines) is graded in the packages themselves.

func graders(t *testing.T) *session {
	if testing.Short() {
		t.Skip("a process for each rule")
	}
	return &session{Session: &versus.Session{Dir: t.TempDir(), Progress: t.Output()}}
}

func TestFlagship(t *testing.T) {
	gatewaytest.Run(t, graders(t).newProxy(t.Context(), oursPlain), asked)
}

// TestReverseProxy: 1xx, 101 and trailers pass with what is between neighbours, net/http takes more than it should from
// clients, and it guesses a Content-Type when the body is there in time.
func TestReverseProxy(t *testing.T) {
	gatewaytest.Run(t, graders(t).newProxy(t.Context(), bareName), gatewaytest.Capabilities{
		Forwarded: true, Trailers: true, EarlyAnswer: true, Continue: true, Upgrade: true,
	})
}

// TestCaddy: an upstream that switches protocols unasked is answered with 200, which is why there is no Upgrade among the
// claims.
func TestCaddy(t *testing.T) {
	o := graders(t)
	_, err := o.buildCaddy(t.Context())
	require.NoError(t, err)
	gatewaytest.Run(t, o.newProxy(t.Context(), caddyName), gatewaytest.Capabilities{
		Informational: true, Trailers: true, EarlyAnswer: true, Continue: true,
	})
}

// TestAPrefixIsWholeSegments of the one contender that has no router.
func TestAPrefixIsWholeSegments(t *testing.T) {
	for path, want := range map[string]bool{"/a": true, "/a/": true, "/a/b": true, "/ab": false, "/": false} {
		require.Equal(t, want, fits("/a", path), path)
		require.True(t, fits("/", path))
	}
	require.Equal(t, []string{"/svc0/v0/items0/", "/svc1/v0/items0/"}, prefixes(4))
	require.Equal(t, "/svc1/v0/items0/7/detail", peer.Path(3, "7"))
}
