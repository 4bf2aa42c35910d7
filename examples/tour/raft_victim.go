package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/flagship-go/flagship/raft"
)

// kill -9 cannot be played: a program that closes its files in good order has
// not been killed. So this part of the chapter runs the cluster in a process of
// its own and really kills it, while it writes.
//
//	this process  -- files, as commands -->  the victim: three nodes
//	              <-- names of those that
//	                  were acknowledged ---
//	              -- SIGKILL -->

// victimEnv names the cluster's folder to the victim, and makes it one.
const victimEnv = "FLAGSHIP_TOUR_VICTIM"

// victim is the main function of the process that will be killed. It stores what
// comes in and prints the name of each file when, and only when, it was
// acknowledged. It ends by itself only when the other process is gone.
func victim(dir string, in io.Reader, out io.Writer) error {
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

// killMidway lets a victim store files on dir, and kills it when it has
// acknowledged as many as enough. It returns all that it acknowledged.
func killMidway(ctx context.Context, dir string, files []File, enough int, progress func(done int)) ([]File, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program, to start it again: %w", err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), victimEnv+"="+dir)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("preparing the process to kill: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the process to kill: %w", err)
	}
	byName := map[string]File{}
	for _, f := range files {
		byName[f.Name] = f
	}
	var feeding sync.WaitGroup
	feeding.Go(func() {
		// The pipe stays open: its end would let the process end by itself.
		for _, f := range files {
			command := encodeFile(f)
			if _, err := in.Write(append(binary.AppendUvarint(nil, uint64(len(command))), command...)); err != nil {
				return // killed
			}
		}
	})
	// Names that were printed before the end of the process are still in the
	// pipe after it, and they count.
	var acked []File
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		f, ok := byName[lines.Text()]
		if !ok {
			continue // the last line may be cut
		}
		acked = append(acked, f)
		progress(len(acked))
		if len(acked) == enough {
			_ = cmd.Process.Kill() // it may have ended by itself; Wait tells
		}
	}
	feeding.Wait()
	err = cmd.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(acked) < enough {
		return nil, fmt.Errorf("the process to kill ended early, after %d files: %w: %s", len(acked), err, strings.TrimSpace(stderr.String()))
	}
	return acked, nil
}
