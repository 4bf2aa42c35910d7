package erasure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// serialShelf is a shelf of 2 + 2 that works serially.
func serialShelf(t *testing.T) *shelf {
	o := shelfOptions
	o.Serial = true
	return newShelf(t, 4, &o)
}

// cutOff puts a body so that it reaches exactly the given drives, and the writer is
// gone before it can undo anything.
func (r *shelf) cutOff(t *testing.T, name string, body []byte, places ...int) {
	t.Helper()
	for i, d := range r.drives {
		d.set(only("commit remove"))
		for _, p := range places {
			if p == i {
				d.set(only("remove"))
			}
		}
	}
	_, err := r.Put(context.Background(), name, bytes.NewReader(body), int64(len(body)), nil)
	require.Error(t, err)
	for _, d := range r.drives {
		d.set(nil)
	}
}

// away lets drives fail everything until the returned function is called.
func (r *shelf) away(places ...int) func() {
	for _, i := range places {
		r.drives[i].set(broken)
	}
	return func() {
		for _, i := range places {
			r.drives[i].set(nil)
		}
	}
}

func TestWhatCanBeReadIsCompletedBeforeItIsAnswered(t *testing.T) {
	for name, body := range bodies() {
		r := serialShelf(t)
		mustPut(t, r.Store, name, random(50, 1), nil)
		r.cutOff(t, name, body, 0, 2)
		mustHave(t, r.Store, name, body, "RULE E4: on half of the drives")
		for i := range 4 {
			back := r.away(i)
			mustHave(t, r.Store, name, body, "RULE E4: it was read, so it is there without drive %d", i)
			back()
		}
	}
}

func TestWhatWasNotThereIsNotThereLater(t *testing.T) {
	for name, body := range bodies() {
		r := serialShelf(t)
		before := random(50, 1)
		mustPut(t, r.Store, name, before, nil)
		r.cutOff(t, name, body, 0, 2)
		back := r.away(2)
		mustHave(t, r.Store, name, before, "RULE E4: one drive of four has it, one is silent")
		back()
		mustHave(t, r.Store, name, before, "RULE E4: it was not there, so it is not there")
	}
}

func TestWhatCannotBeUndoneIsNotPassedOver(t *testing.T) {
	r := serialShelf(t)
	body := random(5000, 2)
	mustPut(t, r.Store, "a", random(50, 1), nil)
	r.cutOff(t, "a", body, 0, 2)
	back := r.away(2)
	r.drives[0].set(only("remove"))
	_, err := r.Get(context.Background(), "a", nil)
	require.ErrorIs(t, err, ErrReadQuorum, "RULE E4: two drives may have it")
	back()
	r.drives[0].set(nil)
	mustHave(t, r.Store, "a", body, "RULE E4: they have it")
}

// TestARenameThatIsStillToComeCounts has two drives that rename after the put has
// given up on them.
func TestARenameThatIsStillToComeCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShelf(t, 4, &shelfOptions)
		before, body := random(50, 1), random(60, 2)
		mustPut(t, r.Store, "a", before, nil)
		for _, i := range []int{1, 3} {
			r.drives[i].set(func(op, path string) error {
				if op == "commit" {
					time.Sleep(time.Hour)
				}
				return nil
			})
		}
		_, err := r.Put(context.Background(), "a", bytes.NewReader(body), -1, nil)
		require.Error(t, err)
		time.Sleep(2 * time.Hour)
		obj, gerr := r.Get(context.Background(), "a", nil)
		require.NoError(t, gerr)
		defer obj.Close()
		got, gerr := io.ReadAll(obj)
		require.NoError(t, gerr)
		if bytes.Equal(got, body) {
			require.ErrorIs(t, err, ErrOutcomeUnknown, "RULE E3: it was said not to have happened, and it is there")
		}
	})
}

