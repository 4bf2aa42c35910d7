package sim_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/internal/vfs"
)

// writer is a process that appends every payload to a file, syncs it if told
// to, and acknowledges to process 1. At boot it keeps what it finds.
type writer struct {
	*sim.Process
	file  vfs.File
	found string
	sync  bool
}

func (d *writer) boot(p *sim.Process) sim.Handler {
	d.Process, d.found = p, ""
	f, err := p.Disk().Open("log", vfs.ReadWrite)
	if err == nil {
		size, _ := f.Size()
		text := make([]byte, size)
		if _, err = f.ReadAt(text, 0); err == nil {
			d.found = string(text)
		}
	} else {
		f, err = p.Disk().Create("log")
		if err == nil {
			err = p.Disk().SyncDir("/")
		}
	}
	if err != nil {
		return nil
	}
	d.file = f
	return d
}

func (d *writer) Receive(_ sim.ID, payload any) {
	if _, err := d.file.Write([]byte(payload.(string))); err != nil {
		return
	}
	d.Send(1, "written "+payload.(string))
	if d.sync && d.file.Sync() != nil {
		return
	}
	d.Send(1, "done "+payload.(string))
}

// spawnWriter adds process 1, which is told, and process 2, which writes.
func spawnWriter(o sim.Options, sync bool) (*sim.World, *tape, []*peer, *writer) {
	w, tape := newWorld(o)
	peers := spawnPeers(w, 1)
	d := &writer{sync: sync}
	w.Spawn(2, d.boot)
	return w, tape, peers, d
}

func TestKillKeepsWhatAPowerCutMayLose(t *testing.T) {
	lost := 0
	for seed := range uint64(20) {
		for _, how := range []sim.CrashMode{sim.PowerCut, sim.Kill} {
			w, _, _, d := spawnWriter(sim.Options{Seed: seed}, false)
			w.Inject(2, "abc")
			run(t, w, time.Second)
			w.Crash(2, how)
			w.Restart(2)
			if how == sim.Kill {
				require.Equal(t, "abc", d.found)
			} else if d.found != "abc" {
				lost++
			}
		}
	}
	require.Greater(t, lost, 0)
	require.Less(t, lost, 20, "some power cuts come after the write-back")
}

func TestPowerCutKeepsWhatWasSynced(t *testing.T) {
	for seed := range uint64(20) {
		w, _, _, d := spawnWriter(sim.Options{Seed: seed}, true)
		w.Inject(2, "abc")
		run(t, w, time.Second)
		w.Crash(2, sim.PowerCut)
		w.Restart(2)
		require.Equal(t, "abc", d.found)
	}
}

func TestAStallDelaysWhatIsSentAfterItAndAllThatComesLater(t *testing.T) {
	w, tape, peers, d := spawnWriter(sim.Options{}, true)
	w.Disk(2).Inject(vfs.Fault{Kind: vfs.OpSync, Stall: 50 * ms})
	ticked := time.Duration(0)
	d.After(30*ms, func() { ticked = w.Now() })
	w.At(10*ms, func() { w.Inject(2, "a") })
	w.At(20*ms, func() { w.Inject(2, "b") })
	run(t, w, time.Second)
	require.Equal(t, []any{"written a", "done a", "written b", "done b"}, peers[1].got)
	require.Equal(t, []time.Duration{11 * ms, 61 * ms, 61 * ms, 61 * ms}, peers[1].at)
	require.Equal(t, 60*ms, ticked)
	require.Equal(t, 1, tape.count(sim.Stalled, "50ms"))
}

func TestAHandlerSeesTheTimeThatTheDiskTakes(t *testing.T) {
	w, _ := newWorld(sim.Options{})
	var before, after, fired time.Duration
	w.Spawn(1, func(p *sim.Process) sim.Handler {
		p.Disk().Inject(vfs.Fault{Stall: 30 * ms})
		before = p.Now()
		_, err := p.Disk().Create("x")
		require.NoError(t, err)
		after = p.Now()
		p.After(10*ms, func() { fired = w.Now() })
		return sim.HandlerFunc(func(sim.ID, any) {})
	})
	run(t, w, time.Second)
	require.Equal(t, []time.Duration{0, 30 * ms, 40 * ms}, []time.Duration{before, after, fired})
}

