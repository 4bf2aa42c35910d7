package privval

import (
	"crypto/sha256"
	"sync"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// A MemSigner signs with a key in memory, and remembers in memory what it has signed: for tests and simulations. It is safe for
// concurrent use.
type MemSigner struct {
	mu    sync.Mutex
	guard guard
	key   types.PrivateKey
}

// NewMemSigner makes the key of a seed: the same seed, the same key.
func NewMemSigner(seed string) *MemSigner {
	sum := sha256.Sum256([]byte(seed))
	return &MemSigner{key: ed25519.NewKeyFromSeed(sum[:])}
}

// PrivateKey is the key itself, for tests that sign what no guard would.
func (s *MemSigner) PrivateKey() types.PrivateKey { return s.key }

// PubKey implements bft.Signer.
func (s *MemSigner) PubKey() []byte { return s.key[types.KeySize:] }

// SignVote implements bft.Signer.
func (s *MemSigner) SignVote(chainID string, v *types.Vote) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guard.signVote(s.key, chainID, v)
}

// SignProposal implements bft.Signer.
func (s *MemSigner) SignProposal(chainID string, p *types.Proposal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.guard.signProposal(s.key, chainID, p)
}
