package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/flagship-go/flagship/raft"
)

const (
	identityName = "NODE"
	maxCluster   = 1 << 10
)

// identity is whose directory it is.
type identity struct {
	node    raft.NodeID
	cluster string
}

func checkCluster(name string) error {
	if len(name) > maxCluster {
		return fmt.Errorf("%w: a cluster's name of %d bytes, at most %d", raft.ErrInvalid, len(name), maxCluster)
	}
	return nil
}

func (s *Storage) identityFile() string { return filepath.Join(s.dir, identityName) }

// readIdentity returns what the file says. known is false when there is none.
func readIdentity(fsys FS, dir string) (id identity, known bool, err error) {
	name := filepath.Join(dir, identityName)
	body, err := readFile(fsys, name, identityMagic)
	if errors.Is(err, fs.ErrNotExist) {
		return id, false, nil
	}
	if err != nil {
		return id, false, fmt.Errorf("raft/disk: whose directory it is: %w", err)
	}
	if len(body) < 8 {
		return id, false, damaged(name, fileHeader, "%d bytes of identity", len(body))
	}
	return identity{raft.NodeID(binary.LittleEndian.Uint64(body)), string(body[8:])}, true, nil
}

// writeIdentity says whose directory it is. In a new one it comes after the log
// was made, so that a directory with an owner and without a log has lost it.
func (s *Storage) writeIdentity(id identity) error {
	body := binary.LittleEndian.AppendUint64(nil, uint64(id.node))
	if _, err := writeFile(s.opts.FS, s.identityFile(), identityMagic, append(body, id.cluster...)); err != nil {
		return fmt.Errorf("raft/disk: %w", err)
	}
	s.owner = id
	return nil
}

// checkOwner refuses a directory that is not whose it was said to be. What the
// log says about a forced cluster (forced) is newer than the file: power went
// before the file was written, which is done now.
func (s *Storage) checkOwner(forced *identity) error {
	id := s.owner
	if forced != nil {
		id = *forced
	}
	want := identity{s.opts.Node, s.opts.Cluster}
	if want.node != raft.None && want.node != id.node || want.cluster != "" && want.cluster != id.cluster {
		return fmt.Errorf("%w: %s is of %s in cluster %q, asked for %s in cluster %q",
			ErrForeign, s.dir, id.node, id.cluster, want.node, want.cluster)
	}
	if id != s.owner {
		return s.writeIdentity(id)
	}
	return nil
}
