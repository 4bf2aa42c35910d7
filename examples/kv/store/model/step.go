package model

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// Step executes a command: the state after it, what it answers, or why it is
// refused; then nothing changed. What is refused whatever the state,
// store.Validate says.
func (s *State) Step(cmd store.Command) (*State, store.Response, error) {
	if err := store.Validate(cmd); err != nil {
		return s, nil, err
	}
	for a := range s.Alarms {
		if a.Type == store.AlarmCorrupt && s.writes(cmd) {
			return s, nil, store.ErrCorrupt
		}
	}
	for a := range s.Alarms {
		if a.Type == store.AlarmNoSpace && store.Cost(cmd) > 0 {
			return s, nil, store.ErrNoSpace
		}
	}
	next := s.begin()
	resp, err := next.execute(cmd)
	if err != nil {
		return s, nil, err
	}
	if len(next.Events) == 0 { // no key changed, so there is no revision
		next.Revision, next.Events, next.past = s.Revision, s.Events, s.past
	}
	if _, ok := cmd.(*store.DefragmentRequest); ok {
		next.Size = next.SizeInUse()
	}
	next.Size = max(next.Size, next.SizeInUse())
	return next, resp, nil
}

func (s *State) writes(cmd store.Command) bool {
	switch cmd.(type) {
	case *store.AlarmRequest, *store.LeaseCheckpointRequest, *store.DefragmentRequest, *store.MemberSetRequest, *store.MemberRemoveRequest:
		return false
	}
	return true
}

// begin copies everything, for the next revision.
func (s *State) begin() *State {
	next := *s
	next.Revision, next.past, next.Events = s.Revision+1, s, nil
	next.Keys = clone(s.Keys)
	next.Leases = clone(s.Leases)
	next.Alarms = clone(s.Alarms)
	next.Members = clone(s.Members)
	next.records = slices.Clone(s.records)
	return &next
}

