package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
)

// kill -9 cannot be played: a program that closes its files in good order has
// not been killed. So a part of a chapter runs in a process of its own, and is
// really killed, while it writes.
//
//	this process  -- input -->                          the victim
//	              <-- a line for each thing that it
//	                  has done, once it has done it --
//	              -- SIGKILL -->

// victimEnv makes a process the victim of a chapter: "raft=folder".
const victimEnv = "FLAGSHIP_TOUR_VICTIM"

// victim is the main function of a process that will be killed. It ends by itself
// only when the other process is gone.
func victim(what string, in io.Reader, out io.Writer) error {
	name, dir, _ := strings.Cut(what, "=")
	for _, c := range chapters() {
		if c.Name == name && c.Victim != nil {
			return c.Victim(dir, in, out)
		}
	}
	return fmt.Errorf("%s=%q names no chapter that kills a process", victimEnv, what)
}

// newVictim is the victim of a chapter on a folder, not started yet, and the pipes to and from it.
func newVictim(ctx context.Context, chapter, dir string) (cmd *exec.Cmd, in io.WriteCloser, out io.ReadCloser, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, fmt.Errorf("finding this program, to start it again: %w", err)
	}
	cmd = exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), victimEnv+"="+chapter+"="+dir)
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, nil, fmt.Errorf("preparing the process to kill: %w", err)
	}
	return cmd, in, out, nil
}

// killMidway starts the victim of a chapter on a folder, and feeds it until it has
// printed as many lines as enough; then it is killed. It returns every line that
// the victim printed, each of which seen was shown before.
func killMidway(ctx context.Context, chapter, dir string, feed func(io.Writer) error, enough int, seen func(lines int)) (lines []string, err error) {
	cmd, in, out, err := newVictim(ctx, chapter, dir)
	if err != nil {
		return nil, err
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the process to kill: %w", err)
	}
	var feeding sync.WaitGroup
	// The pipe stays open: its end would let the process end by itself.
	feeding.Go(func() { _ = feed(in) }) // it fails when the process is killed
	// Lines that were printed before the end of the process are still in the
	// pipe after it, and they count. The last one may be cut.
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
		seen(len(lines))
		if len(lines) == enough {
			_ = cmd.Process.Kill() // it may have ended by itself; Wait tells
		}
	}
	feeding.Wait()
	err = cmd.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(lines) < enough {
		return nil, fmt.Errorf("the process to kill ended early, after %d acknowledgements: %w: %s", len(lines), err, strings.TrimSpace(stderr.String()))
	}
	return lines, nil
}
