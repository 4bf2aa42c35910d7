package rpc

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A query is conditions that must all hold:
//
//	tm.event = 'Tx' AND tx.height > 5 AND app.key = 'name'
//
// A key is an event's type, a dot and an attribute's key. It has as many values as the event came; one that fits is enough.
type query []condition

type condition struct{ key, op, value string }

var conditionForm = regexp.MustCompile(`^\s*([^\s=<>'"]+)\s*(<=|>=|=|<|>)\s*(?:'([^']*)'|(-?[0-9]+))\s*`)

const maxQuery = 512

// parseQuery reads one. Its words are CometBFT's; CONTAINS, EXISTS, dates and OR are not known.
func parseQuery(text string) (query, error) {
	if len(text) > maxQuery {
		return nil, fmt.Errorf("it has %d bytes, and at most %d", len(text), maxQuery)
	}
	var q query
	for rest := text; ; {
		m := conditionForm.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("at %q: a condition is key = 'text', or key =, <, <=, > or >= and a number", rest)
		}
		c := condition{m[1], m[2], m[3] + m[4]}
		if m[4] == "" && c.op != "=" {
			return nil, fmt.Errorf("%s %s '%s': only numbers have an order", c.key, c.op, c.value)
		}
		q = append(q, c)
		if rest = rest[len(m[0]):]; rest == "" {
			return q, nil
		}
		after, ok := strings.CutPrefix(rest, "AND ")
		if !ok {
			return nil, fmt.Errorf("at %q: conditions are joined by AND", rest)
		}
		rest = after
	}
}

// equal is the value that a key must have; false: it may have others.
func (q query) equal(key string) (string, bool) {
	for _, c := range q {
		if c.key == key && c.op == "=" {
			return c.value, true
		}
	}
	return "", false
}

func (q query) matches(events map[string][]string) bool {
	for _, c := range q {
		if !slices.ContainsFunc(events[c.key], c.holds) {
			return false
		}
	}
	return true
}

func (c condition) holds(value string) bool {
	if c.op == "=" {
		return value == c.value || c.key == "tx.hash" && strings.EqualFold(value, c.value)
	}
	have, err := strconv.ParseInt(value, 10, 64)
	want, err2 := strconv.ParseInt(c.value, 10, 64)
	if err != nil || err2 != nil {
		return false
	}
	switch c.op {
	case "<":
		return have < want
	case "<=":
		return have <= want
	case ">":
		return have > want
	}
	return have >= want
}
