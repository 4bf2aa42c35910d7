package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
)

// A height as a message diagram, drawn from what the validators say of themselves. Each row is a message: o is who signs it,
// < and > are who has counted it before deciding; or something that happened to those under whom there is a sign. At the end are lines
// of Algorithm 1: the condition, and what is done by it.
//
//	    ms  v1         v2         v3         v4         height 36
//	   0.4  o---------->---------->---------->  propose 56ae1e25         L11-19
//	   2.1  <----------o---------->---------->  prevote 56ae1e25         L22-24

// A bftRow is a message or a mark.
type bftRow struct {
	at      time.Time
	from    int // -1: a mark
	reached [bftValidators]bool
	sign    byte
	text    string
	line    uint8
}

// bftSaid is what a message is known by.
type bftSaid struct {
	who   types.Address
	round types.Round
	kind  types.VoteType // 0: a proposal
	value types.ValueID
}

const (
	bftFirst  = 8  // the column of v1
	bftSpread = 11 // from one to the next
)

// diagram draws a height.
func (w *bftWatch) diagram(h types.Height, c *bftChain) string {
	events := w.at(h)
	rows := bftRows(events, c)
	if len(rows) == 0 {
		return ""
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%*s", -bftFirst, "    ms")
	for i := range events {
		name := fmt.Sprintf("v%d", i+1)
		if len(events[i]) == 0 {
			name += " down"
		}
		fmt.Fprintf(&out, "%*s", -bftSpread, name)
	}
	fmt.Fprintf(&out, "height %d", h)
	begin := rows[0].at
	for _, all := range events {
		for _, e := range all {
			if e.Time.Before(begin) {
				begin = e.Time
			}
		}
	}
	for _, r := range rows {
		row := fmt.Sprintf("%6.1f  %s%-25s%s", float64(r.at.Sub(begin).Microseconds())/1000, r.draw(events), r.text, bftLine(r.line))
		out.WriteString("\n" + strings.TrimRight(row, " "))
	}
	return out.String()
}

// bftLine is a line of Algorithm 1 with the one where its condition stands.
func bftLine(line uint8) string {
	if line == 0 {
		return ""
	}
	upon := uint8(11)
	for _, u := range []uint8{22, 28, 34, 36, 44, 47, 49, 55, 57, 61, 65} {
		if u <= line {
			upon = u
		}
	}
	if upon == line {
		return fmt.Sprintf("L%d", line)
	}
	return fmt.Sprintf("L%d-%d", upon, line)
}

// draw is the row's lifelines, and the arrows between them.
func (r *bftRow) draw(events [bftValidators][]bft.Event) string {
	line := bytes.Repeat([]byte{' '}, bftSpread*(bftValidators-1)+3)
	for i := range events {
		if len(events[i]) > 0 {
			line[i*bftSpread] = '|'
		}
	}
	if r.from < 0 {
		for i, there := range r.reached {
			if there {
				line[i*bftSpread] = r.sign
			}
		}
		return string(line)
	}
	for i, there := range r.reached {
		if !there || i == r.from {
			continue
		}
		for at := min(i, r.from) * bftSpread; at < max(i, r.from)*bftSpread; at++ {
			if line[at] == ' ' {
				line[at] = '-'
			}
		}
		line[i*bftSpread] = '>'
		if i < r.from {
			line[i*bftSpread] = '<'
		}
	}
	line[r.from*bftSpread] = r.sign
	return string(line)
}

// bftRows are a height's messages and marks, in the order of time.
func bftRows(events [bftValidators][]bft.Event, c *bftChain) (rows []*bftRow) {
	messages := map[bftSaid]*bftRow{}
	message := func(i int, e bft.Event, said bftSaid, sign byte) *bftRow {
		m := messages[said]
		if m == nil {
			m = &bftRow{at: e.Time, from: i, sign: sign, text: said.text()}
			messages[said] = m
			rows = append(rows, m)
		}
		if e.Time.Before(m.at) {
			m.at = e.Time
		}
		return m
	}
	for i, all := range events { // first what was signed here: the rest of the messages is the twin's
		for _, e := range all {
			if e.Kind == bft.EventSigned {
				message(i, e, bftSaid{c.address(i), e.Round, e.Type, e.Value}, 'o').line = e.Line
			}
		}
	}
	for i, all := range events {
		for _, e := range all {
			if e.Kind != bft.EventVote && e.Kind != bft.EventProposal {
				continue
			}
			if from, ok := c.number(e.Who); ok {
				message(from, e, bftSaid{e.Who, e.Round, e.Type, e.Value}, '*').reached[i] = true
			}
		}
	}
	for _, m := range messages {
		if m.sign == '*' {
			m.text += ", its twin"
		}
	}
	rows = append(rows, bftMarks(events, c)...)
	slices.SortStableFunc(rows, func(a, b *bftRow) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.from, b.from))
	})
	return rows
}

// bftMarks are timeouts, evidence and decisions: one row for the same at several validators.
func bftMarks(events [bftValidators][]bft.Event, c *bftChain) (rows []*bftRow) {
	marks := map[string]*bftRow{}
	for i, all := range events {
		for _, e := range all {
			m := bftRow{at: e.Time, from: -1, line: e.Line}
			switch e.Kind {
			case bft.EventTimeout:
				m.sign, m.text = 't', fmt.Sprintf("timeout %v%s", e.Step, inRound(e.Round))
				m.line = map[types.Step]uint8{types.StepPropose: 57, types.StepPrevote: 61, types.StepPrecommit: 65}[e.Step]
			case bft.EventEvidence:
				from, _ := c.number(e.Who)
				m.sign, m.text = '!', fmt.Sprintf("evidence against v%d (K2)", from+1)
			case bft.EventDecided:
				m.sign, m.text = '#', fmt.Sprintf("decide %v%s", e.Value, inRound(e.Round))
			default:
				continue
			}
			if marks[m.text] == nil {
				marks[m.text] = &m
				rows = append(rows, &m)
			}
			same := marks[m.text]
			same.reached[i] = true
			if (e.Kind == bft.EventDecided) == e.Time.After(same.at) { // when the last one decides, and the first one does anything else
				same.at = e.Time
			}
		}
	}
	return rows
}

// text is what is said.
func (s bftSaid) text() string {
	what := "propose"
	if s.kind != 0 {
		what = s.kind.String()
	}
	return fmt.Sprintf("%s %v%s", what, s.value, inRound(s.round))
}

// inRound names all rounds but the first.
func inRound(r types.Round) string {
	if r == 0 {
		return ""
	}
	return fmt.Sprintf(", r%d", r)
}
