package types

import (
	"crypto/sha256"

	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// A signer signs whatever it is asked for: no guard is in it.
type signer struct{ key PrivateKey }

func newSigner(seed string) *signer {
	sum := sha256.Sum256([]byte(seed))
	return &signer{ed25519.NewKeyFromSeed(sum[:])}
}

func (s *signer) PubKey() []byte { return s.key[KeySize:] }

func (s *signer) sign(v *Vote) {
	v.Signature = ed25519.Sign(s.key, v.AppendSignBytes(nil, chainID))
}
