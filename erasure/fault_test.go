package erasure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

var errBroken = errors.New("drive is broken")

// A faultyDrive asks hook before each operation: an error is the operation's, and
// a hook that waits is a drive that is slow.
type faultyDrive struct {
	Drive
	mu   sync.Mutex
	hook func(op, path string) error
}

func (d *faultyDrive) set(hook func(op, path string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hook = hook
}

func (d *faultyDrive) ask(op, path string) error {
	d.mu.Lock()
	hook := d.hook
	d.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(op, path)
}

func (d *faultyDrive) Create(ctx context.Context, path string) (FileWriter, error) {
	if err := d.ask("create", path); err != nil {
		return nil, err
	}
	w, err := d.Drive.Create(ctx, path)
	return &faultyWriter{w, d, path}, err
}

func (d *faultyDrive) Commit(ctx context.Context, moves ...Move) error {
	if err := d.ask("commit", moves[len(moves)-1].To); err != nil {
		return err
	}
	err := d.Drive.Commit(ctx, moves...)
	return errors.Join(err, d.ask("committed", moves[len(moves)-1].To))
}

func (d *faultyDrive) Open(ctx context.Context, path string) (FileReader, error) {
	if err := d.ask("open", path); err != nil {
		return nil, err
	}
	return d.Drive.Open(ctx, path)
}

func (d *faultyDrive) ReadFile(ctx context.Context, path string) ([]byte, error) {
	if err := d.ask("readfile", path); err != nil {
		return nil, err
	}
	return d.Drive.ReadFile(ctx, path)
}

func (d *faultyDrive) List(ctx context.Context, dir string) ([]string, error) {
	if err := d.ask("list", dir); err != nil {
		return nil, err
	}
	return d.Drive.List(ctx, dir)
}

func (d *faultyDrive) Remove(ctx context.Context, paths ...string) error {
	if err := d.ask("remove", paths[0]); err != nil {
		return err
	}
	return d.Drive.Remove(ctx, paths...)
}

type faultyWriter struct {
	FileWriter
	d    *faultyDrive
	path string
}

func (w *faultyWriter) Write(p []byte) (int, error) {
	if err := w.d.ask("write", w.path); err != nil {
		return 0, err
	}
	return w.FileWriter.Write(p)
}

func (w *faultyWriter) Sync() error {
	if err := w.d.ask("sync", w.path); err != nil {
		return err
	}
	return w.FileWriter.Sync()
}

// A shelf is a store on drives in memory that fail when they are told to.
type shelf struct {
	*Store
	fs     *vfs.Mem
	drives []*faultyDrive
}

func newShelf(t testing.TB, n int, o *Options) *shelf {
	t.Helper()
	r := &shelf{fs: vfs.NewMem()}
	var drives []Drive
	for _, d := range memDrives(t, r.fs, n) {
		f := &faultyDrive{Drive: d}
		r.drives = append(r.drives, f)
		drives = append(drives, f)
	}
	s, err := Open(drives, o)
	require.NoError(t, err)
	r.Store = s
	t.Cleanup(func() { s.Close() })
	return r
}

// broken fails everything; only is for operations of one kind.
func broken(op, path string) error { return errBroken }

func only(kinds string) func(op, path string) error {
	return func(op, path string) error {
		if strings.Contains(kinds, op) {
			return fmt.Errorf("%s %s: %w", op, path, errBroken)
		}
		return nil
	}
}

// files are what lies on the drives, but for the format files, under a directory.
func (r *shelf) files(under string) []string {
	var files []string
	for line := range strings.Lines(r.fs.Dump()) {
		if strings.Contains(line, "/"+under+"/") && !strings.HasSuffix(strings.Fields(line)[0], "/") {
			files = append(files, strings.TrimSpace(line))
		}
	}
	return files
}

// bodies are an inline object, one of a block, and one of several.
func bodies() map[string][]byte {
	return map[string][]byte{"small": random(300, 1), "block": random(900, 2), "large": random(5000, 3)}
}

var shelfOptions = Options{BlockSize: 1000, InlineLimit: 100}

func TestAnyTwoOfEightDrivesMayBeLost(t *testing.T) {
	o := shelfOptions
	o.Parity = 2
	r := newShelf(t, 8, &o)
	for name, body := range bodies() {
		mustPut(t, r.Store, name, body, nil)
	}
	for i := range 8 {
		for j := range i {
			r.drives[i].set(broken)
			r.drives[j].set(broken)
			for name, body := range bodies() {
				mustHave(t, r.Store, name, body, "RULE E1: without drives %d and %d", i, j)
				_, err := r.Put(context.Background(), "new", bytes.NewReader(body), -1, nil)
				require.NoError(t, err, "RULE E1: a write without drives %d and %d", i, j)
				mustHave(t, r.Store, "new", body, "RULE E1: without drives %d and %d", i, j)
			}
			_, err := r.Delete(context.Background(), "new", nil)
			require.NoError(t, err)
			r.drives[i].set(nil)
			r.drives[j].set(nil)
			_, err = r.Stat(context.Background(), "new", nil)
			require.ErrorIs(t, err, ErrNotFound, "RULE E5: deleted without drives %d and %d", i, j)
		}
	}
}

// TestAPutThatFailsIsNeverSeen lets one to all drives fail in each operation.
func TestAPutThatFailsIsNeverSeen(t *testing.T) {
	for _, serial := range []bool{true, false} {
		for _, op := range []string{"create", "write", "sync", "list", "commit", "committed", "committed remove"} {
			for n := 1; n <= 4; n++ {
				for name, body := range bodies() {
					o := shelfOptions
					o.Serial = serial
					r := newShelf(t, 4, &o)
					before := random(777, 9)
					mustPut(t, r.Store, name, before, nil)
					for _, d := range r.drives[:n] {
						d.set(only(op))
					}
					_, err := r.Put(context.Background(), name, bytes.NewReader(body), int64(len(body)), nil)
					for _, d := range r.drives {
						d.set(nil)
					}
					switch {
					case err == nil:
						require.Equal(t, 1, n, "RULE E3: %d of 4 drives fail to %s, and it is acknowledged", n, op)
						mustHave(t, r.Store, name, body, "RULE E1: an acknowledged put, %s fails", op)
					case errors.Is(err, ErrOutcomeUnknown):
						got := mustGet(t, r.Store, name, nil)
						require.Equal(t, "committed remove", op, "RULE E3: the outcome is known")
						require.True(t, bytes.Equal(body, got) || bytes.Equal(before, got), "RULE E4: one or the other")
						require.True(t, bytes.Equal(got, mustGet(t, r.Store, name, nil)), "RULE E4: and the same later")
					default:
						require.True(t, errors.Is(err, ErrWriteQuorum), "%v", err)
						require.ErrorIs(t, err, errBroken)
						mustHave(t, r.Store, name, before, "RULE E6: what was there before a put that failed, %d drives fail to %s", n, op)
					}
					r.Close()
					if !strings.Contains(op, "remove") {
						require.Empty(t, r.files(tmpDir), "RULE E3: nothing is left under tmp, %d drives failed to %s", n, op)
					}
				}
			}
		}
	}
}

func TestABodyThatIsNotAsLongAsPromisedLeavesNothing(t *testing.T) {
	r := newShelf(t, 4, &shelfOptions)
	for name, body := range bodies() {
		for _, delta := range []int64{-1, 1, 500} {
			_, err := r.Put(context.Background(), name, bytes.NewReader(body), int64(len(body))+delta, nil)
			require.ErrorIs(t, err, ErrSize, "RULE E3: %s, off by %d", name, delta)
		}
		lost := errors.New("connection lost")
		for _, size := range []int64{-1, int64(len(body))} {
			_, err := r.Put(context.Background(), name, io.MultiReader(bytes.NewReader(body[:len(body)-1]), iotest.ErrReader(lost)), size, nil)
			require.ErrorIs(t, err, lost)
		}
		ctx, cancel := context.WithCancel(context.Background())
		_, err := r.Put(ctx, name, io.MultiReader(bytes.NewReader(body[:len(body)/2]), cancels(cancel), bytes.NewReader(body[len(body)/2:])), -1, nil)
		require.ErrorIs(t, err, context.Canceled)
		_, err = r.Stat(context.Background(), name, nil)
		require.ErrorIs(t, err, ErrNotFound)
	}
	require.Empty(t, r.files(tmpDir), "RULE E3: nothing is left under tmp")
	require.Empty(t, r.files(objectsDir), "RULE E3: nothing is left")
}

// cancels is an empty reader that ends a context.
func cancels(cancel func()) io.Reader {
	return readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF })
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestASlowDriveDelaysNobodyLong has a drive that does not return from one kind of
// operation for a day.
func TestASlowDriveDelaysNobodyLong(t *testing.T) {
	for _, op := range []string{"create", "write", "sync", "list", "readfile", "open", "commit", "remove"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newShelf(t, 4, &shelfOptions)
				ctx := context.Background()
				for name, body := range bodies() {
					mustPut(t, r.Store, name, body, nil)
				}
				stop := make(chan struct{})
				release := sync.OnceFunc(func() { close(stop) })
				defer release()
				r.drives[1].set(func(o, path string) error {
					if o != op {
						return nil
					}
					<-stop
					return errBroken
				})
				for round := range 3 {
					for name, body := range bodies() {
						start := time.Now()
						require.Equal(t, body, mustGet(t, r.Store, name, nil))
						require.LessOrEqual(t, time.Since(start), 2*time.Second, "RULE E12: get, round %d", round)
						start = time.Now()
						_, err := r.Put(ctx, "other", bytes.NewReader(body), -1, nil)
						require.NoError(t, err)
						// The two phases, the removal of what was replaced, the removal of
						// what is left under tmp: each may have to wait for it.
						require.LessOrEqual(t, time.Since(start), 4*r.o.Grace, "RULE E12: put, round %d", round)
						_, err = r.Delete(ctx, "other", nil)
						require.NoError(t, err)
					}
				}
				release()
				synctest.Wait()
				r.drives[1].set(nil)
				for name, body := range bodies() {
					require.Equal(t, body, mustGet(t, r.Store, name, nil))
				}
				synctest.Wait()
				time.Sleep(time.Hour) // the store heals what the drive has missed
				synctest.Wait()
				require.Zero(t, r.sets[0].places[1].late.Load(), "RULE E12: all answers were counted")
				if op != "remove" {
					require.Empty(t, r.files(tmpDir), "RULE E12: what came late cleaned up")
				}
			})
		})
	}
}

