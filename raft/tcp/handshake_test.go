package tcp

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
)

func TestPeersThatDoNotBelongTogetherAreRefusedByName(t *testing.T) {
	for _, c := range []struct {
		name     string
		one, two func(*Options)
		want     error
		text     string
		promise  string
	}{
		{"another cluster", func(o *Options) { o.ClusterID = "other" }, nil, ErrWrongCluster,
			`n2: "n1 is of cluster \"other\", n2 of \"test\": Options.ClusterID must be the same on all nodes"`,
			"RULE T3: a node of another cluster is refused"},
		{"another node at the address", func(o *Options) { o.Peers[2] = addressFor(3) }, nil, ErrWrongNode,
			"n1 looks for n2 here, where n3 is: correct the address that n1 has for n2",
			"RULE T3: who looks for another node is refused"},
		{"the own address", func(o *Options) { o.Peers[2] = addressFor(1) }, nil, ErrWrongNode,
			"n1 looks for n2 here, where n1 is",
			"RULE T3: who looks for another node is refused"},
		{"not a peer there", nil, func(o *Options) { delete(o.Peers, 1) }, ErrUnknownPeer,
			"n2 does not know n1: if it belongs to the cluster, tell n2 where it is, with SetPeer",
			"RULE T3: who is not a peer is refused"},
		{"no common version", func(o *Options) { o.codec = pretend(5, 7, nil) }, nil, ErrVersion,
			"n1 speaks message encodings 5 to 7, n2 speaks 1 to 1: upgrade by way of a build that speaks one of each",
			"RULE T9: builds without a common version do not talk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				one, _ := w.start(t, 1, c.one)
				two, in := w.start(t, 2, c.two)
				three, in3 := w.start(t, 3, func(o *Options) { o.Peers = map[raft.NodeID]string{1: addressFor(1)} })
				one.Send([]raft.Message{heartbeat(1, 2, 1)})
				time.Sleep(10 * time.Second) // of the bubble
				s := peerStatus(one, 2)
				require.False(t, s.Connected, c.promise)
				require.ErrorIs(t, s.Err, c.want, c.promise)
				require.ErrorContains(t, s.Err, c.text, c.promise)
				require.Empty(t, in.all(), c.promise)
				require.Empty(t, in3.all(), c.promise)
				refused := one.Metrics().Refused + two.Metrics().Refused + three.Metrics().Refused
				require.Greater(t, refused, uint64(5), "RULE T6: it goes on trying")
				require.Less(t, refused, uint64(150), "RULE T6: but not in a frenzy")
			})
		})
	}
}

func TestHelloOfTheOwnIDIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		tr, _ := w.start(t, 1, nil)
		s := w.stranger(t, 1)
		a := s.hello(helloOf(1, 1))
		require.ErrorIs(t, refusal(1, a.code, a.reason), ErrDuplicateID, "RULE T5: who comes under this node's own ID is told so")
		s.requireEnded("RULE T5: who comes under this node's own ID is refused")
		require.Equal(t, uint64(1), tr.Metrics().Refused)
	})
}

func TestOfTwoProcessesWithOneIDTheFormerIsLockedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		var atOne, atFirst bytes.Buffer
		one, in := w.start(t, 1, func(o *Options) { o.Logger = textLogger(&atOne) })
		first, _ := w.start(t, 2, func(o *Options) { o.Logger = textLogger(&atFirst) })
		synctest.Wait()
		require.True(t, peerStatus(first, 1).Connected)
		second, _ := w.start(t, 2, nil)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.Equal(t, uint64(1), first.Metrics().Connected, "RULE T5: the former does not come back")
		require.True(t, peerStatus(second, 1).Connected, "RULE T5: the latter stays")
		require.Equal(t, uint64(1), second.Metrics().Connected, "RULE T5: the latter is not disturbed")
		require.ErrorIs(t, peerStatus(first, 1).Err, ErrDuplicateID, "RULE T5: the former knows why")
		for _, log := range []string{atOne.String(), atFirst.String()} {
			require.Contains(t, log, "node ID in use by another process", "RULE T5: both logs say so")
			require.Contains(t, log, "n2 runs twice", "RULE T5: both logs say who")
		}
		require.Contains(t, atFirst.String(), "level=ERROR", "RULE T5: it is no passing trouble")
		second.Send([]raft.Message{heartbeat(2, 1, 1)})
		first.Send([]raft.Message{heartbeat(2, 1, 2)})
		synctest.Wait()
		require.Len(t, in.all(), 1, "RULE T5: one of the two is heard")
		require.Equal(t, uint64(1), in.all()[0].Round, "RULE T5: the latter")
		require.Positive(t, one.Metrics().Refused)
	})
}

