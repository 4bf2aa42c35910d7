package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/raft"
)

// When a majority of the voters is lost for good, the others can decide nothing
// any more, a change of membership least of all. The way out breaks Raft's rules
// on purpose: one survivor's directory becomes a cluster of its own.
//
//	before   1/t1 2/t1 3/t2 4/t2 5/t3            n1 n2 n3, committed up to 3
//	after    1/t1 2/t1 3/t2 4/t2 5/t3 6/t4       n3,       committed up to 6
//	                        \_______/ |
//	                         decided  the membership {n3}, in a new term
//
// Entries behind the commit index may have been acknowledged: the index is
// stored late, and a leader that is lost now may have told its clients. Dropping
// them could break a promise; keeping them cannot, as a client who was not told
// must reckon with either. So they are kept, and reported.
//
// What makes it dangerous is the past: the lost members may come back, with the
// majority that they are, and go on as if nothing had been. Therefore the
// cluster gets another name, with which raft/tcp refuses them.
//
// All of it is one record of the log (rule D7); the file that says whose
// directory it is follows, and Open makes up for it when it did not.

// ForceReport is what ForceNewCluster did.
type ForceReport struct {
	// Dir is the directory, Node its node, before and after.
	Dir  string
	Node raft.NodeID
	// Before is what was there, After what the node starts with.
	Before, After ClusterState
	// Kept are the entries behind Before's commit index. Whether they had been
	// committed was not known here; they are committed now.
	Kept []raft.Entry
}

// ClusterState is what a directory says about its node's cluster.
type ClusterState struct {
	// Cluster is its name.
	Cluster string
	// HardState is the node's term, vote and commit index.
	HardState raft.HardState
	// Snapshot is the index of the newest snapshot, 0 without one; Last and
	// LastTerm are the end of the log.
	Snapshot, Last, LastTerm uint64
	// Membership is the newest in log and snapshot, committed or not. It is
	// empty when it never changed since the cluster's first start: then it is
	// only in the nodes' configuration.
	Membership raft.Membership
}

// ForceNewCluster makes the node whose state is in dir the only member of a
// cluster with a new name, keeping its data: a last resort, for when a majority
// of the voters is lost for good. Whatever only the lost nodes knew is lost;
// choose the survivor with the longest log of the latest term (see
// [ForceReport].Before, or raft/cmd/dump, on each).
//
// No node may run on dir ([ErrLocked]). Options name the node and cluster that
// are expected there, as for [Open]. The new name must differ from the old one
// ([raft.ErrInvalid]); the node is started with it from now on, in
// [Options].Cluster and in the transport's options. The other members must
// never be started on their old directories again; new ones join under IDs that
// were never used.
//
// A directory without an owner, without an entry, or whose owner had been
// removed is [ErrNotMember]; a damaged one is refused as by Open. With any of
// these errors nothing has changed. After another error, or a power cut, the
// directory is what it was or what it was to become, and Open tells: it refuses
// the name that is not its own. The report is nil unless it was done; print it.
//
// It is loud: without Options.Logger it warns by slog's default logger.
func ForceNewCluster(dir string, options *Options, cluster string) (*ForceReport, error) {
	opts, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if options == nil || options.Logger == nil {
		opts.Logger = slog.Default() // a silent one is for what happens every day
	}
	s := &Storage{dir: dir, opts: opts, existing: true}
	var report *ForceReport
	if err = checkForced(cluster); err == nil {
		err = s.openMember()
	}
	if err == nil {
		report, err = s.force(opts.Node, cluster)
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("raft/disk: forcing a new cluster in %s: %w", dir, err)
	}
	opts.Logger.Warn("raft/disk: a new cluster was forced; the other members' directories must never be started again",
		"dir", dir, "node", report.Node, "was", report.Before, "is", report.After, "kept", len(report.Kept))
	return report, nil
}

func checkForced(cluster string) error {
	if cluster == "" {
		return fmt.Errorf("%w: the forced cluster needs a name that the lost members do not know", raft.ErrInvalid)
	}
	return checkCluster(cluster)
}

// openMember opens a directory that has an owner; of a mistyped one it makes no
// new node.
func (s *Storage) openMember() error {
	id, known, err := readIdentity(s.opts.FS, s.dir)
	if err != nil {
		return err
	}
	if !known {
		names, err := s.opts.FS.List(filepath.Join(s.dir, logDir))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !slices.ContainsFunc(names, func(name string) bool { return filepath.Ext(name) == ".wal" }) {
			return fmt.Errorf("%w: there is neither %s nor a log; is this the right directory?", ErrNotMember, identityName)
		}
	}
	if known && id.node == raft.None {
		s.opts.Node = raft.None // nothing to check: the options say who it is
	}
	if err := s.open(); err != nil {
		if s.log != nil {
			s.log.Close()
		}
		return err
	}
	return nil
}

