package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/lsm/lsmtest"
)

// TestAPowerCutWhileAStateIsInstalledLeavesOneOrTheOther cuts the power after every
// operation on the disk from the first byte of a received snapshot to long after
// it is in use.
func TestAPowerCutWhileAStateIsInstalledLeavesOneOrTheOther(t *testing.T) {
	leader := newTwin(t)
	for i := range 100 {
		leader.put(fmt.Sprintf("k%04d", i), fmt.Sprintf("%0100d", i))
	}
	for i := range 3 { // more than is committed at once
		leader.put(fmt.Sprintf("large%d", i), string(make([]byte, 600_000)))
	}
	m := newMember(t, lsmtest.NewMemFS())
	for i := range 20 {
		m.apply(put(fmt.Sprintf("old%d", i), "x"))
	}
	m.name()
	x := &installation{t: t, before: m.bytes(), after: leader.snapshot(), old: m.snapshot, promise: m.snapshot, rng: rand.New(rand.NewPCG(1, 1))}
	m.fs.Observe(func(op vfs.Op) { x.cut(m.fs, op) })
	n, err := m.dir.Receive(bytes.NewReader(x.after))
	require.NoError(t, err)
	x.promised(n.Bytes()) // raft stores it, durably, and drops its log
	require.NoError(t, m.machine.Restore(bytes.NewReader(n.Bytes())))
	m.fs.Observe(nil)
	require.Equal(t, x.after, m.bytes())
	m.machine.Close()
	m.dir.Close()
	require.Greater(t, x.cuts, 50)
	t.Logf("%d power cuts", x.cuts)
}

// installation is what a power cut during one may find.
type installation struct {
	t             *testing.T
	before, after []byte // the states
	old           []byte // the name that raft had at the beginning
	rng           *rand.Rand

	mu      sync.Mutex
	promise []byte // the name that raft has
	cuts    int
}

func (x *installation) promised(name []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.promise = name
}

// cut starts a member on what a power cut after op leaves.
func (x *installation) cut(fs *lsmtest.MemFS, op vfs.Op) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cuts++
	m := &member{t: x.t, fs: fs.CrashClone(x.rng)}
	var err error
	m.dir, err = ondisk.Open("store", small(m.fs))
	rule(x.t, "install-whole", err == nil, "power cut after %v: %v", op, err)
	defer m.dir.Close()
	m.machine = m.dir.Machine()
	defer m.machine.Close()
	err = m.machine.Restore(bytes.NewReader(x.promise))
	rule(x.t, "name-durable", err == nil, "power cut after %v: the state that raft was promised is not there: %v", op, err)
	state := m.bytes()
	whole := bytes.Equal(state, x.after) || bytes.Equal(state, x.before) && bytes.Equal(x.promise, x.old)
	rule(x.t, "install-whole", whole, "power cut after %v: it is neither the state of before nor that of after", op)
	m.dir.Sweep()
	states := statesOf(x.t, m.fs)
	rule(x.t, "states-removed", len(states) == 1, "power cut after %v: the states %v are left", op, states)
	m.commands = make([][]byte, 1000) // raft's log goes on somewhere behind both
	_, err = m.apply(put("more", "x"))
	require.NoError(x.t, err)
}

// TestAKillBetweenTwoWritesLeavesWholeCommands kills the process after every
// operation on the disk.
func TestAKillBetweenTwoWritesLeavesWholeCommands(t *testing.T) {
	g, twin := newGenerator(1), newTwin(t)
	states := [][]byte{twin.snapshot()}
	m := newMember(t, lsmtest.NewMemFS())
	var left []*lsmtest.MemFS
	var mu sync.Mutex
	m.fs.Observe(func(vfs.Op) {
		mu.Lock()
		defer mu.Unlock()
		left = append(left, m.fs.KillClone())
	})
	for range 60 {
		g.revision = twin.Status().Revision
		cmd := store.Command(g.txn(1))
		m.apply(cmd)
		twin.try(cmd)
		states = append(states, twin.snapshot())
	}
	m.fs.Observe(nil)
	m.machine.Close()
	m.dir.Close()
	for i, fs := range left {
		d := openDir(t, fs)
		l := &log{t: t, Store: d.Machine().Store}
		index := l.Status().Index
		rule(t, "crash-exact", bytes.Equal(l.snapshot(), states[index]), "kill %d leaves another state than that of %d commands", i, index)
		d.Close()
	}
	require.Greater(t, len(left), 100)
}

