package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/internal/child"
)

func TestMain(m *testing.M) {
	child.Main(cli)
	os.Exit(m.Run())
}

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

// process is the command, running.
type process struct {
	*child.Process
	t                *testing.T
	dir              string
	clients, support string // host:port
	shop1, shop2     string
}

func command(dir string, args ...string) *exec.Cmd {
	cmd := child.Command(append([]string{"-address", "127.0.0.1:0", "-support-listener", "127.0.0.1:0", "-source-poll-timeout", "5ms"}, args...)...)
	cmd.Dir = dir
	return cmd
}

// launch starts a process in a directory and waits until it listens.
func launch(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{Process: child.Start(t, command(dir, args...)), t: t, dir: dir}
	p.Until(func(line string) (last bool) {
		if _, a, ok := strings.Cut(line, "/debug/pprof on http://"); ok {
			p.support = a
		}
		if m := regexp.MustCompile(`shop 1 on (\S+), shop 2 on (\S+),`).FindStringSubmatch(line); m != nil {
			p.shop1, p.shop2 = m[1], m[2]
		}
		p.clients, last = strings.CutPrefix(line, "listening for clients on http://")
		return last
	})
	return p
}

var client = &http.Client{Timeout: time.Minute}

// do makes a request, which is METHOD URL, and returns the answer with its body read.
func do(t *testing.T, request, body string, header ...string) (*http.Response, string) {
	t.Helper()
	method, url, _ := strings.Cut(request, " ")
	q, err := http.NewRequest(method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	r, err := client.Do(q)
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r, string(b)
}

// eventually asks again until it is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), what)
	}
}

func (p *process) metrics() string {
	p.t.Helper()
	_, text := do(p.t, "GET http://"+p.support+"/metrics", "")
	return text
}

func TestTheFirstRoutesDoWhatTheirCommentsSay(t *testing.T) {
	p := launch(t, t.TempDir(), "-upstreams-port", "0")
	at := "http://" + p.clients
	get := func(path string, header ...string) string {
		t.Helper()
		_, text := do(t, "GET "+at+path, "", header...)
		return text
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/api/overview"} {
		r, _ := do(t, "GET "+at+path, "")
		rule(t, "A7", r.StatusCode == http.StatusNotFound, "clients get %d for %s", r.StatusCode, path)
	}
	require.Contains(t, get("/"), "try /shop/items")
	require.Contains(t, get("/shop/items", "X-Canary", "never"), `"version":"1"`)
	require.Contains(t, get("/shop/items", "X-Canary", "always"), `"version":"2"`)
	require.Contains(t, get("/shop/items/1", "X-Variant", "b"), `"item":"teapot","path":"/items/1","version":"2"`)
	require.Contains(t, get("/v1/shelves/2/books"), `"language":"DE"`)
	require.Contains(t, get("/v1/shelves/2/books/7"), `"code":5`)
	require.Len(t, strings.Split(strings.TrimSpace(get("/v1/shelves/1/books:watch?limit=2")), "\n"), 2)
	require.Contains(t, get("/items"), "saucer")
	let := 0
	for { // a token comes back every two seconds: a slow machine may let through some more
		r, _ := do(t, "GET "+at+"/search", "")
		if r.StatusCode == http.StatusTooManyRequests {
			break
		}
		require.Equal(t, http.StatusOK, r.StatusCode)
		let++
	}
	require.GreaterOrEqual(t, let, 5)
}

func TestOrdersAreCopiedAndTheirBreakerOpens(t *testing.T) {
	p := launch(t, t.TempDir(), "-upstreams-port", "0")
	order := func() int {
		r, _ := do(t, "POST http://"+p.clients+"/shop/orders", `{"item":1}`)
		return r.StatusCode
	}
	require.Equal(t, http.StatusCreated, order())
	eventually(t, "the copy has come to shop 2", func() bool {
		_, text := do(t, "GET http://"+p.shop2+"/orders", "")
		return strings.Contains(text, `"orders":1,`)
	})
	require.Contains(t, p.metrics(), `circuit_breaker_state{route="orders",breaker="consecutiveBreaker"} 0`)
	r, _ := do(t, "POST http://"+p.shop1+"/fail?for=1h", "")
	require.Equal(t, http.StatusOK, r.StatusCode)
	for range 5 {
		require.Equal(t, http.StatusServiceUnavailable, order())
	}
	require.Contains(t, p.metrics(), `circuit_breaker_state{route="orders",breaker="consecutiveBreaker"} 2`)
}

