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
	subs map[string]*listener // by query
}

// A listener is a subscription that is passed on.
type listener struct {
	*fullnode.Subscription
	stop chan struct{} // closed when nobody wants to hear more
	done chan struct{} // closed when nothing more is sent
}

// end stops it, and waits for what is being sent: after the answer to unsubscribe nothing comes (Q4).
func (l *listener) end() {
	close(l.stop)
	l.Close()
	<-l.done
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
	k := &socket{server: s, conn: conn, subs: map[string]*listener{}}
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
			start, err := k.subscription(ctx, q)
			if err != nil {
				a.Result, a.Error = nil, asError(err)
			}
			err = k.send(ctx, a)
			if start != nil {
				running.Go(start) // also if nobody is there any more: it ends itself
			}
			return err
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
func (k *socket) subscription(ctx context.Context, q request) (start func(), err error) {
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
	old := k.subs[text]
	if q.Method == "unsubscribe" {
		delete(k.subs, text)
		k.mu.Unlock()
		if old == nil {
			return nil, failure(-32603, "Internal error", "subscription not found")
		}
		old.end()
		return nil, nil
	}
	defer k.mu.Unlock()
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
	l := &listener{k.server.opts.Node.Subscribe(backlog), make(chan struct{}), make(chan struct{})}
	k.subs[text] = l
	return func() { k.tell(ctx, q.ID, text, kind, asked, l) }, nil
}

func (k *socket) unsubscribeAll() {
	k.mu.Lock()
	all := k.subs
	k.subs = map[string]*listener{}
	k.mu.Unlock()
	for _, l := range all {
		l.end()
	}
}

// told is an event for a subscriber.
type told struct {
	Query  string              `json:"query"`
	Data   typed               `json:"data"`
	Events map[string][]string `json:"events"`
}

// tell passes on what matches, until the subscription ends (Q4).
func (k *socket) tell(ctx context.Context, id json.RawMessage, text, kind string, q query, l *listener) {
	defer close(l.done)
	for c := range l.C() {
		for _, e := range eventsOf(kind, c) {
			select {
			case <-l.stop:
				return
			default:
			}
			if !q.matches(e.Events) {
				continue
			}
			e.Query = text
			if k.send(ctx, response{Version: "2.0", ID: id, Result: e}) != nil {
				k.conn.CloseNow()
				return
			}
		}
	}
	select {
	case <-l.stop:
	default: // nobody has asked for its end
		k.conn.Close(websocket.StatusPolicyViolation, fmt.Sprintf("%.100v", l.Err()))
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
