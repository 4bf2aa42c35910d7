package app_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/apptest"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/app/store"
	"github.com/flagship-go/flagship/internal/vfs"
)

// M1: a block is finalised twice, and once more for another proposal in between; only what Commit follows counts.
func TestAFinalisedBlockIsNotThereBeforeCommit(t *testing.T) {
	c, alice, bob, carol, _ := cast(t, app.Options{})
	c.Block()
	next := c.Next(alice.Tx(send(alice, bob, 10)))
	other := c.Next(bob.Tx(send(bob, carol, 10)))
	first, err := c.App.FinalizeBlock(ctx, next)
	require.NoError(t, err)
	require.Equal(t, uint64(1000), c.Balance(bob.Address, "gold"), "RULE M4: a query sees what is not committed")
	_, err = c.App.FinalizeBlock(ctx, other)
	require.NoError(t, err)
	info, err := c.App.Info(ctx, &abci.InfoRequest{})
	require.NoError(t, err)
	require.Equal(t, int64(1), info.LastBlockHeight, "RULE M4: not what was committed")
	require.Equal(t, c.Roots[1], info.LastBlockAppHash, "RULE M4: not what was committed")
	again := c.Run(next)
	require.Equal(t, first, again, "RULE M1: a block does something else the second time")
	require.Equal(t, uint64(1000), c.Balance(carol.Address, "gold"), "RULE M4: the other block is there, too")
	for _, h := range []int64{1, 2, 4, 0, -1} {
		_, err := c.App.FinalizeBlock(ctx, &abci.FinalizeBlockRequest{Height: h})
		require.ErrorIs(t, err, app.ErrHeight)
	}
	_, err = c.App.Commit(ctx, &abci.CommitRequest{})
	require.ErrorIs(t, err, app.ErrHeight, "nothing is finalised")
}

// M1: time is the block's; two nodes whose clocks are years apart, and whose runs are, agree.
func TestNothingDependsOnTheRun(t *testing.T) {
	var want [][]byte
	for run := range 3 {
		c, alice, bob, carol, dave := cast(t, app.Options{})
		for range 5 {
			outs := bank.MsgMultiSend{From: alice.Address}
			for _, to := range []*apptest.Account{bob, carol, dave} {
				outs.Outputs = append(outs.Outputs, bank.Output{To: to.Address, Coin: gold(1)})
			}
			c.Block(alice.Tx(outs), bob.Tx(send(bob, carol, 2)))
		}
		if run == 0 {
			want = c.Roots
		}
		require.Equal(t, want, c.Roots, "RULE M1: run %d", run)
	}
}

// M2: the mempool's state is its own, knows what it let in, and begins anew after each block.
func TestTheMempoolHasAStateOfItsOwn(t *testing.T) {
	c, alice, bob, carol, _ := cast(t, app.Options{})
	plain, _, _, _, _ := cast(t, app.Options{})
	one, two := alice.TxWith(apptest.Gas, gold(600), send(alice, bob, 1)), alice.TxWith(apptest.Gas, gold(300), send(alice, bob, 1))
	require.Zero(t, c.Check(one).Code)
	require.NotZero(t, c.Check(one).Code, "RULE M2: the sequence was used")
	require.Zero(t, c.Check(two).Code, "RULE M2: the next sequence follows the first transaction")
	require.NotZero(t, c.Check(alice.TxWith(apptest.Gas, gold(200), send(alice, bob, 1))).Code, "RULE M2: the fees before are paid")
	tx := bob.Tx(send(bob, carol, 1))
	require.Equal(t, plain.Block(tx).AppHash, c.Block(tx).AppHash, "RULE M2: what was checked is in the block")
	require.Zero(t, c.Check(one).Code, "RULE M2: the mempool's state did not begin anew")
	res, err := c.App.CheckTx(ctx, &abci.CheckTxRequest{Tx: two, Recheck: true})
	require.NoError(t, err)
	require.Zero(t, res.Code)
	require.Equal(t, int64(300*1_000_000/apptest.Gas), res.Priority)
	require.Equal(t, alice.Address.String(), res.Sender)
}

