package filters

import (
	"net"
	"net/http"
	"strings"
)

// Cookies, on requests and on answers.

func cookies() []Spec {
	return []Spec{
		NewSpec("requestCookie", "name, value", func(a *Args) Filter {
			cookie := &http.Cookie{Name: a.NonEmpty("name"), Value: a.Text("value")}
			a.checkCookie(cookie)
			return OnRequest(func(c FilterContext) { c.Request().AddCookie(cookie) })
		}),
		NewSpec("dropRequestCookie", "name", func(a *Args) Filter {
			name := a.NonEmpty("name")
			return OnRequest(func(c FilterContext) { dropRequestCookie(c.Request(), name) })
		}),
		NewSpec("dropResponseCookie", "name", func(a *Args) Filter {
			name := a.NonEmpty("name")
			return OnResponse(func(c FilterContext) { dropResponseCookie(c.Response(), name) })
		}),
		responseCookie("responseCookie", true),
		responseCookie("jsCookie", false),
	}
}

func (a *Args) checkCookie(c *http.Cookie) {
	if err := c.Valid(); err != nil && !a.Failed() {
		a.Fail("cookie %q with value %q: %w", c.Name, c.Value, err)
	}
}

// responseCookie sets a cookie for the domain above the host's: one of shop.example.org is
// for example.org, as in Skipper.
func responseCookie(name string, httpOnly bool) Spec {
	return NewSpec(name, `name, value, maxAge?, "change-only"?`, func(a *Args) Filter {
		cookie := http.Cookie{Name: a.NonEmpty("name"), Value: a.Text("value"), HttpOnly: httpOnly, Secure: true, Path: "/"}
		if a.More() {
			cookie.MaxAge = a.Int("maxAge", 0, 1<<31-1)
			if cookie.MaxAge == 0 {
				cookie.MaxAge = -1 // which net/http writes as Max-Age=0: gone at once
			}
		}
		onlyChanges := false
		if a.More() {
			mode := a.Text("mode")
			if onlyChanges = mode == "change-only"; !onlyChanges {
				a.wrong("mode", `"change-only"`, mode)
			}
		}
		a.checkCookie(&cookie)
		return OnResponse(func(c FilterContext) {
			if had, err := c.OriginalRequest().Cookie(cookie.Name); onlyChanges && err == nil && had.Value == cookie.Value {
				return
			}
			set := cookie
			set.Domain = domainAbove(c.OriginalRequest().Host)
			c.Response().Header.Add("Set-Cookie", set.String())
		})
	})
}

// domainAbove is the host without its first label, if two are left then; otherwise "", which means the host itself.
func domainAbove(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	_, above, _ := strings.Cut(host, ".")
	if !strings.Contains(above, ".") || net.ParseIP(host) != nil {
		return ""
	}
	return above
}

// dropRequestCookie leaves the others as they were sent, also those that net/http would not read.
func dropRequestCookie(r *http.Request, name string) {
	var kept []string
	for _, line := range r.Header["Cookie"] {
		var rest []string
		for part := range strings.SplitSeq(line, ";") {
			part = strings.Trim(part, " \t")
			if is, _, _ := strings.Cut(part, "="); part != "" && strings.Trim(is, " \t") != name {
				rest = append(rest, part)
			}
		}
		if len(rest) > 0 {
			kept = append(kept, strings.Join(rest, "; "))
		}
	}
	if r.Header.Del("Cookie"); kept != nil {
		r.Header["Cookie"] = kept
	}
}

func dropResponseCookie(r *http.Response, name string) {
	lines := r.Header["Set-Cookie"]
	r.Header.Del("Set-Cookie")
	for _, line := range lines {
		if is, _, _ := strings.Cut(line, "="); strings.TrimSpace(is) != name {
			r.Header.Add("Set-Cookie", line)
		}
	}
}
