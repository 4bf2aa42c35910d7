package app_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/apptest"
)

// used is the gas of one probe, beside that of another one.
func used(t *testing.T, c *apptest.Chain, who *apptest.Account, do string) int64 {
	t.Helper()
	res := c.Block(who.Tx(probeMsg{who.Address, do})).TxResults[0]
	require.Zero(t, res.Code, res.Log)
	return res.GasUsed
}

// G1: the prices are those of the parameters, to the last unit.
func TestGasIsForBytesSignaturesReadsAndWrites(t *testing.T) {
	c, alice, _, _, _ := cast(t, app.Options{})
	p := app.DefaultParams()
	raw := func(do string) int64 {
		return int64(len(app.NewTx(alice.Sequence, apptest.Gas, app.Coin{}, probeMsg{alice.Address, do}).Encode()))
	}
	// ante: size, signature, the sequence's read (key 22, value 8) and write; the message: one write of "seen" and do.
	base := func(do string) int64 {
		return raw(do)*10 + 590 + 1000 + 3*30 + 2000 + 30*30 + 2000 + 30*int64(4+len(do))
	}
	want := base("nothing")
	require.Equal(t, want, used(t, c, alice, "nothing"), "RULE G1: bytes, signature, sequence, one write")
	want = base("write") + int64(p.Costs.WriteFlat) + 30*1001
	require.Equal(t, want, used(t, c, alice, "write"), "RULE G1: a write of 1001 bytes")
	want = base("read") + 1000 + 3*1001
	require.Equal(t, want, used(t, c, alice, "read"), "RULE G1: a read of 1001 bytes")
	want = base("range") + 1000 + 2*30 + 3*(1001+4+5)
	require.Equal(t, want, used(t, c, alice, "range"), "RULE G1: a range of two keys")
	want = base("delete") + 1000
	require.Equal(t, want, used(t, c, alice, "delete"), "RULE G1: a delete")
	want = base("read") + 1000 + 3*1
	require.Equal(t, want, used(t, c, alice, "read"), "RULE G1: a read of what is not there")
}

// G1: gas that runs out in the messages reverts them, and keeps the fee and the sequence.
func TestOutOfGasRevertsTheMessagesAndKeepsTheFee(t *testing.T) {
	c, alice, bob, _, _ := cast(t, app.Options{})
	c.Block()
	free := c.App.Simulate(app.NewTx(0, 1, gold(3), send(alice, bob, 10)).Sign(apptest.ChainID, alice.Key))
	require.Zero(t, free.Code, free.Log)
	failed := 0
	for limit := uint64(1); limit < free.GasUsed+5000; limit += 977 {
		before, fees, bobs := c.Sequence(alice.Address), c.Balance(c.Bank.Fees(), "gold"), c.Balance(bob.Address, "gold")
		alice.Sequence = before
		res := c.Block(alice.TxWith(limit, gold(3), send(alice, bob, 10))).TxResults[0]
		paid := c.Balance(c.Bank.Fees(), "gold") - fees
		require.LessOrEqual(t, res.GasUsed, int64(limit), "RULE G1: more gas was used than there was")
		switch moved := c.Balance(bob.Address, "gold") - bobs; {
		case res.Code == 0:
			require.Equal(t, []uint64{10, 3}, []uint64{moved, paid})
		case paid == 0: // within the ante steps
			wantCode(t, res, app.ErrOutOfGas, "RULE G1: gas is not what it should be")
			require.Zero(t, moved)
			require.Equal(t, before, c.Sequence(alice.Address), "RULE T4: refused, and the sequence is used up")
		default:
			wantCode(t, res, app.ErrOutOfGas, "RULE G1: gas is not what it should be")
			require.Zero(t, moved, "RULE G1: out of gas, and the writes stayed")
			require.Equal(t, uint64(3), paid, "RULE G1: out of gas, and the fee was not kept")
			require.Equal(t, before+1, c.Sequence(alice.Address))
			require.Equal(t, int64(limit), res.GasUsed)
			failed++
		}
		require.NoError(t, c.App.CheckInvariants())
	}
	require.Greater(t, failed, 3)
}

