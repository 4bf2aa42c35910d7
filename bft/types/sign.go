package types

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/cache"
)

// ErrDoubleSign refuses to sign: something else was signed for this height, round and step, or something later (S2).
var ErrDoubleSign = errors.New("bft: double signing refused")

// SignatureSize is the size of a signature, and KeySize that of a public key, in bytes.
const (
	SignatureSize = ed25519.SignatureSize
	KeySize       = ed25519.PublicKeySize
)

// zip215 is the one rule (S3). Libraries differ in what they take of keys and signatures with parts of small order or
// in odd encodings; validators who differ fork. ZIP-215 says it for all, and so that a batch gives the same answer as each alone.
var zip215 = &ed25519.Options{Verify: ed25519.VerifyOptionsZIP_215}

// keys has public keys in the form in which they verify faster, of a few thousand validators. It changes no answer.
var keys = cache.NewVerifier(cache.NewLRUCache(4096))

// AddressOf is the address of whoever has a public key.
func AddressOf(pubKey []byte) Address {
	sum := sha256.Sum256(pubKey)
	return Address(sum[:20])
}

// VerifySignature tells whether sig is pubKey's for msg, by ZIP-215 (S3). It is safe for concurrent use.
func VerifySignature(pubKey, msg, sig []byte) bool {
	return len(pubKey) == KeySize && len(sig) == SignatureSize && keys.VerifyWithOptions(pubKey, msg, sig, zip215)
}

// A Batch verifies many signatures faster than one by one, with the same answer for each.
type Batch struct {
	batch *ed25519.BatchVerifier
	n     int
}

// NewBatch makes room for n signatures.
func NewBatch(n int) *Batch { return &Batch{batch: ed25519.NewBatchVerifierWithCapacity(n)} }

// Add adds a signature. msg is not kept.
func (b *Batch) Add(pubKey, msg, sig []byte) {
	b.n++
	if len(pubKey) != KeySize || len(sig) != SignatureSize {
		pubKey, sig = make([]byte, KeySize), make([]byte, SignatureSize)
		sig[SignatureSize-1] = 0xff // an S that is too large: never valid
	}
	keys.AddWithOptions(b.batch, pubKey, msg, sig, zip215)
}

// Verify is -1 if all are right, or else the number of the first that is not. A batch of none is right.
func (b *Batch) Verify() int {
	if b.n == 0 {
		return -1
	}
	if ok, each := b.batch.Verify(nil); !ok {
		return slices.Index(each, false)
	}
	return -1
}

// Verify tells whether a vote was signed by a key for a chain.
func (v *Vote) Verify(chainID string, pubKey []byte) bool {
	var room [256]byte
	return VerifySignature(pubKey, v.AppendSignBytes(room[:0], chainID), v.Signature)
}

// Verify tells whether a proposal was signed by a key for a chain.
func (p *Proposal) Verify(chainID string, pubKey []byte) bool {
	var room [256]byte
	return VerifySignature(pubKey, p.AppendSignBytes(room[:0], chainID), p.Signature)
}

// A PrivateKey is an Ed25519 key: the seed and the public key, 64 bytes.
type PrivateKey = ed25519.PrivateKey

// GenerateKey makes a key from 32 bytes of a random source; nil: the system's.
func GenerateKey(random io.Reader) (PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(random)
	if err != nil {
		return nil, fmt.Errorf("bft: making a key: %w", err)
	}
	return key, nil
}
