package sim

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Chaos says how the network treats messages. The zero value is a good local
// network: nothing is lost and the default latency applies.
type Chaos struct {
	// Loss is the probability, 0 to 1, that a message is lost.
	Loss float64 `json:"loss,omitempty"`
	// Duplicate is the probability that a message arrives a second time, at a
	// moment of its own.
	Duplicate float64 `json:"duplicate,omitempty"`
	// Reorder is the probability that a message is held back, by up to four
	// times LatencyMax, while later ones overtake it. The others of a link
	// arrive in the order they were sent, as over TCP.
	Reorder float64 `json:"reorder,omitempty"`
	// LatencyMin and LatencyMax bound the time a message travels; it is drawn
	// evenly between them, in microseconds. Both 0: the latency stays what it
	// was without this Chaos, which at the bottom is 1 ms to 5 ms.
	LatencyMin time.Duration `json:"latencyMin,omitempty"`
	LatencyMax time.Duration `json:"latencyMax,omitempty"`
}

// holdBack times LatencyMax is the longest delay of a reordered message.
const holdBack = 4

// over lays c over what held before: it decides, but for a latency it leaves open.
func (c Chaos) over(below Chaos) Chaos {
	if c.LatencyMin == 0 && c.LatencyMax == 0 {
		c.LatencyMin, c.LatencyMax = below.LatencyMin, below.LatencyMax
	}
	c.LatencyMin = max(0, c.LatencyMin) // nothing arrives before it is sent
	c.LatencyMax = max(c.LatencyMin, c.LatencyMax)
	return c
}

// String is the notation of chaos in a [Schedule].
func (c Chaos) String() string {
	var parts []string
	for _, p := range []struct {
		name string
		p    float64
	}{{"loss", c.Loss}, {"duplicate", c.Duplicate}, {"reorder", c.Reorder}} {
		if p.p != 0 {
			parts = append(parts, fmt.Sprintf("%s=%v", p.name, p.p))
		}
	}
	if c.LatencyMin != 0 || c.LatencyMax != 0 {
		parts = append(parts, fmt.Sprintf("latency=%v..%v", c.LatencyMin, c.LatencyMax))
	}
	if parts == nil {
		return "calm"
	}
	return strings.Join(parts, " ")
}

// rule is one thing wrong with the network, from when it is added until it is
// removed. Rules overlap freely: a link is cut while any rule cuts it, and of
// several chaos rules the latest decides. That makes windows of faults
// independent of each other, and so a schedule valid under any omission.
type rule struct {
	id       uint64
	groups   [][]ID // a partition, if not nil
	from, to ID     // a cut or the chaos of one link; 0 is every process
	chaos    *Chaos // chaos, if not nil
}

func (r *rule) matches(from, to ID) bool {
	return (r.from == 0 || r.from == from) && (r.to == 0 || r.to == to)
}

// separates tells whether the groups keep two processes apart. They can talk
// when some group has both, so that groups may overlap in a bridge. All those
// in no group form one more.
func (r *rule) separates(a, b ID) bool {
	aListed, bListed := false, false
	for _, g := range r.groups {
		inA, inB := slices.Contains(g, a), slices.Contains(g, b)
		if inA && inB {
			return false
		}
		aListed, bListed = aListed || inA, bListed || inB
	}
	return aListed || bListed
}

// link is the way from one process to another. What the rules make of it is
// worked out when it is first used after they changed.
type link struct {
	rules   uint64 // the version of the rules that blocked and chaos come from; 0: it has not been used
	blocked bool
	chaos   Chaos
	dice    rand.PCG
	last    time.Duration // when the latest message that keeps order arrives
}

func (w *World) link(from, to ID) *link {
	for int(from) >= len(w.links) {
		w.links = append(w.links, nil)
	}
	row := w.links[from]
	if int(to) >= len(row) { // in one piece: who sends to all goes through it in order
		row = append(row, make([]link, max(int(to)+1, len(w.nodes))-len(row))...)
		w.links[from] = row
	}
	l := &row[to]
	if l.rules == 0 {
		l.dice = *newPCG(w.seed, "link", uint64(from), uint64(to))
	}
	if l.rules != w.rulesVersion {
		w.refresh(l, from, to)
	}
	return l
}

func (w *World) refresh(l *link, from, to ID) {
	l.rules, l.blocked, l.chaos = w.rulesVersion, false, w.chaos
	for i := range w.rules {
		r := &w.rules[i]
		switch {
		case r.groups != nil:
			l.blocked = l.blocked || r.separates(from, to)
		case !r.matches(from, to):
		case r.chaos != nil:
			l.chaos = r.chaos.over(l.chaos)
		default:
			l.blocked = true
		}
	}
}

func (w *World) addRule(r rule) uint64 {
	w.rulesVersion++
	r.id = w.rulesVersion
	w.rules = append(w.rules, r)
	return r.id
}

// removeRules removes the rules that go says and reports whether there were any.
func (w *World) removeRules(gone func(*rule) bool) bool {
	before := len(w.rules)
	w.rules = slices.DeleteFunc(w.rules, func(r rule) bool { return gone(&r) })
	w.rulesVersion++
	return len(w.rules) < before
}

