package app_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/apptest"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/stretchr/testify/require"
)

var ctx = context.Background()

func gold(n uint64) app.Coin { return app.Coin{Denom: "gold", Amount: n} }

func send(from, to *apptest.Account, n uint64) bank.MsgSend {
	return bank.MsgSend{From: from.Address, To: to.Address, Coin: gold(n)}
}

// cast is a chain on which alice, bob and carol have 1000 each, and dave has nothing. There is a module for what goes wrong.
func cast(t testing.TB, opts app.Options) (c *apptest.Chain, alice, bob, carol, dave *apptest.Account) {
	t.Helper()
	alice, bob, carol, dave = apptest.NewAccount("alice"), apptest.NewAccount("bob"), apptest.NewAccount("carol"), apptest.NewAccount("dave")
	opts.Modules = append(opts.Modules, probe{})
	n := apptest.NewNet(t, opts)
	return n.Start(t, n.Genesis(t, 1000, 0, nil, alice, bob, carol)), alice, bob, carol, dave
}

func code(err error) uint32 {
	var e *app.Error
	if !errors.As(err, &e) {
		panic(err)
	}
	return e.Code
}

// wantCode fails unless res failed with err.
func wantCode(t testing.TB, res abci.ExecTxResult, err *app.Error, rule string) {
	t.Helper()
	require.Equal(t, fmt.Sprint(err.Codespace, err.Code), fmt.Sprint(res.Codespace, res.Code), "%s: %s", rule, res.Log)
}

func TestATransferMovesCoinsAndTheSequence(t *testing.T) {
	c, alice, bob, _, dave := cast(t, app.Options{})
	res := c.Block(alice.TxWith(apptest.Gas, gold(5), send(alice, bob, 10)), alice.Tx(send(alice, dave, 1)))
	for _, r := range res.TxResults {
		require.Zero(t, r.Code, r.Log)
		require.Equal(t, int64(apptest.Gas), r.GasWanted)
		require.Positive(t, r.GasUsed)
	}
	require.Equal(t, []uint64{984, 1010, 1, 5}, []uint64{
		c.Balance(alice.Address, "gold"), c.Balance(bob.Address, "gold"), c.Balance(dave.Address, "gold"), c.Balance(c.Bank.Fees(), "gold")})
	require.Equal(t, uint64(2), c.Sequence(alice.Address))
	require.Equal(t, "transfer", res.TxResults[1].Events[0].Type)
	require.NoError(t, c.App.CheckInvariants())
	// dave has an account now.
	require.Zero(t, c.Block(dave.Tx(send(dave, alice, 1))).TxResults[0].Code)
}

// T2: the same bytes again, in the same block and in a later one, and sequences ahead.
func TestATransactionIsExecutedOnce(t *testing.T) {
	c, alice, bob, _, _ := cast(t, app.Options{})
	tx := alice.Tx(send(alice, bob, 10))
	res := c.Block(tx, tx)
	require.Zero(t, res.TxResults[0].Code)
	wantCode(t, res.TxResults[1], app.ErrSequence, "RULE T2: executed again")
	wantCode(t, c.Block(tx).TxResults[0], app.ErrSequence, "RULE T2: executed again")
	alice.Sequence++
	wantCode(t, c.Block(alice.Tx(send(alice, bob, 10))).TxResults[0], app.ErrSequence, "RULE T2: executed again")
	require.Equal(t, uint64(1010), c.Balance(bob.Address, "gold"), "RULE T2: coins moved twice")
	require.Equal(t, uint32(8), c.Check(tx).Code, "RULE T2: the mempool takes it again")
}

// T1: signed for another chain, or changed in any bit.
func TestASignatureIsForOneChainAndAllOfATransaction(t *testing.T) {
	c, alice, bob, _, _ := cast(t, app.Options{})
	other := app.NewTx(0, apptest.Gas, gold(1), send(alice, bob, 10)).Sign("other-chain", alice.Key)
	wantCode(t, c.Block(other).TxResults[0], app.ErrSignature, "RULE T1: it was signed for another chain")
	good := app.NewTx(0, apptest.Gas, gold(1), send(alice, bob, 10))
	good.Memo = "for the bread"
	raw := good.Sign(apptest.ChainID, alice.Key)
	for i := range 8 * len(raw) {
		bad := append([]byte(nil), raw...)
		bad[i/8] ^= 1 << (i % 8)
		require.NotZero(t, c.Check(bad).Code, "RULE T1: bit %d changed", i)
	}
	mallory := apptest.NewAccount("bob")
	stolen := app.NewTx(0, apptest.Gas, app.Coin{}, send(alice, bob, 10)).Sign(apptest.ChainID, mallory.Key)
	wantCode(t, c.Block(stolen).TxResults[0], app.ErrSigner, "RULE T5: a message of another account")
	require.Zero(t, c.Block(raw).TxResults[0].Code)
}