// M3: what a node makes of its mempool, each node accepts; also one that asks for fees.
func TestProposalsAreAcceptedByAll(t *testing.T) {
	proposer, alice, bob, carol, dave := cast(t, app.Options{})
	other, _, _, _, _ := cast(t, app.Options{MinFee: gold(1 << 40)})
	rng := rand.New(rand.NewPCG(1, 1))
	for round := range 60 {
		var pool [][]byte
		for range 12 {
			who := []*apptest.Account{alice, bob, carol, dave}[rng.IntN(4)]
			raw := who.TxWith(apptest.Gas, []app.Coin{{}, gold(rng.Uint64N(400) + 1)}[rng.IntN(2)], send(who, alice, 1+rng.Uint64N(300)))
			switch rng.IntN(6) {
			case 0:
				raw[rng.IntN(len(raw))] ^= 1
			case 1:
				pool = append(pool, raw)
			}
			pool = append(pool, raw)
		}
		rng.Shuffle(len(pool), func(i, j int) { pool[i], pool[j] = pool[j], pool[i] })
		room := int64(rng.IntN(3000))
		at := proposer.Time.Add(time.Second)
		prepared, err := proposer.App.PrepareProposal(ctx, &abci.PrepareProposalRequest{Txs: pool, MaxTxBytes: room, Height: proposer.Height + 1, Time: at})
		require.NoError(t, err)
		require.LessOrEqual(t, len(bytes.Join(prepared.Txs, nil)), int(room), "RULE M3: too many bytes")
		for i, c := range []*apptest.Chain{proposer, other} {
			judged, err := c.App.ProcessProposal(ctx, &abci.ProcessProposalRequest{Txs: prepared.Txs, Height: c.Height + 1, Time: at})
			require.NoError(t, err)
			require.True(t, judged.Accept, "RULE M3: round %d: node %d refuses a correct proposal", round, i)
			for _, bad := range [][][]byte{append(prepared.Txs[:len(prepared.Txs):len(prepared.Txs)], []byte("garbage"))} {
				judged, err := c.App.ProcessProposal(ctx, &abci.ProcessProposalRequest{Txs: bad, Height: c.Height + 1, Time: at})
				require.NoError(t, err)
				require.False(t, judged.Accept, "RULE M3: garbage is accepted")
			}
		}
		require.Equal(t, other.Block(prepared.Txs...).AppHash, proposer.Block(prepared.Txs...).AppHash, "RULE M2: a proposal has changed the state")
		for _, a := range []*apptest.Account{alice, bob, carol, dave} {
			a.Sequence = proposer.Sequence(a.Address)
		}
	}
	judged, err := other.App.ProcessProposal(ctx, &abci.ProcessProposalRequest{Height: 7})
	require.NoError(t, err)
	require.False(t, judged.Accept, "another height")
}

// M3: a block's gas is bounded by the consensus parameters.
func TestABlockHasNoMoreGasThanItMay(t *testing.T) {
	n := apptest.NewNet(t, app.Options{})
	alice, bob := apptest.NewAccount("alice"), apptest.NewAccount("bob")
	_, err := n.App.InitChain(ctx, &abci.InitChainRequest{ChainID: apptest.ChainID, AppStateBytes: n.Genesis(t, 1000, 0, nil, alice, bob),
		ConsensusParams: &abci.ConsensusParams{Block: &abci.BlockParams{MaxBytes: -1, MaxGas: 2*apptest.Gas + 1}}})
	require.NoError(t, err)
	var txs [][]byte
	for range 3 {
		txs = append(txs, alice.Tx(send(alice, bob, 1)))
	}
	prepared, err := n.App.PrepareProposal(ctx, &abci.PrepareProposalRequest{Txs: txs, MaxTxBytes: -1, Height: 1})
	require.NoError(t, err)
	require.Len(t, prepared.Txs, 2, "RULE M3: the block's gas")
	for i, want := range []bool{true, false} {
		judged, err := n.App.ProcessProposal(ctx, &abci.ProcessProposalRequest{Txs: txs[:2+i], Height: 1})
		require.NoError(t, err)
		require.Equal(t, want, judged.Accept, "RULE M3: the block's gas")
	}
}

// What a node asks for is its own affair: in blocks it has no say.
func TestTheLeastFeeIsForTheMempoolOnly(t *testing.T) {
	c, alice, bob, _, _ := cast(t, app.Options{MinFee: gold(1000)}) // for a million gas, so 500 for 500,000
	require.Equal(t, code(app.ErrFeeTooLow), c.Check(alice.TxWith(apptest.Gas, gold(499), send(alice, bob, 1))).Code)
	alice.Sequence = 0
	require.Equal(t, code(app.ErrFeeTooLow), c.Check(alice.TxWith(apptest.Gas, app.Coin{Denom: "stake", Amount: 500}, send(alice, bob, 1))).Code)
	alice.Sequence = 0
	require.Zero(t, c.Check(alice.TxWith(apptest.Gas, gold(500), send(alice, bob, 1))).Code)
	alice.Sequence = 0
	require.Zero(t, c.Block(alice.Tx(send(alice, bob, 1))).TxResults[0].Code, "RULE M1: a block depends on a node's own options")
}

