package rpc

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/fullnode"
	"github.com/flagship-go/flagship/bft/merkle"
	"github.com/flagship-go/flagship/bft/types"
)

// broadcast is the answer of broadcast_tx_sync and _async.
type broadcast struct {
	Code      uint32 `json:"code"`
	Data      Hex    `json:"data"`
	Log       string `json:"log"`
	Codespace string `json:"codespace"`
	Hash      Hex    `json:"hash"`
}

func (s *Server) readTx(p *params) ([]byte, error) {
	tx := p.bytes("tx", false)
	if p.err == nil && len(tx) == 0 {
		p.fail("tx is missing")
	}
	return tx, p.err
}

// broadcastSync says what the application's CheckTx says.
func (s *Server) broadcastSync(ctx context.Context, p *params) (any, error) {
	tx, err := s.readTx(p)
	if err != nil {
		return nil, err
	}
	check, err := s.opts.Node.BroadcastTx(ctx, tx)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(tx)
	return broadcast{check.Code, check.Data, check.Log, check.Codespace, hash[:]}, nil
}

// broadcastAsync says nothing of what the application thinks. It is asked before the answer all the same: so as many
// are under way as there are connections, and not more.
func (s *Server) broadcastAsync(ctx context.Context, p *params) (any, error) {
	tx, err := s.readTx(p)
	if err != nil {
		return nil, err
	}
	if _, err := s.opts.Node.BroadcastTx(ctx, tx); err != nil {
		return nil, err
	}
	hash := sha256.Sum256(tx)
	return broadcast{Hash: hash[:]}, nil
}

// broadcastCommit waits until the transaction is in a block.
func (s *Server) broadcastCommit(ctx context.Context, p *params) (any, error) {
	tx, err := s.readTx(p)
	if err != nil {
		return nil, err
	}
	answer := struct {
		Check  TxResult `json:"check_tx"`
		Result TxResult `json:"tx_result"`
		Hash   Hex      `json:"hash"`
		Height int64    `json:"height,string"`
	}{Check: txResult(&abci.ExecTxResult{}), Result: txResult(&abci.ExecTxResult{})}
	hash := sha256.Sum256(tx)
	answer.Hash = hash[:]
	before := s.opts.Node.Committed()
	check, err := s.opts.Node.BroadcastTx(ctx, tx)
	if err != nil {
		return nil, err
	}
	answer.Check = txResult(&abci.ExecTxResult{Code: check.Code, Data: check.Data, Log: check.Log, GasWanted: check.GasWanted,
		GasUsed: check.GasUsed, Codespace: check.Codespace})
	if check.Code != abci.CodeOK {
		return answer, nil
	}
	wait, cancel := context.WithTimeout(ctx, s.opts.CommitTimeout)
	defer cancel()
	found, err := s.opts.Node.WaitTxAfter(wait, hash, before) // a block that had it long ago is not what is asked for
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, failure(-32603, "Internal error", "timed out waiting for tx to be included in a block: %v have passed; it may be yet, see /tx?hash=0x%X", s.opts.CommitTimeout, hash)
	}
	if err != nil {
		return nil, err
	}
	answer.Result, answer.Height = txResult(&found.Result), int64(found.Height)
	return answer, nil
}

// foundTx is the answer of tx, and one of tx_search.
type foundTx struct {
	Hash   Hex      `json:"hash"`
	Height int64    `json:"height,string"`
	Index  uint32   `json:"index"`
	Result TxResult `json:"tx_result"`
	Tx     []byte   `json:"tx"`
	Proof  *Proof   `json:"proof,omitempty"`
}

func (s *Server) found(r *fullnode.TxResult, prove bool) (*foundTx, error) {
	out := &foundTx{Hash: r.Hash[:], Height: int64(r.Height), Index: r.Index, Result: txResult(&r.Result), Tx: r.Tx}
	if !prove {
		return out, nil
	}
	b, _, err := s.opts.Node.Blocks().Block(r.Height)
	if err != nil {
		return nil, err
	}
	leaves := make([][]byte, len(b.Txs)) // the data hash is over the transactions' hashes
	for i, tx := range b.Txs {
		sum := sha256.Sum256(tx)
		leaves[i] = sum[:]
	}
	root, proofs := merkle.Proofs(leaves)
	out.Proof = proof(root, proofs[r.Index], r.Tx)
	return out, nil
}

func (s *Server) tx(_ context.Context, p *params) (any, error) {
	hash, prove := p.hash("hash"), p.flag("prove")
	if p.err != nil {
		return nil, p.err
	}
	r, err := s.opts.Node.Tx(hash)
	if errors.Is(err, types.ErrNotFound) {
		return nil, failure(-32603, "Internal error", "tx (%X) not found", hash[:])
	}
	if err != nil {
		return nil, err
	}
	return s.found(r, prove)
}

