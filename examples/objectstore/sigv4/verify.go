package sigv4

import (
	"crypto/hmac"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxSkew is how far a request's time may be from the server's.
const maxSkew = 15 * time.Minute

// Verifier is the server's side. It is safe for concurrent use.
type Verifier struct {
	// Secret returns the secret key of an access key, and whether there is one.
	Secret func(accessKey string) (secret string, ok bool)
	// Region that must be signed for; empty: any.
	Region string
	// Service that must be signed for; empty: s3.
	Service string
	// Now is the server's clock; nil: time.Now.
	Now func() time.Time
}

// Verify checks a request's signature and returns who signed it, and its body,
// which verifies itself while it is read. The request's own Body must not be
// read any more. Errors are of type *Error.
func (v *Verifier) Verify(r *http.Request) (*Request, error) {
	c, err := claimOf(r)
	if err != nil {
		return nil, err
	}
	secret, ok := v.Secret(c.accessKey)
	if !ok {
		return nil, &Error{CodeInvalidAccessKeyID, "The AWS Access Key Id you provided does not exist in our records.",
			[]Field{{"AWSAccessKeyId", c.accessKey}}}
	}
	if err := v.checkScope(c); err != nil {
		return nil, err
	}
	if err := v.checkTime(c); err != nil {
		return nil, err
	}
	if err := checkSigned(r, c); err != nil {
		return nil, err
	}
	chain := newChain(secret, c.scope, c.time)
	canonical := canonicalRequest(r, c.query, c.signed, c.payload)
	text := chain.toSign(canonical)
	if !hmac.Equal([]byte(chain.sign(text)), []byte(c.signature)) {
		return nil, &Error{CodeMismatch, "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
			[]Field{{"AWSAccessKeyId", c.accessKey}, {"StringToSign", text}, {"SignatureProvided", c.signature}, {"CanonicalRequest", canonical}}}
	}
	return newRequest(r, c, chain)
}

func (v *Verifier) checkScope(c *claim) error {
	code := CodeMalformedHeader
	if c.presigned {
		code = CodeMalformedQuery
	}
	service := v.Service
	if service == "" {
		service = "s3"
	}
	day := c.time.Format(dayFormat)
	switch {
	case c.scope.day != day:
		return refuse(code, "Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", c.scope.day, day)
	case v.Region != "" && c.scope.region != v.Region:
		return &Error{code, "The authorization header is malformed; the region '" + c.scope.region + "' is wrong; expecting '" + v.Region + "'",
			[]Field{{"Region", v.Region}}}
	case c.scope.service != service:
		return refuse(code, "Error parsing the credential; incorrect service %q. This endpoint belongs to %q.", c.scope.service, service)
	}
	return nil
}

func (v *Verifier) checkTime(c *claim) error {
	now := time.Now()
	if v.Now != nil {
		now = v.Now()
	}
	server := Field{"ServerTime", now.UTC().Format(time.RFC3339)}
	switch {
	case !c.presigned && now.Sub(c.time).Abs() > maxSkew:
		return &Error{CodeSkewed, "The difference between the request time and the server's time is too large.",
			[]Field{{"RequestTime", c.time.Format(timeFormat)}, server, {"MaxAllowedSkewMilliseconds", "900000"}}}
	case c.presigned && c.time.Sub(now) > maxSkew:
		return &Error{CodeAccessDenied, "Request is not valid yet", []Field{{"X-Amz-Date", c.time.Format(timeFormat)}, server}}
	case c.presigned && now.After(c.time.Add(c.expires)):
		return &Error{CodeAccessDenied, "Request has expired", []Field{{"Expires", c.time.Add(c.expires).Format(time.RFC3339)}, server}}
	}
	return nil
}

// checkSigned refuses what could be added to a request without the secret.
func checkSigned(r *http.Request, c *claim) error {
	var unsigned []string
	if !slices.Contains(c.signed, "host") {
		unsigned = append(unsigned, "host")
	}
	for name := range r.Header {
		if name = strings.ToLower(name); strings.HasPrefix(name, "x-amz-") && !slices.Contains(c.signed, name) {
			unsigned = append(unsigned, name)
		}
	}
	if unsigned == nil {
		return nil
	}
	slices.Sort(unsigned)
	return &Error{CodeAccessDenied, "There were headers present in the request which were not signed",
		[]Field{{"HeadersNotSigned", strings.Join(unsigned, ", ")}}}
}
