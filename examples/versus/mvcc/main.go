// Command mvcc sets package mvcc beside stores with transactions: badger in memory and on
// disk, etcd's versioned store, go-memdb, SQLite, and TiKV's own client on the store that it
// is tested with; and its clock beside CockroachDB's.
//
//	go -C examples/versus/mvcc run .                    all of it
//	go -C examples/versus/mvcc run . -only 'bank/.*'    cells that match
//	go -C examples/versus/mvcc run . -quick             does it run?
//
// Tables, each with the file that makes it:
//
//	get, get-short, scan        one key of many versions, all keys     reads.go
//	update, update-2pc, mixed   one key is read and written            transactions.go
//	bank, serializable,         an amount goes from one account to
//	contended                   another, of many or of few             transactions.go
//	gc, gc-foreground           old versions are removed               collection.go
//	pushdown                    queries over a million rows            pushdown.go
//	clock                       hybrid logical clocks                  clocks.go
//
// store.go is what the workloads need of a contender, store_*.go are the contenders,
// data.go is what is written; goals.go says how promises are made.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/internal/versus"
)

func main() { program().Main() }

// session is one run of the program.
type session struct {
	*versus.Session
	accounts, rows int
	attempts       attempts
	bases          bases
	million        *million
}

func program() *versus.Program {
	var accounts, rows int
	return &versus.Program{
		Command: "go -C examples/versus/mvcc run .",
		Rounds:  3, Length: 500 * time.Millisecond, QuickLength: 30 * time.Millisecond,
		Temp: true,
		Flags: func(f *flag.FlagSet) {
			f.IntVar(&accounts, "accounts", 10_000, "keys in the store, where there are many")
			f.IntVar(&rows, "rows", 1_000_000, "rows that queries go over")
		},
		Measure: func(ctx context.Context, s *versus.Session) error {
			if s.Quick {
				accounts, rows = 200, 5_000
			}
			if accounts < 100 || rows < 1000 {
				return fmt.Errorf("-accounts %d, -rows %d: at least 100 and 1000", accounts, rows)
			}
			o := &session{Session: s, accounts: accounts, rows: rows, bases: bases{}}
			err := o.measure(ctx)
			return errors.Join(err, o.bases.close(), o.million.close())
		},
	}
}

func (o *session) measure(ctx context.Context) error {
	for _, make := range []func(*session) *versus.Table{
		getTable, getShortTable, scanTable, updateTable, update2Table, mixedTable, bankTable, serialTable, contendedTable,
		gcTable, gcForegroundTable, pushdownTable, func(*session) *versus.Table { return clockTable() },
	} {
		t := make(o)
		report, err := o.Measure(ctx, t)
		if err != nil {
			return err
		}
		if report == nil {
			continue
		}
		fmt.Fprintln(o.Out)
		if t.Name == "get" {
			ownGoals(o.Out, report)
		}
		if err := o.bases.close(); err != nil {
			return err
		}
	}
	o.attempts.write(o.Out)
	return nil
}
