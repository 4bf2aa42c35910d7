// Writing the shards of a version again, onto the drives that lack them (E13).

package erasure

import (
	"context"
	"errors"
	"slices"
)

// rebuild brings a version to places that lack it, or have it damaged, and returns
// to how many. The object's lock must be held exclusively. An error says why some
// were left out.
func (s *Store) rebuild(ctx context.Context, c *census, t *tally, places []int) (healed int, err error) {
	d, err := s.reconstruct(ctx, c, t, places)
	if err != nil {
		return 0, err
	}
	defer d.discard()
	return s.putBack(ctx, c, d), d.failed
}

// reconstruct is the first phase: a version that exists, written again under tmp,
// for places that lack it. What is written is computed from shards that were
// checked. No lock is needed, but the version must be pinned or locked.
func (s *Store) reconstruct(ctx context.Context, c *census, t *tally, places []int) (*draft, error) {
	d := s.redraft(c, t, places)
	if len(d.places) == 0 {
		return nil, errors.New("there is no drive to write to")
	}
	src := c.source(t)
	err := src.rebuildBodies(ctx, d)
	if err == nil {
		err = d.writeVersion(ctx)
	}
	if err != nil {
		d.discard()
		return nil, err
	}
	return d, nil
}

// putBack is the second phase, under the object's lock: the shards are renamed.
// Where that fails it is not taken back: the drive may hold other shards of the
// version, of which every one may be needed.
func (s *Store) putBack(ctx context.Context, c *census, d *draft) int {
	s.move(ctx, c, d)
	d.committed = len(d.places) > 0
	for _, i := range d.places {
		s.event(Event{Kind: ShardHealed, Name: c.name, Version: d.file(), Set: c.set.index, Place: i, Shard: d.index[i], Rule: "E13"})
	}
	return len(d.places)
}

// redraft is a draft of a version that exists, for places that are to have it. Each
// gets the shard that belongs there, or, if another has that, one that nobody has.
func (s *Store) redraft(c *census, t *tally, places []int) *draft {
	n := len(c.answers)
	d := &draft{store: s, set: c.set, name: c.name, version: *t.version,
		places: slices.Clone(places), needed: 1, files: make([]FileWriter, n), index: make([]int, n)}
	d.tmpID, d.began = s.newID(false), make([]Drive, n)
	// A drive that is not to be asked now is left out: it may be asked again at any
	// moment, and what is not known to have begun there is not cleaned up.
	d.places = slices.DeleteFunc(d.places, func(i int) bool {
		drive, err := c.set.places[i].use()
		d.began[i] = drive
		return err != nil
	})
	taken := make([]bool, n)
	for i, h := range t.holdings {
		if h != nil && !slices.Contains(places, i) {
			taken[h.shard] = true
		}
	}
	var homeless []int
	for _, i := range d.places {
		if shard := shardAt(c.name, i, n); !taken[shard] {
			d.index[i], taken[shard] = shard, true
		} else {
			homeless = append(homeless, i)
		}
	}
	for _, i := range homeless {
		d.index[i] = slices.Index(taken, false)
		taken[d.index[i]] = true
	}
	return d
}

// rebuildBodies computes the shards of the draft and writes them.
func (src *source) rebuildBodies(ctx context.Context, d *draft) error {
	wanted := make([]bool, src.geometry.shards())
	for _, i := range d.places {
		wanted[d.index[i]] = true
	}
	if src.inline {
		b, err := src.fetch(ctx, span{number: 1, size: src.size}, 0, wanted)
		if err == nil {
			d.small = &block{shards: b.shards}
		}
		return err
	}
	for _, p := range src.spans() {
		tmp := d.begin(p.number, src.dir+"/"+src.shard(p.number))
		for number := int64(0); number*int64(src.blockSize) < p.size; number++ {
			b, err := src.fetch(ctx, p, number, wanted)
			if err != nil {
				return err
			}
			framed := src.frame(p, number, b)
			src.store.buffers.give(b.memory)
			outcomes := d.send(ctx, framed, tmp).wait(quorum[FileWriter](d.store, d.needed))
			if err := d.sent(framed, outcomes); err != nil {
				return err
			}
		}
		if err := d.close(ctx, tmp); err != nil {
			return err
		}
	}
	return nil
}

// frame copies the shards that are there into a block with frames.
func (src *source) frame(p span, number int64, from *fetched) *block {
	b := src.store.newBlock(src.geometry, src.blockLen(p, number))
	for i, shard := range from.shards {
		if shard != nil {
			copy(b.shards[i], shard)
			seal := src.sealOf(p, i)
			seal.Seal(b.frames[i], number)
		}
	}
	return b
}
