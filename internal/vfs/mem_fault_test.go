package vfs_test

import (
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

func TestAFaultStrikesWhatItSelects(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault vfs.Fault
		want  []int64 // numbers of the operations that fail
	}{
		{"the next", vfs.Fault{}, []int64{1}},
		{"by number", vfs.Fault{At: 5}, []int64{5}},
		{"by kind", vfs.Fault{Kind: vfs.OpWrite}, []int64{2}},
		{"by kind, sticky", vfs.Fault{Kind: vfs.OpWrite, Sticky: true}, []int64{2, 3, 6}},
		{"the third of a kind", vfs.Fault{Kind: vfs.OpWrite, Skip: 2}, []int64{6}},
		{"from the second on", vfs.Fault{Kind: vfs.OpWrite, Skip: 1, Sticky: true}, []int64{3, 6}},
		{"by whole name", vfs.Fault{Name: "d/b", Sticky: true}, []int64{5, 6, 7}},
		{"by last element", vfs.Fault{Name: "b", Sticky: true}, []int64{5, 6, 7}},
		{"by new name", vfs.Fault{Name: "c"}, []int64{7}},
		{"by rule", vfs.Fault{Match: func(op vfs.Op) bool { return op.Offset == 4 }}, []int64{3}},
		{"all that is said must hold", vfs.Fault{Name: "d/b", Kind: vfs.OpSync}, nil},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			m := vfs.NewMem()
			require.NoError(t, m.MkdirAll("d"))
			create(t, m, "d/a", "")
			create(t, m, "d/b", "")
			m = m.KillClone() // numbers from 1 on
			var failed []int64
			m.Observe(func(op vfs.Op) {
				if op.Err != nil {
					require.ErrorIs(t, op.Err, vfs.ErrIO)
					failed = append(failed, op.N)
				}
			})
			a, b := open(t, m, "d/a", vfs.ReadWrite), open(t, m, "d/b", vfs.ReadWrite)
			c.fault.Err = vfs.ErrIO
			m.Inject(c.fault)
			_ = m.SyncDir("d")                // 1
			_, _ = a.WriteAt([]byte("12"), 0) // 2
			_, _ = a.WriteAt([]byte("34"), 4) // 3
			_ = a.Sync()                      // 4
			_ = b.Truncate(7)                 // 5
			_, _ = b.WriteAt([]byte("56"), 0) // 6
			_ = m.Rename("d/b", "d/c")        // 7
			require.Equal(t, c.want, failed)
			require.EqualValues(t, len(c.want), m.Strikes())
			m.ClearFaults()
			require.NoError(t, a.Sync())
		})
	}
}

func TestAFailedOperationHasNoEffect(t *testing.T) {
	for name, op := range map[string]func(m *vfs.Mem, f vfs.File) error{
		"create":      func(m *vfs.Mem, _ vfs.File) error { _, err := m.Create("g"); return err },
		"recreate":    func(m *vfs.Mem, _ vfs.File) error { _, err := m.Create("f"); return err },
		"write":       func(_ *vfs.Mem, f vfs.File) error { _, err := f.Write([]byte("x")); return err },
		"truncate":    func(_ *vfs.Mem, f vfs.File) error { return f.Truncate(1) },
		"preallocate": func(_ *vfs.Mem, f vfs.File) error { return f.Preallocate(100) },
		"rename":      func(m *vfs.Mem, _ vfs.File) error { return m.Rename("f", "g") },
		"remove":      func(m *vfs.Mem, _ vfs.File) error { return m.Remove("f") },
		"mkdir":       func(m *vfs.Mem, _ vfs.File) error { return m.MkdirAll("d/e") },
		"syncdir":     func(m *vfs.Mem, _ vfs.File) error { return m.SyncDir(".") },
		"lock":        func(m *vfs.Mem, _ vfs.File) error { _, err := m.Lock("LOCK"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			m := vfs.NewMem()
			f := create(t, m, "f", "text")
			m.Inject(vfs.Fault{Err: vfs.ErrNoSpace})
			require.ErrorIs(t, op(m, f), vfs.ErrNoSpace)
			require.Equal(t, "f=text", tree(t)(m))
			require.Empty(t, tree(t)(m.CrashClone(nil)))
			require.NoError(t, op(m, f), "it strikes once")
		})
	}
}

