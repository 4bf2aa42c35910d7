package lsm

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/lsm/compact"
	"github.com/flagship-go/flagship/lsm/key"
	"github.com/flagship-go/flagship/lsm/table"
)

// FS is a file system. [lsmtest.NewMemFS] makes one in memory, whose power can be
// cut.
//
// [lsmtest.NewMemFS]: https://pkg.go.dev/github.com/flagship-go/flagship/lsm/lsmtest#NewMemFS
type FS = vfs.FS

// Options tune a store. The zero value, or a nil pointer, is a good default.
// Timestamps is fixed when the store is made; the others may differ each time.
type Options struct {
	// FS is where the files live. Default: the operating system's.
	FS FS
	// ReadOnly opens without taking writes and without changing, making or
	// removing a file. A checkpoint that was never opened for writing has no
	// lock that a reader could take: nobody is then kept from writing to it.
	ReadOnly bool
	// InMemory keeps everything in memory, without a log; dir is only a name.
	InMemory bool

	// SyncWrites makes every write durable before it returns. Without it a
	// write survives the killed process at once, and a power cut only after
	// [DB.Sync], a flush, or a later durable write.
	SyncWrites bool
	// MemTableSize is the room of a memtable in bytes, 64 KiB to 1 GiB; default
	// 64 MiB. Larger ones mean fewer compactions, more memory and a longer
	// replay.
	MemTableSize int
	// NumMemtables is how many memtables there may be, the one being written
	// included; default 5. With that many, writes wait for a flush.
	NumMemtables int

	// BaseTableSize is the size at which a table is ended, in bytes; default
	// 8 MiB.
	BaseTableSize int64
	// BaseLevelSize is the size that the first level below L0 may have; default
	// 64 MiB.
	BaseLevelSize int64
	// LevelRatio is how much larger each level may be than the one above;
	// default 10.
	LevelRatio int
	// L0Compaction is how many layers of overlapping tables L0 has when they
	// are compacted, default 4, and L0Stop how many stop the writes, default 24.
	L0Compaction, L0Stop int
	// Policy picks compactions. Default: [compact.Leveled] of the fields above.
	Policy compact.Policy
	// MaxCompactions is how many compactions, or parts of one, run at a time;
	// default: half the processors, at least 2.
	MaxCompactions int
	// CompactionRate bounds what compactions write, in bytes per second.
	// Default 0: unbounded.
	CompactionRate int64

	// BlockSize is the length of a table's blocks before compression, in
	// bytes; default 4 KiB.
	BlockSize int
	// Compression of the blocks; default [table.None], which lets a mapped
	// table be read in place.
	Compression table.Compression
	// BitsPerKey is the size of the filters of tables and memtables; default
	// 10, which lets one read in a hundred through in vain. Negative: none.
	BitsPerKey int
	// BlockCacheSize is the room for blocks that cannot be read in place, in
	// bytes; default 64 MiB.
	BlockCacheSize int64
	// NoMmap reads tables with pread and keeps their blocks in the cache.
	// It is the default where addresses have 32 bits.
	NoMmap bool
	// MmapAtStartup opens every table in Open, not when it is first read:
	// slower to open, and damage to a table's frame shows at once.
	MmapAtStartup bool

	// ValueThreshold is the length from which on a value goes to the value
	// log, and only its place into the tree. 0: none does. Values that take
	// part in merges stay in the tree.
	ValueThreshold int
	// ValueLogFileSize is when a file of the value log is ended, in bytes;
	// default 256 MiB.
	ValueLogFileSize int64
	// MaxValueAmplification is how many times the live values the value log
	// may take before files are rewritten, default 1.25. The bound holds for
	// what compactions have found dead.
	MaxValueAmplification float64

	// NumVersionsToKeep is how many versions of a key are kept for
	// [IterOptions].AllVersions, default 1.
	NumVersionsToKeep int
	// Timestamps gives every key a timestamp that the caller manages:
	// [Batch.PutAt], [DB.GetAt], [IterOptions].At.
	Timestamps bool
	// MergeOperator combines the operands of [DB.Merge], oldest first, with
	// the value below them, nil for none. It must be deterministic, must not
	// keep or change its arguments, and may be called at any time from any
	// goroutine. Without one Merge fails.
	MergeOperator func(key, base []byte, operands [][]byte) ([]byte, error)
	// Clock tells when values expire. Default: time.Now.
	Clock func() time.Time

	// Schedule, when set, makes the store run no goroutines: after every write
	// it is shown the background jobs that could run and returns the index of
	// the one to run now, or a negative number for none. A seeded Schedule
	// replays one order of events. A write that would have to wait runs the
	// first job instead.
	Schedule func(jobs []string) int
	// OnEvent is told what happens in the background, and of stalls. It is
	// called from any goroutine, with no lock held that a read needs, and must
	// not call a method that writes.
	OnEvent func(Event)
	// Logger is told of recoveries and failures. Default: silent.
	Logger *slog.Logger
}

