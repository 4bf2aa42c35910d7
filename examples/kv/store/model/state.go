package model

import (
	"bytes"
	"cmp"
	"maps"
	"slices"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// State is everything a store holds. States are never changed; Step returns a
// new one.
type State struct {
	Revision  int64
	Compacted int64 // -1: never
	Keys      map[string]store.KeyValue
	Leases    map[int64]store.Lease
	Alarms    map[store.Alarm]bool
	Members   map[uint64]store.Member
	Size      int64         // the most that was in use since the last defragmentation
	Events    []store.Event // of this revision
	records   []record
	past      *State // at the revision before; compaction does not cut it
}

// record is what a change left in the history: for accounting only.
type record struct {
	key      string
	main     int64
	size     int64
	deletion bool
}

// New returns the state of an empty store.
func New() *State { return &State{Revision: 1, Compacted: -1} }

// at returns the state as of a revision that there was.
func (s *State) at(rev int64) *State {
	for s.Revision > rev {
		s = s.past
	}
	return s
}

// EventsFrom returns all events of a revision and later, in order.
func (s *State) EventsFrom(rev int64) (events []store.Event) {
	for ; s != nil && s.Revision >= rev; s = s.past {
		events = append(slices.Clone(s.Events), events...)
	}
	return events
}

// SizeInUse adds up what the history holds, and the leases.
func (s *State) SizeInUse() (sum int64) {
	for _, r := range s.records {
		sum += r.size
	}
	return sum + 64*int64(len(s.Leases))
}

// Attached returns the keys of a lease, in order.
func (s *State) Attached(id int64) (keys []string) {
	for k, kv := range s.Keys {
		if kv.Lease == id {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys
}

func inside(key string, from, end []byte) bool {
	switch {
	case len(end) == 0:
		return key == string(from)
	case string(end) == "\x00":
		return key >= string(from)
	}
	return key >= string(from) && key < string(end)
}

// find returns the keys of a range, in order.
func (s *State) find(from, end []byte) (kvs []store.KeyValue) {
	for _, k := range slices.Sorted(maps.Keys(s.Keys)) {
		if inside(k, from, end) {
			kvs = append(kvs, s.Keys[k])
		}
	}
	return kvs
}

// readable tells whether a revision can be read.
func (s *State) readable(rev int64) error {
	if rev > s.Revision {
		return store.ErrFutureRev
	}
	if rev > 0 && rev < s.Compacted {
		return store.ErrCompacted
	}
	return nil
}

// Range answers a request.
func (s *State) Range(r *store.RangeRequest) (*store.RangeResponse, error) {
	if len(r.Key) == 0 {
		return nil, store.ErrEmptyKey
	}
	if err := s.readable(r.Revision); err != nil {
		return nil, err
	}
	return s.rangeAt(r, s.Revision), nil
}

func (s *State) rangeAt(r *store.RangeRequest, now int64) *store.RangeResponse {
	then := s
	if r.Revision > 0 {
		then = s.at(r.Revision)
	}
	all := then.find(r.Key, r.End)
	resp := &store.RangeResponse{Revision: now, Count: int64(len(all))}
	if r.CountOnly {
		return resp
	}
	for _, kv := range all {
		tooOld := kv.ModRevision < r.MinModRevision || kv.CreateRevision < r.MinCreateRevision
		tooNew := r.MaxModRevision != 0 && kv.ModRevision > r.MaxModRevision ||
			r.MaxCreateRevision != 0 && kv.CreateRevision > r.MaxCreateRevision
		if !tooOld && !tooNew {
			resp.KVs = append(resp.KVs, &kv)
		}
	}
	order := func(a, b *store.KeyValue) int {
		switch r.SortTarget {
		case store.SortByVersion:
			return cmp.Compare(a.Version, b.Version)
		case store.SortByCreate:
			return cmp.Compare(a.CreateRevision, b.CreateRevision)
		case store.SortByMod:
			return cmp.Compare(a.ModRevision, b.ModRevision)
		case store.SortByValue:
			return bytes.Compare(a.Value, b.Value)
		}
		return bytes.Compare(a.Key, b.Key)
	}
	slices.SortStableFunc(resp.KVs, func(a, b *store.KeyValue) int {
		if r.SortOrder == store.SortDescend {
			return order(b, a)
		}
		return order(a, b)
	})
	if r.Limit > 0 && int64(len(resp.KVs)) > r.Limit {
		resp.KVs, resp.More = resp.KVs[:r.Limit], true
	}
	if r.KeysOnly {
		for _, kv := range resp.KVs {
			kv.Value = nil
		}
	}
	return resp
}
