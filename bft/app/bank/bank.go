package bank

import (
	"encoding/binary"
	"fmt"

	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/store"
)

const name = "bank"

// The errors of this module.
var (
	ErrInsufficient = app.NewError(name, 1, "not enough coins")
	ErrBlocked      = app.NewError(name, 2, "the account belongs to a module, and does not receive from users")
	ErrOutputs      = app.NewError(name, 3, "the outputs are not valid")
)

// A Keeper moves coins. It is the module, too. The zero Keeper is not ready: use New.
type Keeper struct {
	fees    app.Address
	blocked map[app.Address]string // set while the application is put together, then only looked up
}

// New is a bank whose fees go to the account of module name "fees".
func New() *Keeper {
	k := &Keeper{blocked: map[app.Address]string{}}
	k.fees = k.ModuleAccount("fees")
	return k
}

// ModuleAccount is the account of a module, to which users cannot send. Modules ask for theirs before the application begins.
func (k *Keeper) ModuleAccount(name string) app.Address {
	a := app.ModuleAddress(name)
	k.blocked[a] = name
	return a
}

// Fees is the account that fees go to.
func (k *Keeper) Fees() app.Address { return k.fees }

func balanceKey(a app.Address, denom string) []byte {
	return append(append([]byte("b/"), a[:]...), denom...)
}

func supplyKey(denom string) []byte { return append([]byte("s/"), denom...) }

func getAmount(kv store.KV, key []byte) (uint64, error) {
	b, err := kv.Get(key)
	if err != nil || b == nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(b), nil
}

// setAmount has no entry for zero, so that the same balances are the same state, whatever was before.
func setAmount(kv store.KV, key []byte, amount uint64) error {
	if amount == 0 {
		return kv.Delete(key)
	}
	return kv.Set(key, binary.BigEndian.AppendUint64(nil, amount))
}

// Balance is how much of a coin an account has.
func (k *Keeper) Balance(ctx *app.Context, a app.Address, denom string) (uint64, error) {
	return getAmount(ctx.Store(name), balanceKey(a, denom))
}

// Supply is how much of a coin there is.
func (k *Keeper) Supply(ctx *app.Context, denom string) (uint64, error) {
	return getAmount(ctx.Store(name), supplyKey(denom))
}

// Send moves coins. It is for modules: messages of users go through [MsgSend].
func (k *Keeper) Send(ctx *app.Context, from, to app.Address, c app.Coin) error {
	if err := k.take(ctx, from, c); err != nil {
		return err
	}
	// After the sender's: were both balances read first, who sends to himself would have more (B3).
	if err := k.give(ctx, to, c); err != nil {
		return err
	}
	ctx.Emit("transfer", "sender", from.String(), "recipient", to.String(), "amount", c.String())
	return nil
}

// Mint makes coins.
func (k *Keeper) Mint(ctx *app.Context, to app.Address, c app.Coin) error {
	supply, err := k.Supply(ctx, c.Denom)
	if err != nil {
		return err
	}
	// The supply is the sum of all balances (B1): if it does not overflow, no balance does (B2).
	if supply, err = app.Add(supply, c.Amount); err != nil {
		return fmt.Errorf("the supply of %s: %w", c.Denom, err)
	}
	if err := setAmount(ctx.Store(name), supplyKey(c.Denom), supply); err != nil {
		return err
	}
	if err := k.give(ctx, to, c); err != nil {
		return err
	}
	ctx.Emit("mint", "recipient", to.String(), "amount", c.String())
	return nil
}

// Burn destroys coins of an account.
func (k *Keeper) Burn(ctx *app.Context, from app.Address, c app.Coin) error {
	if err := k.take(ctx, from, c); err != nil {
		return err
	}
	supply, err := k.Supply(ctx, c.Denom)
	if err != nil {
		return err
	}
	if err := setAmount(ctx.Store(name), supplyKey(c.Denom), supply-c.Amount); err != nil {
		return err
	}
	ctx.Emit("burn", "burner", from.String(), "amount", c.String())
	return nil
}

// CollectFee implements [app.FeeCollector].
func (k *Keeper) CollectFee(ctx *app.Context, payer app.Address, fee app.Coin) error {
	return k.Send(ctx, payer, k.fees, fee)
}

func (k *Keeper) take(ctx *app.Context, from app.Address, c app.Coin) error {
	if err := c.Validate(); err != nil {
		return err
	}
	kv, key := ctx.Store(name), balanceKey(from, c.Denom)
	has, err := getAmount(kv, key)
	if err != nil {
		return err
	}
	if has < c.Amount {
		return fmt.Errorf("%w: %v has %d%s, %v are wanted", ErrInsufficient, from, has, c.Denom, c)
	}
	return setAmount(kv, key, has-c.Amount)
}

func (k *Keeper) give(ctx *app.Context, to app.Address, c app.Coin) error {
	if err := c.Validate(); err != nil {
		return err
	}
	kv, key := ctx.Store(name), balanceKey(to, c.Denom)
	has, err := getAmount(kv, key)
	if err != nil {
		return err
	}
	if has, err = app.Add(has, c.Amount); err != nil {
		return fmt.Errorf("the balance of %v: %w", to, err)
	}
	if err := setAmount(kv, key, has); err != nil {
		return err
	}
	return app.EnsureAccount(ctx, to)
}
