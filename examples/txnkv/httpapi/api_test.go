package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/txnkv/service"
	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/oracle"
	"github.com/flagship-go/flagship/mvcc/region"
)

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

// open returns the API over a store in memory.
func open(t *testing.T, o Options) *Server {
	clock, err := oracle.New(nil)
	require.NoError(t, err)
	local := region.NewLocal(mvcc.NewMemory(), nil, region.Options{})
	db, err := mvcc.Open(&mvcc.Options{Transport: local, Clock: clock})
	require.NoError(t, err)
	s := service.New(service.Options{DB: db, Transport: local, Clock: clock})
	t.Cleanup(func() {
		require.NoError(t, s.Close(context.Background()))
		require.NoError(t, db.Close())
		require.NoError(t, local.Close())
	})
	o.Service = s
	return New(o)
}

func (a *Server) call(path, body string) (int, string) {
	w := httptest.NewRecorder()
	a.ServeHTTP(w, httptest.NewRequest("POST", "/v1/"+path, strings.NewReader(body)))
	return w.Code, strings.TrimSpace(w.Body.String())
}

// A story in calls and answers; TXN stands for the transaction that was begun last.
func TestStory(t *testing.T) {
	a := open(t, Options{})
	txn := ""
	for _, step := range []struct{ path, body, want string }{
		{"put", `{"key":"a","value":"1"}`, `{}`},
		{"get", `{"key":"a"}`, `{"found":true,"value":"1"}`},
		{"get", `{"key":"b"}`, `{"found":false}`},
		{"begin", `{"mode":"pessimistic"}`, ``},
		{"lock", `{"txn":"TXN","keys":["a","b"]}`, `{"values":["1",null]}`},
		{"put", `{"txn":"TXN","key":"b","value":"2"}`, `{}`},
		{"delete", `{"txn":"TXN","key":"a"}`, `{}`},
		{"scan", `{"txn":"TXN"}`, `{"pairs":[{"key":"b","value":"2"}],"more":false}`},
		{"scan", `{}`, `{"pairs":[{"key":"a","value":"1"}],"more":false}`},
		{"commit", `{"txn":"TXN"}`, ``},
		{"scan", `{"limit":1,"keys_only":true}`, `{"pairs":[{"key":"b"}],"more":false}`},
		{"put", `{"key":"/w==","value":"AAE=","base64":true}`, `{}`},
		{"get", `{"key":"/w==","base64":true}`, `{"found":true,"value":"AAE="}`},
		{"scan", `{"start":"b","reverse":true,"limit":1,"base64":false,"end":"c"}`, `{"pairs":[{"key":"b","value":"2"}],"more":false}`},
		{"table", `{"name":"t","columns":[{"name":"id","type":"int"},{"name":"x","type":"float"}],"key":["id"]}`, `{}`},
		{"insert", `{"table":"t","rows":[[1,0.5],[2,null],[3,2]]}`, `{}`},
		{"select", `{"query":"SELECT * FROM t ORDER BY id DESC"}`, `{"columns":["id","x"],"rows":[[3,2],[2,null],[1,0.5]]}`},
		{"select", `{"query":"SELECT sum(x) AS s FROM t","ship":true}`, `{"columns":["s"],"rows":[[2.5]]}`},
		{"select", `{"query":"SELECT id FROM t WHERE id > 9"}`, `{"columns":["id"],"rows":[]}`},
	} {
		status, got := a.call(step.path, strings.ReplaceAll(step.body, "TXN", txn))
		require.Equal(t, 200, status, "%s %s: %s", step.path, step.body, got)
		if step.want != "" {
			rule(t, "H2", got == step.want, "%s %s: %s, not %s", step.path, step.body, got, step.want)
		}
		var begun struct{ Txn string }
		if json.Unmarshal([]byte(got), &begun); begun.Txn != "" {
			txn = begun.Txn
		}
	}
}

