package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/flagship-go/flagship/raft"
)

// raftVictim runs the cluster in the process that will be killed. It stores what
// comes in and prints the name of each file when, and only when, it was
// acknowledged.
func raftVictim(dir string, in io.Reader, out io.Writer) error {
	c, err := startCluster(dir, func(raft.Event) {})
	if err != nil {
		return err
	}
	var mu sync.Mutex // a name is printed whole
	var wg sync.WaitGroup
	work := make(chan File)
	for range raftClients {
		wg.Go(func() {
			for f := range work {
				err := c.put(context.Background(), f)
				mu.Lock()
				if err == nil {
					_, err = fmt.Fprintln(out, f.Name)
				}
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1) // nothing to tidy up: it was about to be killed
				}
				mu.Unlock()
			}
		})
	}
	for f, err := range readCommands(in) {
		if err != nil {
			break // the other process is gone
		}
		work <- f
	}
	close(work)
	wg.Wait()
	return c.Close()
}

// killRaftMidway lets a victim store files on dir, and kills it when it has
// acknowledged as many as enough. It returns all that it acknowledged.
func killRaftMidway(ctx context.Context, dir string, files []File, enough int, progress func(done int)) ([]File, error) {
	names, err := killMidway(ctx, "raft", dir, func(in io.Writer) error { return writeCommands(in, files) }, enough, progress)
	if err != nil {
		return nil, err
	}
	byName := map[string]File{}
	for _, f := range files {
		byName[f.Name] = f
	}
	var acked []File
	for _, name := range names {
		acked = append(acked, byName[name])
	}
	return acked, nil
}

// writeCommands writes what readCommands reads.
func writeCommands(w io.Writer, files []File) error {
	for _, f := range files {
		command := encodeFile(f)
		if _, err := w.Write(append(binary.AppendUvarint(nil, uint64(len(command))), command...)); err != nil {
			return err
		}
	}
	return nil
}
