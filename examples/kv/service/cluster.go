package service

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"

	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/raft"
)

// Who is in the cluster is two things: raft's membership decides who votes,
// and a row in the store says where a member is and what it is called. An
// addition writes the row first, so that nobody counts who cannot be reached; a
// removal deletes it last. A row without membership is no member.

// MemberInfo is a member as clients see it.
type MemberInfo struct {
	store.Member
	Learner bool
}

// Cluster is what a member that joins has to know.
type Cluster struct {
	ID      uint64
	Members []MemberInfo
}

// EncodeMembers makes the question of CallMembers: about all that is committed,
// or, local, about what the member that is asked knows by itself.
func EncodeMembers(local bool) []byte { return strconv.AppendBool(nil, local) }

// DecodeCluster reads the answer to CallMembers.
func DecodeCluster(b []byte) (c Cluster, err error) {
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("kv: read the list of members: %w", err)
	}
	return c, nil
}

func (m *Member) cluster(ctx context.Context, linearizable bool) (Cluster, error) {
	members, err := m.MemberList(ctx, linearizable)
	return Cluster{m.opts.ClusterID, members}, err
}

// MemberList lists the members by ID: as the cluster knows them, or, not
// linearizable, as this member does.
func (m *Member) MemberList(ctx context.Context, linearizable bool) ([]MemberInfo, error) {
	if linearizable {
		if err := m.catchUp(ctx); err != nil {
			return nil, err
		}
	}
	who, err := m.node.Membership(ctx)
	if err != nil {
		return nil, m.explain(err)
	}
	rows := m.machine.Members()
	var list []MemberInfo
	for _, id := range slices.Concat(who.Voters, who.Learners) {
		row := store.Member{ID: uint64(id)}
		for _, known := range [][]store.Member{m.opts.Seeds, rows} {
			if i := slices.IndexFunc(known, func(k store.Member) bool { return k.ID == uint64(id) }); i >= 0 {
				row = known[i]
			}
		}
		list = append(list, MemberInfo{row, slices.Contains(who.Learners, id)})
	}
	slices.SortFunc(list, func(a, b MemberInfo) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

type memberChange struct {
	Op       string // add, remove, promote, move-leader
	ID       uint64
	PeerURLs []string
	Learner  bool
}

// MemberAdd makes room for a member that is started afterwards. As a learner
// it is no voter until it is promoted.
func (m *Member) MemberAdd(ctx context.Context, peerURLs []string, learner bool) (MemberInfo, []MemberInfo, error) {
	if err := checkURLs(peerURLs); err != nil {
		return MemberInfo{}, nil, err
	}
	return m.change(ctx, memberChange{Op: "add", ID: newID(), PeerURLs: peerURLs, Learner: learner})
}

// MemberRemove takes a member out for good.
func (m *Member) MemberRemove(ctx context.Context, id uint64) ([]MemberInfo, error) {
	_, list, err := m.change(ctx, memberChange{Op: "remove", ID: id})
	return list, err
}

// MemberPromote makes a voter of a learner that has caught up.
func (m *Member) MemberPromote(ctx context.Context, id uint64) ([]MemberInfo, error) {
	_, list, err := m.change(ctx, memberChange{Op: "promote", ID: id})
	return list, err
}

// MoveLeader hands leadership over. As in etcd only the leader may be asked.
func (m *Member) MoveLeader(ctx context.Context, id uint64) error {
	if !m.Leads() {
		return ErrNotLeader
	}
	ctx, cancel := m.within(ctx)
	defer cancel()
	err := m.node.TransferLeadership(ctx, raft.NodeID(id))
	if errors.Is(err, raft.ErrInvalid) {
		return ErrBadTransferee
	}
	return m.explain(err)
}

func (m *Member) change(ctx context.Context, c memberChange) (MemberInfo, []MemberInfo, error) {
	var done MemberInfo
	if err := m.ask(ctx, callMember, c, &done); err != nil {
		return done, nil, err
	}
	list, err := m.MemberList(ctx, true)
	return done, list, err
}

// checkURLs accepts what etcd accepts: scheme, host and port, and no path.
func checkURLs(urls []string) error {
	if len(urls) == 0 {
		return ErrBadURLs
	}
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" {
			return ErrBadURLs
		}
		if _, _, err := net.SplitHostPort(u.Host); err != nil {
			return ErrBadURLs
		}
	}
	return nil
}

// newID must not come twice, not even for a member that replaces one at the
// same place: the old one has voted.
func newID() uint64 { return rand.Uint64() | 1 }

