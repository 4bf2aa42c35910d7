package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/httpapi"
	"github.com/flagship-go/flagship/examples/kv/service"
)

// The examples of etcd's documentation, answered as it shows them: foo is Zm9v,
// bar YmFy.
func TestAPIAnswersEtcdsDocumentedExamples(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		for _, n := range []*node{c.leader(), c.follower()} {
			status, answer := c.post(n, "/v3/kv/put", `{"key": "Zm9v", "value": "YmFy"}`)
			require.Equal(t, 200, status)
			require.Regexp(t, `^{"header":{"cluster_id":"7","member_id":"[123]","revision":"[0-9]+","raft_term":"[0-9]+"}}$`, answer)
			c.ok(n, "/v3/kv/deleterange", `{"key":"Zm9v"}`)
		}
		f := c.follower()
		c.ok(f, "/v3/kv/put", `{"key": "Zm9v", "value": "YmFy"}`)
		const rev = "6"
		kv := `{"key":"Zm9v","create_revision":"` + rev + `","mod_revision":"` + rev + `","version":"1","value":"YmFy"}`
		require.JSONEq(t, `{"kvs":[`+kv+`],"count":"1"}`, c.ok(c.leader(), "/v3/kv/range", `{"key": "Zm9v"}`))
		require.JSONEq(t, `{"kvs":[`+kv+`],"count":"1"}`, c.ok(f, "/v3/kv/range", `{"key": "Zm9v", "range_end": "Zm9w"}`))
		require.JSONEq(t, `{"succeeded":true,"responses":[{"response_put":{"header":{"revision":"7"}}}]}`, c.ok(f, "/v3/kv/txn",
			`{"compare":[{"target":"CREATE","key":"Zm9v","createRevision":"6"}],"success":[{"requestPut":{"key":"Zm9v","value":"YmFy"}}]}`))
		require.JSONEq(t, `{"succeeded":true,"responses":[{"response_range":{"header":{"revision":"7"},"kvs":[{"key":"Zm9v","create_revision":"6","mod_revision":"7","version":"2","value":"YmFy"}],"count":"1"}}]}`,
			c.ok(f, "/v3/kv/txn", `{"compare":[{"version":"2","result":"EQUAL","target":"VERSION","key":"Zm9v"}],"success":[{"requestRange":{"key":"Zm9v"}}]}`))
		require.JSONEq(t, `{"prev_kv":{"key":"Zm9v","create_revision":"6","mod_revision":"7","version":"2","value":"YmFy"}}`,
			c.ok(f, "/v3/kv/put", `{"key":"Zm9v","prev_kv":true}`))
		require.JSONEq(t, `{"deleted":"1"}`, c.ok(f, "/v3/kv/deleterange", `{"key":"Zm9v"}`))
		require.JSONEq(t, `{}`, c.ok(f, "/v3/kv/compaction", `{"revision":8}`))
	})
}

func TestLeaseEndsByItsTimeAndLivesByKeepalives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		f := c.follower()
		require.JSONEq(t, `{"ID":"77","TTL":"10"}`, c.ok(f, "/v3/lease/grant", `{"TTL":"10","ID":"77"}`))
		c.ok(f, "/v3/kv/put", `{"key":"Zm9v","lease":"77"}`)
		require.JSONEq(t, `{"leases":[{"ID":"77"}]}`, c.ok(f, "/v3/lease/leases", `{}`))
		s := c.stream(f, "/v3/lease/keepalive", `{"ID":"77"}`)
		require.JSONEq(t, `{"ID":"77","TTL":"10"}`, s.next())
		for range 3 {
			time.Sleep(8 * time.Second)
			s.say(`{"ID":77}`)
			require.JSONEq(t, `{"ID":"77","TTL":"10"}`, s.next())
		}
		time.Sleep(4500 * time.Millisecond)
		require.JSONEq(t, `{"ID":"77","TTL":"5","grantedTTL":"10","keys":["Zm9v"]}`, c.ok(f, "/v3/kv/lease/timetolive", `{"ID":"77","keys":true}`))
		time.Sleep(7 * time.Second)
		require.JSONEq(t, `{}`, c.ok(f, "/v3/kv/range", `{"key":"Zm9v"}`))
		s.say(`{"ID":77}`)
		over := s.next()
		rule(t, "H6", over == `{"ID":"77"}`, "the keepalive of a lease that is over is answered by %s", over)
		s.close()
	})
}

func TestLeaseOutlivesItsLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		c.ok(c.leader(), "/v3/lease/grant", `{"TTL":"10","ID":"77"}`)
		c.ok(c.leader(), "/v3/kv/put", `{"key":"Zm9v","lease":"77"}`)
		time.Sleep(9 * time.Second)
		c.stop(c.leader(), false)
		n := c.leader()
		require.Contains(t, c.ok(n, "/v3/lease/timetolive", `{"ID":"77"}`), `"grantedTTL":"10"`)
		time.Sleep(5 * time.Second)
		require.JSONEq(t, `{"count":"1"}`, c.ok(n, "/v3/kv/range", `{"key":"Zm9v","count_only":true}`), "14 s after its renewal by a dead leader")
		time.Sleep(8 * time.Second)
		require.JSONEq(t, `{}`, c.ok(n, "/v3/kv/range", `{"key":"Zm9v","count_only":true}`))
	})
}

func TestQuotaMakesTheClusterReadOnlyUntilItIsDisarmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, func(o *service.Options, _ *httpapi.Options) { o.Quota = 64 << 10 })
		f := c.follower()
		body := `{"key":"Zm9v","value":"` + strings.Repeat("AAAA", 4000) + `"}`
		status, answer := 0, ""
		for range 8 {
			if status, answer = c.post(c.leader(), "/v3/kv/put", body); status != 200 {
				break
			}
		}
		rule(t, "H5", status == http.StatusTooManyRequests, "over the quota: %d %s", status, answer)
		require.JSONEq(t, `{"error":"etcdserver: mvcc: database space exceeded","code":8,"message":"etcdserver: mvcc: database space exceeded"}`, answer)
		require.Less(t, c.leader().member.Status().Store.Size, int64(64<<10), "what would not fit was not written")
		// The alarm is the cluster's: another member refuses what would fit.
		status, _ = c.post(f, "/v3/kv/put", `{"key":"Zm9v"}`)
		require.Equal(t, 429, status)
		status, answer = c.get(c.leader(), "/health")
		rule(t, "H7", status == http.StatusServiceUnavailable && answer == `{"health":"false","reason":"ALARM NOSPACE"}`, "under an alarm: %s", answer)
		status, _ = c.get(c.leader(), "/readyz")
		rule(t, "H7", status == http.StatusOK, "not ready, though reads are served: %d", status)
		alarms := c.ok(f, "/v3/maintenance/alarm", `{}`)
		require.Contains(t, alarms, `"alarm":"NOSPACE"`)
		// The way out: compact, defragment, disarm.
		rev := c.leader().member.Status().Store.Revision
		c.ok(f, "/v3/kv/range", `{"key":"Zm9v","keys_only":true}`)
		c.ok(f, "/v3/kv/deleterange", `{"key":"Zm9v"}`)
		require.Equal(t, rev+1, c.leader().member.Status().Store.Revision)
		c.ok(f, "/v3/kv/compaction", `{"revision":`+decimal(rev+1)+`}`)
		c.ok(f, "/v3/maintenance/defragment", `{}`)
		for _, n := range c.nodes {
			c.ok(f, "/v3/maintenance/alarm", `{"action":"DEACTIVATE","alarm":"NOSPACE","memberID":"`+decimal(n.id)+`"}`)
		}
		c.ok(c.leader(), "/v3/kv/put", `{"key":"Zm9v"}`)
		status, _ = c.get(c.leader(), "/health")
		require.Equal(t, 200, status)
	})
}
