package bank

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/store"
)

// Genesis is the module's state in JSON. Supplies are the sums of the balances.
type Genesis struct {
	Balances []Balance `json:"balances"`
}

// A Balance is what an account has of one coin.
type Balance struct {
	Address app.Address `json:"address"`
	app.Coin
}

// Name implements [app.Module].
func (k *Keeper) Name() string { return name }

// InitGenesis implements [app.Module].
func (k *Keeper) InitGenesis(ctx *app.Context, data json.RawMessage) error {
	var g Genesis
	if data != nil {
		if err := json.Unmarshal(data, &g); err != nil {
			return fmt.Errorf("%w: %w", app.ErrGenesis, err)
		}
	}
	for i, b := range g.Balances {
		if has, err := k.Balance(ctx, b.Address, b.Denom); err != nil || has > 0 {
			return fmt.Errorf("%w: balance %d: %v has %s twice (%v)", app.ErrGenesis, i, b.Address, b.Denom, err)
		}
		if err := k.Mint(ctx, b.Address, b.Coin); err != nil {
			return fmt.Errorf("%w: balance %d: %w", app.ErrGenesis, i, err)
		}
	}
	return nil
}

// ExportGenesis implements [app.Module].
func (k *Keeper) ExportGenesis(ctx *app.Context) (json.RawMessage, error) {
	g := Genesis{Balances: []Balance{}}
	err := k.balances(ctx, func(b Balance) error {
		g.Balances = append(g.Balances, b)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(g)
}

// balances calls fn for each, in the order of the state.
func (k *Keeper) balances(ctx *app.Context, fn func(Balance) error) error {
	return store.Prefix(ctx.Store(name), "b/").Range(nil, nil, func(key, value []byte) error {
		return fn(Balance{app.Address(key[:20]), app.Coin{Denom: string(key[20:]), Amount: binary.BigEndian.Uint64(value)}})
	})
}

// CheckInvariants implements [app.InvariantChecker]: B1 and B2.
func (k *Keeper) CheckInvariants(ctx *app.Context) error {
	sums := map[string]uint64{}
	err := k.balances(ctx, func(b Balance) (err error) {
		if b.Amount == 0 {
			return fmt.Errorf("%v has an entry for no %s", b.Address, b.Denom)
		}
		sums[b.Denom], err = app.Add(sums[b.Denom], b.Amount)
		return err
	})
	if err != nil {
		return err
	}
	err = store.Prefix(ctx.Store(name), "s/").Range(nil, nil, func(key, value []byte) error {
		denom, supply := string(key), binary.BigEndian.Uint64(value)
		if sums[denom] != supply {
			return fmt.Errorf("the supply of %s is %d, the balances are %d", denom, supply, sums[denom])
		}
		delete(sums, denom)
		return nil
	})
	if err == nil && len(sums) > 0 {
		return fmt.Errorf("there are balances of %s, and no supply", slices.Sorted(maps.Keys(sums))[0])
	}
	return err
}

// Query implements [app.Querier]: "balances" of an address of 20 bytes, "supply" of a denomination. Answers are JSON.
func (k *Keeper) Query(ctx *app.Context, path string, data []byte) ([]byte, error) {
	switch {
	case path == "supply":
		supply, err := k.Supply(ctx, string(data))
		if err != nil {
			return nil, err
		}
		return json.Marshal(app.Coin{Denom: string(data), Amount: supply})
	case path == "balances" && len(data) == 20:
		coins := []app.Coin{}
		prefix := "b/" + string(data)
		err := store.Prefix(ctx.Store(name), prefix).Range(nil, nil, func(key, value []byte) error {
			coins = append(coins, app.Coin{Denom: string(key), Amount: binary.BigEndian.Uint64(value)})
			return nil
		})
		if err != nil {
			return nil, err
		}
		return json.Marshal(coins)
	}
	return nil, fmt.Errorf("%w: bank/%.100q with %d bytes", app.ErrUnknownQuery, path, len(data))
}
