package predicates

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/flagship-go/flagship/gateway/route"
)

// JWTPayloadAllKV("iss", "https://a.example", "tier", "gold") is true if the bearer token says all of that, JWTPayloadAnyKV if
// it says one of them; the ...Regexp ones take regular expressions for the values. Only claims that are text count.
//
// The signature is not looked at: this is for finding a route, never for letting somebody in. For that, put the
// filter jwt on the route.
type jwtPayload struct {
	claims []claim
	all    bool
}

type claim struct {
	name  string
	value string
	// pattern is asked in place of value if isPattern.
	pattern   pattern
	isPattern bool
}

// newJWTPayload makes one of the four.
func newJWTPayload(all, patterns bool) func(*arguments) route.Predicate {
	return func(a *arguments) route.Predicate {
		p := &jwtPayload{all: all}
		for a.left() > 0 || len(p.claims) == 0 && a.err == nil {
			c := claim{name: a.name("the name of a claim"), isPattern: patterns}
			if patterns {
				c.pattern = a.pattern("a regular expression for the claim's value", "")
			} else {
				c.value = a.text("the claim's value")
			}
			p.claims = append(p.claims, c)
		}
		return p
	}
}

func (p *jwtPayload) Match(r *http.Request) bool {
	payload := bearerPayload(r)
	if payload == nil {
		return false
	}
	for i := range p.claims {
		if p.claims[i].in(payload) != p.all {
			return !p.all
		}
	}
	return p.all
}

func (c *claim) in(payload map[string]any) bool {
	value, ok := payload[c.name].(string)
	if c.isPattern {
		return ok && c.pattern.match(value)
	}
	return ok && value == c.value
}

// bearerPayload is what a request's token says, not what is true. Nil without a token that can be read.
func bearerPayload(r *http.Request) map[string]any {
	lines := r.Header["Authorization"]
	if len(lines) != 1 {
		return nil
	}
	scheme, token, _ := strings.Cut(lines[0], " ")
	parts := strings.Split(strings.TrimSpace(token), ".")
	if !strings.EqualFold(scheme, "Bearer") || len(parts) != 3 {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	var payload map[string]any
	if json.Unmarshal(text, &payload) != nil {
		return nil
	}
	return payload
}
