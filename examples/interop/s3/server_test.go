package s3_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const accessKey, secretKey = "interop-key", "interop-secret"

var binary string // of the server

func TestMain(m *testing.M) {
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "interop-s3")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "objectstore")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	out, err := exec.Command("go", "build", "-C", filepath.Join("..", "..", ".."), "-o", binary, "./examples/objectstore").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "building the server: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// server is a process.
type server struct {
	t      testing.TB
	cmd    *exec.Cmd
	addr   string // host:port
	drives []string
	stderr bytes.Buffer
}

// start starts a server over 8 directories.
func start(t testing.TB, flags ...string) *server {
	s := &server{t: t}
	root := t.TempDir()
	for i := range 8 {
		s.drives = append(s.drives, filepath.Join(root, fmt.Sprintf("drive%d", i+1)))
	}
	s.cmd = exec.Command(binary, append(append([]string{"--address", "127.0.0.1:0"}, flags...), filepath.Join(root, "drive{1...8}"))...)
	s.cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey)
	s.cmd.Stderr = &s.stderr
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(s.stop)
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if addr, ok := strings.CutPrefix(lines.Text(), "listening for S3 on http://"); ok {
			s.addr = addr
			return s
		}
	}
	s.cmd.Wait()
	require.FailNow(t, "the server did not start", "%s", &s.stderr)
	return nil
}

// stop ends the server, which must be willing to.
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
		s.t.Logf("the server says:\n%s", &s.stderr)
		if code != 0 {
			s.t.Errorf("the server exits with %d", code)
		}
	}
}

// lose takes drives away at once, with all that is on them.
func (s *server) lose(places ...int) (err error) {
	for _, i := range places {
		gone := s.drives[i] + ".gone"
		err = errors.Join(err, os.Rename(s.drives[i], gone), os.RemoveAll(gone))
	}
	return err
}

// heal puts empty drives where some are lost, and runs the command, to its end.
func (s *server) heal() string {
	for _, dir := range s.drives {
		require.NoError(s.t, os.MkdirAll(dir, 0o755))
	}
	cmd := exec.Command(binary, "heal", "--address", s.addr)
	cmd.Env = s.cmd.Env
	out, err := cmd.CombinedOutput()
	require.NoError(s.t, err, "%s", out)
	return string(out)
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

// run runs a program with variables, and returns what it printed, but for what it
// said about it.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, "%s %q:\n%s%s", name, args, out, &stderr)
	return string(out)
}

// content is bytes by a seed.
func content(seed uint64, size int) []byte {
	b := make([]byte, size)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := 0; i < len(b); i += 8 {
		v := r.Uint64()
		for j := i; j < min(i+8, len(b)); j++ {
			b[j] = byte(v >> (8 * (j - i)))
		}
	}
	return b
}

// plainGet fetches a URL that needs no signature of its own.
func plainGet(t *testing.T, url string) (int, []byte) {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	r, err := client.Get(url)
	require.NoError(t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	return r.StatusCode, b
}