// Partition splits the network: two processes can talk only if some group has
// both. Processes in no group form one more group, so Partition([]ID{1}) is
// process 1 against the rest. Messages under way across the border are lost if
// it still stands when they arrive. Partitions add up until [World.Heal].
func (w *World) Partition(groups ...[]ID) { w.partition(groups) }

func (w *World) partition(groups [][]ID) uint64 {
	copied := make([][]ID, len(groups))
	for i, g := range groups {
		copied[i] = slices.Clone(g)
	}
	w.emit(Event{Kind: Partitioned, Detail: formatGroups(copied)})
	return w.addRule(rule{groups: copied})
}

// Cut stops what one process sends to the other, in that direction alone,
// until [World.Heal]. ID 0 stands for every process.
func (w *World) Cut(from, to ID) { w.cut(from, to) }

func (w *World) cut(from, to ID) uint64 {
	w.emit(Event{Kind: Cut, Process: from, Peer: to})
	return w.addRule(rule{from: from, to: to})
}

// Heal ends all partitions and cuts. Chaos stays.
func (w *World) Heal() {
	w.removeRules(func(r *rule) bool { return r.chaos == nil })
	w.emit(Event{Kind: Healed, Detail: "all"})
}

// SetChaos says how the whole network behaves from now on; it replaces what
// [World.SetLinkChaos] said before.
func (w *World) SetChaos(c Chaos) {
	w.removeRules(func(r *rule) bool { return r.chaos != nil })
	w.chaos = c.over(w.chaos)
	w.emit(Event{Kind: ChaosChanged, Detail: c.String()})
}

// SetLinkChaos says how one direction of one link behaves from now on. ID 0
// stands for every process.
func (w *World) SetLinkChaos(from, to ID, c Chaos) { w.addChaos(from, to, c) }

func (w *World) addChaos(from, to ID, c Chaos) uint64 {
	w.emit(Event{Kind: ChaosChanged, Process: from, Peer: to, Detail: c.String()})
	return w.addRule(rule{from: from, to: to, chaos: &c})
}

// Inject delivers a payload to a process at this moment, from outside: Receive
// sees it come from ID 0. The network has no part in it, but a process that is
// down drops it and one that is busy takes it up later.
func (w *World) Inject(to ID, payload any) {
	w.transmit(0, to, w.clone(payload))
}

// transmit puts a message on its way. It draws the same three numbers for every
// message, whatever becomes of it: a change of chaos changes the fate of the
// messages and not the dice of the later ones.
func (w *World) transmit(from, to ID, payload any) {
	w.messages++
	m := item{kind: itemMessage, from: from, to: to, message: w.messages, payload: payload}
	w.emitMessage(Sent, &m, "")
	if from == 0 || from == to {
		w.queue.push(w.now, m)
		return
	}
	if to <= 0 || to > maxID {
		w.emitMessage(Dropped, &m, "no such process")
		return
	}
	l := w.link(from, to)
	luck, disorder, travel := l.dice.Uint64(), l.dice.Uint64(), l.dice.Uint64()
	switch {
	case l.blocked:
		w.emitMessage(Dropped, &m, "partition")
		return
	case chance(uint32(luck), l.chaos.Loss):
		w.emitMessage(Dropped, &m, "loss")
		return
	}
	arrival := w.now + between(l.chaos.LatencyMin, l.chaos.LatencyMax, uint32(travel))
	if chance(uint32(disorder), l.chaos.Reorder) {
		arrival += between(0, holdBack*l.chaos.LatencyMax, uint32(disorder>>32))
	} else {
		l.last = max(l.last, arrival)
		arrival = l.last
	}
	duplicated := chance(uint32(luck>>32), l.chaos.Duplicate)
	w.queue.push(arrival, m)
	if duplicated {
		w.emitMessage(Duplicated, &m, "")
		m.payload = w.clone(payload)
		w.queue.push(w.now+between(l.chaos.LatencyMin, l.chaos.LatencyMax, uint32(travel>>32)), m)
	}
}

// between turns 32 random bits into a whole number of microseconds from lo to hi.
func between(lo, hi time.Duration, luck uint32) time.Duration {
	steps := uint64((hi-lo)/time.Microsecond) + 1
	n, _ := bits.Mul64(uint64(luck)<<32, steps)
	return lo + time.Duration(n)*time.Microsecond
}

// arrive hands a message to its receiver, in whichever life that is by now: the
// network knows nothing of lives. One sent before a restart may arrive after it.
func (w *World) arrive(slot int32) {
	m := &w.queue.slab[slot]
	n := w.find(m.to)
	why := ""
	switch {
	case n == nil:
		why = "no such process"
	case len(w.rules) > 0 && m.from != 0 && m.from != m.to && w.link(m.from, m.to).blocked:
		why = "partition"
	case n.proc == nil:
		why = "down"
	default:
		n.proc.accept(slot)
		return
	}
	dropped := w.queue.release(slot)
	w.emitMessage(Dropped, &dropped, why)
}
