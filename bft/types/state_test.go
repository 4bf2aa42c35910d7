package types_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/internal/ledger"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

func TestEachFieldOfABlockIsChecked(t *testing.T) {
	l := ledger.New(t, 1, 2, 3)
	for range 3 {
		l.Decide(l.Block("tx"), &abci.FinalizeBlockResponse{TxResults: make([]abci.ExecTxResult, 1), AppHash: []byte("app")})
	}
	require.NoError(t, l.State.Validate(l.Block("good")))
	for field, spoil := range map[string]func(*types.Block){
		"AppVersion":         func(b *types.Block) { b.AppVersion++ },
		"ChainID":            func(b *types.Block) { b.ChainID = "other" },
		"Height":             func(b *types.Block) { b.Height++ },
		"Time":               func(b *types.Block) { b.Time = b.Time.Add(1) },
		"LastBlockID":        func(b *types.Block) { b.LastBlockID.Hash[0]++ },
		"last commit":        func(b *types.Block) { b.LastCommitHash[0]++ },
		"transactions":       func(b *types.Block) { b.DataHash[0]++ },
		"ValidatorsHash":     func(b *types.Block) { b.ValidatorsHash[0]++ },
		"NextValidatorsHash": func(b *types.Block) { b.NextValidatorsHash[0]++ },
		"ConsensusHash":      func(b *types.Block) { b.ConsensusHash[0]++ },
		"AppHash":            func(b *types.Block) { b.AppHash = []byte("apP") },
		"LastResultsHash":    func(b *types.Block) { b.LastResultsHash[0]++ },
		"evidence":           func(b *types.Block) { b.EvidenceHash[0]++ },
		"ProposerAddress":    func(b *types.Block) { b.ProposerAddress = types.Address{1} },
		"LastCommit":         func(b *types.Block) { b.LastCommit = nil },
		"commit":             func(b *types.Block) { c := *b.LastCommit; c.Signatures = c.Signatures[1:]; b.LastCommit = &c; b.Fill() },
	} {
		b := l.Block("good")
		spoil(b)
		err := l.State.Validate(b)
		if !errors.Is(err, types.ErrBlock) {
			t.Fatalf("RULE A1: a block with a wrong %s was valid: %v", field, err)
		}
		require.ErrorContains(t, err, field)
	}
}

func TestTheFirstBlockHasTheGenesisTimeAndNoCommit(t *testing.T) {
	l := ledger.New(t, 1, 1)
	b := l.Block()
	require.NoError(t, l.State.Validate(b))
	require.Equal(t, l.State.LastTime, b.Time)
	l.Decide(b, &abci.FinalizeBlockResponse{})
	commit := l.Last
	first := ledger.New(t, 1, 1)
	b = first.State.MakeBlock(nil, commit, nil, first.State.Validators.Proposer().Address)
	require.ErrorIs(t, first.State.Validate(b), types.ErrBlock)
}

func TestBlockTimeIsTheMedianByPower(t *testing.T) {
	l := ledger.New(t, 3, 2, 2)
	by := func(i int) types.Address { return types.AddressOf(privval.NewMemSigner(fmt.Sprint("v", i)).PubKey()) }
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
			l.Delays[by(i)] = d
		}
		at := l.Block().Time
		l.Decide(l.Block(), &abci.FinalizeBlockResponse{})
		if got := l.Block().Time.Sub(at) - time.Second; got != c.want {
			t.Fatalf("RULE A1: of the delays %v the median is %v, and not %v", c.delays, got, c.want)
		}
	}
}

func TestAChangeOfValidatorsIsInForceTwoHeightsLater(t *testing.T) {
	l := ledger.New(t, 5, 5)
	joins := privval.NewMemSigner("joins")
	l.Signers[types.AddressOf(joins.PubKey())] = joins
	var priorities []string
	for h := types.Height(1); h <= 6; h++ {
		r := &abci.FinalizeBlockResponse{}
		if h == 2 {
			r.ValidatorUpdates = []abci.ValidatorUpdate{{PubKey: joins.PubKey(), Power: 3}}
		}
		if there := l.State.Validators.Index(types.AddressOf(joins.PubKey())) >= 0; there != (h >= 4) {
			t.Fatalf("RULE V2: changed in block 2, the validator is there at height %d: %v", h, there)
		}
		if there := l.State.NextValidators.Index(types.AddressOf(joins.PubKey())) >= 0; there != (h >= 3) {
			t.Fatalf("RULE V2: changed in block 2, the header of %d names the next set with it: %v", h, there)
		}
		priorities = append(priorities, l.State.Validators.Proposer().Address.String())
		l.Decide(l.Block(), r)
	}
	require.NotEqual(t, priorities[0], priorities[1], "the turn goes round")
}

