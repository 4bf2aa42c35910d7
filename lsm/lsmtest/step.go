package lsmtest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A log is a story in words, one step a line. It is what the rules tell, what a
// failure prints, and what [Replay] plays again:
//
//	put a 1                      one operation; likewise
//	del a   delrange a c   merge a x   ttl a 1 10s
//	batch put a 1, del b, put c v*3000
//	sync put a 1                 durable, also: sync batch ...
//	get a                        is compared with the model, as all that is read
//	scan   scan b d   back b d   all keys in order, or in reverse
//	snap s   in s get a   in s scan   drop s
//	iter i b d   iterin i s b d  an iterator, of a snapshot; then
//	move i first|last|next|prev|ge a|lt a   close i
//	flush   compact   reopen   verify   checkpoint
//	clock 3s                     lets go of snapshots and iterators, as reopen does
//
// A key or value of letters, digits and _ - . stands for itself, another one is
// quoted as in Go; v*3000 is a value of that length that begins so; - is no
// bound.
type step struct {
	verb string
	sync bool
	ops  []Op
	name string // of a snapshot or iterator
	of   string // iterin: the snapshot
	move string // first, next, ...
	key  []byte // of get and seeks
	low  []byte // bounds
	high []byte
	wait time.Duration
}

// Log is a story.
type Log []step

// String returns the log as [ParseLog] reads it.
func (l Log) String() string {
	var b strings.Builder
	for _, s := range l {
		b.WriteString(s.String())
		b.WriteByte('\n')
	}
	return b.String()
}

var opNames = []string{Put: "put", Delete: "del", DeleteRange: "delrange", Merge: "merge", PutTTL: "ttl"}

func (op Op) String() string {
	words := []string{opNames[op.Kind], word(op.Key)}
	if op.Kind != Delete {
		words = append(words, word(op.Value))
	}
	if op.Kind == PutTTL {
		words = append(words, op.TTL.String())
	}
	return strings.Join(words, " ")
}

func (s step) String() string {
	var words []string
	add := func(w ...string) { words = append(words, w...) }
	if s.sync {
		add("sync")
	}
	switch s.verb {
	case "put":
		add(s.ops[0].String())
	case "batch":
		var ops []string
		for _, op := range s.ops {
			ops = append(ops, op.String())
		}
		add("batch", strings.Join(ops, ", "))
	case "get":
		add(s.inside()...)
		add("get", word(s.key))
	case "scan", "back":
		add(s.inside()...)
		add(s.verb)
		add(s.bounds()...)
	case "iter":
		add("iter", s.name)
		add(s.bounds()...)
	case "iterin":
		add("iterin", s.name, s.of)
		add(s.bounds()...)
	case "move":
		add("move", s.name, s.move)
		if s.move == "ge" || s.move == "lt" {
			add(word(s.key))
		}
	case "snap", "drop", "close":
		add(s.verb, s.name)
	case "clock":
		add("clock", s.wait.String())
	default:
		add(s.verb)
	}
	return strings.Join(words, " ")
}

func (s step) inside() []string {
	if s.name == "" {
		return nil
	}
	return []string{"in", s.name}
}

func (s step) bounds() []string {
	if s.low == nil && s.high == nil {
		return nil
	}
	return []string{bound(s.low), bound(s.high)}
}

func bound(b []byte) string {
	if b == nil {
		return "-"
	}
	return word(b)
}

// word writes bytes so that they are read back as they are.
func word(b []byte) string {
	if n := len(b); n > 40 {
		// A long value repeats what it begins with.
		for k := 1; k <= 24; k++ {
			if plain(string(b[:k])) && string(repeated(string(b[:k]), n)) == string(b) {
				return fmt.Sprintf("%s*%d", b[:k], n)
			}
		}
	}
	if s := string(b); s != "-" && plain(s) {
		return s
	}
	return strconv.Quote(string(b))
}

func plain(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.')
	}) < 0
}

func repeated(s string, n int) []byte {
	return []byte(strings.Repeat(s, n/len(s)+1)[:n])
}