func TestACrashDuringAStallTakesTheUnsentAlong(t *testing.T) {
	w, _, peers, _ := spawnWriter(sim.Options{}, true)
	w.Disk(2).Inject(vfs.Fault{Kind: vfs.OpSync, Stall: 50 * ms})
	w.Inject(2, "a")
	w.At(20*ms, func() { w.Crash(2, sim.PowerCut) })
	run(t, w, time.Second)
	require.Equal(t, []any{"written a"}, peers[1].got)
}

func TestAPauseDuringAStallDelaysWhatIsUnsent(t *testing.T) {
	w, _, peers, _ := spawnWriter(sim.Options{}, true)
	w.Disk(2).Inject(vfs.Fault{Kind: vfs.OpSync, Stall: 50 * ms})
	w.Inject(2, "a")
	w.At(20*ms, func() { w.Pause(2, 100*ms) })
	run(t, w, time.Second)
	require.Equal(t, []time.Duration{ms, 121 * ms}, peers[1].at)
}

// Each message costs the writer two operations: write, sync.
func TestCrashDuringStopsAHandlerBetweenItsDiskOperations(t *testing.T) {
	for operations, want := range [][]any{
		{},
		{"written a"},
		{"written a", "done a"},
		{"written a", "done a", "written b"},
		{"written a", "done a", "written b", "done b"},
	} {
		t.Run(fmt.Sprint(operations), func(t *testing.T) {
			w, tape, peers, d := spawnWriter(sim.Options{Seed: 1}, true)
			w.CrashDuring(2, operations, sim.PowerCut)
			w.Inject(2, "a")
			w.At(10*ms, func() { w.Inject(2, "b") })
			w.At(20*ms, func() { require.Equal(t, operations >= 4, w.Running(2)) })
			w.At(30*ms, func() { w.Crash(2, sim.PowerCut); w.Restart(2) })
			run(t, w, time.Second)
			require.ElementsMatch(t, want, peers[1].got)
			require.Len(t, tape.of(sim.Crashed), 1)
			if operations < 4 {
				// The log's creation took two operations.
				require.Equal(t, 1, tape.count(sim.Crashed, fmt.Sprintf("power cut in disk operation %d", operations+3)))
			}
			if operations >= 2 {
				require.Equal(t, "a", d.found[:1])
			}
		})
	}
}

// The handler writes (30 ms), acknowledges, and dies in the sync: what it sent
// before leaves when the write is over, and only then it dies.
func TestCrashDuringHappensAtTheTimeTheHandlerHasReached(t *testing.T) {
	w, tape, peers, _ := spawnWriter(sim.Options{}, true)
	w.Disk(2).Inject(vfs.Fault{Kind: vfs.OpWrite, Stall: 30 * ms})
	w.CrashDuring(2, 1, sim.PowerCut)
	w.Inject(2, "a")
	run(t, w, time.Second)
	require.Equal(t, []any{"written a"}, peers[1].got)
	require.Equal(t, []time.Duration{31 * ms}, peers[1].at)
	require.Equal(t, 30*ms, tape.of(sim.Crashed)[0].At)

	w, tape, peers, _ = spawnWriter(sim.Options{}, true)
	w.Disk(2).Inject(vfs.Fault{Kind: vfs.OpWrite, Stall: 30 * ms})
	w.CrashDuring(2, 0, sim.PowerCut)
	w.Inject(2, "a")
	run(t, w, time.Second)
	require.Empty(t, peers[1].got)
	require.Equal(t, 30*ms, tape.of(sim.Crashed)[0].At)
}

