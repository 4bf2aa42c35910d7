package app

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
)

// Query reads a committed version. Paths:
//
//	/store             the value of the key Data, which begins with the module's name and a slash; with Prove, Proof has
//	                   one element, a store.Proof, against the app hash in the header of the height after Height's
//	/app/simulate      a transaction: a Simulation in JSON
//	/app/account       an address of 20 bytes: {"sequence": n} in JSON
//	/app/params        the Params in JSON
//	/<module>/...      what the module says
func (a *App) Query(_ context.Context, r *abci.QueryRequest) (*abci.QueryResponse, error) {
	res := &abci.QueryResponse{Height: r.Height, Key: r.Data}
	if err := a.query(r, res); err != nil {
		res.Code, res.Codespace = codeOf(err)
		res.Log = err.Error()
	}
	return res, nil
}

func (a *App) query(r *abci.QueryRequest, res *abci.QueryResponse) error {
	version := a.db.Last()
	if r.Height != 0 {
		var err error
		if version, err = a.db.At(r.Height); err != nil {
			return failf(ErrHeight, "%v", err)
		}
	}
	if version.Height == 0 {
		return failf(ErrNotReady, "nothing is committed")
	}
	res.Height = version.Height
	path := strings.TrimPrefix(r.Path, "/")
	if path == "store" {
		res.Value = version.Tree.Get(r.Data)
		if r.Prove {
			res.Proof = [][]byte{version.Tree.Prove(r.Data).Append(nil)}
		}
		return nil
	}
	if path == storeOfSelf+"/simulate" {
		return answer(res, a.simulate(r.Data))
	}
	s, err := newState(version.Tree, version.Height, time.Time{})
	if err != nil {
		return err
	}
	name, rest, _ := strings.Cut(path, "/")
	if name == storeOfSelf {
		return querySelf(s.context(), rest, r.Data, res)
	}
	for _, m := range a.opts.Modules {
		if q, ok := m.(Querier); ok && m.Name() == name {
			res.Value, err = q.Query(s.context(), rest, r.Data)
			return err
		}
	}
	return failf(ErrUnknownQuery, "%.100q", r.Path)
}

func querySelf(ctx *Context, path string, data []byte, res *abci.QueryResponse) error {
	switch path {
	case "params":
		return answer(res, ctx.params)
	case "account":
		if len(data) != 20 {
			return failf(ErrUnknownQuery, "an account has an address of 20 bytes, not %d", len(data))
		}
		sequence, there, err := Sequence(ctx, Address(data))
		if err == nil && !there {
			err = ErrUnknownAcct
		}
		if err != nil {
			return err
		}
		return answer(res, map[string]uint64{"sequence": sequence})
	}
	return failf(ErrUnknownQuery, "%s/%.100q", storeOfSelf, path)
}

func answer(res *abci.QueryResponse, v any) (err error) {
	res.Value, err = json.Marshal(v)
	return err
}

// A Simulation is what a transaction would do now.
type Simulation struct {
	GasUsed uint64       `json:"gas_used"` // ask for some more: others come first
	Code    uint32       `json:"code"`
	Log     string       `json:"log"`
	Data    []byte       `json:"data"`
	Events  []abci.Event `json:"events"`
}

// Simulate runs a transaction, signed or not, on the last committed state, and forgets what it did. It is safe for concurrent use.
func (a *App) Simulate(raw []byte) Simulation { return a.simulate(raw) }

func (a *App) simulate(raw []byte) Simulation {
	last := a.db.Last()
	a.mu.Lock()
	at := time.Time{}
	if a.check != nil {
		at = a.check.time
	}
	a.mu.Unlock()
	s, err := newState(last.Tree, last.Height+1, at)
	res := txResult{err: err}
	if err == nil {
		res = a.runTx(s, modeSimulate, raw)
	}
	sim := Simulation{GasUsed: res.used, Data: res.data, Events: res.events}
	if res.err != nil {
		sim.Code, _ = codeOf(res.err)
		sim.Log = res.err.Error()
	}
	return sim
}

// View runs fn on the last committed state; what it writes is dropped. For programs that have the application in their process.
func (a *App) View(fn func(*Context) error) error {
	last := a.db.Last()
	s, err := newState(last.Tree, last.Height, time.Time{})
	if err != nil {
		return err
	}
	return fn(s.context())
}

// CheckInvariants asks all modules whether the last committed state is sound.
func (a *App) CheckInvariants() error { return a.View(a.checkInvariants) }

func (a *App) checkInvariants(ctx *Context) error {
	for _, m := range a.opts.Modules {
		if c, ok := m.(InvariantChecker); ok {
			if err := c.CheckInvariants(ctx); err != nil {
				return fmt.Errorf("app: module %s: %w", m.Name(), err)
			}
		}
	}
	return nil
}
