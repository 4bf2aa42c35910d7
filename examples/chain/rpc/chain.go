package rpc

import (
	"context"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/types"
)

// height is the one that is asked for, by default the last committed one.
func (s *Server) height(p *params) (types.Height, error) {
	last := s.last()
	h := types.Height(p.number("height", int64(last)))
	base := s.opts.Node.Blocks().Base()
	switch {
	case p.err != nil:
		return 0, p.err
	case last == 0:
		return 0, failure(-32603, "Internal error", "no block is committed yet")
	case h < 1 || h > last || h < base:
		return 0, failure(-32603, "Internal error", "height %d is not available, heights %d to %d are", h, base, last)
	}
	return h, nil
}

// last is what the application has committed: a reader who is told of a height may ask the application for it.
func (s *Server) last() types.Height { return s.opts.Node.Committed() }

// at reads the block that is asked for.
func (s *Server) at(p *params) (*types.Block, types.ValueID, error) {
	h, err := s.height(p)
	if err != nil {
		return nil, types.ValueID{}, err
	}
	return s.opts.Node.Blocks().Block(h)
}

func (s *Server) block(_ context.Context, p *params) (any, error) {
	b, id, err := s.at(p)
	if err != nil {
		return nil, err
	}
	return struct {
		BlockID BlockID `json:"block_id"`
		Block   *Block  `json:"block"`
	}{blockID(id), block(b)}, nil
}

func (s *Server) header(_ context.Context, p *params) (any, error) {
	b, _, err := s.at(p)
	if err != nil {
		return nil, err
	}
	return struct {
		Header Header `json:"header"`
	}{header(&b.Header)}, nil
}

// blockchain has the headers of up to 20 blocks, the highest first.
func (s *Server) blockchain(_ context.Context, p *params) (any, error) {
	last, base := s.last(), s.opts.Node.Blocks().Base()
	high, low := types.Height(p.number("maxHeight", 0)), types.Height(p.number("minHeight", 0))
	if p.err != nil {
		return nil, p.err
	}
	if high <= 0 || high > last {
		high = last
	}
	low = max(low, base, high-19, 1)
	type meta struct {
		BlockID BlockID `json:"block_id"`
		Size    int64   `json:"block_size,string"`
		Header  Header  `json:"header"`
		Txs     int64   `json:"num_txs,string"`
	}
	metas := []meta{}
	for h := high; h >= low; h-- {
		b, id, err := s.opts.Node.Blocks().Block(h)
		if err != nil {
			return nil, err
		}
		metas = append(metas, meta{blockID(id), int64(len(b.Encode(nil))), header(&b.Header), int64(len(b.Txs))})
	}
	return struct {
		Last  int64  `json:"last_height,string"`
		Metas []meta `json:"block_metas"`
	}{int64(last), metas}, nil
}

// commit has the precommits for a block as the next block has them, or if there is none yet those that were seen.
func (s *Server) commit(_ context.Context, p *params) (any, error) {
	b, _, err := s.at(p)
	if err != nil {
		return nil, err
	}
	var found *types.Commit
	canonical := b.Height < s.last()
	if canonical {
		next, _, err := s.opts.Node.Blocks().Block(b.Height + 1)
		if err != nil {
			return nil, err
		}
		found = next.LastCommit
	} else if found, err = s.opts.Node.Blocks().SeenCommit(b.Height); err != nil {
		return nil, err
	}
	type signed struct {
		Header Header `json:"header"`
		Commit Commit `json:"commit"`
	}
	return struct {
		Signed    signed `json:"signed_header"`
		Canonical bool   `json:"canonical"`
	}{signed{header(&b.Header), commit(found)}, canonical}, nil
}

func (s *Server) validators(_ context.Context, p *params) (any, error) {
	h, err := s.height(p)
	if err != nil {
		return nil, err
	}
	set, err := s.opts.Node.Blocks().Validators(h)
	if err != nil {
		return nil, err
	}
	from, to := p.page(set.Len())
	found := []Validator{}
	for i := from; i < to; i++ {
		v := set.At(i)
		found = append(found, Validator{v.Address[:], pubKey(v.PubKey), v.Power, v.Priority})
	}
	return struct {
		Height     int64       `json:"block_height,string"`
		Validators []Validator `json:"validators"`
		Count      int         `json:"count,string"`
		Total      int         `json:"total,string"`
	}{int64(h), found, len(found), set.Len()}, nil
}