// TestADriveThatNeverReturnsDoesNotGatherGoroutines counts what waits for it.
func TestADriveThatNeverReturnsDoesNotGatherGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShelf(t, 4, &shelfOptions)
		mustPut(t, r.Store, "a", random(5000, 1), nil)
		stop := make(chan struct{})
		defer close(stop)
		r.drives[2].set(func(string, string) error { <-stop; return errBroken })
		start := time.Now()
		for range 100 {
			mustPut(t, r.Store, "a", random(5000, 1), nil)
			mustGet(t, r.Store, "a", nil)
		}
		require.Less(t, r.sets[0].places[2].late.Load(), int32(2*maxOverdue), "RULE E12: outstanding operations")
		require.Less(t, time.Since(start), 30*r.o.Grace, "RULE E12: once it is known, nobody waits for it")
	})
}

func TestAHedgedReadAsksAnotherDrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShelf(t, 4, &shelfOptions)
		body := random(5000, 1)
		mustPut(t, r.Store, "a", body, nil)
		slow := (rotation("a", 4) + 1) % 4 // data shard 1
		r.drives[slow].set(func(op, _ string) error {
			if op == "open" {
				time.Sleep(time.Second)
			}
			return nil
		})
		// The first parity shard is wrong, so the hedge is of no use.
		corrupt := (rotation("a", 4) + 2) % 4
		for _, file := range r.files(objectsDir) {
			if name := strings.Fields(file)[0]; strings.HasPrefix(name, fmt.Sprintf("drive%d/", corrupt)) && strings.Contains(name, "+") {
				require.NoError(t, r.fs.FlipBit(name, 8*100))
			}
		}
		obj, err := r.Get(context.Background(), "a", nil)
		require.NoError(t, err)
		defer obj.Close()
		start := time.Now()
		got := make([]byte, 1000)
		_, err = obj.ReadAt(got, 0)
		require.NoError(t, err)
		require.True(t, bytes.Equal(body[:1000], got), "RULE E7: a hedge that is corrupt does not count")
		require.Equal(t, r.o.Hedge, time.Since(start), "RULE E12: the other parity shard is asked after the hedge")
	})
}

