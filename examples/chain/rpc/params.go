package rpc

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/flagship-go/flagship/bft/types"
)

// params are what a call is given, read by type. The first one that is wrong is kept in err (Q2), and the call's own
// answer is dropped; so handlers look at it before they do something.
//
//	          by URI                     by JSON
//	number    5  or "5"                  5  or "5"
//	string    "text"                     "text"
//	bytes     0x68656c6c6f or "hello"    base64, or hex where CometBFT has hex
//	bool      true                       true
type params struct {
	uri  url.Values
	json map[string]json.RawMessage
	err  error
}

// uriParams reads the parameters of a URI. Unknown ones are refused: a misspelt one must not be a default.
func uriParams(q url.Values) func(*method) (*params, error) {
	return func(m *method) (*params, error) {
		for name := range q {
			if !slices.Contains(m.params, name) {
				return nil, invalidParams("there is no parameter %.100q; there are %s", name, strings.Join(m.params, ", "))
			}
		}
		return &params{uri: q}, nil
	}
}

// jsonParams reads an object, or an array in the order of the method's parameters.
func jsonParams(m *method, raw json.RawMessage) (*params, error) {
	p := &params{json: map[string]json.RawMessage{}}
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return p, nil
	}
	if raw[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil || len(list) > len(m.params) {
			return nil, invalidParams("an array has the parameters %s, in this order", strings.Join(m.params, ", "))
		}
		for i, v := range list {
			p.json[m.params[i]] = v
		}
		return p, nil
	}
	if err := json.Unmarshal(raw, &p.json); err != nil {
		return nil, invalidParams("params are an object or an array: %v", err)
	}
	for name := range p.json {
		if !slices.Contains(m.params, name) {
			return nil, invalidParams("there is no parameter %.100q; there are %s", name, strings.Join(m.params, ", "))
		}
	}
	return p, nil
}

func (p *params) fail(format string, args ...any) {
	if p.err == nil {
		p.err = invalidParams(format, args...)
	}
}

// text is a parameter as it stands, without its quotes; quoted tells whether it had some. By JSON, null is not given.
func (p *params) text(name string) (text string, quoted, given bool) {
	if p.uri != nil {
		text = p.uri.Get(name)
		if n := len(text); n >= 2 && text[0] == '"' && text[n-1] == '"' {
			return text[1 : n-1], true, true
		}
		return text, false, text != ""
	}
	raw, ok := p.json[name]
	if !ok || string(raw) == "null" {
		return "", false, false
	}
	if json.Unmarshal(raw, &text) == nil {
		return text, true, true
	}
	return string(raw), false, true
}

// number is an integer, or def if none is given.
func (p *params) number(name string, def int64) int64 {
	text, _, given := p.text(name)
	if !given || text == "" {
		return def
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p.fail("%s is %.100q, and no 64-bit integer", name, text)
		return def
	}
	return n
}

func (p *params) flag(name string) bool {
	text, _, given := p.text(name)
	switch {
	case !given || text == "false":
	case text == "true":
		return true
	default:
		p.fail("%s is %.100q, and neither true nor false", name, text)
	}
	return false
}

func (p *params) string(name string) string {
	text, quoted, given := p.text(name)
	if given && !quoted {
		p.fail("%s is %.100q, and a string is in quotes: %s=\"...\"", name, text, name)
	}
	return text
}

// bytes are those of a transaction or a key. asHex says what CometBFT has in JSON.
func (p *params) bytes(name string, asHex bool) []byte {
	text, quoted, given := p.text(name)
	if !given {
		return nil
	}
	var b []byte
	var err error
	switch digits, isHex := strings.CutPrefix(text, "0x"); {
	case p.uri != nil && quoted:
		return []byte(text)
	case isHex && (p.uri != nil || asHex): // else 0x are two digits of base64 as any others
		b, err = hex.DecodeString(digits)
	case p.uri == nil && quoted && asHex:
		b, err = hex.DecodeString(text)
	case p.uri == nil && quoted:
		b, err = base64.StdEncoding.DecodeString(text)
	default:
		p.fail("%s is %.100q, and bytes are 0x and hexadecimal digits, or a string in quotes", name, text)
		return nil
	}
	if err != nil {
		p.fail("%s: %v", name, err)
	}
	return b
}

// hash is one of 32 bytes.
func (p *params) hash(name string) (h types.Hash) {
	b := p.bytes(name, false)
	if copy(h[:], b) != len(h) || len(b) != len(h) {
		p.fail("%s has %d bytes, and a hash has %d", name, len(b), len(h))
	}
	return h
}

// page cuts a page out of total: CometBFT's page, from 1 on, of per_page, 30 by default and 100 at most (Q3).
func (p *params) page(total int) (from, to int) {
	per := int(min(max(p.number("per_page", 30), 1), 100))
	page, last := p.number("page", 1), int64(max(total+per-1, per)/per)
	if page < 1 || page > last {
		p.fail("page is %d, and there are 1 to %d", page, last)
		return 0, 0
	}
	from = int(page-1) * per
	return from, min(from+per, total)
}
