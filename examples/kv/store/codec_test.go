package store_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/model"
)

func TestCommandsSurviveTheLog(t *testing.T) {
	g := newGenerator(7)
	for range 5000 {
		g.revision++
		want := g.command()
		got, err := store.DecodeCommand(store.EncodeCommand(want))
		require.NoError(t, err)
		same(t, "codec", want, got, "%T", want)
	}
}

// A command is encoded by whoever proposes it, and may be another's: encoding
// only reads it, which the race detector watches.
func TestEncodingWritesNothingIntoItsCommand(t *testing.T) {
	g := newGenerator(7)
	for range 200 {
		g.revision++
		cmd := g.command()
		var other []byte
		var done sync.WaitGroup
		done.Go(func() { other = store.EncodeCommand(cmd) })
		b := store.EncodeCommand(cmd)
		done.Wait()
		require.Equal(t, b, other)
	}
}

// TestTheEncodingDoesNotChange: logs outlive a build. Whoever changes these
// bytes changes the version too.
func TestTheEncodingDoesNotChange(t *testing.T) {
	for want, cmd := range map[string]store.Command{
		"\x01\x00\x01k\x01v\x04\x01":                            &store.PutRequest{Key: []byte("k"), Value: []byte("v"), Lease: 2, PrevKV: true},
		"\x01\x01\x01a\x01b\x00":                                &store.DeleteRangeRequest{Key: []byte("a"), End: []byte("b")},
		"\x01\x02\x00\x01\x00\x01\x01k\x00\x00\x00\x00\x00\x00": &store.TxnRequest{Success: []store.Op{{Put: &store.PutRequest{Key: []byte("k")}}}},
		"\x01\x03\x0a":                                          &store.CompactionRequest{Revision: 5},
		"\x01\x04\x02\x14":                                      &store.LeaseGrantRequest{ID: 1, TTL: 10},
		"\x01\x05\x02":                                          &store.LeaseRevokeRequest{ID: 1},
		"\x01\x06\x01\x02\x04":                                  &store.LeaseCheckpointRequest{Checkpoints: []store.LeaseCheckpoint{{ID: 1, Remaining: 2}}},
		"\x01\x07\x01\x03\x01":                                  &store.AlarmRequest{Action: store.AlarmActivate, Alarm: store.Alarm{Member: 3, Type: store.AlarmNoSpace}},
		"\x01\x08":                                              &store.DefragmentRequest{},
		"\x01\x09\x03\x01n\x00\x01\x01u":                        &store.MemberSetRequest{Member: store.Member{ID: 3, Name: "n", ClientURLs: []string{"u"}}},
		"\x01\x0a\x03":                                          &store.MemberRemoveRequest{ID: 3},
	} {
		require.Equal(t, want, string(store.EncodeCommand(cmd)), "%T", cmd)
	}
	l := newLog(t)
	require.Equal(t, "\x01\x00\x00\x04\x00", string(l.Apply(1, store.EncodeCommand(put("k", "v")))))
	require.Equal(t, "\x01\x02", string(l.Apply(2, store.EncodeCommand(put("", "v")))))
}

func TestWhatIsNoCommandIsRefusedByAllAlike(t *testing.T) {
	l := newLog(t)
	for i, b := range []string{"", "\x00", "\x01", "\x00\x00", "\x01\x63", "\x01\x03", "\x01\x03\x0a\x00", "\x01\x00\x01k\x01v\x04\x08", "\x01\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"} {
		_, err := store.DecodeResult(l.Apply(uint64(i+1), []byte(b)))
		rule(t, "codec", err == store.ErrInvalidCommand, "%q: %v", b, err)
	}
	require.EqualValues(t, 9, l.Status().Index)
	require.EqualValues(t, 1, l.Status().Revision)
	_, err := store.DecodeCommand([]byte{2, 0})
	require.ErrorIs(t, err, store.ErrVersion)
	require.Panics(t, func() { l.Apply(11, []byte{2, 0}) }, "a member must not pass over what others execute")
	_, err = store.DecodeResult([]byte{2, 0})
	require.ErrorIs(t, err, store.ErrVersion)
	for _, b := range []string{"", "\x01", "\x01\x63", "\x01\x00", "\x01\x00\x63", "\x01\x02\x00", "\x01\x00\x00\x04"} {
		_, err = store.DecodeResult([]byte(b))
		require.ErrorIs(t, err, store.ErrInvalidCommand, "%q", b)
	}
}

// FuzzDecode: whatever the bytes, decoding returns; what it accepts, it writes
// again as something equal; and applying it leaves a state that can be saved.
func FuzzDecode(f *testing.F) {
	g := newGenerator(3)
	for range 50 {
		g.revision++
		f.Add(store.EncodeCommand(g.command()))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		store.DecodeResult(b)
		cmd, err := store.DecodeCommand(b)
		if err != nil {
			return
		}
		again, err := store.DecodeCommand(store.EncodeCommand(cmd))
		require.NoError(t, err)
		require.True(t, model.Same(cmd, again))
		l := newLog(t)
		l.put("a", "x")
		_, err = store.DecodeResult(l.Apply(2, b))
		_, _, want := mustStep(cmd)
		rule(t, "answers", err == want, "%v, want %v", err, want)
		require.NoError(t, newLog(t).Restore(bytes.NewReader(l.snapshot())))
	})
}

func mustStep(cmd store.Command) (*model.State, store.Response, error) {
	m, _, _ := model.New().Step(put("a", "x"))
	return m.Step(cmd)
}

// FuzzRestore: whatever the bytes, Restore returns.
func FuzzRestore(f *testing.F) {
	l := newLog(f)
	l.put("a\x00", "x")
	l.grant(1, 10)
	f.Add(l.snapshot())
	f.Fuzz(func(t *testing.T, b []byte) {
		l := newLog(t)
		if l.Restore(bytes.NewReader(b)) == nil {
			l.all(0)
		}
	})
}
