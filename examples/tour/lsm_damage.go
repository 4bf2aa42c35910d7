package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/flagship-go/flagship/lsm"
)

// damage turns one bit in a copy of the store, and reads it.
func (a *lsmActs) damage() error {
	dir := filepath.Join(a.Dir, "copy")
	if err := a.db.Checkpoint(dir); err != nil {
		return err
	}
	table, err := largestTable(dir)
	if err != nil {
		return err
	}
	if err := flipBit(table); err != nil {
		return err
	}
	a.Event("", fmt.Sprintf("a checkpoint makes a copy of the store; in its largest table, %s, one bit is turned", filepath.Base(table)), nil)
	db, err := lsm.Open(dir, a.options)
	if err != nil {
		return err
	}
	defer db.Close()
	wrong, told := 0, error(nil)
	for i, f := range a.shelf.files {
		value, err := db.Get([]byte(f.Name))
		want := a.shelf.editions[i]
		switch {
		case errors.Is(err, lsm.ErrCorrupt):
			told = err
		case errors.Is(err, lsm.ErrNotFound):
			if want != gone {
				wrong++
			}
		case err != nil:
			return err
		case want == gone || !isEdition(value, f, want):
			wrong++
		}
	}
	var where *lsm.CorruptError
	a.Claim(errors.As(told, &where) && filepath.Base(where.File) == filepath.Base(table),
		"reading finds the damage, and names file and place: %s", errOr(told, "nothing was found"))
	a.Claim(wrong == 0, "every other file reads right: %d came out wrong, or were not found", wrong)
	return nil
}

func largestTable(dir string) (path string, err error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.sst"))
	if err != nil || len(names) == 0 {
		return "", fmt.Errorf("there is no table in %s: %w", dir, err)
	}
	var size int64
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			return "", err
		}
		if info.Size() > size {
			path, size = name, info.Size()
		}
	}
	return path, nil
}

// flipBit turns a bit in the first third of a file, where a table has its data.
func flipBit(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], info.Size()/3); err != nil {
		return err
	}
	b[0] ^= 1
	_, err = f.WriteAt(b[:], info.Size()/3)
	return err
}
