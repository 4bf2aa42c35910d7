package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/flagship-go/flagship/internal/cputime"
)

// A process under measurement listens on the loopback and speaks with its parent in lines:
//
//	child  > listening: 127.0.0.1:41234
//	parent > usage
//	child  > usage: {"CPU":1200000000,"PeakRSS":17825792}
//
// It ends when its standard input does, which is also when the parent is no more.

// An Order says what a child is to be: with so many routes, or with these.
type Order struct {
	Contender string
	Routes    int
	Backend   string // host:port
	Prefixes  []Prefix
}

// Prefix is a route of the conformance kit: / or whole segments, of which the longest counts.
type Prefix struct{ Prefix, Upstream string }

// Usage is what a process has used since it began. A figure that the platform does not have is 0.
type Usage struct {
	CPU     time.Duration // user and system time
	PeakRSS int64         // bytes
}

const (
	orderEnv      = "FLAGSHIP_VERSUS_PEER"
	listeningMark = "listening: "
	usageMark     = "usage: "
)

// Ordered returns what this process is to be, if it is a child.
func Ordered() (o Order, is bool, err error) {
	text := os.Getenv(orderEnv)
	if text == "" {
		return o, false, nil
	}
	return o, true, json.Unmarshal([]byte(text), &o)
}

// Answer is a child's part, from when it listens until its parent lets it end.
func Answer(addr string, usage func() (Usage, error)) error {
	runtime.GC() // what was left over from setting up is not what is measured
	fmt.Printf("%s%s\n", listeningMark, addr)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		u, err := usage()
		if err != nil {
			return err
		}
		text, err := json.Marshal(u)
		if err != nil {
			return err
		}
		fmt.Printf("%s%s\n", usageMark, text)
	}
	return nil
}

// Own is the usage of this process.
func Own() (Usage, error) {
	cpu, _ := cputime.Process()
	return Usage{CPU: cpu, PeakRSS: peakOf(os.Getpid())}, nil
}

// A Process is a child.
type Process struct {
	Addr string // where it listens

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr strings.Builder
}

// patience is how long a child may take to listen, with ten thousand routes on a busy machine.
const patience = 2 * time.Minute

// Start starts a program as a child, and returns when it listens.
func Start(ctx context.Context, program string, o Order) (*Process, error) {
	order, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	p := &Process{cmd: exec.CommandContext(ctx, program)}
	p.cmd.Env = append(os.Environ(), orderEnv+"="+string(order))
	p.cmd.Stderr = &p.stderr
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	// A child that is killed could not end what it has started itself.
	p.cmd.Cancel, p.cmd.WaitDelay = p.stdin.Close, 15*time.Second
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReader(stdout)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	late := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer late.Stop()
	if p.Addr, err = p.read(listeningMark); err != nil {
		return nil, fmt.Errorf("starting %s: %w", o.Contender, errors.Join(err, p.Close()))
	}
	return p, nil
}

// read takes lines up to one with a mark.
func (p *Process) read(mark string) (string, error) {
	for {
		line, err := p.stdout.ReadString('\n')
		if err != nil {
			return "", fmt.Errorf("the process has ended: %w", err)
		}
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), mark); ok {
			return text, nil
		}
	}
}

// Usage asks the child what it has used.
func (p *Process) Usage() (u Usage, err error) {
	if _, err := io.WriteString(p.stdin, "usage\n"); err != nil {
		return u, err
	}
	text, err := p.read(usageMark)
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal([]byte(text), &u)
}

// Close lets the child end, and waits for it. What it said about an error is part of ours.
func (p *Process) Close() error {
	_ = p.stdin.Close()
	err := p.cmd.Wait()
	if err != nil && p.stderr.Len() > 0 {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(p.stderr.String()))
	}
	return err
}

// FreeAddr is an address of the loopback that nobody listens at, for those who cannot be given a listener.
func FreeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}
