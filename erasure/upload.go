// Multipart uploads: an object that comes in parts, in any order, over days. How
// they begin, how parts are put, listed, and thrown away.

package erasure

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// MinPart is the smallest size of a part that is not the last: 5 MiB.
const MinPart = 5 << 20

// forName is where the version file of an upload keeps the object's name: a key
// that no user can give.
const forName = "\x00name"

// NewUpload begins a multipart upload of name. Conditions are for
// CompleteUpload.
func (s *Store) NewUpload(ctx context.Context, name string, o *PutOptions) (Upload, error) {
	if o == nil {
		o = new(PutOptions)
	}
	if err := s.enter(name); err != nil {
		return Upload{}, err
	}
	defer s.leave()
	id := s.newID(false)
	u, err := s.newUpload(ctx, name, hex.EncodeToString(id[:]), o)
	if err != nil {
		return Upload{}, fmt.Errorf("erasure: new upload of %q: %w", name, err)
	}
	return u, nil
}

func (s *Store) newUpload(ctx context.Context, name, id string, o *PutOptions) (Upload, error) {
	d, err := s.newDraft(uploadName(name, id), o.Class, true)
	if err != nil {
		return Upload{}, err
	}
	defer d.discard()
	d.etag, d.metadata = o.ETag, maps.Clone(o.Metadata)
	if d.metadata == nil {
		d.metadata = map[string]string{}
	}
	d.metadata[forName] = name
	if err := d.writeVersion(ctx); err != nil {
		return Upload{}, err
	}
	if _, err := s.commit(ctx, d, &Condition{}); err != nil {
		return Upload{}, err
	}
	return d.upload(id), nil
}

// upload is what users see of an upload.
func (v *version) upload(id string) Upload {
	metadata := maps.Clone(v.metadata)
	delete(metadata, forName)
	if len(metadata) == 0 {
		metadata = nil
	}
	return Upload{Name: v.metadata[forName], ID: id, Started: v.info("").Modified, Class: v.class, Metadata: metadata}
}

