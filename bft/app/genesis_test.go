package app_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/apptest"
)

// M5: what TestSimulation shows of many states, here of one with everything in it.
func TestExportAndImportGiveTheSameState(t *testing.T) {
	c, alice, bob, _, dave := cast(t, app.Options{})
	c.Block(alice.TxWith(apptest.Gas, gold(1), send(alice, dave, 10)), bob.Tx(send(bob, alice, 5000)))
	out, err := c.App.ExportGenesis()
	require.NoError(t, err)
	n := apptest.NewNet(t, app.Options{Modules: []app.Module{probe{}}})
	again := n.Start(t, out)
	require.Equal(t, c.Roots[1], again.Roots[0], "RULE M5: another state")
	once := again.Block(alice.Tx(send(alice, bob, 1)))
	require.Zero(t, once.TxResults[0].Code, "RULE M5: sequences go on: %s", once.TxResults[0].Log)
}

func TestABadGenesisIsRefusedByName(t *testing.T) {
	for name, x := range map[string]struct{ genesis, want string }{
		"no JSON":           {"{", "genesis is not valid"},
		"something follows": {`{} {}`, "something follows"},
		"unknown module":    {`{"bnak":{}}`, `there is no module "bnak"`},
		"unknown field":     {`{"app":{"parms":{}}}`, `unknown field "parms"`},
		"bad parameters":    {`{"app":{"params":{"max_tx_gas":0}}}`, "max_tx_gas"},
		"account twice":     {`{"app":{"accounts":[{"address":"` + zeros + `"},{"address":"` + zeros + `"}]}}`, "twice"},
		"bad address":       {`{"app":{"accounts":[{"address":"00"}]}}`, "40 hexadecimal digits"},
		"balance twice":     {`{"bank":{"balances":[` + balance + `,` + balance + `]}}`, "twice"},
		"zero balance":      {`{"bank":{"balances":[{"address":"` + zeros + `","denom":"gold","amount":"0"}]}}`, "is zero"},
		"supply overflow":   {`{"bank":{"balances":[` + balance + `,{"address":"11` + zeros[2:] + `","denom":"gold","amount":"18446744073709551615"}]}}`, "beyond 2^64-1"},
		"stake from nowhere": {`{"staking":{"validators":[{"operator":"` + zeros + `","pub_key":"11` + zeros + zeros[:22] + `","delegations":[{"delegator":"` + zeros + `","amount":"5"}]}]}}`,
			"should have 5"},
		"bad key":        {`{"staking":{"validators":[{"operator":"` + zeros + `","pub_key":"11"}]}}`, "64 hexadecimal digits"},
		"bad reduction":  {`{"staking":{"params":{"power_reduction":15}}}`, "16 is the least"},
		"account reused": {`{"bank":[]}`, "bank"},
	} {
		t.Run(name, func(t *testing.T) {
			n := apptest.NewNet(t, app.Options{})
			_, err := n.App.InitChain(ctx, &abci.InitChainRequest{ChainID: "x", AppStateBytes: []byte(x.genesis)})
			require.ErrorIs(t, firstOf(err, app.ErrGenesis, app.ErrInvalidParams), err)
			require.ErrorContains(t, err, x.want)
			_, err = n.App.FinalizeBlock(ctx, &abci.FinalizeBlockRequest{Height: 1})
			require.ErrorIs(t, err, app.ErrNotReady)
		})
	}
	c, _, _, _, _ := cast(t, app.Options{})
	c.Block()
	_, err := c.App.InitChain(ctx, &abci.InitChainRequest{})
	require.ErrorIs(t, err, app.ErrGenesis, "there is a state already")
}

const (
	zeros   = "0000000000000000000000000000000000000000"
	balance = `{"address":"` + zeros + `","denom":"gold","amount":"7"}`
)

// firstOf is err if it is one of the sentinels.
func firstOf(err error, of ...*app.Error) error {
	for _, e := range of {
		if err != nil && code(err) == e.Code {
			return err
		}
	}
	return nil
}
