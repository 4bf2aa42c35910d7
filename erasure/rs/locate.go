package rs

import "fmt"

// Locating corruption without checksums.
//
// The data are the values of a polynomial of degree below data at the points 0,
// 1, ... data-1, and the parity are its values at the points after them. (That
// is what the systematic Vandermonde matrix works out; the Cauchy matrix does
// the same with each value multiplied by a constant.) So of the shards that are
// there, at a set S of points, any sum of the form
//
//	S_m = Σ_i u_i · i^m · value_i,   u_i = 1 / Π_{l in S, l != i} (i - l)
//
// is zero for each m below |S|-data: Lagrange's formula for a coefficient that
// the polynomial does not have. These are the syndromes. What is wrong at some
// points shows in them, and nothing else does:
//
//	S_m = Σ_errors e_i u_i · i^m
//
// Powers of unknown points with unknown factors. Prony solved that in 1795 and
// Peterson in 1960: the polynomial σ that has the points as its roots satisfies
// Σ_l σ_l S_{m+l} = 0, which is linear in its coefficients.
//
// That is one column of bytes. Whole shards go fast because what is wrong is
// wrong in the same shards: a corrupt set found in one column becomes a matrix
// of checks that do not depend on it, and the kernels multiply that with all
// columns at once. Where a check fails, another shard is corrupt.

// Locate returns which of the shards, in order, are corrupt, from the shards
// alone. Shards of length zero are missing, which is known and costs one parity
// shard each; of the parity shards that are left, each two locate one corrupt
// shard:
//
//	2·corrupt + missing <= parity
//
// When more are corrupt, it fails with ErrUnlocatable, or, with a probability
// that falls with each spare parity shard, names others: that can no
// algorithm avoid. To repair, set the located shards to s[:0] and Reconstruct.
// Nothing is written.
func (c *Code) Locate(shards [][]byte) (corrupt []int, err error) {
	size, err := c.check(shards, true)
	if err != nil {
		return nil, err
	}
	l := &locator{Code: c, shards: shards}
	for i, s := range shards {
		if len(s) > 0 {
			l.points = append(l.points, i)
		} else {
			l.missing = append(l.missing, i)
		}
	}
	switch spare := len(l.points) - c.data; {
	case c.kind == custom:
		return nil, fmt.Errorf("%w: only of the Vandermonde and Cauchy generators is known how", ErrUnlocatable)
	case spare < 1:
		return nil, fmt.Errorf("%w: %d of %d are left; beyond the %d that hold the data, one is needed to see corruption and two to locate it",
			ErrTooFewShards, len(l.points), len(shards), c.data)
	}
	return l.all(size)
}

// locator is the state of one Locate.
type locator struct {
	*Code
	shards          [][]byte
	points, missing []int // the shards that are there, and the others
	corrupt         set
	found           int
}

// all goes over the columns, to where a check fails and from there on.
func (l *locator) all(size int) ([]int, error) {
	most := (len(l.points) - l.data) / 2
	for k := 0; ; {
		k = l.nextFailing(k, size)
		if k == size {
			break
		}
		before := l.found
		for _, i := range l.column(k) {
			if !l.corrupt.has(i) {
				l.corrupt.add(i)
				l.found++
			}
		}
		if l.found == before || l.found > most {
			return nil, fmt.Errorf("%w: more than %d shards are corrupt, by column %d; %d parity shards with %d missing locate no more",
				ErrUnlocatable, most, k, l.parity, len(l.missing))
		}
	}
	var corrupt []int
	for i := range l.shards {
		if l.corrupt.has(i) {
			corrupt = append(corrupt, i)
		}
	}
	return corrupt, nil
}

// nextFailing returns the first column from k on that the shards not known to
// be corrupt contradict, or size.
func (l *locator) nextFailing(k, size int) int {
	key := planKey{purpose: toLocate, present: l.corrupt}
	for _, i := range l.missing {
		key.present.add(i)
	}
	p, _ := l.plans.get(key, func() (*plan, error) { return l.planChecks(&key.present), nil })
	s := l.take()
	defer l.give(s)
	in := s.headers[len(s.headers)/2:][:len(p.from)]
	for i, from := range p.from {
		in[i] = l.shards[from]
	}
	for ; k < size; k += tileColumns {
		columns := min(tileColumns, size-k)
		checks := s.tile(0, len(p.to), columns)
		p.program.Mul(checks, in, k)
		first := columns
		for _, check := range checks {
			first = firstNonZero(check[:first])
		}
		if first < columns {
			return k + first
		}
	}
	return size
}

