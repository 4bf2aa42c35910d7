package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/httpapi"
	"github.com/flagship-go/flagship/examples/kv/service"
)

func TestWatchTellsEventsInOrderAndIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		f := c.follower()
		s := c.stream(f, "/v3/watch", `{"create_request":{"key":"YQ==","range_end":"Yg==","prev_kv":true}}`)
		defer s.close()
		require.JSONEq(t, `{"created":true}`, s.next())
		c.ok(c.leader(), "/v3/kv/put", `{"key":"YQ==","value":"MQ=="}`)
		require.JSONEq(t, `{"events":[{"kv":{"key":"YQ==","create_revision":"2","mod_revision":"2","version":"1","value":"MQ=="}}]}`, s.next())
		c.ok(f, "/v3/kv/put", `{"key":"YQ==","value":"Mg=="}`)
		require.JSONEq(t, `{"events":[{"kv":{"key":"YQ==","create_revision":"2","mod_revision":"3","version":"2","value":"Mg=="},
			"prev_kv":{"key":"YQ==","create_revision":"2","mod_revision":"2","version":"1","value":"MQ=="}}]}`, s.next())
		c.ok(f, "/v3/kv/put", `{"key":"Yg=="}`) // outside
		c.ok(f, "/v3/kv/deleterange", `{"key":"YQ=="}`)
		require.JSONEq(t, `{"events":[{"type":"DELETE","kv":{"key":"YQ==","mod_revision":"5"},
			"prev_kv":{"key":"YQ==","create_revision":"2","mod_revision":"3","version":"2","value":"Mg=="}}]}`, s.next())

		s.say(`{"create_request":{"key":"YQ==","start_revision":3,"filters":["NOPUT"],"watch_id":"9"}}`)
		require.JSONEq(t, `{"watch_id":"9","created":true}`, s.next())
		require.JSONEq(t, `{"watch_id":"9","events":[{"type":"DELETE","kv":{"key":"YQ==","mod_revision":"5"}}]}`, s.next())
		s.say(`{"create_request":{"key":"YQ==","watch_id":"9"}}`)
		require.JSONEq(t, `{"watch_id":"-1","created":true,"canceled":true,"cancel_reason":"mvcc: duplicate watch ID provided on the WatchStream"}`, s.next())
		s.say(`{"create_request":{"key":"Yg==","range_end":"YQ=="}}`)
		require.JSONEq(t, `{"watch_id":"-1","created":true,"canceled":true,"cancel_reason":"mvcc: watcher range is empty"}`, s.next())
		s.say(`{"progress_request":{}}`)
		require.JSONEq(t, `{"watch_id":"-1"}`, s.next())
		s.say(`{"cancel_request":{"watch_id":"5"}}{"cancel_request":{"watch_id":"9"}}`)
		require.JSONEq(t, `{"watch_id":"9","canceled":true}`, s.next())
		c.ok(f, "/v3/kv/put", `{"key":"YQ=="}`)
		require.Contains(t, s.next(), `"mod_revision":"6"`, "the other watch goes on")
	})
}

// "created" and "canceled" in one answer is of no watch: what has its ID already
// goes on, and its client must not take it for cancelled.
func TestRefusedWatchHasNoID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		s := c.stream(c.leader(), "/v3/watch", `{"create_request":{"key":"YQ==","watch_id":"9"}}`)
		defer s.close()
		require.JSONEq(t, `{"watch_id":"9","created":true}`, s.next())
		s.say(`{"create_request":{"key":"YQ==","watch_id":"9"}}`)
		twice := s.next()
		rule(t, "H4", strings.Contains(twice, `"watch_id":"-1"`), "a watch is cancelled by another that wants its ID: %s", twice)
		c.ok(c.leader(), "/v3/kv/put", `{"key":"YQ=="}`)
		require.Contains(t, s.next(), `"mod_revision":"2"`)
	})
}

func TestWatchFromANegativeRevisionIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		s := c.stream(c.leader(), "/v3/watch", `{"create_request":{"key":"YQ==","start_revision":"-3"}}`)
		defer s.close()
		r := s.next()
		rule(t, "H5", r == `{"cancel_reason":"etcdserver: mvcc: required revision has been compacted","canceled":true,"created":true,"watch_id":"-1"}`,
			"a watch from revision -3 is told %s", r)
	})
}

func TestWatchOnCompactedRevisionIsCancelledWithTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		n := c.leader()
		for range 5 {
			c.ok(n, "/v3/kv/put", `{"key":"YQ=="}`)
		}
		c.ok(n, "/v3/kv/compaction", `{"revision":4}`)
		s := c.stream(n, "/v3/watch", `{"create_request":{"key":"YQ==","start_revision":"2"}}`)
		defer s.close()
		require.JSONEq(t, `{"created":true}`, s.next())
		r := s.next()
		rule(t, "H4", r == `{"cancel_reason":"etcdserver: mvcc: required revision has been compacted","canceled":true,"compact_revision":"4"}`,
			"a watch on a compacted revision is told %s", r)
	})
}

func TestWatchThatAskedForItIsToldOfProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		s := c.stream(c.leader(), "/v3/watch", `{"create_request":{"key":"YQ==","progress_notify":true}}`)
		defer s.close()
		require.JSONEq(t, `{"created":true}`, s.next())
		began := time.Now()
		require.JSONEq(t, `{}`, s.next())
		require.Equal(t, 10*time.Minute, time.Since(began).Round(time.Second))
	})
}

// A fragmented watch gets the events of one revision in several answers.
func TestWatchFragmentsARevisionOnlyIfAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, func(o *service.Options, h *httpapi.Options) {
			o.MaxRequestBytes, h.MaxRequestBytes = 8<<20, 8<<20
		})
		n := c.leader()
		value := base64.StdEncoding.EncodeToString(make([]byte, 700<<10))
		var puts []string
		for i := range 5 {
			puts = append(puts, fmt.Sprintf(`{"requestPut":{"key":"%s","value":"%s"}}`, base64.StdEncoding.EncodeToString([]byte{'a', byte('0' + i)}), value))
		}
		whole := c.stream(n, "/v3/watch", `{"create_request":{"key":"YQ==","range_end":"Yg=="}}`)
		defer whole.close()
		pieces := c.stream(n, "/v3/watch", `{"create_request":{"key":"YQ==","range_end":"Yg==","fragment":true}}`)
		defer pieces.close()
		require.JSONEq(t, `{"created":true}`, whole.next())
		require.JSONEq(t, `{"created":true}`, pieces.next())
		c.ok(n, "/v3/kv/txn", `{"success":[`+strings.Join(puts, ",")+`]}`)
		type answer struct {
			Fragment bool
			Events   []json.RawMessage
		}
		var a answer
		require.NoError(t, json.Unmarshal([]byte(whole.next()), &a))
		require.Len(t, a.Events, 5)
		events, answers := 0, 0
		for more := true; more; answers++ {
			var a answer
			require.NoError(t, json.Unmarshal([]byte(pieces.next()), &a))
			events += len(a.Events)
			more = a.Fragment
		}
		require.Equal(t, 5, events)
		require.Greater(t, answers, 1)
	})
}

