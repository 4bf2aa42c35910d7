package raft

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var chaosSeeds = flag.Uint64("chaos-seeds", 300, "seeds of TestCoreKeepsTheFivePropertiesUnderChaos")

// chaos is the most hostile world that the rules allow, one choice at a time:
// messages arrive in any order, late, twice or never; each disk answers when it
// likes, several Readys behind; nodes crash and lose what the disk had not
// answered. The five properties are checked after every step.
type chaos struct {
	t       testing.TB
	choose  func(n int) int // the next choice, below n
	ids     []NodeID
	nodes   map[NodeID]*chaosNode
	wire    []Message
	checker Checker
	counter int
	changes int               // of membership, asked for
	asked   map[uint64]uint64 // read id -> highest index committed anywhere at the asking
	story   []string
}

type chaosNode struct {
	core    *Core
	disk    *MemStorage
	writing []Ready // given to the disk, not answered
	applied uint64
	lives   uint64
}

func newChaos(t testing.TB, n int, choose func(int) int) *chaos {
	w := &chaos{t: t, choose: choose, nodes: map[NodeID]*chaosNode{}, asked: map[uint64]uint64{}}
	for i := range n {
		w.ids = append(w.ids, NodeID(i+1))
	}
	for _, id := range w.ids {
		w.nodes[id] = &chaosNode{disk: &MemStorage{}}
		w.boot(id)
	}
	return w
}

func (w *chaos) fail(err error) {
	if err != nil {
		for _, line := range w.story[max(0, len(w.story)-60):] {
			w.t.Log(line)
		}
		w.t.Fatal(err)
	}
}

func (w *chaos) note(format string, args ...any) {
	w.story = append(w.story, fmt.Sprintf(format, args...))
}

func (w *chaos) boot(id NodeID) {
	n := w.nodes[id]
	st, err := n.disk.Load()
	w.fail(err)
	n.lives++
	n.core, err = NewCore(Config{
		ID: id, Voters: w.ids, Seed: n.lives, ElectionTicks: 3, MaxInflight: 3, MaxMessageBytes: 60,
		MaxApplyBytes: 100, NoPreVote: w.choose(4) == 0, NoCheckQuorum: w.choose(4) == 0,
	}, st)
	w.fail(err)
	n.writing, n.applied = nil, 0
	if st.Snapshot != nil {
		n.applied = st.Snapshot.Index
	}
	w.fail(w.checker.Started(id, st))
}

// observe takes what a step of the core produced.
func (w *chaos) observe(id NodeID) {
	n := w.nodes[id]
	for n.core.HasReady() {
		rd := n.core.Ready()
		w.fail(w.checker.Observe(n.core.Status(), &rd))
		w.wire = append(w.wire, rd.Messages...)
		for _, r := range rd.Reads {
			if want := w.asked[r.ID]; !r.Lost && r.Index < want {
				w.fail(fmt.Errorf("RULE read-index: read %d on %s may be answered from %d, but %d was committed before it was asked", r.ID, id, r.Index, want))
			}
		}
		if k := len(rd.Committed); k > 0 {
			n.applied = rd.Committed[k-1].Index
			n.core.Applied(n.applied)
		} else if rd.Snapshot != nil {
			n.applied = rd.Snapshot.Index
			n.core.Applied(n.applied)
		}
		rd.AfterSync = slices.Clone(rd.AfterSync)
		n.writing = append(n.writing, rd)
	}
}

// written lets the disk answer the oldest write.
func (w *chaos) written(id NodeID, tell bool) {
	n := w.nodes[id]
	if len(n.writing) == 0 {
		return
	}
	rd := n.writing[0]
	n.writing = n.writing[1:]
	if rd.Snapshot != nil {
		w.fail(n.disk.SaveSnapshot(*rd.Snapshot))
	}
	if rd.Seq > 0 {
		w.fail(n.disk.Save(rd.HardState, rd.Entries, rd.MustSync))
	}
	if tell {
		w.wire = append(w.wire, rd.AfterSync...)
		n.core.Synced(rd.Seq)
	}
}

func (w *chaos) step() {
	id := w.ids[w.choose(len(w.ids))]
	n := w.nodes[id]
	switch k := w.choose(40); {
	case k < 6:
		n.core.Tick()
	case k < 22 && len(w.wire) > 0:
		w.deliver(k)
		return
	case k < 32:
		w.written(id, true)
	case k < 36:
		w.counter++
		if _, _, err := n.core.Propose(fmt.Appendf(nil, "%d", w.counter)); err != nil {
			return
		}
	case k == 36:
		w.counter++
		w.asked[uint64(w.counter)] = uint64(len(w.checker.chosen))
		n.core.ReadIndex(uint64(w.counter))
	case k == 37:
		// The disk may have finished writes it never answered.
		for range w.choose(len(n.writing) + 1) {
			w.written(id, false)
		}
		w.note("%s crashes", id)
		w.boot(id)
	case k == 38:
		w.compact(n)
	case k == 39:
		w.reign(n)
	}
	w.observe(id)
}

