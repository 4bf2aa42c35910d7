// Package consumer is a program outside Flagship's module path: what it cannot
// name, implement or call, no user of the library can.
package consumer

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
	"github.com/flagship-go/flagship/raft/quorum"
	"github.com/flagship-go/flagship/raft/rafttest"
)

// Every seam, implemented by a stranger.
var (
	_ raft.StateMachine = (*words)(nil)
	_ raft.Storage      = storage{}
	_ raft.Transport    = transport{}
	_ rafttest.Core     = core{}
)

type words struct{ all []string }

func (w *words) Apply(_ uint64, command []byte) []byte {
	w.all = append(w.all, string(command))
	return fmt.Append(nil, len(w.all))
}

func (w *words) Snapshot() (io.WriterTo, error) {
	return strings.NewReader(strings.Join(w.all, "\n")), nil
}

func (w *words) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	w.all = strings.Split(string(b), "\n")
	return err
}

type storage struct{ raft.Storage }

type transport struct{ raft.Transport }

// core is somebody's own implementation, here by embedding ours.
type core struct{ *raft.Core }

func TestTheKitGradesAStrangersCore(t *testing.T) {
	rafttest.Run(t, rafttest.Implementation{
		Name: "stranger",
		NewCore: func(cfg raft.Config, st raft.State) (rafttest.Core, error) {
			c, err := raft.NewCore(cfg, st)
			return core{c}, err
		},
	})
}

func TestAStrangersProgramRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &words{}
		n, err := raft.Start(raft.Options{
			Config:       raft.Config{ID: 1, Voters: []raft.NodeID{1}},
			StateMachine: w,
			Storage:      storage{&raft.MemStorage{}},
			Transport:    transport{raft.NewNetwork().Join(1)},
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		result, err := n.Propose(t.Context(), []byte("hello"))
		if err != nil || string(result) != "1" {
			t.Fatalf("Propose = %q, %v", result, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAStrangerOpensADiskLogOnAFileSystemOfHisOwn(t *testing.T) {
	var fs disk.FS // an alias: the type can be named and implemented
	s, err := disk.Open(t.TempDir(), &disk.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := quorum.Size(5); got != 3 {
		t.Fatal(got)
	}
}
