package abci

import "context"

// BaseApplication accepts everything and does nothing: embed it, and write the methods that matter.
// Its FinalizeBlock has an empty result for each transaction.
type BaseApplication struct{}

var _ Application = BaseApplication{}

// Info says that nothing was committed yet.
func (BaseApplication) Info(context.Context, *InfoRequest) (*InfoResponse, error) {
	return &InfoResponse{}, nil
}

// Query finds nothing.
func (BaseApplication) Query(context.Context, *QueryRequest) (*QueryResponse, error) {
	return &QueryResponse{}, nil
}

// CheckTx lets every transaction in.
func (BaseApplication) CheckTx(context.Context, *CheckTxRequest) (*CheckTxResponse, error) {
	return &CheckTxResponse{}, nil
}

// InitChain leaves the genesis as it is.
func (BaseApplication) InitChain(context.Context, *InitChainRequest) (*InitChainResponse, error) {
	return &InitChainResponse{}, nil
}

// PrepareProposal takes transactions in their order until MaxTxBytes.
func (BaseApplication) PrepareProposal(_ context.Context, r *PrepareProposalRequest) (*PrepareProposalResponse, error) {
	var size int64
	for i, tx := range r.Txs {
		if size += TxSize(tx); size > r.MaxTxBytes {
			return &PrepareProposalResponse{Txs: r.Txs[:i]}, nil
		}
	}
	return &PrepareProposalResponse{Txs: r.Txs}, nil
}

// ProcessProposal accepts.
func (BaseApplication) ProcessProposal(context.Context, *ProcessProposalRequest) (*ProcessProposalResponse, error) {
	return &ProcessProposalResponse{Accept: true}, nil
}

// FinalizeBlock says of each transaction that it went well.
func (BaseApplication) FinalizeBlock(_ context.Context, r *FinalizeBlockRequest) (*FinalizeBlockResponse, error) {
	return &FinalizeBlockResponse{TxResults: make([]ExecTxResult, len(r.Txs))}, nil
}

// Commit keeps all blocks.
func (BaseApplication) Commit(context.Context, *CommitRequest) (*CommitResponse, error) {
	return &CommitResponse{}, nil
}

// ExtendVote adds nothing.
func (BaseApplication) ExtendVote(context.Context, *ExtendVoteRequest) (*ExtendVoteResponse, error) {
	return &ExtendVoteResponse{}, nil
}

// VerifyVoteExtension accepts.
func (BaseApplication) VerifyVoteExtension(context.Context, *VerifyVoteExtensionRequest) (*VerifyVoteExtensionResponse, error) {
	return &VerifyVoteExtensionResponse{Accept: true}, nil
}

// ListSnapshots has none.
func (BaseApplication) ListSnapshots(context.Context, *ListSnapshotsRequest) (*ListSnapshotsResponse, error) {
	return &ListSnapshotsResponse{}, nil
}

// OfferSnapshot takes none.
func (BaseApplication) OfferSnapshot(context.Context, *OfferSnapshotRequest) (*OfferSnapshotResponse, error) {
	return &OfferSnapshotResponse{}, nil
}

// LoadSnapshotChunk has none.
func (BaseApplication) LoadSnapshotChunk(context.Context, *LoadSnapshotChunkRequest) (*LoadSnapshotChunkResponse, error) {
	return &LoadSnapshotChunkResponse{}, nil
}

// ApplySnapshotChunk takes none.
func (BaseApplication) ApplySnapshotChunk(context.Context, *ApplySnapshotChunkRequest) (*ApplySnapshotChunkResponse, error) {
	return &ApplySnapshotChunkResponse{}, nil
}

// TxSize is how much of MaxTxBytes a transaction takes: the tag and length before it count, too.
func TxSize(tx []byte) int64 {
	n := int64(len(tx)) + 2
	for l := len(tx); l >= 0x80; l >>= 7 {
		n++
	}
	return n
}