func dial(t *testing.T, p *process) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+p.clients+"/chat", nil)
	require.NoError(t, err)
	t.Cleanup(func() { conn.CloseNow() })
	return conn
}

// hears tells whether what one says comes back to all.
func hears(t *testing.T, text string, speaker *websocket.Conn, all ...*websocket.Conn) {
	t.Helper()
	require.NoError(t, speaker.Write(t.Context(), websocket.MessageText, []byte(text)))
	for _, conn := range all {
		_, m, err := conn.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, text, string(m))
	}
}

func TestAFileThatChangesIsTakenAndOneThatIsWrongIsNot(t *testing.T) {
	p := launch(t, t.TempDir(), "-upstreams-port", "0")
	one := dial(t, p)
	hears(t, "one", one, one) // who hears itself is in the room
	two := dial(t, p)
	hears(t, "two", two, one, two)

	file := filepath.Join(p.dir, "apigateway-data", "routes.eskip")
	was, err := os.ReadFile(file)
	require.NoError(t, err)
	change := func(more string) { // as editors do: nobody sees half of it
		require.NoError(t, os.WriteFile(file+".new", append(was, more...), 0o644))
		require.NoError(t, os.Rename(file+".new", file))
	}
	change("new: Path(\"/new\") -> status(418) -> <shunt>;\n")
	eventually(t, "the new route is there", func() bool {
		r, _ := do(t, "GET http://"+p.clients+"/new", "")
		return r.StatusCode == http.StatusTeapot
	})
	change("new: Path(\"/new\" -> status(418) -> <shunt>;\n")
	eventually(t, "the mistake is told", func() bool { return strings.Contains(p.metrics(), "gateway_config_last_successful 0") })
	r, _ := do(t, "GET http://"+p.clients+"/new", "")
	require.Equal(t, http.StatusTeapot, r.StatusCode, "the last good routes stay")
	_, overview := do(t, "GET http://"+p.support+"/api/overview", "")
	require.Regexp(t, `routes\.eskip:\d+:18: expected , or \), found ->`, overview)

	hears(t, "still here", two, one, two)
}

func TestASignalDrains(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
	came, answer := make(chan struct{}), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(came)
		<-answer
		io.WriteString(w, "done")
	}))
	defer slow.Close()
	dir := t.TempDir()
	routes := filepath.Join(dir, "slow.eskip")
	require.NoError(t, os.WriteFile(routes, []byte(`slow: Path("/slow") -> "`+slow.URL+`";`), 0o644))
	p := launch(t, dir, "-routes-file", routes, "-upstreams-port", "-1")
	ready := func() int { // 0: nobody listens
		r, err := client.Get("http://" + p.support + "/readyz")
		if err != nil {
			return 0
		}
		r.Body.Close()
		return r.StatusCode
	}
	require.Equal(t, http.StatusOK, ready())
	type result struct {
		text string
		err  error
	}
	results := make(chan result, 1)
	go func() {
		r, err := client.Get("http://" + p.clients + "/slow")
		if err != nil {
			results <- result{err: err}
			return
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		results <- result{string(b), err}
	}()
	<-came
	code := make(chan int)
	go func() { code <- p.Term() }()
	status := 0
	eventually(t, "it says that it is going down", func() bool { status = ready(); return status != http.StatusOK })
	close(answer)
	rule(t, "A6", status == http.StatusServiceUnavailable, "/readyz says %d while it drains", status)
	got := <-results
	rule(t, "A6", got.err == nil && got.text == "done", "a request under way got %q, %v", got.text, got.err)
	exit := <-code
	rule(t, "A6", exit == 0, "exit code %d after SIGTERM: %s", exit, p.Stderr.String())
}

func TestGoodbyeIsSaidToTheChat(t *testing.T) {
	p := launch(t, t.TempDir(), "-upstreams-port", "0", "-drain-timeout", "1s")
	conn := dial(t, p)
	hears(t, "hello", conn, conn)
	if runtime.GOOS == "windows" {
		return
	}
	code := make(chan int)
	go func() { code <- p.Term() }()
	_, _, err := conn.Read(t.Context())
	rule(t, "A6", websocket.CloseStatus(err) == websocket.StatusGoingAway, "who is in the chat hears %v", err)
	exit := <-code
	rule(t, "A6", exit == 0, "exit code %d after SIGTERM: %s", exit, p.Stderr.String())
}