// txSearch finds by tx.hash or tx.height: there is no index of events.
func (s *Server) txSearch(_ context.Context, p *params) (any, error) {
	prove, order := p.flag("prove"), p.string("order_by")
	q, err := parseQuery(p.string("query"))
	if err != nil {
		p.fail("query: %v", err)
	}
	if order != "" && order != "asc" && order != "desc" {
		p.fail("order_by is %.100q, and is asc or desc", order)
	}
	if p.err != nil {
		return nil, p.err
	}
	all, err := s.search(q)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *fullnode.TxResult) int {
		c := cmp.Or(cmp.Compare(a.Height, b.Height), cmp.Compare(a.Index, b.Index))
		if order == "desc" {
			return -c
		}
		return c
	})
	from, to := p.page(len(all))
	if p.err != nil {
		return nil, p.err
	}
	answer := struct {
		Txs   []*foundTx `json:"txs"`
		Total int        `json:"total_count,string"`
	}{[]*foundTx{}, len(all)}
	for _, r := range all[from:to] {
		f, err := s.found(r, prove)
		if err != nil {
			return nil, err
		}
		answer.Txs = append(answer.Txs, f)
	}
	return answer, nil
}

func (s *Server) search(q query) ([]*fullnode.TxResult, error) {
	var found []*fullnode.TxResult
	if text, ok := q.equal("tx.hash"); ok {
		var h Hex
		if h.UnmarshalText([]byte(text)) != nil || len(h) != len(types.Hash{}) {
			return nil, invalidParams("query: tx.hash is %.100q, and no hash", text)
		}
		r, err := s.opts.Node.Tx(types.Hash(h))
		if errors.Is(err, types.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		found = append(found, r)
	} else if text, ok := q.equal("tx.height"); ok {
		var h types.Height
		if _, err := fmt.Sscan(text, &h); err != nil {
			return nil, invalidParams("query: tx.height is %.100q, and no number", text)
		}
		if h < max(s.opts.Node.Blocks().Base(), 1) || h > s.last() {
			return nil, nil
		}
		b, _, err := s.opts.Node.Blocks().Block(h)
		if err != nil {
			return nil, err
		}
		results, err := s.opts.Node.Blocks().Results(h)
		if err != nil {
			return nil, err
		}
		for i, tx := range b.Txs {
			found = append(found, &fullnode.TxResult{Hash: sha256.Sum256(tx), Height: h, Index: uint32(i), Tx: tx, Result: results.Response.TxResults[i]})
		}
	} else {
		return nil, invalidParams("query: transactions are found by tx.hash='...' or tx.height=N; events are not indexed")
	}
	return slices.DeleteFunc(found, func(r *fullnode.TxResult) bool { return !q.matches(txEvents(r)) }), nil
}

// txEvents is what queries look at.
func txEvents(r *fullnode.TxResult) map[string][]string {
	m := map[string][]string{"tm.event": {"Tx"}, "tx.hash": {fmt.Sprintf("%X", r.Hash[:])}, "tx.height": {fmt.Sprint(r.Height)}}
	addEvents(m, r.Result.Events)
	return m
}

func addEvents(m map[string][]string, events []abci.Event) {
	for _, e := range events {
		for _, a := range e.Attributes {
			if a.Index {
				key := e.Type + "." + a.Key
				m[key] = append(m[key], a.Value)
			}
		}
	}
}

type unconfirmedTxs struct {
	Count int      `json:"n_txs,string"`
	Total int      `json:"total,string"`
	Bytes int64    `json:"total_bytes,string"`
	Txs   [][]byte `json:"txs"`
}

func (s *Server) unconfirmed(_ context.Context, p *params) (any, error) {
	limit := min(max(p.number("limit", 30), 1), 100)
	txs, m := s.opts.Node.Waiting(), s.opts.Node.Metrics().Mempool
	txs = txs[:min(len(txs), int(limit))]
	if txs == nil {
		txs = [][]byte{}
	}
	return unconfirmedTxs{len(txs), m.Txs, m.Bytes, txs}, nil
}

func (s *Server) numUnconfirmed(context.Context, *params) (any, error) {
	m := s.opts.Node.Metrics().Mempool
	return unconfirmedTxs{m.Txs, m.Txs, m.Bytes, nil}, nil
}

// sinceNanoseconds is a duration as CometBFT shows it.
func sinceNanoseconds(t time.Time) int64 { return int64(time.Since(t)) }
