package service

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/lsm/lsmtest"
)

func onDisk(t *testing.T, fs *lsmtest.MemFS) (m *machine, stopped context.Context) {
	d, err := ondisk.Open("store", &ondisk.Options{FS: fs, LSM: lsm.Options{MemTableSize: 64 << 10}})
	require.NoError(t, err)
	stopped, stop := context.WithCancelCause(t.Context())
	m = &machine{}
	require.NoError(t, m.open(d, stop))
	t.Cleanup(m.close)
	return m, stopped
}

// Rows that no quota of keys counts fill the disk as well.
func TestQuotaCountsWhatTheTreeTakes(t *testing.T) {
	m, _ := onDisk(t, lsmtest.NewMemFS())
	row := store.Member{Name: strings.Repeat("n", 2000)}
	for i := range 1000 {
		row.ID = uint64(i)
		m.Apply(uint64(i+1), store.EncodeCommand(&store.MemberSetRequest{Member: row}))
	}
	m.Apply(2000, store.EncodeCommand(&store.DefragmentRequest{}))
	require.NoError(t, m.settle(t.Context()))
	require.Zero(t, m.Status().Size)
	if size := m.size(); size < 2000_000 {
		t.Fatalf("RULE S4: two megabytes on the disk count as %d bytes", size)
	}
	require.EqualValues(t, m.size(), m.tree().Levels[6].Size)
}

// Raft takes a command for applied that a failing disk did not keep. It gets no
// snapshot then: the command would be in neither the state nor the log.
func TestAFailedStoreIsNotNamed(t *testing.T) {
	fs := lsmtest.NewMemFS()
	m, stopped := onDisk(t, fs)
	fs.Inject(vfs.Fault{Err: vfs.ErrIO, Sticky: true})
	put := store.EncodeCommand(&store.PutRequest{Key: []byte("a"), Value: make([]byte, 100_000)})
	for i := range 10 {
		m.Apply(uint64(i+1), put)
	}
	require.ErrorIs(t, context.Cause(stopped), vfs.ErrIO)
	_, err := m.Snapshot()
	if err == nil {
		t.Fatalf("RULE S12: a state that lacks commands is named")
	}
	require.ErrorIs(t, err, vfs.ErrIO)
	require.ErrorIs(t, m.Restore(bytes.NewReader(nil)), vfs.ErrIO)
}

// A disk may fail when a state that was received is opened: raft is told, and the
// process goes on.
func TestAStateThatCannotBeReadIsAnErrorOfItsRestore(t *testing.T) {
	sender := store.New(store.Options{})
	apply := func(c store.Command) { sender.Apply(sender.Status().Index+1, store.EncodeCommand(c)) }
	apply(&store.LeaseGrantRequest{ID: 1, TTL: 60})
	for i := range 200 { // leases and what the state begins with are in different files
		apply(&store.PutRequest{Key: []byte{1, byte(i)}, Value: make([]byte, 10_000)})
		apply(&store.MemberSetRequest{Member: store.Member{ID: uint64(i), Name: strings.Repeat("n", 10_000)}})
	}
	frozen := sender.Freeze()
	defer frozen.Close()
	var state bytes.Buffer
	_, err := frozen.WriteTo(&state)
	require.NoError(t, err)
	fs := lsmtest.NewMemFS()
	m, _ := onDisk(t, fs)
	data, err := m.receive(&state)
	require.NoError(t, err)
	m.close()
	for opened := 0; ; opened++ {
		disk := fs.KillClone()
		m, _ := onDisk(t, disk)
		disk.Inject(vfs.Fault{Kind: vfs.OpOpen, Err: vfs.ErrIO, Sticky: true, Skip: opened})
		var ended any
		func() {
			defer func() { ended = recover() }()
			err = m.Restore(bytes.NewReader(data[len(noSessions):]))
		}()
		if ended != nil {
			t.Fatalf("RULE S12: the process ends for file %d of a state, which cannot be opened: %v", opened+1, ended)
		}
		m.close()
		if err == nil {
			break
		}
		require.ErrorIs(t, err, vfs.ErrIO)
		disk.ClearFaults()
		m, _ = onDisk(t, disk)
		if err = m.Restore(bytes.NewReader(data[len(noSessions):])); err != nil {
			t.Fatalf("RULE S12: a member whose disk is well again does not start: %v", err)
		}
		m.close()
	}
}