const (
	maxMemTable = 1 << 30
	// MaxKeyLen is the longest key, in bytes.
	MaxKeyLen = 1<<16 - 1
	// MaxBatchLen is the longest encoded batch, in bytes.
	MaxBatchLen = 1 << 28
)

func (o *Options) withDefaults() (Options, error) {
	var out Options
	if o != nil {
		out = *o
	}
	or(&out.MemTableSize, 64<<20)
	or(&out.NumMemtables, 5)
	or(&out.BaseTableSize, 8<<20)
	or(&out.BaseLevelSize, 64<<20)
	or(&out.LevelRatio, 10)
	or(&out.L0Compaction, 4)
	or(&out.L0Stop, 24)
	or(&out.MaxCompactions, max(2, runtime.GOMAXPROCS(0)/2))
	or(&out.BlockSize, 4<<10)
	or(&out.BitsPerKey, 10)
	or(&out.BlockCacheSize, 64<<20)
	or(&out.ValueLogFileSize, 256<<20)
	or(&out.MaxValueAmplification, 1.25)
	or(&out.NumVersionsToKeep, 1)
	if out.FS == nil {
		out.FS = vfs.OS()
	}
	if out.InMemory {
		if out.ReadOnly {
			return out, errors.New("lsm: a store in memory that is read-only would always be empty")
		}
		out.FS = vfs.NewMem()
	}
	if ^uint(0)>>32 == 0 {
		out.NoMmap = true
	}
	if out.Clock == nil {
		out.Clock = time.Now
	}
	if out.Logger == nil {
		out.Logger = slog.New(slog.DiscardHandler)
	}
	if out.Schedule != nil {
		out.MaxCompactions = 1
	}
	if out.Policy == nil {
		out.Policy = &compact.Leveled{
			Order: out.order(), L0Trigger: out.L0Compaction, BaseSize: uint64(out.BaseLevelSize),
			Ratio: out.LevelRatio, TableSize: uint64(out.BaseTableSize),
		}
	}
	return out, out.check()
}

func (o *Options) check() error {
	for _, limit := range []struct {
		name          string
		got, from, to int64
	}{
		{"MemTableSize", int64(o.MemTableSize), 64 << 10, maxMemTable},
		{"NumMemtables", int64(o.NumMemtables), 2, 1 << 10},
		{"BaseTableSize", o.BaseTableSize, 1 << 10, 1 << 31},
		{"BaseLevelSize", o.BaseLevelSize, 1 << 10, 1 << 50},
		{"LevelRatio", int64(o.LevelRatio), 2, 100},
		{"L0Compaction", int64(o.L0Compaction), 1, 1 << 10},
		{"L0Stop", int64(o.L0Stop), int64(o.L0Compaction) + 1, 1 << 20},
		{"MaxCompactions", int64(o.MaxCompactions), 1, 1 << 10},
		{"BlockSize", int64(o.BlockSize), 128, 1 << 20},
		{"ValueThreshold", int64(o.ValueThreshold), 0, MaxBatchLen},
		{"ValueLogFileSize", o.ValueLogFileSize, 4 << 10, 1 << 31},
		{"NumVersionsToKeep", int64(o.NumVersionsToKeep), 1, 1 << 30},
	} {
		if limit.got < limit.from || limit.got > limit.to {
			return fmt.Errorf("lsm: option %s is %d, outside %d..%d", limit.name, limit.got, limit.from, limit.to)
		}
	}
	if o.MaxValueAmplification < 1.05 {
		return fmt.Errorf("lsm: option MaxValueAmplification is %g, less than 1.05", o.MaxValueAmplification)
	}
	return nil
}

func (o *Options) order() key.Order {
	if o.Timestamps {
		return key.Timestamped
	}
	return key.Plain
}

// or gives an option that was left zero its default.
func or[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
