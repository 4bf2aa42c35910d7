package filters

import (
	"net/http"
	"net/url"
	"strings"
)

// Redirects.

func redirects() []Spec {
	return []Spec{
		redirect("redirectTo", func(s string) string { return s }),
		redirect("redirectToLower", strings.ToLower),
	}
}

// redirect answers with a Location. What a location does not say is taken from the request; the
// scheme that nobody names is https.
func redirect(name string, change func(string) string) Spec {
	return NewSpec(name, "code, location?", func(a *Args) Filter {
		code, to := a.Int("code", 300, 399), &url.URL{}
		if a.More() {
			text := a.Text("location")
			u, err := url.Parse(text)
			if err != nil || u.Opaque != "" || u.Path != "" && !strings.HasPrefix(u.Path, "/") {
				a.wrong("location", `a URL or a part of one, like "https:", "//host" or "/path?query"`, text)
			} else {
				to = u
			}
		}
		return OnRequest(func(c FilterContext) {
			h := make(http.Header, 2)
			h.Set("Location", change(location(c, *to).String()))
			Answer(c, code, h, "")
		})
	})
}

func location(c FilterContext, to url.URL) *url.URL {
	now := c.Request().URL
	if to.Path == "" {
		to.Path, to.RawPath = now.Path, now.RawPath
	}
	if to.RawQuery == "" {
		to.RawQuery = now.RawQuery
	}
	if to.Host == "" {
		to.Host = c.OriginalRequest().Host
	}
	if to.Scheme == "" && to.Host != "" {
		to.Scheme = "https"
	}
	return &to
}
