package app_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/apptest"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/app/staking"
	"github.com/flagship-go/flagship/bft/app/store"
	"github.com/flagship-go/flagship/internal/vfs"
)

var (
	seeds = flag.Uint64("seeds", 3, "how many simulations")
	first = flag.Uint64("seed", 1, "the first simulation's seed")
)

// A world is two nodes that see the same blocks, and accounts that do whatever comes to mind.
type world struct {
	t        *testing.T
	rng      *rand.Rand
	one, two *apptest.Chain // two is on disk, crashes now and then, and is asked nothing beside its blocks
	disk     *vfs.Mem
	people   []*apptest.Account
	burned   uint64 // of stake, by slashes
	ok, bad  int
}

const each = 1 << 40

func newWorld(t *testing.T, seed uint64) *world {
	w := &world{t: t, rng: rand.New(rand.NewPCG(seed, 9)), disk: vfs.NewMem()}
	for i := range 12 {
		w.people = append(w.people, apptest.NewAccount(fmt.Sprint("person ", i)))
	}
	p := staking.DefaultParams()
	p.MaxValidators, p.UnbondingTime, p.MinSelfDelegation = 4, 5*time.Second, 1000
	n := apptest.NewNet(t, app.Options{})
	genesis := n.Genesis(t, each, 5, &p, w.people...)
	w.one = n.Start(t, genesis)
	w.two = apptest.NewNet(t, w.onDisk()).Start(t, genesis)
	require.Equal(t, w.one.Roots, w.two.Roots)
	return w
}

func (w *world) onDisk() app.Options {
	return app.Options{Store: store.Options{Dir: "state", FS: w.disk, Keep: 5, Rewrite: 100_000, SegmentSize: 64 << 10}}
}

func (w *world) somebody() *apptest.Account { return w.people[w.rng.IntN(len(w.people))] }

func (w *world) coin() app.Coin {
	c := app.Coin{Denom: []string{"gold", "stake"}[w.rng.IntN(2)], Amount: 1 + w.rng.Uint64N(each/64)}
	switch w.rng.IntN(60) {
	case 0:
		c.Amount = 0
	case 1:
		c.Amount = w.rng.Uint64() // far too much
	case 2:
		c.Denom = "nothing"
	}
	return c
}

// msg is something that who might want.
func (w *world) msg(who *apptest.Account) app.Msg {
	to, stake := w.somebody().Address, w.coin()
	if w.rng.IntN(20) > 0 {
		stake.Denom = "stake"
	}
	validator := w.somebody()
	for range 20 { // mostly one that is one
		if w.one.Powers[apptest.ConsensusKey(validator.Name)] == 0 {
			validator = w.somebody()
		}
	}
	switch w.rng.IntN(10) {
	case 0, 1, 2:
		return bank.MsgSend{From: who.Address, To: to, Coin: w.coin()}
	case 3:
		return bank.MsgSend{From: who.Address, To: who.Address, Coin: w.coin()}
	case 4:
		m := bank.MsgMultiSend{From: who.Address}
		for range w.rng.IntN(5) {
			m.Outputs = append(m.Outputs, bank.Output{To: w.somebody().Address, Coin: w.coin()})
		}
		return m
	case 5:
		return staking.MsgCreateValidator{Operator: who.Address, PubKey: apptest.ConsensusKey(w.somebody().Name), Coin: stake}
	case 6, 7:
		return staking.MsgDelegate{Delegator: who.Address, Validator: validator.Address, Coin: stake}
	default:
		return staking.MsgUndelegate{Delegator: who.Address, Validator: validator.Address, Coin: stake}
	}
}

// tx is a transaction that is mostly well made.
func (w *world) tx() []byte {
	who := w.somebody()
	var msgs []app.Msg
	for range 1 + w.rng.IntN(3) {
		msgs = append(msgs, w.msg(who))
	}
	gas, fee := uint64(apptest.Gas), app.Coin{}
	switch w.rng.IntN(20) {
	case 0:
		gas = w.rng.Uint64N(60_000)
	case 1:
		fee = w.coin()
	case 2, 3, 4:
		fee = gold(1 + w.rng.Uint64N(1000))
	}
	raw := who.TxWith(gas, fee, msgs...)
	switch w.rng.IntN(60) {
	case 0:
		raw[w.rng.IntN(len(raw))] ^= 1 << w.rng.IntN(8)
	case 1:
		raw = raw[:w.rng.IntN(len(raw))]
	case 2:
		who.Sequence += uint64(w.rng.IntN(2))
	}
	return raw
}