// T1: uvarints have many encodings of one number; a transaction has one.
func TestATransactionHasOneEncoding(t *testing.T) {
	_, alice, bob, _, _ := cast(t, app.Options{})
	tx := app.NewTx(0, 5, app.Coin{}, send(alice, bob, 1))
	raw := tx.Sign(apptest.ChainID, alice.Key)
	got, err := app.DecodeTx(raw)
	require.NoError(t, err)
	require.Equal(t, tx, got)
	long := append(append(append([]byte(nil), raw[:33]...), 0x80, 0x00), raw[34:]...) // the sequence 0 in two bytes
	_, err = app.DecodeTx(long)
	require.ErrorIs(t, err, app.ErrTxDecode, "RULE T1: a second encoding")
	for n := range raw {
		_, err := app.DecodeTx(raw[:n])
		require.ErrorIs(t, err, app.ErrTxDecode, "RULE T1: cut at %d", n)
	}
	_, err = app.DecodeTx(append(raw, 0))
	require.ErrorIs(t, err, app.ErrTxDecode, "RULE T1: something is left over")

	body := send(alice, bob, 1).Append(nil)
	tx.Msgs[0].Body = append(body[:len(body)-1], 0x81, 0x00)
	c, alice, _, _, _ := cast(t, app.Options{})
	wantCode(t, c.Block(tx.Sign(apptest.ChainID, alice.Key)).TxResults[0], app.ErrTxDecode, "RULE T1: a second encoding of a message")
}

func FuzzDecodeTx(f *testing.F) {
	alice := apptest.NewAccount("alice")
	f.Add(app.NewTx(3, 5, gold(1), send(alice, alice, 1)).Sign(apptest.ChainID, alice.Key))
	f.Fuzz(func(t *testing.T, raw []byte) {
		tx, err := app.DecodeTx(raw)
		if err != nil {
			require.ErrorIs(t, err, app.ErrTxDecode)
			return
		}
		require.Equal(t, string(raw), string(tx.Encode()), "RULE T1: there is a second encoding")
	})
}

// T3: several messages are one step; what ante wrote stays.
func TestAllMessagesHappenOrNone(t *testing.T) {
	c, alice, bob, carol, _ := cast(t, app.Options{})
	res := c.Block(alice.TxWith(apptest.Gas, gold(7), send(alice, bob, 100), send(alice, carol, 100_000)))
	wantCode(t, res.TxResults[0], bank.ErrInsufficient, "RULE T3: not all or none")
	require.Equal(t, uint64(1000), c.Balance(bob.Address, "gold"), "RULE T3: the first message's writes stayed when the second failed")
	require.Equal(t, uint64(993), c.Balance(alice.Address, "gold"), "RULE T3: the fee of a failed transaction is kept")
	require.Equal(t, uint64(1), c.Sequence(alice.Address), "RULE T3: the sequence of a failed transaction is used up")
	require.Len(t, res.TxResults[0].Events, 2, "RULE T3: the events are those of the fee")
	require.Contains(t, res.TxResults[0].Log, "message 1, bank/send")
	res = c.Block(alice.Tx(send(alice, bob, 100), send(alice, carol, 100)))
	require.Zero(t, res.TxResults[0].Code)
	require.Equal(t, []uint64{793, 1100, 1100}, []uint64{c.Balance(alice.Address, "gold"), c.Balance(bob.Address, "gold"), c.Balance(carol.Address, "gold")})
}

// T4: a transaction that ante refuses leaves nothing, not even of the steps that took it.
func TestWhatAnteRefusesLeavesNothing(t *testing.T) {
	c, alice, bob, _, _ := cast(t, app.Options{})
	before := c.Block().AppHash
	tx := alice.TxWith(apptest.Gas, gold(5000), send(alice, bob, 1)) // the fee is the last step
	res := c.Block(tx)
	wantCode(t, res.TxResults[0], app.ErrFee, "RULE T4: what ante refuses leaves something")
	require.Equal(t, before, res.AppHash, "RULE T4: a refused transaction has changed the state")
	require.Empty(t, res.TxResults[0].Events)
	require.NotZero(t, c.Check(tx).Code)
	alice.Sequence = 0
	require.Zero(t, c.Check(alice.Tx(send(alice, bob, 1))).Code, "RULE T4: the mempool's state has changed")
}