func TestASecondInstanceIsRefused(t *testing.T) {
	p := launch(t, t.TempDir(), "-upstreams-port", "0")
	for _, args := range [][]string{{"-address", p.clients}, {"-support-listener", p.support}, {"-upstreams-port", p.shop1[strings.LastIndex(p.shop1, ":")+1:]}} {
		out, err := command(t.TempDir(), append([]string{"-upstreams-port", "0"}, args...)...).CombinedOutput()
		rule(t, "A5", err != nil, "a second instance with %v has started", args)
		rule(t, "A5", strings.Contains(string(out), args[0]), "it is not said which address is taken: %s", out)
	}
}

func TestWhatSomebodyHasWrittenStays(t *testing.T) {
	dir := t.TempDir()
	launch(t, dir, "-upstreams-port", "0").Kill()
	file := filepath.Join(dir, "apigateway-data", "routes.eskip")
	mine := `mine: * -> inlineContent("mine") -> <shunt>;`
	require.NoError(t, os.WriteFile(file, []byte(mine), 0o644))
	p := launch(t, dir, "-upstreams-port", "0")
	_, text := do(t, "GET http://"+p.clients+"/", "")
	rule(t, "A4", text == "mine", "the file was written over: %s", text)
}

func TestTheServerTakesTLSAndHTTP2(t *testing.T) {
	dir := t.TempDir()
	pool := writeCertificate(t, dir)
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- cli(ctx, []string{"-address", "127.0.0.1:0", "-support-listener", "127.0.0.1:0", "-upstreams-port", "-1", "-access-log-disabled",
			"-application-log-level", "error", "-routes-file", filepath.Join(dir, "r.eskip"),
			"-tls-cert", filepath.Join(dir, "cert.pem"), "-tls-key", filepath.Join(dir, "key.pem")}, w, io.Discard)
		w.Close()
	}()
	url := ""
	for lines := bufio.NewScanner(r); lines.Scan() && url == ""; {
		if u, ok := strings.CutPrefix(lines.Text(), "listening for clients on "); ok {
			url = u
			break
		}
	}
	require.Contains(t, url, "https://")
	c := tlsClient(pool)
	answer, err := c.Get(url)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, "HTTP/2.0 200", fmt.Sprintf("%s %d", answer.Proto, answer.StatusCode))
	c.CloseIdleConnections()
	stop()
	go io.Copy(io.Discard, r)
	require.Equal(t, 0, <-code)
}

func TestWhatCannotWorkIsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-address", "here"}, {"-support-listener", "9911"}, {"-routes-file", ""}, {"-source-poll-timeout", "0s"}, {"-tls-cert", "a.pem"},
		{"-tls-cert", "a.pem,b.pem", "-tls-key", "a.key"}, {"-tls-client-ca", "ca.pem"}, {"-drain-timeout", "0s"}, {"-upstreams-port", "-2"},
		{"-upstreams-port", "65533"}, {"-trusted-proxies", "10.0.0.1"}, {"-proxy-protocol", "all"}, {"-application-log-level", "loud"},
		{"extra"}, {"-unknown"}, {"check"}, {"check", "a", "b"}, {"explain", "routes.eskip"}, {"print"}, {"explain", "routes.eskip", "GET"},
		{"explain", "routes.eskip", "GET /", "no field"}, {"explain", write(t, firstRoutes[:strings.Index(firstRoutes, "library:")]), "GET /a%00b"},
	} {
		var stderr bytes.Buffer
		code := cli(t.Context(), args, io.Discard, &stderr)
		rule(t, "A1", code == 2, "%q: exit code %d, %s", args, code, stderr.String())
	}
	for _, args := range [][]string{{"-h"}, {"check", "-h"}} {
		require.Equal(t, 0, cli(t.Context(), args, io.Discard, io.Discard))
	}
	for _, args := range [][]string{{"check", "nowhere.eskip"}, {"-routes-file", "nowhere.eskip", "-address", "127.0.0.1:0", "-support-listener", "127.0.0.1:0", "-upstreams-port", "-1"}} {
		require.Equal(t, 1, cli(t.Context(), args, io.Discard, io.Discard), "%q", args)
	}
}
