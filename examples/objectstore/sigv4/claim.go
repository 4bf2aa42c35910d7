package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxExpiry is how long a presigned URL may hold.
const maxExpiry = 7 * 24 * time.Hour

// claim is what a request says about its signature.
type claim struct {
	accessKey string
	scope     scope
	time      time.Time
	signed    []string // names of headers, lower case, sorted
	signature string
	payload   string     // what was signed for the body
	query     url.Values // what was signed of the query
	presigned bool
	expires   time.Duration // of a presigned URL
}

// claimOf reads the claim from the Authorization header or the query.
func claimOf(r *http.Request) (*claim, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refuse(CodeInvalidURI, "Couldn't parse the specified URI: %v", err)
	}
	header := r.Header.Get("Authorization")
	presigned := query.Has("X-Amz-Algorithm") || query.Has("X-Amz-Signature")
	switch {
	case header != "" && presigned:
		return nil, refuse("InvalidArgument", "Only one auth mechanism allowed: the Authorization header or the query parameters")
	case presigned:
		return claimOfQuery(r, query)
	case strings.HasPrefix(header, algorithm):
		return claimOfHeader(r, header, query)
	case header != "" || query.Has("Signature"):
		return nil, refuse(CodeInvalidRequest, "The authorization mechanism you have provided is not supported. Please use %s.", algorithm)
	}
	return nil, refuse(CodeAccessDenied, "Access Denied: the request is not signed")
}

// claimOfHeader reads
//
//	AWS4-HMAC-SHA256 Credential=KEY/DAY/REGION/SERVICE/aws4_request, SignedHeaders=host;x-amz-date, Signature=HEX
func claimOfHeader(r *http.Request, header string, query url.Values) (*claim, error) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(header, algorithm), ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok || fields[name] != "" {
			return nil, refuse(CodeMalformedHeader, "The authorization header is malformed: %q is not of the form Name=Value, once", part)
		}
		fields[name] = value
	}
	c := &claim{signature: fields["Signature"], query: query, payload: r.Header.Get("X-Amz-Content-Sha256")}
	if c.payload == "" {
		// Needed by S3, not by the signature: the body is then empty.
		c.payload = emptySHA256
	}
	if err := c.read(CodeMalformedHeader, fields["Credential"], fields["SignedHeaders"]); err != nil {
		return nil, err
	}
	date, err := requestTime(r)
	c.time = date
	return c, err
}

func requestTime(r *http.Request) (time.Time, error) {
	text, format := r.Header.Get("X-Amz-Date"), timeFormat
	if text == "" {
		text, format = r.Header.Get("Date"), http.TimeFormat
	}
	if t, err := time.Parse(format, text); err == nil {
		return t, nil
	}
	return time.Time{}, refuse(CodeAccessDenied, "AWS authentication requires a valid Date or x-amz-date header")
}

func claimOfQuery(r *http.Request, query url.Values) (*claim, error) {
	bad := func(format string, args ...any) error { return refuse(CodeMalformedQuery, format, args...) }
	if query.Get("X-Amz-Algorithm") != algorithm {
		return nil, bad("X-Amz-Algorithm only supports %q", algorithm)
	}
	c := &claim{signature: query.Get("X-Amz-Signature"), query: query, presigned: true, payload: UnsignedPayload}
	// A header of that name is a signed one, or verify.go refuses it.
	if p := r.Header.Get("X-Amz-Content-Sha256"); p != "" {
		c.payload = p
	} else if p := query.Get("X-Amz-Content-Sha256"); p != "" {
		c.payload = p
	}
	query.Del("X-Amz-Signature")
	if err := c.read(CodeMalformedQuery, query.Get("X-Amz-Credential"), query.Get("X-Amz-SignedHeaders")); err != nil {
		return nil, err
	}
	var err error
	if c.time, err = time.Parse(timeFormat, query.Get("X-Amz-Date")); err != nil {
		return nil, bad("X-Amz-Date must be in the ISO8601 Long Format %q", "yyyyMMdd'T'HHmmss'Z'")
	}
	seconds, err := strconv.ParseInt(query.Get("X-Amz-Expires"), 10, 64)
	switch {
	case err != nil:
		return nil, bad("X-Amz-Expires should be a number")
	case seconds < 0:
		return nil, bad("X-Amz-Expires must be non-negative")
	case seconds > int64(maxExpiry/time.Second):
		return nil, bad("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than %d seconds", maxExpiry/time.Second)
	}
	c.expires = time.Duration(seconds) * time.Second
	return c, nil
}

// read takes the parts that headers and queries write alike.
func (c *claim) read(code, credential, signed string) error {
	// An access key may have slashes in it.
	parts := strings.Split(credential, "/")
	n := len(parts)
	switch {
	case n < 5 || parts[n-1] != terminator:
		return refuse(code, `Error parsing the credential %q; it must be of the form "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/%s"`, credential, terminator)
	case signed == "":
		return refuse(code, "SignedHeaders is missing")
	case c.signature == "":
		return refuse(code, "Signature is missing")
	}
	c.accessKey = strings.Join(parts[:n-4], "/")
	c.scope = scope{parts[n-4], parts[n-3], parts[n-2]}
	c.signed = strings.Split(signed, ";")
	if !slices.IsSorted(c.signed) || slices.ContainsFunc(c.signed, func(s string) bool { return s != strings.ToLower(s) }) {
		return refuse(code, "SignedHeaders must be lower case and sorted, and is %q", signed)
	}
	return nil
}
