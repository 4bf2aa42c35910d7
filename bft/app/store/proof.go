package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrProof reports a proof that does not prove what it is given for.
var ErrProof = errors.New("store: the proof does not hold")

// A Proof is the way of a key's lookup from the root to the leaf at which it ends: the key's own, then it
// proves the value; or another one, then it proves that the key is not there. The zero Proof is that of the empty tree.
type Proof struct {
	Key   []byte // of the leaf
	Value Hash   // SHA-256 of the leaf's value
	Path  []Step // from the root
}

// A Step is an inner node on the way: where it looks, and the hash of the child that was not taken.
type Step struct {
	Bit     uint16
	Sibling Hash
}

// Prove is the proof of what t has for key, or that it has nothing.
func (t Tree) Prove(key []byte) Proof {
	n := t.root
	if n == nil {
		return Proof{}
	}
	var p Proof
	for !n.leaf() {
		side := bitAt(key, n.bit)
		p.Path = append(p.Path, Step{uint16(n.bit), n.kids[1-side].sum()})
		n = n.kids[side]
	}
	p.Key, p.Value = []byte(n.key), sha256.Sum256(n.value)
	return p
}

// VerifyMember checks that key has value in the tree with this root.
func (p Proof) VerifyMember(root Hash, key, value []byte) error {
	if string(p.Key) != string(key) {
		return fmt.Errorf("%w: it is about %q, not %q", ErrProof, p.Key, key)
	}
	if p.Value != sha256.Sum256(value) {
		return fmt.Errorf("%w: %q has another value", ErrProof, key)
	}
	return p.verify(root, key)
}

// VerifyAbsent checks that key has no value in the tree with this root.
func (p Proof) VerifyAbsent(root Hash, key []byte) error {
	if string(p.Key) == string(key) {
		return fmt.Errorf("%w: %q is there", ErrProof, key)
	}
	return p.verify(root, key)
}

// verify checks that the lookup of key in the tree with this root ends at p's leaf. The turns are taken by key (ST3): whoever
// made the proof has no say in them.
func (p Proof) verify(root Hash, key []byte) error {
	if len(key) == 0 || len(key) > MaxKey || len(p.Key) > MaxKey {
		return fmt.Errorf("%w: %w", ErrProof, ErrKey)
	}
	if len(p.Key) == 0 {
		if len(p.Path) == 0 && root == emptyRoot {
			return nil
		}
		return fmt.Errorf("%w: the tree is not empty", ErrProof)
	}
	hash := leafHash(p.Key, p.Value)
	for i := len(p.Path) - 1; i >= 0; i-- {
		s := p.Path[i]
		if i > 0 && p.Path[i-1].Bit >= s.Bit || s.Bit >= none {
			return fmt.Errorf("%w: step %d looks at bit %d", ErrProof, i, s.Bit)
		}
		if bitAt(key, int(s.Bit)) == 0 {
			hash = innerHash(int(s.Bit), hash, s.Sibling)
		} else {
			hash = innerHash(int(s.Bit), s.Sibling, hash)
		}
	}
	if hash != root {
		return fmt.Errorf("%w: it leads to %x, not to the root %x", ErrProof, hash[:4], root[:4])
	}
	return nil
}

// Append appends p's bytes to dst: key length, key, hash of the value, steps of 34 bytes. The zero Proof has none.
func (p Proof) Append(dst []byte) []byte {
	if len(p.Key) == 0 {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.Key)))
	dst = append(dst, p.Key...)
	dst = append(dst, p.Value[:]...)
	for _, s := range p.Path {
		dst = binary.BigEndian.AppendUint16(dst, s.Bit)
		dst = append(dst, s.Sibling[:]...)
	}
	return dst
}

const stepSize = 2 + 32

// DecodeProof reads what Append wrote. There is one encoding of each proof; what is left over is refused.
func DecodeProof(b []byte) (Proof, error) {
	if len(b) == 0 {
		return Proof{}, nil
	}
	short := fmt.Errorf("%w: %d bytes are none", ErrProof, len(b))
	if len(b) < 2 {
		return Proof{}, short
	}
	n := int(binary.BigEndian.Uint16(b))
	if b = b[2:]; n == 0 || n > MaxKey || len(b) < n+32 || (len(b)-n-32)%stepSize != 0 || (len(b)-n-32)/stepSize > none {
		return Proof{}, short
	}
	p := Proof{Key: append([]byte(nil), b[:n]...), Value: Hash(b[n : n+32])}
	for b = b[n+32:]; len(b) > 0; b = b[stepSize:] {
		p.Path = append(p.Path, Step{binary.BigEndian.Uint16(b), Hash(b[2:stepSize])})
	}
	return p, nil
}
