package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
)

func leaseGrant(ctx context.Context, m *service.Member, q *leaseGrantRequest) (any, error) {
	r, err := m.LeaseGrant(ctx, &store.LeaseGrantRequest{ID: q.ID, TTL: q.TTL})
	if err != nil {
		return nil, err
	}
	return leaseGrantResponse{header(m.Header(r.Revision)), r.ID, r.TTL}, nil
}

func leaseRevoke(ctx context.Context, m *service.Member, q *leaseRevokeRequest) (any, error) {
	r, err := m.LeaseRevoke(ctx, q.ID)
	if err != nil {
		return nil, err
	}
	return headerResponse{header(m.Header(r.Revision))}, nil
}

// leaseTimeToLive says TTL -1 of a lease that is over, as etcd does.
func leaseTimeToLive(ctx context.Context, m *service.Member, q *leaseTimeToLiveRequest) (any, error) {
	t, err := m.LeaseTimeToLive(ctx, q.ID, q.Keys)
	switch {
	case isLeaseGone(err):
		return leaseTimeToLiveResponse{Header: header(m.Header(0)), ID: q.ID, TTL: -1}, nil
	case err != nil:
		return nil, err
	}
	return leaseTimeToLiveResponse{header(m.Header(0)), q.ID, t.Left, t.TTL, t.Keys}, nil
}

// isLeaseGone also knows the refusal of another member, which is a copy.
func isLeaseGone(err error) bool {
	var refusal *store.Error
	return errors.As(err, &refusal) && *refusal == *store.ErrLeaseNotFound
}

func leaseLeases(ctx context.Context, m *service.Member, _ *leaseLeasesRequest) (any, error) {
	leases, err := m.Leases(ctx)
	if err != nil {
		return nil, err
	}
	r := leaseLeasesResponse{Header: header(m.Header(0))}
	for _, l := range leases {
		r.Leases = append(r.Leases, leaseStatus{l.ID})
	}
	return r, nil
}

// keepAlive answers each request of a stream. TTL 0, which is left out, says
// that the lease is over.
func (a *api) keepAlive(w http.ResponseWriter, r *http.Request) {
	m := a.Member()
	s := a.newStream(w, r)
	defer s.close()
	for {
		var q leaseKeepAliveRequest
		err := s.receive(&q)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			s.fail(s.refused(err))
			return
		}
		ttl, err := m.LeaseRenew(r.Context(), q.ID)
		if isLeaseGone(err) {
			ttl, err = 0, nil
		}
		if err != nil {
			s.fail(err)
			return
		}
		if s.send(leaseGrantResponse{header(m.Header(0)), q.ID, ttl}) != nil {
			return
		}
	}
}
