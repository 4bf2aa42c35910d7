package staking

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/store"
)

// BeginBlock implements [app.BeginBlocker]: it punishes the faults that the block has proofs of.
func (k *Keeper) BeginBlock(ctx *app.Context, b *abci.FinalizeBlockRequest) error {
	for _, m := range b.Misbehavior {
		if err := k.punish(ctx, m); err != nil {
			return fmt.Errorf("evidence against %x: %w", m.Validator.Address, err)
		}
	}
	return nil
}

// punish slashes and jails. A light client attack is a double vote before another audience.
func (k *Keeper) punish(ctx *app.Context, m abci.Misbehavior) error {
	b, err := ctx.Store(name).Get(key("c/", m.Validator.Address))
	if err != nil {
		return err
	}
	if b == nil { // consensus knows validators of which this module does not
		ctx.Emit("slash_unknown", "consensus_address", fmt.Sprintf("%x", m.Validator.Address))
		return nil
	}
	v, err := k.Validator(ctx, app.Address(b))
	if err != nil || v.Jailed {
		return err
	}
	p, err := k.Params(ctx)
	if err != nil {
		return err
	}
	was := v
	lost, err := k.slashDelegations(ctx, &p, v.Operator)
	if err != nil {
		return err
	}
	unbonding, err := k.slashUnbondings(ctx, &p, v.Operator, m.Height)
	if err != nil {
		return err
	}
	v.Tokens -= lost
	v.Jailed = true
	ctx.Emit("slash", "validator", v.Operator.String(), "height", strconv.FormatInt(m.Height, 10),
		"delegated", strconv.FormatUint(lost, 10), "unbonding", strconv.FormatUint(unbonding, 10))
	return k.setValidator(ctx, &p, was, v)
}

// part is what a double vote costs of an amount, rounded up (D5). A part of up to 10,000 in 10,000 is no more than the amount.
func (p *Params) part(amount uint64) (uint64, error) {
	return app.MulDiv(amount, p.SlashDoubleVote, 10_000, true)
}

// slashDelegations burns a part of each delegation.
func (k *Keeper) slashDelegations(ctx *app.Context, p *Params, operator app.Address) (lost uint64, err error) {
	err = k.delegations(ctx, operator, func(d Delegation) error {
		part, err := p.part(d.Amount)
		if err != nil {
			return err
		}
		lost += part
		return k.setDelegation(ctx, operator, d.Delegator, d.Amount-part)
	})
	if err != nil {
		return 0, err
	}
	return lost, k.burn(ctx, p, k.delegated, lost)
}

// slashUnbondings burns a part of what was staked at the time of the fault and has begun to unbond since.
func (k *Keeper) slashUnbondings(ctx *app.Context, p *Params, operator app.Address, fault int64) (lost uint64, err error) {
	kv := ctx.Store(name)
	err = k.unbondings(ctx, operator, func(u Unbonding) error {
		// What is undelegated in block H leaves the voting power at H+2, hence it was voting at H+1 still.
		if u.Height+1 < fault {
			return nil
		}
		part, err := p.part(u.Amount)
		if err != nil {
			return err
		}
		lost += part
		entry, queue := u.keys(operator)
		if part == u.Amount {
			if err := kv.Delete(queue); err != nil {
				return err
			}
		}
		return k.setAmount(ctx, entry, u.Amount-part)
	})
	if err != nil {
		return 0, err
	}
	return lost, k.burn(ctx, p, k.unbonding, lost)
}

func (k *Keeper) burn(ctx *app.Context, p *Params, pool app.Address, amount uint64) error {
	if amount == 0 {
		return nil
	}
	return k.bank.Burn(ctx, pool, app.Coin{Denom: p.BondDenom, Amount: amount})
}

// A Delegation is what one account has staked on a validator.
type Delegation struct {
	Delegator app.Address `json:"delegator"`
	Amount    uint64      `json:"amount,string"`
}

// delegations calls fn for those of a validator.
func (k *Keeper) delegations(ctx *app.Context, operator app.Address, fn func(Delegation) error) error {
	return store.Prefix(ctx.Store(name), string(key("d/", operator[:]))).Range(nil, nil, func(key, value []byte) error {
		return fn(Delegation{app.Address(key), binary.BigEndian.Uint64(value)})
	})
}