func TestADeleteNeedsAWriteQuorum(t *testing.T) {
	ctx := context.Background()
	for n := 1; n <= 4; n++ {
		r := serialShelf(t)
		mustPut(t, r.Store, "a", random(5000, 1), nil)
		for _, d := range r.drives[:n] {
			d.set(only("remove"))
		}
		_, err := r.Delete(ctx, "a", nil)
		for _, d := range r.drives {
			d.set(nil)
		}
		_, found := r.Stat(ctx, "a", nil)
		if n == 1 {
			require.NoError(t, err)
			require.ErrorIs(t, found, ErrNotFound, "RULE E5: deleted on three of four drives")
			continue
		}
		require.ErrorIs(t, err, ErrOutcomeUnknown, "RULE E5: %d of 4 drives do not delete", n)
		for range 2 {
			_, again := r.Stat(ctx, "a", nil)
			require.Equal(t, errors.Is(found, ErrNotFound), errors.Is(again, ErrNotFound), "RULE E4: the same later")
		}
	}
}

// TestADeleteTakesWhatWasReplacedAlong has an overwritten version that could not be
// removed at the time.
func TestADeleteTakesWhatWasReplacedAlong(t *testing.T) {
	r := serialShelf(t)
	ctx := context.Background()
	mustPut(t, r.Store, "a", random(5000, 1), nil)
	for _, d := range r.drives {
		d.set(only("remove"))
	}
	mustPut(t, r.Store, "a", random(5000, 2), nil)
	for _, d := range r.drives {
		d.set(nil)
	}
	_, err := r.Delete(ctx, "a", nil)
	require.NoError(t, err)
	_, err = r.Stat(ctx, "a", nil)
	require.ErrorIs(t, err, ErrNotFound, "RULE E5: what it had replaced is back")
	require.Empty(t, r.files(objectsDir))
}

func TestTheShardIndexIsWhatTheFileSays(t *testing.T) {
	for name, body := range bodies() {
		r := serialShelf(t)
		mustPut(t, r.Store, name, body, nil)
		// The shards of drives 0 and 1 change places.
		for _, file := range r.files(objectsDir) {
			path := file[:bytes.IndexByte([]byte(file), ' ')]
			if path[:6] == "drive0" {
				other := "drive1" + path[6:]
				require.NoError(t, r.fs.Rename(path, "swap"))
				require.NoError(t, r.fs.Rename(other, path))
				require.NoError(t, r.fs.Rename("swap", other))
			}
		}
		mustHave(t, r.Store, name, body, "RULE E8: swapped shards are read as what they are")
		info, err := r.Stat(context.Background(), name, nil)
		require.NoError(t, err)
		require.Zero(t, info.Missing, "RULE E8: none is missing")
		require.Zero(t, r.Info(context.Background()).Queued, "RULE E8: none is to be healed")
	}
}

// TestOneOfManyConditionalPutsSucceeds has writers that all want to be the first.
func TestOneOfManyConditionalPutsSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newShelf(t, 4, &shelfOptions)
		for _, d := range r.drives {
			d.set(func(op, _ string) error { time.Sleep(time.Millisecond); return nil })
		}
		var mu sync.Mutex
		var done []Info
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				info, err := r.Put(context.Background(), "a", bytes.NewReader(random(100+i, 1)), -1,
					&PutOptions{Condition: Condition{IfNoneMatch: "*"}})
				if err == nil {
					mu.Lock()
					done = append(done, info)
					mu.Unlock()
				} else if !errors.Is(err, ErrPrecondition) {
					t.Errorf("put: %v", err)
				}
			})
		}
		wg.Wait()
		require.Len(t, done, 1, "RULE E11: puts that found nothing there")
		info, err := r.Stat(context.Background(), "a", nil)
		require.NoError(t, err)
		require.Equal(t, done[0].ETag, info.ETag)
	})
}