func TestReadsFailWhenSelected(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "0123456789")
	m.Inject(vfs.Fault{Err: vfs.ErrIO, Sticky: true})
	p := make([]byte, 4)
	_, err := f.ReadAt(p, 0)
	require.NoError(t, err, "a fault of no kind is of changes only")
	m.ClearFaults()

	ops := m.Ops()
	m.Inject(vfs.Fault{Kind: vfs.OpRead, Err: vfs.ErrIO, Short: 3, Skip: 1})
	m.Inject(vfs.Fault{Kind: vfs.OpOpen, Err: vfs.ErrIO})
	m.Inject(vfs.Fault{Kind: vfs.OpList, Err: vfs.ErrIO})
	_, err = f.ReadAt(p, 0)
	require.NoError(t, err)
	n, err := f.ReadAt(p, 0)
	require.Equal(t, 3, n)
	require.ErrorIs(t, err, vfs.ErrIO)
	_, err = m.Open("f", vfs.ReadOnly)
	require.ErrorIs(t, err, vfs.ErrIO)
	_, err = m.List(".")
	require.ErrorIs(t, err, vfs.ErrIO)
	require.Equal(t, ops, m.Ops(), "looking has numbers of its own")
	require.EqualValues(t, 5, m.Looks())

	m.Inject(vfs.Fault{Kind: vfs.OpRead, Corrupt: func(p []byte) { p[0] ^= 1 }})
	n, err = f.ReadAt(p, 8)
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, "99", string(p[:n]))
	requireContents(t, f, "0123456789")
}

func TestAShortWriteWritesItsPart(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "")
	m.Inject(vfs.Fault{Kind: vfs.OpWrite, Err: vfs.ErrIO, Short: 2})
	n, err := f.Write([]byte("text"))
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, vfs.ErrIO)
	requireContents(t, f, "te")
}

func TestCorruptDamagesWhatIsStoredAndNotTheCallersBytes(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "")
	m.Inject(vfs.Fault{Kind: vfs.OpWrite, Skip: 1, Corrupt: func(p []byte) { p[1] ^= 0x20 }})
	p := []byte("text")
	for range 3 {
		_, err := f.Write(p)
		require.NoError(t, err)
	}
	require.Equal(t, "text", string(p))
	requireContents(t, f, "texttExttext")
}

func TestFlipBitRotsWhatIsSyncedAndWhatIsNot(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "aaaa")
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("."))
	view := mapping(t, f, 4, vfs.ReadOnly).Bytes()
	writeAt(t, f, "b", 1)
	require.NoError(t, f.Truncate(1000))
	require.NoError(t, m.FlipBit("f", 8*1))
	require.NoError(t, m.FlipBit("f", 8*2+1))
	require.NoError(t, m.FlipBit("f", 8*999))
	require.Equal(t, "acca", string(view))
	require.Equal(t, "acca", contents(t, f)[:4])
	require.Equal(t, byte(1), contents(t, f)[999])
	require.Equal(t, "a`ca", readName(t, m.CrashClone(nil), "f"))
	require.Error(t, m.FlipBit("f", 8*1000))
	require.Error(t, m.FlipBit("f", -1))
	require.Error(t, m.FlipBit("g", 0))
	require.Error(t, m.FlipBit("/", 0))
}

