package history

import "fmt"

// Name names an anomaly, as Adya's thesis does ("Weak Consistency: A Generalized Theory
// and Optimistic Implementations for Distributed Transactions", 1999), or the people who
// met it.
type Name string

const (
	// Garbage is a read of what nobody wrote.
	Garbage Name = "garbage read"
	// Duplicate is a list with an element twice that was appended once.
	Duplicate Name = "duplicate element"
	// Incompatible is two reads of a list of which neither begins the other: it has had
	// two orders.
	Incompatible Name = "incompatible orders"
	// G0 is a cycle of writes: of two transactions each wrote over the other.
	G0 Name = "G0: dirty write"
	// G1a is a read of what a failed transaction wrote.
	G1a Name = "G1a: aborted read"
	// G1b is a read of what its writer wrote over.
	G1b Name = "G1b: intermediate read"
	// G1c is a cycle of writes and reads: of two transactions each saw the other.
	G1c Name = "G1c: circular information flow"
	// Internal is a transaction that does not read what it has written, or reads a key
	// twice and finds two values.
	Internal Name = "internal inconsistency"
	// LostUpdate is two transactions that read the same version and both wrote over it.
	LostUpdate Name = "lost update"
	// GSingle is a cycle with one anti-dependency: a transaction saw a part of another,
	// and missed a part.
	GSingle Name = "G-single: read skew"
	// LongFork is a cycle with more of them, no two in a row: readers do not agree in what
	// order others committed. (Also called G-nonadjacent.)
	LongFork Name = "long fork"
	// G2Item is a cycle with two anti-dependencies in a row: each missed what another wrote.
	G2Item Name = "G2-item: write skew"
	// G2 is the same, with a scan that missed a key.
	G2 Name = "G2: phantom"
	// WrongTotal is a snapshot in which money is missing, or there is too much of it.
	WrongTotal Name = "wrong total"
)

// Level is an isolation level: what is not to happen.
type Level uint8

const (
	ReadUncommitted Level = iota
	ReadCommitted
	SnapshotIsolation
	Serializable
	StrictSerializable
)

func (l Level) String() string {
	return [...]string{"read uncommitted", "read committed", "snapshot isolation", "serializable", "strict serializable"}[l]
}

// broken is the weakest level at which an anomaly must not happen.
func (n Name) broken() Level {
	switch n {
	case Garbage, Duplicate, Incompatible, G0:
		return ReadUncommitted
	case G1a, G1b, G1c:
		return ReadCommitted
	case G2Item, G2:
		return Serializable
	}
	return SnapshotIsolation
}

// Step is a transaction of an anomaly, and why it is before the one of the next step, or,
// of the last step, before the first one.
type Step struct {
	Txn  int
	Edge string // ww, wr, rw, rw (scan), real time
	Key  string
	Why  string
}

// Anomaly is something that the history shows and should not.
type Anomaly struct {
	Name Name
	// RealTime says that it is one only because some transactions had ended before others
	// began.
	RealTime bool
	// Cycle says that the last step leads back to the first one.
	Cycle bool
	Steps []Step
	// Text is a drawing of it.
	Text string
}

// Breaks reports whether the anomaly must not happen at a level.
func (a *Anomaly) Breaks(l Level) bool {
	if a.RealTime {
		return l >= StrictSerializable
	}
	return l >= a.Name.broken()
}

// Title is the name, and that it is one in real time only, if so.
func (a *Anomaly) Title() string {
	if a.RealTime {
		return string(a.Name) + ", in real time"
	}
	return string(a.Name)
}

// Options configure Check. The zero value looks for what breaks serializability.
type Options struct {
	// RealTime also takes a transaction that ended before another began for before it.
	RealTime bool
	// Limit is how many anomalies of a name are described. Default 8.
	Limit int
}

