package filters

import (
	"fmt"
	"strings"

	"github.com/flagship-go/flagship/gateway/split"
)

// keyOf says by what users are told apart when they are shared out (T1).
type keyOf struct {
	kind keyKind
	name string // of the header or cookie
}

type keyKind uint8

const (
	byConsumer keyKind = iota // the identity
	byIP
	byHeader
	byCookie
	byNone // at random, each request anew
)

// parseKey reads "consumer", "ip", "none", "header:NAME" or "cookie:NAME".
func parseKey(text string) (keyOf, error) {
	kind, name, _ := strings.Cut(text, ":")
	switch {
	case text == "consumer":
		return keyOf{kind: byConsumer}, nil
	case text == "ip":
		return keyOf{kind: byIP}, nil
	case text == "none":
		return keyOf{kind: byNone}, nil
	case kind == "header" && validName(name):
		return keyOf{byHeader, name}, nil
	case kind == "cookie" && validName(name):
		return keyOf{byCookie, name}, nil
	}
	return keyOf{}, fmt.Errorf("hash is consumer, ip, none, header:NAME or cookie:NAME, not %q", text)
}

// hash is a number for the request's user in a split. A user who has not the key has the address: as Kong does
// when there is no consumer, and also where there is no header or cookie.
func (k keyOf) hash(c FilterContext, env Env, name string) uint64 {
	switch k.kind {
	case byNone:
		return uint64(env.Rand()*(1<<53)) << 11
	case byConsumer:
		if id := c.Identity(); id != "" {
			return split.Hash(name, id)
		}
	case byHeader:
		if v := c.OriginalRequest().Header.Get(k.name); v != "" {
			return split.Hash(name, v)
		}
	case byCookie:
		if v, err := c.OriginalRequest().Cookie(k.name); err == nil && v.Value != "" {
			return split.Hash(name, v.Value)
		}
	}
	// Of 16 bytes: an address that is written in two ways is one.
	address := c.Client().As16()
	return split.Hash(name, string(address[:]))
}
