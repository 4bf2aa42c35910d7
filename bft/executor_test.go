package bft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/internal/ledger"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

var errCrash = errors.New("the process dies here")

// A dying application or store lets so many calls pass, and dies before or after the next one.
type dying struct {
	left  int
	after bool
	dead  bool
}

func (d *dying) call(do func() error) error {
	if d.dead {
		return errCrash
	}
	if d.left--; d.left < 0 {
		d.dead = true
		if d.after {
			_ = do()
		}
		return errCrash
	}
	return do()
}

type dyingStore struct {
	*memory.Store
	d *dying
}

func (s dyingStore) SaveBlock(b *types.Block, id types.ValueID, seen *types.Commit) error {
	return s.d.call(func() error { return s.Store.SaveBlock(b, id, seen) })
}

func (s dyingStore) SaveState(state *types.State, r *types.Results) error {
	return s.d.call(func() error { return s.Store.SaveState(state, r) })
}

type dyingApp struct {
	*listApp
	d *dying
}

func (a dyingApp) InitChain(ctx context.Context, r *abci.InitChainRequest) (out *abci.InitChainResponse, err error) {
	err = a.d.call(func() error { out, err = a.listApp.InitChain(ctx, r); return err })
	return out, err
}

func (a dyingApp) FinalizeBlock(ctx context.Context, r *abci.FinalizeBlockRequest) (out *abci.FinalizeBlockResponse, err error) {
	err = a.d.call(func() error { out, err = a.listApp.FinalizeBlock(ctx, r); return err })
	return out, err
}

func (a dyingApp) Commit(ctx context.Context, r *abci.CommitRequest) (out *abci.CommitResponse, err error) {
	err = a.d.call(func() error { out, err = a.listApp.Commit(ctx, r); return err })
	return out, err
}

func executor(app abci.Application, s Store) *Executor {
	return &Executor{App: app, Store: s, Mempool: memory.NewMempool(), Evidence: memory.NewEvidence(s), Timeout: time.Minute}
}

// advance makes a chain of n blocks through an executor, from wherever the handshake finds it. It follows the ledger, whose blocks
// are decided elsewhere.
func advance(e *Executor, g *types.Genesis, blocks []*types.Block, commits []*types.Commit) (*types.State, error) {
	s, err := e.Handshake(g)
	for err == nil && int(s.LastHeight) < len(blocks) {
		b := blocks[s.LastHeight]
		s, err = e.Apply(s, b, b.ID(), commits[b.Height-1])
	}
	return s, err
}

// ledgerOf makes the blocks that listApp agrees with.
func ledgerOf(t *testing.T, n int) (g *types.Genesis, blocks []*types.Block, commits []*types.Commit) {
	l, app := ledger.New(t, 1, 1, 1), newListApp()
	g = &types.Genesis{ChainID: l.State.ChainID, Time: l.State.LastTime, Validators: l.Validators(1, 1, 1)}
	for i := range n {
		b := l.Block(fmt.Sprint("tx ", i))
		r, err := app.FinalizeBlock(t.Context(), &abci.FinalizeBlockRequest{Txs: b.Txs, Height: int64(b.Height)})
		require.NoError(t, err)
		_, err = app.Commit(t.Context(), &abci.CommitRequest{})
		require.NoError(t, err)
		l.Decide(b, r)
		blocks, commits = append(blocks, b), append(commits, l.Last)
	}
	return g, blocks, commits
}

func TestACrashBetweenAnyTwoStepsAppliesEachBlockOnce(t *testing.T) {
	g, blocks, commits := ledgerOf(t, 3)
	for at := 0; ; at++ {
		for _, after := range []bool{false, true} {
			app, store := newListApp(), memory.NewStore()
			d := &dying{left: at, after: after}
			_, err := advance(executor(dyingApp{app, d}, dyingStore{store, d}), g, blocks, commits)
			if !d.dead {
				require.NoError(t, err)
				require.Greater(t, at, 12)
				return
			}
			require.ErrorIs(t, err, errCrash)
			if app.height > 0 {
				state, err := store.State()
				require.NoError(t, err)
				if state == nil || int64(state.LastHeight) < app.height {
					t.Fatalf("RULE W3: died at call %d: the application is at %d, and the state is behind", at, app.height)
				}
			}
			for h := range app.finalized {
				if store.Height() < types.Height(h) {
					t.Fatalf("RULE W3: died at call %d: block %d was finalised, and it was not stored", at, h)
				}
			}
			s, err := executor(app, store).Handshake(g)
			if err != nil {
				t.Fatalf("RULE W3: died at call %d, after it %v: %v", at, after, err)
			}
			if s.LastHeight != store.Height() || int64(s.LastHeight) != app.height {
				t.Fatalf("RULE W3: died at call %d, after it %v: the store has block %d, the state %d and the application %d", at, after,
					store.Height(), s.LastHeight, app.height)
			}
			s, err = advance(executor(app, store), g, blocks, commits)
			if err != nil {
				t.Fatalf("RULE W3: died at call %d, after it %v: %v", at, after, err)
			}
			require.Equal(t, types.Height(3), s.LastHeight)
			for h := int64(1); h <= 3; h++ {
				if app.committed[h] != 1 || app.finalized[h] > 2 {
					t.Fatalf("RULE W3: died at call %d, after it %v: block %d was committed %d times", at, after, h, app.committed[h])
				}
			}
			require.Len(t, app.txs, 3)
		}
	}
}