func statesOf(t testing.TB, fs lsm.FS) (states []string) {
	names, err := fs.List("store")
	require.NoError(t, err)
	for _, name := range names {
		if strings.HasPrefix(name, "state-") {
			states = append(states, name)
		}
	}
	return states
}

// A snapshot that ends early, or is damaged, leaves nothing behind.
func TestAStateThatIsNotReceivedWholeIsNone(t *testing.T) {
	snapshot := filled(t).snapshot()
	m := newMember(t, lsmtest.NewMemFS())
	defer m.dir.Close()
	m.apply(put("a", "x"))
	want := m.bytes()
	bad := bytes.Clone(snapshot)
	bad[len(bad)/2] ^= 1
	for what, b := range map[string][]byte{"cut": snapshot[:len(snapshot)-1], "damaged": bad} {
		_, err := m.dir.Receive(bytes.NewReader(b))
		rule(t, "snapshot-damage", errors.Is(err, store.ErrInvalidCommand), "%s: %v", what, err)
		require.Error(t, m.machine.Restore(bytes.NewReader(b)))
		require.Equal(t, want, m.bytes())
		rule(t, "states-removed", len(statesOf(t, m.fs)) == 1, "%s: %v is left", what, statesOf(t, m.fs))
	}
}

// Who reads a state that is replaced reads it to the end; then its files go.
func TestAViewOutlivesTheReplacedState(t *testing.T) {
	m, twin := filledMember(t, 200)
	defer m.dir.Close()
	view, want := m.machine.Freeze(), m.bytes()
	other := newTwin(t)
	other.index = 10_000
	other.put("new", "x")
	require.NoError(t, m.machine.Restore(bytes.NewReader(other.snapshot())))
	require.Equal(t, "new=x", (&log{t: t, Store: m.machine.Store}).all(0))
	rule(t, "view-pinned", len(statesOf(t, m.fs)) == 2, "the state that a view reads was removed: %v are there", statesOf(t, m.fs))
	var b bytes.Buffer
	_, err := view.WriteTo(&b)
	rule(t, "view-pinned", err == nil && bytes.Equal(b.Bytes(), want), "a view of the replaced state reads %d bytes, %v", b.Len(), err)
	require.Equal(t, twin.snapshot(), b.Bytes())
	view.Close()
	rule(t, "states-removed", len(statesOf(t, m.fs)) == 1, "nobody reads it, and %v are there", statesOf(t, m.fs))
}

// What is received and comes too late is removed when the next one comes.
func TestAStateThatCameTooLateIsRemoved(t *testing.T) {
	m, twin := filledMember(t, 50)
	defer m.dir.Close()
	_, err := m.dir.Receive(bytes.NewReader(twin.snapshot()))
	require.NoError(t, err)
	require.Len(t, statesOf(t, m.fs), 2)
	require.NoError(t, m.machine.Tidy())
	rule(t, "states-removed", len(statesOf(t, m.fs)) == 1, "%v are there", statesOf(t, m.fs))
	// One that is ahead is not removed: raft may have been promised it.
	twin.put("one", "more")
	n, err := m.dir.Receive(bytes.NewReader(twin.snapshot()))
	require.NoError(t, err)
	require.NoError(t, m.machine.Tidy())
	err = m.machine.Restore(bytes.NewReader(n.Bytes()))
	rule(t, "name-durable", err == nil, "the state that raft was promised was removed: %v", err)
	require.Equal(t, twin.snapshot(), m.bytes())
}

