package filters

import (
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strings"
)

// Header fields, on requests and on answers. What is set by a template that has a value
// missing is not set.

func requestHeaders() []Spec {
	return append(headerFamily("Request", onRequest, requestFields),
		NewSpec("setContextRequestHeader", "name, key", func(a *Args) Filter {
			name, key := a.fieldName("name"), a.NonEmpty("key")
			return OnRequest(func(c FilterContext) { setFromContext(c, name, key, false) })
		}),
		NewSpec("appendContextRequestHeader", "name, key", func(a *Args) Filter {
			name, key := a.fieldName("name"), a.NonEmpty("key")
			return OnRequest(func(c FilterContext) { setFromContext(c, name, key, true) })
		}))
}

func responseHeaders() []Spec {
	return headerFamily("Response", onResponse, responseFields)
}

func onRequest(f func(FilterContext)) Filter  { return OnRequest(f) }
func onResponse(f func(FilterContext)) Filter { return OnResponse(f) }

// A side is where the fields are that a filter changes.
type side func(FilterContext) fields

// fields are those of a request or of an answer. A request's Host is one of them.
type fields struct {
	http.Header
	request *http.Request // nil for an answer's
}

func requestFields(c FilterContext) fields  { return fields{c.Request().Header, c.Request()} }
func responseFields(c FilterContext) fields { return fields{Header: c.Response().Header} }

// set takes names in canonical form only, as all of these do.
func (f fields) set(name, value string) {
	if name == "Host" && f.request != nil {
		f.request.Host = value
		return
	}
	f.Header[name] = []string{value}
}

func (f fields) append(name, value string) {
	if name == "Host" && f.request != nil {
		f.request.Host = value
		return
	}
	f.Header[name] = append(f.Header[name], value)
}

// values of Host are what will be sent, or what the client sent as long as that is open.
func (f fields) values(c FilterContext, name string) []string {
	if name == "Host" && f.request != nil {
		if f.request.Host != "" {
			return []string{f.request.Host}
		}
		return []string{c.OriginalRequest().Host}
	}
	return f.Header[name]
}

// headerFamily is what there is for both directions.
func headerFamily(suffix string, filter func(func(FilterContext)) Filter, of side) []Spec {
	name := func(verb string) string { return verb + suffix + "Header" }
	return []Spec{
		NewSpec(name("set"), "name, value", func(a *Args) Filter {
			name, value := a.fieldName("name"), a.fieldValue("value")
			return filter(func(c FilterContext) {
				if v, ok := value.Eval(c); ok && validValue(v) {
					of(c).set(name, v)
				}
			})
		}),
		NewSpec(name("append"), "name, value", func(a *Args) Filter {
			name, value := a.fieldName("name"), a.fieldValue("value")
			return filter(func(c FilterContext) {
				if v, ok := value.Eval(c); ok && validValue(v) {
					of(c).append(name, v)
				}
			})
		}),
		NewSpec(name("drop"), "name", func(a *Args) Filter {
			name := a.fieldName("name")
			return filter(func(c FilterContext) { delete(of(c).Header, name) })
		}),
		NewSpec(name("drop")+"ValueRegexp", "name, expression", func(a *Args) Filter {
			name, re := a.fieldName("name"), a.Regexp("expression")
			return filter(func(c FilterContext) { dropMatching(of(c).Header, name, re) })
		}),
		NewSpec(name("copy"), "from, to", func(a *Args) Filter {
			from, to := a.anyName("from"), a.fieldName("to")
			return filter(func(c FilterContext) {
				f := of(c)
				if v := f.values(c, from); len(v) > 0 {
					f.set(to, strings.Join(v, ", "))
				}
			})
		}),
		NewSpec(name("mod"), "name, expression, replacement", func(a *Args) Filter {
			name, re, to := a.fieldName("name"), a.Regexp("expression"), a.Text("replacement")
			return filter(func(c FilterContext) { modify(c, of(c), name, re, to) })
		}),
	}
}

func dropMatching(h http.Header, name string, re *regexp.Regexp) {
	old := h[name]
	if !slices.ContainsFunc(old, re.MatchString) {
		return
	}
	var kept []string
	for _, v := range old {
		if !re.MatchString(v) {
			kept = append(kept, v)
		}
	}
	if len(kept) == 0 {
		delete(h, name)
		return
	}
	h[name] = kept
}

func modify(c FilterContext, f fields, name string, re *regexp.Regexp, to string) {
	old := f.values(c, name)
	if !slices.ContainsFunc(old, re.MatchString) {
		return
	}
	// A new slice: somebody else may have the old one, as headers are copied by reference.
	changed := make([]string, len(old))
	for i, v := range old {
		changed[i] = v
		if n := re.ReplaceAllString(v, to); validValue(n) {
			changed[i] = n
		}
	}
	if name == "Host" && f.request != nil {
		f.request.Host = changed[0]
		return
	}
	f.Header[name] = changed
}

// setFromContext sets a field to what another filter has left. If there is nothing the field is dropped: it is
// what somebody has proved to be, and the client itself must not be the one who says it (F6). Skipper leaves it.
func setFromContext(c FilterContext, name, key string, add bool) {
	value := ""
	if key == AuthUser {
		value = c.Identity()
	}
	if v, is := c.StateBag()[key].(string); is && value == "" {
		value = v
	}
	f := requestFields(c)
	switch {
	case value == "" || !validValue(value):
		delete(f.Header, name)
	case add:
		f.append(name, value)
	default:
		f.set(name, value)
	}
}

// ofConnection are fields that say where a message ends and what the connection does. They are the
// gateway's: a filter that changes them makes the two sides of it see different messages (P2).
var ofConnection = []string{"Connection", "Content-Length", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"}

// fieldName is the next argument, a name that a filter may change, in canonical form.
func (a *Args) fieldName(name string) string {
	n := a.anyName(name)
	if slices.Contains(ofConnection, n) {
		a.wrong(name, "a header field of the message; the gateway sets those of the connection itself", n)
	}
	return n
}

// anyName is the next argument, the name of a header field in canonical form.
func (a *Args) anyName(name string) string {
	n := a.Text(name)
	if !validName(n) {
		a.wrong(name, "the name of a header field", n)
	}
	return textproto.CanonicalMIMEHeaderKey(n)
}

// fieldValue is the next argument, a template for what a header field may have.
func (a *Args) fieldValue(name string) *Template {
	t := a.Template(name)
	if t != nil && !validValue(t.text) {
		a.wrong(name, "the value of a header field, without line breaks and other control characters", t.text)
	}
	return t
}

// validName is RFC 9110 section 5.6.2: a token.
func validName(s string) bool {
	for i := range len(s) {
		b := s[i]
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0) {
			return false
		}
	}
	return s != ""
}

// validValue is RFC 9110 section 5.5. A parameter of a path may hold a line break, from %0A: it
// would begin another field, or another message.
func validValue(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}
