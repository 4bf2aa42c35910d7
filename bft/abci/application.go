package abci

import (
	"context"
	"time"
)

// An Application is a replicated state machine. Methods that return an error halt the
// node: an application that cannot go on must not be guessed at (A5).
type Application interface {
	// Info tells the last committed height and app hash, so that consensus replays what is missing.
	Info(context.Context, *InfoRequest) (*InfoResponse, error)
	// Query reads committed state, with a proof if asked.
	Query(context.Context, *QueryRequest) (*QueryResponse, error)

	// CheckTx tells whether a transaction may enter the mempool, or stay there.
	CheckTx(context.Context, *CheckTxRequest) (*CheckTxResponse, error)

	// InitChain is called once, before the first block.
	InitChain(context.Context, *InitChainRequest) (*InitChainResponse, error)
	// PrepareProposal chooses the transactions of our own block from those of the mempool; it may drop, add and reorder.
	PrepareProposal(context.Context, *PrepareProposalRequest) (*PrepareProposalResponse, error)
	// ProcessProposal judges a block that somebody proposes.
	ProcessProposal(context.Context, *ProcessProposalRequest) (*ProcessProposalResponse, error)
	// FinalizeBlock executes a decided block.
	FinalizeBlock(context.Context, *FinalizeBlockRequest) (*FinalizeBlockResponse, error)
	// Commit makes the state after the last finalised block durable.
	Commit(context.Context, *CommitRequest) (*CommitResponse, error)

	// ExtendVote adds bytes to our precommit, and VerifyVoteExtension judges those of others. Consensus
	// does not call them yet.
	ExtendVote(context.Context, *ExtendVoteRequest) (*ExtendVoteResponse, error)
	VerifyVoteExtension(context.Context, *VerifyVoteExtensionRequest) (*VerifyVoteExtensionResponse, error)

	// The snapshot calls serve state sync. Consensus does not call them yet.
	ListSnapshots(context.Context, *ListSnapshotsRequest) (*ListSnapshotsResponse, error)
	OfferSnapshot(context.Context, *OfferSnapshotRequest) (*OfferSnapshotResponse, error)
	LoadSnapshotChunk(context.Context, *LoadSnapshotChunkRequest) (*LoadSnapshotChunkResponse, error)
	ApplySnapshotChunk(context.Context, *ApplySnapshotChunkRequest) (*ApplySnapshotChunkResponse, error)
}

// CodeOK is the Code of what went well. Any other one is the application's own.
const CodeOK uint32 = 0

// InfoRequest says who asks.
type InfoRequest struct{ Version string }

// InfoResponse says where the application is. LastBlockHeight 0: nothing was committed yet.
type InfoResponse struct {
	Data             string
	Version          string
	AppVersion       uint64
	LastBlockHeight  int64
	LastBlockAppHash []byte
}

// QueryRequest asks for what is under Path and Data at Height; 0 is the last committed one.
type QueryRequest struct {
	Data   []byte
	Path   string
	Height int64
	Prove  bool
}

// QueryResponse is the answer at Height. The app hash that Proof leads to is in the header of Height+1.
type QueryResponse struct {
	Code      uint32
	Log       string
	Key       []byte
	Value     []byte
	Proof     [][]byte // from the value to the app hash, in the application's own format
	Height    int64
	Codespace string
}

// CheckTxRequest asks whether a transaction is good; Recheck: again, after a block.
type CheckTxRequest struct {
	Tx      []byte
	Recheck bool
}

// CheckTxResponse is the answer. Priority and Sender are hints to the mempool.
type CheckTxResponse struct {
	Code      uint32
	Data      []byte
	Log       string
	GasWanted int64
	GasUsed   int64
	Codespace string
	Priority  int64
	Sender    string
}

// A ValidatorUpdate gives the validator with an Ed25519 key a power; 0 removes it.
type ValidatorUpdate struct {
	PubKey []byte // 32 bytes
	Power  int64
}

// ConsensusParams are what all validators must agree on beside the state. A nil part of an update leaves
// it as it is.
type ConsensusParams struct {
	Block    *BlockParams
	Evidence *EvidenceParams
	Version  *VersionParams
}

// BlockParams bound a block: MaxBytes 1 to 100 MiB, or -1 for the most; MaxGas -1: no bound.
type BlockParams struct{ MaxBytes, MaxGas int64 }

// EvidenceParams bound evidence: older than both ages it is expired; MaxBytes of it at most are in a block.
type EvidenceParams struct {
	MaxAgeNumBlocks int64
	MaxAgeDuration  time.Duration
	MaxBytes        int64
}

// VersionParams are the application's protocol version, in each header.
type VersionParams struct{ App uint64 }

// InitChainRequest is the genesis.
type InitChainRequest struct {
	Time            time.Time
	ChainID         string
	ConsensusParams *ConsensusParams
	Validators      []ValidatorUpdate
	AppStateBytes   []byte
	InitialHeight   int64
}

// InitChainResponse may change parameters and validators (none: those of the request), and has the first app hash.
type InitChainResponse struct {
	ConsensusParams *ConsensusParams
	Validators      []ValidatorUpdate
	AppHash         []byte
}

// A CommitInfo says who signed the last block.
type CommitInfo struct {
	Round int32
	Votes []VoteInfo
}

// A VoteInfo is one validator's part in a commit.
type VoteInfo struct {
	Validator   Validator
	BlockIDFlag BlockIDFlag
}

