package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/examples/kv/peer"
	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/internal/vfs"
)

// identity is who a member is: decided at its first start, kept in its data
// directory, and never again asked of the flags.
type identity struct {
	Version   int
	ClusterID uint64
	MemberID  uint64
	Name      string
	Voter     bool // was a voter from the beginning
	Seeds     []store.Member
}

const (
	identityVersion = 1
	identityFile    = "member.json"
)

// identify returns who this member is.
func identify(ctx context.Context, c *config, client *http.Client) (*identity, error) {
	name := filepath.Join(c.dataDir, identityFile)
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(c.dataDir, firstOfThree)); err == nil {
			return nil, fmt.Errorf("%s holds the three members of one process: leave --initial-cluster out, or give another --data-dir", c.dataDir)
		}
		id, err := newIdentity(ctx, c, client)
		if err != nil {
			return nil, err
		}
		return id, writeIdentity(c.dataDir, id)
	}
	if err != nil {
		return nil, err
	}
	id := &identity{}
	if err := json.Unmarshal(b, id); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", name, err)
	}
	if id.Version > identityVersion {
		return nil, fmt.Errorf("%s is of format %d, written by a newer build; this one reads up to %d", name, id.Version, identityVersion)
	}
	if id.Name != c.name {
		return nil, fmt.Errorf("%s is the directory of member %q, not of %q", c.dataDir, id.Name, c.name)
	}
	return id, nil
}

func newIdentity(ctx context.Context, c *config, client *http.Client) (*identity, error) {
	id := &identity{Version: identityVersion, Name: c.name}
	if !c.existing {
		// All members compute the same numbers from the same flags.
		for name, urls := range c.initialCluster {
			id.Seeds = append(id.Seeds, store.Member{ID: memberID(c.token, urls), Name: name, PeerURLs: urls})
		}
		sortMembers(id.Seeds)
		id.ClusterID = clusterID(c.token, id.Seeds)
		id.MemberID, id.Voter = memberID(c.token, c.initialCluster[c.name]), true
		return id, checkFirstStart(ctx, c, client, id.MemberID)
	}
	cluster, err := askCluster(ctx, c, client, false)
	if err != nil {
		return nil, fmt.Errorf("error retrieving cluster members from the remote peers: %w", err)
	}
	id.ClusterID = cluster.ID
	for _, m := range cluster.Members {
		id.Seeds = append(id.Seeds, m.Member)
		if slices.ContainsFunc(c.advertisePeer, func(u string) bool { return slices.Contains(m.PeerURLs, u) }) {
			id.MemberID = m.ID
			if m.Name != "" {
				return nil, fmt.Errorf("member %x at %v has been started before, as %q: a member that lost its directory must be removed and added anew", m.ID, m.PeerURLs, m.Name)
			}
		}
	}
	if id.MemberID == 0 {
		return nil, fmt.Errorf("the cluster has no member at %v: add it first", c.advertisePeer)
	}
	return id, nil
}

// checkFirstStart refuses a member that has been running before, and lost its
// directory: it has voted, and does not know how. Whoever is asked may know by
// itself; when nobody answers, this is the first start of all.
func checkFirstStart(ctx context.Context, c *config, client *http.Client, id uint64) error {
	cluster, err := askCluster(ctx, c, client, true)
	if err != nil {
		return nil
	}
	for _, m := range cluster.Members {
		if m.ID == id && len(m.ClientURLs) > 0 {
			return fmt.Errorf("member %x has already been bootstrapped: one that lost its directory must be removed and added anew", id)
		}
	}
	return nil
}

// askCluster asks the running members who they are: as all agree, or, local,
// as the first that answers knows.
func askCluster(ctx context.Context, c *config, client *http.Client, local bool) (service.Cluster, error) {
	err := errors.New("no other member in --initial-cluster")
	patience := 5 * time.Second
	if local {
		patience = time.Second
	}
	for name, urls := range c.initialCluster {
		if name == c.name {
			continue
		}
		for _, u := range urls {
			ctx, cancel := context.WithTimeout(ctx, patience)
			b, failed := peer.Call(ctx, client, u, service.CallMembers, service.EncodeMembers(local))
			cancel()
			if failed == nil {
				return service.DecodeCluster(b)
			}
			err = failed
		}
	}
	return service.Cluster{}, err
}

func hash(parts ...string) uint64 {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return binary.BigEndian.Uint64(sum[:]) | 1
}

func memberID(token string, urls []string) uint64 {
	return hash(append([]string{token}, slices.Sorted(slices.Values(urls))...)...)
}

func clusterID(token string, members []store.Member) uint64 {
	parts := []string{token}
	for _, m := range members {
		parts = append(parts, fmt.Sprint(m.ID))
	}
	return hash(parts...)
}

func sortMembers(members []store.Member) {
	slices.SortFunc(members, func(a, b store.Member) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
}

// writeIdentity makes the file durable before anything else is in the directory.
func writeIdentity(dir string, id *identity) error {
	b, err := json.MarshalIndent(id, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return vfs.Replace(vfs.OS(), dir, identityFile+".tmp", identityFile, append(b, '\n'))
}
