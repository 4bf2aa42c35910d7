package multi

import (
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// The life of a group on a host: it is made by hand, by the split of another,
// or at the word of its members; its log is cut; it is removed.
//
//	Create   on every first member, by hand       index 1, members given
//	Split    on every member of the left group,   index 1, members of the left
//	         at one index of its log
//	Join     at the word of other members         nothing, then a snapshot
//
// Every group begins with a snapshot at index 1 of term 0, so that a host that
// was not there can be given the beginning like any other snapshot.

// firstIndex and firstTerm are the place of the snapshot that a group begins
// with.
const (
	firstIndex = 1
	firstTerm  = 0
)

// Create makes a group's replica on one of its first members, all of which must
// be given the same; data is the state that the state machine begins with. It
// fails with raft.ErrInvalid, ErrExists and ErrRemoved.
func (c *Core) Create(g GroupID, m raft.Membership, data []byte) error {
	r, err := c.begin(g, m, data)
	if err != nil {
		return err
	}
	if len(m.Voters) > 0 && m.Voters[0] == c.cfg.ID {
		c.press(r)
	}
	c.emit(g, EventCreated, raft.None, "M7")
	return nil
}

// begin makes a replica with the group's first snapshot, and has it stored.
func (c *Core) begin(g GroupID, m raft.Membership, data []byte) (*replica, error) {
	if len(m.Voters) == 0 || !m.Contains(c.cfg.ID) {
		return nil, fmt.Errorf("%w: %s has the members %v, without %s", raft.ErrInvalid, g, m, c.cfg.ID)
	}
	s := raft.Snapshot{Index: firstIndex, Term: firstTerm, Membership: m, Data: data}
	core, err := raft.Begin(c.groupConfig(g), s)
	if err != nil {
		return nil, fmt.Errorf("raft/multi: %s of %s: %w", g, c.cfg.ID, err)
	}
	r, err := c.add(g, core)
	if err != nil {
		return nil, err
	}
	// No promise of this replica reaches the disk before it: they share a log.
	c.out.writes = append(c.out.writes, Write{Group: g, HardState: raft.HardState{Commit: firstIndex}, Snapshot: &s})
	return r, nil
}

// Split makes the right group of a split: the left group's state machine has
// come to the entry at index, which says so. Every member makes it with the
// same members and the same data, so it is one group that begins with a
// snapshot on all (M7). It fails with ErrExists where a restart replays the
// left group's log, and ErrRemoved; then all is well. It does nothing, and says
// so, where a snapshot of the left group came past index: the right group's
// leader will bring it.
func (c *Core) Split(left, right GroupID, index uint64, data []byte) (made bool, err error) {
	l := c.replica(left)
	if l == nil || l.core == nil || l.core.Status().Snapshot > index {
		return false, nil
	}
	m := l.core.MembershipAt(index)
	if !m.Contains(c.cfg.ID) {
		return false, nil
	}
	r, err := c.begin(right, m, data)
	if err != nil {
		return false, err
	}
	// Who leads the left knows that all is well; the others wait for it.
	if l.core.Status().Role == raft.Leader {
		c.press(r)
	}
	c.emit(right, EventSplit, raft.None, "M7")
	return true, nil
}

// press has a replica campaign at once, and go on until somebody leads: the
// other members may not have made theirs yet.
func (c *Core) press(r *replica) {
	r.eager = int32(c.cfg.Raft.ElectionTicks)
	r.core.Campaign()
	c.mark(r)
}

func (c *Core) pressOn(r *replica) {
	if r.eager == 0 {
		return
	}
	r.eager--
	if role := r.core.Status().Role; role == raft.Follower || role == raft.PreCandidate {
		r.core.Campaign()
	}
}

// onStranger takes a message of a group that this host lacks. Members that keep
// asking for something count it among them: it was added, or it got a snapshot of
// the left group instead of the entry that split it. Candidates ask too: the
// group may not find a leader without this host's vote. As a split may merely be
// late here, the host waits for two election timeouts before it believes them
// (M8).
func (c *Core) onStranger(m *Message) {
	if _, removed := c.gone[m.Group]; removed || m.Group == 0 {
		return
	}
	switch m.Raft.Type {
	case raft.AppendEntries, raft.InstallSnapshot, raft.RequestPreVote, raft.RequestVote:
	default:
		return
	}
	s, known := c.strangers[m.Group]
	if !known && len(c.strangers) < maxStrangers {
		c.strangers[m.Group] = stranger{since: c.now}
	}
	if known && !s.asked && c.now-s.since >= uint64(2*c.cfg.Raft.ElectionTicks) {
		s.asked = true
		c.strangers[m.Group] = s
		c.out.joining = append(c.out.joining, m.Group)
		c.emit(m.Group, EventJoined, m.Raft.From, "M8")
	}
}

// stranger is a group that this host lacks and whose members ask it something.
type stranger struct {
	since uint64 // ticks
	asked bool   // the shell was asked to join
}

// maxStrangers bounds what messages of unknown groups may cost.
const maxStrangers = 4096

// expireStrangers forgets those that were not made.
func (c *Core) expireStrangers() {
	for g, s := range c.strangers {
		if c.now-s.since > uint64(4*c.cfg.Raft.ElectionTicks) {
			delete(c.strangers, g)
		}
	}
}

// Join makes an empty replica, which learns from a leader who its members are and
// what they know. As it was never there before, it has promised nothing and may
// vote. It fails with ErrExists and ErrRemoved.
func (c *Core) Join(g GroupID) error {
	core, err := raft.NewCore(c.groupConfig(g), raft.State{})
	if err != nil {
		return err
	}
	_, err = c.add(g, core)
	return err
}

// Compact cuts a group's log: a snapshot at index, which its state machine has
// applied, stands for what was up to there; data is nil when the state machine
// keeps it itself. Keep entries before index stay in memory for slow followers.
// What is stored of the group is replaced (M2).
func (c *Core) Compact(g GroupID, index uint64, data []byte, keep uint64) error {
	r := c.replica(g)
	if r == nil {
		return c.absent(g)
	}
	core := r.core
	if core == nil {
		var err error
		if core, err = raft.Wake(c.groupConfig(g), r.asleep); err != nil {
			return err
		}
	}
	s, ok := snapshotAt(core, index)
	if !ok {
		return nil // a newer one came from the leader, or nobody has said yet who the members are
	}
	st := core.Status()
	upTo := max(st.First-1, index-min(index, keep))
	if err := core.Compact(s, upTo); err != nil {
		return err
	}
	entries, err := core.Entries(index+1, st.Last)
	if err != nil {
		return err
	}
	s.Data = data
	c.out.writes = append(c.out.writes, Write{
		Group: g, Snapshot: &s, Entries: entries,
		HardState: raft.HardState{Term: st.Term, VotedFor: st.VotedFor, Commit: st.Commit},
	})
	if r.core == nil {
		r.asleep, _ = core.Sleep() // nothing else has happened to it
	}
	return nil
}

// SnapshotAt names the snapshot that a group's state at an index would be. It
// is false when a newer one is here already.
func (c *Core) SnapshotAt(g GroupID, index uint64) (raft.Snapshot, bool) {
	r := c.replica(g)
	if r == nil || r.core == nil {
		return raft.Snapshot{}, false // nobody is sent one by who sleeps
	}
	return snapshotAt(r.core, index)
}

func snapshotAt(core *raft.Core, index uint64) (raft.Snapshot, bool) {
	if index < core.Status().Snapshot {
		return raft.Snapshot{}, false
	}
	term, known := core.TermAt(index)
	m := core.MembershipAt(index)
	return raft.Snapshot{Index: index, Term: term, Membership: m}, known && len(m.Voters) > 0
}

// Remove takes a group from this host, for ever: its ID is refused from then
// on. The group's other members are not told; take this one out of the
// membership first, or remove the group everywhere (M9).
func (c *Core) Remove(g GroupID) error {
	i, ok := c.find(g)
	if !ok {
		return c.absent(g)
	}
	r := c.replicas[i]
	if r.led {
		c.out.leads = append(c.out.leads, Lead{g, r.status().Term, false})
	}
	c.replicas = append(c.replicas[:i], c.replicas[i+1:]...)
	if r.core != nil {
		c.unrouse(r)
	}
	r.gone, r.core = true, nil
	c.gone[g] = struct{}{}
	c.recount = true
	c.out.writes = append(c.out.writes, Write{Group: g, Remove: true})
	c.emit(g, EventRemoved, raft.None, "M9")
	return nil
}
