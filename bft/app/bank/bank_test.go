package bank_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/apptest"
	"github.com/flagship-go/flagship/bft/app/bank"
)

func gold(n uint64) app.Coin { return app.Coin{Denom: "gold", Amount: n} }

func start(t *testing.T) (c *apptest.Chain, alice, bob *apptest.Account) {
	alice, bob = apptest.NewAccount("alice"), apptest.NewAccount("bob")
	n := apptest.NewNet(t, app.Options{})
	return n.Start(t, n.Genesis(t, 100, 0, nil, alice, bob)), alice, bob
}

// B3: the amount is needed, and nothing changes.
func TestSendingToOneselfMakesNoCoins(t *testing.T) {
	c, alice, _ := start(t)
	self := func(n uint64) bank.MsgSend {
		return bank.MsgSend{From: alice.Address, To: alice.Address, Coin: gold(n)}
	}
	require.Zero(t, c.Block(alice.Tx(self(100))).TxResults[0].Code)
	require.Equal(t, uint64(100), c.Balance(alice.Address, "gold"), "RULE B3: coins came from nowhere")
	require.Equal(t, bank.ErrInsufficient.Code, c.Block(alice.Tx(self(101))).TxResults[0].Code, "RULE B3: the amount is needed")
	require.NoError(t, c.App.CheckInvariants())
}

func TestAMultiSendReachesAllOrNobody(t *testing.T) {
	c, alice, bob := start(t)
	m := bank.MsgMultiSend{From: alice.Address, Outputs: []bank.Output{{bob.Address, gold(60)}, {alice.Address, gold(5)}, {bob.Address, gold(41)}}}
	require.Equal(t, bank.ErrInsufficient.Code, c.Block(alice.Tx(m)).TxResults[0].Code)
	require.Equal(t, uint64(100), c.Balance(bob.Address, "gold"), "RULE T3: the first output arrived, the last did not")
	m.Outputs[2].Coin.Amount = 40
	require.Zero(t, c.Block(alice.Tx(m)).TxResults[0].Code)
	require.Equal(t, []uint64{0, 200}, []uint64{c.Balance(alice.Address, "gold"), c.Balance(bob.Address, "gold")})
	require.NoError(t, c.App.CheckInvariants())
}

// B1, B2: supplies, and the most there can be.
func TestCoinsAreMintedAndBurnedWithTheirSupply(t *testing.T) {
	c, alice, bob := start(t)
	c.Block()
	require.NoError(t, c.App.View(func(ctx *app.Context) error {
		silver := func(n uint64) app.Coin { return app.Coin{Denom: "silver", Amount: n} }
		require.NoError(t, c.Bank.Mint(ctx, alice.Address, silver(math.MaxUint64)))
		require.ErrorIs(t, c.Bank.Mint(ctx, bob.Address, silver(1)), app.ErrOverflow, "RULE B2: the supply overflows")
		require.NoError(t, c.Bank.CheckInvariants(ctx), "RULE B1: something is left of what was refused")
		require.ErrorIs(t, c.Bank.Burn(ctx, bob.Address, silver(1)), bank.ErrInsufficient, "RULE B2: below zero")
		require.NoError(t, c.Bank.Burn(ctx, alice.Address, silver(10)))
		supply, err := c.Bank.Supply(ctx, "silver")
		require.NoError(t, err)
		require.Equal(t, uint64(math.MaxUint64-10), supply, "RULE B1: what is burned is not in the supply")
		require.NoError(t, c.Bank.CheckInvariants(ctx), "RULE B1: the supply is not the sum of the balances")
		require.NoError(t, c.Bank.Burn(ctx, alice.Address, silver(math.MaxUint64-10)))
		require.NoError(t, c.Bank.CheckInvariants(ctx), "RULE B1: zero has no entry")
		require.ErrorIs(t, c.Bank.Mint(ctx, alice.Address, silver(0)), app.ErrInvalidCoin)
		require.ErrorIs(t, c.Bank.Send(ctx, alice.Address, bob.Address, silver(0)), app.ErrInvalidCoin)
		return nil
	}))
	require.Zero(t, c.Balance(alice.Address, "silver"), "a view's writes are dropped")
}

// The invariants see what they are for.
func TestInvariantsSeeCoinsFromNowhere(t *testing.T) {
	c, alice, _ := start(t)
	c.Block()
	require.NoError(t, c.App.View(func(ctx *app.Context) error {
		key := append(append([]byte("b/"), alice.Address[:]...), "gold"...)
		require.NoError(t, ctx.Store("bank").Set(key, []byte{0, 0, 0, 0, 0, 0, 0, 101}))
		require.ErrorContains(t, c.Bank.CheckInvariants(ctx), "the supply of gold is 200, the balances are 201")
		require.NoError(t, ctx.Store("bank").Set(key, make([]byte, 8)))
		require.ErrorContains(t, c.Bank.CheckInvariants(ctx), "entry for no gold")
		return nil
	}))
}

// B4.
func TestUsersCannotSendToModules(t *testing.T) {
	c, alice, _ := start(t)
	for _, to := range []app.Address{c.Bank.Fees(), app.ModuleAddress("staking/delegated"), app.ModuleAddress("staking/unbonding")} {
		one := alice.Tx(bank.MsgSend{From: alice.Address, To: to, Coin: gold(1)})
		many := alice.Tx(bank.MsgMultiSend{From: alice.Address, Outputs: []bank.Output{{to, gold(1)}}})
		for _, res := range c.Block(one, many).TxResults {
			require.Equal(t, bank.ErrBlocked.Code, res.Code, "RULE B4: %s", res.Log)
		}
	}
}
