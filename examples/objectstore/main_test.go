package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/internal/child"
	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
)

func TestMain(m *testing.M) {
	child.Main(cli)
	os.Exit(m.Run())
}

// command is a process of the command, with the default keys.
func command(args ...string) *exec.Cmd {
	cmd := child.Command(args...)
	cmd.Env = append(cmd.Env, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=")
	return cmd
}

// process is a server.
type process struct {
	*child.Process
	t      *testing.T
	addr   string
	greets string
}

// launch starts a server and waits until it listens.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	c := &process{Process: child.Start(t, command(append([]string{"--address", "127.0.0.1:0"}, args...)...)), t: t}
	c.Until(func(line string) (last bool) {
		c.greets += line + "\n"
		c.addr, last = strings.CutPrefix(line, "listening for S3 on http://")
		return last
	})
	return c
}

var client = &http.Client{Timeout: 30 * time.Second}

func (c *process) request(method, path string, body io.Reader) *http.Request {
	r, err := http.NewRequest(method, "http://"+c.addr+path, body)
	require.NoError(c.t, err)
	return r
}

func (c *process) send(r *http.Request) (int, string) {
	answer, err := client.Do(r)
	require.NoError(c.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(c.t, err)
	return answer.StatusCode, string(text)
}

// do sends a signed request.
func (c *process) do(method, path, body string) (int, string) {
	c.t.Helper()
	r := c.request(method, path, strings.NewReader(body))
	signer := &sigv4.Signer{AccessKey: defaultKey, SecretKey: defaultKey}
	signer.Sign(r, sigv4.UnsignedPayload)
	return c.send(r)
}

func (c *process) ok(method, path, body string) string {
	c.t.Helper()
	status, text := c.do(method, path, body)
	require.Less(c.t, status, 300, "%s %s: %s", method, path, text)
	return text
}

func drives(t *testing.T) string { return filepath.Join(t.TempDir(), "drive{1...4}") }

// What was answered with success is there after kill -9, and with as many drives
// gone as there is parity.
func TestAcknowledgedObjectsSurviveKillAndLoss(t *testing.T) {
	dirs := drives(t)
	c := launch(t, dirs)
	c.ok("PUT", "/pets", "")
	c.ok("PUT", "/pets?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
	large := strings.Repeat("0123456789abcdef", 100_000)
	for i := range 5 {
		c.ok("PUT", fmt.Sprintf("/pets/small%d", i), fmt.Sprint("body of ", i))
	}
	c.ok("PUT", "/pets/large", large)
	c.Kill()

	for _, gone := range []string{"", "drive1", "drive3"} {
		if gone != "" {
			require.NoError(t, os.RemoveAll(filepath.Join(filepath.Dir(dirs), gone)))
		}
		c = launch(t, dirs)
		for i := range 5 {
			status, got := c.do("GET", fmt.Sprintf("/pets/small%d", i), "")
			rule(t, "F3", got == fmt.Sprint("body of ", i), "without %q: %d %s", gone, status, got)
		}
		status, got := c.do("GET", "/pets/large", "")
		rule(t, "F3", got == large, "without %q: %d, %d bytes", gone, status, len(got))
		rule(t, "F3", strings.Contains(c.ok("GET", "/pets?versioning", ""), "Enabled"), "without %q: the bucket has forgotten its versioning", gone)
		// Before another drive goes, what this one held is brought to the new one.
		heal := command("heal", "--address", c.addr)
		out, err := heal.CombinedOutput()
		rule(t, "F7", err == nil && strings.Contains(string(out), "; done"), "heal: %v\n%s", err, out)
		require.Zero(t, c.Term(), "%s", &c.Stderr)
	}
}

// A drive is taken away from a server that runs, as an unmounted disk is. What is
// written then is not written below its empty mount point, until a heal says that
// what is there is a new drive.
func TestDriveIsReplacedWhileTheServerRuns(t *testing.T) {
	dirs := drives(t)
	root := filepath.Dir(dirs)
	launch(t, dirs).Kill() // all know their places
	away := filepath.Join(root, "away")
	require.NoError(t, os.Rename(filepath.Join(root, "drive2"), away))
	require.NoError(t, os.WriteFile(filepath.Join(root, "drive2"), nil, 0o600)) // cannot be opened
	c := launch(t, dirs)
	c.ok("PUT", "/pets", "")
	c.ok("PUT", "/pets/tom", "meow")
	heal := func() string {
		out, err := command("heal", "--address", c.addr).CombinedOutput()
		rule(t, "F8", err == nil && strings.Contains(string(out), "; done"), "heal: %v\n%s", err, out)
		return c.ok("GET", "/admin/info", "")
	}
	rule(t, "F8", strings.Contains(heal(), "place 1: offline"), "a file is no drive")

	require.NoError(t, os.Remove(filepath.Join(root, "drive2")))
	require.NoError(t, os.Rename(away, filepath.Join(root, "drive2")))
	rule(t, "F8", !strings.Contains(heal(), "offline"), "the drive that was away at the start is not taken up again")

	for _, place := range []string{"drive1", "drive4"} { // both of them at once would be too many
		gone := filepath.Join(root, place)
		require.NoError(t, os.RemoveAll(gone))
		require.NoError(t, os.Mkdir(gone, 0o755))
		c.ok("PUT", "/pets/tim", "purr")
		rule(t, "F8", len(files(t, gone)) == 0, "written below a mount point: %v", files(t, gone))
		c.ok("POST", "/admin/heal?dry-run=true", "")
		rule(t, "F8", len(files(t, gone)) == 0, "a dry run has made a drive: %v", files(t, gone))
		rule(t, "F8", !strings.Contains(heal(), "offline"), "the new drive is not taken")
	}
	require.NoError(t, os.RemoveAll(filepath.Join(root, "drive2")))
	require.NoError(t, os.RemoveAll(filepath.Join(root, "drive3")))
	for name, body := range map[string]string{"tom": "meow", "tim": "purr"} {
		status, text := c.do("GET", "/pets/"+name, "")
		rule(t, "F8", text == body, "%s: %d %s", name, status, text)
	}
	require.Zero(t, c.Term(), "%s", &c.Stderr)
}

func TestDirectoryBelongsToOneProcess(t *testing.T) {
	dirs := drives(t)
	c := launch(t, dirs)
	// One directory of several is enough.
	mine := filepath.Join(filepath.Dir(dirs), "drive2")
	for _, args := range [][]string{{dirs}, {drives(t), mine}} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		second := exec.CommandContext(ctx, os.Args[0], append([]string{"--address", "127.0.0.1:0"}, args...)...)
		second.Env = command().Env
		out, err := second.CombinedOutput()
		cancel()
		rule(t, "F2", err != nil && second.ProcessState.ExitCode() == 1 && strings.Contains(string(out), "in use"), "%q: %v: %s", args, err, out)
	}
	c.ok("PUT", "/pets", "")
	out, err := command("--address", c.addr, drives(t)).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "listen tcp "+c.addr)
}

