package raft

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft/quorum"
)

// Membership is who takes part: Voters decide, Learners only receive the log.
//
// A change from one set of voters to another goes through a joint
// configuration (§6), in which Outgoing is the old set and every decision
// needs a majority of both:
//
//	Voters{1 2 3}   -> Voters{1 2 4} Outgoing{1 2 3}   ->   Voters{1 2 4}
//	C_old              C_old,new: two majorities            C_new
//	                   cannot decide without each other
type Membership struct {
	Voters   []NodeID
	Learners []NodeID
	// Outgoing are the voters that are being replaced; none but during a
	// change.
	Outgoing []NodeID
}

// Joint says whether a change is under way.
func (m Membership) Joint() bool { return len(m.Outgoing) > 0 }

// Contains says whether id takes part in any way.
func (m Membership) Contains(id NodeID) bool {
	return slices.Contains(m.Voters, id) || slices.Contains(m.Learners, id) || slices.Contains(m.Outgoing, id)
}

func (m Membership) clone() Membership {
	return Membership{slices.Clone(m.Voters), slices.Clone(m.Learners), slices.Clone(m.Outgoing)}
}

// validate refuses sets that cannot work.
func (m Membership) validate(what string) error {
	for _, set := range [][]NodeID{m.Voters, m.Learners, m.Outgoing} {
		for i, id := range set {
			if id == None || slices.Contains(set[:i], id) {
				return fmt.Errorf("%w: %s lists %d twice, or 0: %v", ErrInvalid, what, id, set)
			}
		}
	}
	for _, id := range m.Learners {
		if slices.Contains(m.Voters, id) {
			return fmt.Errorf("%w: %s lists %s as voter and as learner", ErrInvalid, what, id)
		}
	}
	return nil
}

// membershipVersion begins an encoded Membership.
const membershipVersion = 1

// EncodeMembership writes a membership as the data of an EntryMembership: the
// version, then each set as its length and IDs, all uvarints.
func EncodeMembership(m Membership) []byte {
	b := make([]byte, 1, 4+len(m.Voters)+len(m.Learners)+len(m.Outgoing)) // small IDs take a byte
	b[0] = membershipVersion
	for _, set := range [][]NodeID{m.Voters, m.Learners, m.Outgoing} {
		b = binary.AppendUvarint(b, uint64(len(set)))
		for _, id := range set {
			b = binary.AppendUvarint(b, uint64(id))
		}
	}
	return b
}

// DecodeMembership reads the data of an EntryMembership.
func DecodeMembership(b []byte) (Membership, error) {
	var m Membership
	if len(b) == 0 || b[0] != membershipVersion {
		return m, fmt.Errorf("%w: membership of a format other than version %d: % x", ErrCorrupt, membershipVersion, b[:min(len(b), 8)])
	}
	b = b[1:]
	next := func() (v uint64, ok bool) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, false
		}
		b = b[n:]
		return v, true
	}
	for _, set := range []*[]NodeID{&m.Voters, &m.Learners, &m.Outgoing} {
		n, ok := next()
		for ; ok && n > 0; n-- {
			var id uint64
			if id, ok = next(); ok {
				*set = append(*set, NodeID(id))
			}
		}
		if !ok {
			return Membership{}, fmt.Errorf("%w: membership cut short", ErrCorrupt)
		}
	}
	if len(b) > 0 {
		return Membership{}, fmt.Errorf("%w: %d bytes behind a membership", ErrCorrupt, len(b))
	}
	return m, m.validate("a membership entry")
}

// configAt is a membership and the entry that brought it, encoded as it is
// there: it is looked at seldom, and an idle group should be small.
type configAt struct {
	index   uint64
	encoded []byte
}

func (c *configAt) membership() Membership {
	m, err := DecodeMembership(c.encoded)
	if err != nil {
		panic("raft: broken invariant: an unchecked membership: " + err.Error())
	}
	return m
}

// A node uses the newest membership in its log, committed or not (§6): the one
// of its snapshot first, then those of its entries. When entries are removed,
// so are the memberships they brought.

// config is the membership in force.
func (c *Core) config() *configAt { return &c.configs[len(c.configs)-1] }

// adoptEntries notices the memberships among new entries, which were checked.
func (c *Core) adoptEntries(entries []Entry) {
	for i := range entries {
		if e := &entries[i]; e.Type == EntryMembership {
			c.configs = append(c.configs, configAt{e.Index, e.Data})
			c.useConfig()
		}
	}
}

// revertConfigs forgets the memberships of entries from index on.
func (c *Core) revertConfigs(index uint64) {
	n := len(c.configs)
	for n > 1 && c.configs[n-1].index >= index {
		n--
	}
	if n < len(c.configs) {
		c.configs = c.configs[:n]
		c.useConfig()
	}
}

// resetConfigs starts over with the membership of a snapshot.
func (c *Core) resetConfigs(index uint64, m Membership) {
	c.configs = []configAt{{index, EncodeMembership(m)}}
	c.useConfig()
}

// forgetConfigs drops what a compaction up to index makes history.
func (c *Core) forgetConfigs(index uint64) {
	n := 0
	for n+1 < len(c.configs) && c.configs[n+1].index <= index {
		n++
	}
	c.configs = slices.Delete(c.configs, 0, n)
}

