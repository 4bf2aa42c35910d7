package sigv4_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
	"github.com/stretchr/testify/require"
)

// The account, time and bucket of Amazon's documentation.
const (
	accessKey = "AKIAIOSFODNN7EXAMPLE"
	secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	emptySHA  = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

var day = time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func signer() *sigv4.Signer {
	return &sigv4.Signer{AccessKey: accessKey, SecretKey: secretKey, Now: at(day)}
}

func verifier(now time.Time) *sigv4.Verifier {
	return &sigv4.Verifier{Region: "us-east-1", Now: at(now), Secret: func(key string) (string, bool) {
		return secretKey, key == accessKey
	}}
}

// request is a client's.
func request(t testing.TB, method, url string, body []byte, headers ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// arrive makes of a client's request what the server sees of it.
func arrive(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	var wire bytes.Buffer
	require.NoError(t, r.Write(&wire))
	s := httptest.NewRequest(r.Method, r.URL.String(), nil)
	s.Host, s.Header, s.ContentLength = r.Host, r.Header.Clone(), r.ContentLength
	if r.Host == "" {
		s.Host = r.URL.Host
	}
	_, body, _ := bytes.Cut(wire.Bytes(), []byte("\r\n\r\n"))
	s.Body = io.NopCloser(bytes.NewReader(body))
	return s
}

// rule reports a broken rule in the form that the kill matrix reads.
func rule(t *testing.T, id string, kept bool, format string, args ...any) {
	t.Helper()
	if !kept {
		t.Fatalf("RULE %s: %s", id, fmt.Sprintf(format, args...))
	}
}

// code is the code of an *Error; "" of nil.
func code(err error) string {
	var e *sigv4.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return "not an *Error: " + err.Error()
}

// receive verifies a request and reads its body.
func receive(t *testing.T, r *http.Request) (body []byte, err error) {
	t.Helper()
	got, err := verifier(day).Verify(r)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(got.Body)
}

func hexSum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}