func clone[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// now is the revision to show: the new one once something changed.
func (s *State) now() int64 {
	if len(s.Events) > 0 {
		return s.Revision
	}
	return s.past.Revision
}

func (s *State) execute(cmd store.Command) (store.Response, error) {
	before := s.past.Revision
	switch r := cmd.(type) {
	case *store.PutRequest:
		if err := s.mayPut(r); err != nil {
			return nil, err
		}
		return s.put(r), nil
	case *store.DeleteRangeRequest:
		return s.delete(r), nil
	case *store.TxnRequest:
		before := s.past
		if err := s.mayTxn(r, before); err != nil {
			return nil, err
		}
		return s.txn(r, before), nil
	case *store.CompactionRequest:
		switch {
		case r.Revision <= s.Compacted:
			return nil, store.ErrCompacted
		case r.Revision > before:
			return nil, store.ErrFutureRev
		}
		s.Compacted = r.Revision
		s.records = compacted(s.records, r.Revision)
		return &store.CompactionResponse{Revision: before}, nil
	case *store.DefragmentRequest:
		return &store.DefragmentResponse{Revision: before, Size: s.SizeInUse()}, nil
	case *store.MemberSetRequest:
		s.Members[r.ID] = r.Member
		return &store.MemberSetResponse{Revision: before}, nil
	case *store.MemberRemoveRequest:
		delete(s.Members, r.ID)
		maps.DeleteFunc(s.Alarms, func(a store.Alarm, _ bool) bool { return a.Member == r.ID })
		return &store.MemberRemoveResponse{Revision: before}, nil
	case *store.AlarmRequest:
		return s.alarm(r), nil
	}
	return s.lease(cmd)
}

func (s *State) lease(cmd store.Command) (store.Response, error) {
	before := s.past.Revision
	switch r := cmd.(type) {
	case *store.LeaseGrantRequest:
		if r.ID == 0 {
			return nil, store.ErrLeaseNotFound
		}
		if _, ok := s.Leases[r.ID]; ok {
			return nil, store.ErrLeaseExist
		}
		l := store.Lease{ID: r.ID, TTL: max(r.TTL, 1)}
		s.Leases[r.ID] = l
		return &store.LeaseGrantResponse{Revision: before, ID: l.ID, TTL: l.TTL}, nil
	case *store.LeaseRevokeRequest:
		if _, ok := s.Leases[r.ID]; !ok {
			return nil, store.ErrLeaseNotFound
		}
		for _, k := range s.Attached(r.ID) {
			s.remove(k)
		}
		delete(s.Leases, r.ID)
		return &store.LeaseRevokeResponse{Revision: s.now()}, nil
	case *store.LeaseCheckpointRequest:
		for _, c := range r.Checkpoints {
			if l, ok := s.Leases[c.ID]; ok {
				l.Remaining = max(0, min(c.Remaining, l.TTL))
				s.Leases[c.ID] = l
			}
		}
		return &store.LeaseCheckpointResponse{Revision: before}, nil
	}
	panic("model: not a command")
}

func (s *State) mayPut(r *store.PutRequest) error {
	_, exists := s.Keys[string(r.Key)]
	if (r.IgnoreLease || r.IgnoreValue) && !exists {
		return store.ErrKeyNotFound
	}
	if _, ok := s.Leases[r.Lease]; r.Lease != 0 && !ok {
		return store.ErrLeaseNotFound
	}
	return nil
}

func (s *State) put(r *store.PutRequest) *store.PutResponse {
	resp := &store.PutResponse{Revision: s.Revision}
	kv := store.KeyValue{
		Key: r.Key, Value: r.Value, Lease: r.Lease,
		CreateRevision: s.Revision, ModRevision: s.Revision, Version: 1,
	}
	event := store.Event{Type: store.EventPut, KV: &kv}
	if old, ok := s.Keys[string(r.Key)]; ok {
		kv.CreateRevision, kv.Version = old.CreateRevision, old.Version+1
		if r.IgnoreValue {
			kv.Value = old.Value
		}
		if r.IgnoreLease {
			kv.Lease = old.Lease
		}
		event.PrevKV = &old
		if r.PrevKV {
			resp.PrevKV = &old
		}
	}
	s.Keys[string(r.Key)] = kv
	s.Events = append(s.Events, event)
	s.records = append(s.records, record{string(r.Key), s.Revision, 256 + int64(len(kv.Key)+len(kv.Value)), false})
	return resp
}

func (s *State) delete(r *store.DeleteRangeRequest) *store.DeleteRangeResponse {
	resp := &store.DeleteRangeResponse{}
	for _, kv := range s.find(r.Key, r.End) {
		s.remove(string(kv.Key))
		resp.Deleted++
		if r.PrevKV {
			resp.PrevKVs = append(resp.PrevKVs, &kv)
		}
	}
	resp.Revision = s.now()
	return resp
}

func (s *State) remove(key string) {
	old := s.Keys[key]
	delete(s.Keys, key)
	s.Events = append(s.Events, store.Event{
		Type: store.EventDelete, PrevKV: &old, KV: &store.KeyValue{Key: []byte(key), ModRevision: s.Revision},
	})
	s.records = append(s.records, record{key, s.Revision, 256 + int64(len(key)), true})
}

func (s *State) branch(r *store.TxnRequest, before *State) (ops []store.Op, succeeded bool) {
	for i := range r.Compare {
		if !before.holds(&r.Compare[i]) {
			return r.Failure, false
		}
	}
	return r.Success, true
}

func (s *State) holds(c *store.Compare) bool {
	kvs := s.find(c.Key, c.End)
	if len(kvs) == 0 {
		if c.Target == store.CompareValue {
			return false
		}
		kvs = []store.KeyValue{{}}
	}
	for _, kv := range kvs {
		var order int
		switch c.Target {
		case store.CompareVersion:
			order = cmp.Compare(kv.Version, c.Number)
		case store.CompareCreate:
			order = cmp.Compare(kv.CreateRevision, c.Number)
		case store.CompareMod:
			order = cmp.Compare(kv.ModRevision, c.Number)
		case store.CompareLease:
			order = cmp.Compare(kv.Lease, c.Number)
		case store.CompareValue:
			order = bytes.Compare(kv.Value, c.Value)
		}
		holds := map[store.CompareResult]bool{
			store.Equal: order == 0, store.NotEqual: order != 0, store.Greater: order > 0, store.Less: order < 0,
		}
		if !holds[c.Result] {
			return false
		}
	}
	return true
}

// mayTxn asks for every operation that will be executed, on the state before.
func (s *State) mayTxn(r *store.TxnRequest, before *State) error {
	ops, _ := s.branch(r, before)
	for _, op := range ops {
		var err error
		switch {
		case op.Range != nil:
			err = before.readable(op.Range.Revision)
		case op.Put != nil:
			err = before.mayPut(op.Put)
		case op.Txn != nil:
			err = s.mayTxn(op.Txn, before)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *State) txn(r *store.TxnRequest, before *State) *store.TxnResponse {
	ops, succeeded := s.branch(r, before)
	resp := &store.TxnResponse{Succeeded: succeeded}
	for _, op := range ops {
		var out store.OpResponse
		switch {
		case op.Range != nil:
			out.Range = s.rangeAt(op.Range, s.now())
		case op.Put != nil:
			out.Put = s.put(op.Put)
		case op.DeleteRange != nil:
			out.DeleteRange = s.delete(op.DeleteRange)
		case op.Txn != nil:
			out.Txn = s.txn(op.Txn, before)
		}
		resp.Responses = append(resp.Responses, out)
	}
	resp.Revision = s.now()
	return resp
}

func (s *State) alarm(r *store.AlarmRequest) *store.AlarmResponse {
	resp := &store.AlarmResponse{Revision: s.past.Revision}
	switch r.Action {
	case store.AlarmGet:
		for a := range s.Alarms {
			if r.Type == store.AlarmNone || a.Type == r.Type {
				resp.Alarms = append(resp.Alarms, a)
			}
		}
		slices.SortFunc(resp.Alarms, func(a, b store.Alarm) int {
			return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Member, b.Member))
		})
	case store.AlarmActivate:
		if r.Type != store.AlarmNone {
			s.Alarms[r.Alarm] = true
			resp.Alarms = []store.Alarm{r.Alarm}
		}
	case store.AlarmDeactivate:
		if s.Alarms[r.Alarm] {
			delete(s.Alarms, r.Alarm)
			resp.Alarms = []store.Alarm{r.Alarm}
		}
	}
	return resp
}

// compacted is what compaction leaves: what is seen at the revision, and all
// that happened at it or later.
func compacted(records []record, at int64) (left []record) {
	for i, r := range records {
		seen := !r.deletion && !slices.ContainsFunc(records[i+1:], func(later record) bool {
			return later.key == r.key && later.main <= at
		})
		if r.main >= at || seen {
			left = append(left, r)
		}
	}
	return left
}