func TestAnApplicationThatLostItsDataIsGivenAllBlocks(t *testing.T) {
	g, blocks, commits := ledgerOf(t, 5)
	store := memory.NewStore()
	_, err := advance(executor(newListApp(), store), g, blocks, commits)
	require.NoError(t, err)
	again := newListApp()
	s, err := executor(again, store).Handshake(g)
	require.NoError(t, err)
	require.Equal(t, types.Height(5), s.LastHeight)
	require.Len(t, again.txs, 5)
	require.Equal(t, 1, again.initChains)
	require.Equal(t, 2, len(again.requests[4].DecidedLastCommit.Votes)-1, "with who signed")

	odd := newListApp()
	odd.onFinalize = func(r *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
		if r.Height == 3 {
			a.AppHash = []byte("odd")
		}
		return nil
	}
	_, err = executor(odd, store).Handshake(g)
	var halt *HaltError
	if !errors.As(err, &halt) || halt.Height != 3 || odd.height != 2 {
		t.Fatalf("RULE A1: an application that replays to another hash at height 3 has height %d: %v", odd.height, err)
	}
	require.NoError(t, store.Prune(4))
	_, err = executor(newListApp(), store).Handshake(g)
	require.ErrorIs(t, err, ErrHalted, "block 1 is gone")
	require.ErrorContains(t, err, "begins at 4")
}

func TestAStoreThatIsNotTheApplicationsIsReported(t *testing.T) {
	g, blocks, commits := ledgerOf(t, 3)
	app, store := newListApp(), memory.NewStore()
	_, err := advance(executor(app, store), g, blocks, commits)
	require.NoError(t, err)
	_, err = executor(app, memory.NewStore()).Handshake(g)
	require.ErrorIs(t, err, ErrHalted)
	short := memory.NewStore()
	_, err = advance(executor(newListApp(), short), g, blocks[:2], commits)
	require.NoError(t, err)
	_, err = executor(app, short).Handshake(g)
	require.ErrorIs(t, err, ErrHalted)
	app.hash = []byte("rotten")
	_, err = executor(app, store).Handshake(g)
	require.ErrorIs(t, err, ErrHalted)
	require.ErrorContains(t, err, fmt.Sprintf("%X", "rotten"))
	_, err = executor(newListApp(), store).Handshake(&types.Genesis{ChainID: "other"})
	require.ErrorIs(t, err, types.ErrGenesis)
}

// Who mends the genesis before the first block has an application that begins with the new one, and a store with the old one's validators.
func TestAGenesisThatWasChangedBeforeTheFirstBlockIsReported(t *testing.T) {
	g, _, _ := ledgerOf(t, 1)
	store := memory.NewStore()
	first, err := executor(newListApp(), store).Handshake(g)
	require.NoError(t, err)
	again, err := executor(newListApp(), store).Handshake(g)
	require.NoError(t, err)
	require.Equal(t, first.Encode(nil), again.Encode(nil))
	other := *g
	other.Validators = slices.Clone(g.Validators)
	other.Validators[0].Power++
	if _, err = executor(newListApp(), store).Handshake(&other); !errors.Is(err, types.ErrGenesis) {
		t.Fatalf("RULE W3: the application begins with one genesis, and the chain with another: %v", err)
	}
}

