package history

import (
	"fmt"
	"strconv"
	"strings"
)

// Parse reads a history as people write it, a transaction a line:
//
//	# comment
//	ok 3-7: append x 1; read y [1 2]
//	failed: write z 5
//	unknown: read z nil; scan z 5
//
// Start and End may be left out: then all are at once. Lines name keys by words, which
// get numbers from 0 on in the order in which they come.
func Parse(text string) (*History, error) {
	var names []string
	numbers := map[string]int{}
	key := func(name string) int {
		k, ok := numbers[name]
		if !ok {
			k = len(names)
			numbers[name] = k
			names = append(names, name)
		}
		return k
	}
	h := &History{KeyName: func(k int) string { return names[k] }}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		t, err := parseTxn(line, key)
		if err != nil {
			return nil, fmt.Errorf("history: line %d: %q: %w", i+1, line, err)
		}
		h.Txns = append(h.Txns, t)
	}
	return h, nil
}

func parseTxn(line string, key func(string) int) (t Txn, err error) {
	head, body, ok := strings.Cut(line, ":")
	if !ok {
		return t, fmt.Errorf("no colon; write as in \"ok: append x 1\"")
	}
	status, span, timed := strings.Cut(head, " ")
	switch status {
	case "ok":
	case "failed":
		t.Status = Failed
	case "unknown":
		t.Status = Unknown
	default:
		return t, fmt.Errorf("status %q; write ok, failed or unknown", status)
	}
	t.End = 1
	if timed {
		if _, err := fmt.Sscanf(span, "%d-%d", &t.Start, &t.End); err != nil {
			return t, fmt.Errorf("time %q; write as in 3-7", span)
		}
	}
	for part := range strings.SplitSeq(body, ";") {
		op, err := parseOp(strings.TrimSpace(part), key)
		if err != nil {
			return t, err
		}
		t.Ops = append(t.Ops, op)
	}
	return t, nil
}

func parseOp(text string, key func(string) int) (op Op, err error) {
	bad := fmt.Errorf("%q; write append KEY VALUE, write KEY VALUE, read KEY VALUE or scan KEY VALUE", text)
	f := strings.SplitN(text, " ", 3)
	if len(f) != 3 {
		return op, bad
	}
	verb, value := f[0], f[2]
	op.Key = key(f[1])
	switch verb {
	case "append":
		op.Kind = Append
	case "write":
		op.Kind = Write
	case "read":
	case "scan":
		op.Scan = true
	default:
		return op, bad
	}
	if op.Kind == Read {
		if value == "nil" {
			return op, nil
		}
		if list, ok := strings.CutPrefix(value, "["); ok {
			op.List = []int{}
			for _, word := range strings.Fields(strings.TrimSuffix(list, "]")) {
				v, err := strconv.Atoi(word)
				if err != nil {
					return op, bad
				}
				op.List = append(op.List, v)
			}
			return op, nil
		}
	}
	if op.Value, err = strconv.Atoi(value); err != nil {
		return op, bad
	}
	return op, nil
}