func TestQueriesAreProvedAgainstTheAppHashOfTheirHeight(t *testing.T) {
	c, alice, bob, _, dave := cast(t, app.Options{Store: store.Options{Keep: 3}})
	for range 5 {
		c.Block(alice.Tx(send(alice, bob, 10)))
	}
	key := append(append([]byte("bank/b/"), bob.Address[:]...), "gold"...)
	for h := int64(3); h <= 5; h++ {
		res, err := c.App.Query(ctx, &abci.QueryRequest{Path: "/store", Data: key, Height: h, Prove: true})
		require.NoError(t, err)
		require.Zero(t, res.Code, res.Log)
		require.Equal(t, h, res.Height)
		require.Equal(t, uint64(1000+10*h), binary.BigEndian.Uint64(res.Value))
		p, err := store.DecodeProof(res.Proof[0])
		require.NoError(t, err)
		require.NoError(t, p.VerifyMember(store.Hash(c.Roots[h]), key, res.Value), "RULE ST3: height %d", h)
		require.Error(t, p.VerifyMember(store.Hash(c.Roots[h-1]), key, res.Value))
	}
	none := append(append([]byte("bank/b/"), dave.Address[:]...), "gold"...)
	res, err := c.App.Query(ctx, &abci.QueryRequest{Path: "/store", Data: none, Prove: true})
	require.NoError(t, err)
	require.Nil(t, res.Value)
	p, err := store.DecodeProof(res.Proof[0])
	require.NoError(t, err)
	require.NoError(t, p.VerifyAbsent(store.Hash(c.Roots[5]), none))

	for path, x := range map[string]struct {
		data   []byte
		height int64
		want   string
		code   uint32
	}{
		"/app/account":    {alice.Address[:], 0, `{"sequence":5}`, 0},
		"app/account":     {dave.Address[:], 0, "", code(app.ErrUnknownAcct)},
		"/app/account/":   {nil, 0, "", code(app.ErrUnknownQuery)},
		"/bank/balances":  {bob.Address[:], 4, `[{"denom":"gold","amount":"1040"},{"denom":"stake","amount":"1000"}]`, 0},
		"/bank/supply":    {[]byte("gold"), 0, `{"denom":"gold","amount":"3000"}`, 0},
		"/bank/none":      {nil, 0, "", code(app.ErrUnknownQuery)},
		"/probe/a/b":      {nil, 0, "a/b", 0},
		"/none":           {nil, 0, "", code(app.ErrUnknownQuery)},
		"/":               {nil, 0, "", code(app.ErrUnknownQuery)},
		"/store":          {nil, 2, "", code(app.ErrHeight)},
		"/bank/balances/": {nil, 6, "", code(app.ErrHeight)},
	} {
		res, err := c.App.Query(ctx, &abci.QueryRequest{Path: path, Data: x.data, Height: x.height})
		require.NoError(t, err)
		require.Equal(t, x.code, res.Code, "%s: %s", path, res.Log)
		require.Equal(t, x.want, string(res.Value), path)
	}
	res, err = c.App.Query(ctx, &abci.QueryRequest{Path: "/app/params"})
	require.NoError(t, err)
	var got app.Params
	require.NoError(t, json.Unmarshal(res.Value, &got))
	require.Equal(t, app.DefaultParams(), got)
}

