package bfttest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/types"
)

// What an application answers to a request: to one for a block (A2), to nonsense (A5), to a block (A6), and what it does with the bytes
// that it was given (A7).

// checkProposals has one instance make blocks and another judge them, for rooms from nothing to plenty.
func checkProposals(s *appStage) error {
	proposer, err := s.make()
	if err != nil {
		return err
	}
	judge, err := s.make()
	if err != nil {
		return err
	}
	tx := s.generator(s.rng)
	for _, b := range s.chain() {
		var waiting [][]byte
		for range 1 + s.rng.IntN(20) {
			if s.rng.IntN(6) == 0 {
				waiting = append(waiting, s.bad(s.rng))
			} else {
				waiting = append(waiting, tx())
			}
			if len(waiting) > 0 && s.rng.IntN(10) == 0 {
				waiting = append(waiting, waiting[s.rng.IntN(len(waiting))])
			}
		}
		if err := proposer.gossip(s.rng, waiting); err != nil { // it has heard of them; the judge has not
			return err
		}
		txs, err := proposer.propose(s, b, waiting)
		if err != nil {
			return err
		}
		if b.Txs, err = judge.judge(b, txs); err != nil {
			return err
		}
		for _, i := range []*instance{proposer, judge} {
			if _, err := i.block(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// gossip gives an instance transactions as peers do.
func (i *instance) gossip(rng *rand.Rand, txs [][]byte) error {
	for _, tx := range txs {
		if _, err := i.app.CheckTx(ctx, &abci.CheckTxRequest{Tx: bytes.Clone(tx), Recheck: rng.IntN(4) == 0}); err != nil {
			return fmt.Errorf("CheckTx of %.40X: %w", tx, err)
		}
	}
	return nil
}

func (i *instance) propose(s *appStage, b *abci.FinalizeBlockRequest, waiting [][]byte) ([][]byte, error) {
	var all int64
	for _, tx := range waiting {
		all += abci.TxSize(tx)
	}
	room := s.rng.Int64N(all + 2)
	if s.rng.IntN(3) == 0 {
		room = 1 << 20
	}
	r, err := i.app.PrepareProposal(ctx, &abci.PrepareProposalRequest{MaxTxBytes: room, Txs: waiting, LocalLastCommit: b.DecidedLastCommit,
		Misbehavior: b.Misbehavior, Height: b.Height, Time: b.Time, NextValidatorsHash: b.NextValidatorsHash, ProposerAddress: b.ProposerAddress})
	if err != nil {
		return nil, fmt.Errorf("PrepareProposal of block %d: %w", b.Height, err)
	}
	var size int64
	for _, tx := range r.Txs {
		size += abci.TxSize(tx)
	}
	if size > room {
		return nil, fmt.Errorf("PrepareProposal of block %d: MaxTxBytes is %d, and it took %d transactions of %d bytes with their tags and lengths", b.Height, room, len(r.Txs), size)
	}
	return r.Txs, nil
}

func (i *instance) judge(b *abci.FinalizeBlockRequest, txs [][]byte) ([][]byte, error) {
	accept, err := i.process(b, txs)
	if err != nil {
		return nil, err
	}
	if !accept {
		return nil, fmt.Errorf("ProcessProposal rejects block %d, which another instance's PrepareProposal has made of %d transactions", b.Height, len(txs))
	}
	return txs, nil
}

func (i *instance) process(b *abci.FinalizeBlockRequest, txs [][]byte) (bool, error) {
	r, err := i.app.ProcessProposal(ctx, &abci.ProcessProposalRequest{Txs: txs, ProposedLastCommit: b.DecidedLastCommit, Misbehavior: b.Misbehavior,
		Hash: b.Hash, Height: b.Height, Time: b.Time, NextValidatorsHash: b.NextValidatorsHash, ProposerAddress: b.ProposerAddress})
	if err != nil {
		return false, fmt.Errorf("ProcessProposal of block %d: %w", b.Height, err)
	}
	return r.Accept, nil
}

// checkBadTransactions gives CheckTx, Query, ProcessProposal and FinalizeBlock what makes no sense.
func checkBadTransactions(s *appStage) error {
	i, err := s.make()
	if err != nil {
		return err
	}
	tx := s.generator(s.rng)
	for _, b := range s.chain() {
		b.Txs = nil
		isBad := map[int]bool{}
		for range s.rng.IntN(12) {
			switch s.rng.IntN(3) {
			case 0:
				isBad[len(b.Txs)] = s.Bad != nil
				b.Txs = append(b.Txs, s.bad(s.rng))
			case 1:
				b.Txs = append(b.Txs, spoil(s.rng, tx()))
			default:
				b.Txs = append(b.Txs, garbage(s.rng))
			}
		}
		for n, tx := range b.Txs {
			r, err := i.app.CheckTx(ctx, &abci.CheckTxRequest{Tx: bytes.Clone(tx)})
			if err != nil {
				return fmt.Errorf("CheckTx of %.40X is an error: %w", tx, err)
			}
			if isBad[n] && r.Code == abci.CodeOK {
				return fmt.Errorf("CheckTx of the bad transaction %.40X has code 0", tx)
			}
		}
		if _, err := i.app.Query(ctx, &abci.QueryRequest{Path: string(garbage(s.rng)), Data: garbage(s.rng), Height: s.rng.Int64N(1000)}); err != nil {
			return fmt.Errorf("a Query that makes no sense is an error, and not a code: %w", err)
		}
		if _, err := i.process(b, b.Txs); err != nil {
			return err
		}
		r, err := i.block(b)
		if err != nil {
			return err
		}
		for n, result := range r.TxResults {
			if isBad[n] && result.Code == abci.CodeOK {
				return fmt.Errorf("in block %d the bad transaction %.40X has code 0", b.Height, b.Txs[n])
			}
		}
	}
	return nil
}

// spoil changes a bit, or cuts something off.
func spoil(rng *rand.Rand, tx []byte) []byte {
	tx = bytes.Clone(tx)
	if len(tx) == 0 {
		return tx
	}
	if rng.IntN(2) == 0 {
		return tx[:rng.IntN(len(tx))]
	}
	tx[rng.IntN(len(tx))] ^= 1 << rng.IntN(8)
	return tx
}

// checkAnswers does with the answers what consensus does.
func checkAnswers(s *appStage) error {
	i, err := s.make()
	if err != nil {
		return err
	}
	updates := i.first.Validators
	if len(updates) == 0 {
		updates = s.Genesis.Validators
	}
	set, err := types.NewValidatorSet(validatorsOf(updates))
	if err != nil {
		return fmt.Errorf("the validators of the genesis: %w", err)
	}
	good := 0
	for _, b := range s.chain() {
		r, err := i.block(b)
		if err != nil {
			return err
		}
		if len(r.TxResults) != len(b.Txs) {
			return fmt.Errorf("block %d has %d transactions, and FinalizeBlock answers %d results", b.Height, len(b.Txs), len(r.TxResults))
		}
		for n, result := range r.TxResults {
			if result.Code == abci.CodeOK {
				good++
			}
			if result.GasWanted < 0 || result.GasUsed < 0 {
				return fmt.Errorf("transaction %d of block %d used gas %d of %d", n, b.Height, result.GasUsed, result.GasWanted)
			}
		}
		for _, u := range r.ValidatorUpdates {
			if len(u.PubKey) != 32 {
				return fmt.Errorf("block %d changes a validator whose key has %d bytes", b.Height, len(u.PubKey))
			}
		}
		if len(r.ValidatorUpdates) > 0 {
			if set, err = set.Update(validatorsOf(r.ValidatorUpdates)); err != nil {
				return fmt.Errorf("the changes of validators in block %d: %w", b.Height, err)
			}
		}
	}
	if s.Tx != nil && good < s.Blocks {
		return fmt.Errorf("%w: %d have, in %d blocks", errVacuous, good, s.Blocks)
	}
	return nil
}

// errVacuous is no fault of the application, but of who grades it.
var errVacuous = errors.New("ApplicationOptions.Tx makes transactions that do not succeed, so nothing is tested")

func validatorsOf(updates []abci.ValidatorUpdate) []types.Validator {
	out := make([]types.Validator, len(updates))
	for i, u := range updates {
		out[i] = types.Validator{Address: types.AddressOf(u.PubKey), PubKey: bytes.Clone(u.PubKey), Power: u.Power}
	}
	return out
}

// checkOwnership writes over what an instance was given, after each call.
func checkOwnership(s *appStage) error {
	left, err := s.make()
	if err != nil {
		return err
	}
	i, err := s.make()
	if err != nil {
		return err
	}
	fresh := s.chain()
	for n, b := range s.chain() {
		want, err := left.block(fresh[n])
		if err != nil {
			return err
		}
		given := make([][]byte, len(b.Txs))
		for k, tx := range b.Txs {
			given[k] = bytes.Clone(tx)
		}
		r, err := i.block(b)
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(given, b.Txs) {
			return fmt.Errorf("FinalizeBlock has changed the transactions of block %d", b.Height)
		}
		if err := differ(want, r); err != nil {
			return fmt.Errorf("block %d, after what was given before was written over: %w", b.Height, err)
		}
		for _, tx := range b.Txs {
			scribble(tx)
		}
		scribble(b.Hash)
		scribble(b.ProposerAddress)
		if err := i.alike(left); err != nil {
			return fmt.Errorf("after block %d was written over: %w", b.Height, err)
		}
	}
	return nil
}

func scribble(b []byte) {
	for i := range b {
		b[i] ^= 0xa5
	}
}