// A restore of what the state holds already changes nothing: the state may be
// ahead of raft's snapshot, and is not set back.
func TestAStateIsNotSetBack(t *testing.T) {
	m, twin := filledMember(t, 20)
	defer m.dir.Close()
	m.name()
	rows := twin.snapshot()
	m.apply(put("newer", "x"))
	want := m.bytes()
	for what, snapshot := range map[string][]byte{"a name": m.snapshot, "rows": rows} {
		require.NoError(t, m.machine.Restore(bytes.NewReader(snapshot)))
		rule(t, "restore-forward", bytes.Equal(want, m.bytes()), "%s of an older state set it back", what)
	}
	// The same commands again, as a start replays them.
	for i, c := range m.commands {
		m.machine.Apply(uint64(i+1), c)
	}
	rule(t, "applied-once", bytes.Equal(want, m.bytes()), "commands that it has were executed again")
}

// A name is not written before the state is durable: raft cuts its log for it.
func TestANameIsWrittenWhenTheStateIsDurable(t *testing.T) {
	m, _ := filledMember(t, 20)
	m.name()
	left := m.fs.CrashClone(nil) // all that is not synced is lost
	want := m.bytes()
	m.commands = nil // and raft's log is cut
	m.through = 0
	m.restart(left)
	rule(t, "name-durable", bytes.Equal(want, m.bytes()), "a power cut took what the name stands for")
	m.fs.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO, Sticky: true})
	m.machine.Apply(1000, store.EncodeCommand(put("a", "x")))
	w, err := m.machine.Snapshot()
	require.NoError(t, err)
	n, err := w.WriteTo(new(bytes.Buffer))
	rule(t, "name-durable", errors.Is(err, vfs.ErrIO) && n == 0, "a sync failed, and the name was written: %v", err)
	m.machine.Close()
	m.dir.Close()
}

// A disk that fails is a Failure at every command from then on, an error of reads,
// and what was committed before is there later.
func TestAFailedDiskIsNeverPassedOver(t *testing.T) {
	m, _ := filledMember(t, 20)
	want := m.bytes()
	m.fs.Inject(vfs.Fault{Err: vfs.ErrIO, Sticky: true})
	failed := func() (f *store.Failure) {
		defer func() { f, _ = recover().(*store.Failure) }()
		for i := range 100 {
			m.machine.Apply(uint64(1000+i), store.EncodeCommand(put("a", string(make([]byte, 8000)))))
		}
		return nil
	}
	rule(t, "failure", failed() != nil, "a disk that fails lets commands pass")
	rule(t, "failure", failed() != nil, "after a failure commands are executed")
	left := m.fs.KillClone()
	m.machine.Close()
	m.dir.Close()
	again := &member{t: t, fs: left}
	again.open()
	defer again.dir.Close()
	index := again.machine.Status().Index
	if index < 1000 {
		require.Equal(t, want, again.bytes())
	}
}

// What cannot be read is an error of whoever reads it.
func TestAReadThatFailsIsAnError(t *testing.T) {
	fs := lsmtest.NewMemFS()
	o := small(fs)
	o.LSM.NoMmap = true
	d, err := ondisk.Open("store", o)
	require.NoError(t, err)
	defer d.Close()
	m := d.Machine()
	for i := range 300 {
		m.Apply(uint64(i+1), store.EncodeCommand(put(fmt.Sprintf("k%d", i), string(make([]byte, 1000)))))
	}
	m.Apply(1000, store.EncodeCommand(&store.DefragmentRequest{}))
	require.NoError(t, d.Settle(t.Context()))
	w, err := m.Watch(&store.WatchRequest{Key: []byte{0}, End: []byte{0}, StartRevision: 2})
	require.NoError(t, err)
	fs.Inject(vfs.Fault{Kind: vfs.OpRead, Err: vfs.ErrIO, Sticky: true})
	_, err = m.Range(&store.RangeRequest{Key: []byte{0}, End: []byte{0}})
	rule(t, "failure", errors.Is(err, vfs.ErrIO), "a range of what cannot be read: %v", err)
	_, err = m.Hash(0)
	rule(t, "failure", errors.Is(err, vfs.ErrIO), "a hash of what cannot be read: %v", err)
	r, ok := w.Next(0)
	rule(t, "failure", ok && r.Canceled && strings.Contains(r.CancelReason, "input/output"), "a watch of what cannot be read: %+v", r)
	_, err = m.Freeze().WriteTo(new(bytes.Buffer))
	rule(t, "failure", errors.Is(err, vfs.ErrIO), "a snapshot of what cannot be read: %v", err)
}

