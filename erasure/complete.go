// The end of an upload: its parts become an object, at once (E4).

package erasure

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// CompleteUpload makes the parts, by number and ETag, in ascending order, the
// current version of the object. All but the last have at least MinPart bytes.
//
// On each drive the shards of the parts are renamed, then the version file, so it
// is a put like any other. The version has the ID of the upload: should the upload
// still be there after a power cut, it is known to be complete. When the error is
// not ErrOutcomeUnknown the upload goes on, with all its parts.
func (s *Store) CompleteUpload(ctx context.Context, name, upload string, parts []Part, c Condition, versioned bool) (Info, error) {
	if err := s.enter(name); err != nil {
		return Info{}, err
	}
	defer s.leave()
	info, err := s.completeUpload(ctx, name, upload, parts, &c, versioned)
	if err != nil {
		return Info{}, fmt.Errorf("erasure: complete upload of %q: %w", name, err)
	}
	return info, nil
}

func (s *Store) completeUpload(ctx context.Context, name, id string, parts []Part, cond *Condition, versioned bool) (Info, error) {
	release, err := s.lockUpload(ctx, id, true)
	if err != nil {
		return Info{}, err
	}
	defer release()
	c, u, err := s.findUpload(ctx, name, id)
	if err != nil {
		return Info{}, err
	}
	switch complete, err := s.isComplete(ctx, name, id); {
	case err != nil:
		return Info{}, err
	case complete:
		if err := s.endUpload(ctx, c, name, id); err != nil {
			return Info{}, err
		}
		return Info{}, fmt.Errorf("%w: upload %s is complete", ErrNotFound, id)
	}
	if err := s.recallParts(ctx, name, id); err != nil {
		return Info{}, err
	}
	d, err := s.assemble(ctx, u, name, id, parts)
	if err != nil {
		return Info{}, err
	}
	defer d.discard()
	d.setNull(!versioned)
	if err := d.writeVersion(ctx); err != nil {
		return Info{}, err
	}
	info, err := s.commit(ctx, d, cond)
	if err != nil {
		return Info{}, err
	}
	if err := s.endUpload(context.WithoutCancel(ctx), c, name, id); err != nil {
		s.o.Logger.Warn("remains of an upload", "object", name, "upload", id, "err", err)
	}
	return info, nil
}

// isComplete reports whether the upload has become a version of its object. When too
// few drives answer to know, that is an error: the shards of the version are those of
// the parts, and who takes them for parts takes them away.
func (s *Store) isComplete(ctx context.Context, name, id string) (bool, error) {
	c := s.look(ctx, name, none)
	for _, key := range c.keys() {
		if uploadOf(key) == id {
			t := c.tally(ctx, key)
			if t.verdict == unknown {
				return false, c.readQuorumError(t)
			}
			return t.verdict != never, nil
		}
	}
	return false, ctx.Err()
}

// goesOn reports whether there is such an upload, or may be: when too few drives answer
// to know, what is left of it is better kept.
func (s *Store) goesOn(ctx context.Context, name, id string) bool {
	c := s.look(ctx, uploadName(name, id), newest)
	for _, key := range c.keys() {
		return c.tally(ctx, key).verdict != never
	}
	return false
}

// uploadOf is the ID of the upload that a version may have come from.
func uploadOf(key versionKey) string {
	key.ID[0] &^= nullBit
	return hex.EncodeToString(key.ID[:])
}

// assemble is the draft of an object made of parts. Its places are those that have
// all of them; where too few have, the parts are healed first.
func (s *Store) assemble(ctx context.Context, u *tally, name, id string, parts []Part) (*draft, error) {
	if err := inOrder(parts); err != nil {
		return nil, err
	}
	set := s.setOf(name)
	d := &draft{store: s, set: set, name: name, places: set.all(), needed: u.writeQuorum(),
		files: make([]FileWriter, len(set.places)), began: make([]Drive, len(set.places))}
	d.geometry, d.blockSize, d.class = u.geometry, u.blockSize, u.class
	d.etag, d.metadata = u.etag, u.upload(id).Metadata
	hex.Decode(d.ID[:], []byte(id))
	d.tmpID = s.newID(false)
	for i, p := range set.places {
		d.began[i], _ = p.use()
	}
	for i, want := range parts {
		if err := s.takePart(ctx, d, id, want, i == len(parts)-1); err != nil {
			return nil, err
		}
	}
	if d.etag == "" {
		d.etag = etagOf(d.parts)
	}
	return d, d.check()
}

