package httpapi

import (
	"context"
	"crypto/sha256"
	"io"
	"net/http"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
)

// Version is that of etcd whose API is spoken.
const Version = "3.5.0"

func memberList(ctx context.Context, m *service.Member, q *memberListRequest) (any, error) {
	list, err := m.MemberList(ctx, q.Linearizable)
	if err != nil {
		return nil, err
	}
	return membersResponse{header(m.Header(0)), membersOf(list)}, nil
}

func memberAdd(ctx context.Context, m *service.Member, q *memberAddRequest) (any, error) {
	added, list, err := m.MemberAdd(ctx, q.PeerURLs, q.IsLearner)
	if err != nil {
		return nil, err
	}
	row := memberOf(added)
	return memberAddResponse{header(m.Header(0)), &row, membersOf(list)}, nil
}

func memberRemove(ctx context.Context, m *service.Member, q *memberRemoveRequest) (any, error) {
	list, err := m.MemberRemove(ctx, q.ID)
	if err != nil {
		return nil, err
	}
	return membersResponse{header(m.Header(0)), membersOf(list)}, nil
}

func memberPromote(ctx context.Context, m *service.Member, q *memberPromoteRequest) (any, error) {
	list, err := m.MemberPromote(ctx, q.ID)
	if err != nil {
		return nil, err
	}
	return membersResponse{header(m.Header(0)), membersOf(list)}, nil
}

func moveLeader(ctx context.Context, m *service.Member, q *moveLeaderRequest) (any, error) {
	if err := m.MoveLeader(ctx, q.TargetID); err != nil {
		return nil, err
	}
	return headerResponse{header(m.Header(0))}, nil
}

func alarm(ctx context.Context, m *service.Member, q *alarmRequest) (any, error) {
	r, err := m.Alarm(ctx, &store.AlarmRequest{Action: store.AlarmAction(q.Action),
		Alarm: store.Alarm{Member: q.MemberID, Type: store.AlarmType(q.Alarm)}})
	if err != nil {
		return nil, err
	}
	out := alarmResponse{Header: header(m.Header(r.Revision))}
	for _, a := range r.Alarms {
		out.Alarms = append(out.Alarms, alarmMember{a.Member, alarmType(a.Type)})
	}
	return out, nil
}

func status(_ context.Context, m *service.Member, _ *statusRequest) (any, error) {
	s := m.Status()
	r := statusResponse{Header: header(m.Header(0)), Version: Version,
		DbSize: s.Size, DbSizeInUse: s.Store.SizeInUse, Leader: uint64(s.Raft.Leader),
		RaftIndex: s.Raft.Commit, RaftTerm: s.Raft.Term, RaftAppliedIndex: s.Store.Index, IsLearner: s.Learner}
	if s.Raft.Leader == 0 {
		r.Errors = append(r.Errors, service.ErrNoLeader.Message)
	}
	for _, a := range s.Alarms {
		_, names := alarmType(0).names()
		r.Errors = append(r.Errors, "memberID:"+decimal(a.Member)+" alarm:"+names[a.Type]+" ")
	}
	return r, nil
}

func defragment(ctx context.Context, m *service.Member, _ *defragmentRequest) (any, error) {
	r, err := m.Defragment(ctx)
	if err != nil {
		return nil, err
	}
	return headerResponse{header(m.Header(r.Revision))}, nil
}

func hashKV(_ context.Context, m *service.Member, q *hashKVRequest) (any, error) {
	h, err := m.Hash(q.Revision)
	if err != nil {
		return nil, err
	}
	return hashKVResponse{header(m.Header(0)), h.Hash, h.CompactRevision, h.Revision}, nil
}

// snapshotChunk is etcd's.
const snapshotChunk = 32 << 10

// snapshot streams the member's state in pieces, and the SHA-256 of it last. The
// state does not change, and is written twice: how much remains has to be known
// before the first piece, and all of it at once would be too much to hold.
func (a *api) snapshot(w http.ResponseWriter, r *http.Request) {
	m := a.Member()
	s := a.newStream(w, r)
	defer s.close()
	state := m.Snapshot()
	defer state.Close()
	s.snapshot(m, state)
}

func (s *stream) snapshot(m *service.Member, state io.WriterTo) {
	size, err := state.WriteTo(io.Discard)
	if err != nil {
		s.fail(err)
		return
	}
	out := &pieces{stream: s, member: m, left: uint64(size) + sha256.Size}
	sum := sha256.New()
	if _, err = state.WriteTo(io.MultiWriter(out, sum)); err == nil {
		_, err = out.Write(sum.Sum(nil))
	}
	if err != nil {
		s.fail(err) // nobody hears it, if the client is gone
	}
}

// pieces sends what is written to it.
type pieces struct {
	stream *stream
	member *service.Member
	left   uint64
}

func (p *pieces) Write(b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		blob := b[n:min(len(b), n+snapshotChunk)]
		p.left -= uint64(len(blob))
		err = p.stream.send(snapshotResponse{header(p.member.Header(0)), p.left, blob})
		n += len(blob)
	}
	return n, err
}
