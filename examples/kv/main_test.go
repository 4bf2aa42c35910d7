package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var kills = flag.Int("kills", 4, "how often TestAcknowledgedWritesSurviveKills kills its child")

// childEnv makes this test binary the command itself.
const childEnv = "FLAGSHIP_KV_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		os.Exit(cli(ctx, os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// child is a process that runs the command.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	stderr bytes.Buffer
}

// launch starts a child and waits until it listens.
func launch(t *testing.T, args ...string) *child {
	c := &child{t: t, cmd: exec.Command(os.Args[0], append(args, "-heartbeat-interval=20", "-election-timeout=200")...)}
	c.cmd.Env = append(os.Environ(), childEnv+"=1")
	c.cmd.Stderr = &c.stderr
	out, err := c.cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.cmd.Start())
	t.Cleanup(func() { c.kill() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if u, ok := strings.CutPrefix(lines.Text(), "listening for clients on "); ok {
			c.url = u
		}
		if strings.Contains(lines.Text(), "/v3/watch") { // the last line
			return c
		}
	}
	c.cmd.Wait()
	require.Fail(t, "the child did not start", "%s", c.stderr.String())
	return nil
}

func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		c.cmd.Process.Kill()
		c.cmd.Wait()
	}
}

// term asks the child to end, and returns its exit code.
func (c *child) term() int {
	if runtime.GOOS == "windows" { // knows no SIGTERM
		c.kill()
		return 0
	}
	require.NoError(c.t, c.cmd.Process.Signal(syscall.SIGTERM))
	c.cmd.Wait()
	return c.cmd.ProcessState.ExitCode()
}

var client = &http.Client{Timeout: 20 * time.Second}

func post(url, path, body string) (int, string, error) {
	r, err := client.Post(url+path, "application/json", strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(b), err
}

// ok posts until it succeeds, for half a minute.
func ok(t *testing.T, url, path, body string) string {
	var last string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		status, answer, err := post(url, path, body)
		if err == nil && status == http.StatusOK {
			return answer
		}
		last = fmt.Sprint(status, answer, err)
		runtime.Gosched()
	}
	require.Fail(t, "no success", "%s %s: %s", path, body, last)
	return ""
}

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// Whatever was answered with success is there after the process was killed, as
// often as one likes; -kills=100 is the long form.
func TestAcknowledgedWritesSurviveKills(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range *kills {
		c := launch(t, "-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0", "-snapshot-count", "50")
		ok(t, c.url, "/v3/kv/put", `{"key":"`+b64("ready")+`"}`)
		requireKeys(t, c.url, acked)

		// Four writers write until the process is gone, which happens while they do.
		last := 20 + rand.IntN(200)
		var mu sync.Mutex
		var writers sync.WaitGroup
		n := 0
		for w := range 4 {
			writers.Go(func() {
				for i := 0; ; i++ {
					key := fmt.Sprintf("k/%d/%d/%d", round, w, i)
					status, answer, err := post(c.url, "/v3/kv/put", `{"key":"`+b64(key)+`","value":"`+b64(key)+`"}`)
					if err != nil {
						return
					}
					if status != http.StatusOK {
						t.Errorf("%s: %s", key, answer)
						return
					}
					mu.Lock()
					acked[key] = true
					if n++; n == last {
						c.cmd.Process.Kill()
					}
					mu.Unlock()
				}
			})
		}
		writers.Wait()
		c.kill()
	}
	c := launch(t, "-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0")
	requireKeys(t, c.url, acked)
	require.Zero(t, c.term(), c.stderr.String())
}

func requireKeys(t *testing.T, url string, acked map[string]bool) {
	var r struct {
		Kvs []struct{ Key, Value []byte }
	}
	require.NoError(t, json.Unmarshal([]byte(ok(t, url, "/v3/kv/range", `{"key":"`+b64("k/")+`","range_end":"`+b64("k0")+`"}`)), &r))
	there := map[string]string{}
	for _, kv := range r.Kvs {
		there[string(kv.Key)] = string(kv.Value)
	}
	for key := range acked {
		require.Equal(t, key, there[key], "acknowledged and lost")
	}
}

func TestSecondInstanceOnADirectoryIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	c := launch(t, "-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0")
	var stderr bytes.Buffer
	code := cli(t.Context(), []string{"-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0"}, io.Discard, &stderr)
	require.Equal(t, 1, code)
	require.Contains(t, stderr.String(), "data directory "+dir+" is in use by another process")
	require.Zero(t, c.term(), c.stderr.String())
}