func TestConditions(t *testing.T) {
	r := serialShelf(t)
	ctx := context.Background()
	info := mustPut(t, r.Store, "a", random(100, 1), nil)
	before, after := info.Modified.Add(-time.Hour), info.Modified.Add(time.Hour)
	for _, c := range []struct {
		Condition
		holds bool
	}{
		{Condition{}, true},
		{Condition{IfMatch: info.ETag}, true},
		{Condition{IfMatch: "*"}, true},
		{Condition{IfMatch: "x"}, false},
		{Condition{IfNoneMatch: info.ETag}, false},
		{Condition{IfNoneMatch: "*"}, false},
		{Condition{IfNoneMatch: "x"}, true},
		{Condition{IfModifiedSince: before}, true},
		{Condition{IfModifiedSince: after}, false},
		{Condition{IfModifiedSince: info.Modified}, false},
		{Condition{IfUnmodifiedSince: before}, false},
		{Condition{IfUnmodifiedSince: after}, true},
		{Condition{IfUnmodifiedSince: info.Modified}, true},
		{Condition{IfMatch: info.ETag, IfUnmodifiedSince: before}, true},
		{Condition{IfNoneMatch: "x", IfModifiedSince: after}, true},
	} {
		_, err := r.Stat(ctx, "a", &GetOptions{Condition: c.Condition})
		require.Equal(t, c.holds, err == nil, "RULE E11: %+v: %v", c.Condition, err)
		require.Equal(t, !c.holds, errors.Is(err, ErrPrecondition), "RULE E11: %+v: %v", c.Condition, err)
	}
	_, err := r.Put(ctx, "b", bytes.NewReader(nil), 0, &PutOptions{Condition: Condition{IfMatch: "*"}})
	require.ErrorIs(t, err, ErrPrecondition, "RULE E11: there is nothing to match")
	_, err = r.Delete(ctx, "a", &DeleteOptions{Condition: Condition{IfMatch: "x"}})
	require.ErrorIs(t, err, ErrPrecondition, "RULE E11: a delete")
	// RULE E11: with a read quorum, or not at all (minio#21603).
	for _, d := range r.drives[:3] {
		d.set(only("list"))
	}
	_, err = r.Put(ctx, "a", bytes.NewReader(nil), 0, &PutOptions{Condition: Condition{IfNoneMatch: "*"}})
	require.Error(t, err, "RULE E11: too few drives know")
	require.NotErrorIs(t, err, ErrPrecondition)
}

func TestVersionsAndMarkers(t *testing.T) {
	r := serialShelf(t)
	ctx := context.Background()
	clock := time.Unix(1000, 0)
	r.o.Now = func() time.Time { clock = clock.Add(-time.Second); return clock } // it goes backwards
	bodies := [][]byte{random(10, 1), random(500, 2), random(5000, 3)}
	var infos []Info
	for _, b := range bodies {
		infos = append(infos, mustPut(t, r.Store, "a", b, &PutOptions{Versioned: true, Metadata: map[string]string{"n": fmt.Sprint(len(b))}}))
		mustHave(t, r.Store, "a", b, "RULE E1: the last put is the current version, whatever the clock says")
	}
	marker, err := r.Delete(ctx, "a", &DeleteOptions{Versioned: true})
	require.NoError(t, err)
	require.True(t, marker.DeleteMarker && marker.Latest)
	_, err = r.Get(ctx, "a", nil)
	require.ErrorIs(t, err, ErrDeleted)
	require.ErrorIs(t, err, ErrNotFound)
	for i, b := range bodies {
		o := &GetOptions{VersionID: infos[i].VersionID}
		require.Equal(t, b, mustGet(t, r.Store, "a", o))
		info, err := r.Stat(ctx, "a", o)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(len(b)), info.Metadata["n"])
		require.False(t, info.Latest)
	}
	_, err = r.Delete(ctx, "a", &DeleteOptions{VersionID: marker.VersionID})
	require.NoError(t, err)
	mustHave(t, r.Store, "a", bodies[2], "without the marker it is there again")
	null := mustPut(t, r.Store, "a", bodies[0], nil)
	require.Empty(t, null.VersionID)
	mustPut(t, r.Store, "a", bodies[1], nil)
	require.Equal(t, bodies[1], mustGet(t, r.Store, "a", &GetOptions{VersionID: "null"}))
	_, err = r.Delete(ctx, "a", &DeleteOptions{MarkNull: true})
	require.NoError(t, err)
	info, err := r.Stat(ctx, "a", &GetOptions{VersionID: "null"})
	require.ErrorIs(t, err, ErrDeleted)
	require.True(t, info.DeleteMarker)
	_, err = r.Delete(ctx, "a", nil)
	require.NoError(t, err)
	mustHave(t, r.Store, "a", bodies[2], "without the null version it is there again")
	_, err = r.Stat(ctx, "a", &GetOptions{VersionID: "0123"})
	require.ErrorIs(t, err, ErrNotFound)
	_, err = r.Delete(ctx, "a", &DeleteOptions{VersionID: "0123"})
	require.NoError(t, err, "S3's rule")
	for _, i := range infos {
		_, err = r.Delete(ctx, "a", &DeleteOptions{VersionID: i.VersionID})
		require.NoError(t, err)
	}
	require.Empty(t, r.files(objectsDir))
}

