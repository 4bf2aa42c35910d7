// Package child runs a command as a process of its own in that command's tests, so that
// they may send it signals and kill it. The test binary is the command: TestMain calls
// [Main], which in a child does not return.
package child

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const env = "FLAGSHIP_TEST_CHILD"

// Main is the command, in a process that [Command] has made.
func Main(cli func(ctx context.Context, args []string, stdout, stderr io.Writer) int) {
	if os.Getenv(env) == "" {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// Command is the command with arguments, to be started.
func Command(args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), env+"=1")
	return cmd
}

// Process is a command that was started. It is killed when the test ends.
type Process struct {
	Cmd    *exec.Cmd
	Stdout *bufio.Reader
	Stderr bytes.Buffer // to be read when it has ended; empty if the test has it piped
	t      *testing.T
}

// Start starts a command.
func Start(t *testing.T, cmd *exec.Cmd) *Process {
	t.Helper()
	p := &Process{Cmd: cmd, t: t}
	if cmd.Stderr == nil {
		cmd.Stderr = &p.Stderr
	}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(p.Kill)
	p.Stdout = bufio.NewReader(out)
	return p
}

// Until reads lines of the output up to the one for which last is true. A process that
// ends before fails the test.
func (p *Process) Until(last func(line string) bool) {
	p.t.Helper()
	for {
		line, err := p.Stdout.ReadString('\n')
		if err != nil {
			p.Cmd.Wait()
			require.FailNow(p.t, "the child has ended", "%s", &p.Stderr)
		}
		if last(strings.TrimSuffix(line, "\n")) {
			return
		}
	}
}

// Kill ends the process at once, if it has not ended.
func (p *Process) Kill() {
	if p.Cmd.ProcessState == nil {
		p.Cmd.Process.Kill()
		p.Cmd.Wait()
	}
}

// Term asks the process to end, and returns its exit code.
func (p *Process) Term() int {
	if runtime.GOOS == "windows" { // knows no SIGTERM
		p.Kill()
		return 0
	}
	require.NoError(p.t, p.Cmd.Process.Signal(syscall.SIGTERM))
	p.Cmd.Wait()
	return p.Cmd.ProcessState.ExitCode()
}
