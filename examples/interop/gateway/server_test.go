package gateway_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var binary string // of the gateway

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "interop-gateway")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "apigateway")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	out, err := exec.Command("go", "build", "-C", filepath.Join("..", "..", ".."), "-o", binary, "./examples/apigateway").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "building the gateway: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// server is the gateway, a process.
type server struct {
	t                     testing.TB
	cmd                   *exec.Cmd
	dir                   string
	address, support      string // host:port
	shop1, library, rooms string // of its own upstreams
	stderr                bytes.Buffer
}

// start starts a gateway, in a directory of its own. Routes "" are those that it writes itself.
func start(t testing.TB, routes string, flags ...string) *server {
	s := &server{t: t, dir: t.TempDir()}
	args := []string{"-address", "127.0.0.1:0", "-support-listener", "127.0.0.1:0", "-upstreams-port", "0", "-access-log-disabled",
		"-drain-timeout", "5s", "-source-poll-timeout", "20ms"}
	if routes != "" {
		s.write("routes.eskip", routes)
		args = append(args, "-routes-file", "routes.eskip")
	}
	s.cmd = exec.Command(binary, append(args, flags...)...)
	s.cmd.Dir, s.cmd.Stderr = s.dir, &s.stderr
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(s.stop)
	upstreams := regexp.MustCompile(`shop 1 on (\S+), .* library \(gRPC\) on (\S+), chat \(WebSocket\) on (\S+)`)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if m := upstreams.FindStringSubmatch(lines.Text()); m != nil {
			s.shop1, s.library, s.rooms = m[1], m[2], m[3]
		}
		if _, a, ok := strings.Cut(lines.Text(), "/debug/pprof on http://"); ok {
			s.support = a
		}
		if _, a, ok := strings.Cut(lines.Text(), "listening for clients on "); ok {
			_, s.address, _ = strings.Cut(a, "://")
			return s
		}
	}
	s.cmd.Wait()
	require.FailNow(t, "the gateway did not start", "%s", &s.stderr)
	return nil
}

// write writes a file as editors do: nobody sees half of it.
func (s *server) write(name, text string) {
	path := filepath.Join(s.dir, name)
	require.NoError(s.t, os.WriteFile(path+".new", []byte(text), 0o644))
	require.NoError(s.t, os.Rename(path+".new", path))
}

// stop ends the gateway, which must be willing to.
func (s *server) stop() {
	if s.cmd.ProcessState != nil {
		return
	}
	if runtime.GOOS == "windows" { // knows no SIGTERM
		s.cmd.Process.Kill()
		s.cmd.Wait()
		return
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	s.cmd.Wait()
	if code := s.cmd.ProcessState.ExitCode(); code != 0 || s.t.Failed() {
		s.t.Logf("the gateway says:\n%s", &s.stderr)
		if code != 0 {
			s.t.Errorf("the gateway exits with %d", code)
		}
	}
}

// program finds a program that may be missing.
func program(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("INTEROP_REQUIRE") != "" {
		require.FailNow(t, name+" is not installed, and INTEROP_REQUIRE is set")
	}
	t.Skipf("%s is not installed: %v", name, err)
	return ""
}

// run runs a program, and returns what it printed, but for what it said about it.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %q:\n%s%s", name, args, out, &stderr)
	return string(out)
}

var client = &http.Client{Timeout: time.Minute}

// do makes a request, METHOD URL, and returns status and body.
func do(t *testing.T, request, body string, header ...string) (int, string) {
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
	return r.StatusCode, string(b)
}

// eventually asks again until it is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !is(); <-tick.C {
		require.True(t, time.Now().Before(deadline), what)
	}
}
