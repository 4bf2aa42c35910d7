package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/httpapi"
	"github.com/flagship-go/flagship/examples/kv/service"
)

// endless is a body that begins well and does not end.
type endless struct {
	begin io.Reader
	taken atomic.Int64
}

func (e *endless) Read(p []byte) (int, error) {
	n, err := e.begin.Read(p)
	if err == io.EOF {
		for n = range p {
			p[n] = 'A'
		}
		n, err = len(p), nil
	}
	if e.taken.Add(int64(n)) > 64<<20 {
		return 0, io.EOF // whoever takes that much would take more
	}
	return n, err
}

// Requests and the messages of a stream may be as long as a client likes; what
// is read of them is bounded.
func TestOfARequestThatDoesNotEndLittleIsRead(t *testing.T) {
	for _, path := range []string{"/v3/kv/put", "/v3/watch", "/v3/lease/keepalive"} {
		synctest.Test(t, func(t *testing.T) {
			c := start(t, 1, nil)
			body := &endless{begin: strings.NewReader(`{"key":"`)}
			r, err := c.client.Post(c.leader().url(path), "application/json", body)
			if err == nil {
				answer, _ := io.ReadAll(r.Body) // the connection may be cut behind it
				r.Body.Close()
				rule(t, "H2", r.StatusCode == http.StatusBadRequest && strings.Contains(string(answer), "etcdserver: request is too large"),
					"%s: %s %s", path, r.Status, answer)
			}
			rule(t, "H2", body.taken.Load() < 16<<20, "%s: %d bytes were read", path, body.taken.Load())
		})
	}
}

func bigPut() string {
	return `{"key":"YQ==","value":"` + base64.StdEncoding.EncodeToString(make([]byte, 100<<10)) + `"}`
}

// A client that reads nothing keeps a connection for StallTimeout, and no more;
// why it was cut is logged and counted.
func TestWatchOfAClientThatStopsReadingIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := start(t, 1, func(_ *service.Options, h *httpapi.Options) { h.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		n := c.leader()
		s := c.stream(n, "/v3/watch", `{"create_request":{"key":"YQ=="}}`)
		require.JSONEq(t, `{"created":true}`, s.next())
		require.Equal(t, 1, n.member.Status().Store.Watchers)
		for range 5 {
			c.ok(n, "/v3/kv/put", bigPut())
		}
		time.Sleep(29 * time.Second)
		require.Equal(t, 1, n.member.Status().Store.Watchers, "it has half a minute")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		rule(t, "H3", n.member.Status().Store.Watchers == 0, "a client that reads nothing keeps its watch")
		require.Contains(t, log.String(), "stream cut: its client stopped reading")
		_, metrics := c.get(n, "/metrics")
		require.Contains(t, metrics, "\nkv_streams_cut_total 1\n")
		_, err := io.Copy(io.Discard, s.body)
		require.Error(t, err, "the end comes without warning")
		s.close()
	})
}

// A client that reads slowly costs no memory: what it has not read waits in the
// store's history, and when that is compacted its watch is cancelled, and says why.
func TestSlowWatchIsCancelledWithTheReasonWhenItsHistoryGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		n := c.leader()
		s := c.stream(n, "/v3/watch", `{"create_request":{"key":"YQ=="}}`)
		defer s.close()
		require.JSONEq(t, `{"created":true}`, s.next())
		for range 100 {
			c.ok(n, "/v3/kv/put", bigPut())
		}
		rule(t, "H3", n.member.Status().Store.SlowWatchers == 1, "10 MB of events are kept for a client that reads nothing")
		c.ok(n, "/v3/kv/compaction", `{"revision":"101"}`)
		var r struct {
			Canceled     bool
			CancelReason string            `json:"cancel_reason"`
			Compacted    int64             `json:"compact_revision,string"`
			Events       []json.RawMessage `json:"events"`
		}
		events := 0
		for !r.Canceled {
			require.NoError(t, json.Unmarshal([]byte(s.next()), &r))
			events += len(r.Events)
			r.Events = nil
		}
		require.Less(t, events, 100)
		rule(t, "H3", r.Compacted == 101 && r.CancelReason == "etcdserver: mvcc: required revision has been compacted", "cancelled with %+v", r)
	})
}

// An answer is in memory until it is taken; so it must be, or the client goes.
func TestClientThatDoesNotTakeItsAnswerIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		n := c.leader()
		for range 3 {
			c.ok(n, "/v3/kv/put", bigPut())
		}
		const body = `{"key":"YQ=="}`
		// ask returns the answer to a client that has rested before it reads, twice.
		ask := func(rest time.Duration) string {
			conn, err := n.pipe.dial(t.Context())
			require.NoError(t, err)
			defer conn.Close()
			go fmt.Fprintf(conn, "POST /v3/kv/range HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			time.Sleep(rest)
			head, err := io.ReadAll(io.LimitReader(conn, 100<<10))
			require.NoError(t, err)
			time.Sleep(rest)
			tail, err := io.ReadAll(conn)
			require.NoError(t, err)
			return string(head) + string(tail)
		}
		slow := ask(20 * time.Second)
		rule(t, "H3", strings.HasSuffix(slow, `"count":"1"}`), "a client that takes 40 s, and never half a minute for nothing, gets %d bytes", len(slow))
		stalled := ask(31 * time.Second)
		rule(t, "H3", !strings.HasSuffix(stalled, `"count":"1"}`), "an answer waits for ever for a client that does not take it")
	})
}
