package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/flagship-go/flagship/internal/wal"
)

// A Store is a [bft.Store] in a directory. It is safe for concurrent use; what it returns is the caller's.
type Store struct {
	dir string
	log *wal.Log

	mu      sync.RWMutex
	genesis types.Height // the height before the first; -1: nothing is stored yet
	base    types.Height
	state   *types.State // the last
}

var _ bft.Store = (*Store)(nil)

// Options tune a store. A nil pointer is a good default.
type Options struct {
	// FS is where it lives. Default: the operating system's files.
	FS vfs.FS
	// SegmentSize is how much one file holds, in bytes: what Prune drops at a time, and what reading an old block reads
	// half of. Default 4 MiB.
	SegmentSize int64
	// Logger is told about what a crash has torn. Default: silent.
	Logger *slog.Logger
}

// ErrOrder is a block or state that does not follow the last one (T2).
var ErrOrder = errors.New("store: out of order")

// The kinds of records, and their places in a height.
const (
	kindBlock = iota
	kindState
	kindResults
	kinds
)

// format is the version of the records, their first byte.
const format = 1

// Open opens the store in a directory, or makes one. Errors: vfs.ErrLocked, a *vfs.CorruptError, a *vfs.VersionError.
func Open(dir string, o *Options) (*Store, error) {
	if o == nil {
		o = &Options{}
	}
	size := o.SegmentSize
	if size == 0 {
		size = 4 << 20
	}
	log, _, err := wal.Open(dir, &wal.Options{FS: o.FS, SegmentSize: size, Logger: o.Logger})
	if err != nil {
		return nil, fmt.Errorf("store: opening %s: %w", dir, err)
	}
	s := &Store{dir: dir, log: log, genesis: -1}
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("store: opening %s: %w", dir, err), log.Close())
	}
	return s, nil
}

// load finds out where the log begins, and reads the last state.
func (s *Store) load() error {
	first, last := s.log.FirstSeq(), s.log.LastSeq()
	if last == 0 || first > last {
		return nil
	}
	_, height, _, err := s.record(first)
	if err != nil {
		return err
	}
	if s.genesis = height - types.Height(first/kinds); s.genesis < 0 {
		return s.corrupt(first, fmt.Sprintf("it is of height %d, and %d heights are before it", height, first/kinds))
	}
	s.base = s.genesis + 1
	for s.base <= s.heightOf(last) && s.seq(kindState, s.base-1) < first {
		s.base++
	}
	at := s.heightOf(last)
	if last%kinds == kindBlock { // a crash came before SaveState
		at--
	} else if last%kinds == kindState {
		return s.corrupt(last, "a state without results, and they are written as one")
	}
	s.state, err = s.readState(at)
	return err
}

// seq is the number of a record, and heightOf the height of one (see the package comment).
func (s *Store) seq(kind int, h types.Height) uint64 { return uint64(h-s.genesis)*kinds + uint64(kind) }
func (s *Store) heightOf(seq uint64) types.Height    { return s.genesis + types.Height(seq/kinds) }

// record reads a record of any kind.
func (s *Store) record(seq uint64) (kind int, h types.Height, payload []byte, err error) {
	if seq < s.log.FirstSeq() || seq > s.log.LastSeq() {
		return 0, 0, nil, types.ErrNotFound
	}
	for r, err := range s.log.Records(seq) {
		if errors.Is(err, wal.ErrTruncated) {
			return 0, 0, nil, types.ErrNotFound
		}
		if err != nil {
			return 0, 0, nil, err
		}
		if len(r.Data) > 0 && r.Data[0] != format {
			return 0, 0, nil, &vfs.VersionError{File: s.dir, Version: uint32(r.Data[0]), Supported: format}
		}
		if len(r.Data) < 3 || int(r.Data[1]) != int(seq%kinds) {
			return 0, 0, nil, s.corrupt(seq, "it is of another kind than its place says")
		}
		height, n := binary.Uvarint(r.Data[2:])
		if n <= 0 {
			return 0, 0, nil, s.corrupt(seq, "it has no height")
		}
		return int(r.Data[1]), types.Height(height), append([]byte(nil), r.Data[2+n:]...), nil
	}
	return 0, 0, nil, types.ErrNotFound
}

