package filters

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cross-origin requests, as the Fetch standard has them.

func crossOrigin() []Spec {
	return []Spec{
		NewSpec("corsOrigin", "origins?", func(a *Args) Filter {
			f := &cors{}
			for a.More() {
				f.origins = append(f.origins, a.NonEmpty("origin"))
			}
			f.any = len(f.origins) == 0
			return OnResponse(func(c FilterContext) { f.allow(c, c.Response().Header) })
		}),
		NewSpec("cors", `origins, "methods=", "headers=", "expose=", "credentials=", "maxAge="`, newCORS),
	}
}

// cors lets scripts of some origins use the answers, and answers preflight requests itself: a route needs no other
// one for OPTIONS. corsOrigin is the part of it that Skipper has.
type cors struct {
	origins                  []string
	any, credentials         bool
	methods, headers, expose string
	maxAge                   string
}

func newCORS(a *Args) Filter {
	f := &cors{methods: "GET,HEAD,POST", maxAge: "600"}
	for a.More() {
		if s, is := a.list[a.next].(string); is && strings.Contains(s, "=") {
			break
		}
		origin := a.NonEmpty("origin")
		f.any = f.any || origin == "*"
		f.origins = append(f.origins, origin)
	}
	if len(f.origins) == 0 && !a.Failed() {
		a.Fail(`argument 1 (origin) is missing: name origins like "https://shop.example.org", or "*" for all`)
	}
	for key, value := range a.Options("methods", "headers", "expose", "credentials", "maxAge") {
		if !validValue(value) {
			a.Fail("option %s has a control character in %q", key, value)
		}
		switch key {
		case "methods":
			f.methods = value
		case "headers":
			f.headers = value
		case "expose":
			f.expose = value
		case "credentials":
			f.credentials = value == "true"
		case "maxAge":
			d, ok := asDuration(value)
			if !ok || d < 0 {
				a.Fail(`option maxAge is a duration like "10m", not %q`, value)
			}
			f.maxAge = strconv.Itoa(int(d / time.Second))
		}
	}
	if f.any && f.credentials {
		a.Fail(`cors with "*" and credentials would let each site act as the user: name the origins`)
	}
	return f
}

func (f *cors) Request(c FilterContext) {
	r := c.OriginalRequest()
	if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
		return
	}
	h := http.Header{}
	if f.allow(c, h) {
		h.Set("Access-Control-Allow-Methods", f.methods)
		h.Set("Access-Control-Max-Age", f.maxAge)
		if f.headers != "" {
			h.Set("Access-Control-Allow-Headers", f.headers)
		}
	}
	Answer(c, http.StatusNoContent, h, "")
}

func (f *cors) Response(c FilterContext) {
	h := c.Response().Header
	if f.allow(c, h) && f.expose != "" {
		h.Set("Access-Control-Expose-Headers", f.expose)
	}
}

// allow says in an answer whether its origin is allowed; what a backend said is replaced.
func (f *cors) allow(c FilterContext, h http.Header) bool {
	if f.any {
		h.Set("Access-Control-Allow-Origin", "*")
		return true
	}
	addVary(h, "Origin")
	origin := c.OriginalRequest().Header.Get("Origin")
	if origin == "" || !slices.Contains(f.origins, origin) {
		h.Del("Access-Control-Allow-Origin")
		h.Del("Access-Control-Allow-Credentials")
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if f.credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	return true
}
