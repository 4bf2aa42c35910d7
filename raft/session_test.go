package raft

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// oracle executes at most once in the naive way: it remembers every command of
// every session, for ever, and beside it the order in which sessions were used.
type oracle struct {
	max     int
	total   uint64                       // the state: a running sum
	results map[uint64]map[uint64]string // by session and number
	last    map[uint64]uint64            // by session: the latest number
	recent  []uint64                     // sessions that live, least recently used first
}

// touch makes a session the most recently used one.
func (o *oracle) touch(id uint64) {
	for i, other := range o.recent {
		if other == id {
			o.recent = append(o.recent[:i:i], o.recent[i+1:]...)
			break
		}
	}
	o.recent = append(o.recent, id)
	if len(o.recent) > o.max {
		o.recent = o.recent[1:]
	}
}

func (o *oracle) alive(id uint64) bool {
	for _, other := range o.recent {
		if other == id {
			return true
		}
	}
	return false
}

// apply returns what a command of a session is answered.
func (o *oracle) apply(index, id, seq, amount uint64) (string, error) {
	if id == 0 {
		o.results[index] = map[uint64]string{}
		o.touch(index)
		return string(binary.AppendUvarint(nil, index)), nil
	}
	if !o.alive(id) {
		return "", ErrSessionExpired
	}
	o.touch(id)
	if _, done := o.results[id][seq]; !done {
		o.total += amount
		o.results[id][seq] = fmt.Sprint(o.total)
		o.last[id] = seq
	}
	return o.results[id][seq], nil
}

// replica is a state machine with its sessions, as the applier holds them.
type replica struct {
	sessions sessions
	total    uint64
	applied  int
}

func (r *replica) apply(e *Entry) (string, error) {
	result, err := r.sessions.apply(e.Index, e.Data, func(command []byte) []byte {
		amount, _ := binary.Uvarint(command)
		r.total += amount
		return fmt.Append(nil, r.total)
	})
	r.applied = int(e.Index)
	return string(result), err
}

// restart starts over from a snapshot, which holds sessions and state.
func (r *replica) restart(t *testing.T, snapshot *replica) {
	b := bytes.NewBuffer(snapshot.sessions.encode())
	b.WriteString("state")
	max := r.sessions.max
	*r = replica{sessions: sessions{max: max}, total: snapshot.total, applied: snapshot.applied}
	require.NoError(t, r.sessions.decode(b))
	require.Equal(t, "state", b.String(), "the table takes its own bytes and no more")
}

// A log as clients make it that repeat what they are in doubt of: entries come
// twice, and late; sessions are opened, used and forgotten. Several replicas
// apply it, each falling back to a snapshot now and then. All must answer as
// the oracle does, and as each other.
func TestSessionsExecuteEachCommandOnceWhateverIsRepeated(t *testing.T) {
	repeats, expired := 0, 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		o := &oracle{max: 1 + rng.IntN(5), results: map[uint64]map[uint64]string{}, last: map[uint64]uint64{}}
		var log []Entry
		var want []string
		var errs []error
		var opened []uint64
		for index := uint64(1); index <= 200; index++ {
			var id, seq uint64
			amount := uint64(1 + rng.IntN(100))
			if k := len(opened); k > 0 && rng.IntN(12) > 0 {
				id = opened[max(0, k-1-rng.IntN(7))]
				seq = o.last[id] + uint64(rng.IntN(2)) // the last one again, or the next
				if seq == 0 {
					seq = 1
				}
				if seq == o.last[id] {
					repeats++
				}
			}
			data := binary.AppendUvarint(nil, id)
			if id != 0 {
				data = binary.AppendUvarint(binary.AppendUvarint(data, seq), amount)
			} else {
				opened = append(opened, index)
			}
			result, err := o.apply(index, id, seq, amount)
			if err != nil {
				expired++
			}
			log = append(log, Entry{Index: index, Term: 1, Type: EntrySession, Data: data})
			want, errs = append(want, result), append(errs, err)
		}
		r := replica{sessions: sessions{max: o.max}}
		kept := replica{sessions: sessions{max: o.max}} // where the last snapshot was taken
		for r.applied < len(log) {
			e := &log[r.applied]
			result, err := r.apply(e)
			require.ErrorIs(t, err, errs[e.Index-1], "seed %d, entry %d", seed, e.Index)
			require.Equal(t, want[e.Index-1], result, "seed %d, entry %d", seed, e.Index)
			switch rng.IntN(20) {
			case 0:
				kept.restart(t, &r)
			case 1:
				r.restart(t, &kept)
			}
		}
		require.Equal(t, o.total, r.total, "seed %d", seed)
		require.Len(t, r.sessions.byID, len(o.recent))
		for _, id := range o.recent {
			require.Contains(t, r.sessions.byID, id)
		}
	}
	require.Greater(t, repeats, 10_000)
	require.Greater(t, expired, 1000)
}

