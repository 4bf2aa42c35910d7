package erasuretest

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/flagship-go/flagship/erasure"
)

// A ledger is what must be true of the objects of a store, by what its calls
// have answered and what has become of its drives: the checker of the claims of
// package erasure.
//
// Of each name it keeps every version that was ever tried, the newest last:
//
//	there   it was acknowledged, or somebody has read it. It must be read while
//	        the drives that are without it are no more than its parity.
//	open    it may have happened. Whoever looks next decides, for all who look later.
//	gone    it failed, or was deleted, replaced or decided against: never to be seen.
//
// What a read may give is found by walking from the newest version: one that is
// there ends the walk, an open one may end it, one that is gone may not. An error
// is right only if a version that the walk comes by can be neither known nor read,
// by the drives that are silent: see blocked.
//
// There is one weakness, which is not a bug: with as many parity as data shards,
// half of the drives can read, and two halves do not overlap. An open version that
// was looked at while half of the drives were silent stays open.
type ledger struct {
	drives int
	base   geometry
	names  map[string][]*entry
	off    driveSet // do not answer
	fresh  driveSet // are new, and not yet rebuilt
	rotten map[string]driveSet
}

// entry is a version in the ledger.
type entry struct {
	label  string // which step it is of
	body   []byte
	id     string // the version ID, when it was told
	null   bool
	marker bool

	state state
	why   string // of a version that is gone: the rule that is broken when it is seen
	// The data shards it has, or may have: a store with drives missing may use fewer.
	least, most int
	missed      driveSet // drives that are without it
	slack       int      // so many more may be, nobody knows which
	may         driveSet // drives that may have it, of one that is not there
}

type state int

const (
	open state = iota
	there
	gone
)

func (s state) String() string { return [...]string{"open", "there", "gone"}[s] }

// driveSet is a set of drives, a bit for each bay.
type driveSet uint64

func (s driveSet) count() int         { return bits.OnesCount64(uint64(s)) }
func (s driveSet) has(drive int) bool { return s>>drive&1 == 1 }
func (s driveSet) String() string     { return fmt.Sprint(s.list()) }
func oneDrive(drive int) driveSet     { return 1 << drive }
func (l *ledger) all() driveSet       { return 1<<l.drives - 1 }
func (s driveSet) list() (list []int) {
	for i := range 64 {
		if s.has(i) {
			list = append(list, i)
		}
	}
	return list
}

func newLedger(g geometry) *ledger {
	return &ledger{drives: g.total(), base: g, names: map[string][]*entry{}, rotten: map[string]driveSet{}}
}

func (l *ledger) clone() *ledger {
	c := *l
	c.rotten, c.names = maps.Clone(l.rotten), map[string][]*entry{}
	for name, entries := range l.names {
		for _, e := range entries {
			copied := *e
			c.names[name] = append(c.names[name], &copied)
		}
	}
	return &c
}

// violation ends a run: this rule is broken.
type violation struct{ rule, text string }

func violated(rule, format string, args ...any) {
	panic(violation{rule, fmt.Sprintf(format, args...)})
}

// quorum is the write quorum of a version with so many data shards.
func (l *ledger) quorum(data int) int {
	if 2*data == l.drives {
		return data + 1
	}
	return data
}

// begin enters a version that is being written.
func (l *ledger) begin(name string, e *entry) *entry {
	e.least, e.most = l.base.data, l.base.data
	if l.off != 0 {
		e.least = (l.drives + 1) / 2
	}
	e.may = l.all() &^ l.off
	l.names[name] = append(l.names[name], e)
	return e
}

// acknowledged notes that a version is there; failed are the drives that have
// failed meanwhile.
func (l *ledger) acknowledged(name string, e *entry, info erasure.Info, failed driveSet) {
	e.id, e.least, e.most = info.VersionID, info.Data, info.Data
	e.missed = l.off | failed
	e.slack = max(0, info.Missing-e.missed.count())
	l.isThere(name, e)
}

// isThere ends the older null versions.
func (l *ledger) isThere(name string, e *entry) {
	e.state = there
	for _, older := range l.names[name] {
		if older == e {
			break
		}
		if e.null && older.null && older.state != gone {
			older.state, older.why = gone, "E1"
		}
	}
}