// G1: a handler that overlooks the error gains nothing.
func TestGasThatHasRunOutStaysOut(t *testing.T) {
	c, alice, _, _, _ := cast(t, app.Options{})
	for _, do := range []string{"swallow", "try"} {
		res := c.Block(alice.Tx(probeMsg{alice.Address, do})).TxResults[0]
		wantCode(t, res, app.ErrOutOfGas, "RULE G1: "+do)
		require.Equal(t, int64(apptest.Gas), res.GasUsed)
		q, err := c.App.Query(ctx, &abci.QueryRequest{Path: "/store", Data: []byte("probe/seen")})
		require.NoError(t, err)
		require.Nil(t, q.Value, "RULE G1: %s: the writes stayed", do)
	}
}

// G2: gas does not depend on what this process did before: here one node has checked, proposed and simulated, and one has not.
func TestGasIsTheSameOnAllNodes(t *testing.T) {
	busy, alice, bob, _, _ := cast(t, app.Options{})
	fresh, _, _, _, _ := cast(t, app.Options{})
	for range 3 {
		tx := alice.TxWith(apptest.Gas, gold(1), send(alice, bob, 10))
		for range 3 {
			busy.Check(tx)
			busy.App.Simulate(tx)
		}
		_, err := busy.App.PrepareProposal(ctx, &abci.PrepareProposalRequest{Txs: [][]byte{tx}, MaxTxBytes: -1, Height: busy.Height + 1})
		require.NoError(t, err)
		a, b := busy.Block(tx), fresh.Block(tx)
		require.Equal(t, b.TxResults, a.TxResults, "RULE G2: two nodes have other results for one block")
		require.Equal(t, b.AppHash, a.AppHash, "RULE M1: two nodes have other states")
	}
}

func TestSimulationTellsTheGasAndChangesNothing(t *testing.T) {
	c, alice, bob, _, _ := cast(t, app.Options{})
	c.Block()
	tx := app.NewTx(0, 1, gold(2), send(alice, bob, 10))
	copy(tx.PubKey[:], alice.Key[32:])
	sim := c.App.Simulate(tx.Encode()) // not signed, and with too little gas
	require.Zero(t, sim.Code, sim.Log)
	require.Equal(t, sim, c.App.Simulate(tx.Encode()), "RULE M2: a simulation leaves something")
	q, err := c.App.Query(ctx, &abci.QueryRequest{Path: "/app/simulate", Data: tx.Encode()})
	require.NoError(t, err)
	require.Contains(t, string(q.Value), `"gas_used":`)
	// The gas limit is a few bytes of the transaction.
	res := c.Block(alice.TxWith(sim.GasUsed+40, gold(2), send(alice, bob, 10))).TxResults[0]
	require.Zero(t, res.Code, res.Log)
	require.InDelta(t, float64(sim.GasUsed), float64(res.GasUsed), 40)
	bad := c.App.Simulate([]byte("garbage"))
	require.Equal(t, code(app.ErrTxDecode), bad.Code)
}

func TestAmountsDoNotOverflow(t *testing.T) {
	_, err := app.Add(math.MaxUint64, 1)
	require.ErrorIs(t, err, app.ErrOverflow)
	for _, x := range []struct {
		a, b, c uint64
		up      bool
		want    uint64
		fails   bool
	}{
		{math.MaxUint64, 10_000, 10_000, true, math.MaxUint64, false},
		{7, 500, 10_000, false, 0, false},
		{7, 500, 10_000, true, 1, false},
		{math.MaxUint64, 2, 1, false, 0, true},
		{math.MaxUint64, math.MaxUint64, math.MaxUint64, false, math.MaxUint64, false},
	} {
		got, err := app.MulDiv(x.a, x.b, x.c, x.up)
		require.Equal(t, x.fails, err != nil)
		require.Equal(t, x.want, got)
	}
	m := app.NewMeter(10)
	require.NoError(t, m.Use(9, "x"))
	require.ErrorIs(t, m.Use(math.MaxUint64, "x"), app.ErrOutOfGas, "RULE G1: gas overflows")
	require.ErrorIs(t, m.Use(0, "x"), app.ErrOutOfGas, "RULE G1: it stays out")
}
