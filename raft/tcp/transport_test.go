package tcp

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

func TestMessagesArriveInOrderAndAsTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, nil)
		_, in := w.start(t, 2, nil)
		var sent []raft.Message
		for i := range uint64(500) {
			m := heartbeat(1, 2, i)
			for j := range i % 4 {
				data := bytes.Repeat([]byte{byte(i)}, int(i*j))
				if len(data) == 0 {
					data = nil
				}
				m.Entries = append(m.Entries, raft.Entry{Index: i + j + 1, Term: 1, Data: data})
			}
			sent = append(sent, m)
		}
		for part := range slices.Chunk(sent, 7) {
			one.Send(part)
		}
		synctest.Wait()
		require.Equal(t, sent, in.all(), "RULE T2: what is delivered is what was sent")
		m := one.Metrics()
		require.Equal(t, uint64(500), m.Sent)
		require.Zero(t, m.Dropped)
		require.Less(t, m.Writes, uint64(100), "what waits goes out together")
		held, held2 := one.peer(2).queue.size()
		require.Zero(t, held)
		require.Zero(t, held2)
	})
}

func TestLargeMessageArrives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, nil)
		_, in := w.start(t, 2, nil)
		m := heartbeat(1, 2, 1)
		m.Entries = []raft.Entry{{Index: 1, Term: 1, Data: bytes.Repeat([]byte("0123456789abcde"), 300_000)}}
		one.Send([]raft.Message{m, heartbeat(1, 2, 2)})
		synctest.Wait()
		require.Len(t, in.all(), 2, "RULE T2: a large message is delivered")
		require.True(t, bytes.Equal(m.Entries[0].Data, in.all()[0].Entries[0].Data), "RULE T2: a large message is what was sent")
	})
}

func TestMessageOverTheFrameLimitIsDroppedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, func(o *Options) { o.MaxFrame = 1 << 20 })
		_, in := w.start(t, 2, nil)
		m := heartbeat(1, 2, 1)
		m.Entries = []raft.Entry{{Index: 1, Term: 1, Data: make([]byte, 2<<20)}}
		one.Send([]raft.Message{m, heartbeat(1, 2, 2)})
		one.Send([]raft.Message{m})
		synctest.Wait()
		require.Len(t, in.all(), 1)
		require.Equal(t, uint64(2), one.Metrics().TooLarge)
		held, bytes := one.peer(2).queue.size()
		require.Zero(t, held+bytes)
		require.True(t, peerStatus(one, 2).Connected)
	})
}

func TestBadFramesEndTheConnectionAndNothingElse(t *testing.T) {
	good := heartbeat(2, 1, 9)
	frame := appendFrame(nil, kindMessage, raft.AppendMessage(nil, &good))
	lying, fromOther, forOther := slices.Clone(frame), heartbeat(3, 1, 1), heartbeat(2, 3, 1)
	binary.LittleEndian.PutUint32(lying, 0xfffffff0)
	flipped := slices.Clone(frame)
	flipped[len(flipped)-1] ^= 1
	turned := slices.Clone(frame)
	turned[4] = byte(kindPing)
	for _, c := range []struct {
		name    string
		b       []byte
		more    bool // the connection stays open behind b
		promise string
	}{
		{"half a header", frame[:5], false, "RULE T2: half a frame is not taken for the end of a connection"},
		{"half a frame", frame[:len(frame)-2], false, "RULE T2: half a frame is not taken for the end of a connection"},
		{"half a frame and silence", frame[:len(frame)-2], true, "RULE T4: the rest of a frame is not waited for"},
		{"a length over the limit", lying, true, "RULE T4: a frame over the limit is not read"},
		{"a flipped bit", flipped, true, "RULE T2: a changed message is not delivered"},
		{"a flipped bit in the kind", turned, true, "RULE T2: a changed kind is noticed"},
		{"a frame of unknown kind", appendFrame(nil, 99, nil), true, "RULE T2: what cannot be understood ends the connection"},
		{"a message that does not decode", appendFrame(nil, kindMessage, []byte{1, 2, 3}), true, "RULE T2: what cannot be understood ends the connection"},
		{"a message of a newer version", appendFrame(nil, kindMessage, []byte{9}), true, "RULE T9: a version that was not agreed on is not guessed at"},
		{"a message in another's name", appendFrame(nil, kindMessage, raft.AppendMessage(nil, &fromOther)), true, "RULE T3: a peer does not speak for another"},
		{"a message for another", appendFrame(nil, kindMessage, raft.AppendMessage(nil, &forOther)), true, "RULE T3: a message for another node is not delivered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				tr, in := w.start(t, 1, func(o *Options) { delete(o.Peers, 2); o.Peers[2] = addressFor(9) })
				s := w.stranger(t, 1)
				require.Zero(t, s.hello(helloOf(2, 1)).code)
				require.NoError(t, s.send(frame))
				began := time.Now()
				s.send(c.b) // the other side may hang up before all of it
				if c.more {
					s.requireEnded(c.promise)
					require.Less(t, time.Since(began), 10*time.Second, c.promise)
				} else {
					s.Close()
				}
				time.Sleep(time.Minute)
				require.Len(t, in.all(), 1, "%s; what came before is delivered, what came after is not", c.promise)
				require.Equal(t, uint64(1), tr.Metrics().Broken, c.promise)
				again := w.stranger(t, 1)
				require.Zero(t, again.hello(helloOf(2, 1)).code, "the next connection is welcome")
				again.Close()
			})
		})
	}
}

func TestFrameThatDripsIsEndedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.start(t, 1, nil)
		s := w.stranger(t, 1)
		require.Zero(t, s.hello(helloOf(2, 1)).code)
		began := time.Now()
		frame := appendFrame(nil, kindMessage, make([]byte, 1000))
		for i := 0; i < len(frame) && s.send(frame[i:i+1]) == nil; i++ {
			time.Sleep(time.Second)
		}
		require.Less(t, time.Since(began), 15*time.Second, "RULE T4: a frame has its time as a whole")
	})
}

func TestPeerThatNeverReadsItsPongsIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		tr, _ := w.start(t, 1, nil)
		s := w.stranger(t, 1)
		require.Zero(t, s.hello(helloOf(2, 1)).code)
		require.NoError(t, s.send(appendFrame(nil, kindPing, nil)))
		time.Sleep(time.Minute)
		require.Equal(t, uint64(1), tr.Metrics().Broken, "RULE T4: a peer that does not read is not waited for")
		s.Close()
	})
}

func TestRefusedConnectionsAreClosedAtBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, func(o *Options) { o.ClusterID = "other" })
		two, _ := w.start(t, 2, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Greater(t, one.Metrics().Refused+two.Metrics().Refused, uint64(50))
		require.Zero(t, w.open.Load(), "RULE T4: a connection that was refused is closed")
	})
}

func TestLargeFrameIsGivenTheTimeItNeedsOnASlowWire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		_, in := w.start(t, 1, nil)
		s := w.stranger(t, 1)
		require.Zero(t, s.hello(helloOf(2, 1)).code)
		m := heartbeat(2, 1, 1)
		m.Entries = []raft.Entry{{Index: 1, Term: 1, Data: make([]byte, 2<<20)}}
		began := time.Now()
		for piece := range slices.Chunk(appendFrame(nil, kindMessage, raft.AppendMessage(nil, &m)), 64<<10) {
			time.Sleep(900 * time.Millisecond)
			require.NoError(t, s.send(piece))
		}
		synctest.Wait()
		require.Greater(t, time.Since(began), 25*time.Second, "much more than Options.Timeout")
		require.Len(t, in.all(), 1)
		s.Close()
	})
}

func TestPeerThatNeverReadsCostsItsQueueAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		var deaf atomic.Uint64
		w.pose(t, 2, func(*stranger) { deaf.Add(1) })
		one, _ := w.start(t, 1, func(o *Options) { o.QueueBytes = 1 << 20 })
		_, in3 := w.start(t, 3, nil)
		synctest.Wait()
		require.True(t, peerStatus(one, 2).Connected)
		began, most := time.Now(), 0
		for i := range uint64(1000) {
			m := heartbeat(1, 2, i)
			m.Entries = []raft.Entry{{Index: i + 1, Term: 1, Data: make([]byte, 4000)}}
			one.Send([]raft.Message{m, heartbeat(1, 3, i)})
			if i%10 == 0 {
				synctest.Wait() // 3 takes what it is sent
			}
			most = max(most, peerStatus(one, 2).Bytes)
		}
		require.Zero(t, time.Since(began), "RULE T1: Send does not wait")
		require.LessOrEqual(t, most, 1<<20, "RULE T1: what waits is bounded")
		require.Greater(t, most, 1<<19)
		synctest.Wait()
		require.Len(t, in3.all(), 1000, "RULE T1: the other peer notices nothing")
		require.Positive(t, one.Metrics().Dropped)
		time.Sleep(20 * time.Second)
		require.GreaterOrEqual(t, deaf.Load(), uint64(2), "RULE T6: the connection was given up and made again")
		require.Zero(t, peerStatus(one, 2).Bytes, "RULE T1: and what waited for it is gone")
	})
}

