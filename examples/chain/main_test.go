package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/examples/chain/rpc"
	"github.com/flagship-go/flagship/examples/internal/child"
	"github.com/stretchr/testify/require"
)

var kills = flag.Int("kills", 1, "how often TestAKilledValidatorComesBack kills its child")

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

// process is the command, running, with the RPC of its nodes.
type process struct {
	*child.Process
	t     *testing.T
	rpc   []string
	peers []string
	admin string
}

// launch starts a process with ports of its own choice, and waits until it is ready.
func launch(t *testing.T, home string, args ...string) *process {
	t.Helper()
	p := &process{t: t}
	p.Process = child.Start(t, child.Command(append([]string{"start", "--home", home, "--rpc.laddr", "127.0.0.1:0", "--admin.laddr", "127.0.0.1:0",
		"--consensus.create_empty_blocks=false", "--consensus.timeout_propose", "300ms"}, args...)...))
	p.Until(func(line string) bool {
		if _, rest, ok := strings.Cut(line, "  peers "); ok {
			peer, rpc, _ := strings.Cut(rest, "  RPC ")
			p.peers, p.rpc = append(p.peers, peer), append(p.rpc, rpc)
		}
		if _, url, ok := strings.Cut(line, "/debug/pprof on "); ok {
			p.admin = url
		}
		return line == "ready"
	})
	return p
}

// call makes a call of a node's RPC that must succeed.
func (p *process) call(node int, method string, params map[string]any, result any) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(p.t, (&rpc.Client{URL: p.rpc[node]}).Call(ctx, method, params, result), method)
}

type committed struct {
	Check  struct{ Code uint32 } `json:"check_tx"`
	Result struct{ Code uint32 } `json:"tx_result"`
	Height int64                 `json:"height,string"`
}

func (p *process) commit(node int, tx string) int64 {
	p.t.Helper()
	var c committed
	p.call(node, "broadcast_tx_commit", map[string]any{"tx": []byte(tx)}, &c)
	require.Zero(p.t, c.Check.Code)
	require.Zero(p.t, c.Result.Code)
	return c.Height
}

func (p *process) value(node int, name string) string {
	p.t.Helper()
	var a struct {
		Response struct{ Value []byte } `json:"response"`
	}
	p.call(node, "abci_query", map[string]any{"data": rpc.Hex(name)}, &a)
	return string(a.Response.Value)
}

// until waits for a node to have a value.
func (p *process) until(node int, name, value string) {
	p.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		if p.value(node, name) == value {
			return
		}
		rule(p.t, "P2", time.Now().Before(deadline), "the node has not got %s=%s in a minute", name, value)
		time.Sleep(20 * time.Millisecond) // another process's clock
	}
}

