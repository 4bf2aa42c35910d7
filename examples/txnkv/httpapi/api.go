package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/flagship-go/flagship/examples/txnkv/service"
	"github.com/flagship-go/flagship/mvcc"
)

// Options configure a [Server]. Service is required; the zero value of the rest is a good
// default.
type Options struct {
	Service *service.Service
	// RequestTimeout is how long a request may take, but for a query's rows. Default 30 s.
	RequestTimeout time.Duration
	// StallTimeout is how long a query waits for a client that takes no rows. Default 30 s.
	StallTimeout time.Duration
}

// Server is the API, as a handler.
type Server struct {
	o   Options
	s   *service.Service
	mux *http.ServeMux
}

// New returns the API of a service.
func New(o Options) *Server {
	if o.RequestTimeout == 0 {
		o.RequestTimeout = 30 * time.Second
	}
	if o.StallTimeout == 0 {
		o.StallTimeout = 30 * time.Second
	}
	a := &Server{o: o, s: o.Service, mux: http.NewServeMux()}
	a.mux.HandleFunc("POST /v1/begin", answer(a, a.begin))
	a.mux.HandleFunc("POST /v1/get", answer(a, a.get))
	a.mux.HandleFunc("POST /v1/put", answer(a, a.put))
	a.mux.HandleFunc("POST /v1/delete", answer(a, a.delete))
	a.mux.HandleFunc("POST /v1/lock", answer(a, a.lock))
	a.mux.HandleFunc("POST /v1/scan", answer(a, a.scan))
	a.mux.HandleFunc("POST /v1/commit", answer(a, a.commit))
	a.mux.HandleFunc("POST /v1/rollback", answer(a, a.rollback))
	a.mux.HandleFunc("POST /v1/table", answer(a, a.table))
	a.mux.HandleFunc("POST /v1/insert", answer(a, a.insert))
	a.mux.HandleFunc("POST /v1/select", a.query)
	a.mux.HandleFunc("GET /v1/tables", a.tables)
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusNotFound, map[string]errorBody{"error": {service.CodeBadRequest,
			r.Method + " " + r.URL.Path + ": there are POST /v1/begin, get, put, delete, lock, scan, commit, rollback, table, insert and select, and GET /v1/tables"}})
	})
	return a
}

func (a *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// answer makes a handler of a function from a request's object to an answer's.
func answer[Q any](a *Server, f func(ctx context.Context, q *Q) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := new(Q)
		if err := decode(w, r, q); err != nil {
			writeError(w, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), a.o.RequestTimeout)
		defer cancel()
		v, err := f(ctx, q)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, v)
	}
}

type empty struct{}

type beginRequest struct {
	Mode   string `json:"mode"`
	ReadTS string `json:"read_ts"`
}

func (a *Server) begin(ctx context.Context, q *beginRequest) (any, error) {
	mode, err := decodeMode(q.Mode)
	if err != nil {
		return nil, err
	}
	ts, err := decodeTS("read_ts", q.ReadTS)
	if err != nil {
		return nil, err
	}
	if ts != 0 {
		mode = mvcc.ReadOnly
	}
	b, err := a.s.Begin(ctx, mvcc.TxnOptions{Mode: mode, ReadTS: ts})
	return struct {
		Txn     string `json:"txn"`
		StartTS string `json:"start_ts"`
	}{b.Txn, encodeTS(b.StartTS)}, err
}

type keyRequest struct {
	codec
	Txn string `json:"txn"`
	Key string `json:"key"`
}

func (a *Server) get(ctx context.Context, q *keyRequest) (any, error) {
	key, err := q.bytes("key", q.Key)
	if err != nil {
		return nil, err
	}
	var found struct {
		Found bool   `json:"found"`
		Value string `json:"value,omitempty"`
	}
	v, err := a.s.Get(ctx, q.Txn, key)
	if errors.Is(err, mvcc.ErrNotFound) {
		return found, nil
	}
	if err == nil {
		found.Found = true
		found.Value, err = q.text("the value", v)
	}
	return found, err
}

