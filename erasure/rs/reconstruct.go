package rs

import "fmt"

// Reconstruct fills in all missing shards, those of length zero, from any
// others that are as many as the data shards. A missing shard that has the
// capacity is written in its own memory, else it is given new one; so nothing
// is allocated when shards are passed as s[:0].
//
// Shards that are there are taken to be right. Of one that is not, the error
// spreads: see Verify and Locate.
func (c *Code) Reconstruct(shards [][]byte) error {
	return c.reconstruct(shards, func(int) bool { return true })
}

// ReconstructData is Reconstruct without the parity shards.
func (c *Code) ReconstructData(shards [][]byte) error {
	return c.reconstruct(shards, func(i int) bool { return i < c.data })
}

// ReconstructSome fills in those missing shards that are asked for. required
// has a place for each shard, or for each data shard.
func (c *Code) ReconstructSome(shards [][]byte, required []bool) error {
	if len(required) != c.data && len(required) != c.data+c.parity {
		return fmt.Errorf("%w: required has %d places; it needs %d, or %d for the data alone", ErrShardCount, len(required), c.data+c.parity, c.data)
	}
	return c.reconstruct(shards, func(i int) bool { return i < len(required) && required[i] })
}

func (c *Code) reconstruct(shards [][]byte, wanted func(int) bool) error {
	size, err := c.check(shards, true)
	if err != nil {
		return err
	}
	key := planKey{purpose: toReconstruct}
	left, lost := 0, false
	for i, s := range shards {
		switch {
		case len(s) > 0:
			key.present.add(i)
			left++
		case wanted(i):
			key.wanted.add(i)
			lost = true
		}
	}
	if left < c.data {
		return fmt.Errorf("%w: %d of %d are left; %d are needed", ErrTooFewShards, left, len(shards), c.data)
	}
	if !lost {
		return nil
	}
	p := c.plans.find(key)
	if p == nil {
		if p, err = c.plans.get(key, func() (*plan, error) { return c.planReconstruction(key) }); err != nil {
			return err
		}
	}
	c.run(p, shards, size)
	return nil
}

func (c *Code) planReconstruction(key planKey) (*plan, error) {
	from, err := c.survivors(&key.present)
	if err != nil {
		return nil, err
	}
	var to []int
	for i := range c.generator {
		if key.wanted.has(i) {
			to = append(to, i)
		}
	}
	rows, err := c.decoder(from, to)
	if err != nil {
		return nil, err
	}
	from, rows = rows.withoutZeros(from)
	return &plan{c.kernel.Compile(rows), from, to}, nil
}

// withoutZeros leaves out shards that no row needs: of a code with local
// parities, most of them. One stays, or there would be no matrix.
func (m Matrix) withoutZeros(from []int) ([]int, Matrix) {
	var needed, columns []int
	for c := range from {
		for _, row := range m {
			if row[c] != 0 {
				needed, columns = append(needed, from[c]), append(columns, c)
				break
			}
		}
	}
	if len(needed) == 0 {
		needed, columns = from[:1], []int{0}
	}
	rows := NewMatrix(len(m), len(columns))
	for r := range rows {
		for i, c := range columns {
			rows[r][i] = m[r][c]
		}
	}
	return needed, rows
}

// run executes a plan on whole shards of this size.
func (c *Code) run(p *plan, shards [][]byte, size int) {
	s := c.take()
	defer c.give(s)
	in, out := s.headers[:len(p.from)], s.headers[len(s.headers)/2:][:len(p.to)]
	for i, from := range p.from {
		in[i] = shards[from]
	}
	for i, to := range p.to {
		if cap(shards[to]) >= size {
			shards[to] = shards[to][:size]
		} else {
			shards[to] = make([]byte, size)
		}
		out[i] = shards[to]
	}
	p.program.Mul(out, in, 0)
}
