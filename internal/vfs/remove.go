package vfs

import (
	"errors"
	"io/fs"
	"path/filepath"
)

// RemoveAll removes a file, or a directory with all that is in it. What cannot be removed stays, with an error, and the rest goes
// all the same; what is not there is no error. Nothing of it is durable.
func RemoveAll(fsys FS, path string) error {
	err := fsys.Remove(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	names, notListed := fsys.List(path)
	if notListed != nil {
		return err // of a file
	}
	var left error
	for _, name := range names {
		left = errors.Join(left, RemoveAll(fsys, filepath.Join(path, name)))
	}
	if left != nil {
		return left
	}
	return fsys.Remove(path)
}
