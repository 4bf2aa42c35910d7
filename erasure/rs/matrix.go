package rs

import (
	"errors"
	"fmt"
	"strings"
)

// ErrSingular says that a matrix has no inverse.
var ErrSingular = errors.New("rs: matrix is singular")

// Matrix is a rectangle of field elements, row by row.
type Matrix [][]byte

// NewMatrix returns a matrix of zeros.
func NewMatrix(rows, columns int) Matrix {
	m := make(Matrix, rows)
	cells := make([]byte, rows*columns)
	for r := range m {
		m[r] = cells[r*columns : (r+1)*columns : (r+1)*columns]
	}
	return m
}

// Identity returns the matrix that changes nothing.
func Identity(n int) Matrix {
	m := NewMatrix(n, n)
	for i := range m {
		m[i][i] = 1
	}
	return m
}

// Vandermonde returns the matrix of powers: row r holds r^0, r^1, r^2, ...
// Multiplied by the coefficients of a polynomial, it gives the polynomial's
// values at 0, 1, 2, ... Any square of its rows is invertible, because the
// values at as many points as there are coefficients determine a polynomial.
func Vandermonde(rows, columns int) Matrix {
	m := NewMatrix(rows, columns)
	for r := range m {
		for c := range m[r] {
			m[r][c] = Exp(byte(r), c)
		}
	}
	return m
}

// Systematic turns a matrix of which any square of rows is invertible into one
// that begins with the identity and still has that property: it multiplies by
// the inverse of the top square. To forget this step and write the identity
// over the top rows looks alike, and loses data.
func (m Matrix) Systematic() (Matrix, error) {
	inverse, err := m[:m.columns()].Invert()
	if err != nil {
		return nil, fmt.Errorf("the top square: %w", err)
	}
	return m.Mul(inverse), nil
}

// Cauchy returns the identity over the matrix of 1/(r+c), r being the number of
// the row and c that of the column. Rows and columns of the lower part have
// different numbers, so nothing is divided by zero, and every square
// submatrix of it, of any size, is invertible.
func Cauchy(rows, columns int) Matrix {
	m := NewMatrix(rows, columns)
	for r := range m {
		for c := range m[r] {
			switch {
			case r >= columns:
				m[r][c] = Inv(Add(byte(r), byte(c)))
			case r == c:
				m[r][c] = 1
			}
		}
	}
	return m
}

func (m Matrix) columns() int {
	if len(m) == 0 {
		return 0
	}
	return len(m[0])
}

// Mul returns the product m·n.
func (m Matrix) Mul(n Matrix) Matrix {
	product := NewMatrix(len(m), n.columns())
	for r, row := range product {
		for i, a := range m[r] {
			addRow(row, n[i], a)
		}
	}
	return product
}

// Invert returns the inverse, by Gauss and Jordan: the matrix is turned into
// the identity by operations on rows, and the same operations turn the identity
// into the inverse. m is not changed.
func (m Matrix) Invert() (Matrix, error) {
	n := len(m)
	work := NewMatrix(n, 2*n) // [ m | 1 ]
	for r := range work {
		if len(m[r]) != n {
			return nil, fmt.Errorf("rs: a matrix of %d rows and %d columns has no inverse; it must be square", n, len(m[r]))
		}
		copy(work[r], m[r])
		work[r][n+r] = 1
	}
	if rank := work.eliminate(n); rank < n {
		return nil, fmt.Errorf("%w: rank %d of %d", ErrSingular, rank, n)
	}
	for r := range work { // [ 1 | inverse ]
		work[r] = work[r][n:]
	}
	return work, nil
}

// eliminate brings the first columns into reduced row echelon form in place:
// each row begins with a 1 that is alone in its column. It returns how many
// rows do, the rank.
func (m Matrix) eliminate(columns int) (rank int) {
	for c := 0; c < columns && rank < len(m); c++ {
		pivot := rank
		for pivot < len(m) && m[pivot][c] == 0 {
			pivot++
		}
		if pivot == len(m) {
			continue
		}
		m[rank], m[pivot] = m[pivot], m[rank]
		scaleRow(m[rank], Inv(m[rank][c]))
		for r := range m {
			if r != rank {
				addRow(m[r], m[rank], m[r][c])
			}
		}
		rank++
	}
	return rank
}

func scaleRow(row []byte, a byte) {
	products := &field().mul[a]
	for i, b := range row {
		row[i] = products[b]
	}
}

// addRow adds a times src to dst.
func addRow(dst, src []byte, a byte) {
	if a == 0 {
		return
	}
	products := &field().mul[a]
	for i, b := range src {
		dst[i] ^= products[b]
	}
}

// String prints the matrix in hexadecimal, a line a row.
func (m Matrix) String() string {
	var b strings.Builder
	for _, row := range m {
		fmt.Fprintf(&b, "% 02x\n", row)
	}
	return b.String()
}

// Clone returns a copy that shares nothing.
func (m Matrix) Clone() Matrix {
	c := NewMatrix(len(m), m.columns())
	for r := range c {
		copy(c[r], m[r])
	}
	return c
}
