package bft

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/stretchr/testify/require"
)

// ledger is a chain of states made without a node, by validators who all sign at times of their own.
type ledger struct {
	t       *testing.T
	state   *State
	signers map[Address]*MemSigner
	last    *Commit
	delays  map[Address]time.Duration // of a validator's clock
}

func newLedger(t *testing.T, powers ...int64) *ledger {
	l := &ledger{t: t, signers: make(map[Address]*MemSigner), last: &Commit{}, delays: make(map[Address]time.Duration)}
	g := &Genesis{ChainID: "ledger", Time: time.Unix(1_700_000_000, 0), InitialHeight: 1, Validators: l.validators(powers...)}
	var err error
	l.state, err = g.State()
	require.NoError(t, err)
	return l
}

func (l *ledger) validators(powers ...int64) (all []Validator) {
	for i, power := range powers {
		signer := NewMemSigner(fmt.Sprint("v", i))
		l.signers[AddressOf(signer.PubKey())] = signer
		all = append(all, Validator{PubKey: signer.PubKey(), Power: power})
	}
	return all
}

func (l *ledger) block(txs ...string) *Block {
	var all [][]byte
	for _, tx := range txs {
		all = append(all, []byte(tx))
	}
	return l.state.MakeBlock(all, l.last, nil, l.state.Validators.Proposer().Address)
}

// decide commits a block with an answer of the application.
func (l *ledger) decide(b *Block, r *abci.FinalizeBlockResponse) {
	l.t.Helper()
	require.NoError(l.t, l.state.Validate(b))
	id, set := b.ID(), l.state.Validators
	votes := make([]*Vote, set.Len())
	for i := range votes {
		a := set.At(i).Address
		votes[i] = &Vote{Type: Precommit, Height: b.Height, Value: id, Validator: a, ValidRound: NoRound, Time: b.Time.Add(time.Second + l.delays[a])}
		require.NoError(l.t, l.signers[a].SignVote(l.state.ChainID, votes[i]))
	}
	l.last = MakeCommit(b.Height, 0, id, votes)
	var err error
	l.state, err = l.state.Next(&b.Header, id, r)
	require.NoError(l.t, err)
}

func TestEachFieldOfABlockIsChecked(t *testing.T) {
	l := newLedger(t, 1, 2, 3)
	for range 3 {
		l.decide(l.block("tx"), &abci.FinalizeBlockResponse{TxResults: make([]abci.ExecTxResult, 1), AppHash: []byte("app")})
	}
	require.NoError(t, l.state.Validate(l.block("good")))
	for field, spoil := range map[string]func(*Block){
		"AppVersion":         func(b *Block) { b.AppVersion++ },
		"ChainID":            func(b *Block) { b.ChainID = "other" },
		"Height":             func(b *Block) { b.Height++ },
		"Time":               func(b *Block) { b.Time = b.Time.Add(1) },
		"LastBlockID":        func(b *Block) { b.LastBlockID.Hash[0]++ },
		"last commit":        func(b *Block) { b.LastCommitHash[0]++ },
		"transactions":       func(b *Block) { b.DataHash[0]++ },
		"ValidatorsHash":     func(b *Block) { b.ValidatorsHash[0]++ },
		"NextValidatorsHash": func(b *Block) { b.NextValidatorsHash[0]++ },
		"ConsensusHash":      func(b *Block) { b.ConsensusHash[0]++ },
		"AppHash":            func(b *Block) { b.AppHash = []byte("apP") },
		"LastResultsHash":    func(b *Block) { b.LastResultsHash[0]++ },
		"evidence":           func(b *Block) { b.EvidenceHash[0]++ },
		"ProposerAddress":    func(b *Block) { b.ProposerAddress = Address{1} },
		"LastCommit":         func(b *Block) { b.LastCommit = nil },
		"commit":             func(b *Block) { c := *b.LastCommit; c.Signatures = c.Signatures[1:]; b.LastCommit = &c; b.Fill() },
	} {
		b := l.block("good")
		spoil(b)
		err := l.state.Validate(b)
		if !errors.Is(err, ErrBlock) {
			t.Fatalf("RULE A1: a block with a wrong %s was valid: %v", field, err)
		}
		require.ErrorContains(t, err, field)
	}
}

