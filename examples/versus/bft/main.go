// Command bft sets package bft beside CometBFT, the production engine that its formats are those of.
//
//	go -C examples/versus/bft run .                     all of it, in about three minutes
//	go -C examples/versus/bft run . -only signbytes     tables whose cells match
//	go -C examples/versus/bft run . -rounds 7 -time 1s -out results
//	go -C examples/versus/bft test .                    both give the same answers
//
// Tables, each with the file that makes it:
//
//	signbytes  the bytes that a vote's signature is over     primitives.go
//	merkle     the root over many leaves                     primitives.go
//	rotation   whose turn it is next                         primitives.go
//	commit     a commit, as a light client verifies it       primitives.go
//	empty      four nodes, empty blocks                      consensus.go
//	saturated  four nodes, as many transactions as they take  consensus.go
//
// consensus_ours.go and consensus_comet.go drive the contenders; convert.go says what each calls the other's things; goals.go names what
// was promised. The tests compare answers, not speed.
package main

import (
	"context"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/internal/versus"
)

func main() { program.Main() }

var program = &versus.Program{
	Command: "go -C examples/versus/bft run .",
	Rounds:  3, Length: 200 * time.Millisecond, QuickLength: 20 * time.Millisecond,
	Temp: true,
	Measure: func(ctx context.Context, s *versus.Session) error {
		for _, t := range tables(s) {
			if err := t.measure(ctx, s); err != nil {
				return err
			}
		}
		return nil
	},
}

func tables(s *versus.Session) []table {
	all := []table{signBytesTable(), merkleTable(), rotationTable(), commitTable(), emptyTable(s), saturatedTable(s)}
	for _, t := range all {
		for i := range t.Goals {
			if t.Goals[i].Cells == nil { // it holds in all cells of its table
				t.Goals[i].Cells = t.Cells
			}
		}
	}
	return all
}

// table is one comparison.
type table struct {
	versus.Table
	limits []limit
}

func (t *table) measure(ctx context.Context, s *versus.Session) error {
	report, err := s.Measure(ctx, &t.Table)
	if report == nil || err != nil {
		return err
	}
	writeLimits(s.Out, report, t.limits)
	_, err = fmt.Fprintln(s.Out)
	return err
}
