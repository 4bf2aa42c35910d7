package rs

import (
	"crypto/subtle"
	"fmt"
)

// Update brings the parity shards up to date when some data shards change,
// without reading the others. shards holds the parity, and the old contents of
// the data shards that change; newData has a place for each data shard, nil for
// one that does not change. Parity is linear in the data, so it changes by what
// the difference of new and old would have as parity:
//
//	parity' = parity + P·(new - old)
//
// Only the parity is written: putting the new data in place of the old is for
// the caller, and must be done before the same update is made again.
func (c *Code) Update(shards, newData [][]byte) error {
	size, err := c.checkUpdate(shards, newData)
	if err != nil || size == 0 {
		return err
	}
	key := planKey{purpose: toUpdate}
	for i, b := range newData {
		if len(b) > 0 {
			key.present.add(i)
		}
	}
	p := c.plans.find(key)
	if p == nil {
		if p, err = c.plans.get(key, func() (*plan, error) { return c.planUpdate(key), nil }); err != nil {
			return err
		}
	}
	s := c.take()
	defer c.give(s)
	for k := 0; k < size; k += tileColumns {
		columns := min(tileColumns, size-k)
		differences := s.tile(0, len(p.from), columns)
		for i, from := range p.from {
			subtle.XORBytes(differences[i], newData[from][k:k+columns], shards[from][k:k+columns])
		}
		products := s.tile(len(p.from), c.parity, columns)
		p.program.Mul(products, differences, 0)
		for i, product := range products {
			parity := shards[c.data+i][k : k+columns]
			subtle.XORBytes(parity, parity, product)
		}
	}
	return nil
}

// planUpdate takes the columns of the changed data from the parity rows.
func (c *Code) planUpdate(key planKey) *plan {
	p := &plan{}
	for i := range c.data {
		if key.present.has(i) {
			p.from = append(p.from, i)
		}
	}
	rows := NewMatrix(c.parity, len(p.from))
	for r := range rows {
		for i, from := range p.from {
			rows[r][i] = c.generator[c.data+r][from]
		}
	}
	p.program = c.kernel.Compile(rows)
	return p
}

// checkUpdate returns the length of the shards, 0 when none changes.
func (c *Code) checkUpdate(shards, newData [][]byte) (size int, err error) {
	if _, err := c.check(shards, true); err != nil {
		return 0, err
	}
	if len(newData) != c.data {
		return 0, fmt.Errorf("%w: newData has %d places; %d data shards need as many", ErrShardCount, len(newData), c.data)
	}
	for i, b := range newData {
		switch {
		case len(b) == 0:
		case len(shards[i]) == 0:
			return 0, fmt.Errorf("%w: the old contents of data shard %d, which changes", ErrMissing, i)
		case len(b) != len(shards[i]):
			return 0, fmt.Errorf("%w: data shard %d has %d bytes, its new contents %d", ErrShardSize, i, len(shards[i]), len(b))
		default:
			size = len(b)
		}
	}
	for i := c.data; size > 0 && i < len(shards); i++ {
		if len(shards[i]) == 0 {
			return 0, fmt.Errorf("%w: parity shard %d; reconstruct it first", ErrMissing, i)
		}
	}
	return size, nil
}