func TestCopyKeepsWhatItIsNotTold(t *testing.T) {
	r := serialShelf(t)
	body := random(5000, 1)
	first := mustPut(t, r.Store, "a", body, &PutOptions{Metadata: map[string]string{"k": "v"}})
	info, err := r.Copy(context.Background(), "b", "a", nil)
	require.NoError(t, err)
	require.Equal(t, first.ETag, info.ETag)
	require.Equal(t, first.Metadata, info.Metadata)
	mustHave(t, r.Store, "b", body, "a copy")
	info, err = r.Copy(context.Background(), "a", "a", &CopyOptions{ReplaceMetadata: true})
	require.NoError(t, err)
	require.Empty(t, info.Metadata)
	mustHave(t, r.Store, "a", body, "a copy onto itself")
}

// TestTwoReadersShareNoBuffer reads two objects in turns: what one has at hand is
// not what the other reads into.
func TestTwoReadersShareNoBuffer(t *testing.T) {
	r := newShelf(t, 4, &shelfOptions)
	a, b := random(5000, 1), random(5000, 2)
	mustPut(t, r.Store, "a", a, nil)
	mustPut(t, r.Store, "b", b, nil)
	first, err := r.Get(context.Background(), "a", nil)
	require.NoError(t, err)
	defer first.Close()
	second, err := r.Get(context.Background(), "b", nil)
	require.NoError(t, err)
	defer second.Close()
	p, q := make([]byte, 100), make([]byte, 100)
	for off := int64(0); off < 5000; off += 100 {
		_, err := first.ReadAt(p, off)
		require.NoError(t, err)
		require.True(t, bytes.Equal(a[off:off+100], p), "RULE E7: at %d", off)
		_, err = second.ReadAt(q, off)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b[off:off+100], q), "RULE E7: at %d", off)
	}
}

// TestRangesTouchOnlyWhatTheyNeed counts the shard files that are opened.
func TestRangesTouchOnlyWhatTheyNeed(t *testing.T) {
	r := newShelf(t, 4, &shelfOptions)
	body := random(5000, 1)
	mustPut(t, r.Store, "a", body, nil)
	var mu sync.Mutex
	opened := 0
	for _, d := range r.drives {
		d.set(func(op, _ string) error {
			if op == "open" {
				mu.Lock()
				opened++
				mu.Unlock()
			}
			return nil
		})
	}
	for _, c := range []struct{ off, n, opened int }{
		{0, 1, 1}, {499, 1, 1}, {499, 2, 2}, {500, 500, 1}, {990, 20, 2}, {4999, 1, 1}, {0, 5000, 10}, {3000, 1000, 2},
	} {
		obj, err := r.Get(context.Background(), "a", nil)
		require.NoError(t, err)
		opened = 0
		p := make([]byte, c.n)
		_, err = obj.ReadAt(p, int64(c.off))
		require.NoError(t, err)
		require.True(t, bytes.Equal(body[c.off:c.off+c.n], p))
		require.Equal(t, c.opened, opened, "bytes %d to %d", c.off, c.off+c.n)
		require.NoError(t, obj.Close())
	}
	obj, err := r.Get(context.Background(), "a", nil)
	require.NoError(t, err)
	defer obj.Close()
	p := make([]byte, 10)
	n, err := obj.ReadAt(p, 4995)
	require.Equal(t, 5, n)
	require.ErrorIs(t, err, io.EOF)
	_, err = obj.ReadAt(p, 5000)
	require.ErrorIs(t, err, io.EOF)
	_, err = obj.ReadAt(p, -1)
	require.Error(t, err)
}
