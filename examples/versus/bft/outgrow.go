package main

import (
	"context"

	cmtabci "github.com/cometbft/cometbft/abci/types"
	"github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"

	"github.com/flagship-go/flagship/bft/abci"
)

// under is one of our applications as CometBFT calls it: the way out for who needs more than package bft. It has the calls of
// consensus, mempool and queries; CometBFT's base answers the rest.
//
//	proxy.NewLocalClientCreator(under{app: app})
type under struct {
	cmtabci.BaseApplication
	app abci.Application
}

var _ cmtabci.Application = under{}

func (u under) Info(ctx context.Context, r *cmtabci.RequestInfo) (*cmtabci.ResponseInfo, error) {
	a, err := u.app.Info(ctx, &abci.InfoRequest{Version: r.Version})
	if err != nil {
		return nil, err
	}
	return &cmtabci.ResponseInfo{Data: a.Data, Version: a.Version, AppVersion: a.AppVersion,
		LastBlockHeight: a.LastBlockHeight, LastBlockAppHash: a.LastBlockAppHash}, nil
}

func (u under) Query(ctx context.Context, r *cmtabci.RequestQuery) (*cmtabci.ResponseQuery, error) {
	a, err := u.app.Query(ctx, &abci.QueryRequest{Data: r.Data, Path: r.Path, Height: r.Height}) // proofs have a format of their own
	if err != nil {
		return nil, err
	}
	return &cmtabci.ResponseQuery{Code: a.Code, Log: a.Log, Key: a.Key, Value: a.Value, Height: a.Height, Codespace: a.Codespace}, nil
}

func (u under) CheckTx(ctx context.Context, r *cmtabci.RequestCheckTx) (*cmtabci.ResponseCheckTx, error) {
	a, err := u.app.CheckTx(ctx, &abci.CheckTxRequest{Tx: r.Tx, Recheck: r.Type == cmtabci.CheckTxType_Recheck})
	if err != nil {
		return nil, err
	}
	return &cmtabci.ResponseCheckTx{Code: a.Code, Data: a.Data, Log: a.Log, GasWanted: a.GasWanted, GasUsed: a.GasUsed, Codespace: a.Codespace}, nil
}

func (u under) InitChain(ctx context.Context, r *cmtabci.RequestInitChain) (*cmtabci.ResponseInitChain, error) {
	q := &abci.InitChainRequest{Time: r.Time, ChainID: r.ChainId, AppStateBytes: r.AppStateBytes, InitialHeight: r.InitialHeight}
	if p := r.ConsensusParams; p != nil && p.Block != nil {
		q.ConsensusParams = &abci.ConsensusParams{Block: &abci.BlockParams{MaxBytes: p.Block.MaxBytes, MaxGas: p.Block.MaxGas}}
	}
	for _, v := range r.Validators {
		q.Validators = append(q.Validators, abci.ValidatorUpdate{PubKey: v.PubKey.GetEd25519(), Power: v.Power})
	}
	a, err := u.app.InitChain(ctx, q)
	if err != nil {
		return nil, err
	}
	return &cmtabci.ResponseInitChain{Validators: updates(a.Validators), ConsensusParams: params(a.ConsensusParams), AppHash: a.AppHash}, nil
}

func (u under) PrepareProposal(ctx context.Context, r *cmtabci.RequestPrepareProposal) (*cmtabci.ResponsePrepareProposal, error) {
	last := abci.CommitInfo{Round: r.LocalLastCommit.Round}
	for _, v := range r.LocalLastCommit.Votes {
		last.Votes = append(last.Votes, voteInfo(v.Validator, v.BlockIdFlag))
	}
	a, err := u.app.PrepareProposal(ctx, &abci.PrepareProposalRequest{MaxTxBytes: r.MaxTxBytes, Txs: r.Txs, LocalLastCommit: last,
		Misbehavior: misbehavior(r.Misbehavior), Height: r.Height, Time: r.Time, NextValidatorsHash: r.NextValidatorsHash,
		ProposerAddress: r.ProposerAddress})
	if err != nil {
		return nil, err
	}
	return &cmtabci.ResponsePrepareProposal{Txs: a.Txs}, nil
}