// T5, A5: whatever comes is a code, and the chain goes on.
func TestBadTransactionsAreRefusedByName(t *testing.T) {
	c, alice, bob, _, dave := cast(t, app.Options{})
	sign := func(tx *app.Tx) []byte { return tx.Sign(apptest.ChainID, alice.Key) }
	with := func(change func(*app.Tx)) []byte {
		tx := app.NewTx(0, apptest.Gas, app.Coin{}, send(alice, bob, 1))
		change(tx)
		return sign(tx)
	}
	for name, x := range map[string]struct {
		raw  []byte
		want *app.Error
	}{
		"nothing":            {nil, app.ErrTxDecode},
		"garbage":            {[]byte("GET / HTTP/1.1"), app.ErrTxDecode},
		"huge":               {make([]byte, 1<<20), app.ErrTooLarge},
		"long memo":          {with(func(tx *app.Tx) { tx.Memo = strings.Repeat("x", 300) }), app.ErrTooLarge},
		"no message":         {with(func(tx *app.Tx) { tx.Msgs = nil }), app.ErrInvalidMsg},
		"too many messages":  {with(func(tx *app.Tx) { tx.Msgs = make([]app.RawMsg, 257) }), app.ErrTxDecode},
		"unknown message":    {with(func(tx *app.Tx) { tx.Msgs[0].Type = "bank/steal" }), app.ErrUnknownMsg},
		"cut message":        {with(func(tx *app.Tx) { tx.Msgs[0].Body = tx.Msgs[0].Body[:9] }), app.ErrTxDecode},
		"another version":    {with(func(tx *app.Tx) {})[1:], app.ErrTxDecode},
		"no gas":             {with(func(tx *app.Tx) { tx.Gas = 0 }), app.ErrGas},
		"negative gas":       {with(func(tx *app.Tx) { tx.Gas = math.MaxUint64 }), app.ErrGas},
		"gas beyond int64":   {with(func(tx *app.Tx) { tx.Gas = math.MaxInt64 + 1 }), app.ErrGas},
		"fee of nothing":     {with(func(tx *app.Tx) { tx.Fee = app.Coin{Denom: "gold"} }), app.ErrFee},
		"fee without denom":  {with(func(tx *app.Tx) { tx.Fee = app.Coin{Amount: 1} }), app.ErrFee},
		"zero amount":        {sign(app.NewTx(0, apptest.Gas, app.Coin{}, send(alice, bob, 0))), app.ErrInvalidCoin},
		"unknown account":    {dave.Tx(send(dave, bob, 1)), app.ErrUnknownAcct},
		"to a module":        {sign(app.NewTx(0, apptest.Gas, app.Coin{}, bank.MsgSend{From: alice.Address, To: c.Bank.Fees(), Coin: gold(1)})), bank.ErrBlocked},
		"bad denomination":   {sign(app.NewTx(0, apptest.Gas, app.Coin{}, bank.MsgSend{From: alice.Address, To: bob.Address, Coin: app.Coin{Denom: "no space", Amount: 1}})), app.ErrInvalidCoin},
		"no outputs":         {sign(app.NewTx(0, apptest.Gas, app.Coin{}, bank.MsgMultiSend{From: alice.Address})), bank.ErrOutputs},
		"not enough":         {sign(app.NewTx(0, apptest.Gas, app.Coin{}, send(alice, bob, 1001))), bank.ErrInsufficient},
		"a panicking module": {sign(app.NewTx(0, apptest.Gas, app.Coin{}, probeMsg{alice.Address, "panic"})), app.ErrPanic},
		"a plain error":      {sign(app.NewTx(0, apptest.Gas, app.Coin{}, probeMsg{alice.Address, "error"})), app.ErrInternal},
	} {
		t.Run(name, func(t *testing.T) {
			c, _, _, _, _ := cast(t, app.Options{})
			res := c.Block(x.raw)
			wantCode(t, res.TxResults[0], x.want, "RULE T5: refused for another reason")
			require.NoError(t, c.App.CheckInvariants())
			require.NotEmpty(t, res.TxResults[0].Log)
		})
	}
}

// B3 of package bank is tested there; here that a multi-send is as atomic as messages are.
func TestDataOfMessagesComesInTheirOrder(t *testing.T) {
	c, alice, bob, _, _ := cast(t, app.Options{})
	res := c.Block(alice.Tx(probeMsg{alice.Address, "data"}, send(alice, bob, 1), probeMsg{alice.Address, "data"}), alice.Tx(send(alice, bob, 1)))
	require.Equal(t, "\x04data\x00\x04data", string(res.TxResults[0].Data))
	require.Nil(t, res.TxResults[1].Data)
}
