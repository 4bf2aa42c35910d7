package light

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
)

// A FileStore keeps blocks in a folder, one in a file: there are few, of some kilobytes each, and they come and go in any order.
//
//	00000000000000000450.block    crc:4 of all that follows, then the block, which begins with the format's version
//	new                           a block that is being written: it gets its name once it is durable
//	lock
//
// It is safe for concurrent use.
type FileStore struct {
	fsys vfs.FS
	dir  string
	lock io.Closer

	mu     sync.RWMutex
	closed bool
	heightList
}

var _ Store = (*FileStore)(nil)

// What is wrong with a file: these can be taken apart by errors.As.
type (
	// VersionError names a file that a newer build wrote.
	VersionError = vfs.VersionError
	// CorruptError names a damaged file.
	CorruptError = vfs.CorruptError
)

const (
	suffix   = ".block"
	newFile  = "new"
	lockFile = "lock"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenFileStore opens a folder, or makes it. A nil fsys is the operating system. One store at a time has it: another one
// gets vfs.ErrLocked.
func OpenFileStore(fsys vfs.FS, dir string) (*FileStore, error) {
	if fsys == nil {
		fsys = vfs.OS()
	}
	s := &FileStore{fsys: fsys, dir: dir}
	if err := s.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("light: opening the store in %s: %w", dir, err), s.Close())
	}
	return s, nil
}

func (s *FileStore) open() error {
	if err := s.fsys.MkdirAll(s.dir); err != nil {
		return err
	}
	// Also if the folder was there: the power may have gone before its name was durable.
	if err := s.fsys.SyncDir(filepath.Dir(s.dir)); err != nil {
		return err
	}
	var err error
	if s.lock, err = s.fsys.Lock(filepath.Join(s.dir, lockFile)); err != nil {
		return err
	}
	names, err := s.fsys.List(s.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		digits, is := strings.CutSuffix(name, suffix)
		h, err := strconv.ParseInt(digits, 10, 64)
		if is && err == nil && h > 0 && fileName(types.Height(h)) == name {
			s.add(types.Height(h))
		}
	}
	return nil
}

func fileName(h types.Height) string { return fmt.Sprintf("%020d%s", h, suffix) }

// Save implements [Store]: the block is durable, or it is not there.
func (s *FileStore) Save(b *Block) error {
	data := b.Encode(make([]byte, 4, 1<<12))
	binary.LittleEndian.PutUint32(data, crc32.Checksum(data[4:], castagnoli))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("light: the store in %s: %w", s.dir, fs.ErrClosed)
	}
	if err := vfs.Replace(s.fsys, s.dir, newFile, fileName(b.Height()), data); err != nil {
		return fmt.Errorf("light: saving height %d in %s: %w", b.Height(), s.dir, err)
	}
	s.add(b.Height())
	return nil
}

// Block implements [Store]. Errors: also a *CorruptError or a *VersionError.
func (s *FileStore) Block(h types.Height) (*Block, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, fmt.Errorf("light: the store in %s: %w", s.dir, fs.ErrClosed)
	}
	if !s.has(h) {
		return nil, fmt.Errorf("%w: %d is not in %s", ErrNotFound, h, s.dir)
	}
	name := filepath.Join(s.dir, fileName(h))
	data, err := s.read(name)
	if err != nil {
		return nil, fmt.Errorf("light: reading height %d: %w", h, err)
	}
	if len(data) < 5 || crc32.Checksum(data[4:], castagnoli) != binary.LittleEndian.Uint32(data) {
		return nil, &CorruptError{File: name, Reason: "the checksum is wrong; remove the file, and the height is fetched again"}
	}
	if data[4] > format {
		return nil, &VersionError{File: name, Version: uint32(data[4]), Supported: format}
	}
	b, err := DecodeBlock(data[4:])
	if err == nil && b.Height() != h {
		err = fmt.Errorf("it has height %d", b.Height())
	}
	if err != nil {
		return nil, &CorruptError{File: name, Offset: 4, Reason: err.Error()}
	}
	return b, nil
}

func (s *FileStore) read(name string) ([]byte, error) {
	f, err := s.fsys.Open(name, vfs.ReadOnly)
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	data := make([]byte, size)
	if err == nil && size > 0 {
		_, err = f.ReadAt(data, 0)
	}
	return data, errors.Join(err, f.Close())
}

// Heights implements [Store].
func (s *FileStore) Heights() []types.Height {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.heights)
}

// Remove implements [Store].
func (s *FileStore) Remove(heights ...types.Height) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fmt.Errorf("light: the store in %s: %w", s.dir, fs.ErrClosed)
	}
	for _, h := range heights {
		if !s.has(h) {
			continue
		}
		if err := s.fsys.Remove(filepath.Join(s.dir, fileName(h))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("light: dropping height %d in %s: %w", h, s.dir, err)
		}
		s.drop(h)
	}
	if err := s.fsys.SyncDir(s.dir); err != nil {
		return fmt.Errorf("light: dropping heights in %s: %w", s.dir, err)
	}
	return nil
}

// Close ends the store. It may be called twice.
func (s *FileStore) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.lock == nil {
		return nil
	}
	s.closed = true
	return s.lock.Close()
}
