package rpc_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/bft/mempool"
	"github.com/flagship-go/flagship/bft/merkle"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/examples/chain/rpc"
	"github.com/stretchr/testify/require"
)

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

// panicky is a key-value store whose Query panics for one key.
type panicky struct{ *kvstore.Store }

func (p panicky) Query(ctx context.Context, r *abci.QueryRequest) (*abci.QueryResponse, error) {
	if string(r.Data) == "panic" {
		panic("at the word")
	}
	return p.Store.Query(ctx, r)
}

// world is a chain of one with its RPC.
type world struct {
	t    *testing.T
	node *fullnode.FullNode
	url  string
}

func newWorld(t *testing.T, o rpc.Options) *world {
	home := t.TempDir()
	signer, err := privval.OpenFileSigner(nil, fullnode.SignerDir(home))
	require.NoError(t, err)
	genesis := &types.Genesis{ChainID: "rpc", Time: time.Now().Add(-time.Minute), Validators: []types.Validator{{PubKey: signer.PubKey(), Power: 10}}}
	require.NoError(t, signer.Close())
	n, err := fullnode.Open(fullnode.Options{Home: home, Genesis: genesis, App: panicky{kvstore.New()}, Moniker: "one",
		Mempool: mempool.Options{CacheSize: 1}}) // what was committed before the last may come again, as after a restart
	require.NoError(t, err)
	o.Node = n
	s := rpc.New(o)
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		s.Close()
		server.Close()
		require.NoError(t, n.Close())
	})
	return &world{t, n, server.URL}
}

type answer struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  json.RawMessage `json:"result"`
	Error   *rpc.Error      `json:"error"`
}

func (w *world) get(path string, args ...string) (int, answer) {
	w.t.Helper()
	q := url.Values{}
	for i := 0; i < len(args); i += 2 {
		q.Set(args[i], args[i+1])
	}
	r, err := http.Get(w.url + "/" + path + "?" + q.Encode())
	require.NoError(w.t, err)
	return w.read(r)
}

func (w *world) read(r *http.Response) (int, answer) {
	w.t.Helper()
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	require.NoError(w.t, err)
	var a answer
	if !bytes.HasPrefix(body, []byte("[")) {
		require.NoError(w.t, json.Unmarshal(body, &a), "%s", body)
	}
	return r.StatusCode, a
}

func (w *world) post(body string) (int, answer) {
	w.t.Helper()
	r, err := http.Post(w.url, "application/json", strings.NewReader(body))
	require.NoError(w.t, err)
	return w.read(r)
}

// ok is the result of a call that must succeed, as a tree.
func (w *world) ok(path string, args ...string) map[string]any {
	w.t.Helper()
	status, a := w.get(path, args...)
	require.Nil(w.t, a.Error, "%s: %v", path, a.Error)
	require.Equal(w.t, 200, status)
	require.Equal(w.t, "-1", string(a.ID))
	var tree map[string]any
	require.NoError(w.t, json.Unmarshal(a.Result, &tree))
	return tree
}

// at is what is at a path of a tree.
func at(t *testing.T, tree any, path string) any {
	t.Helper()
	for _, name := range strings.Split(path, ".") {
		if i, err := strconv.Atoi(name); err == nil {
			list, ok := tree.([]any)
			rule(t, "Q1", ok && i < len(list), "%s: there is no element %d", path, i)
			tree = list[i]
			continue
		}
		object, ok := tree.(map[string]any)
		value, there := object[name]
		rule(t, "Q1", ok && there, "%s: there is no %s in %v", path, name, tree)
		tree = value
	}
	return tree
}

func (w *world) commit(tx string) (height string, hash string) {
	w.t.Helper()
	r := w.ok("broadcast_tx_commit", "tx", strconv.Quote(tx))
	sum := sha256.Sum256([]byte(tx))
	rule(w.t, "Q1", at(w.t, r, "hash") == fmt.Sprintf("%X", sum[:]), "the hash of %s is %v", tx, at(w.t, r, "hash"))
	rule(w.t, "Q1", at(w.t, r, "check_tx.code") == 0.0 && at(w.t, r, "tx_result.code") == 0.0 && at(w.t, r, "tx_result.gas_used") == "1", "%v", r)
	return at(w.t, r, "height").(string), at(w.t, r, "hash").(string)
}