// Databases long believed that a failed fsync can be tried again.
func TestNoLaterSyncSavesWhatAFailedSyncLost(t *testing.T) {
	for _, byMapping := range []bool{false, true} {
		m := vfs.NewMem()
		f := create(t, m, "f", "old")
		require.NoError(t, f.Sync())
		require.NoError(t, m.SyncDir("."))
		sync := f.Sync
		if byMapping {
			sync = mapping(t, f, 3, vfs.ReadWrite).Sync
		}
		writeAt(t, f, "new", 0)
		m.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO})
		require.ErrorIs(t, sync(), vfs.ErrIO)
		requireContents(t, f, "new")
		require.NoError(t, sync())
		require.NoError(t, f.Sync())
		require.Equal(t, []string{"f=new", "f=old"}, outcomes(t, m, tree(t)))
		killed := m.KillClone()
		require.NoError(t, open(t, killed, "f", vfs.ReadOnly).Sync())
		require.Equal(t, []string{"f=new", "f=old"}, outcomes(t, killed, tree(t)), "nor does the next process")

		writeAt(t, f, "n", 0)
		require.NoError(t, sync())
		require.Equal(t, []string{"f=new"}, outcomes(t, m, tree(t)), "only writing it again does")
	}
}

func TestAStartedSyncPromisesNothingAndFailsAsASync(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "old")
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("."))
	writeAt(t, f, "new", 0)
	require.NoError(t, f.StartSync(0, 3))
	require.Equal(t, []string{"f=new", "f=old"}, outcomes(t, m, tree(t)))
	require.NoError(t, f.Sync())
	require.Equal(t, []string{"f=new"}, outcomes(t, m, tree(t)))

	writeAt(t, f, "NEW", 0)
	m.Inject(vfs.Fault{Kind: vfs.OpStartSync, Err: vfs.ErrIO})
	require.ErrorIs(t, f.StartSync(0, 3), vfs.ErrIO)
	require.NoError(t, f.Sync())
	require.Equal(t, []string{"f=NEW", "f=new"}, outcomes(t, m, tree(t)))
}

func TestNoLaterSyncSavesTheLengthEither(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "")
	require.NoError(t, m.SyncDir("."))
	require.NoError(t, f.Preallocate(3))
	m.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO})
	require.Error(t, f.Sync())
	require.NoError(t, f.Sync())
	require.Equal(t, []string{"f=", "f=.*3"}, outcomes(t, m, tree(t)))
	killed := m.KillClone()
	require.NoError(t, open(t, killed, "f", vfs.ReadOnly).Sync())
	require.Equal(t, []string{"f=", "f=.*3"}, outcomes(t, killed, tree(t)))
}

func TestTruncationSavesOnlyWhatItTouches(t *testing.T) {
	for _, c := range []struct {
		name string
		size int64
		want []string
	}{
		{"the lost sector is cut", 2, []string{"f=Ab"}},
		{"the lost sector is whole", 600, []string{"f=Ab*599", "f=ab*599"}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			m := vfs.NewMem()
			f := create(t, m, "f", "a"+strings.Repeat("b", 1023))
			require.NoError(t, f.Sync())
			require.NoError(t, m.SyncDir("."))
			writeAt(t, f, "A", 0)
			m.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO})
			require.Error(t, f.Sync())
			require.NoError(t, f.Truncate(c.size))
			require.NoError(t, f.Sync())
			require.Equal(t, c.want, outcomes(t, m, tree(t)))
		})
	}
}

func TestStallsAddUpAndBlockNobody(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "x")
	m.Inject(vfs.Fault{Kind: vfs.OpSync, Stall: time.Minute, Sticky: true})
	require.NoError(t, f.Sync())
	require.NoError(t, f.Sync())
	require.Equal(t, 2*time.Minute, m.TakeStall())
	require.Zero(t, m.TakeStall())
}

func TestABlockedOperationLetsOthersPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := vfs.NewMem()
		f := create(t, m, "f", "x")
		m.Inject(vfs.Fault{Kind: vfs.OpSync, Block: func() { time.Sleep(time.Hour) }})
		var synced error
		var wg sync.WaitGroup
		wg.Go(func() { synced = f.Sync() })
		synctest.Wait() // in the hook now
		write(t, f, "y")
		requireContents(t, f, "xy")
		m.CutPower(0)
		wg.Wait()
		require.ErrorIs(t, synced, vfs.ErrPowerCut, "power went while it was blocked")
	})
}

