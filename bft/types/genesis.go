package types

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/flagship-go/flagship/bft/abci"
)

// A Genesis is where a chain begins. Its JSON is CometBFT's genesis file.
type Genesis struct {
	ChainID       string // 1 to 50 bytes
	Time          time.Time
	InitialHeight Height               // 0 is 1
	Params        abci.ConsensusParams // a part that is nil has the defaults
	Validators    []Validator          // PubKey and Power; none: InitChain names them
	AppHash       []byte
	AppState      []byte // JSON, for the application
}

// DefaultParams are the consensus parameters of a genesis that says nothing: blocks of 4 MiB without a bound on gas, evidence
// for 100,000 blocks and two days.
func DefaultParams() abci.ConsensusParams {
	return abci.ConsensusParams{
		Block:    &abci.BlockParams{MaxBytes: 4 << 20, MaxGas: -1},
		Evidence: &abci.EvidenceParams{MaxAgeNumBlocks: 100_000, MaxAgeDuration: 48 * time.Hour, MaxBytes: 1 << 20},
		Version:  &abci.VersionParams{},
	}
}

// State is what is known before the first block, as far as the genesis says. InitChain may change it yet.
func (g *Genesis) State() (*State, error) {
	if n := len(g.ChainID); n == 0 || n > MaxChainIDLen {
		return nil, fmt.Errorf("%w: the chain's id has %d bytes, and it has 1 to %d", ErrGenesis, n, MaxChainIDLen)
	}
	if !utf8.ValidString(g.ChainID) {
		return nil, fmt.Errorf("%w: the chain's id %q is not UTF-8: its file would have another one", ErrGenesis, g.ChainID)
	}
	if t := g.Time.Unix(); t < minSeconds || t > maxSeconds {
		return nil, fmt.Errorf("%w: its time is %v, and the years are 1 to 9999", ErrGenesis, g.Time)
	}
	if g.InitialHeight < 0 {
		return nil, fmt.Errorf("%w: the initial height is %d, and it is at least 1", ErrGenesis, g.InitialHeight)
	}
	if err := checkAppHash(g.AppHash); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	s := &State{ChainID: g.ChainID, InitialHeight: max(g.InitialHeight, 1), LastTime: CanonicalTime(g.Time), AppHash: g.AppHash,
		LastResultsHash: ResultsHash(nil)}
	var err error
	if s.Params, err = updateParams(DefaultParams(), &g.Params); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	if len(g.Validators) > 0 {
		err = s.setValidators(g.Validators)
	}
	return s, err
}

// setValidators makes the sets of the first two heights.
func (s *State) setValidators(validators []Validator) error {
	named := make([]Validator, len(validators))
	for i, v := range validators {
		if len(v.PubKey) != 32 {
			return fmt.Errorf("%w: validator %d has a key of %d bytes, and it has 32", ErrGenesis, i, len(v.PubKey))
		}
		named[i] = Validator{Address: AddressOf(v.PubKey), PubKey: v.PubKey, Power: v.Power}
	}
	set, err := NewValidatorSet(named)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	s.Validators, s.NextValidators = set, set.Rotate(1)
	return nil
}

// The JSON of a genesis file: integers are strings, as in CometBFT's.
type (
	genesisJSON struct {
		Time          time.Time       `json:"genesis_time"`
		ChainID       string          `json:"chain_id"`
		InitialHeight Height          `json:"initial_height,string"`
		Params        paramsJSON      `json:"consensus_params"`
		Validators    []validatorJSON `json:"validators"`
		AppHash       string          `json:"app_hash"`
		AppState      json.RawMessage `json:"app_state,omitempty"`
	}
	paramsJSON struct {
		Block struct {
			MaxBytes int64 `json:"max_bytes,string"`
			MaxGas   int64 `json:"max_gas,string"`
		} `json:"block"`
		Evidence struct {
			MaxAgeNumBlocks int64         `json:"max_age_num_blocks,string"`
			MaxAgeDuration  time.Duration `json:"max_age_duration,string"`
			MaxBytes        int64         `json:"max_bytes,string"`
		} `json:"evidence"`
		Version struct {
			App uint64 `json:"app,string"`
		} `json:"version"`
	}
	validatorJSON struct {
		PubKey struct {
			Type  string `json:"type"`
			Value string `json:"value"`
		} `json:"pub_key"`
		Power int64  `json:"power,string"`
		Name  string `json:"name"`
	}
)

