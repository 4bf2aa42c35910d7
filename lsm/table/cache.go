package table

import (
	"sync"
	"sync/atomic"
)

// Cache keeps the blocks that were used last, of all tables that are opened with
// it. Blocks are left to the garbage collector when they are dropped, not used
// again: who still reads one may go on. It is safe for concurrent use; a nil
// *Cache keeps nothing.
//
// It is split by key into shards, each with a lock and a list of its own, most
// recently used first.
type Cache struct {
	shards       [cacheShards]cacheShard
	hits, misses atomic.Uint64
	lastID       atomic.Uint64
}

const (
	cacheShards = 16
	// cacheOverhead is about what a block costs besides its bytes.
	cacheOverhead = 128
)

// cacheKey names a block. A reader gets an id that no other one had before: a
// file number may be used again, and would find the blocks of an older file.
type cacheKey struct{ reader, offset uint64 }

type cacheShard struct {
	mu          sync.Mutex
	used, limit int64
	blocks      map[cacheKey]*cached
	ring        cached // ring.next was used last, ring.prev is dropped next
}

type cached struct {
	key        cacheKey
	block      []byte
	next, prev *cached
}

// NewCache returns a cache of about the given size; nil, if it is not positive.
func NewCache(bytes int64) *Cache {
	if bytes <= 0 {
		return nil
	}
	c := new(Cache)
	for i := range c.shards {
		s := &c.shards[i]
		s.limit = max(bytes/cacheShards, 1)
		s.blocks = make(map[cacheKey]*cached)
		s.ring.next, s.ring.prev = &s.ring, &s.ring
	}
	return c
}

// CacheMetrics says what a cache did.
type CacheMetrics struct {
	// Hits and Misses count the blocks asked for that were there and were not.
	Hits, Misses uint64
	// Bytes is what the blocks that are there take.
	Bytes int64
}

// Metrics returns what the cache did so far.
func (c *Cache) Metrics() CacheMetrics {
	if c == nil {
		return CacheMetrics{}
	}
	m := CacheMetrics{Hits: c.hits.Load(), Misses: c.misses.Load()}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		m.Bytes += s.used
		s.mu.Unlock()
	}
	return m
}

// newID returns an id for a reader.
func (c *Cache) newID() uint64 {
	if c == nil {
		return 0
	}
	return c.lastID.Add(1)
}

func (c *Cache) shard(k cacheKey) *cacheShard {
	h := (k.reader ^ k.offset*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	return &c.shards[h>>32%cacheShards]
}

func (c *Cache) get(k cacheKey) ([]byte, bool) {
	if c == nil {
		return nil, false
	}
	s := c.shard(k)
	s.mu.Lock()
	e := s.blocks[k]
	if e == nil {
		s.mu.Unlock()
		c.misses.Add(1)
		return nil, false
	}
	e.unlink()
	s.push(e)
	b := e.block
	s.mu.Unlock()
	c.hits.Add(1)
	return b, true
}

// put adds a block, which nobody changes any more.
func (c *Cache) put(k cacheKey, b []byte) {
	if c == nil {
		return
	}
	size := int64(cap(b) + cacheOverhead)
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if size > s.limit || s.blocks[k] != nil {
		return
	}
	for s.used+size > s.limit {
		s.drop(s.ring.prev)
	}
	e := &cached{key: k, block: b}
	s.blocks[k] = e
	s.used += size
	s.push(e)
}

func (s *cacheShard) drop(e *cached) {
	e.unlink()
	delete(s.blocks, e.key)
	s.used -= int64(cap(e.block) + cacheOverhead)
}

func (s *cacheShard) push(e *cached) {
	e.next, e.prev = s.ring.next, &s.ring
	e.next.prev, e.prev.next = e, e
}

func (e *cached) unlink() {
	e.next.prev, e.prev.next = e.prev, e.next
}
