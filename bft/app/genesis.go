package app

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app/store"
)

// A genesis is a JSON object with a member for the application itself and one for each module. Exporting a state and importing it
// on a chain of the same id gives the same state, and the same app hash.

// selfGenesis is the member "app".
type selfGenesis struct {
	Params   *Params          `json:"params,omitempty"`
	Accounts []accountGenesis `json:"accounts,omitempty"`
}

type accountGenesis struct {
	Address  Address `json:"address"`
	Sequence uint64  `json:"sequence,string"`
}

// InitChain makes the first state. A genesis that is not valid is an error: the node does not start with it.
func (a *App) InitChain(_ context.Context, r *abci.InitChainRequest) (*abci.InitChainResponse, error) {
	if a.db.Last().Height > 0 {
		return nil, failf(ErrGenesis, "height %d is committed", a.db.Last().Height)
	}
	members := map[string]json.RawMessage{}
	if len(r.AppStateBytes) > 0 {
		if err := decodeJSON(r.AppStateBytes, &members); err != nil {
			return nil, err
		}
	}
	params := DefaultParams()
	s := &state{branch: store.Tree{}.Branch(), chainID: r.ChainID, height: max(r.InitialHeight, 1), time: r.Time, params: params}
	ctx := s.context()
	if err := initSelf(ctx, r, members[storeOfSelf]); err != nil {
		return nil, err
	}
	delete(members, storeOfSelf)
	res := &abci.InitChainResponse{}
	for _, m := range a.opts.Modules {
		if err := m.InitGenesis(ctx, members[m.Name()]); err != nil {
			return nil, fmt.Errorf("app: genesis of module %s: %w", m.Name(), err)
		}
		delete(members, m.Name())
	}
	if len(members) > 0 {
		return nil, failf(ErrGenesis, "there is no module %q", slices.Sorted(maps.Keys(members))[0])
	}
	for _, m := range a.opts.Modules {
		if v, ok := m.(ValidatorSource); ok {
			updates, err := v.Validators(ctx)
			if err != nil {
				return nil, fmt.Errorf("app: validators of module %s: %w", m.Name(), err)
			}
			res.Validators = append(res.Validators, updates...)
		}
	}
	if err := a.checkInvariants(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	a.genesis, a.next = &pending{s.branch.Tree(), s.height, r.Time}, nil
	root := a.genesis.tree.Root()
	res.AppHash = root[:]
	check, err := newState(a.genesis.tree, s.height, r.Time)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	a.check = check
	a.mu.Unlock()
	return res, nil
}

// initSelf writes what the application itself has in the state.
func initSelf(ctx *Context, r *abci.InitChainRequest, data json.RawMessage) error {
	var g selfGenesis
	if data != nil {
		if err := decodeJSON(data, &g); err != nil {
			return err
		}
	}
	if g.Params == nil {
		p := DefaultParams()
		g.Params = &p
	}
	if err := SetParams(ctx, *g.Params); err != nil {
		return fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	self := ctx.Store(storeOfSelf)
	if err := self.Set(keyChainID, []byte(r.ChainID)); err != nil {
		return err
	}
	if p := r.ConsensusParams; p != nil && p.Block != nil && p.Block.MaxGas >= 0 {
		if err := self.Set(keyMaxGas, binary.BigEndian.AppendUint64(nil, uint64(p.Block.MaxGas))); err != nil {
			return err
		}
	}
	for _, acct := range g.Accounts {
		if _, twice, err := Sequence(ctx, acct.Address); twice || err != nil {
			return failf(ErrGenesis, "account %v is there twice (%v)", acct.Address, err)
		}
		if err := setSequence(ctx, acct.Address, acct.Sequence); err != nil {
			return err
		}
	}
	return nil
}

// ExportGenesis is the last committed state in JSON, for the InitChain of a chain that goes on from it.
func (a *App) ExportGenesis() ([]byte, error) {
	members := map[string]json.RawMessage{}
	err := a.View(func(ctx *Context) (err error) {
		if members[storeOfSelf], err = exportSelf(ctx); err != nil {
			return err
		}
		for _, m := range a.opts.Modules {
			if members[m.Name()], err = m.ExportGenesis(ctx); err != nil {
				return fmt.Errorf("app: exporting module %s: %w", m.Name(), err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.MarshalIndent(members, "", " ")
}

func exportSelf(ctx *Context) (json.RawMessage, error) {
	g := selfGenesis{Params: ctx.params}
	err := store.Prefix(ctx.Store(storeOfSelf), prefixAcct).Range(nil, nil, func(key, value []byte) error {
		g.Accounts = append(g.Accounts, accountGenesis{Address(key), binary.BigEndian.Uint64(value)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(g)
}