func TestNewcomerCutsAllConnectionsOfTheFormerProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		two, in := w.start(t, 2, nil)
		data := randomBytes(1000)
		former := w.stranger(t, 2)
		begin(former, data, 1)
		former.acked(0)
		newcomer := w.stranger(t, 2)
		h := helloOf(1, 2)
		h.instance++
		require.Zero(t, newcomer.hello(h).code)
		began := time.Now()
		former.requireEnded("RULE T5: the former's snapshot is cut as well")
		require.Zero(t, time.Since(began), "RULE T5: the former's snapshot is cut at once")
		synctest.Wait()
		require.Empty(t, in.all())
		require.Equal(t, uint64(2), two.Metrics().Accepted)
		newcomer.Close()
	})
}

func TestPeerThatReconnectsReplacesItsOldConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		_, in := w.start(t, 1, nil)
		old := w.stranger(t, 1)
		require.Zero(t, old.hello(helloOf(2, 1)).code)
		young := w.stranger(t, 1)
		require.Zero(t, young.hello(helloOf(2, 1)).code, "RULE T6: a peer whose old connection looks alive is not kept out")
		old.requireEnded("RULE T4: a peer has one connection of a kind")
		m := heartbeat(2, 1, 5)
		require.NoError(t, young.send(appendFrame(nil, kindMessage, raft.AppendMessage(nil, &m))))
		synctest.Wait()
		require.Len(t, in.all(), 1)
		young.Close()
	})
}

func TestGarbageIsRefusedWithoutAnAnswer(t *testing.T) {
	for _, c := range []struct {
		name string
		b    string
	}{
		{"http", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"tls", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"},
		{"zeros", strings.Repeat("\x00", 100)},
		{"magic and zeros", string(magic) + strings.Repeat("\x00", 100)},
		{"magic and a long frame", string(magic) + "\xff\xff\xff\xff\x01\x00\x00\x00\x00"},
		{"magic and another frame", string(appendFrame(append([]byte(nil), magic...), kindMessage, []byte("x")))},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				tr, _ := w.start(t, 1, nil)
				s := w.stranger(t, 1)
				require.NoError(t, s.SetReadDeadline(time.Now().Add(time.Minute)))
				go s.send([]byte(c.b))
				n, err := io.Copy(io.Discard, s)
				require.NoError(t, err, "RULE T4: a stranger's connection is closed")
				require.Zero(t, n, "RULE T4: a stranger that does not speak the protocol is not answered")
				synctest.Wait()
				require.Equal(t, uint64(1), tr.Metrics().Refused)
				require.Zero(t, tr.Metrics().Accepted)
			})
		})
	}
}

func TestOtherVersionOfTheProtocolIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.start(t, 1, nil)
		s := w.stranger(t, 1)
		go s.send([]byte("raft/tcp\x00\x02"))
		require.NoError(t, s.frames.readMagic(), "RULE T9: a newer build is answered")
		_, payload, err := s.frames.next()
		require.NoError(t, err)
		a, err := decodeAnswer(payload)
		require.NoError(t, err)
		require.ErrorIs(t, refusal(1, a.code, a.reason), ErrVersion, "RULE T9: a newer build is told why it is refused")
		require.Contains(t, a.reason, "the other side speaks version 2 of the protocol, this build 1")
	})
}