func TestAFullDiskTakesWhatFits(t *testing.T) {
	m := vfs.NewMem()
	m.SetCapacity(10)
	f := create(t, m, "f", "1234")
	require.NoError(t, f.Preallocate(6))
	require.EqualValues(t, 6, m.Used())
	g := create(t, m, "g", "")
	require.ErrorIs(t, g.Preallocate(5), vfs.ErrNoSpace)
	requireContents(t, g, "")
	n, err := g.Write([]byte("abcdefgh"))
	require.Equal(t, 4, n)
	require.ErrorIs(t, err, vfs.ErrNoSpace)
	requireContents(t, g, "abcd")
	_, err = g.Write([]byte("e"))
	require.ErrorIs(t, err, vfs.ErrNoSpace)

	mp := mapping(t, f, 6, vfs.ReadWrite)
	_, err = mp.WriteAt([]byte("mapped"), 0)
	require.NoError(t, err, "what is preallocated is there to be written")
	writeAt(t, f, "writes", 0)
	require.NoError(t, mp.Close())

	require.NoError(t, f.Truncate(100), "a hole takes nothing")
	n, err = mapping(t, f, 100, vfs.ReadWrite).WriteAt([]byte("x"), 50)
	require.ErrorIs(t, err, vfs.ErrNoSpace, "until it is written")
	require.Zero(t, n)

	require.NoError(t, m.Remove("g"))
	_, err = f.WriteAt([]byte("more"), 6)
	require.ErrorIs(t, err, vfs.ErrNoSpace, "an open file keeps its space")
	require.NoError(t, g.Close())
	writeAt(t, f, "more", 6)
	require.EqualValues(t, 10, m.Used())
	for _, clone := range []*vfs.Mem{m.KillClone(), m.CrashCloneKeepAll()} {
		require.EqualValues(t, 10, clone.Used())
		_, err := create(t, clone, "h", "").Write([]byte("x"))
		require.ErrorIs(t, err, vfs.ErrNoSpace, "a clone's disk is no larger")
		clone.SetCapacity(0)
		create(t, clone, "h", "x")
	}
}

func TestPreallocationCostsNoMemory(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "x")
	require.NoError(t, f.Preallocate(1<<50))
	size, err := open(t, m.CrashCloneKeepAll(), "f", vfs.ReadOnly).Size()
	require.NoError(t, err)
	require.Equal(t, int64(1<<50), size)
	_, err = f.WriteAt([]byte("x"), 1<<40)
	require.Error(t, err, "writing so far out would")
}

func TestReplacedFilesGiveTheirSpaceBack(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, create(t, m, "a", "12345").Close())
	require.NoError(t, create(t, m, "b", "123").Close())
	require.NoError(t, m.Rename("b", "a"))
	require.NoError(t, m.Rename("a", "a"), "onto itself")
	require.EqualValues(t, 3, m.Used())
	require.NoError(t, create(t, m, "a", "").Close())
	require.Zero(t, m.Used())
}

func TestTruncatingWhatIsMappedIsRefused(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "12345")
	mp := mapping(t, f, 3, vfs.ReadOnly)
	require.NoError(t, f.Truncate(3))
	require.Error(t, f.Truncate(2))
	_, err := m.Create("f")
	require.Error(t, err)
	requireContents(t, f, "123")
	require.NoError(t, mp.Close())
	require.NoError(t, f.Truncate(2))
}