func TestTheFirstBlockHasTheGenesisTimeAndNoCommit(t *testing.T) {
	l := newLedger(t, 1, 1)
	b := l.block()
	require.NoError(t, l.state.Validate(b))
	require.Equal(t, l.state.LastTime, b.Time)
	l.decide(b, &abci.FinalizeBlockResponse{})
	commit := l.last
	first := newLedger(t, 1, 1)
	b = first.state.MakeBlock(nil, commit, nil, first.state.Validators.Proposer().Address)
	require.ErrorIs(t, first.state.Validate(b), ErrBlock)
}

func TestBlockTimeIsTheMedianByPower(t *testing.T) {
	l := newLedger(t, 3, 2, 2)
	by := func(i int) Address { return AddressOf(NewMemSigner(fmt.Sprint("v", i)).PubKey()) }
	for _, c := range []struct {
		delays [3]time.Duration
		want   time.Duration
	}{
		{[3]time.Duration{0, 7 * time.Hour, 1}, 0}, // 3 is half of 7, rounded down
		{[3]time.Duration{9, 7 * time.Hour, 1}, 9}, // ... the first one's 3
		{[3]time.Duration{9, -time.Hour, 7}, 7},    // a liar behind
		{[3]time.Duration{time.Hour, 5, 6}, 6},     // who has less than half moves it no further than others
		{[3]time.Duration{time.Hour, time.Hour, 0}, 1 * time.Hour},
	} {
		for i, d := range c.delays {
			l.delays[by(i)] = d
		}
		at := l.block().Time
		l.decide(l.block(), &abci.FinalizeBlockResponse{})
		if got := l.block().Time.Sub(at) - time.Second; got != c.want {
			t.Fatalf("RULE A1: of the delays %v the median is %v, and not %v", c.delays, got, c.want)
		}
	}
}

func TestAChangeOfValidatorsIsInForceTwoHeightsLater(t *testing.T) {
	l := newLedger(t, 5, 5)
	joins := NewMemSigner("joins")
	l.signers[AddressOf(joins.PubKey())] = joins
	var priorities []string
	for h := Height(1); h <= 6; h++ {
		r := &abci.FinalizeBlockResponse{}
		if h == 2 {
			r.ValidatorUpdates = []abci.ValidatorUpdate{{PubKey: joins.PubKey(), Power: 3}}
		}
		if there := l.state.Validators.Index(AddressOf(joins.PubKey())) >= 0; there != (h >= 4) {
			t.Fatalf("RULE V2: changed in block 2, the validator is there at height %d: %v", h, there)
		}
		if there := l.state.NextValidators.Index(AddressOf(joins.PubKey())) >= 0; there != (h >= 3) {
			t.Fatalf("RULE V2: changed in block 2, the header of %d names the next set with it: %v", h, there)
		}
		priorities = append(priorities, l.state.Validators.Proposer().Address.String())
		l.decide(l.block(), r)
	}
	require.NotEqual(t, priorities[0], priorities[1], "the turn goes round")
}

