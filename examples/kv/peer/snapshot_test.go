package peer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/peer"
	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/lsm/lsmtest"
	"github.com/flagship-go/flagship/raft"
)

// onDisk runs a member whose store is on a disk, and whose log is short.
func onDisk(t *testing.T, id raft.NodeID, l net.Listener, voters []raft.NodeID, seeds []store.Member) (*service.Member, *peer.Peers) {
	p, err := peer.Listen(peer.Options{ID: id, ClusterID: "test", Listener: l})
	require.NoError(t, err)
	d, err := ondisk.Open("store", &ondisk.Options{FS: lsmtest.NewMemFS()})
	require.NoError(t, err)
	o := service.Options{Peers: p, Seeds: seeds, ClusterID: 7, Disk: d,
		Self: store.Member{ID: uint64(id), PeerURLs: []string{"http://" + l.Addr().String()}}}
	o.Raft = raft.Options{Transport: p, TickInterval: 10 * time.Millisecond, SnapshotEvery: 50, KeepEntries: 1}
	o.Raft.ID, o.Raft.Voters = id, voters
	m, err := service.Start(o)
	require.NoError(t, err)
	p.Serve(m)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m, p
}

// A learner that needs the state is streamed it; a stream that is cut off, or
// that is none, changes nothing.
func TestASnapshotIsStreamedToItsEndOrNotAtAll(t *testing.T) {
	var listeners []net.Listener
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		listeners = append(listeners, l)
	}
	seeds := []store.Member{{ID: 1, PeerURLs: []string{"http://" + listeners[0].Addr().String()}}}
	leader, _ := onDisk(t, 1, listeners[0], []raft.NodeID{1}, seeds)
	for i := range 300 {
		_, err := leader.Put(t.Context(), &store.PutRequest{Key: fmt.Appendf(nil, "k%d", i), Value: make([]byte, 2000)})
		require.NoError(t, err)
	}
	added, _, err := leader.MemberAdd(t.Context(), []string{"http://" + listeners[1].Addr().String()}, true)
	require.NoError(t, err)
	seeds = append(seeds, added.Member)
	learner, place := onDisk(t, raft.NodeID(added.ID), listeners[1], nil, seeds)
	want, err := leader.Hash(0)
	require.NoError(t, err)
	for deadline := time.Now().Add(20 * time.Second); learner.Status().Store.Revision < want.Revision && time.Now().Before(deadline); {
		r := learner.Status().Store.Revision
		_, err := leader.Range(t.Context(), &store.RangeRequest{Key: []byte("k")}, false) // a round of messages
		require.NoError(t, err, "%d", r)
	}
	got, err := learner.Hash(0)
	rule(t, "P5", err == nil && got == want, "the learner has %+v, not %+v: %v", got, want, err)
	require.Positive(t, learner.Status().Counts.SnapshotsApplied)

	// The leader, which has all of it, is sent one that is newer and breaks off.
	message := raft.Message{Type: raft.InstallSnapshot, From: raft.NodeID(added.ID), To: 1, Term: 1,
		Snapshot: &raft.Snapshot{Index: 1 << 40, Term: 1, Membership: raft.Membership{Voters: []raft.NodeID{1}}}}
	head := raft.AppendMessage(nil, &message)
	state := learner.Snapshot()
	defer state.Close()
	broken := errors.New("broken")
	for what, body := range map[string]io.WriterTo{
		"cut off":      &cutOff{state, 100_000, broken},
		"of no state":  bytes.NewReader([]byte("flagship")),
		"of no length": bytes.NewReader(nil),
	} {
		err := place.SendSnapshot(t.Context(), 1, head, body)
		rule(t, "P5", err != nil, "a snapshot %s is taken", what)
	}
	require.ErrorIs(t, place.SendSnapshot(t.Context(), 77, head, state), service.ErrNotSent)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, place.SendSnapshot(gone, 1, head, state))
	require.Error(t, place.SendSnapshot(t.Context(), 1, []byte("no message"), state))
	got, err = leader.Hash(0)
	rule(t, "P5", err == nil && got == want, "the member has %+v, not %+v: %v", got, want, err)
	require.NoError(t, leader.Err())
}

// cutOff breaks off in the middle.
type cutOff struct {
	io.WriterTo
	left int
	err  error
}

func (c *cutOff) WriteTo(w io.Writer) (int64, error) {
	return c.WriterTo.WriteTo(writerFunc(func(b []byte) (int, error) {
		if c.left -= len(b); c.left < 0 {
			return 0, c.err
		}
		return w.Write(b)
	}))
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }
