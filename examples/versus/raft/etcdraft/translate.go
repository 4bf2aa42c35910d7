package etcdraft

import (
	"encoding/binary"
	"fmt"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/flagship-go/flagship/raft"
)

// heartbeat marks a Round that stands for etcd's heartbeat: etcd answers and
// reads heartbeats and appends apart, package raft does not. The bits below
// are the position in etcd's queue of reads, 0 for none.
const heartbeat = 1 << 63

// campaignTransfer is how etcd says Force.
const campaignTransfer = "CampaignTransfer"

// ToEtcd returns the messages that stand for m in etcd's language: one, two
// where an append carries a round, or none where etcd has no word for it. The
// error is raft.ErrInvalid for entries that only package raft understands.
func ToEtcd(m raft.Message) ([]*pb.Message, error) {
	e := &pb.Message{From: new(uint64(m.From)), To: new(uint64(m.To)), Term: new(m.Term)}
	switch m.Type {
	case raft.RequestPreVote, raft.RequestVote:
		e.Type, e.Index, e.LogTerm = pb.MsgPreVote.Enum(), new(m.Index), new(m.LogTerm)
		if m.Type == raft.RequestVote {
			e.Type = pb.MsgVote.Enum()
		}
		if m.Force {
			e.Context = []byte(campaignTransfer)
		}
	case raft.RequestPreVoteReply:
		e.Type, e.Reject = pb.MsgPreVoteResp.Enum(), new(m.Reject)
	case raft.RequestVoteReply:
		e.Type, e.Reject = pb.MsgVoteResp.Enum(), new(m.Reject)
	case raft.AppendEntries:
		return appendToEtcd(e, &m)
	case raft.AppendEntriesReply:
		if m.Round&heartbeat != 0 {
			e.Type, e.Context = pb.MsgHeartbeatResp.Enum(), positionContext(m.Round&^heartbeat)
			break
		}
		e.Type, e.Index = pb.MsgAppResp.Enum(), new(m.Index)
		if m.Reject {
			e.Reject, e.RejectHint, e.LogTerm = new(true), new(m.Hint), new(m.LogTerm)
		}
	case raft.InstallSnapshot:
		e.Type, e.Snapshot = pb.MsgSnap.Enum(), snapshotToEtcd(m.Snapshot)
	case raft.TimeoutNow:
		e.Type = pb.MsgTimeoutNow.Enum()
	case raft.ReadRequest:
		e.Type, e.Term = pb.MsgReadIndex.Enum(), nil // as etcd sends it: without a term
		e.Entries = []*pb.Entry{{Data: readContext(m.ID)}}
	case raft.ReadReply:
		if m.Reject {
			return nil, nil
		}
		e.Type, e.Index = pb.MsgReadIndexResp.Enum(), new(m.Index)
		e.Entries = []*pb.Entry{{Data: readContext(m.ID)}}
	default:
		return nil, fmt.Errorf("%w: %s has no counterpart in etcd", raft.ErrInvalid, m.Type)
	}
	return []*pb.Message{e}, nil
}

// appendToEtcd translates an AppendEntries. etcd's follower repeats nothing of
// a MsgApp in its answer, so a round goes beside it, in a heartbeat.
func appendToEtcd(e *pb.Message, m *raft.Message) ([]*pb.Message, error) {
	if m.Round&heartbeat != 0 {
		e.Type, e.Commit, e.Context = pb.MsgHeartbeat.Enum(), new(m.Commit), positionContext(m.Round&^heartbeat)
		return []*pb.Message{e}, nil
	}
	e.Type, e.Index, e.LogTerm, e.Commit = pb.MsgApp.Enum(), new(m.Index), new(m.LogTerm), new(m.Commit)
	var err error
	if e.Entries, err = entriesToEtcd(m.Entries); err != nil || m.Round == 0 {
		return []*pb.Message{e}, err
	}
	// Commit 0: etcd takes a heartbeat's commit index for matched, and here
	// nobody knows.
	beat := &pb.Message{Type: pb.MsgHeartbeat.Enum(), From: e.From, To: e.To, Term: e.Term, Commit: new(uint64(0)), Context: roundContext(m.Round)}
	return []*pb.Message{e, beat}, nil
}

// Sender is what a message of etcd leaves out, because its sender and receiver
// need not say it.
type Sender interface {
	// Term is the sender's term.
	Term() uint64
	// TermAt is the term of an entry of its log, if it still has that.
	TermAt(index uint64) (term uint64, known bool)
}

