package rs

import (
	"fmt"
	"sync"
)

// A plan is a program for one pattern of shards: those that are read, and those
// that are written.
type plan struct {
	program  Program
	from, to []int
}

// A set of shards, a bit each.
type set [MaxShards / 64]uint64

func (s *set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s *set) has(i int) bool { return s[i/64]>>(i%64)&1 == 1 }

// planKey says what a plan is for: which shards are there, and which are
// wanted.
type planKey struct {
	purpose         purpose
	present, wanted set
}

type purpose byte

const (
	toReconstruct purpose = iota
	toUpdate
	toLocate
)

// planCache keeps plans, because an inverse costs more than the multiplication
// of a few kilobytes. It belongs to one Code: the same losses mean another
// inverse in another geometry.
type planCache struct {
	mu    sync.RWMutex
	plans map[planKey]*plan
	most  int
}

// planBudget bounds a cache: so many plans times data shards. A plan of the
// packed kernel takes 4 KiB a data shard and four rows.
const planBudget = 512

func newPlanCache(data int) planCache {
	return planCache{plans: map[planKey]*plan{}, most: max(planBudget/data, 1)}
}

// get returns the plan for key, made by make if there is none yet. When the
// cache is full any one plan goes.
func (c *planCache) get(key planKey, make func() (*plan, error)) (*plan, error) {
	p := c.find(key)
	if p != nil {
		return p, nil
	}
	p, err := make()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.plans) >= c.most {
		for old := range c.plans {
			delete(c.plans, old)
			break
		}
	}
	c.plans[key] = p
	return p, nil
}

func (c *planCache) find(key planKey) *plan {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.plans[key]
}

// decoder returns the matrix that turns the shards of from, as many as there
// are data shards, into those of to.
//
//	generator        rows of from         inverse            rows of to
//	1 0 0            1 0 0   lost: 1      1  0  0            x x x  -> shard 1
//	0 1 0     --->   0 0 1   and 4  --->  x  x  x   --->     x x x  -> shard 4
//	0 0 1            a b c                0  1  0
//	a b c                               (data from      (row 4 of the generator
//	d e f                                the survivors)      times the inverse)
//
// The rows of lost parity are multiplied out as well, so one pass over the
// survivors gives data and parity, and no parity is made of data that is not
// there yet.
func (c *Code) decoder(from, to []int) (Matrix, error) {
	inverse, err := c.generator.pick(from).Invert()
	if err != nil {
		return nil, err
	}
	return c.generator.pick(to).Mul(inverse), nil
}

// survivors returns as many shards of present as there are data shards, such
// that their rows can be inverted: the first ones, unless the generator is one
// of the caller's where these do not do.
func (c *Code) survivors(present *set) ([]int, error) {
	var first, all []int
	for i := range c.generator {
		if present.has(i) {
			all = append(all, i)
		}
	}
	if len(all) < c.data {
		return nil, fmt.Errorf("%w: %d of %d are left; %d are needed", ErrTooFewShards, len(all), len(c.generator), c.data)
	}
	first = all[:c.data]
	if c.kind != custom { // any will do
		return first, nil
	}
	if first = c.generator.independent(all); len(first) < c.data {
		return nil, fmt.Errorf("%w: the %d that are left determine only %d of %d data shards", ErrTooFewShards, len(all), len(first), c.data)
	}
	return first, nil
}

// pick returns the rows with these numbers.
func (m Matrix) pick(rows []int) Matrix {
	picked := make(Matrix, len(rows))
	for i, r := range rows {
		picked[i] = m[r]
	}
	return picked
}

// independent returns those of the rows that are no combination of earlier
// ones: the columns of the transpose in which elimination finds a pivot.
func (m Matrix) independent(rows []int) (chosen []int) {
	t := NewMatrix(m.columns(), len(rows))
	for i, r := range rows {
		for c := range t {
			t[c][i] = m[r][c]
		}
	}
	rank := t.eliminate(len(rows))
	for _, row := range t[:rank] {
		for i, a := range row {
			if a != 0 {
				chosen = append(chosen, rows[i])
				break
			}
		}
	}
	return chosen
}
