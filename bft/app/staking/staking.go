package staking

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/bank"
)

const name = "staking"

// The errors of this module.
var (
	ErrNoValidator = app.NewError(name, 1, "no such validator")
	ErrExists      = app.NewError(name, 2, "there is such a validator already")
	ErrJailed      = app.NewError(name, 3, "the validator is jailed")
	ErrDelegation  = app.NewError(name, 4, "not so much is delegated")
	ErrDenom       = app.NewError(name, 5, "this coin is not staked")
	ErrTooLittle   = app.NewError(name, 6, "a validator stakes more on itself")
	ErrPubKey      = app.NewError(name, 7, "not a public key")
)

// Params are the module's parameters.
type Params struct {
	BondDenom         string        `json:"bond_denom"`          // the coin that is staked
	PowerReduction    uint64        `json:"power_reduction"`     // units of it for a power of 1; at least 16 (D2)
	MaxValidators     uint64        `json:"max_validators"`      // as many take part in consensus
	MinSelfDelegation uint64        `json:"min_self_delegation"` // what a new validator stakes on itself, in units
	UnbondingTime     time.Duration `json:"unbonding_time"`      // in nanoseconds
	SlashDoubleVote   uint64        `json:"slash_double_vote"`   // parts of 10,000
}

// DefaultParams are those of the Cosmos SDK: 21 days, 5 % for a double vote.
func DefaultParams() Params {
	return Params{
		BondDenom: "stake", PowerReduction: 1_000_000, MaxValidators: 100, MinSelfDelegation: 1_000_000,
		UnbondingTime: 21 * 24 * time.Hour, SlashDoubleVote: 500,
	}
}

// maxUnbonding is ten years.
const maxUnbonding = 10 * 365 * 24 * time.Hour

// Validate tells what cannot be.
func (p Params) Validate() error {
	switch {
	case p.PowerReduction < 16:
		return fmt.Errorf("%w: power_reduction %d; 16 is the least", app.ErrInvalidParams, p.PowerReduction)
	case p.MaxValidators == 0, p.MinSelfDelegation == 0, p.SlashDoubleVote > 10_000:
		return fmt.Errorf("%w: max_validators and min_self_delegation are above 0, slash_double_vote up to 10000: %+v", app.ErrInvalidParams, p)
	case p.UnbondingTime <= 0, p.UnbondingTime > maxUnbonding: // instants are 64 bits of nanoseconds
		return fmt.Errorf("%w: unbonding_time %v is not above 0 and up to %v", app.ErrInvalidParams, p.UnbondingTime, maxUnbonding)
	}
	return app.ValidateDenom(p.BondDenom)
}

// A Keeper has validators and delegations. It is the module, too. Use New.
type Keeper struct {
	bank                 *bank.Keeper
	delegated, unbonding app.Address
}

// New is a staking module over a bank.
func New(b *bank.Keeper) *Keeper {
	return &Keeper{bank: b, delegated: b.ModuleAccount("staking/delegated"), unbonding: b.ModuleAccount("staking/unbonding")}
}

// A Validator is one who takes part in consensus, or wants to. Its operator is an account; consensus knows it by the public key.
type Validator struct {
	Operator app.Address
	PubKey   [32]byte
	Tokens   uint64 // all that is delegated to it
	Jailed   bool   // out for good (D6)
}

// ConsensusAddress is by what evidence names it.
func (v Validator) ConsensusAddress() app.Address {
	h := sha256.Sum256(v.PubKey[:])
	return app.Address(h[:20])
}

func (v Validator) power(p *Params) uint64 {
	if v.Jailed {
		return 0
	}
	return v.Tokens / p.PowerReduction
}

// key is a kind of entry, and the parts of its key.
func key(kind string, parts ...[]byte) []byte {
	k := []byte(kind)
	for _, p := range parts {
		k = append(k, p...)
	}
	return k
}

func be(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }

// Params are the current ones.
func (k *Keeper) Params(ctx *app.Context) (p Params, err error) {
	b, err := ctx.Store(name).Get([]byte("params"))
	if err != nil {
		return p, err
	}
	if b == nil {
		return p, fmt.Errorf("%w: staking has no parameters; was InitGenesis called?", app.ErrNotReady)
	}
	return p, json.Unmarshal(b, &p)
}

// SetParams changes them.
func (k *Keeper) SetParams(ctx *app.Context, p Params) error {
	if err := p.Validate(); err != nil {
		return err
	}
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return ctx.Store(name).Set([]byte("params"), b)
}

// Validator is that of an operator, or ErrNoValidator.
func (k *Keeper) Validator(ctx *app.Context, operator app.Address) (v Validator, err error) {
	b, err := ctx.Store(name).Get(key("v/", operator[:]))
	if err == nil && b == nil {
		err = fmt.Errorf("%w: %v", ErrNoValidator, operator)
	}
	if err != nil {
		return v, err
	}
	return decodeValidator(operator, b), nil
}

