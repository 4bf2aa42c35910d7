// What a client needs of the world: somebody who knows the regions and brings
// requests to them, and a clock.

package mvcc

import (
	"context"
	"time"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

// TS is a timestamp; see package timestamp for its layout.
type TS = timestamp.TS

// RegionRef names a region as the sender knows it. The epoch rises with every split;
// a region refuses another epoch than its own.
type RegionRef struct{ ID, Epoch uint64 }

// RegionInfo is a region: Start <= key < End, and nil is no bound.
type RegionInfo struct {
	RegionRef
	Start, End []byte
}

// Contains reports whether the region has a key.
func (r RegionInfo) Contains(key []byte) bool {
	return string(r.Start) <= string(key) && (r.End == nil || string(key) < string(r.End))
}

// Transport brings requests to regions. The default is [Local]. It is safe for
// concurrent use.
//
// A request may be lost, done twice, or done late: all are made for it (V3). An error
// that is none of this package's types says that nobody knows whether it was done.
type Transport interface {
	// Region returns the region that has a key, the latest that is known.
	Region(ctx context.Context, key []byte) (RegionInfo, error)
	// Send has a request done by a region, and returns its answer.
	Send(ctx context.Context, r RegionRef, q Request) (answer any, err error)
	// Stale tells that a region is not as Region said; current is what is known
	// instead, which may be nothing.
	Stale(r RegionRef, current []RegionInfo)
}

// Clock gives out timestamps. It is safe for concurrent use. There are an oracle, in
// package oracle, and a hybrid clock, in package hlc.
type Clock interface {
	// Now returns a timestamp above every one that this clock has returned or
	// observed, also before a restart; and which no other clock of the store returns:
	// it is the name of a transaction.
	Now(ctx context.Context) (TS, error)
	// Observe tells of a timestamp in a message: whoever has seen it must not be given
	// one below it. It fails if ts is from too far in the future.
	Observe(ts TS) error
	// MaxOffset is how far two clocks of the store may differ; 0 if there is but one,
	// so that the order of timestamps is the order of events.
	MaxOffset() time.Duration
}