func (p *process) http(method, path string) (int, string) {
	p.t.Helper()
	q, err := http.NewRequest(method, p.admin+path, nil)
	require.NoError(p.t, err)
	r, err := http.DefaultClient.Do(q)
	require.NoError(p.t, err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(p.t, err)
	return r.StatusCode, string(body)
}

// local is a command in this process.
func local(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = cli(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

func TestFlagsThatCannotWorkAreRefused(t *testing.T) { // P1
	for _, c := range []struct{ args, says string }{
		{"--app other", "bank or kvstore"}, {"--v 0", "1 to 16"}, {"--rpc.laddr x", "host:port"}, {"--rpc.laddr unix:///x", "tcp://"},
		{"--p2p.persistent_peers x", "id@host:port"}, {"--log_level loud", "debug"}, {"--consensus.timeout_propose 0s", "1ms"}, {"--home=", "--home"},
		{"--nope", "nope"}, {"extra", "no command"}, {"start extra", "chain [start]"}, {"testnet --v 99", "1 to 16"}, {"testnet --app x", "bank or kvstore"},
		{"init --app x", "bank or kvstore"}, {"keys add", "NAME"}, {"keys show nobody --home /nowhere", "no key"}, {"keys add UPPER", "small letters"},
		{"tx send a b", "chain tx send"}, {"tx send nobody b 1gold --home /nowhere", "no key"}, {"query nothing", "chain query"}, {"query tx zz", "hexadecimal"},
	} {
		code, _, stderr := local(strings.Fields(c.args)...)
		rule(t, "P1", code == 2 && strings.Contains(stderr, c.says), "chain %s: exit code %d, and says %q", c.args, code, stderr)
	}
	for _, args := range []string{"-h", "testnet -h", "tx -h", "query -h", "keys -h"} {
		code, _, stderr := local(strings.Fields(args)...)
		rule(t, "P1", code == 0 && strings.Contains(stderr, "usage"), "chain %s: exit code %d, and says %q", args, code, stderr)
	}
}

func TestCoinsMoveByTheCommandLine(t *testing.T) {
	home := t.TempDir()
	p := launch(t, home, "--consensus.create_empty_blocks=true") // the first one is what accounts are asked of
	run := func(args ...string) string {
		t.Helper()
		code, stdout, stderr := local(append(args, "--home", home, "--node", p.rpc[1])...)
		require.Zero(t, code, stderr)
		return stdout
	}
	balance := func(name, denom string) (amount string) {
		var coins []struct{ Denom, Amount string }
		require.NoError(t, json.Unmarshal([]byte(run("query", "balance", name)), &coins))
		for _, c := range coins {
			if c.Denom == denom {
				amount = c.Amount
			}
		}
		return amount
	}
	require.Contains(t, run("tx", "send", "alice", "bob", "10gold"), "in block")
	require.Equal(t, "1000010", balance("bob", "gold"))
	code, stdout, _ := local("keys", "add", "carol", "--home", home)
	require.Zero(t, code)
	run("tx", "send", "bob", strings.TrimSpace(stdout), "1000005gold", "--fees", "1gold") // carol, by address
	require.Equal(t, "1000005", balance("carol", "gold"))
	require.Equal(t, "4", balance("bob", "gold"))
	run("tx", "send", "carol", "alice", "5gold")
	code, _, stderr := local("tx", "send", "bob", "alice", "5gold", "--home", home, "--node", p.rpc[0])
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "failed, code")
	run("tx", "delegate", "alice", "validator0", "5000000stake")
	require.Equal(t, "95000000", balance("alice", "stake"))
	run("tx", "send", "alice", "bob", "1gold") // two heights later the power counts
	run("tx", "send", "alice", "bob", "1gold")
	require.Contains(t, run("query", "validators"), `"voting_power": "15"`)
	code, stdout, _ = local("keys", "list", "--home", home)
	require.Zero(t, code)
	require.Contains(t, stdout, "carol")
	require.Contains(t, run("query", "status"), `"network": "chain-local"`)
	code, _, stderr = local("start", "--home", home, "--app", "kvstore", "--rpc.laddr", "127.0.0.1:0", "--admin.laddr", "127.0.0.1:0")
	rule(t, "P5", code == 2 && strings.Contains(stderr, "is of bank"), "a bank is started as kvstore: exit code %d, %q", code, stderr)
	rule(t, "P3", p.Term() == 0, "the exit code is %d: %s", p.Cmd.ProcessState.ExitCode(), &p.Stderr)
	p = launch(t, home) // and it is all there
	require.Equal(t, "1000000", balance("carol", "gold"))
}

func TestNodesAreStoppedAndStartedByTheOperator(t *testing.T) { // P4
	p := launch(t, t.TempDir(), "--app", "kvstore")
	code, body := p.http("GET", "/health")
	require.Equal(t, 200, code, body)
	p.commit(0, "a=1")
	code, body = p.http("POST", "/admin/nodes/3/stop")
	require.Equal(t, 200, code, body)
	code, _ = p.http("GET", "/health")
	require.Equal(t, 503, code)
	for i := range 4 {
		p.commit(i%3, fmt.Sprintf("b%d=2", i))
	}
	code, body = p.http("POST", "/admin/nodes/3/start")
	require.Equal(t, 200, code, body)
	p.until(3, "b3", "2")
	_, metrics := p.http("GET", "/metrics")
	require.Contains(t, metrics, `cometbft_consensus_validators{chain_id="chain-local",node="node3"} 4`)
	require.Contains(t, metrics, `chain_node_up{node="node3"} 1`)
	code, _ = p.http("GET", "/debug/pprof/cmdline")
	require.Equal(t, 200, code)
	code, _ = p.http("POST", "/admin/nodes/9/stop")
	require.Equal(t, 404, code)
	for _, call := range []string{"POST /admin/nodes/3/stop", "GET /metrics", "GET /debug/pprof/cmdline"} {
		method, path, _ := strings.Cut(call, " ")
		rule(t, "P4", status(t, method, p.rpc[0]+path, "") >= 400, "a client may %s", call)
	}
	rule(t, "P4", status(t, "POST", p.admin+"/admin/nodes/3/stop", "cross-site") == 403, "another site's page stops a node")
	code, _ = p.http("GET", "/health")
	require.Equal(t, 200, code)
}

// status is the code that a call answers, of a browser that shows a page of some site.
func status(t *testing.T, method, url, site string) int {
	q, err := http.NewRequest(method, url, nil)
	require.NoError(t, err)
	q.Header.Set("Sec-Fetch-Site", site)
	r, err := http.DefaultClient.Do(q)
	require.NoError(t, err)
	r.Body.Close()
	return r.StatusCode
}

func TestAHomeBelongsToOneProcess(t *testing.T) { // P2
	homes, nodes := startNet(t, 1)
	for range 2 {
		code, _, stderr := local("start", "--home", homes[0], "--rpc.laddr", "127.0.0.1:0", "--admin.laddr", "127.0.0.1:0")
		rule(t, "P2", code == 1 && strings.Contains(stderr, "locked"), "a second process has the home: exit code %d, %q", code, stderr)
	}
	nodes[0].commit(0, "a=1") // and the first one was not harmed
}

// startNet starts a process for each home of a net; they know each other's addresses once they listen.
// A disk that is full, or a kill, in the middle of making the homes: the next start must not take those that are finished for the net.
func TestANetThatWasMadeByHalfIsNone(t *testing.T) { // P2
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(fullnode.GenesisFile(nodeHome(dir, 1))+".new", "in the way"), 0o700))
	o := testnetOptions{dir: dir, chainID: "half", app: "kvstore", validators: 4}
	require.Error(t, makeNet(o))
	rule(t, "P2", !isHome(nodeHome(dir, 0)), "one of four is there, and would be started alone")
	require.ErrorContains(t, makeNet(o), "remove it")
}