func TestAnswersHaveCometBFTsShapes(t *testing.T) { // Q1
	w := newWorld(t, rpc.Options{Version: "v"})
	height, hash := w.commit("name=satoshi")
	tx := base64.StdEncoding.EncodeToString([]byte("name=satoshi"))
	for _, c := range []struct {
		call string
		args []string
		want map[string]any
	}{
		{"status", nil, map[string]any{"node_info.network": "rpc", "node_info.moniker": "one", "node_info.protocol_version.block": "11",
			"sync_info.catching_up": false, "validator_info.voting_power": "10", "validator_info.pub_key.type": "tendermint/PubKeyEd25519"}},
		{"net_info", nil, map[string]any{"listening": false, "n_peers": "0", "peers": []any{}}},
		{"block", []string{"height", height}, map[string]any{"block.header.height": height, "block.header.chain_id": "rpc", "block.data.txs.0": tx,
			"block.header.version.block": "11", "block.evidence.evidence": []any{}, "block_id.parts.total": 1.0}},
		{"block", []string{"height", strconv.Quote(height)}, map[string]any{"block.header.height": height}},
		{"block", []string{"height", "1"}, map[string]any{"block.last_commit.height": "0", "block.last_commit.signatures": []any{}, "block.header.last_block_id.hash": ""}},
		{"block_results", []string{"height", height}, map[string]any{"height": height, "txs_results.0.code": 0.0, "txs_results.0.gas_wanted": "1",
			"txs_results.0.events.0.type": "app", "txs_results.0.events.0.attributes.0.value": "name", "validator_updates": nil}},
		{"header", []string{"height", height}, map[string]any{"header.height": height}},
		{"commit", []string{"height", height}, map[string]any{"signed_header.header.height": height, "signed_header.commit.height": height,
			"signed_header.commit.signatures.0.block_id_flag": 2.0}},
		{"validators", nil, map[string]any{"count": "1", "total": "1", "validators.0.voting_power": "10"}},
		{"blockchain", []string{"maxHeight", height}, map[string]any{"block_metas.0.header.height": height, "block_metas.0.num_txs": "1"}},
		{"consensus_params", nil, map[string]any{"consensus_params.block.max_gas": "-1", "consensus_params.validator.pub_key_types.0": "ed25519"}},
		{"genesis", nil, map[string]any{"genesis.chain_id": "rpc", "genesis.validators.0.power": "10"}},
		{"tx", []string{"hash", "0x" + hash}, map[string]any{"hash": hash, "height": height, "index": 0.0, "tx": tx, "tx_result.code": 0.0}},
		{"tx_search", []string{"query", fmt.Sprintf(`"tx.hash='%s'"`, hash)}, map[string]any{"total_count": "1", "txs.0.tx": tx}},
		{"tx_search", []string{"query", fmt.Sprintf(`"tx.height=%s AND app.key='name'"`, height), "order_by", `"desc"`}, map[string]any{"total_count": "1"}},
		{"tx_search", []string{"query", fmt.Sprintf(`"tx.height=%s AND app.key='other'"`, height)}, map[string]any{"total_count": "0", "txs": []any{}}},
		{"abci_query", []string{"data", `"name"`}, map[string]any{"response.value": base64.StdEncoding.EncodeToString([]byte("satoshi")), "response.code": 0.0,
			"response.proofOps": nil}},
		{"abci_query", []string{"data", "0x" + hex.EncodeToString([]byte("name"))}, map[string]any{"response.log": "exists"}},
		{"abci_info", nil, map[string]any{"response.app_version": "0"}},
		{"num_unconfirmed_txs", nil, map[string]any{"n_txs": "0", "total_bytes": "0", "txs": nil}},
		{"unconfirmed_txs", nil, map[string]any{"total": "0", "txs": []any{}}},
		{"broadcast_tx_sync", []string{"tx", `"noequals"`}, map[string]any{"code": 1.0, "codespace": ""}},
		{"broadcast_tx_async", []string{"tx", "0x613d62"}, map[string]any{"code": 0.0, "hash": fmt.Sprintf("%X", sha256.Sum256([]byte("a=b")))}},
	} {
		r := w.ok(c.call, c.args...)
		for path, want := range c.want {
			got := at(t, r, path)
			rule(t, "Q1", reflect.DeepEqual(got, want), "%s %v: %s is %v, not %v", c.call, c.args, path, got, want)
		}
	}
	status, a := w.get("health")
	rule(t, "Q1", status == 200 && string(a.Result) == "{}", "health answers %d %s", status, a.Result)
}

