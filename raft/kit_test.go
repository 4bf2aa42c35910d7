package raft_test

import (
	"testing"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

func newCore(cfg raft.Config, st raft.State) (rafttest.Core, error) { return raft.NewCore(cfg, st) }

var everything = rafttest.Capabilities{
	PreVote: true, CheckQuorum: true, FastBackup: true, Pipeline: true, Snapshots: true, ReadIndex: true,
}

func TestKit(t *testing.T) {
	rafttest.Run(t, rafttest.Implementation{Name: "raft.NewCore", Claims: everything, NewCore: newCore})
}