func TestDirectoryOfANewerBuildOrAnotherMemberIsRefusedByName(t *testing.T) {
	args := func(dir, name string) []string {
		return []string{"-name", name, "-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0",
			"-listen-peer-urls", "http://127.0.0.1:0", "-initial-cluster", name + "=http://127.0.0.1:0"}
	}
	dir := t.TempDir()
	c := launch(t, args(dir, "a")...)
	ok(t, c.url, "/v3/kv/put", `{"key":"YQ=="}`)
	require.Zero(t, c.term(), c.stderr.String())
	var stderr bytes.Buffer
	require.Equal(t, 1, cli(t.Context(), args(dir, "b"), io.Discard, &stderr))
	require.Contains(t, stderr.String(), `directory of member "a", not of "b"`)
	file := filepath.Join(dir, identityFile)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(b, []byte(`"Version": 1`), []byte(`"Version": 2`), 1), 0o600))
	stderr.Reset()
	require.Equal(t, 1, cli(t.Context(), args(dir, "a"), io.Discard, &stderr))
	require.Contains(t, stderr.String(), file+" is of format 2, written by a newer build")

	// Neither is one member's directory taken for that of three, nor the reverse.
	three := []string{"-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0"}
	stderr.Reset()
	require.Equal(t, 1, cli(t.Context(), three, io.Discard, &stderr))
	require.Contains(t, stderr.String(), dir+" is the directory of one member")
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, firstOfThree), 0o700))
	stderr.Reset()
	require.Equal(t, 1, cli(t.Context(), args(dir, "a"), io.Discard, &stderr))
	require.Contains(t, stderr.String(), dir+" holds the three members of one process")
}

// Three processes; one is killed and loses its directory; it is removed, a
// fresh one is added as learner, started, promoted; all end well.
func TestProcessThatLostItsDirectoryIsReplaced(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs addresses 127.x.y.z of its own, which only Linux gives without asking")
	}
	dir := t.TempDir()
	ip := fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	peerURL := func(i int) string { return fmt.Sprintf("http://%s:2380%d", ip, i) }
	cluster := fmt.Sprintf("m1=%s,m2=%s,m3=%s", peerURL(1), peerURL(2), peerURL(3))
	member := func(i int, cluster string, more ...string) *child {
		return launch(t, append([]string{"-name", fmt.Sprintf("m%d", i), "-data-dir", filepath.Join(dir, fmt.Sprint(i)),
			"-listen-client-urls", fmt.Sprintf("http://%s:2379%d", ip, i), "-listen-peer-urls", peerURL(i), "-initial-cluster", cluster}, more...)...)
	}
	c := []*child{member(1, cluster), member(2, cluster), member(3, cluster)}
	for i, m := range c {
		ok(t, m.url, "/v3/kv/put", `{"key":"`+b64(fmt.Sprint(i))+`"}`)
	}
	var list struct {
		Members []struct {
			ID   uint64 `json:",string"`
			Name string
		}
		Member struct {
			ID uint64 `json:",string"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(ok(t, c[1].url, "/v3/cluster/member/list", `{"linearizable":true}`)), &list))
	require.Len(t, list.Members, 3)
	c[0].kill()
	for _, m := range list.Members {
		if m.Name == "m1" || m.Name == "" {
			ok(t, c[1].url, "/v3/cluster/member/remove", fmt.Sprintf(`{"ID":"%d"}`, m.ID))
		}
	}
	require.NoError(t, json.Unmarshal([]byte(ok(t, c[1].url, "/v3/cluster/member/add", `{"peerURLs":["`+peerURL(4)+`"],"isLearner":true}`)), &list))
	fresh := member(4, cluster+",m4="+peerURL(4), "-initial-cluster-state", "existing")
	ok(t, c[2].url, "/v3/cluster/member/promote", fmt.Sprintf(`{"ID":"%d"}`, list.Member.ID))
	require.Contains(t, ok(t, fresh.url, "/v3/kv/range", `{"key":"AA==","range_end":"AA==","count_only":true}`), `"count":"3"`)
	// It is one of three now: with another killed there is a majority still.
	c[1].kill()
	ok(t, fresh.url, "/v3/kv/put", `{"key":"YQ=="}`)
	// And it knows who it is when it comes again.
	require.Zero(t, fresh.term(), fresh.stderr.String())
	fresh = member(4, cluster+",m4="+peerURL(4), "-initial-cluster-state", "existing")
	require.Contains(t, ok(t, fresh.url, "/v3/kv/range", `{"key":"YQ=="}`), `"count":"1"`)
	require.Zero(t, c[2].term(), c[2].stderr.String())
	require.Zero(t, fresh.term(), fresh.stderr.String())
}
