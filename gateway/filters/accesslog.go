package filters

import (
	"strconv"
	"strings"
)

// Which requests are in the access log.

func accessLogs() []Spec {
	return []Spec{accessLog("enableAccessLog", true), accessLog("disableAccessLog", false)}
}

// accessLog says it for all requests of a route, or for those whose status begins with certain digits: 4, 50 or 301.
func accessLog(name string, enabled bool) Spec {
	return NewSpec(name, "prefixes of statuses?", func(a *Args) Filter {
		var prefixes []string
		for a.More() {
			prefixes = append(prefixes, strconv.Itoa(a.Int("prefix", 1, 599)))
		}
		if len(prefixes) == 0 {
			return OnRequest(func(c FilterContext) { c.StateBag()[AccessLog] = enabled })
		}
		return OnResponse(func(c FilterContext) {
			status := strconv.Itoa(c.Response().StatusCode)
			for _, p := range prefixes {
				if strings.HasPrefix(status, p) {
					c.StateBag()[AccessLog] = enabled
				}
			}
		})
	})
}
