package store

import "bytes"

// Changing keys. All changes of one command share one revision, and are
// numbered inside it; a command that changes no key makes no revision.

// Etcd's cost model, see its quota: what a key costs beyond its bytes, and a
// lease.
const (
	keyCost   = 256
	leaseCost = 64
)

// writer executes one command. It reads what it wrote.
type writer struct {
	*Store
	revision int64  // of the changes, if there are any
	sub      uint32 // changes made
	changes  []*change
	piece    int      // bytes of changes since the last piece was committed
	leases   []attach // to be made at the end
}

// attach is a key attached to a lease, or not any more.
type attach struct {
	row  []byte
	gone bool
}

// now is the revision to show in a response.
func (w *writer) now() int64 {
	if w.sub > 0 {
		return w.revision
	}
	return w.meta.revision
}

func (w *writer) put(r *PutRequest) (*PutResponse, error) {
	if err := w.checkPut(r); err != nil {
		return nil, err
	}
	prev := get(w.storage, r.Key, latest)
	v := version{count: 1, create: w.revision, lease: r.Lease, value: r.Value}
	if prev != nil {
		v.count, v.create = prev.Version+1, prev.CreateRevision
	}
	if r.IgnoreValue {
		v.value = prev.Value
	}
	if r.IgnoreLease {
		v.lease = prev.Lease
	}
	if prev != nil && prev.Lease != 0 && prev.Lease != v.lease {
		w.leases = append(w.leases, attach{leaseKey(prev.Lease, r.Key), true})
	}
	if v.lease != 0 {
		w.leases = append(w.leases, attach{leaseKey(v.lease, r.Key), false})
	}
	w.change(r.Key, &v, prev)
	resp := &PutResponse{Revision: w.revision}
	if r.PrevKV {
		resp.PrevKV = prev
	}
	return resp, nil
}

// checkPut refuses what the state does not allow. It changes nothing, so that
// a transaction can ask for all its puts before the first.
func (w *writer) checkPut(r *PutRequest) error {
	if (r.IgnoreValue || r.IgnoreLease) && get(w.storage, r.Key, latest) == nil {
		return ErrKeyNotFound
	}
	if r.Lease != 0 {
		if _, ok := w.storage.Get(tableLeases, idKey(r.Lease)); !ok {
			return ErrLeaseNotFound
		}
	}
	return nil
}

// deleteAtOnce is how many keys are looked for before they are deleted: what is
// written ends the cursor, and all of them may be more than memory holds.
const deleteAtOnce = 1000

func (w *writer) deleteRange(r *DeleteRangeRequest) *DeleteRangeResponse {
	resp := &DeleteRangeResponse{}
	rest := spanOf(r.Key, r.End)
	for more := true; more; {
		var gone []*KeyValue
		scan(w.storage, rest, latest, func(prefix []byte, mod int64, row []byte) bool {
			v := decodeVersion(row)
			gone = append(gone, v.keyValue(keyOf(prefix), mod))
			return len(gone) < deleteAtOnce
		})
		for _, kv := range gone {
			w.delete(kv)
		}
		resp.Deleted += int64(len(gone))
		if r.PrevKV {
			resp.PrevKVs = append(resp.PrevKVs, gone...)
		}
		if more = len(gone) == deleteAtOnce && !rest.single; more {
			rest.key = append(bytes.Clone(gone[len(gone)-1].Key), 0)
		}
	}
	resp.Revision = w.now()
	return resp
}

// delete writes that a living key is gone.
func (w *writer) delete(kv *KeyValue) {
	if kv.Lease != 0 {
		w.leases = append(w.leases, attach{leaseKey(kv.Lease, kv.Key), true})
	}
	w.change(kv.Key, &version{}, kv)
}

// change writes a version, or with count 0 a deletion.
func (w *writer) change(key []byte, v *version, prev *KeyValue) {
	at := revision{w.revision, w.sub}
	w.sub++
	row, encoded := indexKey(key, at), v.encode()
	// From here on the rows' own bytes are used: the command's would keep all
	// of it in memory for as long as one key lives.
	prefix, _ := splitIndexKey(row)
	key = keyOf(prefix)
	w.storage.Set(tableIndex, row, encoded)
	w.storage.Set(tableHistory, historyKey(at), key)
	w.grow(v.cost(key))
	if w.piece += len(row) + len(encoded) + len(key) + revisionSize; w.piece > pieceBytes {
		w.storage.Commit()
		w.piece = 0
	}
	if w.watch.listening() {
		w.changes = append(w.changes, newChange(at, key, encoded, prev))
	}
}

// grow accounts for bytes. Room that was freed is used before more is taken,
// as a file of pages does; so the size is the most that was ever in use.
func (w *writer) grow(n int64) {
	w.meta.inUse += n
	w.meta.size = max(w.meta.size, w.meta.inUse)
}

// compact forgets what nobody reads at the revision or later. The history says
// which keys changed since the last compaction; only these have anything to
// forget.
//
//	compact at 4       before          after
//	a                  ^5 ^2 ^1        ^5 ^2     2 is what 4 sees
//	b                  ^3d ^2                    gone, and was before 4
//	c                  ^4d ^1          ^4d       a watch from 4 has to tell it
func (w *writer) compact(r *CompactionRequest) (*CompactionResponse, error) {
	switch {
	case r.Revision <= w.meta.compacted:
		return nil, ErrCompacted
	case r.Revision > w.meta.revision:
		return nil, ErrFutureRev
	}
	from := revision{main: max(w.meta.compacted, 0)}
	w.meta.compacted = r.Revision
	w.sweep(from)
	return &CompactionResponse{Revision: w.meta.revision}, nil
}

// forget deletes the versions of a key that compaction takes, if at is its
// newest that is compacted.
func (w *writer) forget(c Cursor, key []byte, at revision, compacted int64) {
	prefix := appendPrefix(nil, key)
	c.Seek(appendNewestFirst(bytes.Clone(prefix), revision{compacted, latest.sub}))
	if !c.Valid() {
		panic("store: a row of the history leads nowhere")
	}
	if _, newest := splitIndexKey(c.Key()); newest != at {
		return
	}
	for ; c.Valid(); c.Next() {
		p, rev := splitIndexKey(c.Key())
		if !bytes.Equal(p, prefix) {
			return
		}
		v := decodeVersion(c.Value())
		if seen := rev == at && v.count > 0; seen || rev.main == compacted {
			continue
		}
		w.storage.Delete(tableIndex, c.Key())
		w.meta.inUse -= v.cost(key)
	}
}

func (w *writer) defragment() *DefragmentResponse {
	w.meta.size = w.meta.inUse
	w.storage.Defragment()
	return &DefragmentResponse{Revision: w.meta.revision, Size: w.meta.size}
}