func TestSlowHandshakeIsEndedInTime(t *testing.T) {
	for _, drip := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire()
			tr, _ := w.start(t, 1, nil)
			s := w.stranger(t, 1)
			began := time.Now()
			if drip { // a byte a second never ends
				h := helloOf(2, 1)
				b := appendFrame(append([]byte(nil), magic...), kindHello, h.encode())
				for i := 0; i < len(b) && s.send(b[i:i+1]) == nil; i++ {
					time.Sleep(time.Second)
				}
			} else {
				s.requireEnded("RULE T4: a silent stranger is sent away")
			}
			synctest.Wait()
			require.LessOrEqual(t, time.Since(began), 6*time.Second, "RULE T4: a handshake is bounded as a whole")
			require.Equal(t, uint64(1), tr.Metrics().Refused)
			require.Empty(t, tr.pending)
		})
	}
}

func TestCrowdOfSilentStrangersDoesNotKeepPeersOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		tr, in := w.start(t, 1, nil)
		var crowd []*stranger
		for range 3 * maxPending {
			crowd = append(crowd, w.stranger(t, 1))
			synctest.Wait()
			require.LessOrEqual(t, len(tr.pending), maxPending, "RULE T4: strangers are bounded in number")
			require.LessOrEqual(t, w.open.Load(), int64(len(crowd)+maxPending), "RULE T4: and the rest are sent away")
		}
		two, _ := w.start(t, 2, nil)
		synctest.Wait()
		two.Send([]raft.Message{heartbeat(2, 1, 1)})
		synctest.Wait()
		require.Len(t, in.all(), 1, "RULE T4: a peer finds its way through the crowd")
		for _, s := range crowd {
			s.Close()
		}
	})
}

func TestHandshakeComesBackAsItWas(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		h := hello{
			stream: stream(rng.IntN(int(numStreams))), oldest: byte(rng.Uint32()), newest: byte(rng.Uint32()), instance: rng.Uint64(),
			from: raft.NodeID(rng.Uint64()), to: raft.NodeID(rng.Uint64()), cluster: strings.Repeat("c", rng.IntN(maxClusterID+1)),
		}
		got, err := decodeHello(append(h.encode(), "of a newer build"...))
		require.NoError(t, err)
		require.Equal(t, h, got)
		a := answer{byte(rng.Uint32()), byte(rng.Uint32()), strings.Repeat("r", rng.IntN(maxReason))}
		back, err := decodeAnswer(append(a.encode(), "of a newer build"...))
		require.NoError(t, err)
		require.Equal(t, a, back)
	}
}

func TestEveryRefusalTravels(t *testing.T) {
	for code, err := range refusals {
		if err != nil {
			require.Equal(t, byte(code), refusalCode(err))
			require.ErrorIs(t, refusal(1, byte(code), "because"), err)
			require.ErrorContains(t, refusal(1, byte(code), "because"), "because")
		}
	}
	require.ErrorIs(t, refusal(1, 200, "of a newer build"), ErrProtocol)
}

func FuzzHandshake(f *testing.F) {
	h, a := helloOf(1, 2), answer{1, 1, "no"}
	f.Add(h.encode())
	f.Add(a.encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := decodeHello(b); err != nil && !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrVersion) {
			t.Fatal(err)
		}
		if _, err := decodeAnswer(b); err != nil && !errors.Is(err, ErrProtocol) {
			t.Fatal(err)
		}
	})
}

// A listener that was paused finds, all at once, the connections of a peer that
// was restarted meanwhile: those of the dead process first, which may be served
// last.
func TestConnectionOfAFormerProcessThatIsServedLateDisplacesNobody(t *testing.T) {
	var in incoming
	const former, present = 1, 2
	enter := func(arrival, instance uint64) error {
		near, far := net.Pipe()
		defer far.Close()
		l := newLink(t.Context(), near, &Options{Timeout: time.Second})
		defer l.Close()
		l.arrival = arrival
		leave, err := in.enter(&hello{from: 2, instance: instance}, l)
		if err == nil {
			leave()
		}
		return err
	}
	require.NoError(t, enter(11, present))
	require.Error(t, enter(10, former), "RULE T5: a connection that came before that of the process in office displaces it")
	require.NoError(t, enter(12, present), "RULE T5: the process in office is shut out for good by its predecessor's last connection")
	require.NoError(t, enter(13, former), "it is alive then")
	require.ErrorIs(t, enter(14, present), ErrDuplicateID)
}
