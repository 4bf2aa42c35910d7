package erasure

import (
	"log/slog"
	"math/rand/v2"
	"time"
)

// Options tune a store. The zero value, or a nil pointer, is a good default.
// DrivesPerSet is fixed when the store is made; the others may differ each time:
// each object carries its own geometry.
type Options struct {
	// DrivesPerSet is how many drives share an object, 1 to 256. Default: the
	// largest divisor of the number of drives that is at most 16.
	DrivesPerSet int
	// Parity is how many drives of a set may fail without loss, at most half of
	// them; NoParity is none. Default, as MinIO's, by the drives of a set: 0 for
	// 1, 1 for 2 and 3, 2 for 4 and 5, 3 for 6 and 7, 4 for 8 and more.
	Parity int
	// Classes are storage classes: a name for a parity, chosen by
	// [PutOptions.Class]. "STANDARD" is Parity unless it is given here;
	// "REDUCED_REDUNDANCY" is 1 (0 on one drive) unless it is given here.
	Classes map[string]int

	// BlockSize is how much of an object is encoded at a time, in bytes; default
	// 1 MiB. A stream holds a few blocks: see [Store.Put].
	BlockSize int
	// InlineLimit is the size of a shard up to which it is kept in the version
	// file instead of a file of its own; default 128 KiB, at most 32 MiB. -1: never.
	InlineLimit int
	// Codec makes the codec of a geometry. Default: that of
	// github.com/klauspost/reedsolomon. [FromScratch] is package rs; both give
	// the same bytes.
	Codec func(data, parity int) (Codec, error)

	// Grace is how long an operation waits for slow drives when a quorum is
	// there; default 2 s. A drive that is slower has missed the write, and is
	// healed.
	Grace time.Duration
	// Hedge is how long a read waits for a shard before it asks another drive as
	// well; default 50 ms.
	Hedge time.Duration
	// ScanEvery is the pause between two passes of the background scanner, which
	// looks at the versions of every object and heals; default 1 h, -1: no
	// scanner. Every ScrubEvery-th pass (default 24) also reads every shard.
	ScanEvery  time.Duration
	ScrubEvery int
	// ScanShare is the share of time the scanner may be at work, 0 to 1; default
	// 0.1.
	ScanShare float64

	// Serial does all work in the goroutine of the caller, drives in the order
	// of their places, and without a scanner or a heal queue ([Store.HealQueued]
	// works it off): the same calls give the same operations on the drives. For
	// tests and simulators.
	Serial bool
	// Postpone makes drives of a Serial store slow: it is offered what a drive is
	// asked, and takes it by returning true. Then the drive is not waited for, and
	// what it was asked happens when work is called, if ever. Default: nothing is
	// taken.
	Postpone func(d Drive, work func()) bool
	// Now is the clock that dates versions. Default: time.Now.
	Now func() time.Time
	// Rand is what identifiers are drawn from. Default: the runtime's.
	Rand rand.Source
	// Logger hears what the store does on its own: drives that fail and return,
	// healing. Default: silent.
	Logger *slog.Logger
	// OnEvent is called with what happens inside, for pictures and tests; see
	// [Event]. It must not call the store. Default: nobody.
	OnEvent func(Event)
}

// NoParity as [Options.Parity] stores without redundancy.
const NoParity = -1

// A Codec encodes and reconstructs shards of one geometry: a slice of data plus
// parity shards of equal length, those that are missing having length zero. It is
// safe for concurrent use. klauspost/reedsolomon's Encoder and rs.Code are Codecs.
type Codec interface {
	// Encode fills the parity shards from the data shards.
	Encode(shards [][]byte) error
	// ReconstructSome fills the missing shards i for which required[i].
	ReconstructSome(shards [][]byte, required []bool) error
}
