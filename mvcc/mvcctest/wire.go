package mvcctest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flagship-go/flagship/mvcc/region"
)

// A client's wire: what becomes of requests, between the client and the region. Every
// request has two boundaries, before it is done and after, and at each the client may be gone
// for good, stall for longer than its locks live, or just be overtaken.
//
//	client      boundary      region       boundary      client
//	Send ──────────┬──────────> done ─────────┬──────────> answer
//	               lost                       answer lost
//	               comes late                 comes again, late
//	               client gone                client gone

// fault is what becomes of a request.
type fault int

const (
	fine fault = iota
	lost
	comesLate
	goneBefore
	answerLost
	comesTwice
	goneAfter
	stalls
)

// fault chooses one: most requests are fine.
func (w *world) fault() fault {
	if w.calm || w.o.NoFaults {
		return fine
	}
	switch n := w.r.IntN(400); {
	case n < 5:
		return lost
	case n < 9:
		return comesLate
	case n < 11:
		return goneBefore
	case n < 16:
		return answerLost
	case n < 22:
		return comesTwice
	case n < 24:
		return goneAfter
	case n < 28:
		return stalls
	}
	return fine
}

// Region implements mvcc.Transport: what the client knows of the regions, which may be old.
func (c *client) Region(_ context.Context, key []byte) (region.Info, error) {
	if c.gone {
		return region.Info{}, errGone
	}
	for _, i := range c.cache {
		if i.Contains(key) {
			return i, nil
		}
	}
	return region.Info{}, fmt.Errorf("mvcctest: no region has key %q", key)
}

// Stale implements mvcc.Transport.
func (c *client) Stale(region.Ref, []region.Info) { c.cache = c.w.infos() }

// Send implements mvcc.Transport.
func (c *client) Send(_ context.Context, ref region.Ref, q region.Request) (any, error) {
	w := c.w
	if c.gone {
		return nil, errGone
	}
	c.pause()
	f := w.fault()
	if f == stalls {
		c.say("stalls before %s", describeRequest(q))
		c.wakeAt = w.now + time.Duration(w.r.Int64N(int64(3*lockTTL)))
		c.pause()
	}
	reads := isQuery(q)
	for w.writer != nil && !reads { // its latches could be in our way, and we in this goroutine
		c.pause()
	}
	switch f {
	case goneBefore:
		return nil, c.die("before %s", q)
	case lost:
		c.say("%s is lost", describeRequest(q))
		return nil, errWire
	case comesLate:
		c.later(ref, q)
		return nil, errWire
	}
	c.reading = reads
	answer, err := w.do(ref, q)
	c.reading = false
	c.say("%s: %s", describeRequest(q), describeAnswer(answer, err))
	if f == comesTwice {
		c.later(ref, q)
	}
	c.pause()
	switch f {
	case goneAfter:
		return nil, c.die("after %s", q)
	case answerLost:
		c.say("the answer is lost")
		return nil, errWire
	}
	return answer, err
}

// later has a request done once more, or only then.
func (c *client) later(ref region.Ref, q region.Request) {
	d := delivery{at: c.w.now + time.Duration(c.w.r.Int64N(int64(2*lockTTL))), ref: ref, q: q, from: c.id}
	c.say("%s comes late, in %v", describeRequest(q), d.at-c.w.now)
	c.w.late = append(c.w.late, d)
}

func (c *client) die(where string, q region.Request) error {
	c.say("is gone, "+where, describeRequest(q))
	c.gone = true
	return errGone
}

func (c *client) say(format string, args ...any) {
	if c.w.o.Story != nil {
		c.w.tell("client %d, %s: "+format, append([]any{c.id, c.txn}, args...)...)
	}
}

// isQuery reports whether a request takes no latch.
func isQuery(q region.Request) bool {
	switch q.(type) {
	case *region.GetRequest, *region.ScanRequest, *region.RefreshRequest:
		return true
	}
	return false
}