// A request under way when the signal comes is done, and then the exit code is 0.
func TestSignalLetsRequestsEnd(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows knows no SIGTERM")
	}
	c := launch(t, drives(t))
	c.ok("PUT", "/pets", "")
	conn, err := net.Dial("tcp", c.addr)
	require.NoError(t, err)
	defer conn.Close()
	r := c.request("PUT", "/pets/tom", nil)
	(&sigv4.Signer{AccessKey: defaultKey, SecretKey: defaultKey}).Sign(r, sigv4.UnsignedPayload)
	var head bytes.Buffer
	fmt.Fprintf(&head, "PUT /pets/tom HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\nExpect: 100-continue\r\n", c.addr)
	r.Header.Write(&head)
	head.WriteString("\r\n")
	_, err = conn.Write(head.Bytes())
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 100, answer.StatusCode) // it is under way
	io.WriteString(conn, "half.")

	require.NoError(t, c.Cmd.Process.Signal(syscall.SIGTERM))
	for { // until it accepts nobody
		other, err := net.Dial("tcp", c.addr)
		if err != nil {
			break
		}
		other.Close()
	}
	io.WriteString(conn, "whole")
	answer, err = http.ReadResponse(in, nil)
	rule(t, "F4", err == nil && answer.StatusCode == 200, "the request under way: %v", err)
	c.Cmd.Wait()
	rule(t, "F4", c.Cmd.ProcessState.ExitCode() == 0, "exit code %d: %s", c.Cmd.ProcessState.ExitCode(), &c.Stderr)
}