func (s *Store) corrupt(seq uint64, why string) error {
	return &vfs.CorruptError{File: s.dir, Reason: fmt.Sprintf("record %d: %s", seq, why)}
}

// read reads the record of a kind and a height.
func (s *Store) read(kind int, h types.Height, what string) ([]byte, error) {
	s.mu.RLock()
	genesis, base := s.genesis, s.base
	s.mu.RUnlock()
	if genesis < 0 || h < base-1 || h < genesis || kind == kindBlock && h < base {
		return nil, fmt.Errorf("%w: %s %d; the first one is %d", types.ErrNotFound, what, h, base)
	}
	seq := s.seq(kind, h)
	_, height, payload, err := s.record(seq)
	if err == nil && height != h {
		err = s.corrupt(seq, fmt.Sprintf("it is of height %d, and its place is that of %d", height, h))
	}
	if err != nil {
		return nil, fmt.Errorf("store: reading %s %d in %s: %w", what, h, s.dir, err)
	}
	return payload, nil
}

func head(kind int, h types.Height) []byte {
	return binary.AppendUvarint([]byte{format, byte(kind)}, uint64(h))
}

// A block's record has lengths before the first parts.
func appendPiece(dst, piece []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(piece))), piece...)
}

func cutPiece(data []byte) (piece, rest []byte, ok bool) {
	n, w := binary.Uvarint(data)
	if w <= 0 || n > uint64(len(data)-w) {
		return nil, nil, false
	}
	return data[w : w+int(n)], data[w+int(n):], true
}

// SaveBlock implements [bft.Store].
func (s *Store) SaveBlock(b *types.Block, id types.ValueID, seen *types.Commit) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.genesis < 0 || s.log.LastSeq()+1 != s.seq(kindBlock, b.Height) {
		return fmt.Errorf("%w: block %d in %s, where the last record is %d", ErrOrder, b.Height, s.dir, s.log.LastSeq())
	}
	r := binary.AppendUvarint(head(kindBlock, b.Height), uint64(id.Parts.Total))
	r = append(append(r, id.Hash[:]...), id.Parts.Hash[:]...)
	r = b.Encode(appendPiece(r, seen.Encode(nil)))
	if _, err := s.log.AppendSync(r); err != nil {
		return fmt.Errorf("store: block %d in %s: %w", b.Height, s.dir, err)
	}
	if s.base == s.genesis {
		s.base = b.Height
	}
	return nil
}

// SaveState implements [bft.Store].
func (s *Store) SaveState(state *types.State, results *types.Results) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := state.Height() - 1
	genesis := s.genesis
	if genesis < 0 {
		genesis = h
	}
	if s.log.LastSeq()+1 != uint64(h-genesis)*kinds+kindState || state.LastHeight == 0 != (h == genesis) {
		return fmt.Errorf("%w: the state after %d in %s, where the last record is %d", ErrOrder, h, s.dir, s.log.LastSeq())
	}
	r := head(kindResults, h)
	if results != nil {
		r = results.Encode(r)
	}
	if _, err := s.log.AppendSync(state.Encode(head(kindState, h)), r); err != nil {
		return fmt.Errorf("store: the state after %d in %s: %w", h, s.dir, err)
	}
	if s.genesis < 0 {
		s.genesis, s.base = h, h+1
	}
	s.state = state
	return nil
}

// State implements [bft.Store].
func (s *Store) State() (*types.State, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state, nil
}

func (s *Store) readState(h types.Height) (*types.State, error) {
	data, err := s.read(kindState, h, "the state after")
	if err != nil {
		return nil, err
	}
	state, err := types.DecodeState(data)
	if err != nil {
		return nil, s.corrupt(s.seq(kindState, h), err.Error())
	}
	if after := state.Height() - 1; after != h {
		return nil, s.corrupt(s.seq(kindState, h), fmt.Sprintf("it is the state after %d, and its place is that after %d", after, h))
	}
	if (state.LastHeight == 0) != (h == s.genesis) {
		return nil, s.corrupt(s.seq(kindState, h), fmt.Sprintf("it is the state after %d, and the log begins after %d", state.LastHeight, s.genesis))
	}
	return state, nil
}

