package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/staking"
	"github.com/flagship-go/flagship/bft/store"
	"github.com/flagship-go/flagship/bft/types"
)

// ask is a query of one node's application, as of a height.
func (n *bftNode) ask(a *bftActs, h types.Height, path string, data []byte, answer any) error {
	r, err := n.Query(a.ctx, &abci.QueryRequest{Path: path, Data: data, Height: int64(h)})
	if err != nil {
		return err
	}
	if r.Code != abci.CodeOK {
		return fmt.Errorf("asking for %s at height %d: %s", path, h, r.Log)
	}
	return json.Unmarshal(r.Value, answer)
}

// balance is what an account has.
func (n *bftNode) balance(a *bftActs, h types.Height, of app.Address) (uint64, error) {
	var coins []app.Coin
	if err := n.ask(a, h, "/bank/balances", of[:], &coins); err != nil {
		return 0, err
	}
	sum := uint64(0)
	for _, c := range coins {
		sum += c.Amount
	}
	return sum, nil
}

// bftBooks are all units at a height.
type bftBooks struct {
	supply, accounts, delegated, unbonding uint64
}

func (b bftBooks) sum() uint64 { return b.accounts + b.delegated + b.unbonding }

func (a *bftActs) books(h types.Height) (b bftBooks, err error) {
	n := a.node(0)
	var supply app.Coin
	if err := n.ask(a, h, "/bank/supply", []byte(bftDenom), &supply); err != nil {
		return b, err
	}
	b.supply = supply.Amount
	for _, acct := range a.ledger.accounts {
		has, err := n.balance(a, h, acct.address)
		if err != nil {
			return b, err
		}
		b.accounts += has
	}
	if b.delegated, err = n.balance(a, h, app.ModuleAddress("staking/delegated")); err != nil {
		return b, err
	}
	b.unbonding, err = n.balance(a, h, app.ModuleAddress("staking/unbonding"))
	return b, err
}

// liarAt is what staking knows of the liar.
func (a *bftActs) liarAt(h types.Height) (v staking.ValidatorGenesis, err error) {
	var all staking.Genesis
	if err := a.node(0).ask(a, h, "/staking/validators", nil, &all); err != nil {
		return v, err
	}
	for _, v := range all.Validators {
		if v.Operator == app.Address(a.chain.address(bftLiar)) {
			return v, nil
		}
	}
	return v, fmt.Errorf("staking does not know v%d at height %d", bftLiar+1, h)
}

// bftSlash is a twentieth, rounded up.
func bftSlash(amount uint64) uint64 { return (amount + 19) / 20 }

// burned is what the slash of the liar costs, from the genesis alone.
func bftBurned() uint64 { return bftSlash(bftStake) + bftSlash(bftTrust) }

// punished looks at what the evidence has led to.
func (a *bftActs) punished() error {
	before, err := a.liarAt(a.slashed - 1)
	if err != nil {
		return err
	}
	after, err := a.liarAt(a.slashed)
	if err != nil {
		return err
	}
	trusted := a.ledger.accounts[0]
	amount := func(v staking.ValidatorGenesis, of app.Address) uint64 {
		for _, d := range v.Delegations {
			if d.Delegator == of {
				return d.Amount
			}
		}
		return 0
	}
	was, left := amount(before, trusted.address), amount(after, trusted.address)
	own, ownLeft := amount(before, before.Operator), amount(after, after.Operator)
	a.Claim(was == bftTrust && left == was-bftSlash(was) && ownLeft == own-bftSlash(own) && after.Jailed && !before.Jailed && after.Power == 0,
		"block %d slashes v3: a twentieth of all that is staked on it is burned, rounded up: %d of its own %d, and %d of the %d of %q, who had trusted it. Its power goes from %d to %d, for good",
		a.slashed, own-ownLeft, own, was-left, was, trusted.word, before.Power, after.Power)
	powers := map[types.Height]string{}
	var there [3]bool
	for i := range there {
		h := a.slashed + types.Height(i)
		set, err := a.node(0).Blocks().Validators(h)
		if err != nil {
			return err
		}
		at := set.Index(a.chain.address(bftLiar))
		there[i] = at >= 0
		powers[h] = "none"
		if at >= 0 {
			powers[h] = fmt.Sprintf("%d of %d", set.At(at).Power, set.TotalPower())
		}
	}
	a.Claim(there == [3]bool{true, true, false}, "v3 is a validator at heights %d (%s) and %d (%s), and not at %d: a change in block H counts from H+2 (V2)",
		a.slashed, powers[a.slashed], a.slashed+1, powers[a.slashed+1], a.slashed+2)
	return nil
}

