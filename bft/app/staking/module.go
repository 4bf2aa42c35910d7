package staking

import (
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/app/store"
)

// Genesis is the module's state in JSON.
type Genesis struct {
	Params     *Params            `json:"params,omitempty"` // nil: DefaultParams
	Validators []ValidatorGenesis `json:"validators"`
}

// ValidatorGenesis is a validator with all that is staked on it.
type ValidatorGenesis struct {
	Operator    app.Address  `json:"operator"`
	PubKey      string       `json:"pub_key"` // 64 hexadecimal digits
	Jailed      bool         `json:"jailed,omitempty"`
	Power       uint64       `json:"power,omitempty"` // what consensus was told; if nobody has one, the first set is made
	Delegations []Delegation `json:"delegations"`
	Unbondings  []Unbonding  `json:"unbondings,omitempty"`
}

// Pools are the balances that a bank must have for a genesis, in the two accounts of this module.
func (k *Keeper) Pools(g Genesis) []bank.Balance {
	p := DefaultParams()
	if g.Params != nil {
		p = *g.Params
	}
	var delegated, unbonding uint64
	for _, v := range g.Validators {
		for _, d := range v.Delegations {
			delegated += d.Amount
		}
		for _, u := range v.Unbondings {
			unbonding += u.Amount
		}
	}
	var out []bank.Balance
	if delegated > 0 {
		out = append(out, bank.Balance{Address: k.delegated, Coin: app.Coin{Denom: p.BondDenom, Amount: delegated}})
	}
	if unbonding > 0 {
		out = append(out, bank.Balance{Address: k.unbonding, Coin: app.Coin{Denom: p.BondDenom, Amount: unbonding}})
	}
	return out
}

// Name implements [app.Module].
func (k *Keeper) Name() string { return name }

// InitGenesis implements [app.Module]. The bank comes before it.
func (k *Keeper) InitGenesis(ctx *app.Context, data json.RawMessage) error {
	var g Genesis
	if data != nil {
		if err := json.Unmarshal(data, &g); err != nil {
			return fmt.Errorf("%w: %w", app.ErrGenesis, err)
		}
	}
	if g.Params == nil {
		p := DefaultParams()
		g.Params = &p
	}
	if err := k.SetParams(ctx, *g.Params); err != nil {
		return err
	}
	told := false
	for _, v := range g.Validators {
		if err := k.initValidator(ctx, g.Params, v); err != nil {
			return fmt.Errorf("%w: validator %v: %w", app.ErrGenesis, v.Operator, err)
		}
		told = told || v.Power > 0
	}
	if told {
		return nil
	}
	_, err := k.updateSet(ctx, g.Params)
	return err
}

func (k *Keeper) initValidator(ctx *app.Context, p *Params, g ValidatorGenesis) error {
	v := Validator{Operator: g.Operator}
	if n, err := hex.Decode(v.PubKey[:], []byte(g.PubKey)); err != nil || n != 32 || len(g.PubKey) != 64 {
		return fmt.Errorf("%w: %q has not 64 hexadecimal digits", ErrPubKey, g.PubKey)
	}
	if err := k.addValidator(ctx, p, v); err != nil {
		return err
	}
	for _, d := range g.Delegations {
		if has, err := k.Delegation(ctx, g.Operator, d.Delegator); err != nil || has > 0 || d.Amount == 0 {
			return fmt.Errorf("delegation of %v: it is there twice, or of nothing (%v)", d.Delegator, err)
		}
		if err := k.addTokens(ctx, p, v, d.Delegator, d.Amount); err != nil {
			return err
		}
		v.Tokens += d.Amount
	}
	for _, u := range g.Unbondings {
		// An entry that cannot be paid, or is not at its place in time, would halt the chain when its time comes.
		if u.Amount == 0 || !timeOf(instant(u.Time)).Equal(u.Time) {
			return fmt.Errorf("unbonding of %v: it is of nothing, or its time %v is not within the years 1678 to 2262", u.Delegator, u.Time)
		}
		if err := k.addUnbonding(ctx, g.Operator, u); err != nil {
			return err
		}
	}
	if g.Jailed {
		was := v
		v.Jailed = true
		if err := k.setValidator(ctx, p, was, v); err != nil {
			return err
		}
	}
	return k.setAmount(ctx, key("p/", g.Operator[:]), g.Power)
}

