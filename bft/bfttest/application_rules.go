package bfttest

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
)

// What a block does is the same for everybody (A1), after every restart (A3), and whatever is asked in between (A4).

// replicas is how many instances play one chain for A1. An order of a map of two elements is the same in all of them once
// in 2^7 blocks; and a chain has several.
const replicas = 8

// checkDeterminism plays one chain again and again, a day apart each.
func checkDeterminism(s *appStage) error {
	var want []*abci.FinalizeBlockResponse
	var first *abci.InitChainResponse
	for n := range replicas {
		i, err := s.make()
		if err != nil {
			return err
		}
		if n == 0 {
			first = i.first
		} else if !bytes.Equal(first.AppHash, i.first.AppHash) || !reflect.DeepEqual(first.Validators, i.first.Validators) {
			return fmt.Errorf("InitChain answers app hash %X, validators %v, and then %X, %v", first.AppHash, first.Validators, i.first.AppHash, i.first.Validators)
		}
		for h, b := range s.chain() {
			time.Sleep(time.Duration(n) * time.Millisecond)
			r, err := i.block(b)
			if err != nil {
				return err
			}
			if n == 0 {
				want = append(want, r)
			} else if err := differ(want[h], r); err != nil {
				return fmt.Errorf("block %d was executed %d times with one outcome, and then another: %w", b.Height, n, err)
			}
		}
		time.Sleep(25*time.Hour + time.Second)
	}
	return nil
}

// checkDurability kills an instance after each FinalizeBlock or Commit, now and then.
func checkDurability(s *appStage) error {
	steady, err := s.make()
	if err != nil {
		return err
	}
	i, err := s.make()
	if err != nil {
		return err
	}
	blocks := s.chain()
	for n, b := range s.chain() {
		want, err := steady.block(b)
		if err != nil {
			return err
		}
		if i, err = i.lose(s, blocks[:n+1]); err != nil {
			return err
		}
		if err := i.visibleAfterCommit(blocks[n], want); err != nil {
			return err
		}
		if s.rng.IntN(3) == 0 {
			if i, err = i.restart(); err != nil {
				return err
			}
			if i, err = i.replay(s, blocks[:n+1]); err != nil {
				return err
			}
			if err := i.told(b.Height, want.AppHash); err != nil {
				return fmt.Errorf("after a restart: %w", err)
			}
		}
	}
	return nil
}

// lose has the last block finalised and lost, now and then.
func (i *instance) lose(s *appStage, blocks []*abci.FinalizeBlockRequest) (*instance, error) {
	if s.rng.IntN(2) == 0 {
		return i, nil
	}
	if _, err := i.finalize(blocks[len(blocks)-1]); err != nil {
		return nil, err
	}
	next, err := i.restart()
	if err != nil {
		return nil, err
	}
	return next.replay(s, blocks[:len(blocks)-1])
}

// replay gives an instance the blocks that it does not have. It must not have more.
func (i *instance) replay(s *appStage, blocks []*abci.FinalizeBlockRequest) (*instance, error) {
	have := int64(0)
	if i.height > 0 {
		have = i.height - max(s.Genesis.InitialHeight, 1) + 1
	}
	if have > int64(len(blocks)) {
		return nil, fmt.Errorf("after a restart Info tells height %d, and block %d was committed last", i.height, int64(len(blocks)))
	}
	if s.Reopen != nil && have < int64(len(blocks)) {
		return nil, fmt.Errorf("after a restart Info tells height %d: %d committed blocks are lost", i.height, int64(len(blocks))-have)
	}
	for _, b := range blocks[have:] {
		if _, err := i.block(b); err != nil {
			return nil, err
		}
	}
	return i, nil
}

// visibleAfterCommit executes a block, and looks at Info and Query around its Commit.
func (i *instance) visibleAfterCommit(b *abci.FinalizeBlockRequest, want *abci.FinalizeBlockResponse) error {
	hash := i.hash
	before, err := i.answers()
	if err != nil {
		return err
	}
	r, err := i.finalize(b)
	if err != nil {
		return err
	}
	if err := differ(want, r); err != nil {
		return fmt.Errorf("block %d, after restarts: %w", b.Height, err)
	}
	if err := i.told(i.height, hash); err != nil {
		return fmt.Errorf("between FinalizeBlock and Commit of block %d: %w", b.Height, err)
	}
	between, err := i.answers()
	if err != nil {
		return err
	}
	for n := range before {
		if !bytes.Equal(before[n].Value, between[n].Value) || before[n].Height != between[n].Height {
			return fmt.Errorf("the Query %q shows what block %d does before its Commit: %q at height %d became %q at height %d", i.stage.Queries[n].Path, b.Height,
				before[n].Value, before[n].Height, between[n].Value, between[n].Height)
		}
	}
	if _, err := i.app.Commit(ctx, &abci.CommitRequest{}); err != nil {
		return fmt.Errorf("the Commit of block %d: %w", b.Height, err)
	}
	i.height = b.Height
	if err := i.told(b.Height, want.AppHash); err != nil {
		return fmt.Errorf("after Commit: %w", err)
	}
	return nil
}

// checkNoise compares an instance that is left alone with one that is asked all the time.
func checkNoise(s *appStage) error {
	quiet, err := s.make()
	if err != nil {
		return err
	}
	asked, err := s.make()
	if err != nil {
		return err
	}
	noisy := s.chain()
	for n, b := range s.chain() {
		want, err := quiet.block(b)
		if err != nil {
			return err
		}
		if err := asked.pester(s, noisy[n:]); err != nil {
			return err
		}
		r, err := asked.finalize(noisy[n])
		if err != nil {
			return err
		}
		if err := differ(want, r); err != nil {
			return fmt.Errorf("block %d does not do the same when CheckTx, Query and proposals come before it: %w", b.Height, err)
		}
		if err := asked.ask(s, noisy[n:]); err != nil { // between FinalizeBlock and Commit
			return err
		}
		if _, err := asked.app.Commit(ctx, &abci.CommitRequest{}); err != nil {
			return fmt.Errorf("the Commit of block %d: %w", b.Height, err)
		}
		if err := asked.alike(quiet); err != nil {
			return fmt.Errorf("after CheckTx and Query between FinalizeBlock and Commit of block %d: %w", b.Height, err)
		}
	}
	return nil
}

// ask checks transactions that are in blocks, and some that never will be, and queries.
func (i *instance) ask(s *appStage, blocks []*abci.FinalizeBlockRequest) error {
	var txs [][]byte
	for _, b := range blocks[:min(2, len(blocks))] {
		txs = append(txs, b.Txs...)
	}
	txs = append(txs, s.bad(s.rng), s.generator(s.rng)())
	if err := i.gossip(s.rng, txs); err != nil {
		return err
	}
	_, err := i.answers()
	return err
}

// pester asks, and goes through rounds whose proposals are not decided.
func (i *instance) pester(s *appStage, blocks []*abci.FinalizeBlockRequest) error {
	if err := i.ask(s, blocks); err != nil {
		return err
	}
	b := blocks[0]
	tx := s.generator(s.rng)
	other := [][]byte{tx(), s.bad(s.rng), tx()}
	if _, err := i.propose(s, b, other); err != nil {
		return err
	}
	if _, err := i.process(b, other); err != nil {
		return err
	}
	_, err := i.process(b, b.Txs)
	return err
}
