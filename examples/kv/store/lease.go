package store

// Leases, as the members agree on them: that they are, and which keys are
// attached. When they end, the leader decides (lessor.go), and says so through
// the log by revoking them.

func (w *writer) leaseGrant(r *LeaseGrantRequest) (*LeaseGrantResponse, error) {
	if r.ID == 0 {
		return nil, ErrLeaseNotFound // 0 means none; etcd answers so too
	}
	if _, ok := w.storage.Get(tableLeases, idKey(r.ID)); ok {
		return nil, ErrLeaseExist
	}
	l := Lease{ID: r.ID, TTL: max(r.TTL, 1)}
	w.storage.Set(tableLeases, idKey(l.ID), l.encode())
	w.meta.leases++
	w.grow(leaseCost)
	w.lessor.granted(l)
	return &LeaseGrantResponse{Revision: w.meta.revision, ID: l.ID, TTL: l.TTL}, nil
}

// leaseRevoke deletes the keys in their order: the order of changes is part of
// the state.
func (w *writer) leaseRevoke(r *LeaseRevokeRequest) (*LeaseRevokeResponse, error) {
	if _, ok := w.storage.Get(tableLeases, idKey(r.ID)); !ok {
		return nil, ErrLeaseNotFound
	}
	w.meta.leases--
	w.meta.inUse -= leaseCost
	for _, key := range attached(w.storage, r.ID) {
		w.delete(get(w.storage, key, latest))
	}
	w.storage.Delete(tableLeases, idKey(r.ID)) // last: see piece.go
	w.lessor.revoked(r.ID)
	return &LeaseRevokeResponse{Revision: w.now()}, nil
}

func (w *writer) leaseCheckpoint(r *LeaseCheckpointRequest) *LeaseCheckpointResponse {
	for _, p := range r.Checkpoints {
		row, ok := w.storage.Get(tableLeases, idKey(p.ID))
		if !ok {
			continue // revoked while this was on its way
		}
		l := decodeLease(idKey(p.ID), row)
		l.Remaining = min(max(p.Remaining, 0), l.TTL)
		w.storage.Set(tableLeases, idKey(p.ID), l.encode())
		w.lessor.checkpointed(l)
	}
	return &LeaseCheckpointResponse{Revision: w.meta.revision}
}

// attached returns the keys of a lease.
func attached(r Reader, id int64) (keys [][]byte) {
	prefix := idKey(id)
	c := r.Cursor(tableLeaseKeys)
	defer c.Close()
	for c.Seek(prefix); c.Valid() && idOf(c.Key()[:8]) == id; c.Next() {
		keys = append(keys, c.Key()[8:])
	}
	return keys
}

func leasesOf(r Reader) (leases []Lease) {
	c := r.Cursor(tableLeases)
	defer c.Close()
	for c.Seek(nil); c.Valid(); c.Next() {
		leases = append(leases, decodeLease(c.Key(), c.Value()))
	}
	return leases
}

// Leases returns all leases in the order of their ids.
func (s *Store) Leases() []Lease {
	v := s.read()
	defer v.Close()
	return leasesOf(v)
}

// Lease returns a lease and, if asked, the keys attached to it, in order.
// ErrLeaseNotFound.
func (s *Store) Lease(id int64, withKeys bool) (l Lease, keys [][]byte, err error) {
	defer Caught(&err)
	v := s.read()
	defer v.Close()
	row, ok := v.Get(tableLeases, idKey(id))
	if !ok {
		return Lease{}, nil, ErrLeaseNotFound
	}
	if withKeys {
		keys = attached(v, id)
	}
	return decodeLease(idKey(id), row), keys, nil
}

// Lessor returns the store's book of deadlines, which the leader keeps.
func (s *Store) Lessor() *Lessor { return &s.lessor }
