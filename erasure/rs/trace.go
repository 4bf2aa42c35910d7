package rs

import (
	"fmt"
	"strings"
)

// A Step is one step of the arithmetic, as data: a sentence and what it speaks
// of.
type Step struct {
	// Text says what is done, and why it may be.
	Text string
	// Matrix is what it is done with or what came of it; nil for none.
	Matrix Matrix
	// Shards are the numbers of the shards that are the rows of Matrix; nil
	// where rows are not shards.
	Shards []int
}

// String prints the step: the sentence, and the matrix a row a line.
func (s Step) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, s.Text)
	for r, row := range s.Matrix {
		if s.Shards != nil {
			fmt.Fprintf(&b, "  shard %3d", s.Shards[r])
		}
		fmt.Fprintf(&b, "  % 02x\n", row)
	}
	return b.String()
}

// ExplainEncode returns the steps of encoding the first column of the shards:
// the generator, where it comes from, and each parity byte as the sum that it
// is. Nothing is written; missing parity shards are allowed.
func (c *Code) ExplainEncode(shards [][]byte) ([]Step, error) {
	if _, err := c.check(shards, true); err != nil {
		return nil, err
	}
	for i, s := range shards[:c.data] {
		if len(s) == 0 {
			return nil, fmt.Errorf("%w: data shard %d; reconstruct it first", ErrMissing, i)
		}
	}
	steps := c.explainGenerator()
	for i, row := range c.generator[c.data:] {
		steps = append(steps, Step{Text: fmt.Sprintf("Shard %d is its row times the data, in the first column: %s.", c.data+i, product(row, counted(c.data), shards))})
	}
	return steps, nil
}

// explainGenerator shows how the generator was made.
func (c *Code) explainGenerator() []Step {
	all := counted(c.data + c.parity)
	end := Step{
		Text:   "The generator: a row a shard, a column a data shard. The identity on top makes data shards of the data, the rows below are the parity.",
		Matrix: c.Generator(), Shards: all,
	}
	if c.kind != vandermonde {
		return []Step{end}
	}
	return []Step{
		{
			Text:   "The Vandermonde matrix: row r has the powers of r. A row times the data is the value at r of the polynomial with the data as coefficients, and any such values as many as coefficients determine it.",
			Matrix: Vandermonde(len(all), c.data), Shards: all,
		},
		{
			Text: fmt.Sprintf("It is multiplied by the inverse of its top %d rows, which are of different points and so invertible. Rows that could be inverted before can be after, and the top becomes the identity.", c.data),
		},
		end,
	}
}

// ExplainReconstruct returns the steps of reconstructing the shards that are
// missing, in their first column: rows struck out, rows chosen, why these are
// invertible, the inverse, and each byte as the sum that it is. Nothing is
// written.
func (c *Code) ExplainReconstruct(shards [][]byte) ([]Step, error) {
	if _, err := c.check(shards, true); err != nil {
		return nil, err
	}
	var present set
	var lost []int
	for i, s := range shards {
		if len(s) > 0 {
			present.add(i)
		} else {
			lost = append(lost, i)
		}
	}
	from, err := c.survivors(&present)
	if err != nil {
		return nil, err
	}
	inverse, err := c.generator.pick(from).Invert()
	if err != nil {
		return nil, err
	}
	steps := append(c.explainGenerator(),
		Step{Text: fmt.Sprintf("The rows of the missing shards are struck out: %s.", list(lost))},
		Step{
			Text:   fmt.Sprintf("Of the rows that are left the first %d that can be inverted: %s. They turned the data into these shards. %s", c.data, list(from), c.whyInvertible()),
			Matrix: c.generator.pick(from).Clone(), Shards: from,
		},
		Step{Text: fmt.Sprintf("Their inverse turns shards %s into the data shards.", list(from)), Matrix: inverse, Shards: counted(c.data)},
	)
	if len(lost) == 0 {
		return steps, nil
	}
	rows := c.generator.pick(lost).Mul(inverse)
	steps = append(steps, Step{
		Text:   "The rows of the missing shards times the inverse: for a data shard that is its row of the inverse, for a parity shard it encodes what is decoded, in one multiplication.",
		Matrix: rows, Shards: lost,
	})
	for i, row := range rows {
		steps = append(steps, Step{Text: fmt.Sprintf("Shard %d in the first column: %s.", lost[i], product(row, from, shards))})
	}
	return steps, nil
}

func (c *Code) whyInvertible() string {
	switch c.kind {
	case vandermonde:
		return "They are invertible, because they are the values of a polynomial at as many different points as it has coefficients: the determinant of those rows of the Vandermonde matrix is the product of the differences of their numbers, and no difference is zero."
	case cauchy:
		return "They are invertible: the rows of the identity strike out columns, and of what is left, a square of Cauchy's matrix, the determinant is a quotient of products of differences of row and column numbers, and no difference is zero."
	}
	return "They are invertible: elimination found a pivot in each."
}

// product writes a row times shards as a sum, with its result.
func product(row []byte, from []int, shards [][]byte) string {
	var terms []string
	sum := byte(0)
	for i, a := range row {
		b := shards[from[i]][0]
		terms = append(terms, fmt.Sprintf("%02x·%02x", a, b))
		sum ^= Mul(a, b)
	}
	return fmt.Sprintf("%s = %02x", strings.Join(terms, " + "), sum)
}

func counted(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func list(numbers []int) string {
	if len(numbers) == 0 {
		return "none"
	}
	return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]")
}