// takePart adds a part to the draft.
func (s *Store) takePart(ctx context.Context, d *draft, id string, want Part, last bool) error {
	c, t, err := s.findPart(ctx, d.name, id, want.Number)
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%w: part %d was not uploaded", ErrUpload, want.Number)
	case err != nil:
		return err
	case strings.Trim(want.ETag, `"`) != t.etag:
		return fmt.Errorf("%w: part %d has ETag %s, not %.40s", ErrUpload, want.Number, t.etag, want.ETag)
	case !last && t.size < MinPart:
		return fmt.Errorf("%w: part %d has %d bytes, and all but the last must have %d", ErrUpload, want.Number, t.size, MinPart)
	}
	if len(d.parts) == 0 {
		d.index = t.indexes(d.name)
	}
	if len(t.withShards(d)) < d.needed {
		h := &healer{store: s}
		if err := h.object(ctx, c.name); err != nil {
			return err
		}
		if c, t, err = s.findPart(ctx, d.name, id, want.Number); err != nil {
			return err
		}
	}
	d.places = t.withShards(d)
	d.parts = append(d.parts, t.part(want.Number))
	d.size += t.size
	if t.size > 0 {
		d.moves = append(d.moves, Move{c.dir + "/" + t.shard(1), objectDir(d.name) + "/" + d.shard(want.Number)})
	}
	return nil
}

// indexes are the shards that the places have.
func (t *tally) indexes(name string) []int {
	index := make([]int, len(t.holdings))
	for i, h := range t.holdings {
		if index[i] = shardAt(name, i, len(index)); h != nil {
			index[i] = h.shard
		}
	}
	return index
}

// withShards are those places of a draft that have the shard of a part that they
// are to have of the object.
func (t *tally) withShards(d *draft) []int {
	return slices.DeleteFunc(slices.Clone(d.places), func(i int) bool {
		h := t.holdings[i]
		return h == nil || h.shard != d.index[i]
	})
}

// inOrder checks what can be seen without looking.
func inOrder(parts []Part) error {
	if len(parts) == 0 {
		return fmt.Errorf("%w: it has no parts", ErrUpload)
	}
	for i, p := range parts {
		if p.Number < 1 || p.Number > maxPart || i > 0 && p.Number <= parts[i-1].Number {
			return fmt.Errorf("%w: part %d is out of order", ErrUpload, p.Number)
		}
	}
	return nil
}

// etagOf is S3's ETag of a multipart object: the MD5 of the parts' MD5s, and how
// many there are.
func etagOf(parts []Part) string {
	h := md5.New()
	for _, p := range parts {
		sum, _ := hex.DecodeString(p.ETag)
		h.Write(sum)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(parts))
}

// setNull makes the draft a null version, or one that is kept. Its shards are named
// after the ID.
func (d *draft) setNull(null bool) {
	d.ID[0] &^= nullBit
	if null {
		d.ID[0] |= nullBit
	}
	i := 0
	for _, p := range d.parts {
		if p.Size > 0 {
			d.moves[i].To = objectDir(d.name) + "/" + d.shard(p.Number)
			i++
		}
	}
}

// uploaded reports whether the version was made of the parts of an upload.
func (v *version) uploaded() bool { return len(v.parts) > 0 && v.parts[0].id != [16]byte{} }

// giveBack undoes the completion of an upload on places: the version file is
// removed, and the shards are renamed to where they were, for the upload goes on.
func (s *Store) giveBack(ctx context.Context, c *census, places []int, v *version, needed int) []outcome[struct{}] {
	id := uploadOf(v.versionKey)
	f := ask(ctx, s, c.set, places, changing, func(ctx context.Context, p *place, d Drive) (struct{}, error) {
		err := d.Remove(ctx, c.dir+"/"+v.file())
		for _, part := range v.parts {
			if err != nil {
				break
			}
			if part.Size > 0 {
				err = d.Commit(ctx, Move{
					From: c.dir + "/" + v.shard(part.Number),
					To:   objectDir(partName(c.name, id, part.Number)) + "/" + versionKey{ID: part.id}.shard(1),
				})
			}
			if errors.Is(err, fs.ErrNotExist) {
				err = nil // it was not renamed, or is back
			}
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", d, err)
		}
		return struct{}{}, err
	}, nil)
	return f.wait(quorum[struct{}](s, needed))
}

// recallParts gives the upload back what a completion that was cut off has left in
// the object's directory: shards without a version file.
func (s *Store) recallParts(ctx context.Context, name, id string) error {
	release, err := s.locks.acquire(ctx, name, true)
	if err != nil {
		return err
	}
	defer release()
	c := s.lookAtAll(ctx, name)
	for i, files := range c.strays(nil) {
		for _, file := range files {
			s.recall(ctx, c, i, file, id)
		}
	}
	return ctx.Err()
}

// recall renames a stray shard to where it was before its upload, of this ID, was
// to be completed. It reports whether the shard is such a one. Should the part have
// been replaced since, its seals tell.
func (s *Store) recall(ctx context.Context, c *census, i int, file, id string) bool {
	key, number, _ := parseShardFile(file)
	if uploadOf(versionKey{ID: key}) != id {
		return false
	}
	part := s.look(ctx, partName(c.name, id, number), newest)
	keys := part.keys()
	if len(keys) == 0 {
		return false
	}
	to := keys[0].shard(1)
	if slices.Contains(part.answers[i].tree.shards, to) {
		return false
	}
	f := ask(ctx, s, c.set, []int{i}, changing, func(ctx context.Context, p *place, d Drive) (struct{}, error) {
		return struct{}{}, d.Commit(ctx, Move{c.dir + "/" + file, part.dir + "/" + to})
	}, nil)
	return succeeded(f.wait(quorum[struct{}](s, 0))) > 0
}