func startNet(t *testing.T, n int) (homes []string, nodes []*process) {
	dir := t.TempDir()
	code, _, stderr := local("testnet", "--o", dir, "--v", fmt.Sprint(n), "--app", "kvstore", "--p2p.port", "1")
	require.Zero(t, code, stderr)
	for i := range n {
		homes = append(homes, nodeHome(dir, i))
		require.NoError(t, os.WriteFile(peersFile(homes[i]), nil, 0o600)) // ports are chosen by the system here
		nodes = append(nodes, join(t, homes[i], nodes))
	}
	return homes, nodes
}

// join starts the process of a home, with all others as its peers.
func join(t *testing.T, home string, others []*process) *process {
	var peers []string
	for _, p := range others {
		if p != nil {
			peers = append(peers, p.peers...)
		}
	}
	if len(peers) == 0 {
		return launch(t, home)
	}
	return launch(t, home, "--p2p.persistent_peers", strings.Join(peers, ","))
}

func TestAKilledValidatorComesBack(t *testing.T) { // P2
	homes, nodes := startNet(t, 4)
	height := nodes[0].commit(0, "before=1")
	for i, p := range nodes {
		p.until(0, "before", "1")
		code, _, stderr := local("start", "--home", homes[i], "--rpc.laddr", "127.0.0.1:0", "--admin.laddr", "127.0.0.1:0")
		rule(t, "P2", code == 1 && strings.Contains(stderr, "locked"), "a second process has the home: exit code %d, %q", code, stderr)
	}
	for k := range *kills {
		victim := 1 + k%3
		stop := make(chan struct{})
		var writing sync.WaitGroup
		writing.Go(func() { // it dies at work
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					nodes[0].commit(0, fmt.Sprintf("k%d-%d=x", k, i))
				}
			}
		})
		nodes[0].until(0, fmt.Sprintf("k%d-3", k), "x")
		nodes[victim].Kill()
		close(stop)
		writing.Wait()
		height = nodes[0].commit(0, fmt.Sprintf("without%d=1", k))
		nodes[victim] = nil
		nodes[victim] = join(t, homes[victim], nodes)
		nodes[victim].until(0, fmt.Sprintf("without%d", k), "1")
		rule(t, "P2", nodes[victim].value(0, "before") == "1", "what was committed before the kill is lost")
	}
	var here, there struct {
		ID json.RawMessage `json:"block_id"`
	}
	nodes[1].call(0, "block", map[string]any{"height": height}, &here)
	nodes[2].call(0, "block", map[string]any{"height": height}, &there)
	rule(t, "P2", string(here.ID) == string(there.ID), "block %d is %s here, and %s there", height, here.ID, there.ID)
	for i, p := range nodes {
		code := p.Term()
		rule(t, "P3", code == 0 || runtime.GOOS == "windows", "node %d ends with %d: %s", i, code, &p.Stderr)
	}
}