func TestPeerThatFallsSilentIsNoticedByItsMissingPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		var dials atomic.Uint64
		w.pose(t, 2, func(s *stranger) { // reads all and says nothing, like the network of a dead host
			dials.Add(1)
			io.Copy(io.Discard, s.frames.r)
		})
		one, _ := w.start(t, 1, nil)
		for range 300 {
			one.Send([]raft.Message{heartbeat(1, 2, 1)})
			time.Sleep(100 * time.Millisecond)
		}
		require.GreaterOrEqual(t, dials.Load(), uint64(3), "RULE T6: a peer that has vanished is dialed anew")
		require.Less(t, dials.Load(), uint64(6), "RULE T6: but not in a frenzy")
	})
}

func TestPeerThatAnswersNonsenseIsLeftAtOnceEvenInTheMiddleOfAWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.pose(t, 2, func(s *stranger) {
			time.Sleep(time.Second)
			s.send(appendFrame(nil, kindDone, nil))
		})
		one, _ := w.start(t, 1, nil)
		synctest.Wait()
		one.Send([]raft.Message{heartbeat(1, 2, 1)})
		time.Sleep(999 * time.Millisecond)
		require.True(t, peerStatus(one, 2).Connected)
		time.Sleep(2 * time.Millisecond)
		require.False(t, peerStatus(one, 2).Connected, "RULE T4: nonsense in place of a pong ends the connection")
		require.ErrorIs(t, peerStatus(one, 2).Err, ErrProtocol)
	})
}

func TestIdleConnectionLivesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, func(o *Options) { delete(o.Peers, 3) })
		_, in := w.start(t, 2, nil)
		time.Sleep(time.Hour)
		require.Equal(t, uint64(1), one.Metrics().Connected, "RULE T6: an idle connection is not given up")
		one.Send([]raft.Message{heartbeat(1, 2, 1)})
		synctest.Wait()
		require.Len(t, in.all(), 1)
	})
}

func TestPeerThatRestartsIsFoundAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, func(o *Options) { o.MaxBackoff = time.Hour })
		two, _ := w.start(t, 2, nil)
		synctest.Wait()
		require.True(t, peerStatus(one, 2).Connected, "RULE T6: a peer that calls is called back")
		require.NoError(t, two.Close())
		synctest.Wait()
		require.False(t, peerStatus(one, 2).Connected)
		time.Sleep(10 * time.Minute)
		_, in := w.start(t, 2, nil)
		time.Sleep(time.Millisecond) // it calls; the hour is not waited for
		require.True(t, peerStatus(one, 2).Connected, "RULE T6: a peer that calls is called back")
		one.Send([]raft.Message{heartbeat(1, 2, 1)})
		synctest.Wait()
		require.Len(t, in.all(), 1)
	})
}

func TestDeadPeerIsTriedLessAndLessOftenAndNeverGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, func(o *Options) { delete(o.Peers, 3) })
		time.Sleep(time.Second)
		early := w.dialed(addressFor(2))
		require.GreaterOrEqual(t, early, 4, "RULE T6: a peer that may be back at once is tried at once")
		require.Less(t, early, 12, "RULE T6: a dead peer is tried less and less often")
		time.Sleep(100 * time.Second)
		late := w.dialed(addressFor(2)) - early
		require.GreaterOrEqual(t, late, 99, "RULE T6: a dead peer is not given up")
		require.LessOrEqual(t, late, 210, "RULE T6: a dead peer is tried less and less often")
		require.ErrorContains(t, peerStatus(one, 2).Err, "nobody listens")
		_, in := w.start(t, 2, func(o *Options) { o.Peers = map[raft.NodeID]string{1: "nowhere"} })
		time.Sleep(1100 * time.Millisecond)
		one.Send([]raft.Message{heartbeat(1, 2, 1)})
		synctest.Wait()
		require.Len(t, in.all(), 1)
	})
}

