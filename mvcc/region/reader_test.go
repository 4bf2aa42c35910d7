package region

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReadersSeeWhatWasCommittedByTheirTime(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a=one")
	s.put(5, 8, "a=two")
	s.put(9, 10, "a-")
	for ts, want := range map[TS]string{1: "-", 2: "one", 5: "one", 7: "one", 8: "two", 9: "two", 10: "-", 99: "-"} {
		require.Equal(t, want, s.get(ts, "a"), "RULE V1: at %v", ts)
	}
	require.Equal(t, "-", s.get(99, "b"))
	s.put(11, 12, "e=")
	a, err := s.do(&GetRequest{ReadOptions{ReadTS: 99}, srvKeys("e")})
	require.NoError(t, err)
	require.NotNil(t, a.(*GetResponse).Values[0], "RULE V1: an empty value is not none")
}

func TestReadersPassAnyNumberOfRollbacksAndLocks(t *testing.T) {
	for name, e := range srvEngines() {
		s := newSrvOn(t, e)
		s.put(1, 2, "a=one", "b=two")
		for ts := TS(10); ts < 60; ts += 2 {
			require.NoError(t, s.rollback(ts, "a"))
			s.put(ts, ts+1, "b!")
		}
		require.Equal(t, "one", s.get(99, "a"), "RULE V1: %s", name)
		require.Equal(t, "two", s.get(99, "b"), "RULE V1: %s", name)
		require.Equal(t, "a=one b=two", s.scan(99, false), "RULE V1: %s", name)
		require.Equal(t, "b=two a=one", s.scan(99, true), "RULE V1: %s", name)
	}
}

// Versions may be more than a scan steps over, above the reader and below what it sees.
func TestScansPassAnyNumberOfVersions(t *testing.T) {
	for name, e := range srvEngines() {
		s := newSrvOn(t, e)
		for ts := TS(10); ts < 400; ts += 2 {
			for _, key := range []string{"a", "b", "c"} {
				s.put(ts, ts+1, fmt.Sprint(key, "=", ts+1))
			}
		}
		for _, ts := range []TS{11, 12, 13, 27, 201, 391, 392, 393, 397, 399, 999} {
			seen := min(ts-(ts+1)%2, 399)
			require.Equal(t, fmt.Sprintf("a=%d b=%[1]d c=%[1]d", seen), s.scan(ts, false), "RULE V1: %s, at %d", name, ts)
		}
		require.Empty(t, s.scan(10, false), "RULE V1: %s", name)
	}
}

func TestLocksStopReadersThatTheyMayCommitBefore(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a=1", "b=1", "c=1")
	require.NoError(t, s.prewrite(5, "b=2"))
	for ts, want := range map[TS]string{4: "1", 5: "1", 6: "locked by 5", 99: "locked by 5"} {
		require.Equal(t, want, s.get(ts, "b"), "RULE V1: at %v", ts)
	}
	require.Equal(t, "1", s.get(99, "a"))
	for _, reverse := range []bool{false, true} {
		require.Equal(t, "locked by 5", s.scan(99, reverse), "RULE V1: it is not so")
		require.NotContains(t, s.scan(4, reverse), "locked", "RULE V1: it is not so")
	}
	require.NoError(t, s.prewrite(6, "d=new"))
	require.NoError(t, s.rollback(5, "b"))
	require.Equal(t, "locked by 6", s.get(99, "d"), "RULE V1: a key without a version may get one")
	for _, reverse := range []bool{false, true} {
		require.Equal(t, "locked by 6", s.scan(99, reverse), "RULE V1: a key without a version may get one")
	}
	a, err := s.do(&ScanRequest{ReadOptions: ReadOptions{ReadTS: 99}, Limit: 2})
	require.Equal(t, "a=1 b=1 more", srvShow(a, err), "a lock behind the limit is in nobody's way")
	a, err = s.do(&GetRequest{ReadOptions{ReadTS: 99, Past: []TS{6}}, srvKeys("d")})
	require.Equal(t, "-", srvShow(a, err), "a lock that is known to be pushed is passed")
	a, err = s.do(&GetRequest{ReadOptions{ReadTS: 99, StartTS: 6}, srvKeys("d")})
	require.Equal(t, "-", srvShow(a, err), "nor is one's own in one's way")
}

func TestLocksThatChangeNothingStopNobody(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a=1", "b=1")
	require.NoError(t, s.prewrite(5, "a!"))
	require.NoError(t, s.lock(6, 6, "b"))
	require.Equal(t, "1", s.get(99, "a"), "RULE V1: it is not so")
	require.Equal(t, "1", s.get(99, "b"), "RULE V8: pessimistic locks hold no reader up (tikv#7291)")
	require.Equal(t, "a=1 b=1", s.scan(99, false), "RULE V8: it is not so")
}

