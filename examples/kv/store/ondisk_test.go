package store_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/model"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/lsm/lsmtest"
)

var storage = flag.String("storage", "memory", "what the tests' stores are on: memory or lsm")

// TestEverythingHoldsOnLSM runs the tests of this package again, with their
// stores on package lsm.
func TestEverythingHoldsOnLSM(t *testing.T) {
	if *storage == "lsm" || testing.Short() {
		t.Skip("it is what runs, or too long")
	}
	cmd := exec.Command(os.Args[0], "-storage=lsm", "-runs=6", "-test.timeout=5m")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// small options take a few hundred writes through memtables, tables and the
// value log.
func small(fs lsm.FS) *ondisk.Options {
	return &ondisk.Options{FS: fs, LSM: lsm.Options{MemTableSize: 64 << 10, NumMemtables: 2, BaseTableSize: 1 << 10, BaseLevelSize: 4 << 10,
		LevelRatio: 2, BlockSize: 128, L0Compaction: 2, ValueThreshold: 4, ValueLogFileSize: 4 << 10, BlockCacheSize: 64 << 10}}
}

func openDir(t testing.TB, fs lsm.FS) *ondisk.Dir {
	d, err := ondisk.Open("store", small(fs))
	require.NoError(t, err)
	return d
}

// member is what raft makes of a store on a disk: commands that are in its log
// until a snapshot's name stands for them, and a start that replays them.
type member struct {
	t       testing.TB
	fs      *lsmtest.MemFS
	dir     *ondisk.Dir
	machine *ondisk.Machine
	// Raft's, durable: the last snapshot, how many commands it stands for, and
	// all that were committed.
	snapshot []byte
	through  uint64
	commands [][]byte
}

func newMember(t testing.TB, fs *lsmtest.MemFS) *member {
	m := &member{t: t, fs: fs}
	m.open()
	return m
}

func (m *member) open() {
	m.dir = openDir(m.t, m.fs)
	m.machine = m.dir.Machine()
}

// apply is a committed command.
func (m *member) apply(c store.Command) (store.Response, error) {
	b := store.EncodeCommand(c)
	m.commands = append(m.commands, b)
	return store.DecodeResult(m.machine.Apply(uint64(len(m.commands)), b))
}

// name takes a snapshot, after which the log may be cut.
func (m *member) name() {
	w, err := m.machine.Snapshot()
	require.NoError(m.t, err)
	var b bytes.Buffer
	_, err = w.WriteTo(&b)
	require.NoError(m.t, err)
	m.snapshot, m.through = b.Bytes(), uint64(len(m.commands))
}

// restart is a start on what is left, as raft does it.
func (m *member) restart(left *lsmtest.MemFS) {
	m.machine.Close()
	m.dir.Close()
	m.fs = left
	m.open()
	if m.snapshot != nil {
		err := m.machine.Restore(bytes.NewReader(m.snapshot))
		rule(m.t, "name-durable", err == nil, "the state that a snapshot names is not there: %v", err)
	}
	m.dir.Sweep()
	for i := m.through; i < uint64(len(m.commands)); i++ {
		m.machine.Apply(i+1, m.commands[i])
	}
}

func (m *member) bytes() []byte { return (&log{t: m.t, Store: m.machine.Store}).snapshot() }

// TestStoreOnADiskIsTheModelWhateverHappens is TestStoreIsTheModel for a member
// that is stopped, killed, and loses its power.
func TestStoreOnADiskIsTheModelWhateverHappens(t *testing.T) {
	for seed := range uint64(max(*runs/10, 1)) {
		g, mem, m := newGenerator(seed), newMember(t, lsmtest.NewMemFS()), model.New()
		twin := newTwin(t)
		for range 300 {
			g.revision, g.compacted = m.Revision, m.Compacted
			cmd := g.command()
			want, wantResp, wantErr := m.Step(cmd)
			resp, err := mem.apply(cmd)
			twin.try(cmd)
			rule(t, "answers", err == wantErr, "seed %d: %T%+v: error %v, want %v", seed, cmd, cmd, err, wantErr)
			same(t, "answers", any(wantResp), any(resp), "seed %d: %T%+v", seed, cmd, cmd)
			m = want
			if g.chance(5) {
				mem.name()
			}
			if g.chance(4) {
				happen(mem, g.Rand)
				rule(t, "crash-exact", bytes.Equal(twin.snapshot(), mem.bytes()), "seed %d: after %d commands and a restart it is another state", seed, len(mem.commands))
			}
			compareReads(t, g, &log{t: t, Store: mem.machine.Store}, m)
		}
		compareHistory(t, &log{t: t, Store: mem.machine.Store}, m)
		mem.machine.Close()
		mem.dir.Close()
	}
}

// newTwin is in memory whatever -storage says.
func newTwin(t testing.TB) *log { return &log{t: t, Store: store.New(store.Options{})} }

func happen(m *member, r *rand.Rand) {
	switch r.IntN(3) {
	case 0:
		m.machine.Close()
		m.dir.Close()
		m.restart(m.fs)
	case 1:
		m.restart(m.fs.KillClone())
	case 2:
		m.restart(m.fs.CrashClone(r))
	}
}

// filledMember has n keys, of 100 bytes each, some overwritten and deleted.
func filledMember(t testing.TB, n int) (*member, *log) {
	m, twin := newMember(t, lsmtest.NewMemFS()), newTwin(t)
	do := func(c store.Command) {
		_, err := m.apply(c)
		require.NoError(t, err)
		twin.do(c)
	}
	for i := range n {
		key := fmt.Sprintf("k%06d", i*7919%n)
		do(put(key, fmt.Sprintf("%0100d", i)))
		if i%5 == 0 {
			do(put(key, "again"))
		}
		if i%7 == 0 {
			do(&store.DeleteRangeRequest{Key: []byte(key)})
		}
	}
	return m, twin
}