func TestPeerThatCallsAndHangsUpIsNotCalledBackInAFrenzy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		var dials atomic.Uint64
		h := helloOf(2, 1)
		w.pose(t, 2, func(s *stranger) {
			s.Close()
			if dials.Add(1) > 1000 {
				return // or it would never end
			}
			if c, err := w.dial(t.Context(), addressFor(1)); err == nil {
				caller := newStranger(t, c)
				caller.send(appendFrame(slices.Clone(magic), kindHello, h.encode()))
				caller.frames.readMagic()
				caller.frames.next() // welcome
				caller.Close()
			}
		})
		w.start(t, 1, nil)
		time.Sleep(10 * time.Second)
		require.Greater(t, dials.Load(), uint64(9), "RULE T6: a peer is not given up")
		require.Less(t, dials.Load(), uint64(100), "RULE T6: a peer is called in a frenzy")
	})
}

func TestWhatWaitsForADeadPeerIsNotKeptForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, nil)
		for i := range uint64(1000) {
			one.Send([]raft.Message{heartbeat(1, 2, i)})
			time.Sleep(100 * time.Millisecond)
		}
		_, in := w.start(t, 2, nil)
		time.Sleep(5 * time.Second)
		require.LessOrEqual(t, len(in.all()), 11, "RULE T1: at most what was sent since the last attempt")
		require.GreaterOrEqual(t, one.Metrics().Dropped, uint64(989))
	})
}

func TestPeersCanBeAddedMovedAndRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, inOne := w.start(t, 1, func(o *Options) { o.Peers = nil })
		two, in := w.start(t, 2, nil)
		time.Sleep(3 * time.Second)
		one.Send([]raft.Message{heartbeat(1, 2, 1)})
		synctest.Wait()
		require.Empty(t, in.all(), "RULE T3: not a peer")
		require.Equal(t, uint64(1), one.Metrics().Dropped, "RULE T3: what is for a stranger is dropped")

		require.NoError(t, one.SetPeer(2, "nowhere"))
		time.Sleep(3 * time.Second)
		require.False(t, peerStatus(one, 2).Connected)
		require.NoError(t, one.SetPeer(2, addressFor(2)))
		time.Sleep(time.Millisecond)
		require.True(t, peerStatus(one, 2).Connected, "RULE T6: a new address is tried at once")
		one.Send([]raft.Message{heartbeat(1, 2, 2)})
		synctest.Wait()
		require.Len(t, in.all(), 1)

		require.True(t, peerStatus(two, 1).Connected, "and may call in turn")
		require.NoError(t, one.SetPeer(2, "elsewhere:1"))
		synctest.Wait()
		require.False(t, peerStatus(one, 2).Connected, "RULE T6: the old address is left at once")
		require.NoError(t, two.Close())
		again, in9 := w.start(t, 2, func(o *Options) { o.Listener = w.listen("elsewhere:1") })
		time.Sleep(time.Second)
		one.Send([]raft.Message{heartbeat(1, 2, 3)})
		synctest.Wait()
		require.Len(t, in9.all(), 1)

		one.RemovePeer(2)
		one.RemovePeer(2)
		time.Sleep(time.Second)
		require.Empty(t, one.Peers())
		require.ErrorIs(t, peerStatus(again, 1).Err, ErrUnknownPeer, "RULE T3: the connection of a node that was removed is ended, and it is told why")
		one.Send([]raft.Message{heartbeat(1, 2, 4)})
		require.Equal(t, uint64(2), one.Metrics().Dropped)
		again.Send([]raft.Message{heartbeat(2, 1, 5)})
		time.Sleep(time.Second)
		require.Empty(t, inOne.all(), "RULE T3: a node that was removed is not heard")

		require.NoError(t, one.SetPeer(1, "itself:1"))
		require.Empty(t, one.Peers())
		require.ErrorIs(t, one.SetPeer(0, "x"), raft.ErrInvalid)
		require.ErrorIs(t, one.SetPeer(5, ""), raft.ErrInvalid)
	})
}