// A session's number may be skipped: its command never reached the log.
func TestASessionGoesOnBehindACommandThatWasLost(t *testing.T) {
	s := sessions{max: 1}
	runs := 0
	apply := func(index uint64, numbers ...uint64) ([]byte, error) {
		var data []byte
		for _, n := range numbers {
			data = binary.AppendUvarint(data, n)
		}
		return s.apply(index, data, func([]byte) []byte { runs++; return fmt.Append(nil, runs) })
	}
	_, err := apply(5, 0)
	require.NoError(t, err)
	result, err := apply(6, 5, 3)
	require.NoError(t, err)
	require.Equal(t, "1", string(result))
	result, err = apply(7, 5, 3)
	require.NoError(t, err)
	require.Equal(t, "1", string(result))
	_, err = apply(8, 6, 1)
	require.ErrorIs(t, err, ErrSessionExpired, "entry 6 opened none")
	for _, bad := range [][]uint64{{}, {5}} {
		_, err = apply(9, bad...)
		require.ErrorIs(t, err, ErrCorrupt)
	}
	require.Equal(t, 1, runs)
}

func TestASessionGoesOnBehindACommandThatIsTooLarge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newParty(t, 1, func(o *Options) { o.MaxEntryBytes = 100 })
		n := p.nodes[p.leader()]
		s, err := n.Session(t.Context())
		require.NoError(t, err)
		_, err = s.Propose(t.Context(), n, put("k", strings.Repeat("v", 200)))
		require.ErrorIs(t, err, ErrTooLarge)
		require.ErrorContains(t, err, "Config.MaxEntryBytes is 100")
		_, err = s.Propose(t.Context(), n, put("k", "v"))
		require.NoError(t, err, "RULE session-goes-on: the next command is refused")
	})
}

func FuzzSessionTable(f *testing.F) {
	s := sessions{max: 10}
	f.Add(s.encode(), 3)
	for id := range uint64(3) {
		s.add(id+7, &session{seq: id, used: id + 20, result: bytes.Repeat([]byte("r"), int(id))})
	}
	f.Add(s.encode(), 5)
	f.Add([]byte{sessionsVersion, 1, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, 9)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		var s sessions
		if err := s.decode(bytes.NewReader(b)); err != nil {
			require.ErrorIs(t, err, ErrCorrupt)
			return
		}
		encoded := s.encode()
		var again sessions
		require.NoError(t, again.decode(bytes.NewReader(encoded)))
		require.Equal(t, s.byID, again.byID)
		require.Equal(t, encoded, again.encode(), "one table, one encoding")
		if cut >= 0 && cut < len(encoded) {
			err := again.decode(bytes.NewReader(encoded[:cut]))
			require.True(t, errors.Is(err, ErrCorrupt), "%d of %d bytes: %v", cut, len(encoded), err)
		}
	})
}
