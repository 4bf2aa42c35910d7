package httpapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

type badInput struct {
	rule, name, path, body string
	code                   int    // of gRPC; 0: it is no error
	want                   string // the message, or the whole answer of what is no error
}

// badInputs are asked of a store in which foo (Zm9v) has been put at revisions
// 2 and 3, and compacted at 3. Some are fine, and look as if they were not.
func badInputs() []badInput {
	return []badInput{
		{"H1", "numbers", "kv/range", `{"key":"Zm9v","limit":1,"count_only":true}`, 0, `{"count":"1"}`},
		{"H1", "numbers in quotes", "kv/range", `{"key":"Zm9v","limit":"1","count_only":true}`, 0, `{"count":"1"}`},
		{"H1", "names in camel case", "kv/range", `{"key":"Zm9u","rangeEnd":"Zm9w","countOnly":true}`, 0, `{"count":"1"}`},
		{"H1", "enum by number", "kv/range", `{"key":"Zm9v","sort_order":2,"count_only":true}`, 0, `{"count":"1"}`},
		{"H1", "malformed JSON", "kv/put", `{"key":`, 3, "unexpected EOF"},
		{"H1", "not JSON", "kv/put", `hello`, 3, "invalid character 'h' looking for beginning of value"},
		{"H1", "not an object", "kv/put", `[1]`, 3, "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
		{"H1", "malformed base64", "kv/put", `{"key":"?"}`, 3, "illegal base64 data at input byte 0"},
		{"H1", "unknown field for a key", "kv/put", `{"kee":"Zm9v"}`, 3, "etcdserver: key is not provided"},
		{"H1", "unknown field besides", "kv/range", `{"key":"Zm9v","keys_only":true,"colour":["red",{}]}`, 0, `{"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"2"}],"count":"1"}`},
		{"H1", "unknown nested field", "kv/txn", `{"compare":[{"x":1}]}`, 3, "etcdserver: key is not provided"},
		{"H1", "unknown enum", "kv/range", `{"key":"Zm9v","sort_order":"UP"}`, 3, `unknown value "UP" for enum etcdserverpb.RangeRequest.SortOrder`},
		{"H5", "unknown enum number", "kv/range", `{"key":"Zm9v","sort_order":9}`, 3, "etcdserver: invalid sort option"},
		{"H1", "number too large", "kv/range", `{"key":"Zm9v","limit":"9223372036854775808"}`, 3, "json: cannot unmarshal number 9223372036854775808 into Go value of type int64"},
		{"H1", "number that is none", "kv/range", `{"key":"Zm9v","limit":"x"}`, 3, "invalid character 'x' looking for beginning of value"},
		{"H5", "empty body", "kv/put", ``, 3, "etcdserver: key is not provided"},
		{"H5", "no key", "kv/range", `{}`, 3, "etcdserver: key is not provided"},
		{"H1", "null is absent", "kv/range", `{"key":null}`, 3, "etcdserver: key is not provided"},
		{"H2", "huge value", "kv/put", `{"key":"Zm9v","value":"` + strings.Repeat("AAAA", 600_000) + `"}`, 3, "etcdserver: request is too large"},
		{"H2", "huge key", "kv/put", `{"key":"` + strings.Repeat("AAAA", 600_000) + `"}`, 3, "etcdserver: request is too large"},
		{"H2", "huge body", "kv/put", `{"key":"Zm9v","value":"` + strings.Repeat("AAAA", 1_000_000) + `"}`, 3, "etcdserver: request is too large"},
		{"H5", "compacted revision", "kv/range", `{"key":"Zm9v","revision":"2"}`, 11, "etcdserver: mvcc: required revision has been compacted"},
		{"H5", "future revision", "kv/range", `{"key":"Zm9v","revision":"99"}`, 11, "etcdserver: mvcc: required revision is a future revision"},
		{"H5", "compaction of the future", "kv/compaction", `{"revision":"99"}`, 11, "etcdserver: mvcc: required revision is a future revision"},
		{"H5", "unknown lease", "kv/put", `{"key":"Zm9v","lease":"5"}`, 5, "etcdserver: requested lease not found"},
		{"H5", "lease to revoke", "lease/revoke", `{"ID":"5"}`, 5, "etcdserver: requested lease not found"},
		{"H5", "long lease", "lease/grant", `{"TTL":"9000000001"}`, 11, "etcdserver: too large lease TTL"},
		{"H5", "duplicate key", "kv/txn", `{"success":[{"requestPut":{"key":"YQ=="}},{"requestPut":{"key":"YQ=="}}]}`, 3, "etcdserver: duplicate key given in txn request"},
		{"H5", "too many operations", "kv/txn", `{"success":[` + strings.Repeat(`{"requestRange":{"key":"YQ=="}},`, 128) + `{"requestRange":{"key":"YQ=="}}]}`, 3, "etcdserver: too many operations in txn request"},
		{"H5", "value and ignore_value", "kv/put", `{"key":"YQ==","value":"YQ==","ignore_value":true}`, 3, "etcdserver: value is provided"},
		{"H5", "unknown member", "cluster/member/remove", `{"ID":"5"}`, 5, "etcdserver: member not found"},
		{"H5", "member without URL", "cluster/member/add", `{}`, 3, "etcdserver: given member URLs are invalid"},
		{"H5", "member with a path", "cluster/member/add", `{"peerURLs":["http://h:1/x"]}`, 3, "etcdserver: given member URLs are invalid"},
		{"H5", "member that is there", "cluster/member/add", `{"peerURLs":["http://n1:2380"]}`, 9, "etcdserver: Peer URLs already exists"},
		{"H5", "promotion of a voter", "cluster/member/promote", `{"ID":"1"}`, 9, "etcdserver: can only promote a learner member"},
		{"H5", "the last member", "cluster/member/remove", `{"ID":"1"}`, 9, "etcdserver: re-configuration failed due to not enough started members"},
		{"H5", "inverted range", "kv/range", `{"key":"Yg==","range_end":"YQ=="}`, 0, `{}`},
		{"H5", "inverted range to delete", "kv/deleterange", `{"key":"Yg==","range_end":"YQ=="}`, 0, `{}`},
		{"H5", "negative limit", "kv/range", `{"key":"Zm9v","limit":"-1","keys_only":true}`, 0, `{"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"3","version":"2"}],"count":"1"}`},
		{"H6", "expired lease", "lease/timetolive", `{"ID":"5"}`, 0, `{"ID":"5","TTL":"-1"}`},
	}
}

func TestAPIRefusesBadInputAsEtcdDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		n := c.leader()
		c.ok(n, "/v3/kv/put", `{"key":"Zm9v"}`)
		c.ok(n, "/v3/kv/put", `{"key":"Zm9v"}`)
		c.ok(n, "/v3/kv/compaction", `{"revision":3}`)
		// By grpc-gateway's table.
		statuses := map[int]int{0: http.StatusOK, 3: http.StatusBadRequest, 5: http.StatusNotFound, 9: http.StatusBadRequest, 11: http.StatusBadRequest}
		for _, x := range badInputs() {
			status, answer := c.post(n, "/v3/"+x.path, x.body)
			rule(t, x.rule, status == statuses[x.code], "%s: %d %s", x.name, status, answer)
			if x.code == 0 {
				require.JSONEq(t, x.want, withoutHeader(t, answer), "RULE %s: %s", x.rule, x.name)
				continue
			}
			want, err := json.Marshal(map[string]any{"error": x.want, "code": x.code, "message": x.want})
			require.NoError(t, err)
			require.JSONEq(t, string(want), answer, "RULE %s: %s", x.rule, x.name)
		}
		status, _ := c.get(n, "/v3/kv/put")
		require.Equal(t, http.StatusMethodNotAllowed, status)
		status, _ = c.post(n, "/v3/kv/nothing", "")
		require.Equal(t, http.StatusNotFound, status)
	})
}
