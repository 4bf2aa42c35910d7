package ordmap

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// counts is what a map is made of.
type counts struct {
	leaves, slots, stale, depth int
}

// check verifies O1, O4 and O7 of all spaces, and counts.
func (m *Map) check(t testing.TB) (c counts) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.spaces {
		root := m.spaces[i].root.Load()
		require.Nil(t, root.low)
		require.Nil(t, root.high)
		root.check(t, &c, 1, 0)
	}
	return c
}

// check returns the level of the leaves below b.
func (b *block) check(t testing.TB, c *counts, level, leafLevel int) int {
	for i := range b.slots {
		key := b.slots[i].rec.key()
		require.True(t, b.has(key, false), "RULE O1: key %q is in the block of others", key)
		require.Equal(t, headOf(key, b.prefix), b.slots[i].head, "RULE O7: head of %q", key)
		if i > 0 {
			require.LessOrEqual(t, b.slots[i-1].head, b.slots[i].head, "RULE O7: heads are in order")
			require.Equal(t, b.slots[0].rec.key()[:b.prefix], key[:b.prefix], "RULE O7: what all keys begin with")
		}
	}
	if b.sure {
		require.Equal(t, b.prefix, commonPrefix(b.low.key(), b.high.key()), "RULE O7: what all keys of the range begin with")
	}
	if b.kids == nil {
		b.checkLeaf(t, c)
		require.True(t, leafLevel == 0 || leafLevel == level, "all leaves are on one level")
		c.depth = level
		return level
	}
	require.Len(t, b.kids, len(b.slots)+1)
	require.LessOrEqual(t, len(b.kids), fan)
	for i := range b.kids {
		kid := b.kids[i].Load()
		low, high := b.low, b.high
		if i > 0 {
			low = b.slots[i-1].rec
			require.True(t, i == 1 || bytes.Compare(b.slots[i-2].rec.key(), low.key()) < 0, "RULE O1: separators ascend")
		}
		if i < len(b.slots) {
			high = b.slots[i].rec
		}
		require.Same(t, low, kid.low, "RULE O4: the low end of a child")
		require.Same(t, high, kid.high, "RULE O4: the high end of a child")
		leafLevel = kid.check(t, c, level+1, leafLevel)
	}
	return leafLevel
}

func (b *block) checkLeaf(t testing.TB, c *counts) {
	c.leaves++
	c.slots += len(b.slots)
	stale, versions, most := false, 0, 0
	for i := range b.slots {
		if i > 0 && b.same(i-1, i) {
			versions++
		} else {
			versions = 1
		}
		most = max(most, versions)
		r := b.slots[i].rec
		require.LessOrEqual(t, r.seq, b.maxSeq)
		stale = stale || r.deleted()
		if i == 0 {
			continue
		}
		before := b.slots[i-1].rec
		switch bytes.Compare(before.key(), r.key()) {
		case 0:
			require.Greater(t, before.seq, r.seq, "RULE O1: versions of %q are newest first", r.key())
			stale = true
		case 1:
			require.Fail(t, "RULE O1: keys ascend", "%q before %q", before.key(), r.key())
		}
	}
	require.True(t, b.stale || !stale, "RULE O5: a leaf with old versions is known as such")
	if b.stale {
		c.stale++
	}
	limit := fan
	if b.stale {
		limit = 2 * fan
	}
	require.Less(t, len(b.slots), limit+most, "only versions of one key make a leaf long")
}

// sweepAll makes the sweeper do all it can now; leaves that are joined on the way are
// swept again.
func (m *Map) sweepAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for range 10 * lag {
		m.writer.begin(m.visible.Load())
		m.writer.sweep(len(m.writer.stale.leaves))
	}
}