func TestAnAnswerThatNoStateFollowsFromIsRefused(t *testing.T) {
	l := newLedger(t, 5, 5)
	b := l.block()
	for name, r := range map[string]*abci.FinalizeBlockResponse{
		"a short key":    {ValidatorUpdates: []abci.ValidatorUpdate{{PubKey: []byte{1}, Power: 3}}},
		"a stranger":     {ValidatorUpdates: []abci.ValidatorUpdate{{PubKey: NewMemSigner("x").PubKey()}}},
		"negative":       {ValidatorUpdates: []abci.ValidatorUpdate{{PubKey: NewMemSigner("v0").PubKey(), Power: -1}}},
		"nobody left":    {ValidatorUpdates: []abci.ValidatorUpdate{{PubKey: NewMemSigner("v0").PubKey()}, {PubKey: NewMemSigner("v1").PubKey()}}},
		"no bytes":       {ConsensusParamUpdates: &abci.ConsensusParams{Block: &abci.BlockParams{MaxGas: 1}}},
		"too many bytes": {ConsensusParamUpdates: &abci.ConsensusParams{Block: &abci.BlockParams{MaxBytes: MaxBlockBytes + 1}}},
		"negative gas":   {ConsensusParamUpdates: &abci.ConsensusParams{Block: &abci.BlockParams{MaxBytes: 1 << 21, MaxGas: -2}}},
		"no age":         {ConsensusParamUpdates: &abci.ConsensusParams{Evidence: &abci.EvidenceParams{}}},
		"much evidence":  {ConsensusParamUpdates: &abci.ConsensusParams{Evidence: &abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: 1, MaxBytes: 5 << 20}}},
	} {
		_, err := l.state.Next(&b.Header, b.ID(), r)
		if !errors.Is(err, ErrValidators) && !errors.Is(err, ErrParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAGenesisFileIsReadBack(t *testing.T) {
	g := Genesis{ChainID: "file", Time: time.Unix(1_700_000_000, 5).UTC(), InitialHeight: 7, Params: DefaultParams(), AppHash: []byte{0xab},
		AppState: []byte(`{"a":1}`), Validators: newLedger(t, 1).validators(3, 4)}
	g.Params.Block.MaxGas = 12
	data, err := json.Marshal(g)
	require.NoError(t, err)
	require.Contains(t, string(data), `"initial_height":"7"`)
	require.Contains(t, string(data), `"type":"tendermint/PubKeyEd25519"`)
	var back Genesis
	require.NoError(t, json.Unmarshal(data, &back))
	for i := range back.Validators {
		require.Equal(t, AddressOf(g.Validators[i].PubKey), back.Validators[i].Address)
		g.Validators[i].Address = back.Validators[i].Address
	}
	require.Equal(t, g, back)
	require.NoError(t, json.Unmarshal([]byte(`{"chain_id":"small"}`), &back))
	require.Equal(t, DefaultParams(), back.Params)
	for _, bad := range []string{`[]`, `{"app_hash":"x"}`, `{"initial_height":"one"}`,
		`{"validators":[{"pub_key":{"type":"other","value":""},"power":"1"}]}`} {
		require.Error(t, json.Unmarshal([]byte(bad), &back), bad)
	}
}

func TestTimeoutsGrowAndDoNotOverflow(t *testing.T) {
	d := DefaultTimeouts()
	require.Equal(t, 3*time.Second, d.of(StepPropose, 0))
	require.Equal(t, 4*time.Second, d.of(StepPropose, 2))
	require.Equal(t, 2*time.Second, d.of(StepPrecommit, 2))
	last := time.Duration(0)
	for r := Round(0); r >= 0 && r < 1<<30; r = r*2 + 1 {
		got := d.of(StepPrevote, r)
		require.GreaterOrEqual(t, got, last)
		require.LessOrEqual(t, got, time.Hour)
		last = got
	}
	require.Equal(t, time.Hour, last)
}

func TestWhatComesEarlyIsBounded(t *testing.T) {
	var w waitingRoom
	for i := range 100_000 {
		w.add(&Vote{Validator: Address{1}, Round: Round(i)})
		w.add(&Proposal{Proposer: Address{2}, Round: Round(i)})
		w.add(&BlockPart{Part: Part{Bytes: make([]byte, 1000)}})
	}
	if n := len(w.messages); n > 2*perSigner+waitingBytes/1000 {
		t.Fatalf("RULE K3: %d messages are waiting", n)
	}
	require.True(t, w.add(&Vote{Validator: Address{3}}), "a flood of one is not to the cost of another")
	require.NotEmpty(t, w.take())
	require.True(t, w.add(&Vote{Validator: Address{1}}))
}
