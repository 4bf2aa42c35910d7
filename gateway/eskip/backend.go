package eskip

import (
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// backend = "url" | <shunt> | <loopback> | <dynamic> | <[name ,] "url" {, "url"}>
func (p *parser) backend(b *Backend) bool {
	b.Pos = p.tok.pos
	switch p.tok.kind {
	case kindString:
		if !p.address() {
			return false
		}
	case kindLess:
		p.advance()
		name := p.tok
		if p.take(kindName) {
			if p.take(kindGreater) {
				return p.special(name, b)
			}
			if b.Algorithm = name.text; !p.take(kindComma) {
				return p.expected("> or a comma and addresses after <" + clip(name.text))
			}
		}
		b.Kind = Balanced
		for {
			if !p.address() {
				return false
			}
			if p.take(kindGreater) {
				break
			}
			if !p.take(kindComma) {
				return p.expected(", or >")
			}
		}
	default:
		return p.expected("a filter, or a backend such as \"http://localhost:8080\" or <shunt>")
	}
	b.Addresses = p.addresses.cut()
	return true
}

// special is a backend that is a word.
func (p *parser) special(name token, b *Backend) bool {
	switch name.text {
	case "shunt":
		b.Kind = Shunt
	case "loopback":
		b.Kind = Loopback
	case "dynamic":
		b.Kind = Dynamic
	default:
		return p.fail(name.pos, "<%s> is not a backend: known are <shunt>, <loopback>, <dynamic> and <algorithm, \"http://...\", ...>", clip(name.text))
	}
	return true
}

// address reads one address.
func (p *parser) address() bool {
	if p.tok.kind != kindString {
		return p.expected("an address in quotes, such as \"http://localhost:8080\"")
	}
	if wrong := checkAddress(p.tok.text); wrong != "" {
		return p.fail(p.tok.pos, "the backend's address %s %s", clip(strconv.Quote(p.tok.text)), wrong)
	}
	p.addresses.push(p.tok.text)
	p.advance()
	return true
}

// checkAddress says what is wrong with a URL as a backend: scheme://host[:port][/] is right. It is
// stricter than url.Parse, and does not allocate.
func checkAddress(s string) (wrong string) {
	rest, ok := cutScheme(s)
	if !ok {
		return "does not begin with http:// or https://"
	}
	host, rest := cutHost(rest)
	port, hasPort := "", strings.HasPrefix(rest, ":")
	if hasPort {
		rest = rest[1:]
		n := 0
		for n < len(rest) && class[rest[n]]&digit != 0 {
			n++
		}
		port, rest = rest[:n], rest[n:]
	}
	if rest != "" && rest != "/" {
		return stray(rest, hasPort)
	}
	if host == "" {
		return "has no host"
	}
	if host[0] == '[' {
		if ip, err := netip.ParseAddr(host[1 : len(host)-1]); err != nil || !ip.Is6() || ip.Zone() != "" {
			return "has no IPv6 address in its brackets"
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); hasPort && (err != nil || n == 0) {
		return "has no port between 1 and 65535 after its host"
	}
	return ""
}

// cutHost cuts off a name, an IPv4 address, or what is in brackets.
func cutHost(s string) (host, rest string) {
	n := 0
	if strings.HasPrefix(s, "[") {
		n = strings.IndexByte(s, ']') + 1 // 0 if there is none
		return s[:n], s[n:]
	}
	for n < len(s) && class[s[n]]&inHost != 0 {
		n++
	}
	return s[:n], s[n:]
}

// stray says what is wrong with an address that has a rest behind its host.
func stray(rest string, hasPort bool) string {
	switch c, _ := utf8.DecodeRuneInString(rest); {
	case strings.Contains(rest, "@"):
		return "has a user: set the header Authorization by a filter"
	case strings.ContainsRune("/?#", c):
		return "has a path, a query or a fragment: what is sent is the request's, which filters such as modPath change"
	case hasPort:
		return "has no port between 1 and 65535 after its host"
	default:
		return "has a host with " + strconv.QuoteRune(c) + " in it"
	}
}

// cutScheme cuts off http:// or https://, in whatever case.
func cutScheme(s string) (rest string, ok bool) {
	for _, scheme := range [...]string{"http://", "https://"} {
		if len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme) {
			return s[len(scheme):], true
		}
	}
	return s, false
}
