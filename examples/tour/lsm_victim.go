package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"

	"github.com/flagship-go/flagship/lsm"
)

// lsmGroup is how many files the process that is killed puts into one batch.
const lsmGroup = 5

// lsmVictim opens the store in the process that will be killed. It writes the
// files that come in, lsmGroup in one batch, from several goroutines, and prints
// the number of a batch when, and only when, the store has taken it.
func lsmVictim(dir string, in io.Reader, out io.Writer) error {
	db, err := lsm.Open(dir, lsmOptions(lsmLimit))
	if err != nil {
		return err
	}
	type group struct {
		number int
		files  []File
	}
	work := make(chan group)
	var mu sync.Mutex // a number is printed whole
	var wg sync.WaitGroup
	for range lsmWriters {
		wg.Go(func() {
			b := db.NewBatch()
			for g := range work {
				b.Reset()
				for _, f := range g.files {
					b.Put([]byte(f.Name), f.Data)
				}
				err := db.Apply(b)
				mu.Lock()
				if err == nil {
					_, err = fmt.Fprintln(out, g.number)
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1) // nothing to tidy up: it was about to be killed
				}
				mu.Unlock()
			}
		})
	}
	g := group{}
	for f, err := range readCommands(in) {
		if err != nil {
			break // the other process is gone
		}
		if g.files = append(g.files, f); len(g.files) == lsmGroup {
			work <- g
			g = group{number: g.number + 1}
		}
	}
	close(work)
	wg.Wait()
	return db.Close()
}

// killLSMMidway lets a victim write files to the store in dir, and kills it when
// half of the batches are acknowledged. It returns which were. The first time it
// has an acknowledgement in hand it calls there: the victim has the store then.
func killLSMMidway(ctx context.Context, dir string, files []File, there func(), progress func(batches, of int)) (acked []bool, err error) {
	acked = make([]bool, len(files)/lsmGroup)
	files = files[:len(acked)*lsmGroup]
	lines, err := killMidway(ctx, "lsm", dir, func(in io.Writer) error { return writeCommands(in, files) }, len(acked)/2, func(n int) {
		if n == 1 {
			there()
		}
		progress(n, len(acked))
	})
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		n, err := strconv.Atoi(line)
		if err != nil || n < 0 || n >= len(acked) {
			return nil, errors.New("the process to kill acknowledged a batch that it was not given: " + line)
		}
		acked[n] = true
	}
	return acked, nil
}
