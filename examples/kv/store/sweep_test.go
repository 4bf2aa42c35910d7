package store

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// pieces is a storage in memory that a crash takes back to its last Commit. It
// crashes at one of them.
type pieces struct {
	memory
	committed [tables]tree
	commits   int
	crashAt   int // 0: never
}

func (p *pieces) Commit() {
	if p.commits++; p.commits == p.crashAt {
		panic(&Failure{fmt.Errorf("crash at commit %d", p.commits)})
	}
	for t := range p.tables {
		p.committed[t] = p.tables[t].freeze()
	}
}

// after is what a start finds.
func (p *pieces) after() *pieces {
	left := &pieces{memory: memory{p.committed}}
	for t := range left.tables {
		left.committed[t] = left.tables[t].freeze()
	}
	return left
}

func state(t *testing.T, s *Store) []byte {
	var b bytes.Buffer
	v := s.Freeze()
	defer v.Close()
	_, err := v.WriteTo(&b)
	require.NoError(t, err)
	return b.Bytes()
}

// TestACompactionThatACrashEndedIsFinished crashes a large compaction at each of
// its pieces.
func TestACompactionThatACrashEndedIsFinished(t *testing.T) {
	fill := func(storage Storage) (*Store, uint64) {
		s := New(Options{Storage: storage})
		index := uint64(0)
		for rev := range 3 * sweepRows / 100 {
			var txn TxnRequest
			for i := range 100 {
				txn.Success = append(txn.Success, Op{Put: &PutRequest{Key: fmt.Appendf(nil, "k%05d", rev/4*100+i), Value: []byte("x")}})
			}
			index++
			s.Apply(index, EncodeCommand(&txn))
		}
		return s, index
	}
	whole := &pieces{}
	s, last := fill(whole)
	compact := EncodeCommand(&CompactionRequest{Revision: s.meta.revision - 3})
	done := whole.commits
	s.Apply(last+1, compact)
	want, commits := state(t, s), whole.commits-done
	require.Greater(t, commits, 2)
	for at := 1; at <= commits; at++ {
		broken := &pieces{crashAt: done + at}
		s, _ := fill(broken)
		require.Panics(t, func() { s.Apply(last+1, compact) })
		s = New(Options{Storage: broken.after()})
		if _, err := s.Range(&RangeRequest{Key: []byte{0}, End: []byte{0}, Revision: s.meta.revision - 4}); at > 1 && err != ErrCompacted {
			t.Fatalf("RULE compaction-finished: crash at piece %d: half of a revision can be read: %v", at, err)
		}
		s.Apply(last+1, compact) // raft's log is replayed
		if !bytes.Equal(want, state(t, s)) {
			t.Fatalf("RULE compaction-finished: crash at piece %d of %d: another state", at, commits)
		}
	}
}

// After a failed write nothing is executed on what the disk lacks.
func TestAStoreThatFailedExecutesNothing(t *testing.T) {
	p := &pieces{crashAt: 3}
	s := New(Options{Storage: p})
	put := EncodeCommand(&PutRequest{Key: []byte("a")})
	s.Apply(1, put)
	require.Panics(t, func() { s.Apply(2, put) })
	defer func() {
		if _, failed := recover().(*Failure); !failed {
			t.Fatalf("RULE failure: a command is executed after a write that failed")
		}
	}()
	s.Apply(3, put)
}

// TestACommandThatACrashEndedIsTakenBack crashes commands that delete more than is
// kept in memory, at each of their pieces.
func TestACommandThatACrashEndedIsTakenBack(t *testing.T) {
	const keys, lease = 80, 7
	name := func(i int) []byte {
		return append(fmt.Appendf(nil, "k%05d", i), bytes.Repeat([]byte("x"), MaxKeyLen-10)...)
	}
	fill := func(storage Storage) (*Store, uint64) {
		s := New(Options{Storage: storage})
		s.Apply(1, EncodeCommand(&LeaseGrantRequest{ID: lease, TTL: 100}))
		for i := range keys {
			s.Apply(uint64(i+2), EncodeCommand(&PutRequest{Key: name(i), Lease: lease}))
		}
		return s, keys + 1
	}
	for what, cmd := range map[string]Command{
		"deletion":   &DeleteRangeRequest{Key: []byte("k"), End: []byte("l")},
		"revocation": &LeaseRevokeRequest{ID: lease},
	} {
		whole := &pieces{}
		s, last := fill(whole)
		before, done := state(t, s), whole.commits
		s.Apply(last+1, EncodeCommand(cmd))
		want, commits := state(t, s), whole.commits-done
		require.Greater(t, commits, 1)
		for at := 1; at <= commits; at++ {
			broken := &pieces{crashAt: done + at}
			s, _ := fill(broken)
			require.Panics(t, func() { s.Apply(last+1, EncodeCommand(cmd)) })
			s = New(Options{Storage: broken.after()})
			if !bytes.Equal(before, state(t, s)) {
				t.Fatalf("RULE piece-undone: crash at piece %d of a %s: half of it is there", at, what)
			}
			s.Apply(last+1, EncodeCommand(cmd))
			if !bytes.Equal(want, state(t, s)) {
				t.Fatalf("RULE piece-undone: crash at piece %d of a %s: another state", at, what)
			}
		}
	}
}
