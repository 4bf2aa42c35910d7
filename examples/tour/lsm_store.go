package main

import (
	"bytes"
	"fmt"

	"github.com/flagship-go/flagship/lsm"
)

// lsmOptions are small for size bytes of files, so that there is something to see
// in the tree: by default a hundred megabytes would be two memtables.
func lsmOptions(size int) *lsm.Options {
	memtable := min(max(size/128, 64<<10), 1<<20)
	return &lsm.Options{
		MemTableSize:     memtable,
		BaseTableSize:    int64(memtable / 2),
		BaseLevelSize:    int64(memtable),
		LevelRatio:       4,
		ValueThreshold:   lsmLarge,
		ValueLogFileSize: int64(min(max(size/16, 64<<10), 16<<20)),
	}
}

// lsmLarge is the length from which on contents go to the value log.
const lsmLarge = 2 << 10

// An edition of a file is what an overwrite leaves of it: the 0th is the file as
// it was found, each other begins with a line that tells which it is.
func edition(f File, n int) []byte {
	if n == 0 {
		return f.Data
	}
	return append(editionLine(n), f.Data...)
}

func editionLine(n int) []byte { return fmt.Appendf(nil, "// edition %d\n", n) }

func isEdition(value []byte, f File, n int) bool {
	if n == 0 {
		return bytes.Equal(value, f.Data)
	}
	rest, ok := bytes.CutPrefix(value, editionLine(n))
	return ok && bytes.Equal(rest, f.Data)
}

// gone is the edition of a file that was deleted.
const gone = -1

// A shelf is what must be in the store: of each file the edition. It is the whole
// model that the store is compared with.
type shelf struct {
	files    []File // sorted by name
	editions []int
}

func newShelf(files []File) *shelf { return &shelf{files, make([]int, len(files))} }

// live returns the number and the bytes of the files that are there.
func (s *shelf) live() (n, size int) {
	for i, f := range s.files {
		if s.editions[i] != gone {
			n++
			size += len(edition(f, s.editions[i]))
		}
	}
	return n, size
}

// compare reads everything in the order of the keys, and returns the first thing
// that is not as it must be, or "".
func (s *shelf) compare(it *lsm.Iterator) (difference string, err error) {
	defer func() {
		if cerr := it.Close(); err == nil {
			err = cerr
		}
	}()
	ok := it.First()
	for i, f := range s.files {
		if s.editions[i] == gone {
			continue
		}
		switch {
		case !ok:
			return fmt.Sprintf("%s and what follows is not there", f.Name), it.Err()
		case string(it.Key()) != f.Name:
			return fmt.Sprintf("after %d files comes %q, not %q", i, it.Key(), f.Name), nil
		case !isEdition(it.Value(), f, s.editions[i]):
			return fmt.Sprintf("%s is not what was written", f.Name), it.Err()
		}
		ok = it.Next()
	}
	if ok {
		return fmt.Sprintf("%q is there, and should not be", it.Key()), nil
	}
	return "", it.Err()
}
