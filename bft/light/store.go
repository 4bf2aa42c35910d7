package light

import (
	"fmt"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/bft/types"
)

// A Store keeps the blocks that a client trusts. It is safe for concurrent use.
type Store interface {
	// Save adds a block. One that is there is replaced.
	Save(*Block) error
	// Block is that of a height, or [ErrNotFound].
	Block(types.Height) (*Block, error)
	// Heights are those of all blocks, ascending. The caller's to keep.
	Heights() []types.Height
	// Remove drops blocks. Those that are not there are no error.
	Remove(...types.Height) error
}

// A MemStore keeps blocks in memory. The zero MemStore is empty.
type MemStore struct {
	mu     sync.RWMutex
	blocks map[types.Height]*Block
	heightList
}

// NewMemStore makes an empty one.
func NewMemStore() *MemStore { return &MemStore{} }

// Save implements [Store].
func (s *MemStore) Save(b *Block) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.blocks == nil {
		s.blocks = map[types.Height]*Block{}
	}
	s.blocks[b.Height()] = b
	s.add(b.Height())
	return nil
}

// Block implements [Store].
func (s *MemStore) Block(h types.Height) (*Block, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.blocks[h]; b != nil {
		return b, nil
	}
	return nil, fmt.Errorf("%w: %d is not among the trusted ones", ErrNotFound, h)
}

// Heights implements [Store].
func (s *MemStore) Heights() []types.Height {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.heights)
}

// Remove implements [Store].
func (s *MemStore) Remove(heights ...types.Height) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range heights {
		delete(s.blocks, h)
		s.drop(h)
	}
	return nil
}

// heightList is a set of heights, ascending.
type heightList struct{ heights []types.Height }

func (l *heightList) add(h types.Height) {
	if i, found := slices.BinarySearch(l.heights, h); !found {
		l.heights = slices.Insert(l.heights, i, h)
	}
}

func (l *heightList) has(h types.Height) bool {
	_, found := slices.BinarySearch(l.heights, h)
	return found
}

func (l *heightList) drop(h types.Height) {
	if i, found := slices.BinarySearch(l.heights, h); found {
		l.heights = slices.Delete(l.heights, i, i+1)
	}
}