// firstNonZero returns the place of the first byte that is not zero, or the
// length.
func firstNonZero(b []byte) int {
	i := 0
	for ; i+8 <= len(b) && *(*[8]byte)(b[i:]) == [8]byte{}; i += 8 {
	}
	for i < len(b) && b[i] == 0 {
		i++
	}
	return i
}

// planChecks makes the checks that do not involve the shards of unknown: rows
// that give zero for every codeword. The parity rows beside an identity are
// such rows,
//
//	[ P | 1 ] · shards = P·data + parity = 0
//
// and combinations of them are. Elimination of the unknown shards' columns
// leaves rows that are zero there.
func (c *Code) planChecks(unknown *set) *plan {
	total := c.data + c.parity
	var order, known []int
	for i := range total {
		if unknown.has(i) {
			order = append(order, i)
		} else {
			known = append(known, i)
		}
	}
	eliminated := len(order)
	order = append(order, known...)
	checks := NewMatrix(c.parity, total)
	for r := range checks {
		for at, i := range order {
			if i < c.data {
				checks[r][at] = c.generator[c.data+r][i]
			} else if i == c.data+r {
				checks[r][at] = 1
			}
		}
	}
	rank := checks.eliminate(eliminated)
	checks = checks[rank:]
	for r := range checks {
		checks[r] = checks[r][eliminated:]
	}
	return &plan{c.kernel.Compile(checks), known, make([]int, len(checks))}
}

// column locates the errors in one column, or returns nil. If they do not
// explain all that is wrong in it, the same column fails again.
func (l *locator) column(k int) []int {
	syndromes := l.syndromes(k)
	n := hankel(syndromes, len(syndromes)/2).eliminate(len(syndromes) / 2) // its rank is the number of errors
	sigma := prony(syndromes, n)
	if sigma == nil {
		return nil
	}
	var roots []int
	for _, i := range l.points {
		if evaluate(sigma, byte(i)) == 0 {
			roots = append(roots, i)
		}
	}
	if len(roots) != n {
		return nil
	}
	return roots
}

// syndromes returns those of one column, over the shards that are there.
func (l *locator) syndromes(k int) []byte {
	s := make([]byte, len(l.points)-l.data)
	for _, i := range l.points {
		u := l.weights[i]
		for _, other := range l.points {
			if other != i {
				u = Mul(u, Add(byte(i), byte(other)))
			}
		}
		term := Mul(Inv(u), l.shards[i][k])
		for m := range s {
			s[m] ^= term
			term = Mul(term, byte(i))
		}
	}
	return s
}

// hankel returns n rows of successive syndromes, and one column more:
//
//	| S0  S1  .. | Sn   |
//	| S1  S2  .. | Sn+1 |
//	| ..         | ..   |
func hankel(s []byte, n int) Matrix {
	m := NewMatrix(n, n+1)
	for i, row := range m {
		copy(row, s[i:])
	}
	return m
}

// prony returns the polynomial of degree n with leading coefficient 1, lowest
// first, that the first 2n syndromes obey, nil if there is not exactly one. The
// columns of the Hankel matrix, times its coefficients, add up to zero.
func prony(s []byte, n int) []byte {
	system := hankel(s, n)
	if system.eliminate(n) < n {
		return nil
	}
	sigma := make([]byte, n+1)
	for m, row := range system {
		sigma[m] = row[n]
	}
	sigma[n] = 1
	return sigma
}

// evaluate returns the polynomial's value, by Horner's rule.
func evaluate(p []byte, x byte) byte {
	value := byte(0)
	for i := len(p) - 1; i >= 0; i-- {
		value = Mul(value, x) ^ p[i]
	}
	return value
}

// vandermondeWeights: shard i holds the polynomial's value at i.
func vandermondeWeights(total int) []byte {
	w := make([]byte, total)
	for i := range w {
		w[i] = 1
	}
	return w
}

// cauchyWeights returns by what the polynomial's values are multiplied in the
// code of the Cauchy matrix. Lagrange's formula for the value at a parity's
// point x is
//
//	f(x) = Π_l (x-l) · Σ_j 1/(x-j) · f(j)/Π_{l!=j} (j-l)
//
// over the data's points; and 1/(x-j) is what Cauchy's matrix has.
func cauchyWeights(data, total int) []byte {
	w := make([]byte, total)
	for i := range w {
		w[i] = 1
		for l := range data {
			if l != i {
				w[i] = Mul(w[i], Inv(Add(byte(i), byte(l))))
			}
		}
	}
	return w
}
