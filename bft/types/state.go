package types

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
)

// ErrNotFound is what a store of blocks and states does not have, or not any more.
var ErrNotFound = errors.New("bft: not stored")

// A State is what is known after a block: enough to judge the next one. States are not changed, but made anew.
type State struct {
	ChainID       string
	InitialHeight Height

	LastHeight  Height // 0: none yet
	LastBlockID ValueID
	LastTime    time.Time // of the genesis, before the first block

	// Validators decide LastHeight+1. A change in block H is in NextValidators after it, and in Validators one later:
	// it takes effect at H+2 (V2).
	NextValidators *ValidatorSet
	Validators     *ValidatorSet
	LastValidators *ValidatorSet // who signed LastCommit of the next block; nil before the first

	Params          abci.ConsensusParams // whole: no part is nil
	LastResultsHash Hash
	AppHash         []byte
}

// Results is what the application said to a block.
type Results struct {
	Height   Height
	Response *abci.FinalizeBlockResponse
}

var (
	// ErrGenesis is a genesis, or an answer to InitChain, that no chain can begin with.
	ErrGenesis = errors.New("bft: genesis")
	// ErrParams is consensus parameters out of their bounds.
	ErrParams = errors.New("bft: consensus parameters")
)

// Height is that of the block to come.
func (s *State) Height() Height {
	if s.LastHeight == 0 {
		return s.InitialHeight
	}
	return s.LastHeight + 1
}

// MaxBlockBytes is what the parameters bound a block by.
func (s *State) MaxBlockBytes() int64 {
	if s.Params.Block.MaxBytes < 0 {
		return MaxBlockBytes
	}
	return s.Params.Block.MaxBytes
}

// Next is the state after a block and what the application said to it. The error says what is wrong with the latter.
//
//	after block      Validators   NextValidators
//	   H-1             A (for H)      A (for H+1)
//	   H               A (for H+1)    B (for H+2)   <- block H changes A to B (V2)
//	   H+1             B (for H+2)    B (for H+3)
func (s *State) Next(h *Header, id ValueID, r *abci.FinalizeBlockResponse) (*State, error) {
	next := *s
	changes, err := validatorsOf(r.ValidatorUpdates)
	if err != nil {
		return nil, err
	}
	after := s.NextValidators
	if len(changes) > 0 {
		if after, err = after.Update(changes); err != nil {
			return nil, err
		}
	}
	next.LastValidators, next.Validators, next.NextValidators = s.Validators, s.NextValidators, after.Rotate(1)
	if next.Params, err = updateParams(s.Params, r.ConsensusParamUpdates); err != nil {
		return nil, err
	}
	if err := checkAppHash(r.AppHash); err != nil {
		return nil, err
	}
	next.LastHeight, next.LastBlockID, next.LastTime = h.Height, id, h.Time
	next.LastResultsHash, next.AppHash = ResultsHash(r.TxResults), bytes.Clone(r.AppHash)
	return &next, nil
}

// InitChain is the state before the first block, with what the application said to InitChain.
func (s *State) InitChain(r *abci.InitChainResponse) (*State, error) {
	next := *s
	var err error
	if next.Params, err = updateParams(s.Params, r.ConsensusParams); err != nil {
		return nil, err
	}
	if len(r.Validators) > 0 {
		validators, err := validatorsOf(r.Validators)
		if err == nil {
			err = next.setValidators(validators)
		}
		if err != nil {
			return nil, err
		}
	}
	if next.Validators == nil {
		return nil, fmt.Errorf("%w: neither the genesis nor InitChain names a validator", ErrGenesis)
	}
	if len(r.AppHash) > 0 {
		next.AppHash = bytes.Clone(r.AppHash)
	}
	return value(&next, checkAppHash(next.AppHash))
}

// EvidenceExpired tells whether evidence of a height, whose block has a time, is too old after this state: by both ages.
//
//	blocks   ----|------- MaxAgeNumBlocks -------| LastHeight
//	time     --------|----- MaxAgeDuration ------| LastTime
//	         exp.|         not expired           |
func (s *State) EvidenceExpired(h Height, t time.Time) bool {
	p := s.Params.Evidence
	return int64(s.LastHeight-h) > p.MaxAgeNumBlocks && s.LastTime.Sub(t) > p.MaxAgeDuration
}

