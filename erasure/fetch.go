// Reading shards of a block: those that are wanted, and for each that is missing,
// wrong or slow another one (E7, E12).

package erasure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/flagship-go/flagship/erasure/bitrot"
)

// A source is where the shards of a version are.
type source struct {
	store *Store
	set   *set
	name  string
	dir   string
	*version
	places  []int       // by shard: which place has it; -1: none
	guessed []bool      // by shard: the place has not said so, it was not waited for
	inlined [][]byte    // by shard, if inline
	damaged func(error) // is told of a shard that should be healed
}

// source says where the shards of a version are.
func (c *census) source(t *tally) *source {
	n := len(c.answers)
	src := &source{store: c.store, set: c.set, name: c.name, dir: c.dir, version: t.version,
		places: make([]int, n), guessed: make([]bool, n), inlined: make([][]byte, n), damaged: func(error) {}}
	for i := range src.places {
		src.places[i] = -1
	}
	for place, h := range t.holdings {
		// E8: the index is the one in the file.
		if h != nil {
			src.places[h.shard] = place
			src.inlined[h.shard] = h.body
		}
	}
	for place, a := range c.answers {
		// Where it belongs is a guess, and the shard's checksum tells if it is wrong.
		if shard := shardAt(c.name, place, n); errors.Is(a.err, errLate) && src.places[shard] < 0 && !t.inline {
			src.places[shard], src.guessed[shard] = place, true
		}
	}
	return src
}

// A span is a part of an object: where it begins, and how long it is.
type span struct {
	number       int
	offset, size int64
	id           [16]byte // of the part, if it was uploaded
}

// spans are the parts, in order.
func (v *version) spans() []span {
	var spans []span
	var offset int64
	for _, p := range v.partList() {
		if p.Size > 0 {
			spans = append(spans, span{p.Number, offset, p.Size, p.id})
		}
		offset += p.Size
	}
	return spans
}

// blockLen is the length of a block of a part.
func (v *version) blockLen(p span, number int64) int {
	return int(min(int64(v.blockSize), p.size-number*int64(v.blockSize)))
}

// fetched is a block that was read: the shards that were wanted, checked, and
// perhaps others; the rest is nil.
type fetched struct {
	shards [][]byte
	memory []byte // goes back to the pool
}

// fetch reads those shards of a block that are wanted.
func (src *source) fetch(ctx context.Context, p span, number int64, wanted []bool) (*fetched, error) {
	b := src.store.newBlock(src.geometry, src.blockLen(p, number))
	if src.inline {
		return src.fetchInline(b, wanted)
	}
	r := &fetching{source: src, block: b, span: p, number: number, wanted: wanted}
	r.fan = ask(ctx, src.store, src.set, nil, looking, r.read, nil)
	err := r.run()
	r.fan.giveUp()
	late := r.report()
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		if !late {
			src.store.buffers.give(b.memory)
		}
		return nil, err
	}
	return src.rebuildWanted(b, r.shards(), wanted, late)
}

// fetchInline takes the shards from the version files.
func (src *source) fetchInline(b *block, wanted []bool) (*fetched, error) {
	shards := make([][]byte, len(src.inlined))
	for i, body := range src.inlined {
		if shards[i] = b.shards[i][:0]; body != nil {
			shards[i] = body
		}
	}
	return src.rebuildWanted(b, shards, wanted, false)
}

// rebuildWanted computes what is wanted and not there. Shards of length zero are
// computed in place. If late, a drive may still write into the memory.
func (src *source) rebuildWanted(b *block, shards [][]byte, wanted []bool, late bool) (*fetched, error) {
	out := &fetched{shards: shards}
	if !late {
		out.memory = b.memory
	}
	for i, w := range wanted {
		if w && len(shards[i]) == 0 {
			codec, err := src.store.codec(src.geometry)
			if err == nil {
				err = codec.ReconstructSome(shards, wanted)
			}
			if err != nil {
				return nil, fmt.Errorf("%w: %q: %w", ErrReadQuorum, src.name, err)
			}
			break
		}
	}
	for i, s := range shards {
		if len(s) == 0 {
			shards[i] = nil
		}
	}
	return out, nil
}

// A fetching is one block being read.
type fetching struct {
	*source
	block  *block
	span   span
	number int64
	wanted []bool
	fan    *fan[[]byte]
}

// read reads one shard, with its frame, and checks it.
func (r *fetching) read(ctx context.Context, p *place, d Drive) ([]byte, error) {
	shard := r.shardOf(p.index)
	path := r.dir + "/" + r.shard(r.span.number)
	file, err := d.Open(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d, err)
	}
	defer file.Close()
	frames := bitrot.NewReader(file, r.sealOf(r.span, shard),
		r.shardLen(r.span.size), r.shardSize(r.blockSize))
	b, err := frames.ReadBlock(r.number, r.block.frames[shard])
	var bad *bitrot.Error
	if errors.As(err, &bad) {
		return nil, &CorruptError{Drive: d.String(), Path: path, Offset: bad.Offset, Reason: bad.Reason}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", d, path, err)
	}
	return b, nil
}

