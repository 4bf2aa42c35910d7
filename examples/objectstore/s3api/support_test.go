package s3api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/examples/objectstore/s3api"
	"github.com/flagship-go/flagship/examples/objectstore/s3api/memstore"
	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
	"github.com/stretchr/testify/require"
)

const accessKey, secretKey = "minioadmin", "miniosecret"

// world is a server before a store in memory, at a time that stands still until
// a test moves it.
type world struct {
	t      *testing.T
	now    time.Time
	store  *memstore.Store
	server *s3api.Server
}

func newWorld(t *testing.T, change ...func(*s3api.Options)) *world {
	w := &world{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 500e6, time.UTC)}
	clock := func() time.Time { return w.now }
	w.store = &memstore.Store{Now: clock, MinPart: 5}
	o := s3api.Options{Store: w.store, Verifier: &sigv4.Verifier{Now: clock, Secret: func(key string) (string, bool) {
		return secretKey, key == accessKey
	}}}
	for _, c := range change {
		c(&o)
	}
	w.server = s3api.New(o)
	return w
}

func (w *world) signer() *sigv4.Signer {
	return &sigv4.Signer{AccessKey: accessKey, SecretKey: secretKey, Now: func() time.Time { return w.now }}
}

// reply is a server's answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// code is S3's code of an error, "" of none.
func (r reply) code() string {
	var e struct{ Code string }
	if r.status >= 300 {
		xml.Unmarshal([]byte(r.body), &e) // HEAD has no body
	}
	return e.Code
}

func (r reply) String() string { return fmt.Sprintf("%d %v\n%s", r.status, r.header, r.body) }

// do sends a signed request. Headers come in pairs.
func (w *world) do(method, target, body string, headers ...string) reply {
	r := w.request(method, target, body, headers...)
	sum := sha256.Sum256([]byte(body))
	w.signer().Sign(r, hex.EncodeToString(sum[:]))
	return w.send(r)
}

func (w *world) request(method, target, body string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, "http://s3.example.com"+target, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	return r
}

func (w *world) send(r *http.Request) reply {
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	return reply{rec.Code, rec.Header(), rec.Body.String()}
}

// ok is do of what must succeed.
func (w *world) ok(method, target, body string, headers ...string) reply {
	w.t.Helper()
	r := w.do(method, target, body, headers...)
	require.Less(w.t, r.status, 300, "%s %s: %v", method, target, r)
	return r
}

// read decodes an answer into a message.
func read[M any](t *testing.T, r reply) M {
	t.Helper()
	var m M
	require.NoError(t, xml.Unmarshal([]byte(r.body), &m), "%v", r)
	return m
}

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}
