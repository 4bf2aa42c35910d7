package mempool

import (
	"container/list"
	"crypto/sha256"
)

// keyOf names a transaction.
func keyOf(tx []byte) Key { return sha256.Sum256(tx) }

// A cache remembers the keys that were added or asked for last.
type cache struct {
	size  int
	keys  map[Key]*list.Element
	order *list.List // of *Key; the one to be forgotten first at the front
}

func newCache(size int) cache {
	return cache{size: size, keys: make(map[Key]*list.Element), order: list.New()}
}

func (c *cache) has(k Key) bool {
	e := c.keys[k]
	if e != nil {
		c.order.MoveToBack(e)
	}
	return e != nil
}

func (c *cache) add(k Key) {
	if c.has(k) {
		return
	}
	if len(c.keys) >= c.size {
		oldest := c.order.Front()
		key := oldest.Value.(*Key)
		delete(c.keys, *key)
		*key = k
		c.order.MoveToBack(oldest)
		c.keys[k] = oldest
		return
	}
	c.keys[k] = c.order.PushBack(&k)
}

func (c *cache) remove(k Key) {
	if e := c.keys[k]; e != nil {
		c.order.Remove(e)
		delete(c.keys, k)
	}
}