// checkAppHash refuses what no header, and no stored state, can have.
func checkAppHash(hash []byte) error {
	if len(hash) > maxAppHash {
		return fmt.Errorf("%w: an app hash of %d bytes, and %d are the most", ErrBlock, len(hash), maxAppHash)
	}
	return nil
}

// validatorsOf checks the keys of updates. Powers are checked by the set that they change.
func validatorsOf(updates []abci.ValidatorUpdate) ([]Validator, error) {
	changes := make([]Validator, len(updates))
	for i, u := range updates {
		if len(u.PubKey) != 32 {
			return nil, fmt.Errorf("%w: update %d has a key of %d bytes, and an Ed25519 key has 32", ErrValidators, i, len(u.PubKey))
		}
		key := bytes.Clone(u.PubKey)
		changes[i] = Validator{Address: AddressOf(key), PubKey: key, Power: u.Power}
	}
	return changes, nil
}

// updateParams replaces the parts of p that u has, and checks the whole.
func updateParams(p abci.ConsensusParams, u *abci.ConsensusParams) (abci.ConsensusParams, error) {
	if u != nil {
		p = abci.ConsensusParams{Block: clone(u.Block, p.Block), Evidence: clone(u.Evidence, p.Evidence), Version: clone(u.Version, p.Version)}
	}
	limit := p.Block.MaxBytes
	if limit == -1 {
		limit = MaxBlockBytes
	}
	switch {
	case limit < 1 || limit > MaxBlockBytes:
		return p, fmt.Errorf("%w: Block.MaxBytes is %d, and it is -1 or 1 to %d", ErrParams, p.Block.MaxBytes, MaxBlockBytes)
	case p.Block.MaxGas < -1:
		return p, fmt.Errorf("%w: Block.MaxGas is %d, and it is at least -1", ErrParams, p.Block.MaxGas)
	case p.Evidence.MaxAgeNumBlocks < 1 || p.Evidence.MaxAgeDuration < 1:
		return p, fmt.Errorf("%w: Evidence.MaxAgeNumBlocks and MaxAgeDuration are at least 1", ErrParams)
	case p.Evidence.MaxBytes < 0 || p.Evidence.MaxBytes > limit:
		return p, fmt.Errorf("%w: Evidence.MaxBytes is %d, and it is 0 to Block.MaxBytes", ErrParams, p.Evidence.MaxBytes)
	}
	return p, nil
}

// clone is a copy of the part of an update, or the old one where there is none.
func clone[T any](update, old *T) *T {
	if update == nil {
		return old
	}
	c := *update
	return &c
}

// MakeBlock is the block that a proposer makes of transactions, the commit of the block before, and evidence.
func (s *State) MakeBlock(txs [][]byte, last *Commit, evidence []*DuplicateVoteEvidence, proposer Address) *Block {
	b := &Block{Header: s.expected(last), Txs: txs, Evidence: evidence, LastCommit: last}
	b.ProposerAddress = proposer
	b.Fill()
	return b
}

// expected is the part of the next header that follows from the state and the last commit.
func (s *State) expected(last *Commit) Header {
	h := Header{AppVersion: s.Params.Version.App, ChainID: s.ChainID, Height: s.Height(), Time: s.LastTime, LastBlockID: s.LastBlockID,
		ValidatorsHash: s.Validators.Hash(), NextValidatorsHash: s.NextValidators.Hash(), ConsensusHash: ConsensusHash(*s.Params.Block),
		AppHash: s.AppHash, LastResultsHash: s.LastResultsHash}
	if s.LastHeight > 0 {
		h.Time = medianTime(last, s.LastValidators)
	}
	return h
}

