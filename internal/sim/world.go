package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// Errors that stop a world.
var (
	// ErrTooManyEvents reports that a run took more than [Options].MaxEvents.
	ErrTooManyEvents = errors.New("sim: too many events")
	// ErrUnknownProcess reports a fault for a process that was never spawned.
	ErrUnknownProcess = errors.New("sim: unknown process")
	// ErrBadID reports a spawn under an ID that is taken or out of range.
	ErrBadID = errors.New("sim: bad process ID")
)

// Options are the settings of a world. The zero value is a calm local network.
type Options struct {
	// Seed decides everything that is left to chance. Any value will do.
	Seed uint64
	// Chaos is how the network behaves at first. Latency defaults to 1-5 ms.
	Chaos Chaos
	// Clone copies a payload, so that receivers share no memory with senders:
	// it is called when a message is sent, and again for a duplicate. Encoding
	// and decoding the payload is one way, and tests the codec too. Default:
	// payloads are passed as they are, which is right for immutable ones.
	Clone func(payload any) any
	// Sink receives the events, in order, as they happen. Default: none, and
	// then no event is even built. It must not call into the world.
	Sink func(Event)
	// MaxEvents bounds the steps of the run, so that a program that sends to
	// itself for ever ends in [ErrTooManyEvents]. Default: 50 million, which
	// take about ten seconds.
	MaxEvents uint64
}

// World is a virtual world. It is not safe for concurrent use: everything in it
// happens on the goroutine that calls Step or Run.
type World struct {
	seed      uint64
	cloneFunc func(any) any
	sink      func(Event)
	left      uint64 // steps until ErrTooManyEvents

	now   time.Duration
	queue queue
	nodes []*node // by ID
	rands map[string]*rand.Rand
	err   error

	messages     uint64
	links        [][]link // by sender and receiver
	rules        []rule
	rulesVersion uint64
	chaos        Chaos
}

// New returns a world at time 0 with nobody in it.
func New(o Options) *World {
	w := &World{seed: o.Seed, cloneFunc: o.Clone, sink: o.Sink, left: o.MaxEvents, rulesVersion: 1}
	if w.left == 0 {
		w.left = 50_000_000
	}
	w.chaos = o.Chaos.over(Chaos{LatencyMin: time.Millisecond, LatencyMax: 5 * time.Millisecond})
	return w
}

// Now returns the virtual time since the world began.
func (w *World) Now() time.Duration { return w.now }

// Seed returns the seed the world was made of.
func (w *World) Seed() uint64 { return w.seed }

// Err returns what stopped the world: a [*PanicError], or one of the errors of
// this package.
func (w *World) Err() error { return w.err }

func (w *World) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// Rand returns the random source of that name, for the scenario's own use: a
// workload, say. Asking again continues the same source.
func (w *World) Rand(name string) *rand.Rand {
	r := w.rands[name]
	if r == nil {
		r = stream(w.seed, "scenario "+name, 0, 0)
		if w.rands == nil {
			w.rands = make(map[string]*rand.Rand)
		}
		w.rands[name] = r
	}
	return r
}

// Spawn adds a process and boots it at once. boot runs again at each restart,
// with the disk as the crash left it, and returns the program of that life; if
// it returns nil the process failed to start, and is down.
func (w *World) Spawn(id ID, boot func(*Process) Handler) {
	if id < 1 || id > maxID || w.find(id) != nil {
		w.fail(fmt.Errorf("%w: spawn of process %d", ErrBadID, id))
		return
	}
	for int(id) >= len(w.nodes) {
		w.nodes = append(w.nodes, nil)
	}
	n := &node{id: id, boot: boot}
	w.nodes[id] = n
	w.start(n)
}

// find returns the process of that ID, or nil.
func (w *World) find(id ID) *node {
	if id < 0 || int(id) >= len(w.nodes) {
		return nil
	}
	return w.nodes[id]
}

// require is find for what the scenario names: a typing error stops the world
// instead of making a fault that never happens.
func (w *World) require(id ID, what string) *node {
	n := w.find(id)
	if n == nil {
		w.fail(fmt.Errorf("%w: %s of process %d", ErrUnknownProcess, what, id))
	}
	return n
}

// Running tells whether the process is up.
func (w *World) Running(id ID) bool {
	n := w.find(id)
	return n != nil && n.proc != nil
}

// At calls f at that time, or now if it is past. This is how a scenario acts;
// what it panics with goes through Step to the caller.
func (w *World) At(t time.Duration, f func()) {
	w.queue.push(max(t, w.now), item{kind: itemCall, fn: f})
}

// Step lets the next thing happen. It reports false if there is none, or if an
// error has stopped the world.
//
// Things due at the same instant happen in the order in which they were put
// off to that instant.
func (w *World) Step() bool {
	at, ok := w.queue.next()
	if !ok || w.err != nil {
		return false
	}
	if w.left == 0 {
		w.fail(fmt.Errorf("%w: seed %d at %v", ErrTooManyEvents, w.seed, w.now))
		return false
	}
	w.left--
	w.now = at
	slot := w.queue.pop()
	it := &w.queue.slab[slot]
	switch it.kind {
	case itemMessage:
		w.arrive(slot)
	case itemTimer:
		it.proc.accept(slot)
	case itemCall:
		w.queue.release(slot).fn()
	case itemWake:
		w.queue.release(slot).proc.wake()
	}
	return true
}

// Run lets everything happen up to and including that time, and leaves the
// clock there. It returns what stopped the world, if anything did.
func (w *World) Run(until time.Duration) error {
	w.RunUntil(func() bool { return false }, until)
	return w.err
}

// RunUntil runs until cond holds, which it looks at before the first event and
// after each, and reports whether it came to hold before the deadline.
func (w *World) RunUntil(cond func() bool, deadline time.Duration) bool {
	for {
		if cond() {
			return true
		}
		at, ok := w.queue.next()
		if !ok || at > deadline {
			break
		}
		if !w.Step() {
			return false
		}
	}
	if w.err == nil {
		w.now = max(w.now, deadline)
	}
	return false
}

func (w *World) clone(payload any) any {
	if w.cloneFunc == nil {
		return payload
	}
	return w.cloneFunc(payload)
}

func (w *World) emit(e Event) {
	if w.sink != nil {
		e.At = w.now
		w.sink(e)
	}
}

// emitMessage emits an event of a message, of its sender's or receiver's.
func (w *World) emitMessage(kind Kind, m *item, detail string) {
	if w.sink == nil {
		return
	}
	e := Event{Kind: kind, Process: m.from, Peer: m.to, Message: m.message, Detail: detail, Payload: m.payload}
	if kind == Delivered {
		e.Process, e.Peer = m.to, m.from
	}
	w.emit(e)
}