// ParseLog reads a log. Empty lines and lines that begin with # are skipped.
func ParseLog(text string) (Log, error) {
	var l Log
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		p := parser{line: line}
		s := p.step()
		if p.err == nil && p.rest() != "" {
			p.fail("%q is too much", p.rest())
		}
		if p.err != nil {
			return nil, fmt.Errorf("lsmtest: line %d, %q: %w", i+1, line, p.err)
		}
		l = append(l, s)
	}
	return l, nil
}

// mustParse is for the rules' own stories.
func mustParse(text string) Log {
	l, err := ParseLog(text)
	if err != nil {
		panic(err)
	}
	return l
}

// parser takes words off a line.
type parser struct {
	line string
	err  error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *parser) rest() string {
	p.line = strings.TrimLeft(p.line, " ")
	return p.line
}

// next returns the next word, quotes and all; "" at the end.
func (p *parser) next() string {
	s := p.rest()
	n := strings.IndexAny(s, " ,")
	if strings.HasPrefix(s, `"`) {
		q, err := strconv.QuotedPrefix(s)
		if err != nil {
			p.fail("bad quotes")
		}
		n = len(q)
	}
	if n < 0 {
		n = len(s)
	}
	p.line = s[n:]
	return s[:n]
}

func (p *parser) bytes() []byte {
	w := p.next()
	switch base, count, long := strings.Cut(w, "*"); {
	case w == "":
		p.fail("a word is missing")
	case w[0] == '"':
		s, err := strconv.Unquote(w)
		if err != nil {
			p.fail("bad quotes in %s", w)
		}
		return []byte(s)
	case long:
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || n > 1<<24 || base == "" {
			p.fail("bad length in %s", w)
			return nil
		}
		return repeated(base, n)
	}
	return []byte(w)
}

func (p *parser) bound() []byte {
	if strings.HasPrefix(p.rest()+" ", "- ") {
		p.next()
		return nil
	}
	return p.bytes()
}

func (p *parser) bounds(s *step) {
	if p.rest() != "" {
		s.low, s.high = p.bound(), p.bound()
	}
}

func (p *parser) duration() time.Duration {
	d, err := time.ParseDuration(p.next())
	if err != nil {
		p.fail("%v", err)
	}
	return d
}

func (p *parser) op(name string) (op Op) {
	kind := slices.Index(opNames, name)
	if kind < 0 {
		p.fail("no operation %q", name)
		return op
	}
	op = Op{Kind: OpKind(kind), Key: p.bytes()}
	if op.Kind != Delete {
		op.Value = p.bytes()
	}
	if op.Kind == PutTTL {
		op.TTL = p.duration()
	}
	return op
}

func (p *parser) step() (s step) {
	s.verb = p.next()
	if s.verb == "sync" {
		s.sync, s.verb = true, p.next()
	}
	if s.verb == "in" {
		s.name, s.verb = p.next(), p.next()
	}
	switch s.verb {
	case "batch":
		for more := true; more && p.err == nil; {
			s.ops = append(s.ops, p.op(p.next()))
			if more = strings.HasPrefix(p.rest(), ","); more {
				p.line = p.line[1:]
			}
		}
	case "get":
		s.key = p.bytes()
	case "scan", "back":
		p.bounds(&s)
	case "snap", "drop", "close":
		s.name = p.next()
	case "iter":
		s.name = p.next()
		p.bounds(&s)
	case "iterin":
		s.name, s.of = p.next(), p.next()
		p.bounds(&s)
	case "move":
		s.name, s.move = p.next(), p.next()
		switch s.move {
		case "ge", "lt":
			s.key = p.bytes()
		case "first", "last", "next", "prev":
		default:
			p.fail("no move %q", s.move)
		}
	case "clock":
		s.wait = p.duration()
	case "flush", "compact", "reopen", "verify", "checkpoint":
	default:
		s.ops, s.verb = []Op{p.op(s.verb)}, "put"
	}
	return s
}