// FromEtcd returns the message that stands for e in package raft's language.
// The error is raft.ErrInvalid for what has none: etcd's local messages,
// forwarded proposals and changes of membership.
func FromEtcd(e *pb.Message, from Sender) (raft.Message, error) {
	m := raft.Message{From: raft.NodeID(e.GetFrom()), To: raft.NodeID(e.GetTo()), Term: e.GetTerm()}
	switch e.GetType() {
	case pb.MsgPreVote, pb.MsgVote:
		m.Type, m.Index, m.LogTerm = raft.RequestPreVote, e.GetIndex(), e.GetLogTerm()
		if e.GetType() == pb.MsgVote {
			m.Type = raft.RequestVote
		}
		m.Force = string(e.GetContext()) == campaignTransfer
	case pb.MsgPreVoteResp:
		m.Type, m.Reject = raft.RequestPreVoteReply, e.GetReject()
	case pb.MsgVoteResp:
		m.Type, m.Reject = raft.RequestVoteReply, e.GetReject()
	case pb.MsgApp:
		m.Type, m.Index, m.LogTerm, m.Commit = raft.AppendEntries, e.GetIndex(), e.GetLogTerm(), e.GetCommit()
		entries, err := EntriesFromEtcd(e.GetEntries())
		m.Entries = entries
		return m, err
	case pb.MsgHeartbeat:
		// Its commit index is one that the receiver has acknowledged; with the
		// term there it is an append like any other. Where the sender does not
		// know the term any more, index 0 matches every log and commits nothing.
		m.Type, m.Round = raft.AppendEntries, heartbeat|position(e.GetContext())
		if term, known := from.TermAt(e.GetCommit()); known {
			m.Index, m.LogTerm = e.GetCommit(), term
		}
		m.Commit = e.GetCommit()
	case pb.MsgAppResp:
		m.Type, m.Index, m.Reject = raft.AppendEntriesReply, e.GetIndex(), e.GetReject()
		m.Hint, m.LogTerm = e.GetRejectHint(), e.GetLogTerm()
	case pb.MsgHeartbeatResp:
		m.Type, m.Round = raft.AppendEntriesReply, heartbeat|position(e.GetContext())
		if round, ok := round(e.GetContext()); ok {
			// To a leader of package raft it is a rejection of index 0: the
			// sender lives and follows, and says nothing of its log.
			m.Round, m.Reject = round, true
		}
	case pb.MsgSnap:
		m.Type, m.Snapshot = raft.InstallSnapshot, snapshotFromEtcd(e.GetSnapshot())
	case pb.MsgTimeoutNow:
		m.Type = raft.TimeoutNow
	case pb.MsgReadIndex, pb.MsgReadIndexResp:
		m.Type, m.Term, m.Index = raft.ReadReply, from.Term(), e.GetIndex()
		if e.GetType() == pb.MsgReadIndex {
			m.Type = raft.ReadRequest
		}
		m.ID = binary.LittleEndian.Uint64(e.GetEntries()[0].GetData())
	default:
		return m, fmt.Errorf("%w: %s has no counterpart in package raft", raft.ErrInvalid, e.GetType())
	}
	return m, nil
}

func entriesToEtcd(entries []raft.Entry) ([]*pb.Entry, error) {
	es := make([]*pb.Entry, len(entries))
	for i := range entries {
		e := &entries[i]
		if e.Type != raft.EntryCommand && e.Type != raft.EntryNoop {
			return nil, fmt.Errorf("%w: entry %d of type %d has no counterpart in etcd", raft.ErrInvalid, e.Index, e.Type)
		}
		es[i] = &pb.Entry{Index: new(e.Index), Term: new(e.Term), Type: pb.EntryNormal.Enum(), Data: e.Data}
	}
	return es, nil
}

// EntriesFromEtcd translates entries of etcd's log. An empty one is what a
// leader of etcd begins its term with.
func EntriesFromEtcd(es []*pb.Entry) ([]raft.Entry, error) {
	if len(es) == 0 {
		return nil, nil
	}
	entries := make([]raft.Entry, len(es))
	for i, e := range es {
		if e.GetType() != pb.EntryNormal {
			return nil, fmt.Errorf("%w: entry %d, %s, has no counterpart in package raft", raft.ErrInvalid, e.GetIndex(), e.GetType())
		}
		entries[i] = raft.Entry{Index: e.GetIndex(), Term: e.GetTerm(), Data: e.GetData()}
		if len(e.GetData()) == 0 {
			entries[i].Type, entries[i].Data = raft.EntryNoop, nil
		}
	}
	return entries, nil
}

func snapshotToEtcd(s *raft.Snapshot) *pb.Snapshot {
	return &pb.Snapshot{Data: s.Data, Metadata: &pb.SnapshotMetadata{
		Index: new(s.Index), Term: new(s.Term), ConfState: confState(s.Membership),
	}}
}

func snapshotFromEtcd(s *pb.Snapshot) *raft.Snapshot {
	meta := s.GetMetadata()
	return &raft.Snapshot{Index: meta.GetIndex(), Term: meta.GetTerm(), Data: s.GetData(), Membership: raft.Membership{
		Voters:   convert[raft.NodeID](meta.GetConfState().GetVoters()),
		Learners: convert[raft.NodeID](meta.GetConfState().GetLearners()),
		Outgoing: convert[raft.NodeID](meta.GetConfState().GetVotersOutgoing()),
	}}
}

func confState(m raft.Membership) *pb.ConfState {
	return &pb.ConfState{
		Voters: convert[uint64](m.Voters), Learners: convert[uint64](m.Learners), VotersOutgoing: convert[uint64](m.Outgoing),
	}
}

func convert[To, From ~uint64](ids []From) []To {
	var out []To
	for _, id := range ids {
		out = append(out, To(id))
	}
	return out
}

// etcd's heartbeats carry eight bytes, its own position; those that stand for a
// round of package raft carry nine, so that the answers are told apart.
func positionContext(position uint64) []byte {
	if position == 0 {
		return nil
	}
	return binary.LittleEndian.AppendUint64(nil, position)
}

func position(context []byte) uint64 {
	if len(context) != 8 {
		return 0
	}
	return binary.LittleEndian.Uint64(context)
}

func roundContext(round uint64) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, round), 'r')
}

func round(context []byte) (round uint64, ok bool) {
	if len(context) != 9 {
		return 0, false
	}
	return binary.LittleEndian.Uint64(context), true
}

func readContext(id uint64) []byte { return binary.LittleEndian.AppendUint64(nil, id) }