func TestAProposalOfOursIsNoLargerThanTheParameters(t *testing.T) {
	l := ledger.New(t, 1, 1, 1, 1)
	l.Decide(l.Block(), &abci.FinalizeBlockResponse{ConsensusParamUpdates: &abci.ConsensusParams{
		Block: &abci.BlockParams{MaxBytes: 3000, MaxGas: -1}, Evidence: &abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: 1}}})
	e := executor(newListApp(), memory.NewStore())
	for i := range 1000 {
		e.Mempool.(*memory.Mempool).Add(fmt.Appendf(nil, "%0*d", 1+i%200, i))
	}
	b, err := e.CreateBlock(l.State, l.Last, l.State.Validators.Proposer().Address)
	require.NoError(t, err)
	require.NoError(t, e.Validate(l.State, b))
	size := len(b.Encode(nil))
	require.LessOrEqual(t, size, 3000)
	require.Greater(t, size, 1500)
	require.NotEmpty(t, b.Txs)

	e.App = greedy{}
	_, err = e.CreateBlock(l.State, l.Last, l.State.Validators.Proposer().Address)
	require.ErrorIs(t, err, ErrHalted)
	require.ErrorContains(t, err, "MaxTxBytes")
}

// A pool that has so much evidence, as it says, of which none is looked at.
type full struct {
	EvidencePool
	evidence []*types.DuplicateVoteEvidence
}

func (p full) Pending(maxBytes int64) []*types.DuplicateVoteEvidence {
	for i, d := range p.evidence {
		if maxBytes -= int64(len(d.Encode(nil))); maxBytes < 0 {
			return p.evidence[:i]
		}
	}
	return p.evidence
}

func (full) Check(*types.State, []*types.DuplicateVoteEvidence) error { return nil }

// Block.MaxBytes bounds a block with whatever may be in it: evidence up to the same bound, or a long app hash.
func TestAProposalFullOfEvidenceIsNoLargerThanTheParameters(t *testing.T) {
	vote := types.Vote{Type: types.Prevote, Height: 1, Value: types.ValueID{Hash: types.Hash{1}, Parts: types.PartsHeader{Total: 1, Hash: types.Hash{1}}},
		Time: time.Unix(1_700_000_000, 1), Validator: types.Address{1}, ValidRound: types.NoRound, Signature: make([]byte, types.SignatureSize)}
	for name, r := range map[string]struct{ hash, evidence, limit int }{
		"evidence": {32, 100, 3000}, "evidence and a long hash": {1000, 100, 3000}, "a long hash": {1000, 0, 3000}, "hardly any room": {32, 100, 1200},
	} {
		t.Run(name, func(t *testing.T) {
			l := ledger.New(t, 1, 1, 1, 1)
			limit := int64(r.limit)
			l.Decide(l.Block(), &abci.FinalizeBlockResponse{AppHash: make([]byte, r.hash), ConsensusParamUpdates: &abci.ConsensusParams{
				Block: &abci.BlockParams{MaxBytes: limit, MaxGas: -1}, Evidence: &abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: 1, MaxBytes: limit}}})
			e := executor(newListApp(), memory.NewStore())
			pool := full{e.Evidence, nil}
			for i := range r.evidence {
				one, two := vote, vote
				one.Round, two.Round, two.Value.Hash = types.Round(i), types.Round(i), types.Hash{2}
				pool.evidence = append(pool.evidence, &types.DuplicateVoteEvidence{DoubleVote: types.DoubleVote{First: one, Second: two}, TotalVotingPower: 4, ValidatorPower: 1, Time: one.Time})
			}
			e.Evidence = pool
			for i := range 1000 {
				e.Mempool.(*memory.Mempool).Add(fmt.Appendf(nil, "%0*d", 1+i%20, i))
			}
			b, err := e.CreateBlock(l.State, l.Last, l.State.Validators.Proposer().Address)
			if err != nil {
				t.Fatalf("RULE A2: a proposer that has too much for a block halts: %v", err)
			}
			require.NoError(t, e.Validate(l.State, b))
			if size := len(b.Encode(nil)); size > r.limit {
				t.Fatalf("RULE A2: a block of %d bytes is proposed, which nobody takes: %d are allowed", size, r.limit)
			}
			require.NotZero(t, len(b.Txs)+len(b.Evidence))
		})
	}
}

type greedy struct{ abci.BaseApplication }

func (greedy) PrepareProposal(context.Context, *abci.PrepareProposalRequest) (*abci.PrepareProposalResponse, error) {
	return &abci.PrepareProposalResponse{Txs: [][]byte{make([]byte, 5000)}}, nil
}