// shardLen is the length of each shard of a part, without frames.
func (v *version) shardLen(size int64) int64 {
	full := size / int64(v.blockSize)
	return full*int64(v.shardSize(v.blockSize)) + int64(v.shardSize(int(size%int64(v.blockSize))))
}

// shardOf is the shard that a place has.
func (src *source) shardOf(place int) int {
	for shard, p := range src.places {
		if p == place {
			return shard
		}
	}
	return -1
}

// run asks for the shards that are wanted. As soon as one of them cannot be had,
// or takes longer than others would, any shards do, as many as there is data.
func (r *fetching) run() error {
	candidates, wanted := r.candidates()
	ask := func(n int) {
		for ; n > 0 && len(candidates) > 0; n-- {
			r.fan.ask(r.places[candidates[0]])
			candidates = candidates[1:]
		}
	}
	ask(wanted)
	for !r.complete() {
		if r.degraded() {
			ask(r.data - r.good() - r.hopeful())
		}
		patience := r.store.o.Hedge
		if len(candidates) == 0 {
			patience = r.store.patience()
		}
		failed := r.failed()
		expired := r.fan.collect(func([]outcome[[]byte]) time.Duration {
			if r.complete() || r.failed() > failed {
				return 0
			}
			return patience
		})
		if len(candidates) == 0 && !r.complete() && (expired || r.fan.pending == 0) {
			return fmt.Errorf("%w: %q: %d of %d shards of block %d of part %d can be read: %w", ErrReadQuorum,
				r.name, r.good(), r.data, r.number, r.span.number, failures(r.fan.outcomes))
		}
	}
	return nil
}

// hopeful counts the shards that are on their way and not slow.
func (r *fetching) hopeful() int {
	n := 0
	for i, o := range r.fan.outcomes {
		if o.err == errPending && !r.fan.overdue(i) {
			n++
		}
	}
	return n
}

// candidates are the shards that can be asked for: the wanted ones first, then
// data, which needs no computing, then parity, then what is only guessed.
func (r *fetching) candidates() (all []int, wanted int) {
	var others, guesses []int
	for i, place := range r.places {
		switch {
		case place < 0:
		case r.guessed[i]:
			guesses = append(guesses, i)
		case r.wanted[i]:
			all = append(all, i)
		default:
			others = append(others, i)
		}
	}
	return slices.Concat(all, others, guesses), len(all)
}

// answered reports whether a shard is there.
func (r *fetching) answered(shard int) bool {
	p := r.places[shard]
	return p >= 0 && r.fan.outcomes[p].err == nil
}

// good counts the shards that are there.
func (r *fetching) good() int { return succeeded(r.fan.outcomes) }

// failed counts the shards that were asked for in vain.
func (r *fetching) failed() int {
	n := 0
	for _, o := range r.fan.outcomes {
		if o.err != nil && o.err != errNotAsked && o.err != errPending {
			n++
		}
	}
	return n
}

// complete reports whether what is wanted is there, or can be computed.
func (r *fetching) complete() bool {
	if r.good() >= r.data {
		return true
	}
	for i, w := range r.wanted {
		if w && !r.answered(i) {
			return false
		}
	}
	return true
}

// degraded reports whether something that is wanted cannot be had, or is slow.
func (r *fetching) degraded() bool {
	for i, w := range r.wanted {
		if !w {
			continue
		}
		place := r.places[i]
		if place < 0 || r.fan.overdue(place) || r.guessed[i] {
			return true
		}
		if err := r.fan.outcomes[place].err; err != nil && err != errPending {
			return true
		}
	}
	return false
}

// report tells of the shards that were asked for in vain, and whether one was
// given up, so that its drive may still write into the block.
func (r *fetching) report() (late bool) {
	for _, o := range r.fan.outcomes {
		if o.err == nil || o.err == errNotAsked {
			continue
		}
		late = late || errors.Is(o.err, errLate)
		r.store.event(Event{Kind: ShardFailed, Name: r.name, Version: r.file(), Set: r.set.index,
			Place: o.place, Shard: r.shardOf(o.place), Err: o.err, Rule: "E7"})
		if errors.Is(o.err, ErrCorrupt) || errors.Is(o.err, fs.ErrNotExist) {
			r.damaged(o.err)
		}
	}
	return late
}

// shards are those that are there. The memory of the others is free to be computed
// into, but for that of drives that were given up.
func (r *fetching) shards() [][]byte {
	shards := make([][]byte, r.geometry.shards())
	for i, place := range r.places {
		switch {
		case place >= 0 && r.fan.outcomes[place].err == nil:
			shards[i] = r.fan.outcomes[place].value
		case place < 0 || !errors.Is(r.fan.outcomes[place].err, errLate):
			shards[i] = r.block.shards[i][:0]
		}
	}
	return shards
}
