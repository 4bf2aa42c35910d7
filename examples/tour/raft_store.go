package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/flagship-go/flagship/raft"
)

// A fileStore is the state machine of chapter raft: files by name. Its command
// is "this file has these contents", which may be repeated without harm, so that
// a client that does not know whether it was heard just asks again.
//
//	command    uvarint length of name | name | contents
//	snapshot   (uvarint length of command | command)*, sorted by name
type fileStore struct {
	mu    sync.Mutex
	files map[string][]byte
}

var _ raft.StateMachine = (*fileStore)(nil)

var errBadCommand = errors.New("not a command of the file store")

func encodeFile(f File) []byte {
	b := binary.AppendUvarint(make([]byte, 0, binary.MaxVarintLen32+len(f.Name)+len(f.Data)), uint64(len(f.Name)))
	return append(append(b, f.Name...), f.Data...)
}

func decodeFile(command []byte) (File, error) {
	n, k := binary.Uvarint(command)
	if k <= 0 || n > uint64(len(command)-k) {
		return File{}, errBadCommand
	}
	end := k + int(n)
	return File{string(command[k:end]), command[end:]}, nil
}

// Apply implements raft.StateMachine. Its result is what was wrong with the
// command, empty if nothing was.
func (s *fileStore) Apply(_ uint64, command []byte) []byte {
	f, err := decodeFile(command)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		return []byte(err.Error())
	}
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[f.Name] = f.Data
	return nil
}

// Snapshot implements raft.StateMachine. Contents are never changed in place, so
// a copy of the map captures the state.
func (s *fileStore) Snapshot() (io.WriterTo, error) { return snapshotOf(s.contents()), nil }

type snapshotOf map[string][]byte

// WriteTo implements io.WriterTo.
func (m snapshotOf) WriteTo(w io.Writer) (n int64, err error) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		command := encodeFile(File{name, m[name]})
		for _, part := range [][]byte{binary.AppendUvarint(nil, uint64(len(command))), command} {
			k, err := w.Write(part)
			n += int64(k)
			if err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// Restore implements raft.StateMachine.
func (s *fileStore) Restore(r io.Reader) error {
	files := map[string][]byte{}
	for f, err := range readCommands(r) {
		if err != nil {
			return err
		}
		files[f.Name] = f.Data
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = files
	return nil
}

// maxCommand bounds what a damaged length can make readCommands allocate.
const maxCommand = 1 << 30

// readCommands yields the files of a stream of commands, each after its length.
// The last pair holds the error, if there is one.
func readCommands(r io.Reader) func(yield func(File, error) bool) {
	return func(yield func(File, error) bool) {
		in := bufio.NewReader(r)
		for {
			n, err := binary.ReadUvarint(in)
			if errors.Is(err, io.EOF) {
				return
			}
			var f File
			if err == nil && n > maxCommand {
				err = errBadCommand
			}
			if err == nil {
				command := make([]byte, n)
				if _, err = io.ReadFull(in, command); err == nil {
					f, err = decodeFile(command)
				}
			}
			if err != nil {
				yield(File{}, fmt.Errorf("reading a file of the stream: %w", err))
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

// contents returns all files; the map is the caller's, the contents are not.
func (s *fileStore) contents() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.files)
}

// missing says which of the files are not there, or differ.
func (s *fileStore) missing(files []File) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range files {
		if data, ok := s.files[f.Name]; !ok || !bytes.Equal(data, f.Data) {
			names = append(names, f.Name)
		}
	}
	return names
}