// audit looks at all of it, height by height.
func (a *bftActs) audit() error {
	if err := a.auditBooks(); err != nil {
		return err
	}
	if err := a.auditLoop(); err != nil {
		return err
	}
	if err := a.auditBlocks(); err != nil {
		return err
	}
	locks, decisions, bad, err := a.watch.judge(a.node(0).Blocks())
	if err != nil {
		return err
	}
	a.Claim(len(bad) == 0 && decisions > 0, "%d precommits for a block, each after prevotes of more than two thirds of the power (L36), and %d decisions, each after as many precommits (L49): %s",
		locks, decisions, listOr(bad, "as heard from the validators themselves"))
	return nil
}

// auditBooks adds up all units, at each height.
func (a *bftActs) auditBooks() error {
	var picture strings.Builder
	fmt.Fprintf(&picture, "%8s %14s = %14s + %12s + %9s   %s", "height", "supply", "accounts", "delegated", "unbonding", "burned")
	bad := ""
	for h := types.Height(1); h <= a.last; h++ {
		b, err := a.books(h)
		if err != nil {
			return err
		}
		a.Progress("heights audited", int(h), int(a.last))
		burned := uint64(0)
		if h >= a.slashed {
			burned = bftBurned()
		}
		if (b.supply != b.sum() || b.supply != a.chain.initial-burned) && bad == "" {
			bad = fmt.Sprintf("; but at height %d it is %d, and the sum %d", h, b.supply, b.sum())
		}
		if h == 1 || h == a.slashed-1 || h == a.slashed || h == a.last {
			fmt.Fprintf(&picture, "\n%8d %14d   %14d   %12d   %9d   %d", h, b.supply, b.accounts, b.delegated, b.unbonding, burned)
		}
	}
	a.Picture(picture.String())
	a.Claim(bad == "", "balances add up at every height: 1 to %d, the supply is the sum of all %d accounts and both pools, and what there was at first less the slash%s",
		a.last, len(a.ledger.accounts), bad)
	return nil
}

// auditLoop compares with the loop over the lines.
func (a *bftActs) auditLoop() error {
	bad := ""
	for _, n := range a.chain.running() {
		for _, acct := range a.ledger.accounts {
			has, err := n.balance(a, a.last, acct.address)
			if err != nil {
				return err
			}
			if has != acct.balance && bad == "" {
				bad = fmt.Sprintf("; but %q has %d, and should have %d", acct.word, has, acct.balance)
			}
		}
	}
	a.Claim(bad == "" && a.refused == 0, "after %d transfers each of %d accounts has what a loop over the lines says, on each validator%s", a.sent, len(a.ledger.accounts), bad)
	return nil
}

// auditBlocks compares blocks and app hashes of all four; v3's are in its files.
func (a *bftActs) auditBlocks() (err error) {
	liar, err := store.Open(filepath.Join(a.chain.home(bftLiar), "data", "blocks"), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, liar.Close()) }()
	stores := []bft.Store{a.node(0).Blocks(), a.node(1).Blocks(), liar, a.node(bftKilled).Blocks()}
	bad, compared := "", 0
	for h := types.Height(1); h <= a.last; h++ {
		_, id, err := stores[0].Block(h)
		if err != nil {
			return err
		}
		results, err := stores[0].Results(h)
		if err != nil {
			return err
		}
		for i, s := range stores {
			if h > s.Height() {
				continue // the liar was stopped
			}
			commit, same, err := commitOf(s, h, id, results.Response.AppHash)
			if err == nil {
				var set *types.ValidatorSet
				if set, err = stores[0].Validators(h); err == nil {
					err = types.VerifyCommit(bftChainID, set, id, h, commit)
				}
			}
			if (err != nil || !same) && bad == "" {
				bad = fmt.Sprintf("; but v%d at height %d: the same is %t, %v", i+1, h, same, err)
			}
			compared++
		}
	}
	a.Claim(bad == "", "blocks and app hashes are the same on all: %d heights, %d comparisons, and each validator's commit for each proves it%s", a.last, compared, bad)
	return nil
}

// commitOf is the commit that one validator has seen, and whether it has the same block and app hash.
func commitOf(s bft.Store, h types.Height, id types.ValueID, appHash []byte) (*types.Commit, bool, error) {
	_, other, err := s.Block(h)
	if err != nil {
		return nil, false, err
	}
	results, err := s.Results(h)
	if err != nil {
		return nil, false, err
	}
	commit, err := s.SeenCommit(h)
	return commit, other == id && bytes.Equal(results.Response.AppHash, appHash), err
}
