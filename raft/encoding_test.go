package raft

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// someNumber draws small, middle and extreme numbers alike.
func someNumber(rng *rand.Rand) uint64 {
	switch rng.IntN(4) {
	case 0:
		return 0
	case 1:
		return rng.Uint64N(200)
	case 2:
		return math.MaxUint64 - rng.Uint64N(2)
	}
	return rng.Uint64() >> rng.IntN(64)
}

func someBytes(rng *rand.Rand) []byte {
	if rng.IntN(4) == 0 {
		return nil
	}
	b := make([]byte, 1+rng.IntN(200))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

func someEntries(rng *rand.Rand) []Entry {
	var entries []Entry
	index, term := someNumber(rng), someNumber(rng)
	for range rng.IntN(6) {
		if index++; rng.IntN(4) == 0 {
			index, term = someNumber(rng), someNumber(rng)
		}
		entries = append(entries, Entry{Index: index, Term: term, Type: EntryType(rng.IntN(256)), Data: someBytes(rng)})
	}
	return entries
}

// someMessage draws every field of any message, also those its type does not
// need.
func someMessage(rng *rand.Rand) Message {
	m := Message{
		Type: MessageType(rng.IntN(256)), From: NodeID(someNumber(rng)), To: NodeID(someNumber(rng)), Term: someNumber(rng),
		Reject: rng.IntN(2) == 0, Force: rng.IntN(2) == 0, Entries: someEntries(rng),
	}
	for _, v := range m.numbers() {
		*v = someNumber(rng)
	}
	if rng.IntN(3) == 0 {
		m.Snapshot = &Snapshot{Index: someNumber(rng), Term: someNumber(rng), Data: someBytes(rng)}
		for i := range rng.IntN(4) {
			m.Snapshot.Membership.Voters = append(m.Snapshot.Membership.Voters, NodeID(i+1))
			m.Snapshot.Membership.Learners = append(m.Snapshot.Membership.Learners, NodeID(i+100))
			m.Snapshot.Membership.Outgoing = append(m.Snapshot.Membership.Outgoing, NodeID(math.MaxUint64-uint64(i)))
		}
	}
	return m
}

func TestEveryMessageComesBackAsItWas(t *testing.T) {
	for typ := RequestPreVote; typ < numMessageTypes; typ++ {
		for seed := range uint64(500) {
			m := someMessage(rand.New(rand.NewPCG(seed, uint64(typ))))
			m.Type = typ
			got, err := DecodeMessage(AppendMessage(nil, &m))
			require.NoError(t, err, "%s, seed %d", typ, seed)
			require.Equal(t, m, got, "%s, seed %d", typ, seed)
		}
	}
}

func TestEntriesComeBackAsTheyWereWithWhatFollows(t *testing.T) {
	for seed := range uint64(1000) {
		entries := someEntries(rand.New(rand.NewPCG(seed, 1)))
		b := append(EncodeEntries(nil, entries), "rest"...)
		got, rest, err := DecodeEntries(b)
		require.NoError(t, err)
		require.Equal(t, entries, got)
		require.Equal(t, "rest", string(rest))
	}
}

func TestEncodingHasTheDocumentedBytes(t *testing.T) {
	for _, c := range []struct {
		name string
		m    Message
		want []byte
	}{
		{"vote", Message{Type: RequestVoteReply, From: 1, To: 2, Term: 3, Reject: true},
			[]byte{1, byte(RequestVoteReply), 1, 2, 3, 0x80, 2}},
		{"heartbeat", Message{Type: AppendEntries, From: 1, To: 2, Term: 3, Index: 4, LogTerm: 5, Commit: 6, Round: 7},
			[]byte{1, byte(AppendEntries), 1, 2, 3, 0x0f, 4, 5, 6, 7}},
		{"entries", Message{Type: AppendEntries, From: 1, To: 2, Term: 3, Entries: []Entry{
			{Index: 9, Term: 3, Type: EntryNoop}, {Index: 10, Term: 3, Data: []byte("ab")}}},
			[]byte{1, byte(AppendEntries), 1, 2, 3, 0x80, 8, 2, byte(EntryNoop)<<1 | 1, 9, 3, 0, 0, 2, 'a', 'b'}},
		{"snapshot", Message{Type: InstallSnapshot, From: 1, To: 2, Term: 3, Snapshot: &Snapshot{Index: 4, Term: 2,
			Membership: Membership{Voters: []NodeID{1, 2}}, Data: []byte("s")}},
			[]byte{1, byte(InstallSnapshot), 1, 2, 3, 0x80, 16, 4, 2, 6, membershipVersion, 2, 1, 2, 0, 0, 1, 's'}},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, AppendMessage(nil, &c.m))
		})
	}
}

