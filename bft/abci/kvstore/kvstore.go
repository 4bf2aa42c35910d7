// Package kvstore is an application that keeps values under keys, the smallest one that does
// all that consensus asks for: results, an app hash, validators that come and go, and faults punished.
//
//	name=value              sets name
//	val:PUBKEY!POWER        gives the validator with this key (base64) a power; 0 removes it
//
// It is in memory, and begins at height 0 when it is started: consensus gives it all blocks again.
package kvstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/flagship-go/flagship/bft/abci"
)

// The codes of a bad transaction.
const (
	CodeFormat    uint32 = 1 // it is neither name=value nor val:PUBKEY!POWER
	CodeValidator uint32 = 2 // the key or the power of a validator is no good, or nobody would be left
)

// MaxTxBytes bounds a transaction.
const MaxTxBytes = 1 << 20

// Store is the application. It is safe for concurrent use.
type Store struct {
	abci.BaseApplication

	mu        sync.RWMutex
	committed state
	final     *state // after FinalizeBlock, until Commit
}

// state is what blocks have made. It is not changed once committed: writes since then are an overlay.
type state struct {
	height     int64
	hash       [sha256.Size]byte
	values     map[string][]byte
	validators map[string]int64 // power by public key
	written    map[string][]byte
}

// New makes an empty store.
func New() *Store {
	return &Store{committed: state{values: map[string][]byte{}, validators: map[string]int64{}}}
}

// Info says which block was committed last.
func (s *Store) Info(context.Context, *abci.InfoRequest) (*abci.InfoResponse, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r := &abci.InfoResponse{Data: fmt.Sprintf("%d keys", len(s.committed.values)), LastBlockHeight: s.committed.height}
	if s.committed.height > 0 {
		r.LastBlockAppHash = bytes.Clone(s.committed.hash[:])
	}
	return r, nil
}

// InitChain takes over the validators.
func (s *Store) InitChain(_ context.Context, r *abci.InitChainRequest) (*abci.InitChainResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range r.Validators {
		s.committed.validators[string(v.PubKey)] = v.Power
	}
	return &abci.InitChainResponse{AppHash: bytes.Clone(s.committed.hash[:])}, nil
}

// Query has the value of the name in Data.
func (s *Store) Query(_ context.Context, r *abci.QueryRequest) (*abci.QueryResponse, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	value, ok := s.committed.values[string(r.Data)]
	answer := &abci.QueryResponse{Key: r.Data, Value: bytes.Clone(value), Height: s.committed.height, Log: "exists"}
	switch {
	case r.Height != 0 && r.Height != s.committed.height:
		return &abci.QueryResponse{Code: CodeFormat, Height: s.committed.height, Log: fmt.Sprintf("only height %d is kept", s.committed.height)}, nil
	case !ok:
		answer.Log = "does not exist"
	}
	return answer, nil
}

// CheckTx refuses what has no meaning.
func (s *Store) CheckTx(_ context.Context, r *abci.CheckTxRequest) (*abci.CheckTxResponse, error) {
	if _, code, err := parse(r.Tx); err != nil {
		return &abci.CheckTxResponse{Code: code, Log: err.Error()}, nil
	}
	return &abci.CheckTxResponse{GasWanted: 1}, nil
}

// ProcessProposal rejects a block with a transaction that CheckTx refuses.
func (s *Store) ProcessProposal(_ context.Context, r *abci.ProcessProposalRequest) (*abci.ProcessProposalResponse, error) {
	for _, tx := range r.Txs {
		if _, _, err := parse(tx); err != nil {
			return &abci.ProcessProposalResponse{}, nil
		}
	}
	return &abci.ProcessProposalResponse{Accept: true}, nil
}

// PrepareProposal leaves out what ProcessProposal would reject (A2).
func (s *Store) PrepareProposal(ctx context.Context, r *abci.PrepareProposalRequest) (*abci.PrepareProposalResponse, error) {
	good := *r
	good.Txs = slices.DeleteFunc(slices.Clone(r.Txs), func(tx []byte) bool { _, _, err := parse(tx); return err != nil })
	return s.BaseApplication.PrepareProposal(ctx, &good)
}

// FinalizeBlock sets the values, and takes a power from whoever was proven to be faulty.
func (s *Store) FinalizeBlock(_ context.Context, r *abci.FinalizeBlockRequest) (*abci.FinalizeBlockResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := state{height: r.Height, values: s.committed.values, validators: maps.Clone(s.committed.validators), written: map[string][]byte{}}
	answer := &abci.FinalizeBlockResponse{TxResults: make([]abci.ExecTxResult, len(r.Txs))}
	changed := map[string]bool{}
	for _, m := range r.Misbehavior {
		next.punish(m, changed)
	}
	sum := sha256.New()
	sum.Write(s.committed.hash[:])
	for i, tx := range r.Txs {
		answer.TxResults[i] = next.execute(tx, changed)
		sum.Write(binary.AppendUvarint(nil, uint64(len(tx))))
		sum.Write(tx)
	}
	for _, key := range slices.Sorted(maps.Keys(changed)) { // A1: a map has no order
		if next.validators[key] == s.committed.validators[key] { // come and gone: consensus does not know it, and cannot remove it
			continue
		}
		answer.ValidatorUpdates = append(answer.ValidatorUpdates, abci.ValidatorUpdate{PubKey: []byte(key), Power: next.validators[key]})
		sum.Write(binary.AppendVarint([]byte(key), next.validators[key]))
	}
	if next.hash = s.committed.hash; len(r.Txs)+len(changed) > 0 { // a block that does nothing needs no other one to prove it
		sum.Sum(next.hash[:0])
	}
	answer.AppHash = bytes.Clone(next.hash[:])
	s.final = &next
	return answer, nil
}

