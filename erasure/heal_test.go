package erasure

import (
	"context"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// contents are all files of a drive but its format file, with the checksum of what is in them.
func (r *cabinet) contents(place int) map[string]string {
	r.Helper()
	all := map[string]string{}
	top := fmt.Sprint("d", place)
	var walk func(dir string)
	walk = func(dir string) {
		names, err := r.disks[place].List(dir)
		require.NoError(r, err)
		for _, name := range names {
			path := filepath.Join(dir, name)
			f, err := r.disks[place].Open(path, vfs.ReadOnly)
			if err != nil {
				walk(path)
				continue
			}
			size, err := f.Size()
			require.NoError(r, err)
			b := make([]byte, size)
			_, err = f.ReadAt(b, 0)
			require.NoError(r, err)
			all[strings.TrimPrefix(filepath.ToSlash(path), top+"/")] = fmt.Sprintf("%d bytes, %08x", size, crc32.Checksum(b, castagnoli))
		}
	}
	walk(top)
	delete(all, formatFile)
	delete(all, "LOCK")
	return all
}

func (r *cabinet) allContents() (all []map[string]string) {
	for i := range r.disks {
		all = append(all, r.contents(i))
	}
	return all
}

// TestHealBringsBackWhatADriveHasLost does one damage after the other, and wants
// the drives to be after a heal what they were before the damage.
func TestHealBringsBackWhatADriveHasLost(t *testing.T) {
	for _, size := range []int{0, 10, 3000} { // nothing, inline, three blocks
		for _, c := range []struct {
			name            string
			deep            bool // only a deep heal can find it
			small           bool // and there is such a file for small objects
			do              func(r *cabinet, place int)
			corrupt, absent int
		}{
			{"version file lost", false, true, func(r *cabinet, p int) { r.lose(p, "a/b", r.version(p, "a/b")) }, 0, 1},
			{"version file damaged", false, true, func(r *cabinet, p int) { r.flip(p, "a/b", r.version(p, "a/b"), 30) }, 1, 0},
			{"shard lost", false, false, func(r *cabinet, p int) { r.lose(p, "a/b", r.shard(p, "a/b")) }, 0, 1},
			{"shard damaged", true, false, func(r *cabinet, p int) { r.flip(p, "a/b", r.shard(p, "a/b"), 700) }, 1, 0},
			{"shard cut off at a block's edge", false, false, func(r *cabinet, p int) { r.cut(p, "a/b", 520) }, 1, 0},
			{"shard of another drive", true, false, func(r *cabinet, p int) {
				f := r.shard(p, "a/b")
				r.copyFile((p+1)%4, "a/b", f, p, "a/b", f)
			}, 1, 0},
			{"all lost", false, true, func(r *cabinet, p int) {
				for _, f := range r.files(p, "a/b") {
					r.lose(p, "a/b", f)
				}
			}, 0, 1},
		} {
			if size <= 10 && !c.small {
				continue
			}
			t.Run(fmt.Sprintf("size=%d/%s", size, c.name), func(t *testing.T) {
				r := newCabinet(t, 4, 2)
				r.put("a/b", size, &PutOptions{Metadata: map[string]string{"k": "v"}})
				before := r.allContents()
				for _, place := range []int{0, 3} {
					c.do(r, place)
				}
				if c.deep {
					require.Zero(t, r.heal(nil).Healed, "RULE E13: a shallow look does not see it")
				}
				dry := r.heal(&HealOptions{Deep: true, DryRun: true})
				report := r.heal(&HealOptions{Deep: c.deep})
				require.Equal(t, before, r.allContents(), "RULE E13: the drives after healing")
				want := HealReport{Objects: 1, Versions: 1, Bytes: int64(size), Healed: 2,
					Corrupt: 2 * c.corrupt, Absent: 2 * c.absent, Name: "a/b"}
				require.Equal(t, want, report, "RULE E13: the report")
				want.Healed = 0
				require.Equal(t, want, dry, "RULE E13: the report of a dry run")
				require.Equal(t, HealReport{Objects: 1, Versions: 1, Bytes: int64(size), Name: "a/b"}, r.heal(&HealOptions{Deep: true}))
				r.requireReads("a/b", size, "E1")
			})
		}
	}
}

// cut truncates the shard file of an object.
func (r *cabinet) cut(place int, name string, size int64) {
	r.Helper()
	f, err := r.disks[place].Open(r.path(place, name, r.shard(place, name)), vfs.ReadWrite)
	require.NoError(r, err)
	require.NoError(r, f.Truncate(size))
	require.NoError(r, f.Close())
}

// TestHealBelievesNoShardUnchecked: one drive has lost its shard, another has it
// damaged; what is rebuilt must not be made of that.
func TestHealBelievesNoShardUnchecked(t *testing.T) {
	for lost := range 4 {
		for damaged := range 4 {
			if lost == damaged {
				continue
			}
			r := newCabinet(t, 4, 2)
			r.put("a", 3000, nil)
			before := r.allContents()
			r.lose(lost, "a", r.shard(lost, "a"))
			r.flip(damaged, "a", r.shard(damaged, "a"), 600)
			r.heal(nil) // shallow: rebuilds the lost one, and comes across the damage
			require.Equal(t, before[lost], r.contents(lost), "RULE E13: rebuilt from a damaged shard")
			r.heal(&HealOptions{Deep: true})
			require.Equal(t, before, r.allContents(), "RULE E13: what must be kept is not")
		}
	}
}

// TestDamageThatIsSpreadOutIsHealed: every drive has a damaged block, but no block
// is damaged on more drives than there is parity.
func TestDamageThatIsSpreadOutIsHealed(t *testing.T) {
	r := newCabinet(t, 4, 2)
	r.put("a", 2000, nil)
	before := r.allContents()
	for i, off := range []int64{5, 20, 540, 600} { // blocks 0, 0, 1, 1
		r.flip(i, "a", r.shard(i, "a"), off)
	}
	report := r.heal(&HealOptions{Deep: true})
	require.Equal(t, 4, report.Healed, "RULE E13: what must be kept is not")
	require.Equal(t, before, r.allContents(), "RULE E13: what must be kept is not")
}

// TestHealNeverBringsBackWhatWasDeleted: a drive was away while objects were
// deleted and replaced, and returns with what it had.
func TestHealNeverBringsBackWhatWasDeleted(t *testing.T) {
	for away := range 4 {
		r := newCabinet(t, 4, 2)
		r.put("gone", 3000, nil)
		r.put("small", 3, nil)
		r.put("kept", 2000, nil)
		version := r.put("marked", 100, &PutOptions{Versioned: true})
		r.reopen(away)
		for _, name := range []string{"gone", "small"} {
			_, err := r.Delete(t.Context(), name, nil)
			require.NoError(t, err)
		}
		_, err := r.Delete(t.Context(), "marked", &DeleteOptions{Versioned: true})
		require.NoError(t, err)
		r.put("kept", 1500, nil)
		r.reopen()
		require.Equal(t, Stale, r.Info(t.Context()).Drives[away].State)
		r.healQueued()
		require.Equal(t, Online, r.Info(t.Context()).Drives[away].State)
		for _, name := range []string{"gone", "small"} {
			for i := range 4 {
				require.Empty(t, r.files(i, name), "RULE E13: %s is back on drive %d", name, i)
			}
			_, err := r.read(name, "")
			require.ErrorIs(t, err, ErrNotFound, "RULE E5: %s", name)
		}
		_, err = r.read("marked", "")
		require.ErrorIs(t, err, ErrDeleted, "RULE E5: the marker is the current version")
		_, err = r.read("marked", version.VersionID)
		require.NoError(t, err)
		for i := range 4 {
			require.Len(t, r.files(i, "kept"), 2, "RULE E13: one version and its shard on drive %d", i)
			require.NotEmpty(t, r.files(i, "marked"))
		}
		r.requireReads("kept", 1500, "E1")
	}
}

// TestHealPurgesWhatWasNeverAcknowledged: a version on fewer drives than it has
// data shards, a shard without a version, and a null version that was replaced.
func TestHealPurgesWhatWasNeverAcknowledged(t *testing.T) {
	r := newCabinet(t, 4, 2)
	r.put("a", 3000, nil)
	r.put("dangling", 3000, nil)
	for i := range 3 {
		for _, f := range r.files(i, "dangling") {
			r.lose(i, "dangling", f)
		}
	}
	old, oldShard := r.version(0, "a"), r.shard(0, "a")
	for i := range 4 { // what the next put removes is put back below
		r.copyFile(i, "a", old, i, "keep", old)
		r.copyFile(i, "a", oldShard, i, "keep", oldShard)
	}
	r.put("a", 2500, nil)
	after := r.allContents()
	for i := range 4 {
		r.copyFile(i, "keep", old, i, "a", old)
		r.copyFile(i, "keep", oldShard, i, "a", oldShard)
	}
	r.copyFile(0, "keep", oldShard, 2, "stray", oldShard)
	for i := range 4 {
		for _, m := range []string{old, oldShard} {
			r.lose(i, "keep", m)
		}
		for path := range after[i] {
			if strings.HasPrefix(path, "objects/keep/") || strings.HasPrefix(path, "objects/dangling/") {
				delete(after[i], path)
			}
		}
	}
	dry := r.heal(&HealOptions{DryRun: true})
	require.Equal(t, 3, dry.Purged, "RULE E13: what a dry run would purge")
	report := r.heal(nil)
	require.Equal(t, 3, report.Purged, "RULE E13: dangling, replaced, stray")
	require.Equal(t, after, r.allContents(), "RULE E13: what was never acknowledged, or was replaced, is kept")
	r.requireReads("a", 2500, "E1")
}

// TestWhatCannotBeReadIsKept: its shards may be back.
func TestWhatCannotBeReadIsKept(t *testing.T) {
	r := newCabinet(t, 4, 2)
	r.put("a", 3000, nil)
	good := r.allContents()
	kept := map[int]string{}
	for i := range 3 {
		kept[i] = r.shard(i, "a")
		r.copyFile(i, "a", kept[i], i, "elsewhere", kept[i])
		r.lose(i, "a", kept[i])
	}
	for _, deep := range []bool{false, true} {
		report := r.heal(&HealOptions{Name: "a", Deep: deep})
		require.Equal(t, 1, report.Unreadable, "RULE E13: it is counted")
		require.Zero(t, report.Healed, "RULE E13: nothing is made up")
		require.Zero(t, report.Purged, "RULE E13: what is unreadable is kept")
	}
	for i := range 2 {
		r.copyFile(i, "elsewhere", kept[i], i, "a", kept[i])
		r.lose(i, "elsewhere", kept[i])
	}
	r.lose(2, "elsewhere", kept[2])
	require.Equal(t, 1, r.heal(nil).Healed)
	require.Equal(t, good, r.allContents(), "RULE E13: what must be kept is not")
}

func TestShardsOfWhatIsBeingReadAreNotStrays(t *testing.T) {
	r := newCabinet(t, 4, 2)
	r.put("a", 3000, nil)
	obj, err := r.Get(t.Context(), "a", nil)
	require.NoError(t, err)
	_, err = r.Delete(t.Context(), "a", nil)
	require.NoError(t, err)
	r.heal(nil)
	b := make([]byte, 3000)
	_, err = obj.ReadAt(b, 0)
	require.NoError(t, err, "RULE E13: heal removed what is being read")
	require.Equal(t, bodyOf("a", 3000), b)
	require.NoError(t, obj.Close())
	for i := range 4 {
		require.Empty(t, r.files(i, "a"))
	}
}

// TestAReadAndAWriteQueueWhatTheyMiss: and a drive that fails at first gets it
// when it is back.
func TestAReadAndAWriteQueueWhatTheyMiss(t *testing.T) {
	r := newCabinet(t, 4, 2)
	r.put("read", 3000, nil)
	before := r.allContents()
	r.flip(0, "read", r.shard(0, "read"), 100)
	r.flip(1, "read", r.shard(1, "read"), 100)
	r.requireReads("read", 3000, "E7")
	require.Equal(t, 1, r.Info(t.Context()).Queued)
	r.healQueued()
	require.Equal(t, before, r.allContents(), "RULE E7: a shard that a read found damaged is healed")

	r.disks[2].Inject(vfs.Fault{Err: vfs.ErrIO, Sticky: true})
	info := r.put("written", 3000, nil)
	require.Equal(t, 1, info.Missing)
	r.healQueued() // in vain
	require.EqualValues(t, 1, r.Info(t.Context()).Drives[2].Missed, "RULE E12: what a drive missed is not forgotten")
	require.Empty(t, r.files(2, "written"))
	r.disks[2].ClearFaults()
	r.put("other", 10, nil) // shows that the drive is back
	r.healQueued()
	require.Len(t, r.files(2, "written"), 2, "RULE E12: what a drive missed is healed when it returns")
	require.Zero(t, r.Info(t.Context()).Drives[2].Missed)
}

// TestANewDriveIsRebuilt: whichever is lost, and with progress that survives a
// restart in the middle.
func TestANewDriveIsRebuilt(t *testing.T) {
	r := newCabinet(t, 4, 2)
	for i := range 2*progressEvery + 50 {
		r.put(fmt.Sprintf("o%04d", i), 40, nil)
	}
	before := r.contents(2)
	r.Store.Close()
	r.disks[2] = vfs.NewMem()
	r.open()
	require.Equal(t, Rebuilding, r.Info(t.Context()).Drives[2].State)

	// The new drive fails on the way.
	failing := false
	r.disks[2].Inject(vfs.Fault{Err: vfs.ErrIO, Sticky: true, Match: func(op vfs.Op) bool {
		failing = failing || strings.Contains(op.To, fmt.Sprintf("o%04d", progressEvery+50))
		return failing
	}})
	r.healQueued()
	require.Equal(t, Offline, r.Info(t.Context()).Drives[2].State)
	require.NoError(t, r.Store.Close())
	r.disks[2] = r.disks[2].KillClone()
	r.disks[2].ClearFaults()
	r.open()
	drive := r.Info(t.Context()).Drives[2]
	require.Equal(t, Rebuilding, drive.State)
	require.Equal(t, fmt.Sprintf("o%04d", progressEvery-1), drive.Rebuilt, "RULE E13: how far it has come")
	report := r.healQueued()
	require.Equal(t, progressEvery+50, report.Objects, "RULE E13: it goes on where it was")
	require.Equal(t, Online, r.Info(t.Context()).Drives[2].State)
	require.Equal(t, before, r.contents(2), "RULE E13: the rebuilt drive")
	r.reopen()
	require.Equal(t, Online, r.Info(t.Context()).Drives[2].State)
}

// TestAttachFindsTheDrivesPlace: returning, new and foreign ones.
func TestAttachFindsTheDrivesPlace(t *testing.T) {
	r := newCabinet(t, 4, 2)
	r.put("a", 3000, nil)
	first := r.contents(1)
	r.reopen(1)
	r.put("a", 2000, nil)
	require.NoError(t, r.Attach(t.Context(), r.drive(1, r.disks[1])))
	require.Equal(t, Stale, r.Info(t.Context()).Drives[1].State, "RULE E8: it was away")
	r.healQueued()
	require.Equal(t, Online, r.Info(t.Context()).Drives[1].State)
	require.NotEqual(t, first, r.contents(1))
	require.Len(t, r.files(1, "a"), 2)

	extra := r.drive(9, vfs.NewMem())
	require.ErrorIs(t, r.Attach(t.Context(), extra), ErrOptions, "no drive is missing")
	other := newCabinet(t, 4, 2)
	d := other.drive(0, other.disks[0].KillClone())
	require.ErrorIs(t, r.Attach(t.Context(), d), ErrForeign, "RULE E15: what must be kept is not")
	copied := r.drive(1, r.disks[1].KillClone())
	require.ErrorIs(t, r.Attach(t.Context(), copied), ErrForeign, "RULE E15: a copy of a drive that is there")

	// A drive dies, and a new one takes its place.
	r.disks[3].CutPower(0)
	require.NoError(t, r.Attach(t.Context(), extra))
	r.disks[3] = vfs.NewMem() // not looked at again
	require.Equal(t, Rebuilding, r.Info(t.Context()).Drives[3].State)
	r.healQueued()
	drive := r.Info(t.Context()).Drives[3]
	require.Equal(t, Online, drive.State)
	require.Equal(t, "d9", drive.Drive)
	r.disks[0].CutPower(0)
	r.disks[1].CutPower(0)
	r.requireReads("a", 2000, "E1")
}

// TestSwappedDrivesKeepWorking: two drives change their directories.
func TestSwappedDrivesKeepWorking(t *testing.T) {
	r := newCabinet(t, 4, 2)
	r.put("a", 3000, nil)
	require.NoError(t, r.Store.Close())
	drives := []Drive{r.drive(2, r.disks[2]), r.drive(0, r.disks[0]), r.drive(3, r.disks[3]), r.drive(1, r.disks[1])}
	var err error
	r.Store, err = Open(drives, &r.o)
	require.NoError(t, err)
	r.requireReads("a", 3000, "E8")
	require.Zero(t, r.heal(&HealOptions{Deep: true}).Healed, "RULE E8: everything is in its place")
}

func TestHealTellsHowFarItIsAndStops(t *testing.T) {
	r := newCabinet(t, 4, 2)
	for i := range 5 {
		r.put(fmt.Sprint("p/", i), 10, nil)
	}
	r.put("q", 10, nil)
	var seen []string
	ctx, cancel := context.WithCancel(t.Context())
	report, err := r.Heal(ctx, &HealOptions{Prefix: "p/"}, func(report HealReport) {
		seen = append(seen, report.Name)
		if report.Objects == 3 {
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"p/0", "p/1", "p/2"}, seen)
	require.Equal(t, 3, report.Objects)
	_, err = r.Heal(t.Context(), &HealOptions{Name: "../x"}, nil)
	require.ErrorIs(t, err, ErrName)
}

// Of three drives that have a version one is replaced, while another is away, and the
// fourth never had it. Nobody knows then, and the new drive's silence stays silence,
// however often it is healed: when the other is back, so is the object.
func TestHealKeepsWhatItCannotJudge(t *testing.T) {
	r := newCabinet(t, 4, 2)
	r.reopen(2)
	r.put("a", 3000, nil)
	r.disks[1] = vfs.NewMem()
	r.reopen() // it gets its place
	r.reopen(0)
	for range 3 {
		report := r.heal(&HealOptions{Deep: true})
		require.Equal(t, 1, report.Unreadable, "RULE E13: nobody knows about it")
		require.Zero(t, report.Purged, "RULE E13: what may have been acknowledged is purged")
	}
	r.reopen()
	r.requireReads("a", 3000, "E1")
	r.heal(nil)
	r.reopen(0, 3)
	r.requireReads("a", 3000, "E13")
}

// TestADriveThatWasAwayAgainGetsWhatItMissed: half way through being healed it is taken
// out, or fails, misses a write of what was healed on it already, and returns.
func TestADriveThatWasAwayAgainGetsWhatItMissed(t *testing.T) {
	for _, returns := range []string{"opened", "attached", "working"} {
		r := newCabinet(t, 4, 2)
		for i := range progressEvery + 50 {
			r.put(fmt.Sprintf("o%04d", i), 40, nil)
		}
		r.Store.Close()
		r.disks[2] = vfs.NewMem()
		r.open()
		failing := false
		r.disks[2].Inject(vfs.Fault{Err: vfs.ErrIO, Sticky: true, Match: func(op vfs.Op) bool {
			failing = failing || strings.Contains(op.To, fmt.Sprintf("o%04d", progressEvery+10))
			return failing
		}})
		r.healQueued()
		out := func() {
			require.NoError(t, r.Store.Close())
			r.disks[2] = r.disks[2].KillClone()
			r.disks[2].ClearFaults()
			r.open(2)
		}
		switch returns {
		case "opened":
			out()
			r.put("o0007", 50, nil)
			r.reopen()
		case "attached":
			out()
			r.put("o0007", 50, nil)
			r.healQueued() // in vain
			require.NoError(t, r.Attach(t.Context(), r.drive(2, r.disks[2])))
		case "working":
			r.put("o0007", 50, nil)
			r.healQueued() // in vain
			r.disks[2].ClearFaults()
			r.healQueued() // the drive is noticed
		}
		r.healQueued()
		require.Equal(t, Online, r.Info(t.Context()).Drives[2].State, returns)
		require.Equal(t, r.files(1, "o0007"), r.files(2, "o0007"), "RULE E13: the drive that is %s again is called healed, and lacks what it missed", returns)
	}
}

// TestADriveThatComesHalfWayIsHealedFromTheStart: while one drive is being rebuilt another
// comes, new as well. What was walked past by then it has not got.
func TestADriveThatComesHalfWayIsHealedFromTheStart(t *testing.T) {
	r := newCabinet(t, 4, 2)
	for i := range 2*progressEvery + 50 {
		r.put(fmt.Sprintf("o%04d", i), 40, nil)
	}
	r.Store.Close()
	r.disks[2], r.disks[3] = vfs.NewMem(), vfs.NewMem()
	r.open(3)
	healed, attach := 0, r.o.OnEvent
	r.Store.o.OnEvent = func(e Event) {
		if attach(e); e.Kind != ShardHealed {
			return
		}
		if healed++; healed == progressEvery/2 {
			require.NoError(t, r.Attach(context.Background(), r.drive(3, r.disks[3])))
		}
	}
	r.healQueued()
	r.healQueued()
	require.Equal(t, Online, r.Info(t.Context()).Drives[3].State)
	for i := range 2*progressEvery + 50 {
		name := fmt.Sprintf("o%04d", i)
		require.NotEmpty(t, r.files(3, name), "RULE E13: the drive is called healed, and lacks %s", name)
	}
}