func TestCrashDuringReachesRecovery(t *testing.T) {
	w, tape := newWorld(sim.Options{})
	d := &writer{}
	w.Spawn(1, func(p *sim.Process) sim.Handler {
		if p.Life() == 1 {
			w.CrashDuring(1, 1, sim.PowerCut) // between Create and SyncDir
		}
		return d.boot(p)
	})
	require.False(t, w.Running(1))
	w.Restart(1)
	run(t, w, time.Second)
	require.True(t, w.Running(1))
	require.Equal(t, 1, tape.count(sim.Crashed, "power cut in disk operation 2"))

	// Armed while the process is down, it waits for the next boot.
	w.Crash(1, sim.Kill)
	w.Disk(1)
	require.NoError(t, w.Disk(1).Remove("log"))
	w.CrashDuring(1, 0, sim.Kill)
	w.Restart(1)
	require.False(t, w.Running(1))
}

func TestAnOrdinaryCrashDisarmsCrashDuring(t *testing.T) {
	w, _, _, _ := spawnWriter(sim.Options{}, true)
	w.CrashDuring(2, 0, sim.PowerCut)
	w.Crash(2, sim.Kill)
	w.Restart(2)
	w.Inject(2, "a")
	run(t, w, time.Second)
	require.True(t, w.Running(2))
}

func TestOfTwoArmedCrashesTheSoonerCounts(t *testing.T) {
	for _, operations := range [][]int{{1, 3}, {3, 1}} {
		w, tape, _, _ := spawnWriter(sim.Options{}, true)
		for _, n := range operations {
			w.CrashDuring(2, n, sim.PowerCut)
		}
		w.Inject(2, "a")
		run(t, w, time.Second)
		require.Equal(t, 1, tape.count(sim.Crashed, "power cut in disk operation 4"))
	}
}

func TestRecoverLeavesNothingThatCouldStillStrike(t *testing.T) {
	w, tape, peers, d := spawnWriter(sim.Options{}, true)
	w.Spawn(7, func(p *sim.Process) sim.Handler {
		if p.Life() == 1 {
			return nil
		}
		return sim.HandlerFunc(func(sim.ID, any) {})
	})
	w.Partition([]sim.ID{2})
	w.Crash(1, sim.Kill)
	w.CrashDuring(2, 1, sim.PowerCut)
	w.Disk(2).Inject(vfs.Fault{Err: vfs.ErrIO, Sticky: true})
	w.Recover()
	tape.events = nil
	for _, text := range []string{"a", "b", "c"} {
		w.Inject(2, text)
	}
	run(t, w, time.Second)
	require.Len(t, peers[1].got, 6)
	require.True(t, w.Running(7))
	require.Empty(t, tape.of(sim.Crashed, sim.DiskFault, sim.Dropped))
	require.Equal(t, "", d.found, "the writer itself was up and was left alone")
}

func TestDiskErrorsAreEvents(t *testing.T) {
	w, tape, peers, _ := spawnWriter(sim.Options{}, true)
	w.Disk(2).Inject(vfs.Fault{Kind: vfs.OpSync, Err: vfs.ErrIO})
	w.Inject(2, "a")
	run(t, w, time.Second)
	require.Equal(t, []any{"written a"}, peers[1].got)
	require.Len(t, tape.of(sim.DiskFault), 1)
	require.Contains(t, tape.of(sim.DiskFault)[0].Detail, "sync log")
}

func TestTheDicesOfDisksAreTheirOwn(t *testing.T) {
	// What process 2's power cuts leave does not depend on process 3's crashes.
	left := func(other bool) (found []string) {
		w, _, _, d := spawnWriter(sim.Options{Seed: 5}, false)
		e := &writer{}
		w.Spawn(3, e.boot)
		for i := range 20 {
			w.Inject(2, "x")
			w.Inject(3, "y")
			run(t, w, time.Duration(i+1)*time.Second)
			if other {
				w.Crash(3, sim.PowerCut)
				w.Restart(3)
			}
			w.Crash(2, sim.PowerCut)
			w.Restart(2)
			found = append(found, d.found)
		}
		return found
	}
	found := left(false)
	require.Equal(t, found, left(true))
	lost, kept := 0, 0
	for i := 1; i < len(found); i++ {
		if found[i] == found[i-1]+"x" {
			kept++
		} else {
			lost++
		}
	}
	require.NotZero(t, lost, "each crash is drawn anew")
	require.NotZero(t, kept, "each crash is drawn anew")
}
