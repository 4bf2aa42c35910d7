// Healing: every shard of what is true is brought back to its drive, and what is
// not true is removed (E13).

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

// Heal brings every shard of what is selected back to its drive, and purges what
// was never acknowledged. progress, if not nil, is called after every object.
//
// What cannot be read now, because shards are lost or their drives are away, is
// kept and counted: they may be back. The error is that of the walk; an object
// that cannot be healed is counted, and is no error.
func (s *Store) Heal(ctx context.Context, o *HealOptions, progress func(HealReport)) (HealReport, error) {
	if err := s.use(); err != nil {
		return HealReport{}, err
	}
	defer s.leave()
	if o == nil {
		o = new(HealOptions)
	}
	h := &healer{store: s, deep: o.Deep, dry: o.DryRun, progress: progress}
	if o.Name != "" {
		if err := checkName(o.Name); err != nil {
			return HealReport{}, fmt.Errorf("erasure: heal: %w", err)
		}
		err := h.object(ctx, o.Name)
		return h.report, err
	}
	err := h.all(ctx, o.Prefix, "")
	return h.report, err
}

// A healer heals objects one after the other.
type healer struct {
	store     *Store
	deep, dry bool
	progress  func(HealReport)
	report    HealReport
	pause     func() // between objects
	// sets are those that are healed; nil: all.
	sets []*set
	// failed are the places, of each set, that could not be brought up to date.
	failed map[*set]map[int]bool
	// saved is told now and then how far a walk has come; nil: nobody.
	saved func(ctx context.Context, set *set, name string, failed map[int]bool)
}

// of is a healer like this one, of one set.
func (h *healer) of(one *set) *healer {
	each := *h
	each.sets = []*set{one}
	return &each
}

// left notes that an object is not what it should be on a place: the drive gets it
// when it returns.
func (h *healer) left(in *set, place int, name string) {
	if h.failed == nil {
		h.failed = make(map[*set]map[int]bool)
	}
	if h.failed[in] == nil {
		h.failed[in] = make(map[int]bool)
	}
	h.failed[in][place] = true
	if !h.dry {
		in.places[place].postpone(name)
	}
}

// undecided keeps drives that are being rebuilt from becoming ordinary ones. They may
// have held the version before, and lack it now; for the judge that must not be a word
// against it: with the next drive that says so it would be purged.
func (h *healer) undecided(c *census) {
	for i, a := range c.answers {
		if a.rebuilding {
			h.left(c.set, i, c.name)
		}
	}
}

// all heals the objects with the prefix, from a name on, and, when that is
// everything, the uploads.
func (h *healer) all(ctx context.Context, prefix, from string) error {
	w := h.store.walk(prefix, from, none)
	w.remains = true
	if h.sets != nil {
		w.sets = h.sets
	}
	sets := w.sets
	h.failed = nil
	n := 0
	for {
		c, err := w.next(ctx)
		if err != nil {
			return fmt.Errorf("erasure: heal: %w", err)
		}
		if c == nil {
			break
		}
		if err := h.object(ctx, c.name); err != nil {
			return err
		}
		if n++; h.saved != nil && n%progressEvery == 0 {
			h.saved(ctx, c.set, c.name, h.failed[c.set])
		}
	}
	if prefix != "" {
		return nil
	}
	if err := h.uploads(ctx, sets); err != nil || h.dry {
		return err
	}
	for _, set := range sets {
		h.store.upToDate(ctx, set, h.failed[set])
	}
	return nil
}

// object heals all versions of an object. The object's lock is held while names are
// looked at and changed, and not while shards are read and written: whoever wants
// the object waits for neither (E12). What is healed is pinned instead.
func (h *healer) object(ctx context.Context, name string) error {
	c, versions, rubbish, err := h.survey(ctx, name)
	if err != nil {
		return err
	}
	for i, a := range c.answers {
		if a.err != nil {
			h.left(c.set, i, name)
		}
	}
	for _, t := range versions {
		h.version(ctx, c, t)
		h.store.pins.drop(t.ID)
	}
	if rubbish {
		if err := h.purge(ctx, name); err != nil {
			return err
		}
	}
	if len(c.keys()) > 0 {
		h.report.Objects++
	}
	h.report.Name = home(name)
	if h.progress != nil {
		h.progress(h.report)
	}
	if h.pause != nil {
		h.pause()
	}
	return ctx.Err()
}

