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
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/internal/child"
)

var kills = flag.Int("kills", 3, "how often TestAcknowledgedWritesSurviveKills kills its child, on either storage")

func TestMain(m *testing.M) {
	roomForSyncs()
	child.Main(cli)
	os.Exit(m.Run())
}

// process is the command, running.
type process struct {
	*child.Process
	url string
}

// launch starts a process and waits until it listens.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	c := &process{Process: child.Start(t, child.Command(append(args, "-heartbeat-interval=20", "-election-timeout=200")...))}
	c.Until(func(line string) bool {
		if u, ok := strings.CutPrefix(line, "listening for clients on "); ok {
			c.url = u
		}
		return strings.Contains(line, "/v3/watch") // the last line
	})
	return c
}

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
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
	for _, storage := range []string{storageLSM, storageMemory} {
		t.Run("storage="+storage, func(t *testing.T) { surviveKills(t, storage) })
	}
}

func surviveKills(t *testing.T, storage string) {
	dir := t.TempDir()
	acked := map[string]bool{}
	for round := range *kills {
		c := launch(t, "-data-dir", dir, "-storage", storage, "-listen-client-urls", "http://127.0.0.1:0", "-snapshot-count", "50")
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
						c.Cmd.Process.Kill()
					}
					mu.Unlock()
				}
			})
		}
		writers.Wait()
		c.Kill()
	}
	c := launch(t, "-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0")
	requireKeys(t, c.url, acked)
	t.Logf("%d kills, %d writes acknowledged, all there", *kills, len(acked))
	require.Zero(t, c.Term(), c.Stderr.String())
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
		rule(t, "F3", there[key] == key, "%s was acknowledged, and is lost", key)
	}
}

func TestSecondInstanceOnADirectoryIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	c := launch(t, "-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0")
	refused(t, []string{"-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0"}, "data directory "+dir+" is in use by another process")
	require.Zero(t, c.Term(), c.Stderr.String())
}

// refused starts a server that must not start.
func refused(t *testing.T, args []string, why string) {
	t.Helper()
	// One that starts nevertheless is told to end.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var stderr bytes.Buffer
	code := cli(ctx, args, io.Discard, &stderr)
	rule(t, "F2", code == 1 && strings.Contains(stderr.String(), why), "exit %d, without a word of: %s: %s", code, why, stderr.String())
}

func TestDirectoryOfANewerBuildOrAnotherMemberIsRefusedByName(t *testing.T) {
	args := func(dir, name string) []string {
		return []string{"-name", name, "-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0",
			"-listen-peer-urls", "http://127.0.0.1:0", "-initial-cluster", name + "=http://127.0.0.1:0"}
	}
	dir := t.TempDir()
	c := launch(t, args(dir, "a")...)
	ok(t, c.url, "/v3/kv/put", `{"key":"YQ=="}`)
	require.Zero(t, c.Term(), c.Stderr.String())
	refused(t, args(dir, "b"), `directory of member "a", not of "b"`)
	file := filepath.Join(dir, identityFile)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bytes.Replace(b, []byte(`"Version": 1`), []byte(`"Version": 2`), 1), 0o600))
	refused(t, args(dir, "a"), file+" is of format 2, written by a newer build")

	// Neither is one member's directory taken for that of three, nor the reverse.
	three := []string{"-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0"}
	refused(t, three, dir+" is the directory of one member")
	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, firstOfThree), 0o700))
	refused(t, args(dir, "a"), dir+" holds the three members of one process")
}

