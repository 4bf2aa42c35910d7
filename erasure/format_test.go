package erasure

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// eight are the drives of a store of two sets of four, in memory, by place.
func eight(t *testing.T) ([]Drive, []*vfs.Mem) {
	t.Helper()
	drives, disks := make([]Drive, 8), make([]*vfs.Mem, 8)
	for i := range drives {
		disks[i] = vfs.NewMem()
		drives[i] = openMem(t, disks[i], fmt.Sprint("d", i))
	}
	return drives, disks
}

func openMem(t *testing.T, m *vfs.Mem, name string) Drive {
	t.Helper()
	d, err := OpenDirFS(m, name)
	require.NoError(t, err)
	return d
}

func oneByOne(n int, do func(i int)) {
	for i := range n {
		do(i)
	}
}

func seatAll(drives []Drive, drivesPerSet int) (*layout, []error, error) {
	return seatDrives(context.Background(), drives, drivesPerSet, func() [16]byte { return [16]byte{7} }, oneByOne)
}

// states are the drives and their states, by place.
func states(l *layout) string {
	s := ""
	for _, seat := range l.seats {
		if seat.drive == nil {
			s += "- "
			continue
		}
		s += fmt.Sprintf("%s:%s ", seat.drive, seat.format.State)
	}
	return s
}

const allOnline = "d0:online d1:online d2:online d3:online d4:online d5:online d6:online d7:online "

func TestDrivesFindTheirPlacesInAnyOrder(t *testing.T) {
	drives, _ := eight(t)
	l, _, err := seatAll(drives, 4)
	require.NoError(t, err)
	require.Equal(t, allOnline, states(l))
	require.Equal(t, 2, l.sets)
	require.Equal(t, [16]byte{7}, l.deployment)
	generation := l.generation
	for seed := range uint64(5) {
		rand.New(rand.NewPCG(seed, 0)).Shuffle(8, func(i, j int) { drives[i], drives[j] = drives[j], drives[i] })
		l, _, err = seatAll(drives, 0)
		require.NoError(t, err)
		require.Equal(t, allOnline, states(l), "RULE E8: shuffled with seed %d", seed)
		require.Greater(t, l.generation, generation)
		generation = l.generation
	}
}

func TestADriveThatWasAwayIsStaleAndANewOneIsRebuilt(t *testing.T) {
	drives, _ := eight(t)
	_, _, err := seatAll(drives, 4)
	require.NoError(t, err)
	away := drives[2]
	l, _, err := seatAll(append(append([]Drive{}, drives[:2]...), drives[3:]...), 0)
	require.NoError(t, err)
	require.Nil(t, l.seats[2].drive)
	l, _, err = seatAll(drives, 0)
	require.NoError(t, err)
	require.Equal(t, "d2:stale", fmt.Sprintf("%s:%s", l.seats[2].drive, l.seats[2].format.State), "RULE E8: it has missed an Open")
	l, _, err = seatAll(drives, 0)
	require.NoError(t, err)
	require.Equal(t, stateStale, l.seats[2].format.State, "RULE E8: until it is healed")

	spare := openMem(t, vfs.NewMem(), "spare")
	drives[2] = spare
	for range 2 {
		l, _, err = seatAll(drives, 0)
		require.NoError(t, err)
		require.Equal(t, stateRebuilding, l.seats[2].format.State, "RULE E8: a new drive is being rebuilt until that is done")
	}
	_, _, err = seatAll(append(drives, away), 0)
	require.ErrorIs(t, err, ErrForeign)
	require.ErrorContains(t, err, "d2", "RULE E15: two drives of one place")
	require.ErrorContains(t, err, "spare")
	_, _, err = seatAll(append(drives, openMem(t, vfs.NewMem(), "ninth")), 0)
	require.ErrorIs(t, err, ErrOptions)
}

