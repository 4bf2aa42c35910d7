package multi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

// broken reports a broken rule in the form that the kill matrix reads.
func broken(t testing.TB, rule, format string, args ...any) {
	t.Helper()
	t.Errorf("RULE %s: %s", rule, fmt.Sprintf(format, args...))
}

// table is a state machine that can be split: commands are "key=value", the
// answer is the value before.
type table struct {
	mu     sync.Mutex
	values map[string]string
	last   uint64 // index of the last command
	block  chan struct{}
}

func newTable() *table { return &table{values: map[string]string{}} }

func (m *table) Apply(index uint64, command []byte) []byte {
	if m.block != nil {
		<-m.block
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key, value, _ := strings.Cut(string(command), "=")
	old := m.values[key]
	m.values[key], m.last = value, index
	return []byte(old)
}

func (m *table) get(key string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key]
}

func (m *table) all() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.values)
}

func (m *table) Snapshot() (io.WriterTo, error) {
	var b bytes.Buffer
	all := m.all()
	for _, key := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s=%s\n", key, all[key])
	}
	return &b, nil
}

func (m *table) Restore(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values = map[string]string{}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		m.values[key] = value
	}
	return nil
}

var errNoSplit = errors.New("nothing to split at")

func (m *table) CanSplit(at []byte) error {
	if len(at) == 0 {
		return errNoSplit
	}
	return nil
}

func (m *table) Split(index uint64, _ GroupID, at []byte) raft.StateMachine {
	m.mu.Lock()
	defer m.mu.Unlock()
	right := newTable()
	right.last = index
	for key, value := range m.values {
		if key >= string(at) {
			right.values[key] = value
			delete(m.values, key)
		}
	}
	m.last = index
	return right
}

// party is a cluster of hosts on one network, in a synctest bubble.
type party struct {
	t        testing.TB
	network  *Network
	ids      []raft.NodeID
	hosts    map[raft.NodeID]*Host
	storages map[raft.NodeID]func() Storage
	mu       sync.Mutex
	tables   map[raft.NodeID]map[GroupID]*table
	change   func(*Options)
}

func newParty(t testing.TB, n int, change func(*Options)) *party {
	p := &party{t: t, network: NewNetwork(), change: change,
		hosts: map[raft.NodeID]*Host{}, storages: map[raft.NodeID]func() Storage{}, tables: map[raft.NodeID]map[GroupID]*table{}}
	for i := range n {
		id := raft.NodeID(i + 1)
		p.ids = append(p.ids, id)
		mem := &MemStorage{}
		p.storages[id] = func() Storage { return mem }
		p.start(id)
	}
	t.Cleanup(func() {
		for _, id := range slices.Sorted(maps.Keys(p.hosts)) {
			require.NoError(t, p.hosts[id].Close())
		}
	})
	return p
}

func (p *party) start(id raft.NodeID) *Host {
	p.mu.Lock()
	p.tables[id] = map[GroupID]*table{}
	p.mu.Unlock()
	o := Options{
		ID: id, Raft: raft.Config{Seed: 7}, Storage: p.storages[id](), Transport: p.network.Join(id),
		StateMachine: func(g GroupID) (raft.StateMachine, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.tables[id][g] = newTable()
			return p.tables[id][g], nil
		},
	}
	if p.change != nil {
		p.change(&o)
	}
	h, err := Start(o)
	require.NoError(p.t, err)
	p.hosts[id] = h
	return h
}

func (p *party) stop(id raft.NodeID) {
	require.NoError(p.t, p.hosts[id].Close())
	delete(p.hosts, id)
}

// create makes a group on all hosts.
func (p *party) create(g GroupID) {
	for _, id := range p.ids {
		require.NoError(p.t, p.hosts[id].Create(context.Background(), g, p.ids))
	}
}

// leader waits until a group has a leader that can be read from.
func (p *party) leader(g GroupID) *Host {
	for range 200 {
		for _, id := range p.ids {
			if h := p.hosts[id]; h != nil {
				if st, err := h.Status(context.Background(), g); err == nil && st.Role == raft.Leader && h.Read(context.Background(), g) == nil {
					return h
				}
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.Fail(p.t, "no leader", "of %s", g)
	return nil
}

// put writes to a group's leader, asking again where that is safe.
func (p *party) put(g GroupID, key, value string) {
	for range 50 {
		_, err := p.leader(g).Propose(context.Background(), g, []byte(key+"="+value))
		if err == nil {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	require.Fail(p.t, "not written", "%s in %s", key, g)
}

// asleep waits until a group sleeps on all hosts that run.
func (p *party) asleep(g GroupID) bool {
	for range 400 {
		awake := false
		for _, id := range p.ids {
			if h := p.hosts[id]; h != nil {
				st, err := h.Status(context.Background(), g)
				awake = awake || err != nil || !st.Asleep
			}
		}
		if !awake {
			return true
		}
		time.Sleep(100 * time.Millisecond)
	}
	return false
}