// changeHere changes the membership on the leader, one change at a time.
func (m *Member) changeHere(ctx context.Context, c memberChange) (MemberInfo, error) {
	var none MemberInfo
	select {
	case <-m.changes:
		defer func() { m.changes <- struct{}{} }()
	case <-ctx.Done():
		return none, ctx.Err()
	}
	// Rows and membership must be the newest to be judged.
	if err := m.node.Read(ctx); err != nil {
		return none, err
	}
	list, err := m.MemberList(ctx, false)
	if err != nil {
		return none, err
	}
	who, err := m.node.Membership(ctx)
	if err != nil {
		return none, err
	}
	i := slices.IndexFunc(list, func(k MemberInfo) bool { return k.ID == c.ID })
	switch {
	case c.Op == "add":
		return m.addHere(ctx, c, who, list)
	case i < 0:
		return none, ErrMemberNotFound
	case c.Op == "remove":
		return list[i], m.removeHere(ctx, raft.NodeID(c.ID), who)
	default:
		return list[i], m.promoteHere(ctx, raft.NodeID(c.ID), who)
	}
}

func (m *Member) addHere(ctx context.Context, c memberChange, who raft.Membership, list []MemberInfo) (MemberInfo, error) {
	learners := 0
	for _, k := range list {
		if k.ID == c.ID { // a repetition of what was done
			return k, nil
		}
		for _, u := range c.PeerURLs {
			if slices.Contains(k.PeerURLs, u) {
				return MemberInfo{}, ErrPeerURLExist
			}
		}
		if k.Learner {
			learners++
		}
	}
	if c.Learner && learners >= m.opts.MaxLearners {
		return MemberInfo{}, ErrTooManyLearners
	}
	added := MemberInfo{store.Member{ID: c.ID, PeerURLs: c.PeerURLs}, c.Learner}
	if !c.Learner {
		// A voter that is not there counts: without it a majority of the new
		// cluster must be running, or nothing could be decided any more.
		if running := m.reachable(ctx, who); running < (len(who.Voters)+1)/2+1 {
			return MemberInfo{}, ErrNotEnoughStarted
		}
	}
	if _, err := m.propose(ctx, &store.MemberSetRequest{Member: added.Member}); err != nil {
		return MemberInfo{}, err
	}
	set := raft.Membership{Voters: who.Voters, Learners: who.Learners}
	if c.Learner {
		set.Learners = append(set.Learners, raft.NodeID(c.ID))
	} else {
		set.Voters = append(set.Voters, raft.NodeID(c.ID))
	}
	m.opts.Logger.Info("adding member", "id", fmt.Sprintf("%x", c.ID), "learner", c.Learner, "peers", c.PeerURLs)
	return added, m.node.ChangeMembership(ctx, set)
}

// reachable counts the voters that can be reached now, this one included. What it
// asks them costs nothing, however much they hold.
func (m *Member) reachable(ctx context.Context, who raft.Membership) int {
	n := 0
	for _, id := range who.Voters {
		if id == m.id {
			n++
			continue
		}
		if m.opts.Peers == nil {
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, m.election())
		if _, err := m.opts.Peers.Call(ctx, id, CallMembers, EncodeMembers(true)); err == nil {
			n++
		}
		cancel()
	}
	return n
}

func (m *Member) removeHere(ctx context.Context, id raft.NodeID, who raft.Membership) error {
	voter := slices.Contains(who.Voters, id)
	if voter && len(who.Voters) == 1 {
		return ErrNotEnoughStarted
	}
	if voter && id != m.id {
		rest := raft.Membership{Voters: slices.DeleteFunc(slices.Clone(who.Voters), func(v raft.NodeID) bool { return v == id })}
		if m.reachable(ctx, rest) < len(rest.Voters)/2+1 {
			return ErrNotEnoughStarted
		}
	}
	if id == m.id {
		// The row is deleted last, and a leader that is out cannot do it any
		// more: the heir removes this one.
		if heir := m.heir(ctx); heir != raft.None {
			if err := m.node.TransferLeadership(ctx, heir); err != nil {
				return err
			}
		}
		return &raft.NotLeaderError{}
	}
	not := func(v raft.NodeID) bool { return v == id }
	set := raft.Membership{
		Voters:   slices.DeleteFunc(slices.Clone(who.Voters), not),
		Learners: slices.DeleteFunc(slices.Clone(who.Learners), not),
	}
	m.opts.Logger.Info("removing member", "id", fmt.Sprintf("%x", uint64(id)))
	if err := m.node.ChangeMembership(ctx, set); err != nil {
		return err
	}
	_, err := m.propose(ctx, &store.MemberRemoveRequest{ID: uint64(id)})
	return err
}

func (m *Member) promoteHere(ctx context.Context, id raft.NodeID, who raft.Membership) error {
	if !slices.Contains(who.Learners, id) {
		return ErrNotLearner
	}
	peers, err := m.node.Peers(ctx)
	if err != nil {
		return err
	}
	last := m.node.Status().Last
	for _, p := range peers {
		// etcd's measure of "in sync": nine tenths of the leader's log.
		if p.ID == id && float64(p.MatchIndex) < 0.9*float64(last) {
			return ErrLearnerNotReady
		}
	}
	not := func(v raft.NodeID) bool { return v == id }
	m.opts.Logger.Info("promoting learner", "id", fmt.Sprintf("%x", uint64(id)))
	return m.node.ChangeMembership(ctx, raft.Membership{
		Voters:   append(slices.Clone(who.Voters), id),
		Learners: slices.DeleteFunc(slices.Clone(who.Learners), not),
	})
}