func TestWithPowerOffNothingWorks(t *testing.T) {
	m := vfs.NewMem()
	require.NoError(t, m.MkdirAll("d"))
	f := create(t, m, "f", "text")
	mp := mapping(t, f, 4, vfs.ReadWrite)
	lock, err := m.Lock("LOCK")
	require.NoError(t, err)
	ops := m.Ops()
	m.CutPower(ops + 1)
	require.NoError(t, f.Sync(), "the last one")
	for i, call := range []func() error{
		func() error { _, err := m.Create("g"); return err },
		func() error { _, err := m.Open("f", vfs.ReadOnly); return err },
		func() error { _, err := m.List("."); return err },
		func() error { _, err := m.Lock("l"); return err },
		func() error { return m.Rename("f", "g") },
		func() error { return m.Remove("f") },
		func() error { return m.MkdirAll("d") },
		func() error { return m.MkdirAll("e") },
		func() error { return m.SyncDir(".") },
		func() error { _, err := f.ReadAt(make([]byte, 1), 0); return err },
		func() error { _, err := f.WriteAt([]byte("x"), 0); return err },
		func() error { _, err := f.Write([]byte("x")); return err },
		func() error { _, err := f.Size(); return err },
		func() error { return f.Truncate(0) },
		func() error { return f.Preallocate(9) },
		func() error { return f.Sync() },
		func() error { return f.StartSync(0, 4) },
		func() error { _, err := f.Map(1, vfs.ReadOnly); return err },
		func() error { _, err := mp.WriteAt([]byte("x"), 0); return err },
		func() error { return mp.Sync() },
	} {
		require.ErrorIs(t, call(), vfs.ErrPowerCut, "call %d", i)
	}
	require.Equal(t, ops+1, m.Ops())
	require.NoError(t, mp.Close())
	require.NoError(t, f.Close())
	require.NoError(t, lock.Close())
	require.Equal(t, "text", readName(t, m.KillClone(), "f"))
}

func TestAnInterruptedWriteIsHalfDoneAndAnInterruptedSyncPromisesNothing(t *testing.T) {
	m := vfs.NewMem()
	f := create(t, m, "f", "old.")
	require.NoError(t, f.Sync())
	require.NoError(t, m.SyncDir("."))
	m.CutPowerDuring(m.Ops() + 1)
	n, err := f.WriteAt([]byte("new!"), 0)
	require.Equal(t, 2, n)
	require.ErrorIs(t, err, vfs.ErrPowerCut)
	require.Equal(t, "ned.", readName(t, m.KillClone(), "f"))
	require.Equal(t, []string{"f=ned.", "f=old."}, outcomes(t, m, tree(t)))

	m = m.KillClone()
	f = open(t, m, "f", vfs.ReadWrite)
	m.CutPowerDuring(1)
	require.ErrorIs(t, f.Sync(), vfs.ErrPowerCut)
	require.Equal(t, []string{"f=ned.", "f=old."}, outcomes(t, m, tree(t)))
	killed := m.KillClone()
	require.NoError(t, open(t, killed, "f", vfs.ReadOnly).Sync())
	require.Equal(t, []string{"f=ned."}, outcomes(t, killed, tree(t)), "it did not fail, it was cut short")

	m = m.KillClone()
	m.CutPowerDuring(1)
	require.ErrorIs(t, m.Rename("f", "g"), vfs.ErrPowerCut)
	require.Equal(t, []string{"f=ned.", "f=old.", "g=ned.", "g=old."}, outcomes(t, m, tree(t)))

	m = m.KillClone()
	m.CutPowerDuring(1)
	require.ErrorIs(t, m.SyncDir("."), vfs.ErrPowerCut)
	require.Equal(t, []string{"f=ned.", "f=old.", "g=ned.", "g=old."}, outcomes(t, m, tree(t)))
}

// All at once, for the race detector: callers, faults, clones, a power cut.
func TestMemIsSafeForConcurrentUse(t *testing.T) {
	m := vfs.NewMem()
	m.Observe(func(op vfs.Op) {
		if op.N%50 == 0 {
			m.CrashClone(nil)
		}
	})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			name := string(rune('a' + g))
			rng := rand.New(rand.NewPCG(uint64(g), 9))
			f, err := m.Create(name)
			if err != nil {
				return
			}
			for i := range 100 {
				_, _ = f.WriteAt([]byte(name), int64(i*100))
				_ = f.Sync()
				_ = m.Rename(name, name+"'")
				_ = m.Rename(name+"'", name)
				_ = m.SyncDir(".")
				_, _ = m.List(".")
				m.Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO})
				m.CrashClone(rng)
				m.KillClone()
			}
			_ = f.Close()
		})
	}
	wg.Wait()
	m.CutPower(0)
	require.Equal(t, "a 9901\nb 9901\nc 9901\nd 9901\n", m.KillClone().Dump())
}