// survey finds the versions that can be read, and pins them; and whether there is
// something to be purged.
func (h *healer) survey(ctx context.Context, name string) (c *census, versions []*tally, rubbish bool, err error) {
	release, err := h.store.locks.acquire(ctx, name, false)
	if err != nil {
		return nil, nil, false, err
	}
	defer release()
	c = h.store.lookAtAll(ctx, name)
	if err := ctx.Err(); err != nil {
		return nil, nil, false, err
	}
	null := false // a newer null version is there
	for _, key := range c.keys() {
		t := c.tally(ctx, key)
		switch {
		case t.verdict == never, key.null() && null:
			rubbish = true
			continue
		case t.verdict == unknown:
			h.report.Versions++
			h.report.Unreadable++
			h.undecided(c)
			continue
		}
		h.store.pins.add(t.ID)
		versions = append(versions, t)
		null = null || key.null()
	}
	return c, versions, rubbish || len(c.strays(nil)) > 0, nil
}

// version heals a version that can be read.
func (h *healer) version(ctx context.Context, c *census, t *tally) {
	h.report.Versions++
	h.report.Bytes += t.size
	bad := h.bad(ctx, c, t)
	if len(bad) == 0 || h.dry {
		return
	}
	healed, err := h.mend(ctx, c, t, bad)
	h.report.Healed += healed
	if healed < len(bad) {
		for _, i := range bad {
			h.left(c.set, i, c.name)
		}
	}
	if err != nil {
		if errors.Is(err, ErrReadQuorum) {
			h.report.Unreadable++
		}
		h.store.o.Logger.Warn("cannot heal", "object", c.name, "version", t.file(), "err", err)
	}
}

// bad are the places whose shard is not what it should be.
func (h *healer) bad(ctx context.Context, c *census, t *tally) []int {
	var bad []int
	for i, a := range c.answers {
		switch {
		case a.err != nil:
		case !slices.Contains(t.listed, i):
			// A drive that is being rebuilt is silent to the judge, and lacks it.
			bad = append(bad, i)
			h.report.Absent++
		case errors.Is(a.files[t.versionKey].err, ErrCorrupt):
			bad = append(bad, i)
			h.report.Corrupt++
		}
	}
	for i, err := range h.store.verify(ctx, c, t, h.deep) {
		switch {
		case errors.Is(err, ErrCorrupt):
			bad = append(bad, i)
			h.report.Corrupt++
		case errors.Is(err, errNoShard):
			bad = append(bad, i)
			h.report.Absent++
		}
	}
	slices.Sort(bad)
	return bad
}

// mend writes a version again on the places. It may have been deleted since it was
// looked at, or be about to be: what is then known of it decides.
func (h *healer) mend(ctx context.Context, c *census, t *tally, places []int) (healed int, err error) {
	d, err := h.store.reconstruct(ctx, c, t, places)
	if err != nil {
		return 0, err
	}
	defer d.discard()
	release, err := h.store.locks.acquire(ctx, c.name, true)
	if err != nil {
		return 0, err
	}
	defer release()
	only := func(keys []versionKey) []versionKey {
		if slices.Contains(keys, t.versionKey) {
			return []versionKey{t.versionKey}
		}
		return nil
	}
	c = h.store.look(ctx, c.name, only)
	switch c.tally(ctx, t.versionKey).verdict {
	case never: // deleted meanwhile
		return 0, nil
	case unknown: // drives fell silent meanwhile
		return 0, fmt.Errorf("%w: %q: %w", ErrReadQuorum, c.name, c.silence())
	}
	return h.store.putBack(context.WithoutCancel(ctx), c, d), d.failed
}

const forever = time.Duration(1<<63 - 1)

// errNoShard: a drive has the version, and not its shard.
var errNoShard = errors.New("shard file is missing")

// verify checks the shards of a version on the drives that hold it: that they are
// there and as long as they should be, and, deep, all their bytes. It returns an
// error for each place that has one.
func (s *Store) verify(ctx context.Context, c *census, t *tally, deep bool) map[int]error {
	bad := map[int]error{}
	if t.inline || t.size == 0 {
		return bad // the version file's checksum was the check
	}
	var places []int
	for i, h := range t.holdings {
		if h != nil {
			places = append(places, i)
		}
	}
	f := ask(ctx, s, c.set, places, looking, func(ctx context.Context, p *place, d Drive) (struct{}, error) {
		for _, part := range t.spans() {
			if err := s.verifyPart(ctx, d, c, t.holdings[p.index], part, deep); err != nil {
				return struct{}{}, err
			}
		}
		return struct{}{}, nil
	}, nil)
	patience := s.patience()
	if deep {
		patience = forever // as long as the context: all bytes take their time
	}
	for i, o := range f.wait(func([]outcome[struct{}]) time.Duration { return patience }) {
		if o.err != nil && o.err != errNotAsked {
			bad[i] = o.err
		}
	}
	return bad
}

