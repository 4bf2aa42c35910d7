package predicates

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"

	"github.com/flagship-go/flagship/gateway/route"
)

// A field is the name of a header field, as Go's maps have it.
type field string

func (a *arguments) field() field {
	const what = "the name of a header field"
	s := a.text(what)
	if !isToken(s) {
		a.wrong(what)
	}
	return field(http.CanonicalHeaderKey(s))
}

// any tells whether one of the field's lines is as wanted. A server has the host in a place of its own.
func (f field) any(r *http.Request, wanted func(string) bool) bool {
	if f == "Host" {
		return wanted(r.Host)
	}
	return slices.ContainsFunc(r.Header[string(f)], wanted)
}

// Header("Accept", "application/json") is true if one of the field's lines is exactly that.
type header struct {
	field field
	value string
}

func newHeader(a *arguments) route.Predicate { return &header{a.field(), a.text("the value")} }

func (h *header) Match(r *http.Request) bool {
	if h.field == "Host" {
		return r.Host == h.value
	}
	return slices.Contains(r.Header[string(h.field)], h.value)
}

// HeaderRegexp("Accept", "application/(json|xml)") is true if one of the field's lines matches.
type headerRegexp struct {
	field   field
	pattern pattern
}

func newHeaderRegexp(a *arguments) route.Predicate {
	return &headerRegexp{a.field(), a.pattern("a regular expression for the value", "")}
}

func (h *headerRegexp) Match(r *http.Request) bool { return h.field.any(r, h.pattern.match) }

// HeaderSHA256("X-Secret", "2bb8...") is true if the hash of one of the field's lines is one of those:
// a secret can be asked for by a file that does not have it. The time it takes says nothing about where a hash differs.
type headerSHA256 struct {
	field  field
	hashes [][sha256.Size]byte
}

func newHeaderSHA256(a *arguments) route.Predicate {
	const what = "a SHA-256 in hexadecimal, 64 digits"
	h := &headerSHA256{field: a.field()}
	for _, text := range a.texts(what) {
		sum, err := hex.DecodeString(text)
		if err != nil || len(sum) != sha256.Size {
			a.fail("%q is not %s", text, what)
			return nil
		}
		h.hashes = append(h.hashes, [sha256.Size]byte(sum))
	}
	return h
}

func (h *headerSHA256) Match(r *http.Request) bool {
	return h.field.any(r, func(v string) bool {
		sum, found := sha256.Sum256([]byte(v)), 0
		for i := range h.hashes {
			found |= subtle.ConstantTimeCompare(sum[:], h.hashes[i][:])
		}
		return found == 1
	})
}