// M4: power goes after each operation on the disk in turn; what is left says where it is, and the rest of the blocks lead to
// the same hashes.
func TestACrashLosesNothingThatWasCommitted(t *testing.T) {
	disk := vfs.NewMem()
	opts := func(fs vfs.FS) app.Options {
		return app.Options{Store: store.Options{Dir: "state", FS: fs, Keep: 3, Rewrite: 3000, SegmentSize: 8192}}
	}
	rng := rand.New(rand.NewPCG(3, 3))
	var clones []*vfs.Mem
	var least []int64
	var c *apptest.Chain
	disk.Observe(func(vfs.Op) {
		clones = append(clones, disk.CrashClone(rng))
		h := int64(0)
		if c != nil {
			h = c.Height
		}
		least = append(least, h)
	})
	c, alice, bob, carol, _ := cast(t, opts(disk))
	genesis := c.Genesis(t, 1000, 0, nil, alice, bob, carol)
	for i := range 12 {
		c.Block(alice.TxWith(apptest.Gas, gold(1), send(alice, bob, 3)), bob.Tx(send(bob, carol, uint64(i)), send(bob, alice, 1)))
	}
	disk.Observe(nil)
	require.NoError(t, c.App.Close())
	require.Greater(t, len(clones), 30)
	for i, clone := range clones {
		o := opts(clone)
		o.Modules = []app.Module{probe{}}
		n := apptest.NewNet(t, o)
		info, err := n.App.Info(ctx, &abci.InfoRequest{})
		require.NoError(t, err)
		h := info.LastBlockHeight
		require.True(t, h == least[i] || h == least[i]+1, "RULE M4: clone %d: height %d was committed, %d is there", i, least[i], h)
		again := &apptest.Chain{Net: n, T: t, Height: h, Powers: map[[32]byte]int64{}}
		if h == 0 {
			again = n.Start(t, genesis)
		} else {
			require.Equal(t, c.Roots[h], info.LastBlockAppHash, "RULE M4: clone %d", i)
		}
		for _, b := range c.Blocks[h:] {
			require.Equal(t, c.Roots[b.Height], again.Run(b).AppHash, "RULE M1: clone %d, block %d after a crash at %d", i, b.Height, h)
		}
		require.NoError(t, n.App.Close())
	}
}

// A4: queries, checks and simulations while blocks are executed.
func TestReadersComeAtAnyTime(t *testing.T) {
	c, alice, bob, _, _ := cast(t, app.Options{})
	c.Block()
	tx := apptest.NewAccount("carol").Tx(send(apptest.NewAccount("carol"), bob, 1))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				switch i {
				case 0:
					_, _ = c.App.CheckTx(ctx, &abci.CheckTxRequest{Tx: tx})
				case 1:
					c.App.Simulate(tx)
				case 2:
					if _, err := c.App.Query(ctx, &abci.QueryRequest{Path: "/bank/supply", Data: []byte("gold"), Prove: true}); err != nil {
						t.Error(err)
					}
					if err := c.App.CheckInvariants(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	for range 20 {
		res := c.Block(alice.Tx(send(alice, bob, 1)))
		require.Zero(t, res.TxResults[0].Code)
	}
	close(stop)
	wg.Wait()
	require.Equal(t, uint64(1020), c.Balance(bob.Address, "gold"))
}

func TestWhatCannotBeIsRefusedWhenAnApplicationIsMade(t *testing.T) {
	_, err := app.New(app.Options{Modules: []app.Module{probe{}, probe{}}})
	require.ErrorContains(t, err, `module name "probe"`)
	_, err = app.New(app.Options{Modules: []app.Module{named{name: "app"}}})
	require.ErrorContains(t, err, "unique")
	_, err = app.New(app.Options{Modules: []app.Module{named{name: "x"}}})
	require.ErrorContains(t, err, "message type")
	_, err = app.New(app.Options{Store: store.Options{Dir: "state", FS: failing{vfs.NewMem()}}})
	require.ErrorIs(t, err, vfs.ErrNoSpace)

	a, err := app.New(app.Options{})
	require.NoError(t, err)
	_, err = a.FinalizeBlock(ctx, &abci.FinalizeBlockRequest{Height: 1})
	require.ErrorIs(t, err, app.ErrNotReady)
	checked, err := a.CheckTx(ctx, &abci.CheckTxRequest{})
	require.NoError(t, err)
	require.Equal(t, code(app.ErrNotReady), checked.Code)
	queried, err := a.Query(ctx, &abci.QueryRequest{Path: "/store"})
	require.NoError(t, err)
	require.Equal(t, code(app.ErrNotReady), queried.Code)
	require.Equal(t, uint32(20), a.Simulate(nil).Code)
	require.ErrorIs(t, a.CheckInvariants(), app.ErrNotReady)
	require.NoError(t, a.Close())
}

// named is probe under another name.
type named struct {
	probe
	name string
}

func (n named) Name() string { return n.name }

// failing is a disk without room.
type failing struct{ *vfs.Mem }

func (f failing) MkdirAll(string) error { return fmt.Errorf("making it: %w", vfs.ErrNoSpace) }

func TestParametersHaveBounds(t *testing.T) {
	for _, change := range []func(*app.Params){
		func(p *app.Params) { p.MaxTxGas = math.MaxInt64 + 1 },
		func(p *app.Params) { p.MaxTxGas = 0 },
		func(p *app.Params) { p.MaxTxBytes = 1 },
	} {
		p := app.DefaultParams()
		change(&p)
		require.ErrorIs(t, p.Validate(), app.ErrInvalidParams)
	}
	require.NoError(t, app.DefaultParams().Validate())
}
