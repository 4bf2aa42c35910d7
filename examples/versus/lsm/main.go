// Command lsm sets package lsm beside the production stores: Pebble, badger,
// goleveldb and, as the contrast, the B+tree bbolt.
//
//	go -C examples/versus/lsm run .                     all of it, in about twenty minutes
//	go -C examples/versus/lsm run . -only 'read/.*'     cells that match
//	go -C examples/versus/lsm run . -quick              does it run?
//
// Tables, each with the file that makes it:
//
//	write, write-1k  fillrandom, overwrite, batches of 1000     write.go
//	read, read-1k    one key, ten keys, an iterator, all keys   read.go
//	ycsb             the mixes A to F                            ycsb.go
//	durable          every write synced, 1, 16 and 64 writers    durable.go
//	child            what needs a process of its own: write      child.go, job.go
//	                 amplification, memory, reopening
//
// store.go is what the workloads need of a contender, store_*.go are the
// contenders, data.go is what is written; goals.go says what was promised.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/flagship-go/flagship/internal/versus"
)

func main() {
	if order := os.Getenv(jobEnv); order != "" {
		os.Exit(runJob(order, os.Stdout))
	}
	program().Main()
}

// session is one run of the program.
type session struct {
	*versus.Session
	keys int
}

func program() *versus.Program {
	var keys int
	return &versus.Program{
		Command: "go -C examples/versus/lsm run .",
		Rounds:  3, Length: 500 * time.Millisecond, QuickLength: 50 * time.Millisecond,
		Temp: true,
		Flags: func(f *flag.FlagSet) {
			f.IntVar(&keys, "keys", 1_000_000, "keys in the store; a quarter of them where values are 1 KiB")
		},
		Measure: func(ctx context.Context, s *versus.Session) error {
			if s.Quick {
				keys = 20_000
			}
			if keys < 1000 {
				return fmt.Errorf("-keys %d: at least 1000", keys)
			}
			o := &session{s, keys}
			for _, t := range tables(o) {
				if _, err := s.Measure(ctx, t); err != nil {
					return err
				}
				fmt.Fprintln(s.Out)
			}
			return childTables(ctx, o)
		},
	}
}

func tables(o *session) []*versus.Table {
	small, large := data{keys: o.keys, value: 100}, data{keys: o.keys / 4, value: 1024}
	return []*versus.Table{
		writeTable(o, "write", small), readTable(o, "read", small),
		writeTable(o, "write-1k", large), readTable(o, "read-1k", large),
		ycsbTable(o, small), durableTable(o),
	}
}

// data says what a store holds.
type data struct{ keys, value int }