// E1: an application that keeps its last blocks only does not make its node find evidence not valid that the others find valid.
func TestBlocksOfWhichThereMayBeEvidenceAreKept(t *testing.T) {
	g, blocks, commits := ledgerOf(t, 12)
	span := func(from, to int) time.Duration { return blocks[to-1].Time.Sub(blocks[from-1].Time) }
	for _, c := range []struct {
		name string
		ages abci.EvidenceParams
		base types.Height
	}{
		{"the application's wish", abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: 1}, 9},
		{"by number", abci.EvidenceParams{MaxAgeNumBlocks: 7, MaxAgeDuration: 1}, 5},
		{"by time", abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: span(6, 12)}, 6},
		{"all", abci.EvidenceParams{MaxAgeNumBlocks: 100, MaxAgeDuration: time.Hour}, 1},
	} {
		app, store := newListApp(), memory.NewStore()
		app.keep = 3
		g.Params.Evidence = &c.ages
		s, err := advance(executor(app, store), g, blocks, commits)
		require.NoError(t, err)
		require.Equal(t, types.Height(12), s.LastHeight)
		require.Equal(t, c.base, store.Base(), "RULE E1: %s: a block of which there may be evidence is gone, or one is kept too long", c.name)
	}
}

// F5: a block that was stored when the node died is not applied beyond the height that it is told to halt at now.
func TestAStoredBlockBeyondTheHeightToHaltAtWaits(t *testing.T) {
	g, blocks, commits := ledgerOf(t, 3)
	app, store := newListApp(), memory.NewStore()
	_, err := advance(executor(app, store), g, blocks[:2], commits)
	require.NoError(t, err)
	require.NoError(t, store.SaveBlock(blocks[2], blocks[2].ID(), commits[2]))
	halting := executor(app, store)
	halting.HaltHeight = 2
	s, err := halting.Handshake(g)
	require.NoError(t, err)
	require.Equal(t, types.Height(2), s.LastHeight, "RULE W3: applied beyond the height to halt at")
	require.Equal(t, int64(2), app.height)
	n, err := NewNode(Options{Genesis: g, App: app, Store: store, HaltHeight: 2})
	require.NoError(t, err)
	<-n.Done()
	require.ErrorIs(t, n.Err(), ErrHaltHeight)
	require.Equal(t, int64(2), app.height, "RULE W3: applied beyond the height to halt at")
	s, err = executor(app, store).Handshake(g)
	require.NoError(t, err)
	require.Equal(t, types.Height(3), s.LastHeight, "it goes on where it is not to halt")
}

// limited is a mempool that wants to know what fits into a block.
type limited struct {
	*memory.Mempool
	room, gas int64
}

func (l *limited) Limit(room, gas int64) { l.room, l.gas = room, gas }

// A2: what a mempool takes fits into a block, now and when the parameters change.
func TestAMempoolIsToldWhatFitsIntoABlock(t *testing.T) {
	g, blocks, commits := ledgerOf(t, 2)
	g.Params.Block = &abci.BlockParams{MaxBytes: 5000, MaxGas: 77}
	g.Params.Evidence = &abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: 1}
	app, pool := newListApp(), &limited{Mempool: memory.NewMempool()}
	app.onFinalize = func(_ *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
		a.ConsensusParamUpdates = &abci.ConsensusParams{Block: &abci.BlockParams{MaxBytes: 4000, MaxGas: 55}}
		return nil
	}
	e := executor(app, memory.NewStore())
	e.Mempool = pool
	s, err := e.Handshake(g)
	require.NoError(t, err)
	empty := pool.room
	require.Equal(t, int64(77), pool.gas, "RULE A2: at the beginning")
	require.Equal(t, int64(5000-maxOverheadBytes-maxHeaderBytes-maxCommitBytes), empty, "RULE A2: at the beginning")
	s, err = e.Apply(s, blocks[0], blocks[0].ID(), commits[0])
	require.NoError(t, err)
	require.Equal(t, int64(55), pool.gas, "RULE A2: the parameters have changed")
	require.Equal(t, empty-1000-maxCommitSigBytes*int64(s.LastValidators.Len()), pool.room, "RULE A2: the parameters have changed")
}

// A1: a machine that was paused in a call for longer than AppTimeout does not take its application for one that hangs.
func TestAPauseOfTheMachineIsNoHangingApplication(t *testing.T) {
	answers, paused := make(chan string, 1), false
	got, ok := within(time.Minute, func(time.Duration) <-chan time.Time {
		c := make(chan time.Time, 1)
		if !paused {
			paused = true
			c <- time.Now() // the time is over when the machine goes on, before the application does
		} else {
			answers <- "late"
		}
		return c
	}, answers)
	require.True(t, ok, "RULE A1: the application was not given time to answer after the pause")
	require.Equal(t, "late", got)
}
