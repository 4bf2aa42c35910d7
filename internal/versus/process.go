package versus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// childEnv, when set, makes Run take one sample and exit.
const childEnv = "FLAGSHIP_VERSUS_CHILD"

// childMark begins the line of standard output that holds the sample; whatever
// else a contender prints is passed over.
const childMark = "versus-sample: "

// A childOrder is what the child is asked for, a childReply its answer.
type childOrder struct {
	Contender string
	Cell      Cell
}

type childReply struct {
	Sample sample
	Err    string
}

// measureInChild starts this program again for one sample.
func measureInChild(ctx context.Context, _ Config, c Contender, cell Cell) (sample, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding the program to start again: %w", err)
	}
	order, err := json.Marshal(childOrder{c.Name, cell})
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), childEnv+"="+string(order))
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	for line := range strings.Lines(stdout.String()) {
		text, ok := strings.CutPrefix(line, childMark)
		if !ok {
			continue
		}
		var reply childReply
		if err := json.Unmarshal([]byte(text), &reply); err != nil {
			return nil, fmt.Errorf("reading the sample of the process: %w", err)
		}
		if reply.Err != "" {
			return nil, errors.New(reply.Err)
		}
		return reply.Sample, nil
	}
	if runErr == nil {
		runErr = errors.New("it ended without a sample; does main reach versus.Run with the same arguments?")
	}
	return nil, fmt.Errorf("process of its own: %w%s", runErr, firstOf(stderr.String()))
}

// firstOf returns the beginning of a crash report: what happened, not the stacks.
func firstOf(stderr string) string {
	stderr = strings.TrimSpace(stderr)
	if stderr == "" {
		return ""
	}
	what, _, _ := strings.Cut(stderr, "\n\n")
	return ": " + what[:min(len(what), 500)]
}

// runChild is Run in the child. It returns the exit code.
func runChild(ctx context.Context, cfg Config, contenders []Contender, text string) int {
	var order childOrder
	reply := childReply{Err: "no such contender"}
	if err := json.Unmarshal([]byte(text), &order); err != nil {
		reply.Err = fmt.Sprintf("reading %s: %v", childEnv, err)
	}
	for _, c := range contenders {
		if c.Name != order.Contender {
			continue
		}
		s, err := measure(ctx, cfg, c, order.Cell)
		if rss, ok := peakRSS(); ok && err == nil {
			s[PeakRSS] = float64(rss)
		}
		reply = childReply{Sample: s}
		if err != nil {
			reply.Err = err.Error()
		}
	}
	line, err := json.Marshal(reply)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("\n%s%s\n", childMark, line)
	return 0
}
