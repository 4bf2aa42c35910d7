package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/internal/versus"
	"github.com/flagship-go/flagship/raft"
)

// What a layer costs: the same work done at three doors of a cluster of three
// that syncs its logs to this machine's disk.
//
//	raft      Node.Propose and Node.Read of nodes that replicate nothing else:
//	          the ceiling
//	service   Member.Put, Range, Txn, Watch
//	http      the same as etcd's JSON, over a TCP connection of this machine
//
// All doors are the leader's.

var (
	beside   = flag.Duration("beside", 0, "length of a sample of TestDoorsSideBySide, whose report is printed then")
	storedOn = flag.String("storage", storageLSM, "where the store of the benchmarks' clusters is: lsm or memory")
	only     = flag.String("only", "", "the one cell of TestDoorsSideBySide")
)

// door does an operation; what it is for is said by its name. Close frees all.
type door struct {
	put, txn, read, stale, told func(ctx context.Context) error
	close                       func()
}

// cluster starts three members in this process, as the command does.
func cluster(t testing.TB, dir string) *server {
	c, err := parse([]string{"-data-dir", dir, "-storage", *storedOn, "-listen-client-urls", "http://127.0.0.1:0", "-heartbeat-interval=50", "-election-timeout=500"}, io.Discard)
	require.NoError(t, err)
	s := &server{config: c, log: slog.New(slog.DiscardHandler), stop: make(chan struct{}), failed: make(chan error, 8)}
	listeners, err := s.listenClients()
	require.NoError(t, err)
	require.NoError(t, s.startThree())
	s.serve(listeners)
	for !s.member().Leads() {
		runtime.Gosched()
	}
	return s
}

// The work: a key of 16 bytes, a value of 64.
func work() (put *store.PutRequest, txn *store.TxnRequest) {
	put = &store.PutRequest{Key: []byte("0123456789abcdef"), Value: make([]byte, 64)}
	return put, &store.TxnRequest{
		Compare: []store.Compare{{Key: put.Key, Target: store.CompareVersion, Result: store.Greater}},
		Success: []store.Op{{Put: put}},
		Failure: []store.Op{{Range: &store.RangeRequest{Key: put.Key}}},
	}
}

func raftDoor(t testing.TB, dir string, _ int) *door {
	s := &server{config: &config{maxSnapshots: 5}, log: slog.New(slog.DiscardHandler)}
	network, ids := raft.NewNetwork(), []raft.NodeID{1, 2, 3}
	var nodes []*raft.Node
	for _, id := range ids {
		storage, err := s.openRaft(filepath.Join(dir, id.String()), uint64(id), 7)
		require.NoError(t, err)
		n, err := raft.Start(raft.Options{Config: raft.Config{ID: id, Voters: ids}, TickInterval: 50 * time.Millisecond,
			Transport: network.Join(id), Storage: storage, StateMachine: nothing{}})
		require.NoError(t, err)
		nodes = append(nodes, n)
	}
	var leader *raft.Node
	for leader == nil {
		for _, n := range nodes {
			if n.Status().Role == raft.Leader {
				leader = n
			}
		}
		runtime.Gosched()
	}
	p, x := work()
	put, txn := store.EncodeCommand(p), store.EncodeCommand(x)
	propose := func(command []byte) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := leader.Propose(ctx, command)
			return err
		}
	}
	return &door{put: propose(put), txn: propose(txn), read: leader.Read, told: propose(put), close: func() {
		for _, n := range nodes {
			n.Close()
		}
	}}
}

// nothing is a state machine that costs nothing.
type nothing struct{}

func (nothing) Apply(uint64, []byte) []byte    { return nil }
func (nothing) Snapshot() (io.WriterTo, error) { return strings.NewReader(""), nil }
func (nothing) Restore(io.Reader) error        { return nil }

func serviceDoor(t testing.TB, dir string, watchers int) *door {
	s := cluster(t, dir)
	m := s.member()
	put, txn := work()
	get := &store.RangeRequest{Key: put.Key}
	d := &door{}
	d.put = func(ctx context.Context) error { _, err := m.Put(ctx, put); return err }
	d.txn = func(ctx context.Context) error { _, err := m.Txn(ctx, txn, false); return err }
	d.read = func(ctx context.Context) error { _, err := m.Range(ctx, get, false); return err }
	d.stale = func(ctx context.Context) error { _, err := m.Range(ctx, get, true); return err }
	require.NoError(t, d.put(context.Background()))
	ctx, cancel := context.WithCancel(context.Background())
	events := make(chan struct{}, watchers)
	var running sync.WaitGroup
	for range watchers {
		w, err := m.Watch(&store.WatchRequest{Key: put.Key})
		require.NoError(t, err)
		running.Go(func() {
			defer w.Close()
			for {
				select {
				case <-w.Ready():
				case <-ctx.Done():
					return
				}
				for r, ok := w.Next(0); ok; r, ok = w.Next(0) {
					for range r.Events {
						events <- struct{}{}
					}
				}
			}
		})
	}
	d.told = func(ctx context.Context) error {
		_, err := m.Put(ctx, put)
		for range watchers {
			<-events
		}
		return err
	}
	d.close = func() {
		cancel()
		running.Wait()
		s.close()
	}
	return d
}

