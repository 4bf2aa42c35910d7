package store

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// contents walks a tree from a key.
func contents(t tree, from []byte) (pairs []string) {
	c := treeCursor{root: t.root}
	for c.Seek(from); c.Valid(); c.Next() {
		pairs = append(pairs, string(c.Key())+"="+string(c.Value()))
	}
	return pairs
}

// TestATreeIsASortedMap compares it with one, and all frozen trees with what
// they were.
func TestATreeIsASortedMap(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		space := []int{20, 300, 5000}[seed%3]
		key := func() []byte { return binary.BigEndian.AppendUint16(nil, uint16(r.IntN(space))) }
		var tr tree
		m := map[string]string{}
		pairs := func(from string) (l []string) {
			for k, v := range m {
				if k >= from {
					l = append(l, k+"="+v)
				}
			}
			slices.Sort(l)
			return l
		}
		type was struct {
			tree
			pairs []string
		}
		var frozen []was
		for i := range 20_000 {
			k := key()
			// It grows, and then it shrinks to nothing.
			if i < 10_000 && r.IntN(3) > 0 || r.IntN(10) == 0 {
				v := binary.BigEndian.AppendUint32(nil, uint32(i))
				tr.set(k, v)
				m[string(k)] = string(v)
			} else {
				tr.delete(k)
				delete(m, string(k))
			}
			if i%1500 == 0 {
				frozen = append(frozen, was{tr.freeze(), pairs("")})
			}
			if i%500 == 0 {
				from := key()
				require.Equal(t, pairs(string(from)), contents(tr, from))
				wellFormed(t, tr)
			}
			v, ok := tr.get(k)
			want, there := m[string(k)]
			require.Equal(t, there, ok)
			require.Equal(t, want, string(v))
		}
		for k := range m {
			tr.delete([]byte(k))
		}
		require.Nil(t, tr.root)
		for i, f := range frozen {
			if got := contents(f.tree, nil); !slices.Equal(f.pairs, got) {
				t.Fatalf("RULE snapshot-frozen: seed %d: tree %d has changed since it was frozen", seed, i)
			}
		}
	}
}

// wellFormed: all leaves are equally deep, no node is empty or over-full.
func wellFormed(t *testing.T, tr tree) {
	t.Helper()
	var depth func(n *node) int
	depth = func(n *node) int {
		require.LessOrEqual(t, len(n.keys), maxItems)
		require.NotEmpty(t, n.keys)
		if n.children == nil {
			return 1
		}
		require.Len(t, n.children, len(n.keys))
		d := depth(n.children[0])
		for _, c := range n.children[1:] {
			require.Equal(t, d, depth(c))
		}
		return d + 1
	}
	if tr.root != nil {
		depth(tr.root)
	}
}

func TestOrderedKeysFillTheirNodes(t *testing.T) {
	var tr tree
	for i := range 32 * 32 {
		tr.set(binary.BigEndian.AppendUint32(nil, uint32(i)), nil)
	}
	require.Len(t, tr.root.children, 32)
}

func TestIndexRowsKeepTheOrderOfKeysAndRevisions(t *testing.T) {
	keys := []string{"\x00", "\x00\x00", "\x00\x01", "\x00\xff", "\x01", "a", "a\x00", "a\x00\x00", "a\x00a", "a\x00\xff", "a\x01", "aa", "\xff", "\xff\xff"}
	revisions := []revision{latest, {7, 1}, {7, 0}, {1, 3}}
	var rows [][]byte
	for _, k := range keys {
		for _, r := range revisions {
			rows = append(rows, indexKey([]byte(k), r))
		}
	}
	if !slices.IsSortedFunc(rows, bytes.Compare) {
		t.Fatal("RULE history: rows of the index are not in the order of keys, newest first")
	}
	for i, row := range rows {
		prefix, rev := splitIndexKey(row)
		require.Equal(t, revisions[i%4], rev)
		require.Equal(t, keys[i/4], string(keyOf(prefix)))
		require.True(t, checkIndexKey(row))
	}
}

// TestARevisionIsTakenWhole fetches while a command is being handed out.
func TestARevisionIsTakenWhole(t *testing.T) {
	s := New(Options{})
	w, err := s.Watch(&WatchRequest{Key: []byte("a"), End: []byte("z")})
	require.NoError(t, err)
	defer w.Close()
	row := (&version{count: 1, create: 2}).encode()
	for sub := range uint32(2) {
		require.True(t, w.offer(newChange(revision{2, sub}, []byte{'a' + byte(sub)}, row, nil)))
		if r, ok := w.Next(0); ok {
			t.Fatalf("RULE watch-exactly-once: %d of 2 events of revision %d are taken before it is complete", len(r.Events), r.Revision)
		}
	}
	s.watch.publish(2, nil)
	r, ok := w.Next(0)
	require.True(t, ok && len(r.Events) == 2 && r.Revision == 2)
}