func TestJSONAndURIAreTheSameCalls(t *testing.T) { // Q1
	w := newWorld(t, rpc.Options{})
	height, hash := w.commit("name=satoshi")
	raw, err := hex.DecodeString(hash)
	require.NoError(t, err)
	for _, params := range []string{fmt.Sprintf(`{"height":%q}`, height), fmt.Sprintf(`{"height":%s}`, height), fmt.Sprintf(`[%q]`, height)} {
		_, a := w.post(fmt.Sprintf(`{"jsonrpc":"2.0","id":"mine","method":"block","params":%s}`, params))
		require.Nil(t, a.Error)
		_, b := w.get("block", "height", height)
		rule(t, "Q1", bytes.Equal(a.Result, b.Result), "by JSON with %s it is %s, by URI %s", params, a.Result, b.Result)
		rule(t, "Q1", string(a.ID) == `"mine"`, "the id is %s", a.ID)
	}
	var found struct {
		Height string `json:"height"`
	}
	client := &rpc.Client{URL: strings.Replace(w.url, "http://", "tcp://", 1)}
	require.NoError(t, client.Call(t.Context(), "tx", map[string]any{"hash": raw, "prove": true}, &found))
	require.Equal(t, height, found.Height)
	err = client.Call(t.Context(), "tx", map[string]any{"hash": make([]byte, 32)}, &found)
	require.ErrorContains(t, err, "not found")

	tx := []byte{0xd3, 0x1d, 'a', '=', 'b', 'c'} // in base64 it begins with 0x, as each 4096th hash does
	var sent struct {
		Hash rpc.Hex `json:"hash"`
	}
	err = client.Call(t.Context(), "broadcast_tx_sync", map[string]any{"tx": tx}, &sent)
	sum := sha256.Sum256(tx)
	rule(t, "Q1", err == nil && bytes.Equal(sent.Hash, sum[:]), "%x in base64 is taken for %X: %v", tx, []byte(sent.Hash), err)

	r, err := http.Post(w.url, "application/json", strings.NewReader(`[{"id":1,"method":"health"},{"method":"health"},{"id":2,"method":"nope"}]`))
	require.NoError(t, err)
	defer r.Body.Close()
	var batch []answer
	require.NoError(t, json.NewDecoder(r.Body).Decode(&batch))
	rule(t, "Q1", len(batch) == 2 && string(batch[0].ID) == "1" && batch[1].Error != nil && batch[1].Error.Code == -32601, "a batch is answered by %+v", batch)
}

func TestWhatIsSentOnceMoreIsWaitedForOnceMore(t *testing.T) { // Q1
	w := newWorld(t, rpc.Options{})
	first, hash := w.commit("name=a")
	between, _ := w.commit("name=b")
	again, _ := w.commit("name=a")
	before, after := parse(t, between), parse(t, again)
	rule(t, "Q1", after > before, "it is said to be in block %d, when it was sent after block %d: it was in %s long ago", after, before, first)
	value := at(t, w.ok("abci_query", "data", `"name"`), "response.value")
	rule(t, "Q1", value == "YQ==", "it is said to be committed, and the value is %v", value)
	rule(t, "Q1", at(t, w.ok("tx", "hash", "0x"+hash), "height") == again, "the last block with it is %s", again)
}

func parse(t *testing.T, height string) int64 {
	t.Helper()
	h, err := strconv.ParseInt(height, 10, 64)
	require.NoError(t, err)
	return h
}