func httpDoor(t testing.TB, dir string, watchers int) *door {
	s := cluster(t, dir)
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1 << 10}}
	post := func(path, body string) func(context.Context) error {
		return func(ctx context.Context) error {
			r, err := c.Post(s.urls[0]+path, "application/json", strings.NewReader(body))
			if err != nil {
				return err
			}
			defer r.Body.Close()
			if b, err := io.ReadAll(r.Body); err != nil || r.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s %s %w", path, r.Status, b, err)
			}
			return nil
		}
	}
	w, _ := work()
	key, value := b64(string(w.Key)), b64(string(w.Value))
	put := `{"key":"` + key + `","value":"` + value + `"}`
	get := `{"key":"` + key + `"}`
	d := &door{put: post("/v3/kv/put", put), read: post("/v3/kv/range", get), stale: post("/v3/kv/range", `{"key":"`+key+`","serializable":true}`),
		txn: post("/v3/kv/txn", `{"compare":[{"key":"`+key+`","target":"VERSION","result":"GREATER"}],"success":[{"request_put":`+put+`}],"failure":[{"request_range":`+get+`}]}`)}
	require.NoError(t, d.put(context.Background()))
	events := make(chan struct{}, watchers)
	var running sync.WaitGroup
	for range watchers {
		r, err := c.Post(s.urls[0]+"/v3/watch", "application/json", strings.NewReader(`{"create_request":`+get+`}`))
		require.NoError(t, err)
		answers := json.NewDecoder(r.Body)
		var created json.RawMessage
		require.NoError(t, answers.Decode(&created))
		running.Go(func() {
			defer r.Body.Close()
			for answer := created; answers.Decode(&answer) == nil; {
				for range bytes.Count(answer, []byte(`"kv"`)) {
					events <- struct{}{}
				}
			}
		})
	}
	d.told = func(ctx context.Context) error {
		err := d.put(ctx)
		for range watchers {
			<-events
		}
		return err
	}
	d.close = func() {
		s.close()
		running.Wait()
		c.CloseIdleConnections()
	}
	return d
}

// op returns a door's operation by its name; nil: it has none.
func (d *door) op(name string) func(context.Context) error {
	return map[string]func(context.Context) error{"put": d.put, "txn": d.txn, "range": d.read, "serializable": d.stale, "watch": d.told}[name]
}

type open func(t testing.TB, dir string, watchers int) *door

var doors = []struct {
	name string
	open open
}{{"raft", raftDoor}, {"service", serviceDoor}, {"http", httpDoor}}

// cells of the comparison. A watch is a put that 1,000 watchers are told of,
// each on a connection of its own, and who all have been.
var cells = []versus.Cell{
	"op=put/clients=1", "op=put/clients=64",
	"op=txn/clients=1", "op=txn/clients=64",
	"op=range/clients=1", "op=range/clients=64",
	"op=watch/clients=1/watchers=1000",
}

// Benchmark has all operations at all doors, one client or many.
func Benchmark(b *testing.B) {
	for _, cell := range append([]versus.Cell{"op=serializable/clients=1"}, cells...) {
		for _, d := range doors {
			b.Run(string(cell)+"/door="+d.name, func(b *testing.B) {
				door := d.open(b, b.TempDir(), cell.Int("watchers", 0))
				defer door.close()
				op := door.op(cell.Get("op"))
				if op == nil {
					b.Skip("raft has no such operation")
				}
				todo := make(chan struct{})
				var clients sync.WaitGroup
				for range cell.Int("clients", 1) {
					clients.Go(func() {
						for range todo {
							if err := op(b.Context()); err != nil {
								b.Error(err)
							}
						}
					})
				}
				b.ReportAllocs()
				for b.Loop() {
					todo <- struct{}{}
				}
				close(todo)
				clients.Wait()
			})
		}
	}
}

type runner struct {
	*door
	cell versus.Cell
}

func (r runner) Run(ctx context.Context, w *versus.Work) error {
	op := r.op(r.cell.Get("op"))
	return w.Each(ctx, r.cell.Int("clients", 1), func(ctx context.Context, _ *versus.Client) error { return op(ctx) })
}

func (r runner) Close() error {
	r.close()
	return nil
}

// TestDoorsSideBySide measures the doors interleaved, so that what else happens
// on the machine happens to all: go test ./examples/kv -run SideBySide -v -beside 1s
func TestDoorsSideBySide(t *testing.T) {
	if *beside == 0 {
		t.Skip("a measurement, made with -beside; Benchmark runs the same doors")
	}
	config := versus.Config{Title: "examples/kv", Ours: "http", Reference: "raft", Latency: true, Duration: *beside, Rounds: 7,
		Command: "go test ./examples/kv -run SideBySide -v -beside " + beside.String(),
		Goals:   []versus.Goal{{Metric: versus.P99, AtMost: 2, Of: "raft", Cells: cells[:1]}}}
	cells := cells
	if *only != "" {
		cells, config.Goals = []versus.Cell{versus.Cell(*only)}, nil
	}
	var contenders []versus.Contender
	for _, d := range doors {
		contenders = append(contenders, versus.Contender{Name: d.name, Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
			return runner{d.open(t, t.TempDir(), cell.Int("watchers", 0)), cell}, nil
		}})
	}
	report, err := versus.Run(t.Context(), config, contenders, cells)
	require.NoError(t, err)
	for _, r := range report.Results {
		require.Empty(t, r.Err, "%s at %s", r.Contender, r.Cell)
	}
	require.NoError(t, report.Markdown(os.Stdout))
}
