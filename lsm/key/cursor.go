package key

// Cursor walks over entries in the order of their internal keys. What holds
// entries, a memtable, a table, a level, gives one, and so does their merge.
//
// Each move returns the internal key of the entry it gets to, valid until the
// next move, or nil when there is none: at an end, or after an error (Err). Only
// at an entry can it step. From an end, and when it is new, it must be sent
// somewhere: by a seek, First or Last.
//
// A Cursor is for one goroutine at a time.
type Cursor interface {
	// SeekGE goes to the first entry at or after ikey; nil: after the last.
	SeekGE(ikey []byte) []byte
	// SeekLT goes to the last entry before ikey; nil: before the first.
	SeekLT(ikey []byte) []byte
	// First goes to the first entry.
	First() []byte
	// Last goes to the last entry.
	Last() []byte
	// Next goes to the entry after the current one. There must be one.
	Next() []byte
	// Prev goes to the entry before the current one. There must be one.
	Prev() []byte
	// Value returns the value of the current entry, valid until the next move.
	// There must be one.
	Value() []byte
	// Err returns why a move returned nil: nil if it was an end. An error stays.
	Err() error
	// Close ends the use of the cursor, and of the slices it returned. It
	// returns Err.
	Close() error
}