func decodeValidator(operator app.Address, b []byte) Validator {
	return Validator{operator, [32]byte(b[:32]), binary.BigEndian.Uint64(b[32:]), b[40] == 1}
}

// setValidator writes v, and moves it in the ranking from where it was with was: the zero Validator if it is new.
func (k *Keeper) setValidator(ctx *app.Context, p *Params, was, v Validator) error {
	kv := ctx.Store(name)
	old, power := was.power(p), v.power(p)
	if old != power && old > 0 {
		if err := kv.Delete(key("r/", be(^old), v.Operator[:])); err != nil {
			return err
		}
	}
	if old != power && power > 0 {
		if err := kv.Set(key("r/", be(^power), v.Operator[:]), nil); err != nil {
			return err
		}
	}
	b := append(append([]byte(nil), v.PubKey[:]...), be(v.Tokens)...)
	jailed := byte(0)
	if v.Jailed {
		jailed = 1
	}
	return kv.Set(key("v/", v.Operator[:]), append(b, jailed))
}

// Delegation is how much a delegator has staked on a validator.
func (k *Keeper) Delegation(ctx *app.Context, operator, delegator app.Address) (uint64, error) {
	b, err := ctx.Store(name).Get(key("d/", operator[:], delegator[:]))
	if err != nil || b == nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

func (k *Keeper) setDelegation(ctx *app.Context, operator, delegator app.Address, amount uint64) error {
	return k.setAmount(ctx, key("d/", operator[:], delegator[:]), amount)
}

// setAmount has no entry for zero.
func (k *Keeper) setAmount(ctx *app.Context, key []byte, amount uint64) error {
	if amount == 0 {
		return ctx.Store(name).Delete(key)
	}
	return ctx.Store(name).Set(key, be(amount))
}

// createValidator begins a validator with a first delegation, its operator's.
func (k *Keeper) createValidator(ctx *app.Context, m MsgCreateValidator) error {
	p, err := k.Params(ctx)
	if err != nil {
		return err
	}
	if m.Coin.Denom == p.BondDenom && m.Coin.Amount < p.MinSelfDelegation {
		return fmt.Errorf("%w: %v, not %d", ErrTooLittle, m.Coin, p.MinSelfDelegation)
	}
	v := Validator{Operator: m.Operator, PubKey: m.PubKey}
	if err := k.addValidator(ctx, &p, v); err != nil {
		return err
	}
	ctx.Emit("create_validator", "validator", m.Operator.String())
	return k.delegate(ctx, MsgDelegate{m.Operator, m.Operator, m.Coin})
}

// addValidator writes a new one, without tokens. Neither operator nor key may be there already.
func (k *Keeper) addValidator(ctx *app.Context, p *Params, v Validator) error {
	kv, at := ctx.Store(name), v.ConsensusAddress()
	for _, there := range [][]byte{key("v/", v.Operator[:]), key("c/", at[:])} {
		b, err := kv.Get(there)
		if err != nil {
			return err
		}
		if b != nil {
			return fmt.Errorf("%w: operator %v, consensus address %v", ErrExists, v.Operator, at)
		}
	}
	if err := kv.Set(key("c/", at[:]), v.Operator[:]); err != nil {
		return err
	}
	return k.setValidator(ctx, p, Validator{}, v)
}

// delegate moves coins from an account into the pool.
func (k *Keeper) delegate(ctx *app.Context, m MsgDelegate) error {
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
	if v.Jailed {
		return fmt.Errorf("%w: %v", ErrJailed, v.Operator)
	}
	if err := k.bank.Send(ctx, m.Delegator, k.delegated, m.Coin); err != nil {
		return err
	}
	if err := k.addTokens(ctx, &p, v, m.Delegator, m.Coin.Amount); err != nil {
		return err
	}
	ctx.Emit("delegate", "validator", v.Operator.String(), "delegator", m.Delegator.String(), "amount", m.Coin.String())
	return nil
}

// addTokens adds to a delegation what is in the pool already.
func (k *Keeper) addTokens(ctx *app.Context, p *Params, v Validator, delegator app.Address, amount uint64) error {
	has, err := k.Delegation(ctx, v.Operator, delegator)
	if err != nil {
		return err
	}
	was := v
	if v.Tokens, err = app.Add(v.Tokens, amount); err != nil {
		return err
	}
	// Not beyond the validator's tokens, hence no overflow.
	if err := k.setDelegation(ctx, v.Operator, delegator, has+amount); err != nil {
		return err
	}
	return k.setValidator(ctx, p, was, v)
}