// block runs one on both nodes.
func (w *world) block(size int) {
	var pool [][]byte
	for range size {
		pool = append(pool, w.tx())
	}
	for _, raw := range pool {
		w.one.Check(raw)
		if w.rng.IntN(8) == 0 {
			w.one.App.Simulate(raw)
		}
	}
	r := w.one.Next()
	r.Time = w.one.Time.Add(time.Duration(1+w.rng.IntN(1500)) * time.Millisecond)
	if r.Height != 50 && w.rng.IntN(25) == 0 { // evidence, also of those who are no validators, and again
		r.Misbehavior = append(r.Misbehavior, apptest.DoubleVote(w.somebody().Name, max(1, r.Height-int64(w.rng.IntN(4)))))
	}
	for _, p := range w.people { // one at least, so that each world has a slash
		if r.Height == 50 && len(r.Misbehavior) == 0 && w.one.Powers[apptest.ConsensusKey(p.Name)] > 0 {
			r.Misbehavior = append(r.Misbehavior, apptest.DoubleVote(p.Name, 49))
		}
	}
	r.Txs = pool
	if w.rng.IntN(2) == 0 {
		prepared, err := w.one.App.PrepareProposal(ctx, &abci.PrepareProposalRequest{Txs: pool, MaxTxBytes: int64(w.rng.IntN(20_000)), Height: r.Height, Time: r.Time})
		require.NoError(w.t, err)
		r.Txs = prepared.Txs
		judged, err := w.two.App.ProcessProposal(ctx, &abci.ProcessProposalRequest{Txs: r.Txs, Height: r.Height, Time: r.Time})
		require.NoError(w.t, err)
		require.True(w.t, judged.Accept, "RULE M3: a correct proposal for height %d is refused", r.Height)
	}
	a, b := w.one.Run(r), w.two.Run(r)
	require.Equal(w.t, a, b, "RULE M1: two nodes differ at height %d", r.Height)
	for _, res := range a.TxResults {
		if res.Code == 0 {
			w.ok++
		} else {
			w.bad++
		}
		require.NotEqual(w.t, code(app.ErrPanic), res.Code, res.Log)
	}
	for _, e := range a.Events {
		if e.Type == "slash" {
			for _, lost := range e.Attributes[2:] {
				n, err := strconv.ParseUint(lost.Value, 10, 64)
				require.NoError(w.t, err)
				w.burned += n
			}
		}
	}
	for _, p := range w.people {
		p.Sequence = w.one.Sequence(p.Address)
	}
}

// judge checks what must hold at every height.
func (w *world) judge() {
	t, h := w.t, w.one.Height
	require.NoError(t, w.one.App.CheckInvariants(), "RULE D1: height %d", h)
	for denom, want := range map[string]uint64{"gold": each * 12, "stake": each*12 - w.burned} {
		res, err := w.one.App.Query(ctx, &abci.QueryRequest{Path: "/store", Data: []byte("bank/s/" + denom)})
		require.NoError(t, err)
		require.Equal(t, want, binary.BigEndian.Uint64(res.Value), "RULE B1: the supply of %s at height %d", denom, h)
	}
	require.NotEmpty(t, w.one.Powers, "RULE D3: no validator is left at height %d", h)
	require.LessOrEqual(t, len(w.one.Powers), 4, "RULE D3: height %d", h)
}

// TestSimulation is thousands of transactions, most of them sensible: supplies stay, pools have what was put into them, and two nodes agree
// of which one is asked all sorts of things and the other one crashes.
func TestSimulation(t *testing.T) {
	for seed := *first; seed < *first+*seeds; seed++ {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			w := newWorld(t, seed)
			for range 100 {
				w.block(w.rng.IntN(50))
				w.judge()
				if w.rng.IntN(6) == 0 {
					w.restart()
				}
			}
			require.Greater(t, w.ok, 100)
			require.Greater(t, w.bad, 100)
			require.Positive(t, w.burned)
			w.exportAndImport()
			t.Logf("%d transactions succeeded, %d failed, %d stake burned", w.ok, w.bad, w.burned)
		})
	}
}

// restart takes the power from the second node: perhaps between FinalizeBlock and Commit.
func (w *world) restart() {
	if w.rng.IntN(2) == 0 {
		_, err := w.two.App.FinalizeBlock(ctx, w.two.Next([]byte("another block")))
		require.NoError(w.t, err)
	}
	w.disk = w.disk.CrashClone(w.rng)
	old := w.two
	w.two = &apptest.Chain{Net: apptest.NewNet(w.t, w.onDisk()), T: w.t, Height: old.Height, Time: old.Time, Powers: old.Powers, Roots: old.Roots}
	info, err := w.two.App.Info(ctx, &abci.InfoRequest{})
	require.NoError(w.t, err)
	require.Equal(w.t, old.Height, info.LastBlockHeight, "RULE M4: a crash lost a height")
	require.Equal(w.t, old.Roots[old.Height], info.LastBlockAppHash, "RULE M4: not what was committed")
}

// exportAndImport begins a chain with what the world has come to: it is the same state.
func (w *world) exportAndImport() {
	genesis, err := w.one.App.ExportGenesis()
	require.NoError(w.t, err)
	next := apptest.NewNet(w.t, app.Options{}).Start(w.t, genesis)
	require.Equal(w.t, fmt.Sprintf("%x", w.one.Roots[w.one.Height]), fmt.Sprintf("%x", next.Roots[0]), "RULE M5: the imported state has another hash")
	require.Equal(w.t, w.one.Powers, next.Powers, "RULE M5: the imported state has other validators")
	next.Block()
	again, err := next.App.ExportGenesis()
	require.NoError(w.t, err)
	require.NotEmpty(w.t, again)
	// And they go on alike.
	next = apptest.NewNet(w.t, app.Options{}).Start(w.t, genesis)
	next.Height, next.Time = 0, w.one.Time
	tx := w.somebody().Tx(w.msg(w.people[0]))
	r := w.one.Next(tx)
	here := w.one.Run(r)
	there := *r
	there.Height = 1
	require.Equal(w.t, len(here.TxResults), len(next.Run(&there).TxResults))
	require.NoError(w.t, next.App.CheckInvariants())
}