func TestWhoAsksWronglyIsToldWhat(t *testing.T) { // Q2
	w := newWorld(t, rpc.Options{MaxBody: 4096, MaxBatch: 2})
	w.commit("a=b")
	for _, c := range []struct {
		call string
		args []string
		code int
		says string
	}{
		{"nope", nil, -32601, "nope"},
		{"block", []string{"height", "x"}, -32602, "height"},
		{"block", []string{"height", "1000"}, -32603, "not available"},
		{"block", []string{"height", "-1"}, -32603, "not available"},
		{"block", []string{"hight", "1"}, -32602, "hight"},
		{"tx", nil, -32602, "hash"},
		{"tx", []string{"hash", "0x00"}, -32602, "hash"},
		{"tx", []string{"hash", "0xzz"}, -32602, "hash"},
		{"tx", []string{"hash", "0x" + strings.Repeat("00", 32), "prove", "maybe"}, -32602, "prove"},
		{"tx", []string{"hash", "0x" + strings.Repeat("00", 32)}, -32603, "not found"},
		{"broadcast_tx_sync", nil, -32602, "tx"},
		{"broadcast_tx_sync", []string{"tx", "a=b"}, -32602, "tx"},
		{"broadcast_tx_sync", []string{"tx", `"a=b"`}, -32603, "seen before"},
		{"tx_search", []string{"query", `"tm.event='Tx'"`}, -32602, "tx.hash"},
		{"tx_search", []string{"query", `"tx.height='1' OR x=1"`}, -32602, "AND"},
		{"tx_search", []string{"query", `"tx.height=1"`, "page", "7"}, -32602, "page"},
		{"validators", []string{"page", "0"}, -32602, "page"},
		{"abci_query", []string{"data", `"panic"`}, -32603, "panicked"},
		{"abci_query", []string{"path", "x"}, -32602, "path"},
	} {
		status, a := w.get(c.call, c.args...)
		rule(t, "Q2", a.Error != nil && a.Error.Code == c.code && strings.Contains(a.Error.Data, c.says), "%s %v: %v, and it should be %d with %q", c.call, c.args, a.Error, c.code, c.says)
		rule(t, "Q2", status >= 400, "%s %v: the status is %d", c.call, c.args, status)
	}
	for body, code := range map[string]int{
		`{`: -32700, `[]`: -32600, `{"jsonrpc":"1.0","id":1,"method":"health"}`: -32600, `{"id":1,"method":"block","params":[1,2]}`: -32602, `{"id":1,"method":"block","params":7}`: -32602,
		`[{"id":1,"method":"health"},{"id":1,"method":"health"},{"id":1,"method":"health"}]`: -32600, `{"id":1,"method":"` + strings.Repeat("x", 5000) + `"}`: -32600,
	} {
		_, a := w.post(body)
		rule(t, "Q2", a.Error != nil && a.Error.Code == code, "%.60s: %v, and it should be %d", body, a.Error, code)
	}
	w.ok("health") // and nothing of that has ended the server
}

func TestAProofLeadsToTheDataHashOfTheHeader(t *testing.T) { // Q5
	w := newWorld(t, rpc.Options{})
	for i := range 5 {
		w.ok("broadcast_tx_sync", "tx", fmt.Sprintf(`"k%d=v"`, i))
	}
	for i := range 5 {
		tx := fmt.Appendf(nil, "k%d=v", i)
		hash := sha256.Sum256(tx)
		_, err := w.node.WaitTx(t.Context(), hash)
		require.NoError(t, err)
		r := w.ok("tx", "hash", fmt.Sprintf("0x%X", hash), "prove", "true")
		b := w.ok("block", "height", at(t, r, "height").(string))
		rule(t, "Q5", at(t, r, "proof.root_hash") == at(t, b, "block.header.data_hash"), "the proof leads to %v, and the header has %v", at(t, r, "proof.root_hash"), at(t, b, "block.header.data_hash"))
		var p struct {
			Proof rpc.Proof `json:"proof"`
		}
		text, err := json.Marshal(r)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &p))
		m := merkle.Proof{Total: p.Proof.Proof.Total, Index: p.Proof.Proof.Index, Leaf: [32]byte(p.Proof.Proof.Leaf)}
		for _, a := range p.Proof.Proof.Aunts {
			m.Aunts = append(m.Aunts, [32]byte(a))
		}
		err = m.Verify([32]byte(p.Proof.RootHash), hash[:])
		rule(t, "Q5", err == nil && bytes.Equal(p.Proof.Data, tx), "the proof of %s does not hold: %v", tx, err)
	}
}