func TestBadInputIsRefusedAndSaysWhy(t *testing.T) {
	a := open(t, Options{})
	a.call("put", `{"key":"/w==","value":"/w==","base64":true}`)
	a.call("table", `{"name":"t","columns":[{"name":"id","type":"int"}],"key":["id"]}`)
	a.call("insert", `{"table":"t","rows":[[9223372036854775807],[1]]}`)
	for _, c := range []struct {
		rule, path, body string
		status           int
		code, says       string
	}{
		{"H1", "put", ``, 400, "bad_request", "JSON object"},
		{"H1", "put", `[1]`, 400, "bad_request", "JSON object"},
		{"H1", "put", `{"key":"a"} {}`, 400, "bad_request", "goes on"},
		{"H1", "put", `{"kye":"a"}`, 400, "bad_request", "kye"},
		{"H1", "put", `{"key":"a","value":"` + strings.Repeat("x", maxBody) + `"}`, 413, "too_large", "too large"},
		{"H2", "put", "{\"key\":\"\xff\",\"value\":\"1\"}", 400, "bad_request", "base64"},
		{"H2", "put", `{"key":"\ud83d","value":"1"}`, 400, "bad_request", "base64"},
		{"H2", "put", `{"key":"\ud83d\u0041","value":"1"}`, 400, "bad_request", "base64"},
		{"H2", "put", `{"key":"a","value":"\\\ude00"}`, 400, "bad_request", "base64"},
		{"H2", "put", `{"key":"\ud83d\ude00\\ud83d\ufffd","value":"1"}`, 200, "", ""},
		{"H1", "explode", `{}`, 404, "bad_request", "/v1/begin"},
		{"H1", "put", `{"key":"%","base64":true}`, 400, "bad_request", "not base64"},
		{"H3", "put", `{"key":""}`, 400, "bad_key", "empty"},
		{"H3", "put", `{"key":"\u0000d"}`, 400, "bad_key", "zero byte"},
		{"H3", "begin", `{"mode":"chaotic"}`, 400, "bad_request", "serializable"},
		{"H3", "begin", `{"read_ts":"0"}`, 400, "bad_request", "timestamp"},
		{"H3", "begin", `{"read_ts":"-1"}`, 400, "bad_request", "timestamp"},
		{"H3", "begin", `{"read_ts":"18446744073709551615"}`, 400, "future", "max"},
		{"H3", "commit", `{"txn":"nobody"}`, 404, "no_transaction", "nobody"},
		{"H3", "commit", `{}`, 404, "no_transaction", ""},
		{"H3", "lock", `{"keys":["a"]}`, 404, "no_transaction", ""},
		{"H3", "scan", `{"limit":1000000}`, 400, "bad_request", "10000"},
		{"H3", "insert", `{"table":"t","rows":[["x"]]}`, 400, "bad_row", "id"},
		{"H3", "insert", `{"table":"t","rows":[[1e400]]}`, 400, "bad_request", "1e400"},
		{"H3", "insert", `{"table":"u","rows":[[1]]}`, 404, "no_table", "u"},
		{"H3", "table", `{"name":"t","columns":[{"name":"id","type":"int"}],"key":["id"]}`, 409, "exists", "t"},
		{"H3", "select", `{"query":"DROP TABLE t"}`, 400, "bad_query", "position 1"},
		{"H3", "select", `{"query":"SELECT id + id FROM t"}`, 400, "arithmetic", "overflow"},
		{"H2", "get", `{"key":"/w=="}`, 200, "", ""},
		{"H2", "scan", `{}`, 400, "bad_request", "base64"},
	} {
		status, got := a.call(c.path, c.body)
		rule(t, c.rule, status != 200 || c.status == 200, "%s %.80s: was taken: %s", c.path, c.body, got)
		rule(t, "H3", status == c.status, "%s %.80s: status %d, not %d: %s", c.path, c.body, status, c.status, got)
		if c.code != "" {
			rule(t, c.rule, strings.Contains(got, `"code":"`+c.code+`"`) && strings.Contains(got, c.says), "%s %.80s: %s has not %s, %s", c.path, c.body, got, c.code, c.says)
		}
	}
}

// A query has many rows, and its client takes none: it is cut off, and its
// transaction is free.
func TestAClientThatTakesNoRowsIsCutOff(t *testing.T) {
	a := open(t, Options{StallTimeout: 100 * time.Millisecond, RequestTimeout: 3 * time.Second})
	a.call("table", `{"name":"t","columns":[{"name":"id","type":"int"},{"name":"s","type":"string"}],"key":["id"]}`)
	long := strings.Repeat("x", 10_000)
	for i := range 8 {
		var rows []string
		for j := range 50 {
			rows = append(rows, fmt.Sprintf(`[%d,%q]`, 50*i+j, long))
		}
		status, text := a.call("insert", `{"table":"t","rows":[`+strings.Join(rows, ",")+`]}`)
		require.Equal(t, 200, status, text)
	}
	_, text := a.call("begin", `{}`)
	var begun struct{ Txn string }
	require.NoError(t, json.Unmarshal([]byte(text), &begun))
	// What is on its way is little, so that the rows do not fit into it.
	server := httptest.NewUnstartedServer(a)
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		c.(*net.TCPConn).SetWriteBuffer(16 << 10)
		return ctx
	}
	server.Start()
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			c.(*net.TCPConn).SetReadBuffer(16 << 10)
		}
		return c, err
	}}}
	defer client.CloseIdleConnections()
	r, err := client.Post(server.URL+"/v1/select", "application/json", strings.NewReader(fmt.Sprintf(`{"txn":%q,"query":"SELECT * FROM t"}`, begun.Txn)))
	require.NoError(t, err)
	defer r.Body.Close()
	// Its turn comes when the query has been given up.
	status, text := a.call("get", fmt.Sprintf(`{"txn":%q,"key":"a"}`, begun.Txn))
	rule(t, "H4", status == 200, "the transaction of a stalled query: %d %s", status, text)
	n, _ := io.Copy(io.Discard, r.Body)
	rule(t, "H4", n < 4_000_000, "all %d bytes were kept for a client that took none", n)
}
