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

func (s *Storage) identityFile() string { return filepath.Join(s.dir, identityName) }

// readIdentity checks that the directory is ours. known is false when it
// belongs to nobody yet.
func (s *Storage) readIdentity() (known bool, err error) {
	body, err := readFile(s.opts.FS, s.identityFile(), identityMagic)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("raft/disk: whose directory it is: %w", err)
	}
	if len(body) < 8 {
		return false, damaged(s.identityFile(), fileHeader, "%d bytes of identity", len(body))
	}
	id := identity{raft.NodeID(binary.LittleEndian.Uint64(body)), string(body[8:])}
	want := identity{s.opts.Node, s.opts.Cluster}
	if want.node != raft.None && want.node != id.node || want.cluster != "" && want.cluster != id.cluster {
		return true, fmt.Errorf("%w: %s is of %s in cluster %q, asked for %s in cluster %q",
			ErrForeign, s.dir, id.node, id.cluster, want.node, want.cluster)
	}
	return true, nil
}

// writeIdentity makes a new directory ours. It comes after the log was made, so
// that a directory with an owner and without a log has lost it.
func (s *Storage) writeIdentity() error {
	body := binary.LittleEndian.AppendUint64(nil, uint64(s.opts.Node))
	if _, err := writeFile(s.opts.FS, s.identityFile(), identityMagic, append(body, s.opts.Cluster...)); err != nil {
		return fmt.Errorf("raft/disk: %w", err)
	}
	return nil
}