func TestScansTellOfManyLocksAtOnce(t *testing.T) {
	s := newSrv(t)
	var muts []string
	for i := range 100 {
		muts = append(muts, fmt.Sprintf("k%03d=1", i))
	}
	require.NoError(t, s.prewrite(5, muts...))
	_, err := s.do(&ScanRequest{ReadOptions: ReadOptions{ReadTS: 99}})
	var e *LockedError
	require.ErrorAs(t, err, &e)
	require.Len(t, e.Locks, maxLocksTold)
	require.Equal(t, "k000", string(e.Locks[0].Key))
	require.Equal(t, "k000", string(e.Locks[9].Primary))
}

func TestValuesThatMayBeOlderAreNotPassedOver(t *testing.T) {
	for _, e := range srvEngines() {
		s := newSrvOn(t, e)
		s.put(1, 2, "a=old")
		s.put(10, 12, "a=new")
		read := func(ts, until TS) string {
			o := ReadOptions{ReadTS: ts, UncertainUntil: until}
			get := srvShow(s.do(&GetRequest{o, srvKeys("a")}))
			for _, reverse := range []bool{false, true} {
				scan := srvShow(s.do(&ScanRequest{ReadOptions: o, Reverse: reverse}))
				require.Equal(t, get, strings.TrimPrefix(scan, "a="), "RULE V12: it is not so")
			}
			return get
		}
		require.Equal(t, "old", read(9, 11), "RULE V12: beyond doubt")
		require.Equal(t, "uncertain 12", read(9, 12), "RULE V12: it is not so")
		require.Equal(t, "uncertain 12", read(11, 20), "RULE V12: it is not so")
		require.Equal(t, "new", read(12, 20), "RULE V12: it is not so")
		require.NoError(t, s.prewrite(14, "a=newer"))
		require.Equal(t, "new", read(13, 14), "RULE V12: it cannot commit by then")
		require.Equal(t, "locked by 14", read(13, 15), "RULE V12: it may have committed before the reader began")
	}
}

// TestScansAgreeWithAModel makes a random history, and reads it in all ways: with limits,
// from both ends, as of all times; and by single reads.
func TestScansAgreeWithAModel(t *testing.T) {
	for seed := range uint64(20) {
		for _, e := range srvEngines() {
			srvRandomScans(t, newSrvOn(t, e), seed)
		}
	}
}

func srvRandomScans(t *testing.T, s *srv, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	type version struct {
		at    TS
		value string
	}
	model := map[string][]version{}
	ts := TS(1)
	for range 150 {
		key := string("abcdefg"[rnd.IntN(7)])
		if rnd.IntN(2) == 0 {
			key += "\x00x"
		}
		start, commit := ts, ts+1
		ts += 2
		value := strings.Repeat("v", rnd.IntN(2)*300) + fmt.Sprint(commit)
		switch rnd.IntN(6) {
		case 0:
			require.NoError(t, s.rollback(start, key))
		case 1:
			s.put(start, commit, key+"!")
		case 2:
			s.put(start, commit, key+"-")
			model[key] = append(model[key], version{commit, ""})
		default:
			s.put(start, commit, key+"="+value)
			model[key] = append(model[key], version{commit, value})
		}
	}
	for read := TS(1); read < ts; read += 7 {
		var want []string
		for key, versions := range model {
			i := len(versions) - 1
			for i >= 0 && versions[i].at > read {
				i--
			}
			if i >= 0 && versions[i].value != "" {
				want = append(want, key+"="+versions[i].value)
				require.Equal(t, versions[i].value, s.get(read, key), "RULE V1: seed %d", seed)
			} else {
				require.Equal(t, "-", s.get(read, key), "RULE V1: seed %d", seed)
			}
		}
		slices.SortFunc(want, func(a, b string) int {
			ka, _, _ := strings.Cut(a, "=")
			kb, _, _ := strings.Cut(b, "=")
			return strings.Compare(ka, kb)
		})
		for _, reverse := range []bool{false, true} {
			require.Equal(t, want, srvPages(t, s, read, 1+rnd.IntN(5), reverse, false), "RULE V1: seed %d, at %v, reverse %v", seed, read, reverse)
			require.Equal(t, want, srvPages(t, s, read, 0, reverse, false), "RULE V1: seed %d, at %v, reverse %v", seed, read, reverse)
			slices.Reverse(want)
		}
		require.Len(t, srvPages(t, s, read, 3, false, true), len(want))
	}
}

// srvPages reads a range page by page.
func srvPages(t *testing.T, s *srv, read TS, limit int, reverse, keysOnly bool) (out []string) {
	q := &ScanRequest{ReadOptions: ReadOptions{ReadTS: read}, Limit: limit, Reverse: reverse, KeysOnly: keysOnly}
	for {
		a, err := s.do(q)
		require.NoError(t, err)
		r := a.(*ScanResponse)
		for _, p := range r.Pairs {
			if keysOnly {
				require.Nil(t, p.Value)
			}
			out = append(out, string(p.Key)+"="+string(p.Value))
		}
		if !r.More {
			return out
		}
		if reverse {
			q.End = r.Resume
		} else {
			q.Start = r.Resume
		}
	}
}

