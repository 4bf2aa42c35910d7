// Expressions: one kind of node, for what was parsed and for what was checked.
//
// The language is SQL's, with its three-valued logic: an operation on NULL is NULL,
// except that
//
//	AND     TRUE  FALSE NULL      OR      TRUE  FALSE NULL      x IS NULL is never NULL
//	TRUE    TRUE  FALSE NULL      TRUE    TRUE  TRUE  TRUE      x IN (a, b) is x = a OR x = b
//	FALSE   FALSE FALSE FALSE     FALSE   TRUE  FALSE NULL
//	NULL    NULL  FALSE NULL      NULL    TRUE  NULL  NULL
//
// and WHERE and HAVING keep what is TRUE. AND and OR look at the right side only if the
// left one does not decide; so `b <> 0 AND a / b > 2` is safe, and stays so when it is
// done for a thousand rows at once.
//
// An int beside a float becomes a float, which above 2^53 is not exact. Overflow and
// division by zero are errors, as in PostgreSQL and unlike SQLite, which makes NULL of
// one and a float of the other: a sum that is silently short is worse than none.

package coprocessor

// Op is what a node of an expression does.
type Op uint8

const (
	OpLiteral Op = iota
	OpColumn
	// opResult is a column of the groups: a group key or an aggregate; Args[0] is what
	// it was computed from.
	opResult

	OpOr
	OpAnd
	OpNot
	OpEq
	OpNe
	OpLt
	OpLe
	OpGt
	OpGe
	OpIsNull
	// OpIn has the value and then the literals.
	OpIn
	// OpLike has the string and a literal pattern.
	OpLike
	OpAdd
	OpSub
	OpMul
	OpDiv
	OpMod
	OpNeg
	// opFloat makes a float of an int; the check puts it in.
	opFloat

	// OpCount without Args is count(*).
	OpCount
	OpSum
	OpAvg
	OpMin
	OpMax
	numOps
)

// ops has the sign of each operation, and how tightly it binds; what binds less needs
// parentheses within.
var ops = [numOps]struct {
	name  string
	binds int
}{
	OpLiteral: {"literal", 9}, OpColumn: {"column", 9}, opResult: {"result", 9},
	OpOr: {"OR", 1}, OpAnd: {"AND", 2}, OpNot: {"NOT", 3},
	OpEq: {"=", 4}, OpNe: {"<>", 4}, OpLt: {"<", 4}, OpLe: {"<=", 4}, OpGt: {">", 4}, OpGe: {">=", 4},
	OpIsNull: {"IS NULL", 4}, OpIn: {"IN", 4}, OpLike: {"LIKE", 4},
	OpAdd: {"+", 5}, OpSub: {"-", 5}, OpMul: {"*", 6}, OpDiv: {"/", 6}, OpMod: {"%", 6}, OpNeg: {"-", 7},
	opFloat: {"float", 9},
	OpCount: {"count", 9}, OpSum: {"sum", 9}, OpAvg: {"avg", 9}, OpMin: {"min", 9}, OpMax: {"max", 9},
}

// String is the operation as a query's text has it.
func (op Op) String() string {
	if op < numOps {
		return ops[op].name
	}
	return "unknown"
}

// arity is how many Args an operation may have.
func (op Op) arity() (least, most int) {
	switch op {
	case OpLiteral, OpColumn:
		return 0, 0
	case OpCount:
		return 0, 1
	case opResult, OpNot, OpIsNull, OpNeg, opFloat, OpSum, OpAvg, OpMin, OpMax:
		return 1, 1
	case OpIn:
		return 2, 1 << 30
	}
	return 2, 2
}

func (op Op) aggregate() bool { return op >= OpCount && op <= OpMax }
func (op Op) compares() bool  { return op >= OpEq && op <= OpGe }
func (op Op) computes() bool  { return op >= OpAdd && op <= OpMod }

// Expr is a node of an expression. [Parse] makes them, or the functions below.
// What has been given to a query must not be changed.
type Expr struct {
	Op    Op
	Args  []*Expr
	Value Value  // of OpLiteral
	Name  string // of OpColumn
	Pos   int    // where it is in the text, from 1; 0 if there is none

	// A plan has expressions that were checked. They know their type, and which
	// column of their input a name is.
	typ   Type
	index int
}

// Type is the type of the result, in an expression of a [Plan].
func (e *Expr) Type() Type { return e.typ }

// Col is the column of that name.
func Col(name string) *Expr { return &Expr{Op: OpColumn, Name: name} }

// Lit is a literal.
func Lit(v Value) *Expr { return &Expr{Op: OpLiteral, Value: v} }

// Do is an operation on expressions.
func Do(op Op, args ...*Expr) *Expr { return &Expr{Op: op, Args: args} }

// any reports whether f is true of a node of the expression.
func (e *Expr) any(f func(*Expr) bool) bool {
	if f(e) {
		return true
	}
	for _, a := range e.Args {
		if a.any(f) {
			return true
		}
	}
	return false
}

// same reports whether two checked expressions compute the same from the same input.
func (e *Expr) same(o *Expr) bool {
	if e.Op != o.Op || e.typ != o.typ || e.index != o.index || e.Value != o.Value || len(e.Args) != len(o.Args) {
		return false
	}
	for i := range e.Args {
		if !e.Args[i].same(o.Args[i]) {
			return false
		}
	}
	return true
}
