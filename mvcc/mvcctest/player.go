package mvcctest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/flagship-go/flagship/mvcc/history"
)

// A story is a line a step, by transactions that are under way at the same time:
//
//	init a=1 b=2           before anybody begins
//	t1: begin
//	t1: get a = 1          = what must come of it; - for no value
//	t1: scan a c = a=1 b=2 lo <= key < hi; without bounds all; rscan goes down
//	t1: put a 3            also insert, and del a
//	t1: lock a b           GetForUpdate
//	t1: save               and back, to the savepoint
//	t1: commit             must succeed; commit ? may fail, but not all of them;
//	t1: commit = conflict  must fail so
//	t1: rollback
//	t2: woken = t2: lock a: 2   what came of a step that had waited
//
// A transaction that has failed for a conflict before does nothing any more. Values are
// numbers, and for one key no two are the same: so what was read says who was before whom,
// and package history finds out whether that is what the mode allows.
type player struct {
	db     DB
	mode   Mode
	wait   func() // nil: everything is done by one goroutine
	begin  func(ctx context.Context, name string, args []string) (Txn, error)
	actors map[string]*actor
	order  []*actor // as they have begun
	keys   []string
	events int
	// verbose says more about conflicts.
	verbose bool
	// unjudged: something was deleted, which a history of registers does not know.
	unjudged bool
	tried    int // commits that may fail, and
	made     int // those of them that did not
}

// actor is one transaction of a story.
type actor struct {
	name   string
	txn    Txn
	rec    history.Txn
	back   func() error
	over   bool
	failed bool        // for a conflict, before it could commit
	result chan result // of what it is doing
	busy   string      // that
}

type result struct {
	out string
	err error
	ops []history.Op
}

func newPlayer(db DB, mode Mode, wait func()) *player {
	p := &player{db: db, mode: mode, wait: wait, actors: map[string]*actor{}}
	p.begin = func(ctx context.Context, _ string, _ []string) (Txn, error) { return p.db.Begin(ctx) }
	return p
}

// tellStory plays a story, and judges what came of it.
func (s *stage) tellStory(story string) error {
	db, err := s.db()
	if err != nil {
		return err
	}
	p := newPlayer(db, s.mode, s.wait)
	p.learnKeys(story)
	for line := range strings.Lines(story) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if err := p.expect(line); err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return p.end()
}

// learnKeys finds the keys of a story: a scan that does not show one has missed it.
func (p *player) learnKeys(story string) {
	for line := range strings.Lines(story) {
		f := strings.Fields(line)
		switch {
		case len(f) > 1 && f[0] == "init":
			for _, kv := range f[1:] {
				p.key(strings.SplitN(kv, "=", 2)[0])
			}
		case len(f) > 2 && (f[1] == "put" || f[1] == "insert" || f[1] == "get"):
			p.key(f[2])
		}
	}
}

func (p *player) key(k string) int {
	i := slices.Index(p.keys, k)
	if i < 0 {
		i = len(p.keys)
		p.keys = append(p.keys, k)
	}
	return i
}

// expect plays a line, and compares what comes of it with what is to be.
func (p *player) expect(line string) error {
	words, want, compare := strings.Cut(line, " = ")
	words, maybe := strings.CutSuffix(words, " ?")
	got := p.do(words)
	switch {
	case maybe:
		p.tried++
		if first := strings.Fields(got)[0]; first == "ok" {
			p.made++
		} else if first != "conflict" && first != "deadlock" {
			return fmt.Errorf("%s; it may fail, but for a conflict only", got)
		}
	case compare && got != want:
		return fmt.Errorf("it is %s", got)
	case !compare && strings.HasPrefix(got, "error"), !compare && strings.HasSuffix(words, ": commit") && got != "ok":
		return errors.New(got)
	}
	return nil
}

// end ends what is under way, and judges.
func (p *player) end() error {
	for _, a := range p.order {
		if a.busy != "" {
			return fmt.Errorf("%s waits for ever: %s", a.name, a.busy)
		}
		if !a.over {
			if out := p.do(a.name + ": rollback"); out != "ok" {
				return fmt.Errorf("%s: rollback: %s", a.name, out)
			}
		}
	}
	if p.tried > 0 && p.made == 0 {
		return errors.New("all transactions failed: one of them had nobody before it")
	}
	if p.unjudged {
		return nil
	}
	h, err := p.history()
	if err != nil {
		return err
	}
	return p.mode.judge(h)
}