func TestReadersKeepWhatIsReplacedOrDeleted(t *testing.T) {
	for _, serial := range []bool{false, true} {
		o := shelfOptions
		o.Serial = serial
		r := newShelf(t, 4, &o)
		ctx := context.Background()
		for name, body := range bodies() {
			mustPut(t, r.Store, name, body, nil)
			first, err := r.Get(ctx, name, nil)
			require.NoError(t, err)
			defer first.Close()
			mustPut(t, r.Store, name, random(4000, 7), nil)
			second, err := r.Get(ctx, name, nil)
			require.NoError(t, err)
			defer second.Close()
			_, err = r.Delete(ctx, name, nil)
			require.NoError(t, err)
			_, err = r.Get(ctx, name, nil)
			require.ErrorIs(t, err, ErrNotFound)
			got, err := io.ReadAll(first)
			require.NoError(t, err, "RULE E6: a reader keeps what is replaced")
			require.True(t, bytes.Equal(body, got))
			require.NoError(t, first.Close())
			require.NoError(t, first.Close(), "Close is idempotent")
			got, err = io.ReadAll(second)
			require.NoError(t, err, "RULE E6: a reader keeps what is deleted")
			require.True(t, bytes.Equal(random(4000, 7), got))
			require.NoError(t, second.Close())
			_, err = second.ReadAt(make([]byte, 1), 0)
			require.ErrorIs(t, err, fs.ErrClosed)
		}
		require.Empty(t, r.files(objectsDir), "RULE E6: and then it goes")
	}
}

