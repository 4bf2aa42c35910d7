package tcp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

// slowWire takes time for what is written over it, and breaks when told.
type slowWire struct {
	net.Conn
	written int
	// breakAt is how many bytes break it; 0: none do.
	breakAt int
	perByte time.Duration
}

func (c *slowWire) Write(b []byte) (int, error) {
	if c.written += len(b); c.breakAt > 0 && c.written > c.breakAt {
		c.Close()
		return 0, errors.New("the wire broke")
	}
	time.Sleep(time.Duration(len(b)) * c.perByte)
	return c.Conn.Write(b)
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

func snapshotMessage(from, to raft.NodeID, term uint64, data []byte) raft.Message {
	return raft.Message{Type: raft.InstallSnapshot, From: from, To: to, Term: term, Round: 3, Snapshot: &raft.Snapshot{
		Index: 100, Term: 1, Membership: raft.Membership{Voters: []raft.NodeID{1, 2, 3}, Learners: []raft.NodeID{4}}, Data: data,
	}}
}

// reports counts what a transport reports of snapshots.
type reports struct {
	going, failed atomic.Uint64
}

func (r *reports) report(_ raft.NodeID, failed bool) {
	if failed {
		r.failed.Add(1)
	} else {
		r.going.Add(1)
	}
}

// sender starts node 1 with reports.
func (w *wire) sender(t *testing.T, change func(*Options)) (*Transport, *reports) {
	tr, r := w.prepare(t, 1, change), &reports{}
	tr.OnSnapshot(r.report)
	require.NoError(t, tr.Start(func(raft.Message) {}))
	return tr, r
}

func snapshotsIn(in *received) (all []raft.Message) {
	for _, m := range in.all() {
		if m.Type == raft.InstallSnapshot {
			all = append(all, m)
		}
	}
	return all
}

func TestSnapshotsOfAllSizesArriveAsTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, r := w.sender(t, nil)
		two, in := w.start(t, 2, nil)
		sizes := []int{0, 1, chunkSize - 1, chunkSize, chunkSize + 1, 5*chunkSize + 17}
		for i, size := range sizes {
			m := snapshotMessage(1, 2, uint64(i+1), randomBytes(size))
			one.Send([]raft.Message{m})
			synctest.Wait()
			got := snapshotsIn(in)
			require.Len(t, got, i+1)
			require.True(t, bytes.Equal(m.Snapshot.Data, got[i].Snapshot.Data))
			got[i].Snapshot.Data = m.Snapshot.Data // nil or empty
			require.Equal(t, m, got[i])
		}
		require.Zero(t, r.failed.Load())
		require.GreaterOrEqual(t, r.going.Load(), uint64(len(sizes)))
		require.Equal(t, uint64(len(sizes)), one.Metrics().SnapshotsSent)
		require.Equal(t, uint64(len(sizes)), two.Metrics().SnapshotsReceived)
		require.Zero(t, two.Metrics().Broken)
	})
}

