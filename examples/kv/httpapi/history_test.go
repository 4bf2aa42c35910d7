package httpapi_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/model"
	"github.com/flagship-go/flagship/raft"
)

// answer is what the requests of a history are answered with.
type answer struct {
	Header struct {
		Revision int64 `json:",string"`
	}
	Kvs []struct {
		Key, Value     []byte
		CreateRevision int64 `json:"create_revision,string"`
		ModRevision    int64 `json:"mod_revision,string"`
		Version        int64 `json:",string"`
	}
	Count     int64 `json:",string"`
	Succeeded bool
	Message   string
}

// history runs clients against the cluster, and notes what they saw.
type history struct {
	mu   sync.Mutex
	ops  []porcupine.Operation
	lost int
}

// client does n requests, each at a member drawn by lot. A write without an
// answer is noted as unknown; a client repeats nothing that may have been done.
func (h *history) client(c *cluster, id, n int, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, uint64(id)))
	var last int64
	for i := range n {
		key := []byte{'a' + byte(rng.IntN(3))}
		key64 := base64.StdEncoding.EncodeToString(key)
		value := []byte(fmt.Sprintf("%d.%d", id, i))
		value64 := base64.StdEncoding.EncodeToString(value)
		var in model.Input
		path, body := "", ""
		switch rng.IntN(3) {
		case 0:
			in.Range = &store.RangeRequest{Key: key}
			path, body = "range", `{"key":"`+key64+`"}`
		case 1:
			in.Command = &store.PutRequest{Key: key, Value: value}
			path, body = "put", `{"key":"`+key64+`","value":"`+value64+`"}`
		default:
			in.Command = &store.TxnRequest{
				Compare: []store.Compare{{Key: key, Target: store.CompareMod, Number: last}},
				Success: []store.Op{{Put: &store.PutRequest{Key: key, Value: value}}}}
			path, body = "txn", `{"compare":[{"key":"`+key64+`","target":"MOD","mod_revision":"`+strconv.FormatInt(last, 10)+`"}],
				"success":[{"requestPut":{"key":"`+key64+`","value":"`+value64+`"}}]}`
		}
		call := time.Now().UnixNano()
		status, a := h.post(c, c.nodes[rng.IntN(len(c.nodes))], path, body)
		op := porcupine.Operation{ClientId: id, Input: in, Call: call, Return: time.Now().UnixNano()}
		if status != http.StatusOK {
			h.failed(op, in, status, a.Message)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		op.Output = output(in, &a)
		last = a.Header.Revision
		h.add(op)
		time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
	}
}

func (h *history) post(c *cluster, n *node, path, body string) (int, answer) {
	var a answer
	r, err := c.client.Post(n.url("/v3/kv/"+path), "", strings.NewReader(body))
	if err != nil {
		return 0, a
	}
	defer r.Body.Close()
	if json.NewDecoder(r.Body).Decode(&a) != nil {
		return 0, a
	}
	return r.StatusCode, a
}

func (h *history) add(op porcupine.Operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, op)
}

// failed notes a write that may have been done; a read tells nothing.
func (h *history) failed(op porcupine.Operation, in model.Input, status int, message string) {
	h.mu.Lock()
	h.lost++
	h.mu.Unlock()
	if in.Range != nil {
		return
	}
	op.Output, op.Return = model.Output{Unknown: true}, 1<<62
	h.add(op)
}

func output(in model.Input, a *answer) model.Output {
	switch in.Command.(type) {
	case *store.PutRequest:
		return model.Output{Response: &store.PutResponse{Revision: a.Header.Revision}}
	case *store.TxnRequest:
		r := &store.TxnResponse{Revision: a.Header.Revision, Succeeded: a.Succeeded}
		if a.Succeeded {
			r.Responses = []store.OpResponse{{Put: &store.PutResponse{Revision: a.Header.Revision}}}
		}
		return model.Output{Response: r}
	}
	r := &store.RangeResponse{Revision: a.Header.Revision, Count: a.Count}
	for _, kv := range a.Kvs {
		r.KVs = append(r.KVs, &store.KeyValue{Key: kv.Key, Value: kv.Value, CreateRevision: kv.CreateRevision, ModRevision: kv.ModRevision, Version: kv.Version})
	}
	return model.Output{Response: r}
}

// run runs clients beside trouble, and checks that there is one order of all
// requests that explains every answer.
func (h *history) run(t *testing.T, trouble func(*cluster)) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		c.leader()
		var clients sync.WaitGroup
		for id := range 5 {
			clients.Go(func() { h.client(c, id, 60, 1) })
		}
		trouble(c)
		clients.Wait()
		differ, err := c.leader().member.CheckHashes(context.Background())
		require.NoError(t, err)
		require.Empty(t, differ)
	})
	require.Less(t, h.lost, len(h.ops), "most requests must have an answer")
	result := porcupine.CheckOperationsTimeout(model.Porcupine(), h.ops, time.Minute)
	require.Equal(t, porcupine.Ok, result)
}

func TestHistoryIsLinearizableWhileLeadersAreKilled(t *testing.T) {
	h := &history{}
	h.run(t, func(c *cluster) {
		for range 3 {
			time.Sleep(150 * time.Millisecond)
			n := c.leader()
			c.stop(n, false)
			time.Sleep(300 * time.Millisecond)
			c.start(n, 3)
		}
	})
}

func TestHistoryIsLinearizableWhileTheNetworkIsCut(t *testing.T) {
	h := &history{}
	h.run(t, func(c *cluster) {
		for range 3 {
			time.Sleep(100 * time.Millisecond)
			n := c.leader()
			c.network.Cut([]raft.NodeID{n.id}, []raft.NodeID{1, 2, 3})
			c.local.Cut(n.id, true)
			time.Sleep(3 * time.Second)
			c.network.Heal()
			c.local.Cut(n.id, false)
		}
	})
}

// All members are restarted one after the other, and no request fails that its
// client retries elsewhere for a while.
func TestRollingRestartLosesNoRetriedRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		c.leader()
		stop := make(chan struct{})
		var clients sync.WaitGroup
		var done [4]int
		for id := range done {
			clients.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					key := base64.StdEncoding.EncodeToString([]byte(fmt.Sprintf("%d.%05d", id, done[id])))
					for try := 0; ; try++ {
						status, _ := (&history{}).post(c, c.nodes[(id+try)%3], "put", `{"key":"`+key+`"}`)
						if status == http.StatusOK {
							break
						}
						require.Less(t, try, 40)
						time.Sleep(50 * time.Millisecond)
					}
					done[id]++
					time.Sleep(5 * time.Millisecond)
				}
			})
		}
		for _, n := range c.nodes {
			time.Sleep(500 * time.Millisecond)
			c.stop(n, true)
			time.Sleep(300 * time.Millisecond)
			c.start(n, 3)
		}
		close(stop)
		clients.Wait()
		total := 0
		for _, n := range done {
			total += n
		}
		require.Greater(t, total, 200)
		for _, n := range c.nodes {
			require.JSONEq(t, fmt.Sprintf(`{"count":"%d"}`, total), c.ok(n, "/v3/kv/range", `{"key":"AA==","range_end":"AA==","count_only":true}`))
		}
	})
}