func (s *Storage) force(node raft.NodeID, cluster string) (*ForceReport, error) {
	if node == raft.None {
		node = s.owner.node
	}
	switch {
	case s.owner.node != raft.None && node != s.owner.node:
		return nil, fmt.Errorf("%w: it is of %s, asked for %s", ErrForeign, s.owner.node, node)
	case node == raft.None:
		return nil, fmt.Errorf("%w: the directory does not say whose it is, Options.Node must", raft.ErrInvalid)
	case cluster == s.owner.cluster:
		return nil, fmt.Errorf("%w: it is of cluster %q already", raft.ErrInvalid, cluster)
	}
	st, err := s.Load()
	if err != nil {
		return nil, err
	}
	before, err := clusterState(node, s.owner.cluster, st)
	if err != nil {
		return nil, err
	}
	if before.Last == 0 {
		return nil, fmt.Errorf("%w: %s has no entry; there is nothing to keep, start a new cluster", ErrNotMember, node)
	}
	if m := before.Membership; len(m.Voters) > 0 && !m.Contains(node) {
		return nil, fmt.Errorf("%w: the last membership in the log of %s is voters %v, learners %v", ErrNotMember, node, m.Voters, m.Learners)
	}
	// Voting for itself, it says what is so: the entry of the new term is its
	// own, and nobody else may lead that term.
	index, term := before.Last+1, before.HardState.Term+1
	kept := entriesBehind(st.Entries, before.HardState.Commit)
	st.HardState = raft.HardState{Term: term, VotedFor: node, Commit: index}
	entry := raft.Entry{Index: index, Term: term, Type: raft.EntryMembership,
		Data: raft.EncodeMembership(raft.Membership{Voters: []raft.NodeID{node}})}
	st.Entries = append(slices.Clip(st.Entries), entry)
	after, err := clusterState(node, cluster, st)
	if err != nil {
		return nil, err
	}
	if err := s.saveForce(identity{node, cluster}, st.HardState, entry); err != nil {
		return nil, err
	}
	return &ForceReport{Dir: s.dir, Node: node, Before: before, After: after, Kept: kept}, nil
}

// clusterState reads a state as a node does, and fails where a node would.
func clusterState(node raft.NodeID, cluster string, st raft.State) (ClusterState, error) {
	core, err := raft.NewCore(raft.Config{ID: node}, st)
	if err != nil {
		return ClusterState{}, err
	}
	now := core.Status()
	return ClusterState{
		Cluster: cluster, HardState: raft.HardState{Term: now.Term, VotedFor: now.VotedFor, Commit: now.Commit},
		Snapshot: now.Snapshot, Last: now.Last, LastTerm: now.LastTerm, Membership: core.Membership(),
	}, nil
}

func entriesBehind(entries []raft.Entry, index uint64) []raft.Entry {
	i := slices.IndexFunc(entries, func(e raft.Entry) bool { return e.Index > index })
	if i < 0 {
		return nil
	}
	return entries[i:]
}

// saveForce is the deed: when the record is durable it is done.
func (s *Storage) saveForce(owner identity, hs raft.HardState, entry raft.Entry) error {
	b, err := appendForce(nil, owner, hs, []raft.Entry{entry})
	if err != nil {
		return err
	}
	if _, err := s.log.AppendSync(b); err != nil {
		return s.fail(fmt.Errorf("beginning the new cluster: %w", err))
	}
	return s.writeIdentity(owner)
}

// String tells an operator what happened and what to do next.
func (r *ForceReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s is a cluster of its own now\n", r.Dir, r.Node)
	fmt.Fprintf(&b, "  was   %s\n  is    %s\n", r.Before, r.After)
	if n := len(r.Kept); n > 0 {
		first, last := r.Kept[0], r.Kept[n-1]
		fmt.Fprintf(&b, "  kept  entries %d/t%d to %d/t%d, not known to be committed before: they may have\n"+
			"        been acknowledged, and are committed now\n", first.Index, first.Term, last.Index, last.Term)
	} else {
		b.WriteString("  kept  no entry that was not known to be committed\n")
	}
	fmt.Fprintf(&b, "  next  start %s in cluster %q, with the transport told the same; add members under\n"+
		"        IDs that were never used; never start the others on their old directories\n", r.Node, r.After.Cluster)
	return b.String()
}

// String is one line.
func (c ClusterState) String() string {
	s := fmt.Sprintf("cluster %q, term %d, commit %d, last %d/t%d", c.Cluster, c.HardState.Term, c.HardState.Commit, c.Last, c.LastTerm)
	if c.Snapshot > 0 {
		s += fmt.Sprintf(", snapshot %d", c.Snapshot)
	}
	return s + ", " + describeMembership(c.Membership)
}

func describeMembership(m raft.Membership) string {
	if len(m.Voters) == 0 {
		return "the voters of its first start"
	}
	s := fmt.Sprintf("voters %v", m.Voters)
	if len(m.Learners) > 0 {
		s += fmt.Sprintf(", learners %v", m.Learners)
	}
	if len(m.Outgoing) > 0 {
		s += fmt.Sprintf(", outgoing %v", m.Outgoing)
	}
	return s
}