// write gives the key a the values 0 to total-1, each once, whatever becomes of
// the members: version i is written only where there are i.
func write(c *cluster, total int, third chan<- struct{}) {
	for i := range total {
		if i == total/3 {
			close(third)
		}
		value := base64.StdEncoding.EncodeToString([]byte{byte(i)})
		body := fmt.Sprintf(`{"compare":[{"key":"YQ==","version":"%d"}],"success":[{"request_put":{"key":"YQ==","value":"%s"}}]}`, i, value)
		for try := 0; c.t.Context().Err() == nil; try++ {
			if status, _ := (&history{}).post(c, c.nodes[(i+try)%3], "txn", body); status == http.StatusOK {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// resume watches the key a from a revision on, as long as the connection lasts
// and until there have been some events, and calls see with each.
func resume(c *cluster, n *node, from int64, some int, see func(revision int64, value []byte)) {
	r, err := c.client.Post(n.url("/v3/watch"), "", strings.NewReader(fmt.Sprintf(`{"create_request":{"key":"YQ==","start_revision":"%d"}}`, from)))
	if err != nil {
		time.Sleep(50 * time.Millisecond)
		return
	}
	defer r.Body.Close()
	for answers := json.NewDecoder(r.Body); some > 0; {
		var m struct {
			Result struct {
				Events []struct {
					Kv struct {
						ModRevision int64 `json:"mod_revision,string"`
						Value       []byte
					}
				}
			}
		}
		if answers.Decode(&m) != nil {
			return
		}
		for _, e := range m.Result.Events {
			see(e.Kv.ModRevision, e.Kv.Value)
			some--
		}
	}
}

// A client that loses its member, again and again, and resumes elsewhere where
// it stopped, sees every event once and in order.
func TestWatchResumedOverMembersMissesAndRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		const total = 90
		third := make(chan struct{})
		var others sync.WaitGroup
		defer others.Wait()
		others.Go(func() { write(c, total, third) })
		<-third // there is something to catch up with
		others.Go(func() {
			time.Sleep(50 * time.Millisecond)
			lost := c.leader()
			c.stop(lost, false)
			time.Sleep(2 * time.Second)
			c.start(lost, 3)
		})
		next, seen := int64(2), 0
		for try := 0; seen < total; try++ {
			resume(c, c.nodes[try%3], next, min(5, total-seen), func(revision int64, value []byte) {
				rule(t, "H4", next == revision && string(value) == string([]byte{byte(seen)}),
					"revision %d is told, value %x, where %d and %x follow", revision, value, next, seen)
				next++
				seen++
			})
		}
	})
}

// Behind "canceled" nothing of a watch comes any more.
func TestCancelledWatchIsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		n := c.leader()
		s := c.stream(n, "/v3/watch", `{"create_request":{"key":"YQ==","watch_id":1}}{"create_request":{"key":"YQ==","watch_id":2}}`)
		defer s.close()
		s.next()
		s.next()
		s.say(`{"cancel_request":{"watch_id":1}}`)
		require.JSONEq(t, `{"watch_id":"1","canceled":true}`, s.next())
		synctest.Wait()
		rule(t, "H4", n.member.Status().Store.Watchers == 1, "%d watchers for one watch: the other's goroutine waits for ever", n.member.Status().Store.Watchers)
		for range 20 {
			c.ok(n, "/v3/kv/put", `{"key":"YQ=="}`)
			r := s.next()
			rule(t, "H4", strings.Contains(r, `"watch_id":"2"`), "behind its end a watch tells %s", r)
		}
	})
}

func TestStreamsEndWhenTheServerStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		c := start(t, 1, func(_ *service.Options, h *httpapi.Options) { h.Stop = stop })
		n := c.leader()
		w := c.stream(n, "/v3/watch", `{"create_request":{"key":"YQ=="}}`)
		w.next()
		c.ok(n, "/v3/lease/grant", `{"TTL":"10","ID":"77"}`)
		k := c.stream(n, "/v3/lease/keepalive", `{"ID":"77"}`)
		k.next()
		close(stop)
		for _, s := range []*stream{w, k} {
			var m map[string]map[string]any
			require.NoError(t, s.dec.Decode(&m))
			require.Equal(t, map[string]any{"grpc_code": 14., "http_code": float64(http.StatusServiceUnavailable),
				"http_status": http.StatusText(http.StatusServiceUnavailable),
				"message":     "etcdserver: server stopped"}, m["error"])
			require.ErrorIs(t, s.dec.Decode(&m), io.EOF)
			s.close()
		}
	})
}