// A Validator is an address with its power.
type Validator struct {
	Address []byte // 20 bytes
	Power   int64
}

// A BlockIDFlag says what a validator did in a commit.
type BlockIDFlag uint8

// The flags, with CometBFT's numbers.
const (
	FlagAbsent BlockIDFlag = iota + 1 // no precommit was there
	FlagCommit                        // a precommit for the block
	FlagNil                           // a precommit for nil
)

// Misbehavior is a proven fault, for the application to punish.
type Misbehavior struct {
	Type             MisbehaviorType
	Validator        Validator
	Height           int64
	Time             time.Time
	TotalVotingPower int64
}

// A MisbehaviorType is a kind of fault.
type MisbehaviorType uint8

// The kinds, with CometBFT's numbers.
const (
	DuplicateVote MisbehaviorType = iota + 1
	LightClientAttack
)

// PrepareProposalRequest asks for the transactions of a block.
type PrepareProposalRequest struct {
	MaxTxBytes         int64
	Txs                [][]byte
	LocalLastCommit    CommitInfo
	Misbehavior        []Misbehavior
	Height             int64
	Time               time.Time
	NextValidatorsHash []byte
	ProposerAddress    []byte
}

// PrepareProposalResponse has the block's transactions, MaxTxBytes at most in all.
type PrepareProposalResponse struct{ Txs [][]byte }

// ProcessProposalRequest is somebody's proposed block.
type ProcessProposalRequest struct {
	Txs                [][]byte
	ProposedLastCommit CommitInfo
	Misbehavior        []Misbehavior
	Hash               []byte
	Height             int64
	Time               time.Time
	NextValidatorsHash []byte
	ProposerAddress    []byte
}

// ProcessProposalResponse judges it.
type ProcessProposalResponse struct{ Accept bool }

// FinalizeBlockRequest is a decided block. Commits of the last block and misbehavior are in it, too.
type FinalizeBlockRequest struct {
	Txs                [][]byte
	DecidedLastCommit  CommitInfo
	Misbehavior        []Misbehavior
	Hash               []byte
	Height             int64
	Time               time.Time
	NextValidatorsHash []byte
	ProposerAddress    []byte
}

// FinalizeBlockResponse is what a block did. AppHash is in the header of the next block, ValidatorUpdates
// take effect two heights later (V2).
type FinalizeBlockResponse struct {
	Events                []Event
	TxResults             []ExecTxResult // one for each transaction, in order
	ValidatorUpdates      []ValidatorUpdate
	ConsensusParamUpdates *ConsensusParams
	AppHash               []byte
}

// An ExecTxResult is what a transaction did. Code, Data, GasWanted and GasUsed are part of the next header's
// LastResultsHash: they must not differ between nodes. Log and Events may.
type ExecTxResult struct {
	Code      uint32
	Data      []byte
	Log       string
	GasWanted int64
	GasUsed   int64
	Events    []Event
	Codespace string
}

// An Event is something that happened, for whoever indexes or subscribes.
type Event struct {
	Type       string
	Attributes []EventAttribute
}

// An EventAttribute says more about an event; Index: it is to be found by.
type EventAttribute struct {
	Key, Value string
	Index      bool
}

// CommitRequest asks to make the last finalised block durable.
type CommitRequest struct{}

// CommitResponse: below RetainHeight blocks may be dropped, once evidence of them would be too old; 0: keep all.
type CommitResponse struct{ RetainHeight int64 }

// ExtendVoteRequest asks for the bytes of a vote extension.
type ExtendVoteRequest struct {
	Hash   []byte
	Height int64
	Txs    [][]byte
}

// ExtendVoteResponse has them.
type ExtendVoteResponse struct{ VoteExtension []byte }

// VerifyVoteExtensionRequest is another validator's vote extension.
type VerifyVoteExtensionRequest struct {
	Hash             []byte
	ValidatorAddress []byte
	Height           int64
	VoteExtension    []byte
}

// VerifyVoteExtensionResponse judges it.
type VerifyVoteExtensionResponse struct{ Accept bool }

// A Snapshot is a state at a height, in chunks.
type Snapshot struct {
	Height   uint64
	Format   uint32
	Chunks   uint32
	Hash     []byte
	Metadata []byte
}

// ListSnapshotsRequest asks which snapshots there are.
type ListSnapshotsRequest struct{}

// ListSnapshotsResponse has them.
type ListSnapshotsResponse struct{ Snapshots []Snapshot }

// OfferSnapshotRequest offers one whose app hash a light client has verified.
type OfferSnapshotRequest struct {
	Snapshot *Snapshot
	AppHash  []byte
}

// OfferSnapshotResponse takes it or not.
type OfferSnapshotResponse struct{ Accept bool }

// LoadSnapshotChunkRequest asks for a chunk.
type LoadSnapshotChunkRequest struct {
	Height uint64
	Format uint32
	Chunk  uint32
}

// LoadSnapshotChunkResponse has it.
type LoadSnapshotChunkResponse struct{ Chunk []byte }

// ApplySnapshotChunkRequest is a chunk of the accepted snapshot.
type ApplySnapshotChunkRequest struct {
	Index  uint32
	Chunk  []byte
	Sender string
}

// ApplySnapshotChunkResponse takes it, or asks for it again from somebody else.
type ApplySnapshotChunkResponse struct{ Accept bool }