// wire is a client of the websocket.
type wire struct {
	t    *testing.T
	conn *websocket.Conn
}

func (w *world) dial() *wire {
	w.t.Helper()
	conn, _, err := websocket.Dial(w.t.Context(), w.url+"/websocket", nil)
	require.NoError(w.t, err)
	conn.SetReadLimit(1 << 20)
	w.t.Cleanup(func() { conn.CloseNow() })
	return &wire{w.t, conn}
}

func (c *wire) send(id int, method, query string) {
	c.t.Helper()
	text := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":{"query":%q}}`, id, method, query)
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageText, []byte(text)))
}

func (c *wire) next() (answer, map[string]any) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	_, text, err := c.conn.Read(ctx)
	require.NoError(c.t, err)
	var a answer
	require.NoError(c.t, json.Unmarshal(text, &a))
	var tree map[string]any
	if a.Error == nil {
		require.NoError(c.t, json.Unmarshal(a.Result, &tree))
	}
	return a, tree
}

func TestASubscriberHearsWhatMatchesOnceAndInOrder(t *testing.T) { // Q4
	w := newWorld(t, rpc.Options{MaxSubscriptions: 2})
	c := w.dial()
	c.send(1, "subscribe", "tm.event='Tx' AND app.key='wanted'")
	a, tree := c.next()
	require.Nil(t, a.Error)
	require.Empty(t, tree)
	c.send(2, "subscribe", "tm.event = 'NewBlock'")
	c.next()
	for i := range 3 {
		w.commit(fmt.Sprintf("other=%d", i))
		w.commit(fmt.Sprintf("wanted=%d", i))
	}
	txs, height := 0, 0
	for txs < 3 {
		a, tree := c.next()
		if string(a.ID) == "1" {
			rule(t, "Q4", at(t, tree, "data.type") == "tendermint/event/Tx" && at(t, tree, "query") == "tm.event='Tx' AND app.key='wanted'", "%v", tree)
			want := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "wanted=%d", txs))
			rule(t, "Q4", at(t, tree, "data.value.TxResult.tx") == want, "transaction %d is %v", txs, at(t, tree, "data.value.TxResult.tx"))
			at(t, tree, "events")
			txs++
			continue
		}
		height++
		rule(t, "Q4", at(t, tree, "data.value.block.header.height") == fmt.Sprint(height), "block %v comes, and %d is next", at(t, tree, "data.value.block.header.height"), height)
	}
	c.send(3, "subscribe", "tm.event='NewBlockHeader'")
	for {
		a, _ := c.next()
		if string(a.ID) == "3" { // Q3
			rule(t, "Q3", a.Error != nil && strings.Contains(a.Error.Data, "max_subscriptions"), "a third subscription is %v", a.Error)
			break
		}
	}
	c.send(4, "unsubscribe", "tm.event = 'NewBlock'")
	c.send(5, "health", "")
	for heard := map[string]bool{}; !heard["5"]; {
		a, _ := c.next()
		heard[string(a.ID)] = true
		rule(t, "Q4", !(heard["4"] && string(a.ID) == "2"), "a block comes after unsubscribe")
		if string(a.ID) == "5" { // it takes no query: and says so
			require.Equal(t, -32602, a.Error.Code)
		}
	}
}

func TestSubscriptionsAreRefusedWithAReason(t *testing.T) { // Q2, Q3
	w := newWorld(t, rpc.Options{MaxClients: 1})
	c := w.dial()
	for i, query := range []string{"", "tm.event", "tm.event='Vote'", "tm.event='Tx' OR tm.event='NewBlock'", "tm.event > 'Tx'", strings.Repeat("x", 600)} {
		c.send(i, "subscribe", query)
		a, _ := c.next()
		rule(t, "Q2", a.Error != nil && a.Error.Code == -32602 && strings.Contains(a.Error.Data, "query"), "subscribe to %.20q: %v", query, a.Error)
	}
	c.send(9, "unsubscribe", "tm.event='Tx'")
	a, _ := c.next()
	require.ErrorContains(t, a.Error, "not found")
	_, r, err := websocket.Dial(t.Context(), w.url+"/websocket", nil)
	rule(t, "Q3", err != nil && r != nil && r.StatusCode == 503, "a second connection: %v", err)
}