// A call is under way when the server asks for the rest of it. It has it, and the block that it waits for, after the signal.
func TestACallUnderWayIsDoneBeforeTheEnd(t *testing.T) { // P3
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGTERM")
	}
	p := launch(t, t.TempDir(), "--app", "kvstore")
	address := strings.TrimPrefix(p.rpc[0], "http://")
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	const body = `{"jsonrpc":"2.0","id":1,"method":"broadcast_tx_commit","params":{"tx":"YT1i"}}`
	_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	require.NoError(t, err)
	answers := bufio.NewReader(conn)
	line, err := answers.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "HTTP/1.1 100 Continue\r\n", line)
	_, err = answers.ReadString('\n')
	require.NoError(t, err)

	ended := make(chan int)
	go func() { ended <- p.Term() }()
	for { // it listens until it has heard the signal
		probe, err := net.Dial("tcp", address)
		if err != nil {
			break
		}
		probe.Close()
		time.Sleep(10 * time.Millisecond) // another process's clock
	}
	_, err = io.WriteString(conn, body)
	rule(t, "P3", err == nil, "the call under way is cut off: %v", err)
	r, err := http.ReadResponse(answers, nil)
	rule(t, "P3", err == nil, "the call under way is cut off: %v", err)
	text, err := io.ReadAll(r.Body)
	rule(t, "P3", err == nil && bytes.Contains(text, []byte(`"height"`)), "the call under way is answered %s, %v", text, err)
	code := <-ended
	rule(t, "P3", code == 0, "exit code %d", code)
}

func TestAFollowerJoinsAChain(t *testing.T) { // chain init --genesis
	homes, nodes := startNet(t, 1)
	nodes[0].commit(0, "a=1")
	home := filepath.Join(t.TempDir(), "follower")
	code, _, stderr := local("init", "--home", home, "--app", "kvstore", "--genesis", filepath.Join(homes[0], "config", "genesis.json"))
	require.Zero(t, code, stderr)
	f := join(t, home, nodes)
	f.until(0, "a", "1")
	var st struct {
		Validator struct {
			Power string `json:"voting_power"`
		} `json:"validator_info"`
	}
	f.call(0, "status", nil, &st)
	require.Equal(t, "0", st.Validator.Power)
	require.Positive(t, f.commit(0, "b=2")) // by way of its peers
	code, id, _ := local("show-node-id", "--home", home)
	require.Zero(t, code)
	require.True(t, strings.HasPrefix(f.peers[0], strings.TrimSpace(id)+"@"))
	code, key, _ := local("show-validator", "--home", home)
	require.Zero(t, code)
	require.Contains(t, key, "tendermint/PubKeyEd25519")
}