func TestParityIsRaisedForDrivesThatAreAway(t *testing.T) {
	o := shelfOptions
	o.Parity = 2
	r := newShelf(t, 8, &o)
	body := random(5000, 1)
	mustPut(t, r.Store, "a", body, nil)
	r.drives[3].set(broken)
	r.drives[6].set(broken)
	mustPut(t, r.Store, "a", body, nil) // they are found to be away
	info := mustPut(t, r.Store, "a", body, nil)
	require.Equal(t, []int{4, 4, 2}, []int{info.Data, info.Parity, info.Missing}, "RULE E9: two more parity shards")
	r.drives[0].set(broken)
	r.drives[1].set(broken)
	mustHave(t, r.Store, "a", body, "RULE E9: an object is read by its own geometry")
	for _, d := range r.drives {
		d.set(nil)
	}
	mustPut(t, r.Store, "b", body, nil)
	info = mustPut(t, r.Store, "b", body, nil)
	require.Equal(t, []int{6, 2, 0}, []int{info.Data, info.Parity, info.Missing}, "RULE E9: they are back")
	mustHave(t, r.Store, "a", body, "RULE E9: an object is read by its own geometry")
}

// TestADriveThatHangsIsReplaced: what it owes is not owed by the new one, and nobody
// waits for it to answer.
func TestADriveThatHangsIsReplaced(t *testing.T) {
	for _, rounds := range []int{0, 100} {
		synctest.Test(t, func(t *testing.T) {
			r := newShelf(t, 4, &shelfOptions)
			stop := make(chan struct{})
			release := sync.OnceFunc(func() { close(stop) })
			defer release()
			r.drives[2].set(func(string, string) error { <-stop; return errBroken })
			for range rounds {
				mustPut(t, r.Store, "a", random(5000, 1), nil)
			}
			d, err := OpenDirFS(r.fs, "new")
			require.NoError(t, err)
			attached := make(chan error, 1)
			go func() { attached <- r.Attach(context.Background(), d) }()
			time.Sleep(time.Minute)
			synctest.Wait()
			select {
			case err := <-attached:
				require.NoError(t, err)
			default:
				release()
				t.Fatal("RULE E12: a drive that hangs cannot be replaced")
			}
			p := r.sets[0].places[2]
			_, err = p.use()
			require.NoError(t, err, "RULE E12: the new drive is not asked, for what the old one owes")
			mustPut(t, r.Store, "b", random(5000, 1), nil)
			release()
			synctest.Wait()
			require.Zero(t, p.late.Load()+p.overdue.Load(), "RULE E12: the old drive's answers are counted as the new one's")
		})
	}
}