// Commit shows what the last block has written.
func (s *Store) Commit(context.Context, *abci.CommitRequest) (*abci.CommitResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.final == nil {
		return nil, fmt.Errorf("kvstore: Commit without FinalizeBlock after height %d", s.committed.height)
	}
	maps.Copy(s.final.values, s.final.written)
	s.final.written = nil
	maps.DeleteFunc(s.final.validators, func(_ string, power int64) bool { return power == 0 })
	s.committed, s.final = *s.final, nil
	return &abci.CommitResponse{}, nil
}

// execute does a transaction of a block, which may have got there without CheckTx.
func (s *state) execute(tx []byte, changed map[string]bool) abci.ExecTxResult {
	t, code, err := parse(tx)
	if err != nil {
		return abci.ExecTxResult{Code: code, Log: err.Error()}
	}
	if t.validator == nil {
		s.written[string(t.name)] = bytes.Clone(t.value)
		return abci.ExecTxResult{GasWanted: 1, GasUsed: 1, Events: []abci.Event{{Type: "app", Attributes: []abci.EventAttribute{
			{Key: "key", Value: string(t.name), Index: true}}}}}
	}
	if err := s.setPower(string(t.validator), t.power, changed); err != nil {
		return abci.ExecTxResult{Code: CodeValidator, Log: err.Error()}
	}
	return abci.ExecTxResult{GasWanted: 1, GasUsed: 1}
}

// setPower refuses to remove who is not there, and the last one, and more power than consensus takes: the chain would halt.
func (s *state) setPower(key string, power int64, changed map[string]bool) error {
	if s.validators[key] == 0 && power == 0 {
		return fmt.Errorf("validator %s is not there", base64.StdEncoding.EncodeToString([]byte(key)))
	}
	before := s.validators[key]
	s.validators[key] = power
	var total int64
	for _, p := range s.validators {
		total += p
	}
	switch {
	case total == 0:
		s.validators[key] = before
		return fmt.Errorf("validator %s is the last one", base64.StdEncoding.EncodeToString([]byte(key)))
	case total > maxTotal:
		s.validators[key] = before
		return fmt.Errorf("validator %s: the power of all would be %d, at most %d", base64.StdEncoding.EncodeToString([]byte(key)), total, maxTotal)
	}
	changed[key] = true
	return nil
}

// punish takes one power from who was proven to be faulty.
func (s *state) punish(m abci.Misbehavior, changed map[string]bool) {
	for _, key := range slices.Sorted(maps.Keys(s.validators)) {
		if a := sha256.Sum256([]byte(key)); bytes.Equal(a[:20], m.Validator.Address) && s.validators[key] > 0 {
			_ = s.setPower(key, s.validators[key]-1, changed) // the last one stays
		}
	}
}

// A transaction, parsed.
type transaction struct {
	name, value []byte
	validator   []byte
	power       int64
}

// maxPower bounds a validator's power, and maxTotal that of all: what bft takes.
const (
	maxPower int64 = 1 << 50
	maxTotal int64 = 1<<60 - 1
)

func parse(tx []byte) (transaction, uint32, error) {
	if len(tx) > MaxTxBytes {
		return transaction{}, CodeFormat, fmt.Errorf("the transaction has %d bytes, at most %d", len(tx), MaxTxBytes)
	}
	if text, ok := bytes.CutPrefix(tx, []byte("val:")); ok {
		key, power, ok := bytes.Cut(text, []byte("!"))
		if !ok {
			return transaction{}, CodeFormat, fmt.Errorf("a validator is val:PUBKEY!POWER, with the key in base64")
		}
		pub, err := base64.StdEncoding.DecodeString(string(key))
		if err != nil || len(pub) != 32 {
			return transaction{}, CodeValidator, fmt.Errorf("validator %q: a key is the base64 of 32 bytes", key)
		}
		n, err := strconv.ParseInt(string(power), 10, 64)
		if err != nil || n < 0 || n > maxPower {
			return transaction{}, CodeValidator, fmt.Errorf("power %q: it is a number from 0 to %d", power, maxPower)
		}
		return transaction{validator: pub, power: n}, 0, nil
	}
	name, value, ok := bytes.Cut(tx, []byte("="))
	if !ok || len(name) == 0 {
		return transaction{}, CodeFormat, fmt.Errorf("a transaction is name=value or val:PUBKEY!POWER")
	}
	return transaction{name: name, value: value}, 0, nil
}
