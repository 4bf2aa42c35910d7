package rs

import "errors"

// The errors of this package, besides [ErrSingular]. They are wrapped with what
// was asked and what to do; test them with errors.Is.
var (
	// ErrGeometry: the numbers of data and parity shards make no code.
	ErrGeometry = errors.New("rs: impossible numbers of shards")
	// ErrShardCount: the slice of shards has not one place for each shard.
	ErrShardCount = errors.New("rs: wrong number of shards")
	// ErrShardSize: shards that should be of one length are not, or have none.
	ErrShardSize = errors.New("rs: shards of unequal or no length")
	// ErrTooFewShards: fewer shards are left than data shards were encoded.
	ErrTooFewShards = errors.New("rs: too few shards")
	// ErrShortData: there is no data, or less than asked for.
	ErrShortData = errors.New("rs: not enough data")
	// ErrMissing: a shard is missing that the operation needs; reconstruct first.
	ErrMissing = errors.New("rs: a needed shard is missing")
	// ErrUnlocatable: shards contradict each other, and which are wrong cannot
	// be told.
	ErrUnlocatable = errors.New("rs: corruption cannot be located")
)
