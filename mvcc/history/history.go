// The vocabulary: what clients did and saw.

package history

import (
	"fmt"
	"strconv"
)

// Kind is what an operation does.
type Kind uint8

const (
	// Read reads a register, or a list.
	Read Kind = iota
	// Append puts a value at the end of a list.
	Append
	// Write sets a register.
	Write
)

// Op is one operation of a transaction. A key is a register or a list, by whether it is
// written or appended to.
type Op struct {
	Kind Kind
	// Scan says of a read that it was found in a range: also that nothing is there. What
	// such a read misses is a phantom.
	Scan bool
	Key  int
	// Value is what is appended or written, which is never 0 and never the same twice
	// for a key; or what a read of a register found, 0 for nothing: that is before all
	// writes, so who deletes writes a value of his own for it.
	Value int
	// List is what a read of a list found. The checker reads it only.
	List []int
}

// Status is how a transaction ended.
type Status uint8

const (
	// OK is committed.
	OK Status = iota
	// Failed is certainly not committed: nobody may see what it wrote.
	Failed
	// Unknown is anything: if somebody sees what it wrote, it is committed. What it read
	// counts for nothing.
	Unknown
)

func (s Status) String() string { return [...]string{"ok", "failed", "unknown"}[s] }

// Txn is a transaction as its client saw it. Start and End order it in real time: it
// began and ended with the events of these numbers. End counts for nothing if the status
// is Unknown.
type Txn struct {
	Ops        []Op
	Status     Status
	Start, End int
}

// History is all transactions, of all clients, in any order. In results each has its
// place in Txns for a name, as in T0.
type History struct {
	Txns []Txn
	// KeyName names keys in results. Default: their number.
	KeyName func(key int) string
}

func (h *History) keyName(key int) string {
	if h.KeyName == nil {
		return strconv.Itoa(key)
	}
	return h.KeyName(key)
}

// describe shows an operation, as results do and Parse reads it.
func (h *History) describe(op *Op, list bool) string {
	key := h.keyName(op.Key)
	verb := "read"
	if op.Scan {
		verb = "scan"
	}
	switch {
	case op.Kind == Append:
		return fmt.Sprintf("append %s %d", key, op.Value)
	case op.Kind == Write:
		return fmt.Sprintf("write %s %d", key, op.Value)
	case list:
		return fmt.Sprintf("%s %s %s", verb, key, showList(op.List))
	case op.Value == 0:
		return fmt.Sprintf("%s %s nil", verb, key)
	}
	return fmt.Sprintf("%s %s %d", verb, key, op.Value)
}

// showList shows a list, and of a long one both ends.
func showList(list []int) string {
	const head, tail = 4, 8
	if len(list) <= head+tail+1 {
		return fmt.Sprint(list)
	}
	first, last := fmt.Sprint(list[:head]), fmt.Sprint(list[len(list)-tail:])
	return fmt.Sprintf("%s ...%d more... %s", first[:len(first)-1], len(list)-head-tail, last[1:])
}