func TestForeignAndNewerDrivesAreRefusedByName(t *testing.T) {
	ctx := t.Context()
	drives, _ := eight(t)
	l, _, err := seatAll(drives, 4)
	require.NoError(t, err)
	f := l.seats[3].format
	for _, c := range []struct {
		break_ func(f *driveFormat)
		want   error
	}{
		{func(f *driveFormat) { f.Deployment = "08" + f.Deployment[2:] }, ErrForeign},
		{func(f *driveFormat) { f.Place = 2 }, ErrForeign},
		{func(f *driveFormat) { f.Sets = 3 }, ErrForeign},
	} {
		g := f
		c.break_(&g)
		require.NoError(t, writeFormat(ctx, drives[3], g))
		_, _, err = seatAll(drives, 0)
		require.ErrorIs(t, err, c.want, "RULE E15: what must be kept is not")
		require.ErrorContains(t, err, "d3", "RULE E15: what must be kept is not")
	}
	for contents, want := range map[string]error{
		"FLdrive 2 00000000\nwhatever\n": ErrNewer,
		"FLdrive 1 00000000\n{}\n":       nil,
		"nonsense":                       nil,
		"":                               nil,
	} {
		require.NoError(t, writeFile(drives[3], "tmp/f", contents))
		require.NoError(t, drives[3].Commit(ctx, Move{"tmp/f", formatFile}))
		l, _, err = seatAll(drives, 0)
		if want != nil {
			require.ErrorIs(t, err, want, "RULE E15: what must be kept is not")
			require.ErrorContains(t, err, "d3", "RULE E15: what must be kept is not")
			continue
		}
		require.NoError(t, err, "one damaged drive does not keep a store from opening")
		require.Nil(t, l.seats[3].drive)
		require.Len(t, l.unplaced, 1)
		require.ErrorIs(t, l.unplaced[0].err, ErrCorrupt)
		require.ErrorContains(t, l.unplaced[0].err, "d3")
	}

	// A drive that has lost its format file is no new drive.
	require.NoError(t, writeFile(drives[3], "objects/a/@v", "x"))
	require.NoError(t, drives[3].Remove(ctx, formatFile))
	_, _, err = seatAll(drives, 0)
	require.ErrorIs(t, err, ErrForeign, "RULE E15: its objects are another store's")
}

func TestAStoreThatCannotBeMadeIsNotMade(t *testing.T) {
	drives, _ := eight(t)
	for _, n := range []int{3, 9, 257} {
		_, _, err := seatAll(drives, n)
		require.ErrorIs(t, err, ErrOptions)
	}
	_, _, err := seatAll(nil, 0)
	require.ErrorIs(t, err, ErrOptions)
	_, _, err = seatAll(drives[:7], 0)
	require.NoError(t, err, "seven are a set of seven")
	drives, disks := eight(t)
	disks[5].Inject(vfs.Fault{Err: vfs.ErrNoSpace, Sticky: true})
	_, _, err = seatAll(drives, 0)
	require.ErrorIs(t, err, vfs.ErrNoSpace)
	disks[5].ClearFaults()
	l, _, err := seatAll(drives, 0)
	require.NoError(t, err)
	require.Equal(t, allOnline, states(l))
	_, _, err = seatAll(drives, 4)
	require.ErrorIs(t, err, ErrOptions, "made as one set of eight")
}

// TestMakingAStoreCanBeCutOffAnywhere cuts the power of all drives in the middle
// of making a store: it is made at the next Open, with all drives.
func TestMakingAStoreCanBeCutOffAnywhere(t *testing.T) {
	for n := int64(0); ; n++ {
		drives, disks := eight(t)
		var ops int64
		done := errors.New("power")
		for _, m := range disks {
			m.Inject(vfs.Fault{Match: func(vfs.Op) bool { ops++; return ops > n }, Err: done, Sticky: true})
		}
		_, errs, err := seatAll(drives, 4)
		for i, m := range disks {
			m = m.CrashClone(rand.New(rand.NewPCG(uint64(n), uint64(i))))
			m.ClearFaults()
			drives[i] = openMem(t, m, fmt.Sprint("d", i))
		}
		l, _, again := seatAll(drives, 4)
		require.NoError(t, again, "RULE E8: cut off at operation %d", n)
		for _, s := range l.seats {
			require.Contains(t, []driveState{stateOnline, stateStale}, s.format.State,
				"RULE E8: cut off at operation %d: %s", n, states(l))
		}
		if err == nil && errors.Join(errs...) == nil {
			require.Equal(t, allOnline, states(l))
			return
		}
	}
}

func FuzzFormat(f *testing.F) {
	good := driveFormat{Deployment: "07000000000000000000000000000000", Sets: 2, DrivesPerSet: 4, Place: 1, State: stateOnline}
	f.Add(good.marshal())
	f.Add([]byte("FLdrive 2 0\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseFormat(b)
		if err != nil {
			return
		}
		again, err := parseFormat(got.marshal())
		if err != nil || again != got {
			t.Fatalf("%+v is written and read as %+v: %v", got, again, err)
		}
	})
}