// MembershipAt returns the membership in force at an index that is not
// compacted away: what a snapshot there must carry. It has no voters on a node
// that joined later and replays the log from its beginning, before the first
// entry that names them: no snapshot can be taken there.
func (c *Core) MembershipAt(index uint64) Membership {
	at := &c.configs[0]
	for i := range c.configs {
		if c.configs[i].index <= index {
			at = &c.configs[i]
		}
	}
	return at.membership()
}

// Membership returns the membership in force.
func (c *Core) Membership() Membership { return c.config().membership() }

// useConfig makes the newest membership the one that counts, and keeps what is
// known of members that stay.
func (c *Core) useConfig() {
	cfg := c.Membership()
	c.joint = cfg.Joint()
	ids := slices.Concat(cfg.Voters, cfg.Learners, cfg.Outgoing)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	old := c.members
	c.members = make([]progress, 0, len(ids))
	for _, id := range ids {
		p := progress{id: id, nextIndex: c.log.last() + 1, active: true}
		if i := slices.IndexFunc(old, func(p progress) bool { return p.id == id }); i >= 0 {
			p = old[i]
		}
		p.voter, p.outgoing = slices.Contains(cfg.Voters, id), slices.Contains(cfg.Outgoing, id)
		c.members = append(c.members, p)
	}
	c.dirty = true
}

// mayCampaign says whether this node is a voter of a membership that is in
// force, or may turn out to be: of the last committed one or of one after it. A
// voter that a change removes still campaigns until it knows the change to be
// committed; only it may have the entries to bring that about (D§4.2.2).
func (c *Core) mayCampaign() bool {
	if p := c.own(); p != nil && (p.voter || p.outgoing) {
		return true // of the newest
	}
	for i := len(c.configs) - 1; i > 0 && c.configs[i].index > c.log.commit; i-- {
		m := c.configs[i-1].membership()
		if slices.Contains(m.Voters, c.cfg.ID) || slices.Contains(m.Outgoing, c.cfg.ID) {
			return true
		}
	}
	return false
}

// ChangeMembership asks the leader for other voters and learners. It starts
// the change and returns the place of its first entry; the change is complete
// when the core reports a membership without Outgoing, equal to the one asked
// for, as committed. A leader that is not among the new voters steps down then.
//
// ErrInvalid: the sets cannot work. ErrPending: another change is under way,
// or this leader has not committed anything in its term yet: two overlapping
// changes could elect two leaders. The error is a *NotLeaderError on others.
func (c *Core) ChangeMembership(m Membership) (index, term uint64, err error) {
	m = m.clone()
	switch err := m.validate("the new membership"); {
	case c.role != Leader:
		return 0, 0, &NotLeaderError{c.leader}
	case err != nil:
		return 0, 0, err
	case len(m.Voters) == 0 || len(m.Outgoing) > 0:
		return 0, 0, fmt.Errorf("%w: the new membership needs voters, and no Outgoing: %v", ErrInvalid, m)
	case c.transferee != None:
		return 0, 0, fmt.Errorf("%w: leadership is being given to %s", ErrPending, c.transferee)
	}
	now := c.config()
	if term, _ := c.log.term(c.log.commit); now.index > c.log.commit || c.joint || term != c.term {
		return 0, 0, fmt.Errorf("%w: entry %d of the membership is not committed in term %d yet", ErrPending, now.index, c.term)
	}
	slices.Sort(m.Voters)
	slices.Sort(m.Learners)
	if voters := now.membership().Voters; !slices.Equal(slices.Sorted(slices.Values(voters)), m.Voters) {
		m.Outgoing = voters
	}
	c.appendConfig(m)
	return c.log.last(), c.term, nil
}

func (c *Core) appendConfig(m Membership) {
	e := Entry{Index: c.log.last() + 1, Term: c.term, Type: EntryMembership, Data: EncodeMembership(m)}
	c.log.add(e)
	c.uncommitted += e.size()
	c.adoptEntries([]Entry{e})
	c.emit(EventMembership, None, e.Index, "§6")
}

// settleConfig goes on with a change when its entry is committed: from the
// joint configuration to the new one, and out, when this leader is not in it.
func (c *Core) settleConfig() {
	cfg := c.config()
	switch {
	case cfg.index > c.log.commit:
	case c.joint:
		m := cfg.membership()
		m.Outgoing = nil
		c.appendConfig(m)
	case !c.mayCampaign():
		c.emit(EventMembership, None, cfg.index, "§6: not among the voters any more")
		c.flush() // tell the others what is committed first
		c.becomeFollower(c.term, None)
	}
}

// reached returns the highest value that a majority has reached, of the voters
// and, during a change, of the outgoing ones as well.
func (c *Core) reached(value func(*progress) uint64) uint64 {
	var stack [7]uint64
	set := stack[:0]
	for i := range c.members {
		if c.members[i].voter {
			set = append(set, value(&c.members[i]))
		}
	}
	index := quorum.Index(set)
	if !c.joint {
		return index
	}
	set = set[:0]
	for i := range c.members {
		if c.members[i].outgoing {
			set = append(set, value(&c.members[i]))
		}
	}
	return min(index, quorum.Index(set))
}