type putRequest struct {
	codec
	Txn    string `json:"txn"`
	Key    string `json:"key"`
	Value  string `json:"value"`
	Insert bool   `json:"insert"`
}

func (a *Server) put(ctx context.Context, q *putRequest) (any, error) {
	key, err := q.bytes("key", q.Key)
	if err != nil {
		return nil, err
	}
	value, err := q.bytes("value", q.Value)
	if err != nil {
		return nil, err
	}
	return empty{}, a.s.Put(ctx, q.Txn, key, value, q.Insert)
}

func (a *Server) delete(ctx context.Context, q *keyRequest) (any, error) {
	key, err := q.bytes("key", q.Key)
	if err != nil {
		return nil, err
	}
	return empty{}, a.s.Delete(ctx, q.Txn, key)
}

type lockRequest struct {
	codec
	Txn  string   `json:"txn"`
	Keys []string `json:"keys"`
}

func (a *Server) lock(ctx context.Context, q *lockRequest) (any, error) {
	var keys [][]byte
	for _, k := range q.Keys {
		key, err := q.bytes("key", k)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	values, err := a.s.Lock(ctx, q.Txn, keys)
	if err != nil {
		return nil, err
	}
	texts := make([]*string, len(values))
	for i, v := range values {
		if v == nil {
			continue
		}
		text, err := q.text("the value", v)
		if err != nil {
			return nil, err
		}
		texts[i] = &text
	}
	return map[string][]*string{"values": texts}, nil
}

type scanRequest struct {
	codec
	Txn      string `json:"txn"`
	Start    string `json:"start"`
	End      string `json:"end"`
	Limit    int    `json:"limit"`
	Reverse  bool   `json:"reverse"`
	KeysOnly bool   `json:"keys_only"`
}

type pair struct {
	Key   string `json:"key"`
	Value string `json:"value,omitempty"`
}

func (a *Server) scan(ctx context.Context, q *scanRequest) (any, error) {
	start, err := q.bytes("start", q.Start)
	if err != nil {
		return nil, err
	}
	end, err := q.bytes("end", q.End)
	if err != nil {
		return nil, err
	}
	pairs, more, err := a.s.Scan(ctx, q.Txn, service.ScanRange{Start: start, End: end, Limit: q.Limit, Reverse: q.Reverse, KeysOnly: q.KeysOnly})
	if err != nil {
		return nil, err
	}
	out := make([]pair, len(pairs))
	for i, p := range pairs {
		if out[i].Key, err = q.text("key", p.Key); err != nil {
			return nil, err
		}
		if out[i].Value, err = q.text("the value", p.Value); err != nil {
			return nil, err
		}
	}
	return struct {
		Pairs []pair `json:"pairs"`
		More  bool   `json:"more"`
	}{out, more}, nil
}

type txnRequest struct {
	Txn string `json:"txn"`
}

func (a *Server) commit(ctx context.Context, q *txnRequest) (any, error) {
	ts, err := a.s.Commit(ctx, q.Txn)
	return map[string]string{"commit_ts": encodeTS(ts)}, err
}

func (a *Server) rollback(ctx context.Context, q *txnRequest) (any, error) {
	return empty{}, a.s.Rollback(ctx, q.Txn)
}

func (a *Server) table(ctx context.Context, q *service.Table) (any, error) {
	return empty{}, a.s.CreateTable(ctx, *q)
}

type insertRequest struct {
	Txn   string  `json:"txn"`
	Table string  `json:"table"`
	Rows  [][]any `json:"rows"`
}

func (a *Server) insert(ctx context.Context, q *insertRequest) (any, error) {
	if err := plain(q.Rows); err != nil {
		return nil, err
	}
	return empty{}, a.s.Insert(ctx, q.Txn, q.Table, q.Rows)
}

func (a *Server) tables(w http.ResponseWriter, r *http.Request) {
	all, err := a.s.Tables(r.Context())
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string][]service.Table{"tables": append([]service.Table{}, all...)})
}