// findUpload finds an upload.
func (s *Store) findUpload(ctx context.Context, name, id string) (*census, *tally, error) {
	if b, err := hex.DecodeString(id); err != nil || len(b) != 16 || strings.ToLower(id) != id {
		return nil, nil, fmt.Errorf("%w: upload %.40q", ErrNotFound, id)
	}
	c, t, release, err := s.find(ctx, uploadName(name, id), "null")
	if errors.Is(err, ErrNotFound) {
		return nil, nil, fmt.Errorf("%w: upload %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, nil, err
	}
	release()
	if t.metadata[forName] != name {
		return nil, nil, fmt.Errorf("%w: upload %s is of another object", ErrNotFound, id)
	}
	return c, t, nil
}

// lockUpload keeps an upload from ending, or, exclusively, ends it: a part that is
// put while it is completed or aborted is in it, or fails, and leaves nothing.
func (s *Store) lockUpload(ctx context.Context, id string, exclusive bool) (release func(), err error) {
	return s.locks.acquire(ctx, "\x00"+id, exclusive)
}

// PutPart stores a part, replacing one of the same number.
func (s *Store) PutPart(ctx context.Context, name, upload string, number int, body io.Reader, size int64) (Part, error) {
	if err := s.enter(name); err != nil {
		return Part{}, err
	}
	defer s.leave()
	p, err := s.putPart(ctx, name, upload, number, body, size)
	if err != nil {
		return Part{}, fmt.Errorf("erasure: put part %d of %q: %w", number, name, err)
	}
	return p, nil
}

func (s *Store) putPart(ctx context.Context, name, id string, number int, body io.Reader, size int64) (Part, error) {
	if number < 1 || number > maxPart {
		return Part{}, fmt.Errorf("%w: parts are numbered from 1 to %d", ErrUpload, maxPart)
	}
	_, u, err := s.findUpload(ctx, name, id)
	if err != nil {
		return Part{}, err
	}
	d, err := s.newDraft(partName(name, id, number), u.class, true)
	if err != nil {
		return Part{}, err
	}
	defer d.discard()
	// E9: all parts have the geometry that the object will have.
	d.geometry, d.blockSize, d.needed = u.geometry, u.blockSize, u.writeQuorum()
	if err := d.check(); err != nil {
		return Part{}, err
	}
	p, err := d.write(ctx, body, size, "", 1, objectDir(d.name)+"/"+d.shard(1), false)
	if err != nil {
		return Part{}, err
	}
	d.size, d.etag = p.Size, p.ETag
	if err := d.writeVersion(ctx); err != nil {
		return Part{}, err
	}
	release, err := s.lockUpload(ctx, id, false)
	if err != nil {
		return Part{}, err
	}
	defer release()
	if _, _, err := s.findUpload(ctx, name, id); err != nil {
		return Part{}, err
	}
	if _, err := s.commit(ctx, d, &Condition{}); err != nil {
		return Part{}, err
	}
	return d.part(number), nil
}

// part is a part, of which this is the version.
func (v *version) part(number int) Part {
	return Part{Number: number, Size: v.size, ETag: v.etag, Modified: v.info("").Modified, id: v.ID}
}

// findPart finds a part of an upload.
func (s *Store) findPart(ctx context.Context, name, id string, number int) (*census, *tally, error) {
	c, t, release, err := s.find(ctx, partName(name, id, number), "null")
	if err != nil {
		return nil, nil, err
	}
	release()
	return c, t, nil
}

// numbers are the parts of an upload that a drive has something of.
func (c *census) numbers() []int {
	var numbers []int
	for _, a := range c.answers {
		for _, dir := range a.below {
			if n, err := strconv.Atoi(dir); err == nil && n >= 1 && n <= maxPart {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}

// ListParts returns the parts of an upload behind number after, at most max; 1000
// if max is 0.
func (s *Store) ListParts(ctx context.Context, name, upload string, after, max int) (Upload, []Part, error) {
	if err := s.enter(name); err != nil {
		return Upload{}, nil, err
	}
	defer s.leave()
	c, u, err := s.findUpload(ctx, name, upload)
	if err != nil {
		return Upload{}, nil, fmt.Errorf("erasure: list parts of %q: %w", name, err)
	}
	if max == 0 {
		max = maxPage
	}
	var parts []Part
	for _, n := range c.numbers() {
		if n <= after {
			continue
		}
		if len(parts) >= max {
			break
		}
		switch _, t, err := s.findPart(ctx, name, upload, n); {
		case err == nil:
			parts = append(parts, t.part(n))
		case !errors.Is(err, ErrNotFound):
			return Upload{}, nil, fmt.Errorf("erasure: list parts of %q: %w", name, err)
		}
	}
	return u.upload(upload), parts, nil
}

// ListUploads returns uploads of names with the prefix, by name and start.
func (s *Store) ListUploads(ctx context.Context, prefix string) ([]Upload, error) {
	if err := s.use(); err != nil {
		return nil, err
	}
	defer s.leave()
	var uploads []Upload
	err := s.eachUpload(ctx, s.sets, func(_ *set, id, name string) error {
		if !strings.HasPrefix(name, prefix) || name == "" {
			return nil
		}
		_, u, err := s.findUpload(ctx, name, id)
		if err == nil {
			uploads = append(uploads, u.upload(id))
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("erasure: list uploads: %w", err)
	}
	slices.SortFunc(uploads, func(a, b Upload) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return a.Started.Compare(b.Started)
	})
	return uploads, nil
}

// eachUpload calls do for everything that lies under uploads: the ID, and the name
// of the object, if a drive has the upload's version file; else "".
func (s *Store) eachUpload(ctx context.Context, sets []*set, do func(set *set, id, name string) error) error {
	for _, set := range sets {
		w := &walk{store: s, sets: sets}
		var ids []string
		silent := 0
		for _, a := range w.listSet(ctx, set, uploadsDir) {
			ids = append(ids, a.below...)
			if a.err != nil || a.rebuilding {
				silent++
			}
		}
		if silent >= majority(len(set.places)) {
			return fmt.Errorf("%w: %d of %d drives of set %d do not answer", ErrReadQuorum, silent, len(set.places), set.index)
		}
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			name, err := s.nameOf(ctx, set, id)
			if err == nil {
				err = do(set, id, name)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// nameOf is the name of the object that an upload is for, as far as a drive tells.
func (s *Store) nameOf(ctx context.Context, set *set, id string) (string, error) {
	c := &census{store: s, set: set, name: uploadName("", id), dir: uploadsDir + "/" + id}
	c.ask(ctx, newest, quorum[answer](s, majority(len(set.places))))
	for _, key := range c.keys() {
		if t := c.tally(ctx, key); t.holding > 0 {
			return t.metadata[forName], nil
		}
	}
	return "", ctx.Err()
}

// AbortUpload removes an upload and its parts.
func (s *Store) AbortUpload(ctx context.Context, name, upload string) error {
	if err := s.enter(name); err != nil {
		return err
	}
	defer s.leave()
	release, err := s.lockUpload(ctx, upload, true)
	if err == nil {
		defer release()
		var c *census
		if c, _, err = s.findUpload(ctx, name, upload); err == nil {
			err = s.endUpload(ctx, c, name, upload)
		}
	}
	if err != nil {
		return fmt.Errorf("erasure: abort upload of %q: %w", name, err)
	}
	return nil
}

// endUpload removes an upload, first itself, then its parts: without it they are
// remains, which a heal purges.
func (s *Store) endUpload(ctx context.Context, c *census, name, id string) error {
	if _, err := s.erase(ctx, uploadName(name, id), &DeleteOptions{}); err != nil {
		return err
	}
	s.removeParts(ctx, c)
	return nil
}

// removeParts removes all files of all parts of an upload that has ended.
func (s *Store) removeParts(ctx context.Context, c *census) {
	for _, n := range c.numbers() {
		part := &census{store: s, set: c.set, name: c.name, dir: fmt.Sprintf("%s/%d", c.dir, n)}
		part.ask(ctx, none, quorum[answer](s, majority(len(c.set.places))))
		// A directory that was emptied before a power cut may be back: it goes with
		// a file that is not there.
		paths := []string{part.dir + "/" + versionKey{}.file()}
		for _, key := range part.keys() {
			paths = append(paths, part.dir+"/"+key.file())
		}
		for _, a := range part.answers {
			for _, file := range a.tree.shards {
				paths = append(paths, part.dir+"/"+file)
			}
		}
		s.remove(ctx, c.set, c.set.all(), paths, 0)
	}
}

// uploads heals the uploads, and purges what is left of those that have ended.
func (h *healer) uploads(ctx context.Context, sets []*set) error {
	return h.store.eachUpload(ctx, sets, func(set *set, id, name string) error {
		if name != "" {
			if err := h.upload(ctx, name, id); err != nil {
				return err
			}
		}
		return h.ended(ctx, set, name, id)
	})
}

func (h *healer) upload(ctx context.Context, name, id string) error {
	if err := h.object(ctx, uploadName(name, id)); err != nil {
		return err
	}
	c := h.store.lookAtAll(ctx, uploadName(name, id))
	for _, n := range c.numbers() {
		if err := h.object(ctx, partName(name, id, n)); err != nil {
			return err
		}
	}
	return nil
}

// ended removes the parts of an upload that is not there, or that has become its
// object and was not removed then.
func (h *healer) ended(ctx context.Context, set *set, name, id string) error {
	release, err := h.store.lockUpload(ctx, id, true)
	if err != nil {
		return err
	}
	defer release()
	c := &census{store: h.store, set: set, name: uploadName(name, id), dir: uploadsDir + "/" + id}
	c.ask(ctx, every, quorum[answer](h.store, majority(len(set.places))))
	if c.silent() >= majority(len(c.answers)) {
		return ctx.Err()
	}
	begun := len(c.keys()) > 0
	complete := false
	if begun && name != "" {
		complete, _ = h.store.isComplete(ctx, name, id) // who does not know keeps it
	}
	if begun && !complete || !begun && len(c.numbers()) == 0 {
		return nil
	}
	h.report.Purged++
	if h.dry {
		return nil
	}
	if begun {
		err := h.store.endUpload(ctx, c, name, id)
		if !errors.Is(err, ErrReadQuorum) {
			return err
		}
		// With a drive that is new nobody can know of it, and it is over all the same:
		// left there, it would keep that drive from ever being an ordinary one.
		for _, key := range c.keys() {
			h.store.removeVersion(ctx, c, c.set.all(), key, 0)
		}
	}
	h.store.removeParts(ctx, c)
	return nil
}