func TestPeerThatMovesWhileItIsDialedIsCalledAtItsNewPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, func(o *Options) {
			o.Peers = map[raft.NodeID]string{2: addressFor(2)}
			o.Dial = func(ctx context.Context, address string) (net.Conn, error) {
				time.Sleep(time.Second)
				return w.dial(ctx, address)
			}
		})
		quiet := map[raft.NodeID]string{1: "nowhere"}
		_, atNew := w.start(t, 2, func(o *Options) { o.Peers, o.Listener = quiet, w.listen("elsewhere:1") })
		_, atOld := w.start(t, 2, func(o *Options) { o.Peers = quiet })
		time.Sleep(time.Second / 2)
		require.NoError(t, one.SetPeer(2, "elsewhere:1"))
		time.Sleep(5 * time.Second)
		one.Send([]raft.Message{heartbeat(1, 2, 1)})
		synctest.Wait()
		require.Empty(t, atOld.all(), "RULE T6: a peer that has moved is called at its old place")
		require.Len(t, atNew.all(), 1, "RULE T6: a peer that has moved is called at its new place")
	})
}

func TestCloseIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, in := w.start(t, 1, nil)
		two, _ := w.start(t, 2, nil)
		synctest.Wait()
		require.NoError(t, one.Close())
		require.NoError(t, one.Close())
		two.Send([]raft.Message{heartbeat(2, 1, 1)})
		one.Send([]raft.Message{heartbeat(1, 2, 1)})
		synctest.Wait()
		require.Empty(t, in.all())
		require.ErrorIs(t, one.Start(in.deliver), ErrClosed)
		require.ErrorIs(t, one.SetPeer(4, "x"), ErrClosed)

		never := w.prepare(t, 3, nil)
		require.NoError(t, never.Close(), "one that never started")
		require.ErrorIs(t, two.Start(in.deliver), raft.ErrInvalid, "a second start")
	})
}

func TestCloseWaitsForWhatIsBeingDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one := w.prepare(t, 1, nil)
		var delivered atomic.Uint64
		require.NoError(t, one.Start(func(raft.Message) {
			time.Sleep(time.Second)
			delivered.Add(1)
		}))
		s := w.stranger(t, 1)
		require.Zero(t, s.hello(helloOf(2, 1)).code)
		m := heartbeat(2, 1, 1)
		frame := appendFrame(nil, kindMessage, raft.AppendMessage(nil, &m))
		require.NoError(t, s.send(append(frame, frame...)))
		synctest.Wait()
		require.NoError(t, one.Close())
		before := delivered.Load()
		time.Sleep(time.Minute)
		require.Positive(t, before, "RULE T8: Close returned while a message was being delivered")
		require.Equal(t, before, delivered.Load(), "RULE T8: a message was delivered after Close")
	})
}

func TestCloseDoesNotWaitForStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		one, _ := w.start(t, 1, nil)
		s := w.stranger(t, 1)
		synctest.Wait()
		began := time.Now()
		require.NoError(t, one.Close())
		require.Zero(t, time.Since(began), "RULE T8: Close ends what is under way, and does not wait for its end")
		s.requireEnded("RULE T8: a connection outlives its transport")
	})
}

func TestNodesThatLostTheSamePeerDoNotComeBackTogether(t *testing.T) {
	waits := map[time.Duration]bool{}
	for range 20 {
		b := backoff{max: time.Minute}
		var sum time.Duration
		for range 10 {
			next := b.next()
			require.Positive(t, next)
			sum += next
		}
		waits[sum] = true
	}
	require.Greater(t, len(waits), 1, "RULE T6: all nodes call at the same moments")
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for _, c := range []struct {
		text string
		o    Options
	}{
		{"Options.ID", Options{Address: "127.0.0.1:0"}},
		{"Options.Address", Options{ID: 1}},
		{"Options.ClusterID", Options{ID: 1, Address: "127.0.0.1:0", ClusterID: strings.Repeat("x", 256)}},
		{"Options.TLS", Options{ID: 1, Address: "127.0.0.1:0", VerifyPeer: verifyName}},
		{"MaxFrame", Options{ID: 1, Address: "127.0.0.1:0", MaxFrame: 100}},
		{"negative", Options{ID: 1, Address: "127.0.0.1:0", QueueBytes: -1}},
		{"MaxSnapshot", Options{ID: 1, Address: "127.0.0.1:0", MaxSnapshot: -1}},
		{"peer 2", Options{ID: 1, Address: "127.0.0.1:0", Peers: map[raft.NodeID]string{2: ""}}},
		{"peer 0", Options{ID: 1, Address: "127.0.0.1:0", Peers: map[raft.NodeID]string{0: "x"}}},
	} {
		_, err := Listen(c.o)
		require.ErrorIs(t, err, raft.ErrInvalid)
		require.ErrorContains(t, err, c.text)
	}
	_, err := Listen(Options{ID: 1, Address: "127.0.0.1:99999"})
	require.Error(t, err)
}