// Base implements [bft.Store].
func (s *Store) Base() types.Height {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.height() == 0 {
		return 0
	}
	return s.base
}

// Height implements [bft.Store].
func (s *Store) Height() types.Height {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.height()
}

func (s *Store) height() types.Height {
	if last := s.log.LastSeq(); s.genesis >= 0 && last >= kinds {
		return s.heightOf(last)
	}
	return 0
}

// Block implements [bft.Store].
func (s *Store) Block(h types.Height) (*types.Block, types.ValueID, error) {
	id, _, encoded, err := s.readBlock(h)
	if err != nil {
		return nil, id, err
	}
	b, err := types.DecodeBlock(encoded)
	if err != nil {
		return nil, id, s.corrupt(s.seq(kindBlock, h), err.Error())
	}
	if b.Height != h {
		return nil, id, s.corrupt(s.seq(kindBlock, h), fmt.Sprintf("it is block %d, and its place is that of %d", b.Height, h))
	}
	return b, id, nil
}

// SeenCommit implements [bft.Store].
func (s *Store) SeenCommit(h types.Height) (*types.Commit, error) {
	_, seen, _, err := s.readBlock(h)
	if err != nil {
		return nil, err
	}
	c, err := types.DecodeCommit(seen)
	if err != nil {
		return nil, s.corrupt(s.seq(kindBlock, h), err.Error())
	}
	return c, nil
}

func (s *Store) readBlock(h types.Height) (id types.ValueID, seen, block []byte, err error) {
	data, err := s.read(kindBlock, h, "block")
	if err != nil {
		return id, nil, nil, err
	}
	total, n := binary.Uvarint(data)
	if n > 0 && len(data) >= n+64 {
		id.Parts.Total = uint32(total)
		copy(id.Hash[:], data[n:])
		copy(id.Parts.Hash[:], data[n+32:])
		if seen, block, ok := cutPiece(data[n+64:]); ok {
			return id, seen, block, nil
		}
	}
	return id, nil, nil, s.corrupt(s.seq(kindBlock, h), "it is too short")
}

// Validators implements [bft.Store]. They are in the states after the three heights before.
func (s *Store) Validators(h types.Height) (*types.ValidatorSet, error) {
	last, _ := s.State()
	if last == nil || h > last.Height()+1 {
		return nil, fmt.Errorf("%w: validators of height %d", types.ErrNotFound, h)
	}
	at := min(h, last.Height()-1)
	state := last
	if at < last.Height()-1 {
		var err error
		if state, err = s.readState(at); err != nil {
			return nil, err
		}
	}
	var set *types.ValidatorSet
	switch h - at {
	case 0:
		set = state.LastValidators
	case 1:
		set = state.Validators
	case 2:
		set = state.NextValidators
	}
	if set == nil {
		return nil, fmt.Errorf("%w: validators of height %d", types.ErrNotFound, h)
	}
	return set, nil
}

// Results implements [bft.Store].
func (s *Store) Results(h types.Height) (*types.Results, error) {
	data, err := s.read(kindResults, h, "results of block")
	if err != nil {
		return nil, err
	}
	r, err := types.DecodeResults(data)
	if err != nil {
		return nil, s.corrupt(s.seq(kindResults, h), err.Error())
	}
	return r, nil
}

// Prune implements [bft.Store]. The last block stays.
func (s *Store) Prune(retain types.Height) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	retain = min(retain, s.height())
	if s.genesis < 0 || retain <= s.base {
		return nil
	}
	if err := s.log.TruncateFront(s.seq(kindState, retain-1)); err != nil {
		return fmt.Errorf("store: dropping blocks below %d in %s: %w", retain, s.dir, err)
	}
	s.base = retain
	return nil
}

// Close implements [bft.Store]. It may be called twice.
func (s *Store) Close() error { return s.log.Close() }