// ExportGenesis implements [app.Module].
func (k *Keeper) ExportGenesis(ctx *app.Context) (json.RawMessage, error) {
	p, err := k.Params(ctx)
	if err != nil {
		return nil, err
	}
	told, err := k.told(ctx)
	if err != nil {
		return nil, err
	}
	powers := map[app.Address]uint64{}
	for _, r := range told {
		powers[r.operator] = r.power
	}
	g := Genesis{Params: &p, Validators: []ValidatorGenesis{}}
	err = k.validators(ctx, func(v Validator) error {
		out := ValidatorGenesis{Operator: v.Operator, PubKey: hex.EncodeToString(v.PubKey[:]), Jailed: v.Jailed, Power: powers[v.Operator], Delegations: []Delegation{}}
		err := k.delegations(ctx, v.Operator, func(d Delegation) error {
			out.Delegations = append(out.Delegations, d)
			return nil
		})
		if err != nil {
			return err
		}
		err = k.unbondings(ctx, v.Operator, func(u Unbonding) error {
			out.Unbondings = append(out.Unbondings, u)
			return nil
		})
		g.Validators = append(g.Validators, out)
		return err
	})
	if err != nil {
		return nil, err
	}
	return json.Marshal(g)
}

// validators calls fn for each, by operator.
func (k *Keeper) validators(ctx *app.Context, fn func(Validator) error) error {
	return store.Prefix(ctx.Store(name), "v/").Range(nil, nil, func(key, value []byte) error {
		return fn(decodeValidator(app.Address(key), value))
	})
}

// CheckInvariants implements [app.InvariantChecker]: D1, and that both indexes are what they index.
func (k *Keeper) CheckInvariants(ctx *app.Context) error {
	p, err := k.Params(ctx)
	if err != nil {
		return err
	}
	var delegated, unbonding, ranks, entries uint64
	err = k.validators(ctx, func(v Validator) error {
		var sum uint64
		if err := k.delegations(ctx, v.Operator, func(d Delegation) error { sum += d.Amount; return nil }); err != nil {
			return err
		}
		if sum != v.Tokens {
			return fmt.Errorf("validator %v has %d tokens, its delegations are %d", v.Operator, v.Tokens, sum)
		}
		if power := v.power(&p); power > 0 {
			if b, err := ctx.Store(name).Get(key("r/", be(^power), v.Operator[:])); err != nil || b == nil {
				return fmt.Errorf("validator %v with power %d is not ranked (%v)", v.Operator, power, err)
			}
			ranks++
		}
		if delegated, err = app.Add(delegated, sum); err != nil { // else 2^64 staked on nothing would be nothing
			return err
		}
		return k.unbondings(ctx, v.Operator, func(u Unbonding) (err error) {
			if b, err := ctx.Store(name).Get(queueKey(u, v.Operator)); err != nil || b == nil {
				return fmt.Errorf("%+v is not in the queue (%v)", u, err)
			}
			entries++
			unbonding, err = app.Add(unbonding, u.Amount)
			return err
		})
	})
	if err != nil {
		return err
	}
	for _, pool := range []struct {
		what    string
		account app.Address
		want    uint64
	}{{"delegated", k.delegated, delegated}, {"unbonding", k.unbonding, unbonding}} {
		if has, err := k.bank.Balance(ctx, pool.account, p.BondDenom); err != nil || has != pool.want {
			return fmt.Errorf("the pool of what is %s, %v, has %d, and should have %d (%v)", pool.what, pool.account, has, pool.want, err)
		}
	}
	return k.checkIndexes(ctx, map[string]uint64{"r/": ranks, "q/": entries})
}

func queueKey(u Unbonding, operator app.Address) []byte {
	_, queue := u.keys(operator)
	return queue
}

// checkIndexes counts entries: what should be there is, so a wrong number is of what should not.
func (k *Keeper) checkIndexes(ctx *app.Context, want map[string]uint64) error {
	for _, kind := range []string{"r/", "q/"} {
		n := uint64(0)
		err := store.Prefix(ctx.Store(name), kind).Range(nil, nil, func(_, _ []byte) error { n++; return nil })
		if err != nil || n != want[kind] {
			return fmt.Errorf("the index %s has %d entries, and should have %d (%v)", kind, n, want[kind], err)
		}
	}
	return nil
}

// Query implements [app.Querier]: "validators": the Genesis of now; "delegation" of a validator's and a delegator's address, 40 bytes.
func (k *Keeper) Query(ctx *app.Context, path string, data []byte) ([]byte, error) {
	switch {
	case path == "validators":
		return k.ExportGenesis(ctx)
	case path == "delegation" && len(data) == 40:
		amount, err := k.Delegation(ctx, app.Address(data[:20]), app.Address(data[20:]))
		if err != nil {
			return nil, err
		}
		return json.Marshal(Delegation{app.Address(data[20:]), amount})
	}
	return nil, fmt.Errorf("%w: staking/%.100q with %d bytes", app.ErrUnknownQuery, path, len(data))
}
