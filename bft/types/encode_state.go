package types

import "github.com/flagship-go/flagship/bft/abci"

// What a node keeps beside blocks: states and results, in a form of our own.

// Encode appends the state.
func (s *State) Encode(dst []byte) []byte { return encode(dst, s.code) }

// DecodeState reads what [State.Encode] has written. Keys and hashes are slices of data.
func DecodeState(data []byte) (*State, error) {
	s := &State{}
	return value(s, decode("state", data, s.code))
}

func (s *State) code(c *coder) {
	c.string(1, &s.ChainID, MaxChainIDLen)
	number(c, 2, &s.InitialHeight)
	number(c, 3, &s.LastHeight)
	c.valueID(4, &s.LastBlockID)
	c.time(5, &s.LastTime)
	c.optional(6, s.NextValidators != nil, func() { codeSet(c, &s.NextValidators) })
	c.optional(7, s.Validators != nil, func() { codeSet(c, &s.Validators) })
	c.optional(8, s.LastValidators != nil, func() { codeSet(c, &s.LastValidators) })
	c.message(9, func() { codeParams(c, &s.Params) })
	c.array(10, s.LastResultsHash[:])
	c.bytes(11, &s.AppHash, maxAppHash)
}

func codeParams(c *coder, p *abci.ConsensusParams) {
	b, e, v := p.Block, p.Evidence, p.Version
	if c.reading {
		b, e, v = &abci.BlockParams{}, &abci.EvidenceParams{}, &abci.VersionParams{}
	}
	if c.optional(1, b != nil, func() { number(c, 1, &b.MaxBytes); number(c, 2, &b.MaxGas) }) {
		p.Block = b
	}
	if c.optional(2, e != nil, func() {
		number(c, 1, &e.MaxAgeNumBlocks)
		number(c, 2, &e.MaxAgeDuration)
		number(c, 3, &e.MaxBytes)
	}) {
		p.Evidence = e
	}
	if c.optional(3, v != nil, func() { number(c, 1, &v.App) }) {
		p.Version = v
	}
}

// Encode appends the results.
func (s *Results) Encode(dst []byte) []byte { return encode(dst, s.code) }

// DecodeResults reads what [Results.Encode] has written. Bytes are slices of data.
func DecodeResults(data []byte) (*Results, error) {
	s := &Results{Response: &abci.FinalizeBlockResponse{}}
	return value(s, decode("block's results", data, s.code))
}

// maxResult bounds bytes and strings in results: as long as they like, for they are our own application's.
const maxResult = 1<<31 - 1

func (s *Results) code(c *coder) {
	number(c, 1, &s.Height)
	r := s.Response
	list(c, 2, &r.Events, codeEvent)
	list(c, 3, &r.TxResults, codeTxResult)
	list(c, 4, &r.ValidatorUpdates, func(c *coder, u *abci.ValidatorUpdate) {
		c.bytes(1, &u.PubKey, maxResult)
		number(c, 2, &u.Power)
	})
	there := r.ConsensusParamUpdates != nil
	c.optional(5, there, func() {
		if c.reading {
			r.ConsensusParamUpdates = &abci.ConsensusParams{}
		}
		codeParams(c, r.ConsensusParamUpdates)
	})
	c.bytes(6, &r.AppHash, maxAppHash)
}

func codeTxResult(c *coder, t *abci.ExecTxResult) {
	number(c, 1, &t.Code)
	c.bytes(2, &t.Data, maxResult)
	c.string(3, &t.Log, maxResult)
	number(c, 5, &t.GasWanted)
	number(c, 6, &t.GasUsed)
	list(c, 7, &t.Events, codeEvent)
	c.string(8, &t.Codespace, maxResult)
}

func codeEvent(c *coder, e *abci.Event) {
	c.string(1, &e.Type, maxResult)
	list(c, 2, &e.Attributes, func(c *coder, a *abci.EventAttribute) {
		c.string(1, &a.Key, maxResult)
		c.string(2, &a.Value, maxResult)
		index := uint8(0)
		if a.Index {
			index = 1
		}
		number(c, 3, &index)
		a.Index = index == 1
		if index > 1 {
			c.fail("a flag of %d", index)
		}
	})
}
