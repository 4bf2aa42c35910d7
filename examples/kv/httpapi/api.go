package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
)

// Options configure the API; Member is required.
type Options struct {
	// Member returns the member that serves a request.
	Member func() *service.Member
	// MaxRequestBytes is the member's; a body may be as large as a request of
	// that size in base64. Default 1.5 MiB.
	MaxRequestBytes int
	// ProgressInterval between the notices of a watch that asked for them, and
	// had no events. Default 10 minutes, as in etcd.
	ProgressInterval time.Duration
	// StallTimeout is how long a client may take no byte of an answer, before its
	// connection is cut. Default 30 s. What a stream's misses waits in the store.
	StallTimeout time.Duration
	// Stop, when closed, ends all streams, so that a server can be shut down
	// without cutting requests off. Default: never.
	Stop <-chan struct{}
	// Logger hears of streams that are cut. Default: silent.
	Logger *slog.Logger
}

type api struct {
	Options
	cut atomic.Uint64 // streams whose client stopped reading
}

// New returns the API's handler: all under /v3/, and /health, /readyz, /livez,
// /version and /metrics.
func New(o Options) http.Handler {
	if o.MaxRequestBytes == 0 {
		o.MaxRequestBytes = 3 << 19
	}
	if o.ProgressInterval == 0 {
		o.ProgressInterval = 10 * time.Minute
	}
	if o.StallTimeout == 0 {
		o.StallTimeout = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	a := &api{Options: o}
	mux := http.NewServeMux()
	unary(a, mux, ranges, "kv/range")
	unary(a, mux, put, "kv/put")
	unary(a, mux, deleteRange, "kv/deleterange")
	unary(a, mux, txn, "kv/txn")
	unary(a, mux, compaction, "kv/compaction")
	unary(a, mux, leaseGrant, "lease/grant")
	unary(a, mux, leaseRevoke, "lease/revoke", "kv/lease/revoke")
	unary(a, mux, leaseTimeToLive, "lease/timetolive", "kv/lease/timetolive")
	unary(a, mux, leaseLeases, "lease/leases", "kv/lease/leases")
	unary(a, mux, memberList, "cluster/member/list")
	unary(a, mux, memberAdd, "cluster/member/add")
	unary(a, mux, memberRemove, "cluster/member/remove")
	unary(a, mux, memberPromote, "cluster/member/promote")
	unary(a, mux, alarm, "maintenance/alarm")
	unary(a, mux, status, "maintenance/status")
	unary(a, mux, defragment, "maintenance/defragment")
	unary(a, mux, hashKV, "maintenance/hash", "maintenance/hashkv")
	unary(a, mux, moveLeader, "maintenance/transfer-leadership")
	mux.HandleFunc("POST /v3/maintenance/snapshot", a.snapshot)
	mux.HandleFunc("POST /v3/lease/keepalive", a.keepAlive)
	mux.HandleFunc("POST /v3/watch", a.watch)
	a.probes(mux)
	return mux
}

// unary serves a method with one request and one response, under its paths.
func unary[Q any](a *api, mux *http.ServeMux, serve func(context.Context, *service.Member, *Q) (any, error), paths ...string) {
	for _, path := range paths {
		mux.HandleFunc("POST /v3/"+path, func(w http.ResponseWriter, r *http.Request) {
			q := new(Q)
			// Only the first value of a body counts; an empty body is an empty
			// message.
			var raw json.RawMessage
			// In base64 4 bytes are 3, and the rest of a request is not much.
			limit := int64(a.MaxRequestBytes)*2 + 64<<10
			err := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit)).Decode(&raw)
			if err == nil {
				err = decode(raw, q)
			}
			if err != nil && !errors.Is(err, io.EOF) {
				writeError(w, malformed(err))
				return
			}
			answer, err := serve(r.Context(), a.Member(), q)
			if err != nil {
				writeError(w, err)
				return
			}
			body, err := marshal(answer)
			if err != nil {
				writeError(w, err)
				return
			}
			a.answer(w, body)
		})
	}
}

// answerPiece of an answer has StallTimeout to be taken.
const answerPiece = 64 << 10

// answer writes a body that may be large to a client that may stop reading: it
// holds memory and a connection for StallTimeout, and not for ever.
func (a *api) answer(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	control := http.NewResponseController(w)
	for piece := range slices.Chunk(body, answerPiece) {
		control.SetWriteDeadline(time.Now().Add(a.StallTimeout))
		if _, err := w.Write(piece); err != nil {
			return // the client is gone
		}
	}
}

// marshal writes JSON without Go's escapes for HTML, which protobuf's has not.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

func ranges(ctx context.Context, m *service.Member, q *rangeRequest) (any, error) {
	r, err := m.Range(ctx, q.store(), q.Serializable)
	if err != nil {
		return nil, err
	}
	return rangeResponseOf(r, header(m.Header(r.Revision))), nil
}

func put(ctx context.Context, m *service.Member, q *putRequest) (any, error) {
	r, err := m.Put(ctx, q.store())
	if err != nil {
		return nil, err
	}
	return putResponse{header(m.Header(r.Revision)), keyValueOf(r.PrevKV)}, nil
}

func deleteRange(ctx context.Context, m *service.Member, q *deleteRangeRequest) (any, error) {
	r, err := m.DeleteRange(ctx, q.store())
	if err != nil {
		return nil, err
	}
	return deleteRangeResponseOf(r, header(m.Header(r.Revision))), nil
}

func txn(ctx context.Context, m *service.Member, q *txnRequest) (any, error) {
	r, err := m.Txn(ctx, q.store(), q.serializable())
	if err != nil {
		return nil, err
	}
	return txnResponseOf(r, header(m.Header(r.Revision))), nil
}

func compaction(ctx context.Context, m *service.Member, q *compactionRequest) (any, error) {
	r, err := m.Compact(ctx, &store.CompactionRequest{Revision: q.Revision})
	if err != nil {
		return nil, err
	}
	return headerResponse{header(m.Header(r.Revision))}, nil
}