func TestBigSnapshotIsResumedWhereItBrokeWhileHeartbeatsFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 8 << 20
		w := newWire()
		w.wrap = func(address string, c net.Conn) net.Conn {
			limit := 0
			if address == addressFor(2) && w.dialed(address) <= 2 {
				limit = 3 << 20 // the connection for messages never gets so far
			}
			return &slowWire{Conn: c, breakAt: limit, perByte: time.Microsecond}
		}
		one, r := w.sender(t, nil)
		_, in := w.start(t, 2, nil)
		synctest.Wait()
		m := snapshotMessage(1, 2, 1, randomBytes(size))
		one.Send([]raft.Message{m})
		beats := uint64(0)
		for len(snapshotsIn(in)) == 0 {
			one.Send([]raft.Message{heartbeat(1, 2, uint64(time.Now().UnixNano()))})
			beats++
			time.Sleep(10 * time.Millisecond)
			require.Less(t, beats, uint64(3000), "RULE T7: a snapshot goes on when its connection breaks")
		}
		require.Greater(t, beats, uint64(100), "the snapshot takes seconds")
		in.mu.Lock()
		for i, got := range in.messages {
			if got.Type == raft.AppendEntries {
				late := in.times[i].Sub(time.Unix(0, int64(got.Round)))
				require.Less(t, late, 5*time.Millisecond, "RULE T7: a heartbeat waited behind the snapshot")
			}
		}
		in.mu.Unlock()
		require.True(t, bytes.Equal(m.Snapshot.Data, snapshotsIn(in)[0].Snapshot.Data), "RULE T2: a snapshot is what was sent")
		require.Len(t, in.all(), int(beats)+1)
		synctest.Wait()
		sent := one.Metrics()
		require.Equal(t, uint64(1), sent.SnapshotsResumed, "RULE T7: a snapshot goes on where it broke")
		require.GreaterOrEqual(t, sent.SnapshotChunkBytes, uint64(size))
		require.LessOrEqual(t, sent.SnapshotChunkBytes, uint64(size+chunkSize), "RULE T7: no more than the chunk that broke is sent again")
		require.Zero(t, r.failed.Load())
		require.GreaterOrEqual(t, r.going.Load(), uint64(size/chunkSize), "RULE T7: a snapshot on its way gives signs of life")
	})
}

func TestSnapshotIsResumedByALaterTermOfTheSameLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.wrap = func(_ string, c net.Conn) net.Conn { return &slowWire{Conn: c, perByte: time.Microsecond} }
		one, r := w.sender(t, nil)
		_, in := w.start(t, 2, nil)
		data := randomBytes(8 << 20)
		one.Send([]raft.Message{snapshotMessage(1, 2, 1, data)})
		time.Sleep(4 * time.Second)
		newer := snapshotMessage(1, 2, 1, randomBytes(100))
		newer.Snapshot.Index = 200
		one.Send([]raft.Message{newer}) // must not restart what is half way
		time.Sleep(time.Second)
		one.Send([]raft.Message{snapshotMessage(1, 2, 5, data)}) // the follower would refuse term 1 now
		time.Sleep(20 * time.Second)
		got := snapshotsIn(in)
		require.Len(t, got, 1, "RULE T7: a newer snapshot does not begin anew what is half way")
		require.Equal(t, uint64(5), got[0].Term, "RULE T7: a snapshot in the name of an old term is not insisted on")
		require.True(t, bytes.Equal(data, got[0].Snapshot.Data), "RULE T7: a newer snapshot does not begin anew what is half way")
		require.Equal(t, uint64(1), one.Metrics().SnapshotsResumed, "RULE T7: a snapshot goes on where it broke")
		require.Less(t, one.Metrics().SnapshotChunkBytes, uint64(9<<20))
		require.Zero(t, r.failed.Load(), "one that is replaced has not failed")
	})
}

func TestSnapshotOfOtherBytesDoesNotContinueAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.wrap = func(_ string, c net.Conn) net.Conn { return &slowWire{Conn: c, perByte: time.Microsecond} }
		one, _ := w.sender(t, nil)
		_, in := w.start(t, 2, nil)
		first, second := randomBytes(4<<20), randomBytes(4<<20)
		second[0]++
		one.Send([]raft.Message{snapshotMessage(1, 2, 1, first)})
		time.Sleep(2 * time.Second)
		one.Send([]raft.Message{snapshotMessage(1, 2, 2, second)})
		time.Sleep(20 * time.Second)
		got := snapshotsIn(in)
		require.Len(t, got, 1, "RULE T2: what one snapshot was begun with, another continued")
		require.True(t, bytes.Equal(second, got[0].Snapshot.Data), "RULE T2: a snapshot is what was sent")
		require.Zero(t, one.Metrics().SnapshotsResumed)
	})
}