// A directory is of one kind of storage, and says so; without a flag it is opened
// as what it is.
func TestDirectoryOfAnotherStorageIsRefusedByName(t *testing.T) {
	for _, kinds := range [][2]string{{storageLSM, storageMemory}, {storageMemory, storageLSM}} {
		dir := t.TempDir()
		args := func(more ...string) []string {
			return append([]string{"-name", "a", "-data-dir", dir, "-listen-client-urls", "http://127.0.0.1:0",
				"-listen-peer-urls", "http://127.0.0.1:0", "-initial-cluster", "a=http://127.0.0.1:0"}, more...)
		}
		c := launch(t, args("-storage", kinds[0])...)
		ok(t, c.url, "/v3/kv/put", `{"key":"YQ=="}`)
		require.Zero(t, c.Term(), c.Stderr.String())
		refused(t, args("-storage", kinds[1]), "is of a member with --storage="+kinds[0])
		c = launch(t, args()...)
		require.Contains(t, ok(t, c.url, "/v3/kv/range", `{"key":"YQ=="}`), `"count":"1"`)
		require.Zero(t, c.Term(), c.Stderr.String())
		if kinds[0] == storageLSM {
			file := filepath.Join(dir, "raft", storeDir, "STORE")
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(file, bytes.Replace(b, []byte("store 1"), []byte("store 2"), 1), 0o600))
			refused(t, args(), file+" is of format 2")
		}
	}
}

// A signal ends the streams with a word, and the process with 0, soon.
func TestSignalEndsItWellAndTellsItsStreams(t *testing.T) {
	c := launch(t, "-data-dir", t.TempDir(), "-listen-client-urls", "http://127.0.0.1:0")
	r, err := client.Post(c.url+"/v3/watch", "", strings.NewReader(`{"create_request":{"key":"YQ=="}}`))
	require.NoError(t, err)
	defer r.Body.Close()
	answers := bufio.NewScanner(r.Body)
	require.True(t, answers.Scan(), "created")
	ok(t, c.url, "/v3/kv/put", `{"key":"YQ=="}`)
	require.True(t, answers.Scan(), "the put")
	if runtime.GOOS == "windows" {
		t.Skip("Windows knows no SIGTERM")
	}
	began := time.Now()
	code := c.Term()
	rule(t, "F4", code == 0, "exit %d: %s", code, c.Stderr.String())
	rule(t, "F4", time.Since(began) < drainTimeout, "a watch held the end up")
	answers.Scan()
	rule(t, "F4", strings.Contains(answers.Text(), "etcdserver: server stopped"), "a watch is told %s", answers.Text())
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
	args := func(i int, dir, cluster string) []string {
		return []string{"-name", fmt.Sprintf("m%d", i), "-data-dir", dir,
			"-listen-client-urls", fmt.Sprintf("http://%s:2379%d", ip, i), "-listen-peer-urls", peerURL(i), "-initial-cluster", cluster}
	}
	member := func(i int, cluster string, more ...string) *process {
		return launch(t, append(args(i, filepath.Join(dir, fmt.Sprint(i)), cluster), more...)...)
	}
	c := []*process{member(1, cluster), member(2, cluster), member(3, cluster)}
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
	// By then all have told the others where they serve clients, which is how one
	// that was running is known.
	members := ""
	for deadline := time.Now().Add(30 * time.Second); strings.Count(members, "clientURLs") < 3 && time.Now().Before(deadline); {
		members = ok(t, c[1].url, "/v3/cluster/member/list", `{"linearizable":true}`)
	}
	ok(t, c[2].url, "/v3/cluster/member/list", `{"linearizable":true}`) // it knows as well
	require.NoError(t, json.Unmarshal([]byte(members), &list))
	require.Len(t, list.Members, 3)
	c[0].Kill()
	// It cannot come back with an empty directory, under the ID that has voted.
	var stderr bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	code := cli(ctx, args(1, filepath.Join(dir, "empty"), cluster), io.Discard, &stderr)
	rule(t, "F5", code == 1 && strings.Contains(stderr.String(), "has already been bootstrapped"), "exit %d: %s", code, stderr.String())
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
	c[1].Kill()
	ok(t, fresh.url, "/v3/kv/put", `{"key":"YQ=="}`)
	// And it knows who it is when it comes again.
	require.Zero(t, fresh.Term(), fresh.Stderr.String())
	fresh = member(4, cluster+",m4="+peerURL(4), "-initial-cluster-state", "existing")
	require.Contains(t, ok(t, fresh.url, "/v3/kv/range", `{"key":"YQ=="}`), `"count":"1"`)
	require.Zero(t, c[2].Term(), c[2].Stderr.String())
	require.Zero(t, fresh.Term(), fresh.Stderr.String())
}