// describeRequest shows a request as stories and scripts do.
func describeRequest(q region.Request) string {
	switch q := q.(type) {
	case *region.GetRequest:
		return fmt.Sprintf("get %s at %v", words(q.Keys), q.ReadTS)
	case *region.ScanRequest:
		return fmt.Sprintf("scan [%s, %s) at %v", q.Start, q.End, q.ReadTS)
	case *region.PrewriteRequest:
		var keys [][]byte
		for _, m := range q.Mutations {
			keys = append(keys, m.Key)
		}
		way := ""
		switch {
		case q.OnePC:
			way = " and commit"
		case q.AsyncCommit:
			way = " async"
		}
		return fmt.Sprintf("prewrite%s %s of %v, primary %s", way, words(keys), q.StartTS, q.Primary)
	case *region.CommitRequest:
		return fmt.Sprintf("commit %s of %v at %v", words(q.Keys), q.StartTS, q.CommitTS)
	case *region.RollbackRequest:
		return fmt.Sprintf("rollback %s of %v", words(q.Keys), q.StartTS)
	case *region.CheckTxnStatusRequest:
		return fmt.Sprintf("status of %v at %s", q.StartTS, q.Primary)
	case *region.CheckSecondaryLocksRequest:
		how := ""
		if q.Look {
			how = "look at "
		}
		return fmt.Sprintf("%ssecondaries %s of %v", how, words(q.Keys), q.StartTS)
	case *region.ResolveLockRequest:
		if q.CommitTS == 0 {
			return fmt.Sprintf("resolve %s of %v: rolled back", words(q.Keys), q.StartTS)
		}
		return fmt.Sprintf("resolve %s of %v: committed at %v", words(q.Keys), q.StartTS, q.CommitTS)
	case *region.LockRequest:
		return fmt.Sprintf("lock %s of %v at %v", words(q.Keys), q.StartTS, q.ForUpdateTS)
	case *region.PessimisticRollbackRequest:
		return fmt.Sprintf("unlock %s of %v", words(q.Keys), q.StartTS)
	case *region.RefreshRequest:
		return fmt.Sprintf("refresh %s %s from %v to %v", words(q.Keys), q.Spans, q.From, q.To)
	case *region.ScanLocksRequest:
		return fmt.Sprintf("locks up to %v", q.MaxTS)
	case *region.GCRequest:
		return fmt.Sprintf("collect below %v", q.SafePoint)
	case *region.HeartbeatRequest:
		return fmt.Sprintf("heartbeat %s of %v", q.Primary, q.StartTS)
	}
	return fmt.Sprintf("%T", q)
}

func words(keys [][]byte) string {
	var s []string
	for _, k := range keys {
		s = append(s, string(k))
	}
	return strings.Join(s, " ")
}

func describeAnswer(a any, err error) string {
	if err != nil {
		return strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	switch a := a.(type) {
	case *region.GetResponse:
		return fmt.Sprintf("%q", a.Values)
	case *region.ScanResponse:
		return fmt.Sprintf("%s", a.Pairs)
	case *region.PrewriteResponse:
		if a.CommitTS != 0 {
			return fmt.Sprintf("committed at %v", a.CommitTS)
		}
		return fmt.Sprintf("ok, not below %v", a.MinCommitTS)
	case *region.TxnStatus:
		state := [...]string{"alive", "committed", "rolled back", "async", "unknown"}[a.State]
		if a.CommitTS != 0 {
			state += fmt.Sprintf(" at %v", a.CommitTS)
		}
		if a.Lock != nil && a.Pushed {
			state += fmt.Sprintf(", not below %v", a.Lock.MinCommitTS)
		}
		return state
	case *region.SecondaryStatus:
		return fmt.Sprintf("%d locked, committed at %v", len(a.Locks), a.CommitTS)
	case *region.LockResponse:
		return fmt.Sprintf("%q, at %v", a.Values, a.ForUpdateTS)
	case *region.GCResponse:
		return fmt.Sprintf("%d removed", a.Removed)
	case *region.ScanLocksResponse:
		return fmt.Sprintf("%d locks", len(a.Locks))
	}
	return "ok"
}
