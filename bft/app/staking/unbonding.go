package staking

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/store"
)

// An Unbonding is coins on their way out: begun in the block of Height, paid at the end of the first block that is not before Time.
type Unbonding struct {
	Delegator app.Address `json:"delegator"`
	Amount    uint64      `json:"amount,string"`
	Height    int64       `json:"height"`
	Time      time.Time   `json:"time"`
}

// instant is t as eight bytes whose order is that of time, before 1970 too.
func instant(t time.Time) []byte { return be(uint64(t.UnixNano()) ^ 1<<63) }

func timeOf(b []byte) time.Time {
	return time.Unix(0, int64(binary.BigEndian.Uint64(b)^1<<63)).UTC()
}

// The two keys of an unbonding: by the validator, and by its end.
func (u Unbonding) keys(operator app.Address) (entry, queue []byte) {
	at, height := instant(u.Time), be(uint64(u.Height))
	return key("u/", operator[:], at, height, u.Delegator[:]), key("q/", at, height, operator[:], u.Delegator[:])
}

// undelegate makes coins of a delegation unbonding (D4).
func (k *Keeper) undelegate(ctx *app.Context, m MsgUndelegate) error {
	p, err := k.Params(ctx)
	if err != nil {
		return err
	}
	if m.Coin.Denom != p.BondDenom {
		return fmt.Errorf("%w: %s; %s is", ErrDenom, m.Coin.Denom, p.BondDenom)
	}
	v, err := k.Validator(ctx, m.Validator)
	if err != nil {
		return err
	}
	has, err := k.Delegation(ctx, m.Validator, m.Delegator)
	if err != nil {
		return err
	}
	if has < m.Coin.Amount {
		return fmt.Errorf("%w: %v has %d with %v, %v are wanted", ErrDelegation, m.Delegator, has, m.Validator, m.Coin)
	}
	if err := k.setDelegation(ctx, m.Validator, m.Delegator, has-m.Coin.Amount); err != nil {
		return err
	}
	was := v
	v.Tokens -= m.Coin.Amount
	if err := k.setValidator(ctx, &p, was, v); err != nil {
		return err
	}
	if err := k.bank.Send(ctx, k.delegated, k.unbonding, m.Coin); err != nil {
		return err
	}
	u := Unbonding{m.Delegator, m.Coin.Amount, ctx.Height, ctx.Time.Add(p.UnbondingTime)}
	if err := k.addUnbonding(ctx, m.Validator, u); err != nil {
		return err
	}
	ctx.Emit("undelegate", "validator", m.Validator.String(), "delegator", m.Delegator.String(), "amount", m.Coin.String(),
		"completion", u.Time.UTC().Format(time.RFC3339Nano))
	return nil
}

// addUnbonding writes an entry. A second one of the same block is added to the first.
func (k *Keeper) addUnbonding(ctx *app.Context, operator app.Address, u Unbonding) error {
	entry, queue := u.keys(operator)
	kv := ctx.Store(name)
	b, err := kv.Get(entry)
	if err != nil {
		return err
	}
	if b != nil {
		if u.Amount, err = app.Add(u.Amount, binary.BigEndian.Uint64(b)); err != nil {
			return err
		}
	}
	if err := kv.Set(entry, be(u.Amount)); err != nil {
		return err
	}
	return kv.Set(queue, nil)
}

// unbondings calls fn for those of a validator.
func (k *Keeper) unbondings(ctx *app.Context, operator app.Address, fn func(Unbonding) error) error {
	return store.Prefix(ctx.Store(name), string(key("u/", operator[:]))).Range(nil, nil, func(key, value []byte) error {
		return fn(Unbonding{app.Address(key[16:]), binary.BigEndian.Uint64(value), int64(binary.BigEndian.Uint64(key[8:])), timeOf(key)})
	})
}

// payUnbonded pays what has ended by the block's time.
func (k *Keeper) payUnbonded(ctx *app.Context, p *Params) error {
	kv := ctx.Store(name)
	// The end of the range is after all entries of this very instant.
	end := store.PrefixEnd(key("q/", instant(ctx.Time)))
	return kv.Range([]byte("q/"), end, func(queue, _ []byte) error {
		at, height, operator, delegator := queue[2:10], queue[10:18], queue[18:38], app.Address(queue[38:])
		entry := key("u/", operator, at, height, delegator[:])
		b, err := kv.Get(entry)
		if err != nil {
			return err
		}
		coin := app.Coin{Denom: p.BondDenom, Amount: binary.BigEndian.Uint64(b)}
		if err := k.bank.Send(ctx, k.unbonding, delegator, coin); err != nil {
			return fmt.Errorf("paying %v of %x: %w", coin, queue, err)
		}
		ctx.Emit("unbonded", "validator", app.Address(operator).String(), "delegator", delegator.String(), "amount", coin.String())
		if err := kv.Delete(entry); err != nil {
			return err
		}
		return kv.Delete(queue)
	})
}