func TestAStoreDirectoryIsOneOwners(t *testing.T) {
	fs := lsmtest.NewMemFS()
	d := openDir(t, fs)
	_, err := ondisk.Open("store", small(fs))
	rule(t, "directory", errors.Is(err, ondisk.ErrLocked) && strings.Contains(err.Error(), "store"), "opened twice: %v", err)
	d.Close()
	d.Close()
	openDir(t, fs).Close()
}

func TestAStoreDirectoryThatCannotBeReadIsRefusedByName(t *testing.T) {
	filledDir := func() *lsmtest.MemFS {
		m, _ := filledMember(t, 5)
		m.machine.Close()
		m.dir.Close()
		return m.fs
	}
	rewrite := func(fs *lsmtest.MemFS, from, to string) {
		name := filepath.Join("store", "STORE")
		f, err := fs.Open(name, vfs.ReadWrite)
		require.NoError(t, err)
		size, err := f.Size()
		require.NoError(t, err)
		b := make([]byte, size)
		_, err = f.ReadAt(b, 0)
		require.NoError(t, err)
		b = bytes.Replace(b, []byte(from), []byte(to), 1)
		require.NoError(t, f.Truncate(0))
		_, err = f.WriteAt(b, 0)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	for what, x := range map[string]struct {
		change func(fs *lsmtest.MemFS)
		want   error
		word   string
	}{
		"newer":   {func(fs *lsmtest.MemFS) { rewrite(fs, "store 1", "store 2") }, ondisk.ErrVersion, "format 2"},
		"damaged": {func(fs *lsmtest.MemFS) { rewrite(fs, "000001", "000007") }, ondisk.ErrCorrupt, "STORE"},
		"no file": {func(fs *lsmtest.MemFS) { require.NoError(t, fs.Remove("store/STORE")) }, ondisk.ErrCorrupt, "STORE is gone"},
		"no state": {func(fs *lsmtest.MemFS) {
			require.NoError(t, fs.Rename("store/state-000001", "store/elsewhere"))
		}, ondisk.ErrCorrupt, "state-000001"},
	} {
		fs := filledDir()
		x.change(fs)
		_, err := ondisk.Open("store", small(fs))
		rule(t, "directory", errors.Is(err, x.want) && strings.Contains(err.Error(), x.word), "%s: %v", what, err)
	}
	m, _ := filledMember(t, 5)
	defer m.dir.Close()
	for what, x := range map[string]struct {
		name []byte
		want error
	}{
		"a state that is ahead of this one": {ondisk.Name{State: 1, Index: 1 << 40}.Bytes(), ondisk.ErrCorrupt},
		"a state that is not there":         {ondisk.Name{State: 7, Index: 1 << 40}.Bytes(), ondisk.ErrCorrupt},
		"a name that is cut":                {ondisk.Name{State: 1, Index: 1}.Bytes()[:20], ondisk.ErrCorrupt},
		"a name of a newer build":           {bytes.Replace(ondisk.Name{}.Bytes(), []byte("lsm\x01"), []byte("lsm\x02"), 1), ondisk.ErrVersion},
		"nothing":                           {nil, store.ErrInvalidCommand},
	} {
		err := m.machine.Restore(bytes.NewReader(x.name))
		rule(t, "directory", errors.Is(err, x.want), "%s: %v", what, err)
	}
	require.ErrorIs(t, store.New(store.Options{}).Restore(bytes.NewReader(ondisk.Name{State: 1}.Bytes())), store.ErrInvalidCommand)
}

// TestDataMayBeLargerThanMemory writes many times what the tree may keep in memory,
// and reads it back; the same in memory shows that the measure measures.
func TestDataMayBeLargerThanMemory(t *testing.T) {
	const data, valueSize, room = 24 << 20, 1 << 10, 12 << 20
	grown := func(s *store.Store) int64 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		most := int64(0)
		for i := range data / valueSize {
			value := make([]byte, valueSize)
			value[i%valueSize] = byte(i)
			s.Apply(uint64(i+1), store.EncodeCommand(&store.PutRequest{Key: fmt.Appendf(nil, "k%08d", i), Value: value}))
			if i%4096 == 4095 {
				runtime.GC()
				runtime.ReadMemStats(&after)
				most = max(most, int64(after.HeapInuse)-int64(before.HeapInuse))
			}
		}
		r, err := s.Range(&store.RangeRequest{Key: []byte{0}, End: []byte{0}, CountOnly: true})
		require.NoError(t, err)
		require.EqualValues(t, data/valueSize, r.Count)
		require.Greater(t, s.Status().Size, int64(data))
		return most
	}
	require.Greater(t, grown(store.New(store.Options{})), int64(data))
	d, err := ondisk.Open(t.TempDir(), &ondisk.Options{LSM: lsm.Options{MemTableSize: 1 << 20, NumMemtables: 2, BlockCacheSize: 1 << 20, NoMmap: true}})
	require.NoError(t, err)
	m := d.Machine()
	most := grown(m.Store)
	rule(t, "memory-bounded", most < room, "%d MiB of data take %d MiB of memory", data>>20, most>>20)
	t.Logf("%d MiB of data, %d KiB of memory", data>>20, most>>10)
	m.Close()
	d.Close()
}