// Validate tells whether a block may be the next one, in all but what the application has to say. ErrBlock names the
// first field that is wrong. Evidence is not judged here.
func (s *State) Validate(b *Block) error {
	if b.LastCommit == nil {
		return fmt.Errorf("%w: LastCommit is missing", ErrBlock)
	}
	if b.Height != s.Height() {
		return fmt.Errorf("%w: Height is %d, and the next one is %d", ErrBlock, b.Height, s.Height())
	}
	if err := s.validateCommit(b.LastCommit); err != nil {
		return err
	}
	if err := b.Check(); err != nil {
		return err
	}
	want := s.expected(b.LastCommit)
	for _, f := range [...]struct {
		name      string
		same      bool
		got, want any
	}{
		{"AppVersion", b.AppVersion == want.AppVersion, b.AppVersion, want.AppVersion},
		{"ChainID", b.ChainID == want.ChainID, b.ChainID, want.ChainID},
		{"LastBlockID", b.LastBlockID == want.LastBlockID, b.LastBlockID, want.LastBlockID},
		{"AppHash", bytes.Equal(b.AppHash, want.AppHash), fmt.Sprintf("%X", b.AppHash), fmt.Sprintf("%X", want.AppHash)},
		{"LastResultsHash", b.LastResultsHash == want.LastResultsHash, b.LastResultsHash, want.LastResultsHash},
		{"ConsensusHash", b.ConsensusHash == want.ConsensusHash, b.ConsensusHash, want.ConsensusHash},
		{"ValidatorsHash", b.ValidatorsHash == want.ValidatorsHash, b.ValidatorsHash, want.ValidatorsHash},
		{"NextValidatorsHash", b.NextValidatorsHash == want.NextValidatorsHash, b.NextValidatorsHash, want.NextValidatorsHash},
		{"Time", b.Time.Equal(want.Time), b.Time, want.Time},
	} {
		if !f.same {
			return fmt.Errorf("%w: %s of height %d is %v, and not %v", ErrBlock, f.name, b.Height, f.got, f.want)
		}
	}
	if s.LastHeight > 0 && !b.Time.After(s.LastTime) {
		return fmt.Errorf("%w: Time of height %d is %v, and not after the block before", ErrBlock, b.Height, b.Time)
	}
	if s.Validators.Index(b.ProposerAddress) < 0 {
		return fmt.Errorf("%w: ProposerAddress %v is no validator at height %d", ErrBlock, b.ProposerAddress, b.Height)
	}
	return nil
}

// validateCommit judges the commit of the last block: more than two thirds, and every signature in it.
func (s *State) validateCommit(c *Commit) error {
	if s.LastHeight == 0 {
		if len(c.Signatures) > 0 {
			return fmt.Errorf("%w: LastCommit of the first block has signatures", ErrBlock)
		}
		return nil
	}
	if err := VerifyCommit(s.ChainID, s.LastValidators, s.LastBlockID, s.LastHeight, c); err != nil {
		return fmt.Errorf("%w: LastCommit: %w", ErrBlock, err)
	}
	return nil
}

// medianTime is BFT time: the time of the vote in the middle of a commit, by power. It lies between the times of
// correct validators, for less than half of the power in a commit is faulty.
//
//	n1 (3)  10:00:01      |
//	n3 (2)  10:00:02      | <- half of 7
//	n2 (2)  17:00:00 (a liar)
func medianTime(c *Commit, set *ValidatorSet) time.Time {
	type weighted struct {
		time  time.Time
		power int64
	}
	var votes []weighted
	var total int64
	for _, sig := range c.Signatures {
		if i := set.Index(sig.Validator); i >= 0 && sig.Flag != CommitAbsent {
			votes = append(votes, weighted{sig.Time, set.At(i).Power})
			total += set.At(i).Power
		}
	}
	slices.SortStableFunc(votes, func(a, b weighted) int { return a.time.Compare(b.time) })
	rest := total / 2
	for _, v := range votes {
		if rest <= v.power {
			return CanonicalTime(v.time)
		}
		rest -= v.power
	}
	return time.Time{}
}

// CanonicalTime is t as it is signed and stored: UTC, without a monotonic clock.
func CanonicalTime(t time.Time) time.Time { return t.Round(0).UTC() }
