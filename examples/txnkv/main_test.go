package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/internal/child"
)

var kills = flag.Int("kills", 2, "how often TestAcknowledgedCommitsSurviveKills kills its child")

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
	t              *testing.T
	clients, pages string
}

func command(dir string, args ...string) *exec.Cmd {
	return child.Command(append([]string{"--store", dir, "--listen-addr", "127.0.0.1:0", "--http-addr", "127.0.0.1:0", "--tick", "20ms"}, args...)...)
}

// launch starts a process and waits until it listens.
func launch(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	c := &process{Process: child.Start(t, command(dir, args...)), t: t}
	c.Until(func(line string) (last bool) {
		if _, u, ok := strings.Cut(line, "/debug/pprof on "); ok {
			c.pages = u
		}
		c.clients, last = strings.CutPrefix(line, "listening for clients on ")
		return last
	})
	return c
}

var client = &http.Client{Timeout: time.Minute}

func do(method, url, body string) (int, string, error) {
	q, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r, err := client.Do(q)
	if err != nil {
		return 0, "", err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return r.StatusCode, string(b), err
}

// ok makes a call that must succeed, and returns its answer.
func (c *process) ok(call, body string) map[string]any {
	c.t.Helper()
	status, text, err := do("POST", c.clients+"/v1/"+call, body)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, status, "%s %s: %s", call, body, text)
	var v map[string]any
	require.NoError(c.t, json.Unmarshal([]byte(text), &v))
	return v
}

// What was answered with success is there after the process was killed, as often as one
// likes, whole; -kills=100 is the long form.
func TestAcknowledgedCommitsSurviveKills(t *testing.T) {
	for _, clock := range []string{"tso", "hlc"} {
		t.Run("clock="+clock, func(t *testing.T) {
			dir := t.TempDir()
			var mu sync.Mutex
			var acked []string
			for round := range *kills {
				c := launch(t, dir, "--clock", clock)
				if round == 0 {
					status, text, err := do("POST", c.pages+"/admin/split?key=m", "")
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, status, text)
				}
				var clients sync.WaitGroup
				progress := make(chan struct{}, 1)
				for i := range 4 {
					clients.Go(func() {
						for n := 0; ; n++ {
							name := fmt.Sprintf("%d-%d-%d", round, i, n)
							if !transfer(c.clients, name) {
								return
							}
							mu.Lock()
							acked = append(acked, name)
							mu.Unlock()
							select {
							case progress <- struct{}{}:
							default:
							}
						}
					})
				}
				for range 30 {
					<-progress
				}
				c.Kill()
				clients.Wait()
			}
			c := launch(t, dir, "--clock", clock)
			for _, name := range acked {
				for _, key := range []string{"a", "z"} { // in two ranges
					v := c.ok("get", fmt.Sprintf(`{"key":"%s/%s"}`, key, name))
					rule(t, "P2", v["found"] == true, "%s/%s was acknowledged, and is not there after a kill", key, name)
				}
			}
			a, z := c.ok("scan", `{"start":"a/","end":"a0","limit":10000}`), c.ok("scan", `{"start":"z/","end":"z0","limit":10000}`)
			rule(t, "P2", len(a["pairs"].([]any)) == len(z["pairs"].([]any)), "transactions are there in part: %v keys and %v", len(a["pairs"].([]any)), len(z["pairs"].([]any)))
			rule(t, "P3", c.Term() == 0, "exit code %d after SIGTERM", c.Cmd.ProcessState.ExitCode())
		})
	}
}

// transfer writes two keys in a transaction of several calls.
func transfer(url, name string) bool {
	call := func(path, body string) (string, bool) {
		status, text, err := do("POST", url+"/v1/"+path, body)
		return text, err == nil && status == http.StatusOK
	}
	text, ok := call("begin", `{}`)
	if !ok {
		return false
	}
	var begun struct{ Txn string }
	json.Unmarshal([]byte(text), &begun)
	for _, key := range []string{"a", "z"} {
		if _, ok := call("put", fmt.Sprintf(`{"txn":%q,"key":"%s/%s","value":"1"}`, begun.Txn, key, name)); !ok {
			return false
		}
	}
	_, ok = call("commit", fmt.Sprintf(`{"txn":%q}`, begun.Txn))
	return ok
}

