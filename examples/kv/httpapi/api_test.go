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

func TestAPIRefusesBadInputAsEtcdDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		n := c.leader()
		c.ok(n, "/v3/kv/put", `{"key":"Zm9v"}`)
		c.ok(n, "/v3/kv/put", `{"key":"Zm9v"}`)
		c.ok(n, "/v3/kv/compaction", `{"revision":3}`)
		for _, x := range []struct {
			rule, name, path, body string
			status                 int
			want                   string // the message, or the whole answer of what is no error
		}{
			{"H1", "numbers", "kv/range", `{"key":"Zm9v","limit":1,"count_only":true}`, 200, `{"count":"1"}`},
			{"H1", "numbers in quotes", "kv/range", `{"key":"Zm9v","limit":"1","count_only":true}`, 200, `{"count":"1"}`},
			{"H1", "names in camel case", "kv/range", `{"key":"Zm9u","rangeEnd":"Zm9w","countOnly":true}`, 200, `{"count":"1"}`},
			{"H1", "enum by number", "kv/range", `{"key":"Zm9v","sort_order":2,"count_only":true}`, 200, `{"count":"1"}`},
			{"H1", "malformed JSON", "kv/put", `{"key":`, 400, "unexpected EOF"},
			{"H1", "not JSON", "kv/put", `hello`, 400, "invalid character 'h' looking for beginning of value"},
			{"H1", "not an object", "kv/put", `[1]`, 400, "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
			{"H1", "malformed base64", "kv/put", `{"key":"?"}`, 400, "illegal base64 data at input byte 0"},
			{"H1", "unknown field for a key", "kv/put", `{"kee":"Zm9v"}`, 400, "etcdserver: key is not provided"},
			{"H1", "unknown field besides", "kv/range", `{"key":"Zm9v","keys_only":true,"colour":["red",{}]}`, 200, `{"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"2"}],"count":"1"}`},
			{"H1", "unknown nested field", "kv/txn", `{"compare":[{"x":1}]}`, 400, "etcdserver: key is not provided"},
			{"H1", "unknown enum", "kv/range", `{"key":"Zm9v","sort_order":"UP"}`, 400, `unknown value "UP" for enum etcdserverpb.RangeRequest.SortOrder`},
			{"H5", "unknown enum number", "kv/range", `{"key":"Zm9v","sort_order":9}`, 400, "etcdserver: invalid sort option"},
			{"H1", "number too large", "kv/range", `{"key":"Zm9v","limit":"9223372036854775808"}`, 400, "json: cannot unmarshal number 9223372036854775808 into Go value of type int64"},
			{"H1", "number that is none", "kv/range", `{"key":"Zm9v","limit":"x"}`, 400, "invalid character 'x' looking for beginning of value"},
			{"H5", "empty body", "kv/put", ``, 400, "etcdserver: key is not provided"},
			{"H5", "no key", "kv/range", `{}`, 400, "etcdserver: key is not provided"},
			{"H1", "null is absent", "kv/range", `{"key":null}`, 400, "etcdserver: key is not provided"},
			{"H2", "huge value", "kv/put", `{"key":"Zm9v","value":"` + strings.Repeat("AAAA", 600_000) + `"}`, 400, "etcdserver: request is too large"},
			{"H2", "huge key", "kv/put", `{"key":"` + strings.Repeat("AAAA", 600_000) + `"}`, 400, "etcdserver: request is too large"},
			{"H2", "huge body", "kv/put", `{"key":"Zm9v","value":"` + strings.Repeat("AAAA", 1_000_000) + `"}`, 400, "etcdserver: request is too large"},
			{"H5", "compacted revision", "kv/range", `{"key":"Zm9v","revision":"2"}`, 400, "etcdserver: mvcc: required revision has been compacted"},
			{"H5", "future revision", "kv/range", `{"key":"Zm9v","revision":"99"}`, 400, "etcdserver: mvcc: required revision is a future revision"},
			{"H5", "compaction of the future", "kv/compaction", `{"revision":"99"}`, 400, "etcdserver: mvcc: required revision is a future revision"},
			{"H5", "unknown lease", "kv/put", `{"key":"Zm9v","lease":"5"}`, 404, "etcdserver: requested lease not found"},
			{"H5", "lease to revoke", "lease/revoke", `{"ID":"5"}`, 404, "etcdserver: requested lease not found"},
			{"H5", "long lease", "lease/grant", `{"TTL":"9000000001"}`, 400, "etcdserver: too large lease TTL"},
			{"H5", "duplicate key", "kv/txn", `{"success":[{"requestPut":{"key":"YQ=="}},{"requestPut":{"key":"YQ=="}}]}`, 400, "etcdserver: duplicate key given in txn request"},
			{"H5", "too many operations", "kv/txn", `{"success":[` + strings.Repeat(`{"requestRange":{"key":"YQ=="}},`, 128) + `{"requestRange":{"key":"YQ=="}}]}`, 400, "etcdserver: too many operations in txn request"},
			{"H5", "value and ignore_value", "kv/put", `{"key":"YQ==","value":"YQ==","ignore_value":true}`, 400, "etcdserver: value is provided"},
			{"H5", "unknown member", "cluster/member/remove", `{"ID":"5"}`, 404, "etcdserver: member not found"},
			{"H5", "member without URL", "cluster/member/add", `{}`, 400, "etcdserver: given member URLs are invalid"},
			{"H5", "member with a path", "cluster/member/add", `{"peerURLs":["http://h:1/x"]}`, 400, "etcdserver: given member URLs are invalid"},
			{"H5", "member that is there", "cluster/member/add", `{"peerURLs":["http://n1:2380"]}`, 400, "etcdserver: Peer URLs already exists"},
			{"H5", "promotion of a voter", "cluster/member/promote", `{"ID":"1"}`, 400, "etcdserver: can only promote a learner member"},
			{"H5", "the last member", "cluster/member/remove", `{"ID":"1"}`, 400, "etcdserver: re-configuration failed due to not enough started members"},
			{"H5", "inverted range", "kv/range", `{"key":"Yg==","range_end":"YQ=="}`, 200, `{}`},
			{"H5", "inverted range to delete", "kv/deleterange", `{"key":"Yg==","range_end":"YQ=="}`, 200, `{}`},
			{"H5", "negative limit", "kv/range", `{"key":"Zm9v","limit":"-1","keys_only":true}`, 200, `{"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"2"}],"count":"1"}`},
			{"H6", "expired lease", "lease/timetolive", `{"ID":"5"}`, 200, `{"ID":"5","TTL":"-1"}`},
		} {
			status, answer := c.post(n, "/v3/"+x.path, x.body)
			rule(t, x.rule, x.status == status, "%s: %d %s", x.name, status, answer)
			if status == 200 {
				require.JSONEq(t, x.want, withoutHeader(t, answer), "RULE %s: %s", x.rule, x.name)
				continue
			}
			code := map[int]string{400: "3", 404: "5"}[status]
			for text, other := range map[string]string{"etcdserver: mvcc: required": "11", "etcdserver: too large lease": "11",
				"etcdserver: Peer URLs": "9", "etcdserver: can only": "9", "etcdserver: re-configuration": "9"} {
				if strings.HasPrefix(x.want, text) {
					code = other
				}
			}
			want := strings.ReplaceAll(x.want, `"`, `\"`)
			require.JSONEq(t, `{"error":"`+want+`","code":`+code+`,"message":"`+want+`"}`, answer, "RULE %s: %s", x.rule, x.name)
		}
		status, _ := c.get(n, "/v3/kv/put")
		require.Equal(t, 405, status)
		status, _ = c.post(n, "/v3/kv/nothing", "")
		require.Equal(t, 404, status)
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
