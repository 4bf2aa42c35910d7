package main

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// ourCluster is three raft.Nodes with their defaults.
type ourCluster struct {
	nodes  []*raft.Node
	leader *raft.Node
}

func startOurs(ctx context.Context, dirs []string) (cluster, error) {
	c := &ourCluster{}
	network := raft.NewNetwork()
	ids := []raft.NodeID{1, 2, 3}
	for i, id := range ids {
		var storage raft.Storage = &raft.MemStorage{}
		var snapshotEvery uint64 // the default
		if dirs != nil {
			snapshotEvery = durableSnapshots
			var err error
			if storage, err = disk.Open(dirs[i], nil); err != nil {
				return nil, errors.Join(err, c.Close())
			}
		}
		n, err := raft.Start(raft.Options{
			// The first is elected first, so that no sample waits for a second
			// election.
			Config:       raft.Config{ID: id, Voters: ids, ElectionDelay: i * 30},
			TickInterval: clusterTick, Transport: network.Join(id), Storage: storage, StateMachine: nothing{},
			SnapshotEvery: snapshotEvery,
		})
		if err != nil {
			return nil, errors.Join(err, c.Close())
		}
		c.nodes = append(c.nodes, n)
	}
	err := await(ctx, "electing a leader", func() bool {
		for _, n := range c.nodes {
			if st := n.Status(); st.Role == raft.Leader && st.Applied > 0 {
				c.leader = n
			}
		}
		return c.leader != nil
	})
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *ourCluster) propose(ctx context.Context, command []byte) error {
	_, err := c.leader.Propose(ctx, command)
	return err
}

func (c *ourCluster) Close() error {
	var err error
	for _, n := range c.nodes {
		err = errors.Join(err, n.Close())
	}
	return err
}

// nothing is a state machine that costs nothing.
type nothing struct{}

func (nothing) Apply(uint64, []byte) []byte    { return nil }
func (nothing) Snapshot() (io.WriterTo, error) { return &bytes.Buffer{}, nil }
func (nothing) Restore(io.Reader) error        { return nil }