// verifyPart checks one shard file.
func (s *Store) verifyPart(ctx context.Context, d Drive, c *census, h *holding, p span, deep bool) error {
	path := c.dir + "/" + h.versionKey.shard(p.number)
	file, err := d.Open(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return errNoShard
	}
	if err != nil {
		return err
	}
	defer file.Close()
	blockSize := h.shardSize(h.blockSize)
	r := bitrot.NewReader(file, h.sealOf(p, h.shard), h.shardLen(p.size), blockSize)
	if want := bitrot.FileSize(h.shardLen(p.size), blockSize); file.Size() != want {
		return &CorruptError{Drive: d.String(), Path: path, Offset: -1, Reason: fmt.Sprintf("%d bytes instead of %d", file.Size(), want)}
	}
	if !deep {
		return nil
	}
	buf := s.buffers.take(bitrot.Overhead + blockSize)
	defer s.buffers.give(buf)
	err = r.Verify(file.Size(), buf)
	var bad *bitrot.Error
	if errors.As(err, &bad) {
		err = &CorruptError{Drive: d.String(), Path: path, Offset: bad.Offset, Reason: bad.Reason}
	}
	return err
}

// purge removes what must not be seen: versions that were never acknowledged, null
// versions that were replaced, and shards that no version speaks of.
func (h *healer) purge(ctx context.Context, name string) error {
	release, err := h.store.locks.acquire(ctx, name, true)
	if err != nil {
		return err
	}
	defer release()
	c := h.store.lookAtAll(ctx, name)
	if err := ctx.Err(); err != nil {
		return err
	}
	null, dead := false, map[versionKey][]int{}
	for _, key := range c.keys() {
		t := c.tally(ctx, key)
		if t.verdict == never || key.null() && null {
			if h.purgeVersion(ctx, c, t) {
				dead[key] = t.listed
			}
		}
		null = null || key.null() && t.verdict == settled
	}
	for i, files := range c.strays(dead) {
		h.purgeStrays(ctx, c, i, files)
	}
	return nil
}

// purgeStrays removes stray shards from a place, but for those of uploads that go
// on, which get them back.
func (h *healer) purgeStrays(ctx context.Context, c *census, i int, files []string) {
	var paths []string
	for _, file := range files {
		id, _, _ := parseShardFile(file)
		upload := uploadOf(versionKey{ID: id})
		if h.dry || !h.store.goesOn(ctx, c.name, upload) || !h.store.recall(ctx, c, i, file, upload) {
			paths = append(paths, c.dir+"/"+file)
		}
	}
	if !h.dry && len(paths) > 0 {
		h.store.remove(ctx, c.set, []int{i}, paths, 0)
	}
	h.report.Purged += len(files)
}

// purgeVersion removes a version from the drives that list it.
func (h *healer) purgeVersion(ctx context.Context, c *census, t *tally) (done bool) {
	if len(t.listed) == 0 {
		return false
	}
	if !h.dry {
		if err := h.store.undo(ctx, c, t); err != nil {
			h.store.o.Logger.Warn("cannot purge", "object", c.name, "version", t.file(), "err", err)
			return false
		}
	}
	h.report.Purged++
	return true
}

// strays are, by place, the shard files that no version speaks of: a power cut has
// left them. The dead do not count; their shards are gone from these places.
func (c *census) strays(dead map[versionKey][]int) map[int][]string {
	if c.silent() >= majority(len(c.answers)) {
		return nil // those who are silent may know the version
	}
	known, gone := map[[16]byte]bool{}, map[[16]byte][]int{}
	for _, key := range c.keys() { // of one ID there may be two: see renewed
		known[key.ID] = known[key.ID] || dead[key] == nil
		gone[key.ID] = append(gone[key.ID], dead[key]...)
	}
	strays := map[int][]string{}
	for i, a := range c.answers {
		for _, file := range a.tree.shards {
			id, _, _ := parseShardFile(file)
			if a.err == nil && !known[id] && !slices.Contains(gone[id], i) && !c.store.pins.has(id) {
				strays[i] = append(strays[i], file)
			}
		}
	}
	return strays
}
