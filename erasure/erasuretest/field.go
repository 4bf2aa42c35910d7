package erasuretest

import (
	"fmt"
	"testing"
)

// FieldOps is a field of 256 elements under test.
type FieldOps struct {
	Add, Mul, Div func(a, b byte) byte
	Inv           func(a byte) byte
}

// Field grades a field by its axioms, for all elements, pairs and triples, and
// by the polynomial 0x11d. A broken one prints RULE field-<axiom>.
func Field(t *testing.T, f FieldOps) {
	t.Helper()
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
}

func (f *FieldOps) check() error {
	for x := range 256 {
		a := byte(x)
		if got := f.Mul(a, 1); got != a {
			return fmt.Errorf("RULE field-one: %02x·1 = %02x", a, got)
		}
		if got := f.Add(a, 0); got != a {
			return fmt.Errorf("RULE field-zero: %02x+0 = %02x", a, got)
		}
		if got := f.Add(a, a); got != 0 {
			return fmt.Errorf("RULE field-negative: %02x+%02x = %02x", a, a, got)
		}
		if a != 0 {
			if got := f.Mul(a, f.Inv(a)); got != 1 {
				return fmt.Errorf("RULE field-inverse: %02x·1/%02x = %02x", a, a, got)
			}
		}
		for y := range 256 {
			if err := f.pair(a, byte(y)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *FieldOps) pair(a, b byte) error {
	product := f.Mul(a, b)
	switch {
	case product != f.Mul(b, a):
		return fmt.Errorf("RULE field-commutes: %02x·%02x = %02x, %02x·%02x = %02x", a, b, product, b, a, f.Mul(b, a))
	case product != times(a, b):
		return fmt.Errorf("RULE field-polynomial: %02x·%02x = %02x; modulo 0x11d it is %02x", a, b, product, times(a, b))
	case f.Add(a, b) != a^b:
		return fmt.Errorf("RULE field-add: %02x+%02x = %02x", a, b, f.Add(a, b))
	case b != 0 && f.Mul(f.Div(a, b), b) != a:
		return fmt.Errorf("RULE field-divides: %02x/%02x·%02x = %02x", a, b, b, f.Mul(f.Div(a, b), b))
	}
	for z := range 256 {
		c := byte(z)
		if x, y := f.Mul(product, c), f.Mul(a, f.Mul(b, c)); x != y {
			return fmt.Errorf("RULE field-associates: (%02x·%02x)·%02x = %02x, but %02x", a, b, c, x, y)
		}
		if x, y := f.Mul(f.Add(a, b), c), f.Add(f.Mul(a, c), f.Mul(b, c)); x != y {
			return fmt.Errorf("RULE field-distributes: (%02x+%02x)·%02x = %02x, but %02x", a, b, c, x, y)
		}
	}
	return nil
}
