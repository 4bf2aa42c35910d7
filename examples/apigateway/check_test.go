package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway"
	"github.com/flagship-go/flagship/gateway/eskip"
)

// write writes a file of routes, and works in its directory.
func write(t *testing.T, text string) string {
	t.Helper()
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("routes.eskip", []byte(text), 0o644))
	return "routes.eskip"
}

// told is what a command prints, and its exit code.
func told(t *testing.T, args ...string) string {
	var out bytes.Buffer
	code := cli(t.Context(), args, &out, &out)
	return fmt.Sprintf("%sexit %d\n", &out, code)
}

const broken = `a: Path("/a") && Methd("GET") -> setPath() -> "http://127.0.0.1:1";
b: Path("/b" -> <shunt>;
	c: Path("/c") -> grpcTranscode("nope.pb") -> <shunt>;
a2: Path("/a") -> "http://127.0.0.1:1/path";
`

const brokenTold = `routes.eskip:1:18: route a: there is no predicate Methd; did you mean Method?
    a: Path("/a") && Methd("GET") -> setPath() -> "http://127.0.0.1:1";
                     ^
routes.eskip:1:34: route a: filter setPath: argument 1 (path) is missing: it takes (path)
    a: Path("/a") && Methd("GET") -> setPath() -> "http://127.0.0.1:1";
                                     ^
routes.eskip:2:14: expected , or ), found ->
    b: Path("/b" -> <shunt>;
                 ^
routes.eskip:3:19: route c: filter grpcTranscode: open nope.pb: no such file or directory
    	c: Path("/c") -> grpcTranscode("nope.pb") -> <shunt>;
    	                 ^
routes.eskip:4:19: the backend's address "http://127.0.0.1:1/path" has a path, a query or a fragment: what is sent is the request's, which filters such as modPath change
    a2: Path("/a") -> "http://127.0.0.1:1/path";
                      ^
apigateway: routes.eskip has 5 mistakes
exit 1
`

// missing is how a system says that there is no file.
var missing = regexp.MustCompile(`open nope\.pb: [^\n]*`)

func TestCheckShowsEachMistakeWithACaret(t *testing.T) {
	file := write(t, broken)
	want := missing.ReplaceAllString(brokenTold, "open nope.pb: gone")
	for _, args := range [][]string{{"check", file}, {"-routes-file", file, "-address", "127.0.0.1:0", "-support-listener", "127.0.0.1:0", "-upstreams-port", "-1"}} {
		got := missing.ReplaceAllString(told(t, args...), "open nope.pb: gone")
		rule(t, "A2", got == want, "%q says\n%s", args, got)
	}
	empty := told(t, "check", write(t, "// nothing\n"))
	rule(t, "A2", strings.HasSuffix(empty, "exit 1\n"), "a file without routes: %s", empty)
}

func TestCheckNamesRoutesThatCannotWin(t *testing.T) {
	require.Equal(t, `routes.eskip:4:1: route d never wins: e comes before it, and has no predicate that it does not have
routes.eskip:1:1: route a comes before b (routes.eskip:2:1) only by its name: where both fit nothing else decides
routes.eskip is right: 4 routes, 1 that never win, 1 pairs that only names decide
exit 0
`, told(t, "check", write(t, `a: Path("/a/:x") && Header("A", "1") -> <shunt>;
b: Path("/a/:y") && Header("B", "1") -> <shunt>;
e: Path("/s") && Weight(5) -> <shunt>;
d: Path("/s") && Method("GET") -> <shunt>;
`)))
}