// The shapes of block_results.
type (
	validatorUpdate struct {
		PubKey struct {
			Sum struct {
				Type  string `json:"type"`
				Value struct {
					Ed25519 []byte `json:"ed25519"`
				} `json:"value"`
			} `json:"Sum"`
		} `json:"pub_key"`
		Power int64 `json:"power,string"`
	}
	consensusParams struct {
		Block     *blockParams    `json:"block"`
		Evidence  *evidenceParams `json:"evidence"`
		Validator *keyTypes       `json:"validator"`
		Version   *versionParams  `json:"version"`
		ABCI      *abciParams     `json:"abci"`
	}
	blockParams struct {
		MaxBytes int64 `json:"max_bytes,string"`
		MaxGas   int64 `json:"max_gas,string"`
	}
	evidenceParams struct {
		MaxAgeNumBlocks int64         `json:"max_age_num_blocks,string"`
		MaxAgeDuration  time.Duration `json:"max_age_duration,string"`
		MaxBytes        int64         `json:"max_bytes,string"`
	}
	keyTypes struct {
		Types []string `json:"pub_key_types"`
	}
	versionParams struct {
		App uint64 `json:"app,string"`
	}
	abciParams struct {
		Height int64 `json:"vote_extensions_enable_height,string"`
	}
)

func paramsOf(p *abci.ConsensusParams) *consensusParams {
	if p == nil {
		return nil
	}
	out := &consensusParams{Validator: &keyTypes{[]string{"ed25519"}}, ABCI: &abciParams{}}
	if p.Block != nil {
		out.Block = &blockParams{p.Block.MaxBytes, p.Block.MaxGas}
	}
	if e := p.Evidence; e != nil {
		out.Evidence = &evidenceParams{e.MaxAgeNumBlocks, e.MaxAgeDuration, e.MaxBytes}
	}
	if p.Version != nil {
		out.Version = &versionParams{p.Version.App}
	}
	return out
}

func (s *Server) blockResults(_ context.Context, p *params) (any, error) {
	h, err := s.height(p)
	if err != nil {
		return nil, err
	}
	results, err := s.opts.Node.Blocks().Results(h)
	if err != nil {
		return nil, err
	}
	r := results.Response
	return struct {
		Height  int64             `json:"height,string"`
		Txs     []TxResult        `json:"txs_results"`
		Events  []Event           `json:"finalize_block_events"`
		Updates []validatorUpdate `json:"validator_updates"`
		Params  *consensusParams  `json:"consensus_param_updates"`
		AppHash []byte            `json:"app_hash"`
	}{int64(h), txResults(r.TxResults), events(r.Events), updates(r.ValidatorUpdates), paramsOf(r.ConsensusParamUpdates), r.AppHash}, nil
}

func txResults(in []abci.ExecTxResult) (out []TxResult) {
	for i := range in {
		out = append(out, txResult(&in[i]))
	}
	return out
}

func updates(in []abci.ValidatorUpdate) (out []validatorUpdate) {
	for _, u := range in {
		var v validatorUpdate
		v.PubKey.Sum.Type, v.PubKey.Sum.Value.Ed25519, v.Power = "tendermint.crypto.PublicKey_Ed25519", u.PubKey, u.Power
		out = append(out, v)
	}
	return out
}

// consensusParams are those of now; older ones are not kept, and are not made up.
func (s *Server) consensusParams(_ context.Context, p *params) (any, error) {
	state, err := s.opts.Node.Blocks().State()
	if err != nil {
		return nil, err
	}
	h := p.number("height", int64(state.Height()))
	if p.err == nil && h != int64(state.Height()) && h != int64(state.LastHeight) {
		return nil, failure(-32603, "Internal error", "only the parameters of height %d are kept", state.Height())
	}
	return struct {
		Height int64            `json:"block_height,string"`
		Params *consensusParams `json:"consensus_params"`
	}{h, paramsOf(&state.Params)}, nil
}