func TestSnapshotThatCannotBeSentIsReported(t *testing.T) {
	for _, c := range []struct {
		name   string
		two    func(*Options)
		to     raft.NodeID
		within time.Duration
		rule   string
	}{
		{"nobody there", nil, 3, time.Minute, "T7"},
		{"not a peer", nil, 9, time.Millisecond, "T7"},
		{"too large for the receiver", func(o *Options) { o.MaxSnapshot = 100 }, 2, time.Second, "T4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				one, r := w.sender(t, nil)
				_, in := w.start(t, 2, c.two)
				synctest.Wait()
				one.Send([]raft.Message{snapshotMessage(1, c.to, 1, randomBytes(1000))})
				time.Sleep(c.within)
				synctest.Wait()
				require.Empty(t, snapshotsIn(in), "RULE %s: %s", c.rule, c.name)
				require.Equal(t, uint64(1), r.failed.Load(), "RULE %s: a snapshot that is given up is reported", c.rule)
				require.Nil(t, one.peer(2).snapshots.current)
			})
		})
	}
}

func TestRefusalInTheMiddleOfASnapshotIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.pose(t, 2, func(s *stranger) {
			k, _, err := s.frames.next()
			if err != nil || k != kindOffer {
				return // the connection for messages
			}
			s.send(appendFrame(nil, kindAck, []byte{0}))
			time.Sleep(time.Second)
			s.send(appendFrame(nil, kindDone, []byte("the disk is full")))
		})
		one, r := w.sender(t, nil)
		one.Send([]raft.Message{snapshotMessage(1, 2, 1, randomBytes(1<<20))})
		time.Sleep(999 * time.Millisecond)
		require.Zero(t, r.failed.Load())
		time.Sleep(2 * time.Millisecond)
		require.Equal(t, uint64(1), r.failed.Load(), "RULE T7: what the receiver will not take is given up at once, and reported")
	})
}

func TestHalfASnapshotIsForgottenInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		two, _ := w.start(t, 2, nil)
		s := w.stranger(t, 2)
		data := randomBytes(3 * chunkSize)
		begin(s, data, 1)
		s.acked(0)
		s.chunk(0, data[:chunkSize])
		s.acked(chunkSize)
		s.Close()
		synctest.Wait()
		require.Equal(t, chunkSize, halfOf(two, 1))
		time.Sleep(2 * partialLife)
		require.Equal(t, -1, halfOf(two, 1), "RULE T4: half a snapshot is kept for ever")

		s = w.stranger(t, 2)
		begin(s, data, 2)
		s.acked(0)
		s.chunk(0, data[:chunkSize])
		s.acked(chunkSize)
		s.Close()
		synctest.Wait()
		p := two.peer(1)
		two.RemovePeer(1)
		require.Nil(t, p.incoming.partial, "RULE T8: half a snapshot outlives its peer")
	})
}

func TestNameOfASnapshotAloneCostsNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		two, _ := w.start(t, 2, nil)
		s := w.stranger(t, 2)
		data := randomBytes(64 << 20)
		begin(s, data, 1)
		s.acked(0)
		s.chunk(0, data[:chunkSize])
		s.acked(chunkSize)
		s.Close()
		synctest.Wait()
		require.LessOrEqual(t, cap(two.peer(1).incoming.partial.data), 2*chunkSize, "RULE T4: a snapshot costs what has come of it")
	})
}

func TestSnapshotThatDiffersFromItsNameIsNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		two, in := w.start(t, 2, nil)
		s := w.stranger(t, 2)
		data := randomBytes(1000)
		begin(s, data, 1)
		s.acked(0)
		s.chunk(0, make([]byte, 1000))
		s.acked(1000)
		k, payload, err := s.frames.next()
		require.NoError(t, err)
		require.Equal(t, kindDone, k)
		synctest.Wait()
		require.Empty(t, in.all(), "RULE T2: a snapshot of other bytes than it was named for was delivered")
		require.Contains(t, string(payload), "SHA-256")
		require.Equal(t, -1, halfOf(two, 1), "and it is not continued")
		s.Close()
	})
}

