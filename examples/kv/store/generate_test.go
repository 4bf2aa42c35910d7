package store_test

import (
	"fmt"
	"math/rand/v2"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// generator makes random requests over few keys, so that they meet.
type generator struct {
	*rand.Rand
	revision, compacted int64 // about where the store is
}

func newGenerator(seed uint64) *generator {
	return &generator{Rand: rand.New(rand.NewPCG(seed, seed))}
}

func (g *generator) chance(percent int) bool { return g.IntN(100) < percent }

// Keys that need escaping, and prefixes of each other.
func (g *generator) key() []byte {
	keys := []string{"a", "a\x00", "a\x00\x00", "a\x00b", "aa", "b", "b\xff", "c", "\x00", "\x00\xff", "\xff", "\xff\xff"}
	return []byte(keys[g.IntN(len(keys))])
}

// span is a key, a range, a prefix, or open; now and then inverted, or no key.
func (g *generator) span() (key, end []byte) {
	switch key = g.key(); g.IntN(8) {
	case 0:
		return key, store.PrefixEnd(key)
	case 1:
		return key, []byte{0}
	case 2, 3:
		return key, g.key()
	case 4:
		if g.chance(10) {
			return nil, nil
		}
	}
	return key, nil
}

func (g *generator) value() []byte { return fmt.Appendf(nil, "%0*d", g.IntN(6), g.IntN(20)) }

func (g *generator) lease() int64 { return int64(g.IntN(4)) }

func (g *generator) rev() int64 {
	if g.chance(40) {
		return 0
	}
	return g.compacted - 1 + g.Int64N(max(g.revision-g.compacted, 0)+3)
}

func (g *generator) rangeRequest() *store.RangeRequest {
	r := &store.RangeRequest{Revision: g.rev(), KeysOnly: g.chance(10), CountOnly: g.chance(10)}
	r.Key, r.End = g.span()
	if g.chance(50) {
		r.Limit = int64(g.IntN(5)) - 1
	}
	if g.chance(50) {
		r.SortOrder, r.SortTarget = store.SortOrder(g.IntN(3)), store.SortTarget(g.IntN(5))
	}
	for _, bound := range []*int64{&r.MinModRevision, &r.MaxModRevision, &r.MinCreateRevision, &r.MaxCreateRevision} {
		if g.chance(10) {
			*bound = g.Int64N(g.revision + 2)
		}
	}
	return r
}

func (g *generator) put() *store.PutRequest {
	r := &store.PutRequest{Key: g.key(), PrevKV: g.chance(50), IgnoreValue: g.chance(15), IgnoreLease: g.chance(15)}
	if !r.IgnoreValue || g.chance(10) {
		r.Value = g.value()
	}
	if !r.IgnoreLease && g.chance(50) || g.chance(10) {
		r.Lease = g.lease()
	}
	return r
}

func (g *generator) deleteRange() *store.DeleteRangeRequest {
	r := &store.DeleteRangeRequest{PrevKV: g.chance(50)}
	r.Key, r.End = g.span()
	return r
}

func (g *generator) txn(depth int) *store.TxnRequest {
	var t store.TxnRequest
	for range g.IntN(3) {
		c := store.Compare{
			Result: store.CompareResult(g.IntN(4)), Target: store.CompareTarget(g.IntN(5)),
			Number: g.Int64N(4), Value: g.value(),
		}
		if g.chance(50) {
			c.Number = g.Int64N(g.revision + 2)
		}
		c.Key, c.End = g.span()
		t.Compare = append(t.Compare, c)
	}
	for _, ops := range []*[]store.Op{&t.Success, &t.Failure} {
		for range g.IntN(4) {
			*ops = append(*ops, g.op(depth))
		}
	}
	return &t
}

func (g *generator) op(depth int) (op store.Op) {
	switch n := g.IntN(10); {
	case n < 3:
		op.Range = g.rangeRequest()
	case n < 7:
		op.Put = g.put()
	case n < 8:
		op.DeleteRange = g.deleteRange()
	case depth > 0:
		op.Txn = g.txn(depth - 1)
	case g.chance(90):
		op.Put = g.put()
	}
	return op
}

// command is any of them; alarms are rare, and soon disarmed.
func (g *generator) command() store.Command {
	switch n := g.IntN(100); {
	case n < 35:
		return g.put()
	case n < 45:
		return g.deleteRange()
	case n < 70:
		return g.txn(2)
	case n < 74:
		return &store.CompactionRequest{Revision: g.rev()}
	case n < 82:
		return &store.LeaseGrantRequest{ID: g.lease(), TTL: g.Int64N(100) - 5}
	case n < 85:
		return &store.LeaseRevokeRequest{ID: g.lease()}
	case n < 88:
		return &store.LeaseCheckpointRequest{Checkpoints: []store.LeaseCheckpoint{{ID: g.lease(), Remaining: g.Int64N(200) - 10}}}
	case n < 90:
		return &store.DefragmentRequest{}
	case n < 92:
		return &store.AlarmRequest{Action: store.AlarmActivate, Alarm: g.alarm()}
	case n < 97:
		return &store.AlarmRequest{Action: store.AlarmAction(2 * g.IntN(2)), Alarm: g.alarm()}
	case n < 98:
		return &store.MemberRemoveRequest{ID: g.Uint64N(2)}
	}
	return &store.MemberSetRequest{Member: store.Member{ID: g.Uint64N(2), Name: string(g.value()), ClientURLs: []string{"http://" + string(g.value())}}}
}

func (g *generator) alarm() store.Alarm {
	return store.Alarm{Member: g.Uint64N(2), Type: store.AlarmType(g.IntN(3))}
}
