package staking

import (
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/store"
)

// EndBlock implements [app.EndBlocker]: it pays what has unbonded, and tells consensus what has changed in the set (D3).
func (k *Keeper) EndBlock(ctx *app.Context) ([]abci.ValidatorUpdate, error) {
	p, err := k.Params(ctx)
	if err != nil {
		return nil, err
	}
	if err := k.payUnbonded(ctx, &p); err != nil {
		return nil, err
	}
	return k.updateSet(ctx, &p)
}

// A ranked validator has a power.
type ranked struct {
	operator app.Address
	power    uint64
}

// errEnough ends a range.
var errEnough = errors.New("enough")

// top are the validators with the most power.
func (k *Keeper) top(ctx *app.Context, n uint64) (set []ranked, err error) {
	err = store.Prefix(ctx.Store(name), "r/").Range(nil, nil, func(key, _ []byte) error {
		if uint64(len(set)) == n {
			return errEnough
		}
		set = append(set, ranked{app.Address(key[8:]), ^binary.BigEndian.Uint64(key)})
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return set, err
}

// told is what consensus was told last, by operator.
func (k *Keeper) told(ctx *app.Context) (set []ranked, err error) {
	err = store.Prefix(ctx.Store(name), "p/").Range(nil, nil, func(key, value []byte) error {
		set = append(set, ranked{app.Address(key), binary.BigEndian.Uint64(value)})
		return nil
	})
	return set, err
}

// updateSet makes what consensus was told what the ranking says, and returns the difference. Both lists have an order, and so
// has the difference: maps are only looked up.
func (k *Keeper) updateSet(ctx *app.Context, p *Params) (updates []abci.ValidatorUpdate, err error) {
	next, err := k.top(ctx, p.MaxValidators)
	if err != nil {
		return nil, err
	}
	told, err := k.told(ctx)
	if err != nil {
		return nil, err
	}
	if len(next) == 0 {
		if len(told) > 0 {
			ctx.Emit("last_validators_stay")
		}
		return nil, nil
	}
	stays, before := map[app.Address]bool{}, map[app.Address]uint64{}
	for _, r := range next {
		stays[r.operator] = true
	}
	for _, r := range told {
		before[r.operator] = r.power
		if !stays[r.operator] {
			next = append(next, ranked{r.operator, 0})
		}
	}
	for _, r := range next {
		if r.power == before[r.operator] {
			continue
		}
		v, err := k.Validator(ctx, r.operator)
		if err != nil {
			return nil, err
		}
		if err := k.setAmount(ctx, key("p/", r.operator[:]), r.power); err != nil {
			return nil, err
		}
		updates = append(updates, abci.ValidatorUpdate{PubKey: v.PubKey[:], Power: int64(r.power)})
		ctx.Emit("validator_update", "validator", r.operator.String(), "power", strconv.FormatUint(r.power, 10))
	}
	return updates, nil
}

// Validators implements [app.ValidatorSource]: what consensus was told, as a whole.
func (k *Keeper) Validators(ctx *app.Context) (updates []abci.ValidatorUpdate, err error) {
	told, err := k.told(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range told {
		v, err := k.Validator(ctx, r.operator)
		if err != nil {
			return nil, err
		}
		updates = append(updates, abci.ValidatorUpdate{PubKey: v.PubKey[:], Power: int64(r.power)})
	}
	return updates, nil
}
