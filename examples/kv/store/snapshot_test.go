package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// filled has something in every table.
func filled(t testing.TB) *log {
	l := newLog(t)
	l.grant(1, 10)
	l.do(&store.PutRequest{Key: []byte("a"), Value: []byte("1"), Lease: 1})
	l.put("a\x00b", "2")
	l.put("big", string(make([]byte, 100_000)))
	l.delete("a\x00b")
	l.do(&store.AlarmRequest{Action: store.AlarmActivate, Alarm: store.Alarm{Member: 3, Type: store.AlarmCorrupt}})
	l.do(&store.MemberSetRequest{Member: store.Member{ID: 3, Name: "three", PeerURLs: []string{"http://p"}}})
	return l
}

func TestASnapshotIsOfTheMomentItWasTaken(t *testing.T) {
	l := newLog(t)
	for range 100 {
		l.put("a", "1")
	}
	want := l.snapshot()
	w := l.Freeze()
	defer w.Close()
	for i := range 1000 {
		l.put("a", "2")
		l.put(string(rune('a'+i%26)), "x")
	}
	for _, what := range []string{"puts", "compaction"} {
		var b bytes.Buffer
		_, err := w.WriteTo(&b)
		require.NoError(t, err)
		rule(t, "snapshot-frozen", bytes.Equal(want, b.Bytes()), "%s after the snapshot are in it", what)
		if what == "puts" {
			l.compact(500)
		}
	}
}

func TestRestoreBringsEverythingBack(t *testing.T) {
	l, other := filled(t), newLog(t)
	other.put("mine", "gone")
	require.NoError(t, other.Restore(bytes.NewReader(l.snapshot())))
	require.Equal(t, l.Status(), other.Status())
	require.Equal(t, l.Members(), other.Members())
	require.Equal(t, l.Alarms(), other.Alarms())
	require.Equal(t, l.all(0), other.all(0))
	_, err := other.try(put("k", "v"))
	rule(t, "snapshot-exact", err == store.ErrCorrupt, "the alarm does not work after a restore: %v", err)
	require.NoError(t, other.Restore(iotest.OneByteReader(bytes.NewReader(l.snapshot()))))
}

func TestADamagedSnapshotIsRefusedAndChangesNothing(t *testing.T) {
	good := filled(t).snapshot()
	l := newLog(t)
	l.put("k", "v")
	before := l.snapshot()
	refused := func(b []byte, what string, i int) {
		t.Helper()
		err := l.Restore(bytes.NewReader(b))
		rule(t, "snapshot-damage", errors.Is(err, store.ErrInvalidCommand), "%s %d: %v", what, i, err)
		require.True(t, bytes.Equal(before, l.snapshot()), "%s %d is refused, and the state has changed", what, i)
	}
	for i := 0; i < len(good); i += 1 + i/50 {
		refused(good[:i], "cut at", i)
		bad := bytes.Clone(good)
		bad[i] ^= 0x10
		if i == 11 {
			require.ErrorIs(t, l.Restore(bytes.NewReader(bad)), store.ErrVersion)
			continue
		}
		refused(bad, "a bit flipped at", i)
	}
	for i := range good[:600] { // a checksum that fits does not make a row
		bad := bytes.Clone(good[:len(good)-4])
		bad[i] ^= 0x81
		bad = binary.LittleEndian.AppendUint32(bad, crc32.Checksum(bad, crc32.MakeTable(crc32.Castagnoli)))
		require.NotPanics(t, func() { newLog(t).Restore(bytes.NewReader(bad)) })
	}
	broken := errors.New("broken")
	require.ErrorIs(t, l.Restore(io.MultiReader(bytes.NewReader(good[:100]), iotest.ErrReader(broken))), broken)
}

func TestWriteErrorsOfASnapshotAreTold(t *testing.T) {
	w := filled(t).Freeze()
	defer w.Close()
	_, err := w.WriteTo(failing{})
	require.ErrorIs(t, err, io.ErrShortWrite)
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestHashTellsMembersThatDiffer(t *testing.T) {
	a, b := newLog(t), newLog(t)
	for _, l := range []*log{a, b} {
		for range 10 {
			l.put("a", "x")
			l.put("b", "x")
		}
	}
	b.put("c", "x")
	ha, err := a.Hash(0)
	require.NoError(t, err)
	hb, err := b.Hash(21)
	require.NoError(t, err)
	rule(t, "hash", ha == hb && ha.Revision == 21 && ha.CompactRevision == -1, "%+v, %+v at the same revision", ha, hb)
	_, err = a.Hash(22)
	require.Equal(t, store.ErrFutureRev, err)
	a.put("c", "y")
	ha, _ = a.Hash(22)
	hb, _ = b.Hash(22)
	rule(t, "hash", ha.Hash != hb.Hash, "different values, same hash")
	sa, ia := a.HashState()
	sb, ib := b.HashState()
	require.True(t, ia == ib && sa != sb)
	a.compact(10)
	_, err = a.Hash(9)
	require.Equal(t, store.ErrCompacted, err)
}