func TestQueueKeepsWhatJoinsAndDropsWhatComesLate(t *testing.T) {
	q := queue{wake: make(chan struct{}, 1)}
	m := heartbeat(1, 2, 0)
	m.Entries = []raft.Entry{{Data: make([]byte, 1000)}}
	n := 0
	for q.push(&m, 10_000) {
		n++
		m.Round++
	}
	require.Equal(t, 10_000/sizeOf(&m), n)
	batch := q.take(nil)
	require.Len(t, batch, n)
	require.Zero(t, batch[0].Round, "RULE T1: the beginning is kept")
	require.False(t, q.push(&m, 10_000), "RULE T1: what is taken counts until it is released")
	q.release(n, n*sizeOf(&m))
	m.Entries[0].Data = make([]byte, 100_000)
	require.True(t, q.push(&m, 10_000), "alone, a large one is taken")
	require.False(t, q.push(&m, 10_000))
	require.Equal(t, 1, q.reset())

	small := heartbeat(1, 2, 0)
	for i := range maxQueued {
		require.True(t, q.push(&small, 1<<40>>10), i)
	}
	require.False(t, q.push(&small, 1<<40>>10), "RULE T1: a queue is bounded in number")
}

func TestFramesComeBackAsTheyWereFromAnyCut(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var stream []byte
		var want [][]byte
		for range 1 + rng.IntN(10) {
			payload := make([]byte, rng.IntN(3000))
			if rng.IntN(10) == 0 {
				payload = make([]byte, 2*firstRead+rng.IntN(firstRead))
			}
			for i := range payload {
				payload[i] = byte(i * int(seed))
			}
			want = append(want, payload)
			stream = appendFrame(stream, kind(len(want)), payload)
		}
		f := readerOf(&trickle{stream, rng}, 4*firstRead)
		for i, payload := range want {
			k, got, err := f.next()
			require.NoError(t, err)
			require.Equal(t, kind(i+1), k)
			require.True(t, bytes.Equal(payload, got), "seed %d frame %d", seed, i)
			if rng.IntN(2) == 0 {
				f.keep()
			}
		}
		_, _, err := f.next()
		require.EqualError(t, err, "EOF")
	}
}

func TestHeaderAloneDoesNotMakeTheReaderAllocate(t *testing.T) {
	stream := appendFrame(nil, kindMessage, nil)
	binary.LittleEndian.PutUint32(stream, 1<<30)
	f := readerOf(bytes.NewReader(stream), 1<<31-1)
	_, _, err := f.next()
	require.ErrorContains(t, err, "inside a frame")
	require.LessOrEqual(t, cap(f.buf), 2*firstRead, "RULE T4: a header alone costs no memory")
}

// FuzzFrames: arbitrary bytes never panic; what is read of them is in them.
func FuzzFrames(f *testing.F) {
	f.Add(appendFrame(appendFrame(nil, kindMessage, []byte("one")), kindPing, nil))
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(bytes.Repeat([]byte{0xff}, 20))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := readerOf(bytes.NewReader(b), 1<<20)
		for {
			_, payload, err := r.next()
			if err != nil {
				break
			}
			if !bytes.Contains(b, payload) {
				t.Fatal("read what was not sent")
			}
		}
		readerOf(bytes.NewReader(b), 1<<20).readMagic()
	})
}

func TestLogIsNotFloodedByStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines bytes.Buffer
		var h throttle
		for i := range 1000 {
			h.warn(textLogger(&lines), "refused", "n", i)
			time.Sleep(10 * time.Millisecond)
		}
		require.Equal(t, 10, strings.Count(lines.String(), "refused"), "RULE T4: strangers do not fill the log")
		require.Contains(t, lines.String(), fmt.Sprintf("unlogged=%d", 99))
	})
}