func TestChunksOutOfPlaceEndTheConnection(t *testing.T) {
	data := randomBytes(1000)
	for name, send := range map[string]func(s *stranger){
		"a gap":       func(s *stranger) { s.chunk(10, data[10:]) },
		"too much":    func(s *stranger) { s.chunk(0, append(bytes.Clone(data), 1)) },
		"nothing":     func(s *stranger) { s.chunk(0, nil) },
		"other frame": func(s *stranger) { s.send(appendFrame(nil, kindPing, nil)) },
		"silence":     func(s *stranger) {},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				two, in := w.start(t, 2, nil)
				s := w.stranger(t, 2)
				begin(s, data, 1)
				s.acked(0)
				send(s)
				promise := "RULE T2: chunks follow each other without a gap"
				if name == "silence" {
					promise = "RULE T4: a snapshot that does not come is not waited for"
				}
				s.requireEnded(promise)
				synctest.Wait()
				require.Empty(t, in.all(), promise)
				require.Equal(t, uint64(1), two.Metrics().Broken)
			})
		})
	}
}

func TestSnapshotWhoseLastAnswerWasLostIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		_, in := w.start(t, 2, nil)
		data := randomBytes(1000)
		s := w.stranger(t, 2)
		begin(s, data, 7)
		s.acked(0)
		s.chunk(0, data)
		s.acked(1000)
		s.Close() // before done is read
		synctest.Wait()
		require.Len(t, in.all(), 1)
		again := w.stranger(t, 2)
		begin(again, data, 7)
		k, payload, err := again.frames.next()
		require.NoError(t, err)
		require.Equal(t, kindDone, k, "RULE T7: a snapshot that was delivered is asked for again")
		require.Empty(t, payload)
		synctest.Wait()
		require.Len(t, in.all(), 1)
		again.Close()

		other := w.stranger(t, 2) // another transfer: the core may have lost the first
		begin(other, data, 8)
		other.acked(0)
		other.Close()
	})
}

// halfOf returns how much of a snapshot is kept for a peer; -1: there is none.
func halfOf(tr *Transport, id raft.NodeID) int {
	in := &tr.peer(id).incoming
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.partial == nil {
		return -1
	}
	return len(in.partial.data)
}

// begin opens a stranger's connection for snapshots, as node 1 to node 2.
func begin(s *stranger, data []byte, transfer uint64) {
	h := helloOf(1, 2)
	h.stream = streamSnapshots
	require.Zero(s.t, s.hello(h).code)
	m := snapshotMessage(1, 2, 1, nil)
	b := binary.LittleEndian.AppendUint64(nil, transfer)
	b = binary.AppendUvarint(b, uint64(len(data)))
	sum := sha256.Sum256(data)
	require.NoError(s.t, s.send(appendFrame(nil, kindOffer, raft.AppendMessage(append(b, sum[:]...), &m))))
}

func (s *stranger) chunk(at int, b []byte) {
	require.NoError(s.t, s.send(appendFrame(nil, kindChunk, append(binary.AppendUvarint(nil, uint64(at)), b...))))
}

func (s *stranger) acked(want int) {
	s.t.Helper()
	k, payload, err := s.frames.next()
	require.NoError(s.t, err)
	require.Equal(s.t, kindAck, k)
	v, _ := binary.Uvarint(payload)
	require.Equal(s.t, uint64(want), v)
}

func FuzzOffer(f *testing.F) {
	m := snapshotMessage(1, 2, 1, nil)
	f.Add(raft.AppendMessage(make([]byte, 8+1+sha256.Size), &m))
	f.Add(make([]byte, 41))
	tr, err := Listen(Options{ID: 2, Listener: newWire().listen("x"), Peers: peersOf(2)})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { tr.Close() })
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := tr.peer(1).decodeOffer(b)
		if err == nil && (o.message.Snapshot == nil || o.message.From != 1) {
			t.Fatal("took an offer of nothing")
		}
	})
}
