package vfs

import (
	"errors"
	"path/filepath"
)

// Replace makes a file of dir that is there whole or not at all, with what it held before until then, and durable with its
// name when Replace returns nil. It is written under a temporary name first, which an error or a crash may leave.
func Replace(fsys FS, dir, temporary, name string, content []byte) error {
	beside := filepath.Join(dir, temporary)
	f, err := fsys.Create(beside)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(beside, filepath.Join(dir, name)); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}
