package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/app/staking"
	"github.com/flagship-go/flagship/bft/app/store"
	"github.com/flagship-go/flagship/bft/types"
)

// What the genesis of a bank gives to whom.
const (
	stakeDenom = "stake"
	goldDenom  = "gold"
	eachGold   = 1_000_000
	eachStake  = 100_000_000
	bonded     = 10_000_000 // of each validator: a power of 10
)

// openApp opens the application of a home.
func openApp(name, home string, log *slog.Logger) (abci.Application, io.Closer, error) {
	if name == "kvstore" {
		return kvstore.New(), nothing{}, nil // in memory: it is given all blocks again
	}
	b := bank.New()
	a, err := app.New(app.Options{Modules: []app.Module{b, staking.New(b)}, Fees: b, Version: "chain",
		Store: store.Options{Dir: filepath.Join(home, "data", "application"), Logger: log}, Logger: log})
	return a, a, err
}

type nothing struct{}

func (nothing) Close() error { return nil }

// bankGenesis gives alice and bob gold and stake, and each validator's operator, validator0 and so on, a stake in its validator. Their
// keys are made in dir.
func bankGenesis(g *types.Genesis, dir string) error {
	var balances bank.Genesis
	var stakes staking.Genesis
	account := func(name string, coins ...app.Coin) (app.Address, error) {
		key, err := openKey(dir, name, true)
		if err != nil {
			return app.Address{}, err
		}
		for _, c := range coins {
			balances.Balances = append(balances.Balances, bank.Balance{Address: key.address(), Coin: c})
		}
		return key.address(), nil
	}
	for _, name := range []string{"alice", "bob"} {
		if _, err := account(name, app.Coin{Denom: goldDenom, Amount: eachGold}, app.Coin{Denom: stakeDenom, Amount: eachStake}); err != nil {
			return err
		}
	}
	for i, v := range g.Validators {
		operator, err := account(fmt.Sprint("validator", i), app.Coin{Denom: goldDenom, Amount: eachGold})
		if err != nil {
			return err
		}
		stakes.Validators = append(stakes.Validators, staking.ValidatorGenesis{Operator: operator, PubKey: hex.EncodeToString(v.PubKey),
			Delegations: []staking.Delegation{{Delegator: operator, Amount: bonded}}})
	}
	balances.Balances = append(balances.Balances, staking.New(bank.New()).Pools(stakes)...)
	var err error
	g.AppState, err = json.Marshal(map[string]any{"bank": balances, "staking": stakes})
	return err
}
