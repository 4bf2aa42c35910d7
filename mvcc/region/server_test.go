package region

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// srv is a region on the slow engine, spoken to in few words.
type srv struct {
	t testing.TB
	e Engine
	r *Region
}

func newSrv(t testing.TB, o ...Options) *srv { return newSrvOn(t, newSlow(), o...) }

// srvEngines are one that shows a scan one key after the other, and one that shows many.
func srvEngines() map[string]Engine {
	return map[string]Engine{"one by one": newSlow(), "many at once": NewMemory()}
}

func newSrvOn(t testing.TB, e Engine, o ...Options) *srv {
	o = append(o, Options{})
	s := &srv{t: t, e: e, r: New(Info{Ref: Ref{ID: 1, Epoch: 1}}, e, o[0])}
	t.Cleanup(s.r.Close) // and whoever waits still, because the test has failed
	return s
}

func (s *srv) do(q Request) (any, error) {
	return s.r.Do(context.Background(), s.r.Info().Ref, q)
}

func srvKeys(keys ...string) (all [][]byte) {
	for _, k := range keys {
		all = append(all, []byte(k))
	}
	return all
}

// srvMut reads a mutation: k=v puts, k+v inserts, k- deletes, k! locks, k? checks that it is
// absent; a * before it says that it is locked pessimistically.
func srvMut(text string) Mutation {
	text, pessimistic := strings.CutPrefix(text, "*")
	i := strings.IndexAny(text, "=+-!?")
	kinds := map[byte]MutationKind{'=': MutPut, '+': MutInsert, '-': MutDelete, '!': MutLock, '?': MutCheckAbsent}
	return Mutation{Kind: kinds[text[i]], Key: []byte(text[:i]), Value: []byte(text[i+1:]), Pessimistic: pessimistic}
}

// srvPrewrite makes a request; the first key is the primary.
func srvPrewrite(start TS, muts ...string) *PrewriteRequest {
	q := &PrewriteRequest{StartTS: start, TTL: 3 * time.Second, TxnSize: len(muts)}
	for _, m := range muts {
		q.Mutations = append(q.Mutations, srvMut(m))
	}
	q.Primary = q.Mutations[0].Key
	return q
}

func (s *srv) prewrite(start TS, muts ...string) error {
	_, err := s.do(srvPrewrite(start, muts...))
	return err
}

func (s *srv) async(start TS, muts ...string) (*PrewriteResponse, error) {
	q := srvPrewrite(start, muts...)
	q.AsyncCommit = true
	for _, m := range q.Mutations[1:] {
		q.Secondaries = append(q.Secondaries, m.Key)
	}
	a, err := s.do(q)
	if err != nil {
		return nil, err
	}
	return a.(*PrewriteResponse), nil
}

func (s *srv) onePC(start TS, muts ...string) (*PrewriteResponse, error) {
	q := srvPrewrite(start, muts...)
	q.OnePC = true
	a, err := s.do(q)
	if err != nil {
		return nil, err
	}
	return a.(*PrewriteResponse), nil
}

func (s *srv) commit(start, commit TS, keys ...string) error {
	_, err := s.do(&CommitRequest{Keys: srvKeys(keys...), StartTS: start, CommitTS: commit})
	return err
}

func (s *srv) rollback(start TS, keys ...string) error {
	_, err := s.do(&RollbackRequest{Keys: srvKeys(keys...), StartTS: start})
	return err
}

// put runs a whole transaction, and must succeed.
func (s *srv) put(start, commit TS, muts ...string) {
	s.t.Helper()
	require.NoError(s.t, s.prewrite(start, muts...))
	for _, m := range muts {
		require.NoError(s.t, s.commit(start, commit, string(srvMut(m).Key)))
	}
}

func (s *srv) status(primary string, start, caller, now TS, rollback bool) *TxnStatus {
	s.t.Helper()
	a, err := s.do(&CheckTxnStatusRequest{Primary: []byte(primary), StartTS: start, CallerTS: caller, CurrentTS: now, RollbackIfMissing: rollback})
	require.NoError(s.t, err)
	return a.(*TxnStatus)
}

func (s *srv) lockRequest(start, forUpdate TS, keys ...string) *LockRequest {
	return &LockRequest{Keys: srvKeys(keys...), Primary: []byte(keys[0]), StartTS: start, ForUpdateTS: forUpdate,
		TTL: 3 * time.Second, Values: true}
}

func (s *srv) lock(start, forUpdate TS, keys ...string) error {
	_, err := s.do(s.lockRequest(start, forUpdate, keys...))
	return err
}

// get shows what a reader gets: a value, "-" for none, or the error's kind.
func (s *srv) get(ts TS, key string) string {
	return srvShow(s.do(&GetRequest{ReadOptions{ReadTS: ts}, srvKeys(key)}))
}

func srvShow(a any, err error) string {
	switch e := err.(type) {
	case nil:
	case *LockedError:
		return fmt.Sprintf("locked by %v", e.Locks[0].StartTS)
	case *UncertainError:
		return fmt.Sprintf("uncertain %v", e.CommitTS)
	default:
		return err.Error()
	}
	switch a := a.(type) {
	case *GetResponse:
		if a.Values[0] == nil {
			return "-"
		}
		return string(a.Values[0])
	case *ScanResponse:
		var out []string
		for _, p := range a.Pairs {
			out = append(out, string(p.Key)+"="+string(p.Value))
		}
		if a.More {
			out = append(out, "more")
		}
		return strings.Join(out, " ")
	}
	return fmt.Sprint(a)
}

// scan reads all, in one request.
func (s *srv) scan(ts TS, reverse bool) string {
	return srvShow(s.do(&ScanRequest{ReadOptions: ReadOptions{ReadTS: ts}, Reverse: reverse}))
}

// state shows all records, a line each: to see that nothing has changed, or what has.
func (s *srv) state() string {
	s.t.Helper()
	snap, err := s.e.Snapshot(context.Background())
	require.NoError(s.t, err)
	defer snap.Close()
	var out strings.Builder
	for cf := range numCFs {
		it := snap.Iter(cf, nil, nil)
		for ok := it.SeekGE(nil); ok; ok = it.Next() {
			key, rest, err := DecodeKey(nil, it.Key())
			switch {
			case err != nil:
				fmt.Fprintf(&out, "%v %x\n", cf, it.Key())
			case cf == LockCF:
				l, ok := parseLock(it.Value())
				require.True(s.t, ok)
				fmt.Fprintf(&out, "lock %s %c start %v min %v async %v\n", key, l.kind, l.startTS, l.minCommitTS, l.async())
			case cf == WriteCF:
				_, ts, err := splitTS(it.Key())
				require.NoError(s.t, err)
				w, ok := parseWrite(it.Value())
				require.True(s.t, ok)
				fmt.Fprintf(&out, "%s@%v %c start %v %q overlapped %v\n", key, ts, w.kind, w.startTS, w.value, w.overlapped())
			default:
				fmt.Fprintf(&out, "default %s %x %d bytes\n", key, rest, len(it.Value()))
			}
		}
		it.Close()
	}
	return out.String()
}