func TestScansKeepWithinTheirBytes(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a="+strings.Repeat("x", 1000), "b="+strings.Repeat("y", 1000), "c=z")
	a, err := s.do(&ScanRequest{ReadOptions: ReadOptions{ReadTS: 9}, Bytes: 1500})
	require.NoError(t, err)
	require.Len(t, a.(*ScanResponse).Pairs, 2)
	require.True(t, a.(*ScanResponse).More)
	a, err = s.do(&ScanRequest{ReadOptions: ReadOptions{ReadTS: 9}, Start: []byte("c"), End: []byte("b")})
	require.NoError(t, err)
	require.Empty(t, a.(*ScanResponse).Pairs, "an empty range")
}

func TestAnswersAreTheReceivers(t *testing.T) {
	s := newSrvOn(t, NewMemory()) // which shows what it has, and no copies
	s.put(1, 2, "a=1", "b=2")
	spoil := func(a any, err error) {
		require.NoError(t, err)
		switch a := a.(type) {
		case *GetResponse:
			a.Values[0][0] = 'X'
			a.Values[0] = append(a.Values[0], "YYYY"...)
		case *ScanResponse:
			for _, p := range a.Pairs {
				p.Key[0], p.Value[0] = 'X', 'X'
				_ = append(p.Value, "YYYY"...)
			}
		}
	}
	for range 2 {
		a, err := s.do(&ScanRequest{ReadOptions: ReadOptions{ReadTS: 9}})
		require.Equal(t, "a=1 b=2", srvShow(a, err), "RULE aliasing: an answer is another's memory")
		first := a.(*ScanResponse).Pairs[0]
		_ = append(first.Value, "YYYY"...)
		_ = append(first.Key, "YYYY"...)
		require.Equal(t, "a=1 b=2", srvShow(a, err), "RULE aliasing: rows overlap")
		spoil(a, err)
		spoil(s.do(&GetRequest{ReadOptions{ReadTS: 9}, srvKeys("a")}))
	}
	// What a request holds stays the sender's: it may use it again at once.
	q := srvPrewrite(5, "c=value", "d="+strings.Repeat("long", 100))
	_, err := s.do(q)
	require.NoError(t, err)
	for _, m := range q.Mutations {
		m.Key[0], m.Value[0] = 'X', 'X'
	}
	require.NoError(t, s.commit(5, 6, "c", "d"))
	require.Equal(t, "value", s.get(9, "c"), "RULE aliasing: the region keeps the sender's memory")
	require.Equal(t, strings.Repeat("long", 100), s.get(9, "d"), "RULE aliasing: the region keeps the sender's memory")
}

func TestRefreshFindsWhatChangedBetween(t *testing.T) {
	s := newSrv(t)
	s.put(1, 2, "a=1", "b=1")
	s.put(5, 6, "b=2")
	s.put(7, 8, "a!")
	s.put(20, 21, "a=late")
	refresh := func(from, to TS, keys []string, spans ...Span) error {
		_, err := s.do(&RefreshRequest{Keys: srvKeys(keys...), Spans: spans, StartTS: 3, From: from, To: to})
		return err
	}
	all := Span{}
	require.NoError(t, refresh(3, 9, []string{"a", "absent"}), "RULE V13: what only locked has changed nothing, nor has what comes later")
	require.NoError(t, refresh(6, 9, nil, all), "RULE V13: it is not so")
	require.NoError(t, refresh(3, 9, nil, Span{nil, []byte("b")}, Span{[]byte("bb"), nil}), "RULE V13: it is not so")
	for name, err := range map[string]error{"key": refresh(3, 9, []string{"b"}), "range": refresh(3, 9, nil, all)} {
		var e *ConflictError
		require.ErrorAs(t, err, &e, "RULE V13: "+name)
		require.Equal(t, []any{ReadConflict, "b", TS(3), TS(5), TS(6)}, []any{e.Reason, string(e.Key), e.StartTS, e.OtherStartTS, e.OtherCommitTS})
	}
	require.NoError(t, s.prewrite(9, "phantom=1"))
	require.ErrorIs(t, refresh(3, 30, []string{"phantom"}), ErrLocked, "RULE V13: it may commit by then")
	require.ErrorIs(t, refresh(6, 19, nil, all), ErrLocked, "RULE V13: it may commit by then")
	require.NoError(t, refresh(6, 9, nil, all), "RULE V13: it cannot commit by then")
	_, err := s.do(&RefreshRequest{Spans: []Span{all}, StartTS: 3, From: 6, To: 19, Past: []TS{9}})
	require.NoError(t, err, "RULE V13: it was pushed")
	require.GreaterOrEqual(t, s.r.ReadBound(), TS(30), "RULE V13: it stays so")
}
