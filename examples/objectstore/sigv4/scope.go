package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	// timeFormat is ISO 8601's basic format, of X-Amz-Date.
	timeFormat = "20060102T150405Z"
	dayFormat  = "20060102"
)

// scope is what a signing key is good for: one day, region and service.
type scope struct{ day, region, service string }

func (s scope) String() string {
	return s.day + "/" + s.region + "/" + s.service + "/" + terminator
}

// key derives the scope's signing key. Who gets hold of it can sign for the
// scope, but does not know the secret.
func (s scope) key(secret string) []byte {
	k := sum([]byte("AWS4"+secret), s.day)
	for _, part := range []string{s.region, s.service, terminator} {
		k = sum(k, part)
	}
	return k
}

// sum is HMAC-SHA256.
func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// A chain signs one text after another with one key: the request first, and
// then chunks, each with the signature before it.
type chain struct {
	key   []byte
	time  string
	scope string
	last  string // signature
}

func newChain(secret string, s scope, at time.Time) *chain {
	return &chain{key: s.key(secret), time: at.UTC().Format(timeFormat), scope: s.String()}
}

// toSign is the text that is signed for a request in canonical form.
func (c *chain) toSign(canonical string) string {
	return strings.Join([]string{algorithm, c.time, c.scope, hexSHA256(canonical)}, "\n")
}

func (c *chain) sign(text string) string {
	c.last = hex.EncodeToString(sum(c.key, text))
	return c.last
}

// signChunk signs the SHA-256 of a chunk. (The hash of nothing in between is
// that of headers, which a chunk has none of.)
func (c *chain) signChunk(sha string) string {
	return c.sign(strings.Join([]string{algorithm + "-PAYLOAD", c.time, c.scope, c.last, emptySHA256, sha}, "\n"))
}

// signTrailer signs the SHA-256 of the trailers, each as "name:value\n".
func (c *chain) signTrailer(sha string) string {
	return c.sign(strings.Join([]string{algorithm + "-TRAILER", c.time, c.scope, c.last, sha}, "\n"))
}
