// The shards of an object, for people.

package erasure

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Explain says where the shards of an object are and in what state: a line a
// drive, for people. Every byte is checked.
//
//	photos/cat.jpg: version @18fa..., 3000 bytes, 2 data and 2 parity shards, 4 of 4 on their drives
//	  set 0 drive 0  shard 2  parity  ok        1524 bytes  /data/d0
//	  set 0 drive 1  shard 3  parity  missing               /data/d1
//	  set 0 drive 2  shard 0  data    corrupt   1524 bytes  /data/d2: block 1 at 520: checksum
//	  set 0 drive 3  -        -       offline               /data/d3: input/output error
func (s *Store) Explain(ctx context.Context, name string) (string, error) {
	if err := s.enter(name); err != nil {
		return "", err
	}
	defer s.leave()
	release, err := s.locks.acquire(ctx, name, false)
	if err != nil {
		return "", err
	}
	c := s.lookAtAll(ctx, name)
	for _, key := range c.keys() {
		s.pins.add(key.ID)
		defer s.pins.drop(key.ID)
	}
	release()
	if err := ctx.Err(); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, key := range c.keys() {
		c.explain(ctx, &b, c.tally(ctx, key))
	}
	if b.Len() == 0 {
		if c.silent() >= majority(len(c.answers)) {
			return "", fmt.Errorf("erasure: explain %q: %w: %w", name, ErrReadQuorum, c.silence())
		}
		return "", fmt.Errorf("erasure: explain: %w: %q", ErrNotFound, name)
	}
	return b.String(), nil
}

// explain writes the lines of one version.
func (c *census) explain(ctx context.Context, b *strings.Builder, t *tally) {
	bad := c.store.verify(ctx, c, t, true)
	lines, good := "", 0
	for i := range c.answers {
		line, ok := c.explainPlace(t, i, bad[i])
		if lines += line; ok {
			good++
		}
	}
	fmt.Fprintf(b, "%s: version %s, ", c.name, t.versionKey)
	switch {
	case t.holding == 0:
		fmt.Fprintf(b, "of which no version file can be read")
	case t.marker:
		fmt.Fprintf(b, "a delete marker, %d of %d on their drives", good, len(c.answers))
	default:
		fmt.Fprintf(b, "%d bytes, %d data and %d parity shards, %d of %d on their drives",
			t.size, t.data, t.parity, good, len(c.answers))
	}
	if t.verdict != settled {
		fmt.Fprintf(b, " (%s)", t.verdict)
	}
	fmt.Fprintf(b, "\n%s", lines)
}

// explainPlace is the line of a drive, and whether all is well there.
func (c *census) explainPlace(t *tally, i int, bad error) (line string, ok bool) {
	a, h := c.answers[i], t.holdings[i]
	p := c.set.places[i]
	drive := "no drive"
	if d, err := p.use(); err == nil {
		drive = d.String()
	}
	shard, kind := "-", "-"
	if h != nil {
		shard, kind = fmt.Sprintf("shard %d", h.shard), "parity"
		if h.shard < t.data {
			kind = "data"
		}
		if t.marker {
			kind = "marker"
		}
	}
	state, why := "ok", bad
	switch file := a.files[t.versionKey]; {
	case a.err != nil:
		state, why = "offline", a.err
	case h == nil && file.err != nil:
		state, why = "corrupt", file.err
	case h == nil, errors.Is(bad, errNoShard):
		state, why = "missing", nil
		if a.rebuilding {
			state = "rebuilding"
		}
	case bad != nil && !errors.Is(bad, ErrCorrupt):
		state = "offline"
	case bad != nil:
		state = "corrupt"
	}
	size := ""
	if h != nil && state != "missing" {
		size = fmt.Sprintf("%d bytes", t.shardBytes())
	}
	line = fmt.Sprintf("  set %d drive %-2d %-9s %-6s  %-10s %12s  %s", p.set, p.index, shard, kind, state, size, drive)
	if why != nil {
		line += ": " + why.Error()
	}
	return line + "\n", state == "ok"
}

// shardBytes is how long the shards of the version are, without frames.
func (t *tally) shardBytes() int64 {
	var n int64
	for _, p := range t.spans() {
		n += t.shardLen(p.size)
	}
	return n
}
