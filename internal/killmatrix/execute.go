package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// grace is how long a test binary may take, past its own limit, to print the
// stacks of its timeout panic before it is killed from outside.
const grace = 5 * time.Second

// A module is where the commands run.
type module struct {
	root string // the folder of go.mod
	tmp  string // everything written goes here
}

// findModule asks the go command which module dir is in.
func findModule(ctx context.Context, dir string) (root string, err error) {
	cmd := command(ctx, dir, "go", "env", "GOMOD")
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("running \"go env GOMOD\": %w; is the go command on the PATH?", err)
	}
	path := strings.TrimSpace(string(out))
	if path == "" || path == os.DevNull {
		return "", fmt.Errorf("%s is in no Go module; change to a folder inside the module", dir)
	}
	return filepath.Dir(path), nil
}

// packageDirs resolves package patterns, relative to dir, to folders named as
// the go command names them: only under that name does an overlay take effect.
func packageDirs(ctx context.Context, dir string, patterns ...string) ([]string, error) {
	return goList(ctx, dir, []string{"-find"}, "{{.Dir}}", patterns...)
}

// markElsewhere finds the bugs in files that the build constraints leave out.
func markElsewhere(ctx context.Context, root, dir string, bugs []*Bug) error {
	ignored, err := goList(ctx, root, []string{"-find"}, `{{join .IgnoredGoFiles "\n"}}`, dir)
	if err != nil {
		return err
	}
	for _, b := range bugs {
		b.Elsewhere = slices.Contains(ignored, b.File)
	}
	return nil
}

// goList returns the lines that the template makes of the packages.
func goList(ctx context.Context, dir string, flags []string, template string, patterns ...string) ([]string, error) {
	args := slices.Concat([]string{"list"}, flags, []string{"-f", template, "--"}, patterns)
	out, err := command(ctx, dir, "go", args...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, fmt.Errorf("resolving %s: %w", strings.Join(patterns, " "), err)
	}
	return strings.Split(strings.TrimSpace(normalize(string(out))), "\n"), nil
}

// buildTest compiles the test binary of the package in dir. An empty overlay
// means the unmodified code.
func (m *module) buildTest(ctx context.Context, dir, overlay, binary string) (complaint string, err error) {
	// Without debug information linking, most of the wait, is a tenth shorter.
	args := []string{"test", "-c", "-vet=off", "-ldflags=-w", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	complaint, err = m.goCommand(ctx, append(args, dir)...)
	if complaint != "" || err != nil {
		return complaint, err
	}
	// For a package without test files the go command succeeds and writes none.
	if _, err := os.Stat(binary); err != nil {
		return fmt.Sprintf("%s has no test files", dir), nil
	}
	return "", nil
}

func (m *module) goCommand(ctx context.Context, args ...string) (complaint string, err error) {
	cmd := command(ctx, m.root, "go", args...)
	cmd.Env = append(os.Environ(), "GOTMPDIR="+m.tmp)
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return strings.TrimSpace(fmt.Sprintf("go %s: %s\n%s", args[0], exit, out)), nil
	}
	if err != nil {
		return "", fmt.Errorf("running the go command: %w", err)
	}
	return "", nil
}

// An ending is how a test binary ended and what it printed.
type ending struct {
	code    int
	late    bool // it ran into the limit
	output  string
	seconds float64
}

// runTest runs the tests that match run in the package's own folder, where
// testdata is found, for at most limit. tmp receives the tests' temporary
// folders, which a killed test cannot remove itself.
func (m *module) runTest(ctx context.Context, binary, dir, run, tmp string, verbose bool, limit time.Duration) (ending, error) {
	outer, cancel := context.WithTimeout(ctx, limit+grace)
	defer cancel()
	cmd := command(outer, dir, binary, "-test.run", run, "-test.count=1", "-test.timeout", limit.String(),
		fmt.Sprintf("-test.v=%t", verbose), "-test.paniconexit0")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "TMP="+tmp, "TEMP="+tmp)
	var out clipped
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	err := cmd.Run()
	end := ending{output: out.String(), seconds: time.Since(start).Seconds()}
	if ctx.Err() != nil {
		return ending{}, ctx.Err()
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
	case outer.Err() != nil:
		end.code, end.late = -1, true
	case errors.As(err, &exit):
		end.code = exit.ExitCode()
		end.late = end.code == 2 && strings.Contains(end.output, "panic: test timed out after")
	default:
		return ending{}, fmt.Errorf("running the tests of %s: %w", dir, err)
	}
	return end, nil
}

// command is exec.CommandContext, but the end of the context ends the children
// of the command too: a go command without its compilers, a test without the
// processes it started.
func command(ctx context.Context, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	ownGroup(cmd)
	cmd.WaitDelay = time.Second
	return cmd
}

// clipped keeps the first and the last part of what is written to it, so that a
// bug that prints forever fills no memory.
type clipped struct{ head, tail []byte }

const clipAt = 1 << 20

func (c *clipped) Write(p []byte) (int, error) {
	room := min(len(p), clipAt-len(c.head))
	c.head = append(c.head, p[:room]...)
	c.tail = append(c.tail, p[room:]...)
	if over := len(c.tail) - clipAt; over > clipAt {
		c.tail = append(c.tail[:0], c.tail[over:]...)
	}
	return len(p), nil
}

func (c *clipped) String() string { return string(c.head) + string(c.tail) }