func TestMessageOfANewerVersionIsRefusedByName(t *testing.T) {
	b := AppendMessage(nil, &Message{Type: RequestVote, From: 1, To: 2, Term: 1})
	b[0] = MessageVersion + 1
	_, err := DecodeMessage(b)
	require.ErrorIs(t, err, ErrVersion)
	require.ErrorContains(t, err, fmt.Sprintf("message of version %d, this build reads up to %d", MessageVersion+1, MessageVersion))
}

func TestFieldOfANewerBuildIsSkipped(t *testing.T) {
	m := Message{Type: AppendEntries, From: 1, To: 2, Term: 3, Index: 4, Entries: []Entry{{Index: 5, Term: 3, Data: []byte("x")}}}
	b := AppendMessage(nil, &m)
	at := 5 // the bits follow five bytes, and are two themselves
	bits, n := binary.Uvarint(b[at:])
	newer := append([]byte{}, b[:at]...)
	newer = binary.AppendUvarint(newer, bits|(knownFields+1))
	newer = append(append(newer, b[at+n:]...), "a field from the future"...)
	got, err := DecodeMessage(newer)
	require.NoError(t, err)
	require.Equal(t, m, got)
}

func TestMessageCutShortIsCorruptAndNeverPanics(t *testing.T) {
	for seed := range uint64(200) {
		m := someMessage(rand.New(rand.NewPCG(seed, 2)))
		b := AppendMessage(nil, &m)
		for n := range len(b) {
			_, err := DecodeMessage(b[:n])
			require.ErrorIs(t, err, ErrCorrupt, "%d of %d bytes, seed %d", n, len(b), seed)
		}
		_, err := DecodeMessage(append(b, 0))
		require.ErrorIs(t, err, ErrCorrupt, "a byte behind the message")
	}
}

func TestLyingCountOfEntriesCostsNoMemory(t *testing.T) {
	b := binary.AppendUvarint(nil, 1<<40)
	allocs := testing.AllocsPerRun(10, func() {
		if _, _, err := DecodeEntries(b); err == nil {
			t.Fatal("decoded")
		}
	})
	require.Less(t, allocs, 20.0)
}

func TestDecodedDataCannotGrowIntoItsNeighbour(t *testing.T) {
	m := Message{Type: AppendEntries, Entries: []Entry{{Index: 1, Data: []byte("a")}, {Index: 2, Data: []byte("b")}}}
	got, err := DecodeMessage(AppendMessage(nil, &m))
	require.NoError(t, err)
	_ = append(got.Entries[0].Data, "zzzz"...)
	require.Equal(t, "b", string(got.Entries[1].Data))
}

// FuzzDecodeMessage: arbitrary bytes never panic, fail with a typed error, and
// what decodes comes back the same when it is encoded again.
func FuzzDecodeMessage(f *testing.F) {
	for seed := range uint64(20) {
		m := someMessage(rand.New(rand.NewPCG(seed, 3)))
		f.Add(AppendMessage(nil, &m))
	}
	f.Add([]byte{})
	f.Add([]byte{2})
	f.Add(bytes.Repeat([]byte{0xff}, 60))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			require.True(t, errors.Is(err, ErrCorrupt) || errors.Is(err, ErrVersion), "untyped error: %v", err)
			return
		}
		again, err := DecodeMessage(AppendMessage(nil, &m))
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}

func BenchmarkEncoding(b *testing.B) {
	for _, entries := range []int{0, 1, 64} {
		for _, size := range []int{64, 1024} {
			m := Message{Type: AppendEntries, From: 1, To: 2, Term: 12, Index: 100_000, LogTerm: 12, Commit: 99_990, Round: 40_000}
			for i := range entries {
				m.Entries = append(m.Entries, Entry{Index: 100_001 + uint64(i), Term: 12, Data: make([]byte, size)})
			}
			encoded := AppendMessage(nil, &m)
			b.Run(fmt.Sprintf("encode/entries=%d/size=%d", entries, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(encoded)))
				buf := make([]byte, 0, len(encoded))
				for b.Loop() {
					buf = AppendMessage(buf[:0], &m)
				}
			})
			b.Run(fmt.Sprintf("decode/entries=%d/size=%d", entries, size), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(encoded)))
				for b.Loop() {
					if _, err := DecodeMessage(encoded); err != nil {
						b.Fatal(err)
					}
				}
			})
			if entries == 0 {
				break
			}
		}
	}
}