// Result is what Check has found.
type Result struct {
	// Anomalies are in the order in which they were found, at most Limit of a name. Of
	// transactions that are all entangled with each other the worst cycle is described.
	Anomalies []Anomaly
	// Count is how many there are of each name.
	Count map[Name]int
	// Edges is how many reasons for one transaction to be before another were found. A
	// history without any proves nothing.
	Edges int
}

// Breaks returns the anomalies that must not happen at a level.
func (r *Result) Breaks(l Level) []Anomaly {
	var out []Anomaly
	for _, a := range r.Anomalies {
		if a.Breaks(l) {
			out = append(out, a)
		}
	}
	return out
}

// Check looks for anomalies. It fails for a history that cannot be checked: if a value is
// written twice to a key, is 0, or if a key is a list here and a register there. It takes
// time and memory in proportion to operations and list elements, about.
func Check(h *History, o *Options) (*Result, error) {
	c := &checker{h: h, pairs: map[[2]int32]bool{}}
	if o != nil {
		c.o = *o
	}
	if c.o.Limit <= 0 {
		c.o.Limit = 8
	}
	c.result.Count = map[Name]int{}
	if err := c.index(); err != nil {
		return nil, err
	}
	c.reads = make([]read, 0, len(c.key)-len(c.writes))
	c.follow()
	c.orderLists()
	c.readRegisters()
	// From here on it is known who is committed.
	c.edges.grow(2*len(c.reads) + len(c.writes))
	c.linkLists()
	c.linkRegisters()
	c.lostUpdates()
	nodes := len(h.Txns)
	if c.o.RealTime {
		nodes = c.linkTime()
	}
	c.result.Edges = len(c.edges.from)
	c.search(c.edges.graph(nodes))
	return &c.result, nil
}

func (c *checker) keyName(k int32) string { return c.h.keyName(c.names[k]) }

// report adds an anomaly, and draws it.
func (c *checker) report(a Anomaly) {
	c.result.Count[a.Name]++
	if c.result.Count[a.Name] > c.o.Limit {
		return
	}
	a.Text = c.draw(&a)
	c.result.Anomalies = append(c.result.Anomalies, a)
}

// lostUpdates finds pairs of transactions that read the same version of a key and both
// wrote the key. Whichever wrote first, the other missed it; so this needs no order of
// versions, which of registers is often not known.
func (c *checker) lostUpdates() {
	first := make([][]int32, len(c.names)) // of each key and version, 1 + the read that was first
	for i := range c.reads {
		r := &c.reads[i]
		if r.n == garbage || c.finalWrite(r.txn, r.key) < 0 {
			continue
		}
		at := int(r.n)
		if !c.list[r.key] {
			at = max(0, int(r.n-c.start[r.key])+1)
		}
		f := &first[r.key]
		for len(*f) <= at {
			*f = append(*f, 0)
		}
		other := (*f)[at]
		if other == 0 {
			(*f)[at] = int32(i + 1)
			continue
		}
		c.lostUpdate(&c.reads[other-1], r)
	}
}

func (c *checker) lostUpdate(a, b *read) {
	if c.list[a.key] && !samePrefix(c.seenList(a), c.seenList(b)) {
		return // incompatible orders, which are reported
	}
	c.pairs[[2]int32{a.txn, b.txn}] = true
	missed := func(r, by *read) Step {
		op := c.readOp(r)
		w := c.writes[c.finalWrite(by.txn, by.key)]
		verb, found := "wrote", fmt.Sprint(op.Value)
		if op.Value == 0 {
			found = "nil"
		}
		if c.list[r.key] {
			verb, found = "appended", showList(c.seenList(r))
		}
		return Step{Txn: int(r.txn), Edge: rw.String(), Key: c.keyName(r.key),
			Why: fmt.Sprintf("T%d read %s, and not the %d that T%d %s", r.txn, found, w.value, by.txn, verb)}
	}
	c.report(Anomaly{Name: LostUpdate, Cycle: true, Steps: []Step{missed(a, b), missed(b, a)}})
}