func TestASecondProcessIsRefusedAndASignalIsSuccess(t *testing.T) {
	dir := t.TempDir()
	c := launch(t, dir)
	out, err := command(dir).CombinedOutput()
	rule(t, "P2", err != nil, "a second process opened the directory")
	require.Contains(t, string(out), "in use by another process")
	c.ok("begin", `{}`) // and is left open
	rule(t, "P3", c.Term() == 0, "exit code %d after SIGTERM: %s", c.Cmd.ProcessState.ExitCode(), c.Stderr.String())
	out, err = command(dir, "--clock", "hlc").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "neither can change")
	require.NoError(t, os.WriteFile(dir+"/FORMAT", []byte("txnkv 9: 3 nodes, clock tso\n"), 0o644))
	out, err = command(dir).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "has format 9, and this program knows 1")
}

func TestOperatorsSeeAndDoWhatTheySay(t *testing.T) {
	c := launch(t, t.TempDir())
	get := func(path string) (int, string) {
		status, text, err := do("GET", c.pages+path, "")
		require.NoError(t, err)
		return status, text
	}
	admin := func(path string) (int, string) {
		status, text, err := do("POST", c.pages+"/admin/"+path, "")
		require.NoError(t, err)
		return status, text
	}
	status, _, err := do("POST", c.clients+"/admin/nodes/1/stop", "")
	require.NoError(t, err)
	rule(t, "P4", status == 404, "clients may stop nodes: %d", status)
	c.ok("put", `{"key":"a","value":"1"}`)
	_, text := admin("split?key=m")
	require.Contains(t, text, `"m"`)
	status, text = admin("nodes/2/stop")
	require.Equal(t, 200, status, text)
	_, text = get("/metrics")
	rule(t, "P5", strings.Contains(text, `txnkv_node_up{node="2"} 0`), "node 2 is down, and the metrics say %s", text)
	status, text = admin("nodes/2/stop")
	require.Equal(t, 400, status, text)
	status, text = admin("nodes/3/stop")
	require.Equal(t, 200, status, text)
	status, text = get("/health")
	rule(t, "P5", status == 503, "one node of three runs, and /health says %d %s", status, text)
	for _, n := range []string{"2", "3"} {
		status, text = admin("nodes/" + n + "/start")
		require.Equal(t, 200, status, text)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		if status, text = get("/health"); status == 200 {
			break
		}
		require.True(t, time.Now().Before(deadline), text)
		runtime.Gosched()
	}
	require.Equal(t, "1", c.ok("get", `{"key":"a"}`)["value"])
	status, text = admin("ranges/1/move?to=3")
	require.Equal(t, 200, status, text)
	_, text = get("/status")
	var s struct {
		Cluster struct {
			Ranges []struct{ ID, Leader int }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	require.Equal(t, 2, len(s.Cluster.Ranges))
	require.Equal(t, 3, s.Cluster.Ranges[0].Leader)
	for path, want := range map[string]int{"nodes/x/stop": 400, "nodes/9/stop": 404, "nodes/1/explode": 400, "ranges/99/move?to=1": 404, "ranges/1/move?to=8": 404, "split?key=": 400} {
		status, text = admin(path)
		require.Equal(t, want, status, "%s: %s", path, text)
	}
	status, _ = get("/")
	require.Equal(t, 200, status)
	status, _ = get("/debug/pprof/cmdline")
	require.Equal(t, 200, status)
}

func TestFlagsThatCannotWorkAreRefused(t *testing.T) {
	for _, args := range [][]string{
		{"--clock", "sundial"}, {"--nodes", "0"}, {"--nodes", "10"}, {"--listen-addr", "here"}, {"--http-addr", ""}, {"--store", ""},
		{"--range-max-bytes", "1"}, {"--max-offset", "0s"}, {"--tick", "1h"}, {"--gc-ttl", "1ms"}, {"--idle-timeout", "0s"},
		{"--max-transactions", "0"}, {"--log-level", "loud"}, {"extra"}, {"--unknown"},
	} {
		var stderr bytes.Buffer
		code := cli(context.Background(), args, io.Discard, &stderr)
		rule(t, "P1", code == 2, "%v: exit code %d, %s", args, code, stderr.String())
	}
	require.Equal(t, 0, cli(context.Background(), []string{"-h"}, io.Discard, io.Discard))
}
