package merkle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// The prefixes of RFC 6962 keep a leaf and a node apart: without them the two hashes of a node, taken
// as a leaf of 64 bytes, would have that node's hash, and be proved to be in the list.
const (
	leafPrefix  = 0
	innerPrefix = 1
)

// LeafHash is the hash of one element: SHA-256 of the byte 0 and the leaf.
func LeafHash(leaf []byte) [32]byte {
	var room [1024]byte
	return leafHash(leaf, room[:0])
}

// leafHash uses room to put the prefix before the leaf: hashing one piece is faster than hashing two.
func leafHash(leaf, room []byte) [32]byte {
	if len(leaf) < cap(room) {
		return sha256.Sum256(append(append(room[:0], leafPrefix), leaf...))
	}
	h := sha256.New()
	h.Write([]byte{leafPrefix})
	h.Write(leaf)
	return [32]byte(h.Sum(room[:0]))
}

// InnerHash is the hash of a node over two others: SHA-256 of the byte 1, left and right.
func InnerHash(left, right [32]byte) [32]byte {
	var node [65]byte
	node[0] = innerPrefix
	copy(node[1:], left[:])
	copy(node[33:], right[:])
	return sha256.Sum256(node[:])
}

// Root is the hash over all leaves in their order; that of none is SHA-256 of nothing. Long lists are hashed by several
// goroutines, which have ended when Root returns.
func Root(leaves [][]byte) [32]byte {
	if len(leaves) == 0 {
		return sha256.Sum256(nil)
	}
	level := make([][32]byte, len(leaves))
	if workers := min(runtime.GOMAXPROCS(0), maxWorkers, len(leaves)/chunk); workers > 1 {
		return top(chunks(level, leaves, workers))
	}
	hashes(level, leaves)
	return top(level)
}

// top goes up from level, which it overwrites, to the root.
func top(level [][32]byte) [32]byte {
	for len(level) > 1 {
		level = up(level[:0], level)
	}
	return level[0]
}

// A chunk is as many leaves as one goroutine takes at a time: a power of two, so that they are a whole subtree (M2).
const (
	chunk      = 512
	maxWorkers = 4
)

// chunks are the roots of all chunks of leaves: the level of the tree at their height.
func chunks(level [][32]byte, leaves [][]byte, workers int) [][32]byte {
	n := (len(leaves) + chunk - 1) / chunk
	var next atomic.Int64
	var done sync.WaitGroup
	for range workers {
		done.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				from, to := i*chunk, min((i+1)*chunk, len(leaves))
				hashes(level[from:to], leaves[from:to])
				level[from] = top(level[from:to])
			}
		})
	}
	done.Wait()
	for i := range n {
		level[i] = level[i*chunk]
	}
	return level[:n]
}

// hashes are those of the leaves, the lowest level of the tree.
func hashes(level [][32]byte, leaves [][]byte) {
	var room [1024]byte
	for i, leaf := range leaves {
		level[i] = leafHash(leaf, room[:0])
	}
}

// up appends the level above to dst, which may be the beginning of level itself. One that is left over goes
// up as it is: so each subtree has as many leaves as the largest power of two that leaves some for the right one.
func up(dst, level [][32]byte) [][32]byte {
	for i := 0; i+1 < len(level); i += 2 {
		dst = append(dst, InnerHash(level[i], level[i+1]))
	}
	if n := len(level); n%2 == 1 {
		dst = append(dst, level[n-1])
	}
	return dst
}

// A Proof shows that a leaf is in a list with a known root, at a place.
type Proof struct {
	Total, Index int64
	Leaf         [32]byte   // the leaf's hash
	Aunts        [][32]byte // the siblings on the way up, from below
}

// Proofs is the root of leaves with a proof for each.
func Proofs(leaves [][]byte) (root [32]byte, proofs []Proof) {
	if len(leaves) == 0 {
		return Root(nil), nil
	}
	level := make([][32]byte, len(leaves))
	hashes(level, leaves)
	proofs = make([]Proof, len(leaves))
	for i := range proofs {
		proofs[i] = Proof{Total: int64(len(leaves)), Index: int64(i), Leaf: level[i]}
	}
	for height := 0; len(level) > 1; height++ {
		for i := range proofs {
			if sibling := i>>height ^ 1; sibling < len(level) {
				proofs[i].Aunts = append(proofs[i].Aunts, level[sibling])
			}
		}
		level = up(nil, level)
	}
	return level[0], proofs
}

// ErrProof is a proof that shows nothing.
var ErrProof = errors.New("merkle: proof")

// Verify tells whether p shows that leaf is at p.Index of the p.Total elements under root. Whoever cares
// which element, and of how many, compares these two as well: they are part of what is claimed.
func (p Proof) Verify(root [32]byte, leaf []byte) error {
	if p.Total <= 0 || p.Index < 0 || p.Index >= p.Total {
		return fmt.Errorf("%w: element %d of %d", ErrProof, p.Index, p.Total)
	}
	if LeafHash(leaf) != p.Leaf {
		return fmt.Errorf("%w: it is for another element than this", ErrProof)
	}
	hash, aunts := p.Leaf, p.Aunts
	for i, n := p.Index, p.Total; n > 1; i, n = i/2, n-n/2 {
		if i^1 >= n { // left over, it goes up as it is
			continue
		}
		if len(aunts) == 0 {
			return fmt.Errorf("%w: %d hashes are too few for element %d of %d", ErrProof, len(p.Aunts), p.Index, p.Total)
		}
		if i%2 == 0 {
			hash = InnerHash(hash, aunts[0])
		} else {
			hash = InnerHash(aunts[0], hash)
		}
		aunts = aunts[1:]
	}
	if len(aunts) > 0 {
		return fmt.Errorf("%w: %d hashes are too many for element %d of %d", ErrProof, len(p.Aunts), p.Index, p.Total)
	}
	if hash != root {
		return fmt.Errorf("%w: it leads to another root (%x and not %x)", ErrProof, hash[:4], root[:4])
	}
	return nil
}