// failed notes that a version was refused.
func (l *ledger) failed(e *entry) { e.state, e.why = gone, "E3" }

// targets are the versions that a removal is of.
func (l *ledger) targets(name, version string) (targets []*entry) {
	for _, e := range l.names[name] {
		if e.state != gone && e.is(version) {
			targets = append(targets, e)
		}
	}
	return targets
}

// is reports whether the version goes by that ID; "" is any.
func (e *entry) is(version string) bool {
	return version == "" || version == "null" && e.null || version != "null" && !e.null && e.id == version
}

// silent are the drives that may be silent about a name. failed are those that
// failed in the call.
func (l *ledger) silent(name string, failed driveSet) driveSet {
	return l.off | l.fresh | l.rotten[name] | failed
}

// blocked says whether a version that is not there can be neither known nor
// read: as judge.go has it, when h drives hold it, fewer than its data shards,
// and with the silent ones they could be a write quorum.
func (l *ledger) blocked(e *entry, silent, failed driveSet) bool {
	if e.state == open && failed != 0 || e.may&failed != 0 {
		return true // what must be completed, or removed, cannot be
	}
	for data := e.least; data <= e.most; data++ {
		if min((e.may&^silent).count(), data-1)+silent.count() >= l.quorum(data) {
			return true
		}
	}
	return false
}

// readable says whether a version that is there must be read.
func (l *ledger) readable(name string, e *entry, failed driveSet) bool {
	without := e.missed | l.silent(name, failed)
	return without.count()+e.slack <= l.drives-e.most
}

// mayFail says whether an error is right for who asks for a version; "" is the
// current one.
func (l *ledger) mayFail(name, version string, failed driveSet) bool {
	silent := l.silent(name, failed)
	if silent.count() > l.drives/2 {
		return true
	}
	for _, e := range slices.Backward(l.names[name]) {
		if !e.is(version) {
			continue
		}
		if e.state == there {
			return !l.readable(name, e, failed)
		}
		if l.blocked(e, silent, failed) {
			return true
		}
	}
	return false
}

// mayRefuse says whether an error is right for who removes a version: as mayFail,
// but all that go by the ID are to be removed.
func (l *ledger) mayRefuse(name, version string, failed driveSet) bool {
	silent := l.silent(name, failed)
	if silent.count() > l.drives/2 {
		return true
	}
	return slices.ContainsFunc(l.names[name], func(e *entry) bool {
		return e.is(version) && (e.state == there && !l.readable(name, e, failed) || e.state != there && l.blocked(e, silent, failed))
	})
}

// sight is what a read has seen.
type sight struct {
	err     error // neither found nor not found
	missing bool  // ErrNotFound
	marker  bool  // ErrDeleted
	body    []byte
}

// see checks what somebody has seen of a name and lets it decide what was open.
func (l *ledger) see(name, version string, s sight, failed driveSet) {
	if s.err != nil {
		if !l.mayFail(name, version, failed) {
			rule := "E1"
			if e := l.current(name, version); e == nil {
				rule = "E5"
			}
			violated(rule, "%s cannot be read: %v\n%s", called(name, version), s.err, l.describe(name, failed))
		}
		return
	}
	found := l.match(name, version, s)
	if found == nil && !s.missing {
		violated("E2", "%s reads as %d bytes (marker %v) that nobody has ever put there\n%s", called(name, version), len(s.body), s.marker, l.describe(name, failed))
	}
	silent := l.silent(name, failed)
	for _, e := range slices.Backward(l.names[name]) {
		if !e.is(version) {
			continue
		}
		switch {
		case e == found && e.state == gone:
			violated(e.why, "%s is seen as %s, which is gone\n%s", called(name, version), e.label, l.describe(name, failed))
		case e == found && e.state == open && l.ambiguous(name, version, e):
			// It may have been the older one.
		case e == found && e.state == open:
			if l.drives-silent.count() >= l.quorum(e.most) && l.drives-silent.count() >= l.quorum(e.least) {
				e.slack = l.drives - e.least
				l.isThere(name, e)
			}
		case e.state == there && e != found:
			l.notShown(name, version, e, found, s, failed)
		case e.state == open:
			if e.may &= silent; e.may.count() < e.least {
				e.state, e.why = gone, "E4"
			}
		case e.state == gone:
			e.may &= silent
		}
		if e == found {
			return
		}
	}
}