func TestAnAnswerThatNoStateFollowsFromIsRefused(t *testing.T) {
	l := ledger.New(t, 5, 5)
	b := l.Block()
	for name, r := range map[string]*abci.FinalizeBlockResponse{
		"a short key":    {ValidatorUpdates: []abci.ValidatorUpdate{{PubKey: []byte{1}, Power: 3}}},
		"a stranger":     {ValidatorUpdates: []abci.ValidatorUpdate{{PubKey: privval.NewMemSigner("x").PubKey()}}},
		"negative":       {ValidatorUpdates: []abci.ValidatorUpdate{{PubKey: privval.NewMemSigner("v0").PubKey(), Power: -1}}},
		"nobody left":    {ValidatorUpdates: []abci.ValidatorUpdate{{PubKey: privval.NewMemSigner("v0").PubKey()}, {PubKey: privval.NewMemSigner("v1").PubKey()}}},
		"no bytes":       {ConsensusParamUpdates: &abci.ConsensusParams{Block: &abci.BlockParams{MaxGas: 1}}},
		"too many bytes": {ConsensusParamUpdates: &abci.ConsensusParams{Block: &abci.BlockParams{MaxBytes: types.MaxBlockBytes + 1}}},
		"negative gas":   {ConsensusParamUpdates: &abci.ConsensusParams{Block: &abci.BlockParams{MaxBytes: 1 << 21, MaxGas: -2}}},
		"no age":         {ConsensusParamUpdates: &abci.ConsensusParams{Evidence: &abci.EvidenceParams{}}},
		"much evidence":  {ConsensusParamUpdates: &abci.ConsensusParams{Evidence: &abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: 1, MaxBytes: 5 << 20}}},
	} {
		_, err := l.State.Next(&b.Header, b.ID(), r)
		if !errors.Is(err, types.ErrValidators) && !errors.Is(err, types.ErrParams) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What the application answers is in the next header and in the stored state, and both must be read back.
func TestAnAppHashThatNoHeaderHasIsRefused(t *testing.T) {
	for _, n := range []int{0, 1024, 1025} {
		l, hash := ledger.New(t, 1, 1), make([]byte, n)
		b := l.Block()
		after, err := l.State.Next(&b.Header, b.ID(), &abci.FinalizeBlockResponse{AppHash: hash})
		_, begun := l.State.InitChain(&abci.InitChainResponse{AppHash: hash})
		_, genesis := (&types.Genesis{ChainID: "c", Time: time.Unix(1, 0), AppHash: hash}).State()
		if n > 1024 {
			if !errors.Is(err, types.ErrBlock) || !errors.Is(begun, types.ErrBlock) || !errors.Is(genesis, types.ErrGenesis) {
				t.Fatalf("RULE ENC: an app hash of %d bytes is taken, and the state with it cannot be read: %v, %v, %v", n, err, begun, genesis)
			}
			continue
		}
		require.NoError(t, errors.Join(err, begun, genesis))
		_, err = types.DecodeState(after.Encode(nil))
		require.NoError(t, err)
	}
}

func TestAGenesisFileIsReadBack(t *testing.T) {
	g := types.Genesis{ChainID: "file", Time: time.Unix(1_700_000_000, 5).UTC(), InitialHeight: 7, Params: types.DefaultParams(), AppHash: []byte{0xab},
		AppState: []byte(`{"a":1}`), Validators: ledger.New(t, 1).Validators(3, 4)}
	g.Params.Block.MaxGas = 12
	data, err := json.Marshal(g)
	require.NoError(t, err)
	require.Contains(t, string(data), `"initial_height":"7"`)
	require.Contains(t, string(data), `"type":"tendermint/PubKeyEd25519"`)
	var back types.Genesis
	require.NoError(t, json.Unmarshal(data, &back))
	for i := range back.Validators {
		require.Equal(t, types.AddressOf(g.Validators[i].PubKey), back.Validators[i].Address)
		g.Validators[i].Address = back.Validators[i].Address
	}
	require.Equal(t, g, back)
	require.NoError(t, json.Unmarshal([]byte(`{"chain_id":"small"}`), &back))
	require.Equal(t, types.DefaultParams(), back.Params)
	for _, bad := range []string{`[]`, `{"app_hash":"x"}`, `{"initial_height":"one"}`,
		`{"validators":[{"pub_key":{"type":"other","value":""},"power":"1"}]}`} {
		require.Error(t, json.Unmarshal([]byte(bad), &back), bad)
	}
}

// FuzzGenesis reads anything as a genesis file. What a chain can begin with is written and read back as it was, and its first state and
// block have an encoding.
func FuzzGenesis(f *testing.F) {
	text, err := json.Marshal(types.Genesis{ChainID: "fuzz", Time: time.Unix(1_700_000_000, 5), Params: types.DefaultParams(), AppHash: []byte{1},
		AppState: []byte(`{"a":["<b>"]}`), Validators: []types.Validator{{PubKey: make([]byte, 32), Power: 3}}})
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(`{"genesis_time":"2026-11-27T10:20:30+02:00","chain_id":"c","app_state":null}`))
	for _, time := range []string{"9999-12-31T23:59:59-10:00", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00"} {
		f.Add(fmt.Appendf(nil, `{"genesis_time":%q,"chain_id":"c","validators":[{"pub_key":{"type":"tendermint/PubKeyEd25519","value":"%s="},"power":"1"}]}`,
			time, strings.Repeat("A", 43)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var g, back types.Genesis
		if err := g.UnmarshalJSON(text); err != nil {
			require.ErrorIs(t, err, types.ErrGenesis)
			return
		}
		s, err := g.State()
		if err != nil {
			require.ErrorIs(t, err, types.ErrGenesis)
			return
		}
		again, err := json.Marshal(g)
		require.NoError(t, err, "a chain can begin with it")
		require.NoError(t, json.Unmarshal(again, &back), "%s", again)
		second, err := back.State()
		require.NoError(t, err)
		require.Equal(t, s.Encode(nil), second.Encode(nil), "it is the same chain")
		third, err := json.Marshal(back)
		require.NoError(t, err)
		require.Equal(t, string(again), string(third), "a genesis has one file")
		if s.Validators == nil {
			return
		}
		read, err := types.DecodeState(s.Encode(nil))
		require.NoError(t, err, "RULE ENC: the first state")
		require.Equal(t, s.Encode(nil), read.Encode(nil))
		_, err = types.DecodeBlock(s.MakeBlock(nil, &types.Commit{}, nil, s.Validators.Proposer().Address).Encode(nil))
		require.NoError(t, err, "RULE ENC: the first block")
	})
}