// A directory is what the gateway takes it for (A3): its files that end in .eskip, whatever it is called.
func TestDirectoriesHaveAnyName(t *testing.T) {
	write(t, "")
	require.NoError(t, os.MkdirAll(filepath.Join("conf[1]", "old.eskip"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join("conf[1]", "a.eskip"), []byte(`a: Path("/a") -> <shunt>;`), 0o644))
	require.Equal(t, "conf[1] is right: 1 routes, 0 that never win, 0 pairs that only names decide\nexit 0\n", told(t, "check", "conf[1]"),
		"RULE A3: what check says of a directory is not what the gateway does with it")
}

func TestExplainSaysWhichRouteAndWhy(t *testing.T) {
	file := write(t, `checkout: Path("/shop/:item") -> <shunt>;
beta: Path("/shop/:item") && Header("X-Test", "b") && Host("^shop\\.example$") -> status(204) -> <shunt>;
`)
	require.Equal(t, `GET shop.example/shop/7
  1. beta      Path("/shop/:item")  weight 2  no: Header("X-Test", "b")
  2. checkout  Path("/shop/:item")  weight 0  yes: item = "7"
routes.eskip:1:1: checkout: Path("/shop/:item") -> <shunt>
exit 0
`, told(t, "explain", file, "GET http://shop.example/shop/7"))
	require.Contains(t, told(t, "explain", file, "GET /shop/7 HTTP/1.1", "Host: shop.example", "x-test: b"), "\nroutes.eskip:2:1: beta: ")
	none := told(t, "explain", file, "GET /")
	rule(t, "A3", strings.HasSuffix(none, "apigateway: no route: the gateway would answer 404\nexit 1\n"), "%s", none)
}

func TestPrintReadsAsWhatWasWritten(t *testing.T) {
	file := write(t, firstRoutes)
	printed := strings.TrimSuffix(told(t, "print", file), "exit 0\n")
	was, err := eskip.Parse("a", firstRoutes)
	require.NoError(t, err)
	is, err := eskip.Parse("b", printed)
	require.NoError(t, err)
	require.Len(t, is, len(was))
	for i := range is {
		rule(t, "A3", eskip.Equal(was[i], is[i]), "%s was printed as %s", was[i], is[i])
	}
	require.Contains(t, told(t, "print", write(t, broken)), "routes.eskip has 2 mistakes\nexit 1")
	require.Contains(t, told(t, "print", write(t, `a: Plugin() -> plugin(1) -> <shunt>`)), "exit 0", "a filter that only somebody else has")
}

// Questions are about files whose upstreams are perhaps in use.
func TestQuestionsSendNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	came := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			came <- ""
			return
		}
		conn.Close()
		came <- "somebody"
	}()
	var text strings.Builder
	for i := range 20 {
		fmt.Fprintf(&text, "r%d: Path(\"/%d\") -> healthCheck(\"/%d\", \"1ms\") -> \"http://%s\";\n", i, i, i, l.Addr())
	}
	for i := range 5000 { // takes long enough for a first check to be made
		fmt.Fprintf(&text, "s%d: Path(\"/s/%d\") -> setPath(\"/\") -> \"http://%s\";\n", i, i, l.Addr())
	}
	file := write(t, text.String())
	require.Contains(t, told(t, "check", file), "5020 routes")
	require.Contains(t, told(t, "explain", file, "GET /7"), "r7")
	require.NoError(t, l.Close())
	who := <-came
	rule(t, "A3", who == "", "%s was sent for a question", who)
}

//go:embed alerts.yml
var alerts string

//go:embed grafana.json
var dashboard string

// What the dashboard and the alerts ask for is in the metrics of a gateway that has every kind of filter.
func TestDashboardAndAlertsAskForWhatThereIs(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, writeFirst(filepath.Join(dir, "routes.eskip"), nil, time.Now()))
	f, err := readRoutes(filepath.Join(dir, "routes.eskip"))
	require.NoError(t, err)
	g, err := newGateway(dir, gateway.Options{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	defer g.Close()
	require.NoError(t, f.apply(g))
	var metrics bytes.Buffer
	require.NoError(t, g.Metrics().WritePrometheus(&metrics))

	names := regexp.MustCompile(`\b(?:gateway|circuit_breaker)_[a-z_]+`)
	for file, text := range map[string]string{"grafana.json": dashboard, "alerts.yml": alerts} {
		all := names.FindAllString(text, -1)
		require.NotEmpty(t, all)
		for _, name := range all {
			family := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			rule(t, "A8", strings.Contains(metrics.String(), "# TYPE "+name+" ") || strings.Contains(metrics.String(), "# TYPE "+family+" histogram"),
				"%s asks for %s, and there is no such metric", file, name)
		}
	}
	require.True(t, json.Valid([]byte(dashboard)))
}

// writeCertificate makes a certificate for 127.0.0.1, its key, and a file of routes.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: keyDER}} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "r.eskip"), []byte(`r: * -> status(200) -> <shunt>;`), 0o644))
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

func tlsClient(pool *x509.CertPool) *http.Client {
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: pool}}}
}