// notShown reports a version that is there, and was passed over.
func (l *ledger) notShown(name, version string, e, found *entry, s sight, failed driveSet) {
	shown := "missing"
	rule := "E1"
	if found != nil {
		shown = found.label
		if found.why != "" {
			rule = found.why
		}
	}
	for _, newer := range slices.Backward(l.names[name]) {
		if newer == e {
			break
		}
		if newer.state == open || newer.why == "E3" || newer.why == "E4" {
			rule = "E6" // the one that replaces it did not happen
		}
	}
	without := e.missed | l.silent(name, failed)
	if without.count()+e.slack > l.drives-e.most {
		rule = "E1" // it cannot be read, but that must be said
	}
	violated(rule, "%s is seen as %s, while %s is there\n%s", called(name, version), shown, e.label, l.describe(name, failed))
}

// current is the newest version that is there, nil if none is.
func (l *ledger) current(name, version string) *entry {
	for _, e := range slices.Backward(l.names[name]) {
		if e.state == there && e.is(version) {
			return e
		}
	}
	return nil
}

// match finds the version that was seen: every body is another one, but markers
// and empty bodies look alike, so the newest that may be seen is taken.
func (l *ledger) match(name, version string, s sight) *entry {
	var last *entry
	for _, e := range slices.Backward(l.names[name]) {
		if s.missing || !e.is(version) || e.marker != s.marker || !slices.Equal(e.body, s.body) {
			continue
		}
		if e.state != gone {
			return e
		}
		if last == nil {
			last = e
		}
	}
	return last
}

// ambiguous says whether an older version looks like an open one.
func (l *ledger) ambiguous(name, version string, open *entry) bool {
	for _, e := range l.names[name] {
		if e == open {
			return false
		}
		if e.state != gone && e.is(version) && e.marker == open.marker && slices.Equal(e.body, open.body) {
			return true
		}
	}
	return false
}

// healed notes a heal that went well: what answers is whole again.
func (l *ledger) healed(failed driveSet, deep bool) {
	not := l.off | failed
	if l.off == 0 && failed == 0 {
		l.fresh = 0
	}
	for name, entries := range l.names {
		if deep {
			l.rotten[name] &= not
		}
		for _, e := range entries {
			if e.state == gone {
				e.may &= l.silent(name, failed)
			} else {
				if e.slack > 0 { // it may be without any of those that were not healed
					e.missed |= not
				}
				e.missed, e.slack = e.missed&not|l.fresh, 0
			}
		}
	}
}

// lose notes that what is on a drive is gone.
func (l *ledger) lose(drive int) {
	l.fresh |= oneDrive(drive)
	for name, entries := range l.names {
		l.rotten[name] &^= oneDrive(drive)
		for _, e := range entries {
			e.missed |= oneDrive(drive)
			e.may &^= oneDrive(drive)
		}
	}
}

// canSpare says whether every version that is there survives the loss of what a
// drive has, of a name or, if it is empty, of all.
func (l *ledger) canSpare(drive int, name string) bool {
	for other, entries := range l.names {
		if name != "" && other != name {
			continue
		}
		for _, e := range entries {
			without := e.missed | l.rotten[other] | l.fresh | oneDrive(drive)
			if e.state == there && without.count()+e.slack > l.drives-e.most {
				return false
			}
		}
	}
	return true
}

// describe tells what is known of a name.
func (l *ledger) describe(name string, failed driveSet) string {
	s := fmt.Sprintf("of %v drives %v do not answer, %v are new, %v are damaged, %v have failed now", l.drives, l.off, l.fresh, l.rotten[name], failed)
	for _, e := range l.names[name] {
		s += fmt.Sprintf("\n\t%s: %v", e.label, e.state)
		if e.state == there {
			s += fmt.Sprintf(", %d+%d, not on %v", e.most, l.drives-e.most, e.missed)
			if e.slack > 0 {
				s += fmt.Sprintf(" and %d more", e.slack)
			}
		} else {
			s += fmt.Sprintf(", maybe on %v", e.may)
		}
	}
	return s
}