func (w *chaos) deliver(k int) {
	i := w.choose(min(len(w.wire), 12)) // late, but rarely ancient
	m := w.wire[i]
	if k != 21 { // 21: delivered, and still there: a duplicate
		w.wire = slices.Delete(w.wire, i, i+1)
	}
	if k == 20 {
		return // lost
	}
	if m.Type == InstallSnapshot && m.Snapshot.Data == nil {
		s := *m.Snapshot
		s.Data = []byte{1}
		m.Snapshot = &s
	}
	w.note("%s", m)
	w.fail(w.nodes[m.To].core.Step(m))
	w.observe(m.To)
}

// reign asks for another membership or another leader.
func (w *chaos) reign(n *chaosNode) {
	if len(w.ids) < 3 {
		return
	}
	if w.choose(3) == 0 {
		n.core.TransferLeadership(w.ids[w.choose(len(w.ids))])
		return
	}
	var m Membership
	for _, id := range w.ids {
		switch w.choose(5) {
		case 0:
		case 1:
			m.Learners = append(m.Learners, id)
		default:
			m.Voters = append(m.Voters, id)
		}
	}
	if _, _, err := n.core.ChangeMembership(m); err == nil {
		w.changes++
		w.note("%s asks for %v", n.core.cfg.ID, m)
	}
}

// compact takes a snapshot of what is applied and on disk.
func (w *chaos) compact(n *chaosNode) {
	st := n.core.Status()
	if len(n.writing) > 0 || st.Applied <= st.Snapshot {
		return
	}
	es, err := n.core.Entries(st.Applied, st.Applied)
	w.fail(err)
	s := Snapshot{Index: st.Applied, Term: es[0].Term, Membership: n.core.MembershipAt(st.Applied), Data: []byte{1}}
	w.fail(n.disk.SaveSnapshot(s))
	upTo := max(st.First-1, st.Applied-min(st.Applied, uint64(w.choose(3))))
	w.fail(n.core.Compact(s, upTo))
	w.fail(n.disk.Compact(upTo))
}

// calm ends the hostility: everybody must agree soon, on all that was chosen.
func (w *chaos) calm() {
	for round := 0; ; round++ {
		if round > 5000 {
			for _, id := range w.ids {
				w.note("%+v %+v %+v", w.nodes[id].core.Status(), w.nodes[id].core.Peers(), w.nodes[id].core.configs)
			}
			w.fail(fmt.Errorf("RULE liveness: no agreement after 5000 calm rounds"))
		}
		for _, id := range w.ids {
			if round%3 == 0 {
				w.nodes[id].core.Tick()
			}
			w.observe(id)
			for len(w.nodes[id].writing) > 0 {
				w.written(id, true)
				w.observe(id)
			}
		}
		wire := w.wire
		w.wire = nil
		for _, m := range wire {
			w.fail(w.nodes[m.To].core.Step(m))
			w.observe(m.To)
		}
		if w.agreed() {
			return
		}
		for _, id := range w.ids {
			// Everybody back in; errors say that it is not the time yet.
			if c := w.nodes[id].core; c.role == Leader && !slices.Equal(c.Membership().Voters, w.ids) {
				c.ChangeMembership(Membership{Voters: w.ids})
			}
		}
	}
}

func (w *chaos) agreed() bool {
	leaders := 0
	want := w.nodes[1].core.Status().Last
	for _, id := range w.ids {
		st := w.nodes[id].core.Status()
		if st.Role == Leader {
			leaders++
		}
		if m := w.nodes[id].core.Membership(); m.Joint() || !slices.Equal(m.Voters, w.ids) {
			return false
		}
		if st.Applied != want || st.Last != want || st.Commit != want {
			return false
		}
	}
	return leaders == 1
}

func TestCoreKeepsTheFivePropertiesUnderChaos(t *testing.T) {
	progress, changes := 0, 0
	for seed := range *chaosSeeds {
		rng := rand.New(rand.NewPCG(seed, 7))
		w := newChaos(t, []int{3, 3, 5, 1, 2}[seed%5], rng.IntN)
		w.note("seed %d", seed)
		for range 1500 {
			w.step()
		}
		progress += len(w.checker.chosen)
		changes += w.changes
		w.calm()
	}
	require.Greater(t, progress, int(*chaosSeeds)*10, "the world is so hostile that it tests nothing")
	require.Greater(t, changes, int(*chaosSeeds)/4, "hardly any change of membership")
}

func FuzzCore(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 8 {
		b := make([]byte, 4000)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		next := func(n int) int {
			if len(choices) == 0 {
				return 0
			}
			c := choices[0]
			choices = choices[1:]
			return int(c) % n
		}
		w := newChaos(t, 3, next)
		for len(choices) > 0 {
			w.step()
		}
		w.calm()
	})
}
