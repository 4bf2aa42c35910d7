package erasure

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// A pass every hour looks whether the shards are there; every third reads them.
func TestScannerScrubsNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := shelfOptions
		o.ScanEvery, o.ScrubEvery, o.ScanShare = time.Hour, 3, 1
		r := newShelf(t, 4, &o)
		mustPut(t, r.Store, "a", random(5000, 1), nil)
		time.Sleep(time.Minute) // the first pass is at once
		synctest.Wait()
		before := r.files(objectsDir)
		shard := func(of int) string {
			for _, file := range before {
				if name := strings.Fields(file)[0]; strings.HasPrefix(name, fmt.Sprintf("drive%d/", of)) && strings.Contains(name, "+") {
					return name
				}
			}
			require.FailNow(t, "no shard", "%v", before)
			return ""
		}
		damaged := shard(0)
		text := func() string {
			f, err := r.fs.Open(damaged, vfs.ReadOnly)
			require.NoError(t, err)
			defer f.Close()
			b := make([]byte, 3000)
			n, _ := f.ReadAt(b, 0) // to the end
			return string(b[:n])
		}
		sound := text()
		require.NoError(t, r.fs.FlipBit(damaged, 8*100))
		require.NoError(t, r.fs.Remove(shard(2)))

		time.Sleep(time.Hour) // the second
		synctest.Wait()
		require.Equal(t, before, r.files(objectsDir), "RULE E13: a pass does not see that a shard is missing")
		require.NotEqual(t, sound, text(), "RULE E13: a pass that is not to read has read")
		time.Sleep(time.Hour) // the third
		synctest.Wait()
		require.Equal(t, sound, text(), "RULE E13: every third pass reads the shards")
	})
}

// The scanner works a share of the time, whatever an object costs.
func TestScannerKeepsToItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Store{ctx: context.Background(), o: Options{ScanShare: 0.2}}
		pause, begin := s.pace(), time.Now()
		for _, work := range []time.Duration{time.Second, 100 * time.Millisecond, 0} {
			time.Sleep(work)
			pause()
		}
		require.Equal(t, 5*1100*time.Millisecond, time.Since(begin), "RULE E12: it works a fifth of the time")
	})
}

func TestScannerEndsWithItsStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := shelfOptions
		o.ScanEvery, o.ScanShare = time.Hour, 0.001
		r := newShelf(t, 4, &o)
		for _, name := range []string{"a", "b", "c"} {
			mustPut(t, r.Store, name, random(5000, 1), nil)
		}
		r.drives[0].set(func(string, string) error { time.Sleep(time.Minute); return nil })
		time.Sleep(2 * time.Hour) // it is in the middle, or waits for the next
		begin := time.Now()
		require.NoError(t, r.Close())
		require.Less(t, time.Since(begin), 5*time.Minute)
	})
}

func TestExplainShowsWhereShardsAre(t *testing.T) {
	r := newCabinet(t, 4, 2)
	const size = 3000
	r.put("cat", size, nil)
	at := func(shard int) int { return (rotation("cat", 4) + shard) % 4 }
	lines := func() (head string, line [4]string) {
		text, err := r.Explain(t.Context(), "cat")
		require.NoError(t, err)
		all := bytes.Split([]byte(text), []byte("\n"))
		require.Len(t, all, 6, "%s", text) // the last is empty
		for i := range line {
			line[i] = string(all[1+i])
		}
		return string(all[0]), line
	}
	head, line := lines()
	require.Contains(t, head, "3000 bytes, 2 data and 2 parity shards, 4 of 4 on their drives")
	for shard, kind := range []string{"data", "data", "parity", "parity"} {
		require.Regexp(t, `^  set 0 drive \d  shard \d +`+kind+` +ok +\d+ bytes  d\d$`, line[at(shard)], "RULE E8: the shard's index is its own")
	}
	r.flip(at(0), "cat", r.shard(at(0), "cat"), 100)
	r.lose(at(1), "cat", r.shard(at(1), "cat"))
	r.flip(at(2), "cat", r.version(at(2), "cat"), 20)
	head, line = lines()
	require.Contains(t, head, "1 of 4 on their drives")
	require.Regexp(t, `shard 0 +data +corrupt .*: .*checksum`, line[at(0)], "RULE E7: a shard that is wrong")
	require.Regexp(t, `shard 1 +data +missing`, line[at(1)])
	require.Regexp(t, `- +- +corrupt`, line[at(2)], "RULE E7: a version file that is wrong")
	require.Regexp(t, `shard 3 +parity +ok`, line[at(3)])

	r.disks[at(3)].Inject(vfs.Fault{Kind: vfs.OpList, Err: errBroken, Sticky: true})
	text, err := r.Explain(t.Context(), "cat")
	require.NoError(t, err)
	require.Regexp(t, `offline .*`+errBroken.Error(), text)
	_, err = r.Explain(t.Context(), "dog")
	require.ErrorIs(t, err, ErrNotFound)
}