func TestWhatAdministersIsSigned(t *testing.T) {
	c := launch(t, "--admin-address", "127.0.0.1:0", drives(t))
	c.ok("PUT", "/pets", "")
	c.ok("PUT", "/pets/tom", "meow")
	for _, path := range []string{"/admin/heal", "/admin/info", "/admin/explain/pets/tom", "/admin/other"} {
		for _, method := range []string{"GET", "POST"} {
			status, text := c.send(c.request(method, path, nil))
			rule(t, "F7", status == 403, "%s %s of a stranger: %d %s", method, path, status, text)
		}
	}
	require.Contains(t, c.ok("GET", "/admin/info", ""), "2 data and 2 parity shards")
	require.Contains(t, c.ok("GET", "/admin/explain/pets/tom", ""), "drive")
	status, _ := c.do("GET", "/admin/explain/pets/none", "")
	require.Equal(t, 404, status)
	status, _ = c.do("GET", "/admin/heal", "")
	require.Equal(t, 404, status)
	require.Contains(t, c.ok("POST", "/admin/heal?deep=true&prefix=pets/", ""), `"Done":true`)

	// Machines need no keys.
	status, text := c.send(c.request("GET", "/health", nil))
	require.Equal(t, 200, status, text)
	_, text = c.send(c.request("GET", "/metrics", nil))
	require.Contains(t, text, `s3_requests_total{operation="PutObject",status="2xx"} 1`)
	require.Contains(t, text, `erasure_drives{state="online"} 4`)
	status, text = c.do("PUT", "/metrics", "")
	require.NotContains(t, text, "<Error>") // the server's own path
	require.Equal(t, 200, status)
	status, text = c.do("PUT", "/admin", "")
	require.Equal(t, 400, status)
	require.Contains(t, text, "InvalidBucketName")
	require.Contains(t, c.greets, "curl --aws-sigv4 aws:amz:us-east-1:s3 --user minioadmin:minioadmin")
}

// What is a key in a bucket that the host names is no path of the server's own.
func TestABucketOfItsOwnHostHasAllKeys(t *testing.T) {
	c := launch(t, "--domains", "s3.test", drives(t))
	c.ok("PUT", "/pets", "")
	signer := &sigv4.Signer{AccessKey: defaultKey, SecretKey: defaultKey}
	for _, key := range []string{"health", "metrics", "admin/info"} {
		for _, method := range []string{"PUT", "GET"} {
			r := c.request(method, "/"+key, strings.NewReader("of "+key))
			r.Host = "pets.s3.test"
			signer.Sign(r, sigv4.UnsignedPayload)
			status, text := c.send(r)
			rule(t, "F9", status == 200, "%s %s: %d %s", method, key, status, text)
		}
		status, text := c.do("GET", "/pets/"+key, "")
		rule(t, "F9", status == 200 && text == "of "+key, "%s is not what was put: %d %s", key, status, text)
	}
	status, _ := c.send(c.request("GET", "/health", nil))
	require.Equal(t, 200, status)
	require.Zero(t, c.Term(), "%s", &c.Stderr)
}

// files are all below a directory.
func files(t *testing.T, root string) (all []string) {
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return nil // what goes while it is looked at
	}))
	return all
}

// A client that is gone in the middle leaves nothing on the drives.
func TestCutUploadLeavesNoFiles(t *testing.T) {
	dirs := drives(t)
	c := launch(t, dirs)
	c.ok("PUT", "/pets", "")
	before := files(t, filepath.Dir(dirs))
	conn, err := net.Dial("tcp", c.addr)
	require.NoError(t, err)
	r := c.request("PUT", "/pets/tom", nil)
	(&sigv4.Signer{AccessKey: defaultKey, SecretKey: defaultKey}).Sign(r, sigv4.UnsignedPayload)
	fmt.Fprintf(conn, "PUT /pets/tom HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", c.addr, 8<<20)
	r.Header.Write(conn)
	io.WriteString(conn, "\r\n")
	_, err = conn.Write(make([]byte, 3<<20))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	deadline := time.Now().Add(30 * time.Second)
	for metrics := ""; !strings.Contains(metrics, "\ns3_requests_inflight 0\n") || !strings.Contains(metrics, `operation="PutObject"`); {
		rule(t, "F3", time.Now().Before(deadline), "the request does not end")
		_, metrics = c.send(c.request("GET", "/metrics", nil))
	}
	status, _ := c.do("HEAD", "/pets/tom", "")
	rule(t, "F3", status == 404, "half an object is there: %d", status)
	require.Zero(t, c.Term())
	require.Equal(t, before, files(t, filepath.Dir(dirs)))
}

// With too few drives for a write, health says so.
func TestHealthIsThatOfWrites(t *testing.T) {
	dirs := drives(t)
	launch(t, dirs).Kill()
	c := launch(t, filepath.Join(filepath.Dir(dirs), "drive{1...2}"))
	status, text := c.send(c.request("GET", "/health", nil))
	require.Equal(t, 503, status)
	require.Contains(t, text, "set 0 has 2 drives of the 3 that a write needs")
}
