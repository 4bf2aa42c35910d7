package filters

import (
	"net/url"
	"strings"
)

// Where a request goes, as far as filters say: the backend of a route that ends in <dynamic>, and the Host that is sent.

func destinations() []Spec {
	return []Spec{
		NewSpec("preserveHost", `"true" or "false"`, func(a *Args) Filter {
			keep := a.Bool("keep")
			return OnRequest(func(c FilterContext) {
				c.Request().Host = ""
				if keep {
					c.Request().Host = c.OriginalRequest().Host
				}
			})
		}),
		dynamic("setDynamicBackendUrl", DynamicURL, validBackend, `a URL like "http://10.0.0.1:8080"`),
		dynamic("setDynamicBackendHost", DynamicHost, validHost, `a host like "10.0.0.1:8080"`),
		dynamic("setDynamicBackendScheme", DynamicScheme, validScheme, `"http" or "https"`),
		dynamicFromHeader("setDynamicBackendUrlFromHeader", DynamicURL, validBackend),
		dynamicFromHeader("setDynamicBackendHostFromHeader", DynamicHost, validHost),
		dynamicFromHeader("setDynamicBackendSchemeFromHeader", DynamicScheme, validScheme),
	}
}

func dynamic(name, key string, valid func(string) bool, expected string) Spec {
	return NewSpec(name, "value", func(a *Args) Filter {
		v := a.Text("value")
		if !valid(v) {
			a.wrong("value", expected, v)
		}
		return OnRequest(func(c FilterContext) { c.StateBag()[key] = v })
	})
}

// dynamicFromHeader lets whoever sets the header choose where the gateway goes: it is for headers that only
// trusted clients can set.
func dynamicFromHeader(name, key string, valid func(string) bool) Spec {
	return NewSpec(name, "header", func(a *Args) Filter {
		header := a.anyName("header")
		return OnRequest(func(c FilterContext) {
			if v := c.OriginalRequest().Header.Get(header); valid(v) {
				c.StateBag()[key] = v
			}
		})
	})
}

func validBackend(text string) bool {
	u, err := url.Parse(text)
	return err == nil && validScheme(u.Scheme) && validHost(u.Host) && u.User == nil
}

func validScheme(text string) bool { return text == "http" || text == "https" }

func validHost(text string) bool {
	u, err := url.Parse("http://" + text)
	return err == nil && u.Host == text && u.Hostname() != "" && !strings.ContainsAny(text, "/?#@ ")
}
