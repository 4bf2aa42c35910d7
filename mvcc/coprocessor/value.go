// What a column holds: four types, and NULL.

package coprocessor

import (
	"math"
	"strconv"
	"strings"
)

// Type is the type of a column or an expression.
type Type uint8

const (
	// Null is the type of NULL where nothing says what it would have been; no column
	// has it.
	Null Type = iota
	// Int is 64 bits with a sign.
	Int
	// Float is 64 bits by IEEE 754, and finite: neither NaN nor an infinity is a
	// value, and -0 is 0. So floats are in order, and equal ones are one group.
	Float
	// String is bytes, compared as such; in LIKE they are taken for UTF-8.
	String
	// Bool is FALSE below TRUE.
	Bool
)

func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "type " + strconv.Itoa(int(t))
}

var typeNames = [...]string{"null", "int", "float", "string", "bool"}

// Value is one value on its way in or out: of a row, a literal, or a result. The zero
// value is NULL. Values may be compared with ==. Within the package values are in
// vectors, a column at a time.
type Value struct {
	Type  Type
	Int   int64 // of Int; of Bool 0 or 1
	Float float64
	Str   string
}

// IntValue is an int.
func IntValue(n int64) Value { return Value{Type: Int, Int: n} }

// FloatValue is a float.
func FloatValue(f float64) Value { return Value{Type: Float, Float: f + 0} }

// StringValue is a string.
func StringValue(s string) Value { return Value{Type: String, Str: s} }

// BoolValue is a bool.
func BoolValue(b bool) Value {
	v := Value{Type: Bool}
	if b {
		v.Int = 1
	}
	return v
}

// IsNull reports whether the value is NULL.
func (v Value) IsNull() bool { return v.Type == Null }

// Any is the value as Go has it: nil, int64, float64, string or bool.
func (v Value) Any() any {
	switch v.Type {
	case Int:
		return v.Int
	case Float:
		return v.Float
	case String:
		return v.Str
	case Bool:
		return v.Int != 0
	}
	return nil
}

// String is the value as a query's text has it.
func (v Value) String() string {
	switch v.Type {
	case Int:
		return strconv.FormatInt(v.Int, 10)
	case Float:
		s := strconv.FormatFloat(v.Float, 'g', -1, 64)
		if !strings.ContainsAny(s, ".eIN") {
			s += ".0"
		}
		return s
	case String:
		return "'" + strings.ReplaceAll(v.Str, "'", "''") + "'"
	case Bool:
		if v.Int != 0 {
			return "TRUE"
		}
		return "FALSE"
	}
	return "NULL"
}

// finite reports whether a float is a value.
func finite(f float64) bool {
	const exponent = 0x7ff << 52
	return math.Float64bits(f)&exponent != exponent
}
