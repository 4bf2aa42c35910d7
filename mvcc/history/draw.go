package history

import (
	"fmt"
	"strings"
)

// draw shows an anomaly: each transaction with what it did to the keys that matter, and
// between two of them why the upper one is before the lower one. The line on the left
// leads from the last one back to the first.
//
//	G-single: read skew
//
//	+-> T1  read x [1]; read y []
//	|   |   rw y: T1 read [], and T0 appended 1 behind it
//	|   v
//	|   T0  append x 1; append y 1
//	|   |   wr x: T0 appended 1, and T1 read [1]
//	+---+
func (c *checker) draw(a *Anomaly) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", a.Title())
	keys := map[string]bool{}
	for _, s := range a.Steps {
		keys[s.Key] = true
	}
	width := 0
	for _, s := range a.Steps {
		width = max(width, len(fmt.Sprintf("T%d", s.Txn)))
	}
	for i, s := range a.Steps {
		line, node := "    ", "    "
		if a.Cycle {
			line, node = "|   ", "|   "
			if i == 0 {
				node = "+-> "
			}
		}
		fmt.Fprintf(&b, "%s%-*s  %s\n", node, width, fmt.Sprintf("T%d", s.Txn), c.describeTxn(s.Txn, keys))
		if s.Why == "" {
			continue
		}
		label := s.Why
		if s.Key != "" {
			label = fmt.Sprintf("%s %s: %s", s.Edge, s.Key, s.Why)
		} else if s.Edge != "" {
			label = fmt.Sprintf("%s: %s", s.Edge, s.Why)
		}
		bar := "|"
		if len(a.Steps) == 1 {
			bar = " "
		}
		fmt.Fprintf(&b, "%s%-*s  %s\n", line, width, bar, label)
		switch {
		case i < len(a.Steps)-1:
			fmt.Fprintf(&b, "%sv\n", line)
		case a.Cycle:
			fmt.Fprintf(&b, "+---+\n")
		}
	}
	return b.String()
}

// describeTxn shows what a transaction did, of much only what it did to some keys.
func (c *checker) describeTxn(t int, keys map[string]bool) string {
	const short = 6
	txn := &c.h.Txns[t]
	var parts []string
	left := 0
	for i := range txn.Ops {
		op := &txn.Ops[i]
		if len(txn.Ops) > short && !keys[c.h.keyName(op.Key)] {
			left++
			continue
		}
		list := c.key != nil && c.list[c.key[int(c.first[t])+i]]
		parts = append(parts, c.h.describe(op, list))
	}
	if left > 0 {
		parts = append(parts, fmt.Sprintf("%d more", left))
	}
	text := strings.Join(parts, "; ")
	if txn.Status != OK {
		text += fmt.Sprintf(" (%v)", txn.Status)
	}
	return text
}