// history is what the transactions did and saw, and what is there in the end.
func (p *player) history() (*history.History, error) {
	a := &actor{name: "end"}
	txn, err := p.db.Begin(context.Background())
	if err != nil {
		return nil, err
	}
	a.txn, a.rec.Start = txn, p.tick()
	for _, k := range p.keys {
		r := p.get(txn, k)
		if r.err != nil {
			return nil, r.err
		}
		a.rec.Ops = append(a.rec.Ops, r.ops...)
	}
	if err := txn.Commit(context.Background()); err != nil {
		return nil, fmt.Errorf("a transaction that only reads: %w", err)
	}
	a.rec.End = p.tick()
	h := &history.History{KeyName: func(k int) string { return p.keys[k] }}
	for _, a := range append(slices.Clone(p.order), a) {
		h.Txns = append(h.Txns, a.rec)
	}
	return h, nil
}

func (p *player) tick() int { p.events++; return p.events }

// do plays a line, and says what came of it: "ok", values, or why not.
func (p *player) do(line string) string {
	f := strings.Fields(line)
	if f[0] == "init" {
		p.do("init: begin")
		for _, kv := range f[1:] {
			k, v, _ := strings.Cut(kv, "=")
			p.do("init: put " + k + " " + v)
		}
		return p.do("init: commit")
	}
	name := strings.TrimSuffix(f[0], ":")
	verb, args := f[1], f[2:]
	a := p.actors[name]
	if verb == "begin" {
		a = &actor{name: name, result: make(chan result, 1), rec: history.Txn{Status: history.Failed}}
		p.actors[name] = a
		p.order = append(p.order, a)
		a.rec.Start = p.tick()
		txn, err := p.begin(context.Background(), name, args)
		if err != nil {
			a.over = true
			return describe(err, p.verbose)
		}
		a.txn = txn
		return "ok"
	}
	if a == nil {
		return "error: there is no transaction " + name
	}
	if verb == "woken" {
		if p.wait != nil {
			p.wait()
		}
		return strings.Join(p.woken(), "; ")
	}
	if a.failed {
		if verb == "commit" || verb == "rollback" {
			a.over = true
		}
		if verb == "rollback" {
			return "ok" // it is
		}
		return "conflict"
	}
	a.busy = strings.Join(f[1:], " ")
	work := func() { a.result <- p.step(a, verb, args) }
	if p.wait == nil {
		work()
	} else {
		go work()
		p.wait()
	}
	out, done := p.finish(a)
	if !done {
		return "waits"
	}
	return out
}

// finish takes the result of what an actor was doing, if it is there.
func (p *player) finish(a *actor) (out string, done bool) {
	var r result
	select {
	case r = <-a.result:
	default:
		return "", false
	}
	verb := strings.Fields(a.busy)[0]
	a.busy = ""
	a.rec.Ops = append(a.rec.Ops, r.ops...)
	switch {
	case verb == "commit":
		a.over, a.rec.End = true, p.tick()
		switch {
		case r.err == nil:
			a.rec.Status = history.OK
		case errors.Is(r.err, ErrUnknown):
			a.rec.Status = history.Unknown
		}
	case verb == "rollback":
		a.over, a.rec.End = true, p.tick()
	case errors.Is(r.err, ErrConflict) || errors.Is(r.err, ErrDeadlock):
		a.failed, a.rec.End = true, p.tick()
		_ = a.txn.Rollback(context.Background())
	}
	if r.err != nil {
		return describe(r.err, p.verbose), true
	}
	return r.out, true
}

// woken returns what came of steps that were waiting.
func (p *player) woken() (out []string) {
	for _, a := range p.order {
		if what := a.busy; what != "" {
			if got, done := p.finish(a); done {
				out = append(out, fmt.Sprintf("%s: %s: %s", a.name, what, got))
			}
		}
	}
	return out
}
