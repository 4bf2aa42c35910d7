package app

import (
	"crypto/sha256"
	"sync"
)

// verified remembers transactions whose signatures were found good: between the mempool, a proposal and its block
// each would else be verified three times. It is bounded: when one generation is full, the one before is forgotten.
// It holds good ones only, and by the hash of all bytes, so it cannot make a bad one good.
type verified struct {
	mu       sync.Mutex
	young    map[[32]byte]struct{}
	old      map[[32]byte]struct{}
	capacity int
}

func newVerified(capacity int) *verified {
	return &verified{young: map[[32]byte]struct{}{}, capacity: capacity}
}

func (v *verified) has(raw []byte) bool {
	h := sha256.Sum256(raw)
	v.mu.Lock()
	defer v.mu.Unlock()
	_, young := v.young[h]
	_, old := v.old[h]
	return young || old
}

func (v *verified) add(raw []byte) {
	h := sha256.Sum256(raw)
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.young) >= v.capacity {
		v.young, v.old = map[[32]byte]struct{}{}, v.young
	}
	v.young[h] = struct{}{}
}
