package rpc

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/flagship-go/flagship/bft/fullnode"
)

// backlog is how many blocks may wait for a subscriber, and writeTimeout how long one may take to read (Q3).
const (
	backlog      = 64
	writeTimeout = 10 * time.Second
)

// A socket is one connection to /websocket.
type socket struct {
	server *Server
	conn   *websocket.Conn
	writes sync.Mutex

	mu   sync.Mutex
	subs map[string]*fullnode.Subscription // by query
}

// websocket serves calls over one connection until either side ends it.
func (s *Server) websocket(w http.ResponseWriter, r *http.Request) {
	if s.clients.Add(1) > int32(s.opts.MaxClients) {
		s.clients.Add(-1)
		http.Error(w, fmt.Sprintf("%d clients are connected, and no more may be", s.opts.MaxClients), http.StatusServiceUnavailable)
		return
	}
	defer s.clients.Add(-1)
	conn, err := websocket.Accept(w, r, nil) // refuses other sites' pages
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(s.opts.MaxBody)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	stop := context.AfterFunc(s.ctx, func() { conn.Close(websocket.StatusGoingAway, "the node is being stopped"); cancel() })
	defer stop()
	k := &socket{server: s, conn: conn, subs: map[string]*fullnode.Subscription{}}
	var running sync.WaitGroup
	defer running.Wait()
	defer k.unsubscribeAll()
	defer cancel()
	for {
		_, body, err := conn.Read(ctx)
		if err != nil {
			return
		}
		if k.handle(ctx, body, &running) != nil {
			return
		}
	}
}

// handle makes a call, or subscribes.
func (k *socket) handle(ctx context.Context, body []byte, running *sync.WaitGroup) error {
	var q request
	if json.Unmarshal(body, &q) == nil {
		switch q.Method {
		case "subscribe", "unsubscribe", "unsubscribe_all":
			a := response{Version: "2.0", ID: q.ID, Result: struct{}{}}
			start, err := k.subscription(ctx, q, running)
			if err != nil {
				a.Result, a.Error = nil, asError(err)
			}
			if err := k.send(ctx, a); err != nil {
				return err
			}
			if start != nil {
				running.Go(start)
			}
			return nil
		}
	}
	if answer := k.server.answer(ctx, body); answer != nil {
		return k.send(ctx, answer)
	}
	return nil
}

func (k *socket) send(ctx context.Context, answer any) error {
	body, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	k.writes.Lock()
	defer k.writes.Unlock()
	return k.conn.Write(ctx, websocket.MessageText, body)
}

var subscribeForm = method{params: []string{"query"}}

// subscription does what is asked for. start is to be run after the answer.
func (k *socket) subscription(ctx context.Context, q request, running *sync.WaitGroup) (start func(), err error) {
	if q.Method == "unsubscribe_all" {
		k.unsubscribeAll()
		return nil, nil
	}
	p, err := jsonParams(&subscribeForm, q.Params)
	if err != nil {
		return nil, err
	}
	text := p.string("query")
	if p.err != nil {
		return nil, p.err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	old := k.subs[text]
	if q.Method == "unsubscribe" {
		if old == nil {
			return nil, failure(-32603, "Internal error", "subscription not found")
		}
		old.Close()
		delete(k.subs, text)
		return nil, nil
	}
	asked, err := parseQuery(text)
	if err != nil {
		return nil, invalidParams("query: %v", err)
	}
	kind, _ := asked.equal("tm.event")
	switch {
	case kind != "NewBlock" && kind != "NewBlockHeader" && kind != "Tx":
		return nil, invalidParams("query: it asks for tm.event = 'NewBlock', 'NewBlockHeader' or 'Tx', beside others")
	case old != nil:
		return nil, failure(-32603, "Internal error", "already subscribed")
	case len(k.subs) == k.server.opts.MaxSubscriptions:
		return nil, failure(-32603, "Internal error", "max_subscriptions_per_client %d reached", k.server.opts.MaxSubscriptions)
	}
	sub := k.server.opts.Node.Subscribe(backlog)
	k.subs[text] = sub
	return func() { k.tell(ctx, q.ID, text, kind, asked, sub) }, nil
}

func (k *socket) unsubscribeAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for text, sub := range k.subs {
		sub.Close()
		delete(k.subs, text)
	}
}

// told is an event for a subscriber.
type told struct {
	Query  string              `json:"query"`
	Data   typed               `json:"data"`
	Events map[string][]string `json:"events"`
}

// tell passes on what matches, until the subscription ends (Q4).
func (k *socket) tell(ctx context.Context, id json.RawMessage, text, kind string, q query, sub *fullnode.Subscription) {
	for c := range sub.C() {
		for _, e := range eventsOf(kind, c) {
			if !q.matches(e.Events) {
				continue
			}
			e.Query = text
			if k.send(ctx, response{Version: "2.0", ID: id, Result: e}) != nil {
				k.conn.CloseNow()
				sub.Close()
				return
			}
		}
	}
	k.mu.Lock()
	ours := k.subs[text] == sub
	delete(k.subs, text)
	k.mu.Unlock()
	if ours && ctx.Err() == nil { // nobody has asked for its end
		k.conn.Close(websocket.StatusPolicyViolation, fmt.Sprintf("%.100v", sub.Err()))
	}
}

// eventsOf is what a block means to those who subscribe to a kind of events.
func eventsOf(kind string, c *fullnode.Committed) (out []told) {
	if kind == "Tx" {
		for i, tx := range c.Block.Txs {
			r := &fullnode.TxResult{Hash: sha256.Sum256(tx), Height: c.Block.Height, Index: uint32(i), Tx: tx, Result: c.Results.TxResults[i]}
			type result struct {
				Height int64    `json:"height,string"`
				Index  uint32   `json:"index,omitempty"`
				Tx     []byte   `json:"tx"`
				Result TxResult `json:"result"`
			}
			value := struct{ TxResult result }{result{int64(r.Height), r.Index, tx, txResult(&r.Result)}}
			out = append(out, told{Data: typed{"tendermint/event/Tx", value}, Events: txEvents(r)})
		}
		return out
	}
	e := told{Events: map[string][]string{"tm.event": {kind}, "block.height": {fmt.Sprint(c.Block.Height)}}}
	addEvents(e.Events, c.Results.Events)
	if kind == "NewBlockHeader" {
		e.Data = typed{"tendermint/event/NewBlockHeader", struct {
			Header Header `json:"header"`
		}{header(&c.Block.Header)}}
		return []told{e}
	}
	e.Data = typed{"tendermint/event/NewBlock", struct {
		Block   *Block  `json:"block"`
		BlockID BlockID `json:"block_id"`
		Result  any     `json:"result_finalize_block"`
	}{block(c.Block), blockID(c.ID), struct {
		Events  []Event           `json:"events"`
		Txs     []TxResult        `json:"tx_results"`
		Updates []validatorUpdate `json:"validator_updates"`
		AppHash []byte            `json:"app_hash"`
	}{events(c.Results.Events), txResults(c.Results.TxResults), updates(c.Results.ValidatorUpdates), c.Results.AppHash}}}
	return []told{e}
}
