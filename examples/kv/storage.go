package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// The two kinds of storage. A directory is of one kind for good: raft's log is cut
// for a snapshot, and that is a name in one and the whole state in the other.
//
//	memory                     lsm
//	raft/NODE                  raft/NODE
//	raft/log                   raft/log
//	raft/snapshots   states    raft/snapshots   names
//	                           raft/store       the tree
const (
	storageLSM    = "lsm"
	storageMemory = "memory"
	storeDir      = "store" // a raft directory that is lost is lost with it
	nodeFile      = "NODE"  // of raft/disk: it has been used
)

// kindOf tells which kind a directory is of; "": it is new.
func kindOf(dir string) string {
	if ondisk.Exists(filepath.Join(dir, storeDir)) {
		return storageLSM
	}
	if _, err := os.Stat(filepath.Join(dir, nodeFile)); err == nil {
		return storageMemory
	}
	return ""
}

// open opens a member's directory: raft's storage, and the store's if it is on the
// disk. The store's is made first, so that raft's alone is of a member in memory.
func (s *server) open(dir string, member, cluster uint64) (storage *disk.Storage, tree *ondisk.Dir, err error) {
	kind, want := kindOf(dir), s.config.storage
	switch {
	case want == "" && kind == "":
		want = storageLSM
	case want == "":
		want = kind
	case kind != "" && kind != want:
		return nil, nil, fmt.Errorf("data directory %s is of a member with --storage=%s: start it with that, or replace the member by a new one with --storage=%s", dir, kind, want)
	}
	if want == storageLSM {
		if tree, err = ondisk.Open(filepath.Join(dir, storeDir), &ondisk.Options{Logger: s.log}); err != nil {
			return nil, nil, s.inUse(err)
		}
	}
	if storage, err = s.openRaft(dir, member, cluster); err != nil && tree != nil {
		tree.Close()
	}
	return storage, tree, err
}

func (s *server) openRaft(dir string, member, cluster uint64) (*disk.Storage, error) {
	storage, err := disk.Open(dir, s.diskOptions(member, cluster))
	return storage, s.inUse(err)
}

func (s *server) diskOptions(member, cluster uint64) *disk.Options {
	keep := int(s.config.maxSnapshots)
	if keep == 0 { // all, where package disk has a default
		keep = math.MaxInt32
	}
	return &disk.Options{Node: raft.NodeID(member), Cluster: fmt.Sprintf("%x", cluster),
		KeepSnapshots: keep, MaxSegments: int(s.config.maxWALs), Logger: s.log}
}

// inUse names the directory that another process has.
func (s *server) inUse(err error) error {
	if errors.Is(err, disk.ErrLocked) {
		return fmt.Errorf("data directory %s is in use by another process: %w", s.config.dataDir, err)
	}
	return err
}
