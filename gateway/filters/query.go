package filters

import (
	"fmt"
	"net/url"
	"strings"
)

// The query that is sent upstream. Only the parameter that is meant changes; all others stay as the client wrote them, in
// their order.

func queries() []Spec {
	return []Spec{
		NewSpec("setQuery", "key, value", func(a *Args) Filter {
			key, value := a.Template("key"), a.Template("value")
			return OnRequest(func(c FilterContext) {
				k, _ := key.Eval(c)
				v, _ := value.Eval(c)
				setQuery(c.Request().URL, k, v)
			})
		}),
		NewSpec("dropQuery", "key", func(a *Args) Filter {
			key := a.Template("key")
			return OnRequest(func(c FilterContext) {
				k, _ := key.Eval(c)
				u := c.Request().URL
				u.RawQuery = withoutQuery(u.RawQuery, k)
			})
		}),
		NewSpec("stripQuery", `"true"?`, func(a *Args) Filter {
			keep := a.More() && a.Bool("keep as headers")
			return OnRequest(func(c FilterContext) { stripQuery(c, keep) })
		}),
		NewSpec("queryToHeader", "key, name, format?", func(a *Args) Filter {
			key, name, format := a.Text("key"), a.fieldName("name"), "%s"
			if a.More() {
				format = a.Text("format")
				if strings.Count(format, "%") != 1 || !strings.Contains(format, "%s") {
					a.wrong("format", `text with one %s for the value`, format)
				}
			}
			return OnRequest(func(c FilterContext) {
				h, values := c.Request().Header, c.Request().URL.Query()[key]
				if v, is := first(values); is && validValue(v) && h.Get(name) == "" {
					h.Set(name, fmt.Sprintf(format, v))
				}
			})
		}),
		NewSpec("headerToQuery", "name, key", func(a *Args) Filter {
			name, key := a.anyName("name"), a.Text("key")
			return OnRequest(func(c FilterContext) {
				if v, is := first(c.Request().Header[name]); is {
					setQuery(c.Request().URL, key, v)
				}
			})
		}),
	}
}

func setQuery(u *url.URL, key, value string) {
	raw := withoutQuery(u.RawQuery, key)
	if raw != "" {
		raw += "&"
	}
	u.RawQuery = raw + url.QueryEscape(key) + "=" + url.QueryEscape(value)
}

// withoutQuery is a query without the parameters of one name.
func withoutQuery(raw, key string) string {
	var kept []string
	for pair := range strings.SplitSeq(raw, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if decoded, err := url.QueryUnescape(name); pair == "" || err == nil && decoded == key {
			continue
		}
		kept = append(kept, pair)
	}
	return strings.Join(kept, "&")
}

func stripQuery(c FilterContext, keep bool) {
	u := c.Request().URL
	if keep {
		for name, values := range u.Query() {
			if name = "X-Query-Param-" + name; !validName(name) {
				continue
			}
			for _, v := range values {
				if validValue(v) {
					c.Request().Header.Add(name, v)
				}
			}
		}
	}
	u.RawQuery = ""
}