const ed25519KeyType = "tendermint/PubKeyEd25519"

// MarshalJSON makes a genesis file.
func (g Genesis) MarshalJSON() ([]byte, error) {
	params, err := updateParams(DefaultParams(), &g.Params)
	if err != nil {
		return nil, err
	}
	j := genesisJSON{Time: CanonicalTime(g.Time), ChainID: g.ChainID, InitialHeight: max(g.InitialHeight, 1),
		AppHash: fmt.Sprintf("%X", g.AppHash), AppState: g.AppState}
	j.Params.Block.MaxBytes, j.Params.Block.MaxGas = params.Block.MaxBytes, params.Block.MaxGas
	j.Params.Evidence.MaxAgeNumBlocks = params.Evidence.MaxAgeNumBlocks
	j.Params.Evidence.MaxAgeDuration = params.Evidence.MaxAgeDuration
	j.Params.Evidence.MaxBytes, j.Params.Version.App = params.Evidence.MaxBytes, params.Version.App
	for _, v := range g.Validators {
		var w validatorJSON
		w.PubKey.Type, w.PubKey.Value, w.Power = ed25519KeyType, base64.StdEncoding.EncodeToString(v.PubKey), v.Power
		j.Validators = append(j.Validators, w)
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads a genesis file, ErrGenesis if it is none. Parameters that it does not mention are the defaults.
func (g *Genesis) UnmarshalJSON(data []byte) error {
	j, d := genesisJSON{InitialHeight: 1}, DefaultParams()
	j.Params.Block.MaxBytes, j.Params.Block.MaxGas = d.Block.MaxBytes, d.Block.MaxGas
	j.Params.Evidence.MaxAgeNumBlocks, j.Params.Evidence.MaxAgeDuration = d.Evidence.MaxAgeNumBlocks, d.Evidence.MaxAgeDuration
	j.Params.Evidence.MaxBytes = d.Evidence.MaxBytes
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("%w: %w", ErrGenesis, err)
	}
	hash, err := hex.DecodeString(j.AppHash)
	if err != nil {
		return fmt.Errorf("%w: app_hash: %w", ErrGenesis, err)
	}
	*g = Genesis{ChainID: j.ChainID, Time: j.Time, InitialHeight: j.InitialHeight, AppHash: hash, AppState: j.AppState,
		Params: abci.ConsensusParams{
			Block: &abci.BlockParams{MaxBytes: j.Params.Block.MaxBytes, MaxGas: j.Params.Block.MaxGas},
			Evidence: &abci.EvidenceParams{MaxAgeNumBlocks: j.Params.Evidence.MaxAgeNumBlocks,
				MaxAgeDuration: j.Params.Evidence.MaxAgeDuration, MaxBytes: j.Params.Evidence.MaxBytes},
			Version: &abci.VersionParams{App: j.Params.Version.App},
		}}
	for i, v := range j.Validators {
		key, err := base64.StdEncoding.DecodeString(v.PubKey.Value)
		if err != nil || v.PubKey.Type != ed25519KeyType || len(key) != 32 {
			return fmt.Errorf("%w: validator %d has no key of type %s and 32 bytes", ErrGenesis, i, ed25519KeyType)
		}
		g.Validators = append(g.Validators, Validator{Address: AddressOf(key), PubKey: key, Power: v.Power})
	}
	return nil
}
