package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// A parcel is an object of the chapter: where its bytes come from, and by which
// sum they are known again.
type parcel struct {
	name string
	size int64 // -1: not known before its end
	open func() (io.ReadCloser, error)
	sum  [sha256.Size]byte
	gone bool // it was deleted
}

// erasureBinaries is how many programs of the Go installation are stored.
const erasureBinaries = 5

// parcels are the largest programs of the Go installation, or the largest files
// where there is none, an archive of all its source, and the small files.
func parcels(s *Stage) ([]*parcel, error) {
	var all []*parcel
	goroot := filepath.Dir(s.Root)
	large, err := largest(filepath.Join(goroot, "bin"), filepath.Join(goroot, "pkg", "tool"))
	if err == nil && len(large) == 0 {
		large, err = largest(s.Root)
	}
	if err != nil {
		return nil, err
	}
	for _, file := range large {
		all = append(all, &parcel{name: "bin/" + filepath.Base(file.path), size: file.size,
			open: func() (io.ReadCloser, error) { return os.Open(file.path) }})
	}
	all = append(all, &parcel{name: "src.tar", size: -1, open: func() (io.ReadCloser, error) { return archive(s.Root), nil }})
	for _, f := range s.Files {
		all = append(all, &parcel{name: "src/" + f.Name, size: int64(len(f.Data)),
			open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(f.Data)), nil }})
	}
	return all, nil
}

// sized is a file and its length.
type sized struct {
	path string
	size int64
}

// largest finds the largest files in folders and below. A folder need not exist.
func largest(dirs ...string) (files []sized, err error) {
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				files = append(files, sized{path, info.Size()})
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("looking for large files: %w", err)
		}
	}
	slices.SortFunc(files, func(a, b sized) int { return int(b.size - a.size) })
	return files[:min(len(files), erasureBinaries)], nil
}

// archive is a tar of a folder, made while it is read.
func archive(dir string) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		t, left := tar.NewWriter(w), int64(erasureLimit)
		tree := os.DirFS(dir)
		err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := fs.ReadFile(tree, name)
			if err != nil {
				return err
			}
			if left -= int64(len(data)); left < 0 {
				return fs.SkipAll
			}
			if err := t.WriteHeader(&tar.Header{Name: path.Clean(name), Mode: 0o644, Size: int64(len(data))}); err != nil {
				return err
			}
			_, err = t.Write(data)
			return err
		})
		// A reader that closes its end ends this goroutine: writing fails.
		w.CloseWithError(errors.Join(err, t.Close()))
	}()
	return r
}

// damage turns a bit in the midst of every file of a drive that is larger than a
// version file, and returns how many there were.
func damageShards(dir string) (n int, err error) {
	err = filepath.WalkDir(filepath.Join(dir, "objects"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() < 64<<10 {
			return err
		}
		n++
		return flipBit(path)
	})
	return n, err
}

// versionsBelow counts the version files on the drives.
func versionsBelow(dirs []string) (n int, err error) {
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(dir, "objects"), func(_ string, d fs.DirEntry, err error) error {
			if err == nil && strings.HasPrefix(d.Name(), "@") {
				n++
			}
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("counting versions: %w", err)
		}
	}
	return n, nil
}

// bytesBelow adds up the files in folders and below.
func bytesBelow(dirs []string) (sum int64, err error) {
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				sum += info.Size()
			}
			return err
		})
		if err != nil {
			return 0, fmt.Errorf("measuring the drives: %w", err)
		}
	}
	return sum, nil
}
