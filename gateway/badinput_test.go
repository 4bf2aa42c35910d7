package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/transcode"
)

// outside is a gateway on a socket, as people run it.
type outside struct {
	*testing.T
	gw  *gateway.Gateway
	url string
}

func newOutside(t *testing.T) *outside {
	registry := gateway.NewRegistry(filters.Env{})
	require.NoError(t, registry.AddFilter(new(transcode.Spec)))
	g, err := gateway.New(gateway.Options{Registry: registry})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	front := httptest.NewServer(g)
	t.Cleanup(front.Close)
	return &outside{t, g, front.URL}
}

func (o *outside) apply(text string) error {
	routes, err := eskip.Parse("routes.eskip", text)
	if err != nil {
		return err
	}
	return o.gw.Apply(routes)
}

// status asks for a path, with a body unless that is empty.
func (o *outside) status(path, body string) int {
	o.Helper()
	r, err := http.NewRequestWithContext(o.Context(), http.MethodPost, o.url+path, strings.NewReader(body))
	require.NoError(o, err)
	res, err := http.DefaultClient.Do(r)
	require.NoError(o, err)
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(o, err)
	return res.StatusCode
}

// Whatever is wrong with a configuration, the error says where, and the last good one goes on serving.
func TestBadConfigurationIsToldWithItsPlaceAndChangesNothing(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken")
	require.NoError(t, os.WriteFile(broken, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o600))
	missing := filepath.Join(dir, "missing")
	o := newOutside(t)
	const good = `good: Path("/good") -> status(204) -> <shunt>;` + "\n"
	require.NoError(t, o.apply(good))
	for name, c := range map[string]struct{ bad, place, says string }{
		"no arrow":                  {`x: Path("/x") status(1) <shunt>;`, "2:15", "expected"},
		"a quote that is missing":   {`x: Path("/x) -> <shunt>;`, "2:9", "closing"},
		"bytes that are no text":    {"x: \xff\xfe -> <shunt>;", "2:4", ""},
		"an unknown predicate":      {`x: Paht("/x") -> <shunt>;`, "2:4", "did you mean Path?"},
		"an unknown filter":         {`x: Path("/x") -> setRequestHeadr("A", "b") -> <shunt>;`, "2:18", "did you mean setRequestHeader?"},
		"a predicate's argument":    {`x: Path("/x") && Method(1) -> <shunt>;`, "2:18", "method"},
		"a path's argument":         {`x: Path(1) -> <shunt>;`, "2:4", ""},
		"a filter's argument":       {`x: Path("/x") -> status("ok") -> <shunt>;`, "2:18", "status"},
		"a number out of range":     {`x: Path("/x") -> retry(99) -> <shunt>;`, "2:18", "10"},
		"an escape in a path":       {`x: Path("/%zz") -> <shunt>;`, "2:4", "%zz"},
		"an address":                {`x: Path("/x") -> "ftp://host";`, "2:18", "ftp"},
		"an algorithm":              {`x: Path("/x") -> <best, "http://a", "http://b">;`, "2:18", "best"},
		"the same name twice":       {`good: Path("/x") -> <shunt>;`, "2:1", "routes.eskip:1:1"},
		"a descriptor set":          {fmt.Sprintf(`x: Path("/x") -> grpcTranscode(%q) -> "http://127.0.0.1:1";`, broken), "2:18", "descriptor set"},
		"a descriptor set, missing": {fmt.Sprintf(`x: Path("/x") -> grpcTranscode(%q) -> "http://127.0.0.1:1";`, missing), "2:18", "missing"},
		"a certificate":             {fmt.Sprintf(`x: Path("/x") -> backendTLS(%q) -> "https://127.0.0.1:1";`, broken), "2:18", "certificate"},
		"a key file":                {fmt.Sprintf(`x: Path("/x") -> backendTLS("", %q, %q) -> "https://127.0.0.1:1";`, broken, missing), "2:18", "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			err := o.apply(good + c.bad)
			require.ErrorContains(t, err, "routes.eskip:"+c.place+": ", "RULE F3: an error without its place")
			require.ErrorContains(t, err, c.says, "RULE F3: an error that does not say what it is about")
			require.Equal(t, 204, o.status("/good", ""), "RULE C1: the last good configuration is not in force")
			require.Equal(t, 404, o.status("/x", ""), "RULE C1: part of a wrong configuration is in force")
		})
	}
	require.ErrorContains(t, o.apply("// nothing\n"), "no routes", "RULE C1: nothing is no configuration")
	require.Equal(t, 204, o.status("/good", ""), "RULE C1: the last good configuration is not in force")
}

// What clients and upstreams do wrong is answered, and is no matter of others.
func TestBadRequestsAndUpstreamsAreAnsweredFor(t *testing.T) {
	stop := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	defer hangs.Close()
	defer close(stop)
	o := newOutside(t)
	require.NoError(t, o.apply(fmt.Sprintf(`
		good:   PathSubtree("/good") -> status(204) -> <shunt>;
		small:  Path("/small") -> requestBodyLimit(10) -> "http://127.0.0.1:1";
		nobody: Path("/nobody") -> "http://127.0.0.1:1";
		noname: Path("/noname") -> "http://two..dots";
		hangs:  Path("/hangs") -> backendTimeout("10ms") -> %q;
	`, hangs.URL)))
	for _, c := range []struct {
		path, body string
		status     int
	}{
		{"/nobody", "", 502},
		{"/noname", "", 502},
		{"/hangs", "", 504},
		{"/small", strings.Repeat("x", 11), 413},
		{"/good/%00", "", 400},
		{"/good/%5c", "", 400},
		{"/good/%ff", "", 204}, // not UTF-8, and no less a path
		{"/good/%C3%28", "", 204},
		{"/good", "", 204},
	} {
		require.Equal(t, c.status, o.status(c.path, c.body), "POST %s", c.path)
	}
}
