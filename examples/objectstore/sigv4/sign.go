package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Signer is the client's side. It is safe for concurrent use.
type Signer struct {
	AccessKey, SecretKey string
	// Region and Service signed for; empty: us-east-1 and s3.
	Region, Service string
	// Now is the client's clock; nil: time.Now.
	Now func() time.Time
}

func (s *Signer) now() time.Time {
	if s.Now != nil {
		return s.Now().UTC()
	}
	return time.Now().UTC()
}

func (s *Signer) scope(at time.Time) scope {
	sc := scope{at.Format(dayFormat), s.Region, s.Service}
	if sc.region == "" {
		sc.region = "us-east-1"
	}
	if sc.service == "" {
		sc.service = "s3"
	}
	return sc
}

// Sign signs a request with all headers it has; it must not be changed
// afterwards. payload is the SHA-256 of the body in hexadecimal, "" if the body
// is empty, or [UnsignedPayload]. For a body that is signed in chunks there is
// [Signer.SignStream].
func (s *Signer) Sign(r *http.Request, payload string) { s.sign(r, payload) }

func (s *Signer) sign(r *http.Request, payload string) *chain {
	if payload == "" {
		payload = emptySHA256
	}
	at := s.now()
	if s.scope(at).service == "s3" {
		r.Header.Set("X-Amz-Content-Sha256", payload)
	}
	r.Header.Set("X-Amz-Date", at.Format(timeFormat))
	signed := signedHeaders(r)
	sc := s.scope(at)
	c := newChain(s.SecretKey, sc, at)
	signature := c.sign(c.toSign(canonicalRequest(r, r.URL.Query(), signed, payload)))
	r.Header.Set("Authorization", algorithm+" Credential="+s.AccessKey+"/"+sc.String()+
		", SignedHeaders="+strings.Join(signed, ";")+", Signature="+signature)
	return c
}

// signedHeaders are the host and what the request has of headers, but for those
// that are not the client's alone.
func signedHeaders(r *http.Request) []string {
	names := []string{"host"}
	for name := range r.Header {
		switch name = strings.ToLower(name); name {
		case "authorization", "user-agent", "expect", "connection", "accept-encoding":
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Presign returns a URL that anybody may use for the request, with the headers
// it has, for the time that expires says: up to 7 days, in seconds.
func (s *Signer) Presign(r *http.Request, expires time.Duration) *url.URL {
	at, signed := s.now(), signedHeaders(r)
	sc := s.scope(at)
	query := r.URL.Query()
	query.Set("X-Amz-Algorithm", algorithm)
	query.Set("X-Amz-Credential", s.AccessKey+"/"+sc.String())
	query.Set("X-Amz-Date", at.Format(timeFormat))
	query.Set("X-Amz-Expires", strconv.FormatInt(int64(expires/time.Second), 10))
	query.Set("X-Amz-SignedHeaders", strings.Join(signed, ";"))
	c := newChain(s.SecretKey, sc, at)
	query.Set("X-Amz-Signature", c.sign(c.toSign(canonicalRequest(r, query, signed, UnsignedPayload))))
	u := *r.URL
	u.RawQuery = canonicalQuery(query)
	return &u
}
