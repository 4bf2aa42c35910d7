package bft

// A Signer signs for one validator, and never two different things for one height, round and
// step (S2). The one that keeps its key in a file is [OpenFileSigner]; a remote one has the same methods.
type Signer interface {
	// PubKey is the Ed25519 public key, 32 bytes.
	PubKey() []byte
	// SignVote fills in Signature, and the Time of what was signed before, if it differs from that in nothing else.
	// ErrDoubleSign: something else was signed there.
	SignVote(chainID string, v *Vote) error
	// SignProposal likewise.
	SignProposal(chainID string, p *Proposal) error
}
