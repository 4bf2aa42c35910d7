package bft

import (
	"bytes"
	"fmt"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/types"
)

// Handshake brings application, store and state to one height, and returns that state: what a node begins with (W3).
//
//	application   state   store
//	     0          -       -      InitChain
//	     A    <     T   =   S      blocks A+1..T are given to the application again
//	     A   <=     T   <   S      and then block S is applied: its crash was before SaveState
//	     A    >     T              the store has lost what it had promised: report
func (e *Executor) Handshake(g *types.Genesis) (*types.State, error) {
	s, err := e.Store.State()
	if err != nil {
		return nil, fmt.Errorf("bft: reading the last state: %w", err)
	}
	info, err := call(e, 0, "Info", e.App.Info, &abci.InfoRequest{Version: "flagship"})
	if err != nil {
		return nil, err
	}
	at := types.Height(info.LastBlockHeight)
	if s == nil && at > 0 || s != nil && at > s.LastHeight {
		var last types.Height
		if s != nil {
			last = s.LastHeight
		}
		return nil, &HaltError{Height: at, What: "Info", Err: fmt.Errorf("the application has height %d, and the store's last state has %d", at, last),
			Remedy: "start with the store that belongs to the application, or empty the data of both and sync anew"}
	}
	if s != nil && s.ChainID != g.ChainID {
		return nil, fmt.Errorf("%w: the store is of chain %q, and the genesis of %q", types.ErrGenesis, s.ChainID, g.ChainID)
	}
	if at == 0 {
		if s, err = e.initChain(g, s); err != nil {
			return nil, err
		}
	}
	e.limit(s)
	if err := e.replay(s, at, info.LastBlockAppHash); err != nil {
		return nil, err
	}
	return e.finish(s)
}

// initChain begins the application. What it answers is the first state, if there is none yet.
func (e *Executor) initChain(g *types.Genesis, s *types.State) (*types.State, error) {
	first, err := g.State()
	if err != nil {
		return nil, err
	}
	request := &abci.InitChainRequest{Time: first.LastTime, ChainID: g.ChainID, ConsensusParams: &first.Params,
		AppStateBytes: g.AppState, InitialHeight: int64(first.InitialHeight)}
	for i := range g.Validators {
		request.Validators = append(request.Validators, abci.ValidatorUpdate{PubKey: g.Validators[i].PubKey, Power: g.Validators[i].Power})
	}
	response, err := call(e, 0, "InitChain", e.App.InitChain, request)
	if err != nil || s != nil && s.LastHeight > 0 {
		return s, err
	}
	if first, err = first.InitChain(response); err != nil {
		return nil, &HaltError{What: "InitChain", Err: err, Remedy: remedyApp}
	}
	if s != nil {
		if !bytes.Equal(s.Encode(nil), first.Encode(nil)) {
			return nil, fmt.Errorf("%w: the store was begun with another one than this, or with another answer to InitChain; "+
				"give back that one, or, as there is no block yet, empty the store", types.ErrGenesis)
		}
		return s, nil
	}
	if err := e.Store.SaveState(first, nil); err != nil {
		return nil, fmt.Errorf("bft: storing the first state: %w", err)
	}
	return first, nil
}

// replay gives the application, which is at height at, the blocks up to the state once more, and compares the hashes.
func (e *Executor) replay(s *types.State, at types.Height, hash []byte) error {
	if at == 0 {
		at = s.InitialHeight - 1
	} else if at == s.LastHeight && !bytes.Equal(hash, s.AppHash) {
		return diverged(at, hash, s.AppHash, "Info")
	}
	if s.LastHeight > at && at+1 < e.Store.Base() {
		return &HaltError{Height: at, What: "Info", Err: fmt.Errorf("the application needs block %d, and the store begins at %d", at+1, e.Store.Base()),
			Remedy: "restore the application's data from a node that has them, or empty the data of both and sync anew"}
	}
	for h := at + 1; h <= s.LastHeight; h++ {
		b, _, err := e.Store.Block(h)
		if err != nil {
			return fmt.Errorf("bft: reading block %d for the application: %w", h, err)
		}
		var set *types.ValidatorSet
		if h > s.InitialHeight {
			if set, err = e.Store.Validators(h - 1); err != nil {
				return fmt.Errorf("bft: reading the validators of height %d: %w", h-1, err)
			}
		}
		response, err := e.finalize(b, set)
		if err != nil {
			return err
		}
		want := s.AppHash
		if h < s.LastHeight {
			next, _, err := e.Store.Block(h + 1)
			if err != nil {
				return fmt.Errorf("bft: reading block %d: %w", h+1, err)
			}
			want = next.AppHash
		}
		if !bytes.Equal(response.AppHash, want) { // before Commit: what is wrong does not become durable
			return diverged(h, response.AppHash, want, "FinalizeBlock, again,")
		}
		if _, err := e.commit(b, response); err != nil {
			return err
		}
	}
	return nil
}

// finish applies a block that was stored, and of which there is no state yet.
func (e *Executor) finish(s *types.State) (*types.State, error) {
	h := s.Height()
	if e.Store.Height() < h {
		return s, nil
	}
	if e.HaltHeight > 0 && h > e.HaltHeight {
		return s, nil
	}
	b, id, err := e.Store.Block(h)
	if err != nil {
		return nil, fmt.Errorf("bft: reading the block without a state, %d: %w", h, err)
	}
	if err := e.Validate(s, b); err != nil {
		return nil, fmt.Errorf("bft: block %d was stored, and does not fit the state before it: %w", h, err)
	}
	return e.Apply(s, b, id, nil)
}

// diverged is the report of an application that has another hash than the chain.
func diverged(h types.Height, ours, chain []byte, what string) error {
	return &HaltError{Height: h, What: what, Remedy: remedyDiverge,
		Err: fmt.Errorf("the application's hash after block %d is %X, and the chain's is %X", h, ours, chain)}
}