// Room that compaction freed comes back from the disk with a defragmentation.
func TestDefragmentationGivesTheDiskBack(t *testing.T) {
	m := newMember(t, lsmtest.NewMemFS())
	defer m.dir.Close()
	for i := range 600 {
		_, err := m.apply(put(fmt.Sprintf("k%d", i%10), string(make([]byte, 1000))))
		require.NoError(t, err)
	}
	before := m.dir.Bytes()
	require.Greater(t, before, int64(400_000))
	m.apply(&store.CompactionRequest{Revision: m.machine.Status().Revision})
	m.apply(&store.DefragmentRequest{})
	require.NoError(t, m.dir.Settle(t.Context()))
	rule(t, "defragment", m.dir.Bytes() < before/4, "%d bytes on the disk before, %d after, for 10 keys", before, m.dir.Bytes())
	require.Positive(t, m.dir.Metrics().Compactions)
	m.machine.Close()
}

// A key is refused where it would be too long for one of the storages: members
// must not differ on it.
func TestAKeyIsAsLongAsEveryStorageTakesIt(t *testing.T) {
	m := newMember(t, lsmtest.NewMemFS())
	defer m.dir.Close()
	longest := make([]byte, store.MaxKeyLen) // zeros take twice the room
	_, err := m.apply(&store.PutRequest{Key: longest})
	require.NoError(t, err)
	_, err = m.apply(&store.PutRequest{Key: append(longest, 0)})
	rule(t, "validate", err == store.ErrKeyTooLong, "a key of %d bytes: %v", len(longest)+1, err)
	r, err := m.machine.Range(&store.RangeRequest{Key: []byte{0}, End: []byte{0}})
	require.NoError(t, err)
	require.Equal(t, longest, r.KVs[0].Key)
}
