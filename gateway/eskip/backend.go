package eskip

import (
	"strconv"
	"strings"
)

// backend = "url" | <shunt> | <loopback> | <dynamic> | <[name ,] "url" {, "url"}>
func (p *parser) backend(b *Backend) bool {
	b.Pos = p.tok.pos
	p.addresses = p.addresses[:0]
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
	b.Addresses = p.stringSlab.keep(p.addresses)
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
	p.addresses = append(p.addresses, p.tok.text)
	p.advance()
	return true
}

// checkAddress says what is wrong with a URL as a backend: scheme://host[:port][/] is right. It is
// stricter than url.Parse, and does not allocate.
func checkAddress(s string) (wrong string) {
	host, ok := cutScheme(s)
	if !ok {
		return "does not begin with http:// or https://"
	}
	host = strings.TrimSuffix(host, "/")
	if i := strings.IndexAny(host, "/?#"); i >= 0 {
		return "has a path, a query or a fragment: what is sent is the request's, which filters such as modPath change"
	}
	if strings.IndexByte(host, '@') >= 0 {
		return "has a user: set the header Authorization by a filter"
	}
	name, port := host, ""
	if end := strings.IndexByte(host, ']'); strings.HasPrefix(host, "[") && end > 0 {
		name, port = host[1:end], host[end+1:]
		if strings.Trim(name, "0123456789abcdefABCDEF:.") != "" || strings.Count(name, ":") < 2 {
			return "has no IPv6 address in its brackets"
		}
	} else if i := strings.IndexByte(host, ':'); i >= 0 {
		name, port = host[:i], host[i:]
	}
	if name == "" {
		return "has no host"
	}
	for i := range len(name) {
		if c := name[i]; c < 0x80 && class[c]&(letter|digit) == 0 && strings.IndexByte("-._~:", c) < 0 {
			return "has a host with " + strconv.QuoteRune(rune(c)) + " in it"
		}
	}
	if port == "" {
		return ""
	}
	if n, err := strconv.ParseUint(strings.TrimPrefix(port, ":"), 10, 16); port[0] != ':' || err != nil || n == 0 {
		return "has no port between 1 and 65535 after its host"
	}
	return ""
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