func (u under) ProcessProposal(ctx context.Context, r *cmtabci.RequestProcessProposal) (*cmtabci.ResponseProcessProposal, error) {
	a, err := u.app.ProcessProposal(ctx, &abci.ProcessProposalRequest{Txs: r.Txs, ProposedLastCommit: commitInfo(r.ProposedLastCommit),
		Misbehavior: misbehavior(r.Misbehavior), Hash: r.Hash, Height: r.Height, Time: r.Time,
		NextValidatorsHash: r.NextValidatorsHash, ProposerAddress: r.ProposerAddress})
	if err != nil {
		return nil, err
	}
	if a.Accept {
		return &cmtabci.ResponseProcessProposal{Status: cmtabci.ResponseProcessProposal_ACCEPT}, nil
	}
	return &cmtabci.ResponseProcessProposal{Status: cmtabci.ResponseProcessProposal_REJECT}, nil
}

func (u under) FinalizeBlock(ctx context.Context, r *cmtabci.RequestFinalizeBlock) (*cmtabci.ResponseFinalizeBlock, error) {
	a, err := u.app.FinalizeBlock(ctx, &abci.FinalizeBlockRequest{Txs: r.Txs, DecidedLastCommit: commitInfo(r.DecidedLastCommit),
		Misbehavior: misbehavior(r.Misbehavior), Hash: r.Hash, Height: r.Height, Time: r.Time,
		NextValidatorsHash: r.NextValidatorsHash, ProposerAddress: r.ProposerAddress})
	if err != nil {
		return nil, err
	}
	answer := &cmtabci.ResponseFinalizeBlock{Events: events(a.Events), ValidatorUpdates: updates(a.ValidatorUpdates),
		ConsensusParamUpdates: params(a.ConsensusParamUpdates), AppHash: a.AppHash, TxResults: make([]*cmtabci.ExecTxResult, len(a.TxResults))}
	for i := range a.TxResults {
		t := &a.TxResults[i]
		answer.TxResults[i] = &cmtabci.ExecTxResult{Code: t.Code, Data: t.Data, Log: t.Log, GasWanted: t.GasWanted, GasUsed: t.GasUsed,
			Events: events(t.Events), Codespace: t.Codespace}
	}
	return answer, nil
}

func (u under) Commit(ctx context.Context, _ *cmtabci.RequestCommit) (*cmtabci.ResponseCommit, error) {
	a, err := u.app.Commit(ctx, &abci.CommitRequest{})
	if err != nil {
		return nil, err
	}
	return &cmtabci.ResponseCommit{RetainHeight: a.RetainHeight}, nil
}

func voteInfo(v cmtabci.Validator, flag cmtproto.BlockIDFlag) abci.VoteInfo {
	return abci.VoteInfo{Validator: abci.Validator{Address: v.Address, Power: v.Power}, BlockIDFlag: abci.BlockIDFlag(flag)}
}

func commitInfo(c cmtabci.CommitInfo) abci.CommitInfo {
	info := abci.CommitInfo{Round: c.Round}
	for _, v := range c.Votes {
		info.Votes = append(info.Votes, voteInfo(v.Validator, v.BlockIdFlag))
	}
	return info
}

func misbehavior(theirs []cmtabci.Misbehavior) (all []abci.Misbehavior) {
	for _, m := range theirs {
		all = append(all, abci.Misbehavior{Type: abci.MisbehaviorType(m.Type), Validator: abci.Validator{Address: m.Validator.Address,
			Power: m.Validator.Power}, Height: m.Height, Time: m.Time, TotalVotingPower: m.TotalVotingPower})
	}
	return all
}

func updates(ours []abci.ValidatorUpdate) (all []cmtabci.ValidatorUpdate) {
	for _, v := range ours {
		all = append(all, cmtabci.UpdateValidator(v.PubKey, v.Power, ed25519.KeyType))
	}
	return all
}

func events(ours []abci.Event) (all []cmtabci.Event) {
	for _, e := range ours {
		event := cmtabci.Event{Type: e.Type}
		for _, a := range e.Attributes {
			event.Attributes = append(event.Attributes, cmtabci.EventAttribute{Key: a.Key, Value: a.Value, Index: a.Index})
		}
		all = append(all, event)
	}
	return all
}

func params(p *abci.ConsensusParams) *cmtproto.ConsensusParams {
	if p == nil {
		return nil
	}
	theirs := &cmtproto.ConsensusParams{}
	if p.Block != nil {
		theirs.Block = &cmtproto.BlockParams{MaxBytes: p.Block.MaxBytes, MaxGas: p.Block.MaxGas}
	}
	if p.Evidence != nil {
		theirs.Evidence = &cmtproto.EvidenceParams{MaxAgeNumBlocks: p.Evidence.MaxAgeNumBlocks, MaxAgeDuration: p.Evidence.MaxAgeDuration,
			MaxBytes: p.Evidence.MaxBytes}
	}
	if p.Version != nil {
		theirs.Version = &cmtproto.VersionParams{App: p.Version.App}
	}
	return theirs
}
