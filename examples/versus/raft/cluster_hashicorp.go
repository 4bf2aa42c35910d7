package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	hraft "github.com/hashicorp/raft"
	hwal "github.com/hashicorp/raft-wal"
)

// hashiCluster is three nodes of github.com/hashicorp/raft over the transport
// in memory that comes with it. Stock is its default configuration, tuned is
// what its documentation offers for throughput: a buffered apply channel and
// large batches.
type hashiCluster struct {
	nodes  []*hraft.Raft
	logs   []io.Closer
	leader *hraft.Raft
}

// hashiStore is what a node needs of its log.
type hashiStore interface {
	hraft.LogStore
	hraft.StableStore
}

func startHashicorp(tuned bool) start {
	return func(ctx context.Context, dirs []string) (cluster, error) {
		c := &hashiCluster{}
		if err := c.start(ctx, dirs, tuned); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
}

func (c *hashiCluster) start(ctx context.Context, dirs []string, tuned bool) error {
	var servers []hraft.Server
	transports := make([]*hraft.InmemTransport, 3)
	for i := range transports {
		address := hraft.ServerAddress(fmt.Sprint(i + 1))
		_, transports[i] = hraft.NewInmemTransport(address)
		servers = append(servers, hraft.Server{ID: hraft.ServerID(address), Address: address})
	}
	for i, a := range transports {
		for k, b := range transports {
			if i != k {
				a.Connect(servers[k].Address, b)
			}
		}
	}
	for i := range servers {
		cfg := hashiConfig(servers[i].ID, tuned)
		store, err := c.store(dirs, i)
		if err != nil {
			return err
		}
		snapshots := hraft.NewInmemSnapshotStore()
		if err := hraft.BootstrapCluster(cfg, store, store, snapshots, transports[i], hraft.Configuration{Servers: servers}); err != nil {
			return err
		}
		var machine hraft.FSM = hashiMachine{}
		if tuned {
			machine = batchMachine{}
		}
		n, err := hraft.NewRaft(cfg, machine, store, store, snapshots, transports[i])
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, n)
	}
	err := await(ctx, "electing a leader", func() bool {
		for _, n := range c.nodes {
			if n.State() == hraft.Leader {
				c.leader = n
			}
		}
		return c.leader != nil
	})
	if err != nil {
		return err
	}
	return c.leader.Barrier(10 * time.Second).Error()
}

// hashiConfig has the times of the other contenders: heartbeats come at a tenth
// of the timeout.
func hashiConfig(id hraft.ServerID, tuned bool) *hraft.Config {
	cfg := hraft.DefaultConfig()
	cfg.LocalID = id
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 10*clusterTick, 10*clusterTick, 10*clusterTick
	cfg.Logger = hclog.NewNullLogger()
	if tuned {
		cfg.BatchApplyCh, cfg.MaxAppendEntries = true, 1024
	}
	return cfg
}

func (c *hashiCluster) store(dirs []string, i int) (hashiStore, error) {
	if dirs == nil {
		return hraft.NewInmemStore(), nil
	}
	dir := filepath.Join(dirs[i], "wal")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	log, err := hwal.Open(dir, hwal.WithLogger(hclog.NewNullLogger()))
	if err != nil {
		return nil, err
	}
	c.logs = append(c.logs, log)
	return log, nil
}

func (c *hashiCluster) propose(_ context.Context, command []byte) error {
	return c.leader.Apply(command, 0).Error()
}

func (c *hashiCluster) Close() error {
	var err error
	var futures []hraft.Future
	for _, n := range c.nodes {
		futures = append(futures, n.Shutdown())
	}
	for _, f := range futures {
		err = errors.Join(err, f.Error())
	}
	for _, l := range c.logs {
		err = errors.Join(err, l.Close())
	}
	return err
}

// hashiMachine is a state machine that costs nothing.
type hashiMachine struct{}

func (hashiMachine) Apply(*hraft.Log) any                 { return nil }
func (hashiMachine) Snapshot() (hraft.FSMSnapshot, error) { return hashiSnapshot{}, nil }
func (hashiMachine) Restore(r io.ReadCloser) error        { return r.Close() }

// batchMachine takes entries many at a time.
type batchMachine struct{ hashiMachine }

func (batchMachine) ApplyBatch(logs []*hraft.Log) []any { return make([]any, len(logs)) }

type hashiSnapshot struct{}

func (hashiSnapshot) Persist(sink hraft.SnapshotSink) error { return sink.Close() }
func (hashiSnapshot) Release()                              {}
