package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
)

// ID names a process. IDs are small positive numbers; 0 is the world outside.
type ID int

// maxID bounds the IDs, because links are looked up in a table.
const maxID = 9999

// Handler is the program of a process between two boots. It runs on the one
// goroutine of the world, one call at a time, and each call takes no virtual
// time but that of the disk's stalls.
type Handler interface {
	// Receive handles a message. The payload is the receiver's own if
	// [Options].Clone copies it.
	Receive(from ID, payload any)
}

// HandlerFunc is a function as a [Handler].
type HandlerFunc func(from ID, payload any)

// Receive calls the function.
func (f HandlerFunc) Receive(from ID, payload any) { f(from, payload) }

// Process is one life of a process, from a boot to the crash after it, as its
// program sees it. A program that has crashed may still hold it; it is then a
// ghost whose calls do nothing.
//
// A handler runs at one instant of the queue, but the disk can make it last:
// each stall moves the time the process has got to, and what it sends then
// leaves then. Everything that arrives meanwhile waits.
//
//	queue     | receive m1           | receive m2 (waits) ......|
//	process   | send a | Sync 30 ms ............... | send b    | m2
//	leaves    | a      |                            | b         |
type Process struct {
	world   *World
	node    *node
	life    uint64
	handler Handler
	rand    *rand.Rand
	mem     *vfs.Mem

	running bool  // inside boot, Receive or a timer
	dead    bool  // this life is over
	doom    *doom // it is to die as soon as it gets to busyUntil

	pausedUntil time.Duration   // nothing runs or leaves before
	busyUntil   time.Duration   // the time the last handler got to
	outbox      fifo[departure] // sent by a handler after a stall
	inbox       fifo[int32]     // slots of the queue's items that wait
	waking      bool            // a wake-up is in the queue
}

type departure struct {
	at      time.Duration
	to      ID
	payload any
}

// doom is a death that is certain but not yet reached.
type doom struct {
	how     CrashMode
	detail  string
	downFor time.Duration // restart after that; 0: stay down
}

// node is what stays of a process across its lives.
type node struct {
	id    ID
	boot  func(*Process) Handler
	life  uint64
	proc  *Process // nil while it is down
	clock clock
	disk  disk
}

// ID returns the process's name.
func (p *Process) ID() ID { return p.node.id }

// Life tells which boot of the process this is, from 1.
func (p *Process) Life() int { return int(p.life) }

// Rand returns this life's random source.
func (p *Process) Rand() *rand.Rand {
	if p.rand == nil {
		p.rand = stream(p.world.seed, "process", uint64(p.node.id), p.life)
	}
	return p.rand
}

// Now returns the time by the process's own clock, which drifts if
// [World.SetDrift] says so and never stops or goes back. Inside a handler it
// includes what the disk has taken so far.
func (p *Process) Now() time.Duration { return p.node.clock.read(p.reached()) }

// reached returns the world's time that the process has got to.
func (p *Process) reached() time.Duration {
	if !p.running {
		return p.world.now
	}
	p.settle()
	return max(p.world.now, p.busyUntil)
}

// settle books the time that the disk took since the last look.
func (p *Process) settle() {
	if p.dead {
		return
	}
	stall := p.node.disk.takeStall()
	if stall <= 0 {
		return
	}
	p.busyUntil = max(p.busyUntil, p.world.now) + stall
	if p.world.sink != nil {
		p.world.emit(Event{Kind: Stalled, Process: p.node.id, Detail: stall.String()})
	}
}

// gone tells whether the process can do nothing any more.
func (p *Process) gone() bool {
	if !p.dead && p.doom == nil {
		p.doom = p.node.disk.tripped()
	}
	return p.dead || p.doom != nil
}

// Send sends a message over the network, to itself at once and without loss.
// The payload must not be changed afterwards unless [Options].Clone copies it.
func (p *Process) Send(to ID, payload any) {
	if p.gone() {
		return
	}
	w := p.world
	payload = w.clone(payload)
	at := max(p.reached(), p.pausedUntil, p.busyUntil)
	if at <= w.now && p.outbox.empty() {
		w.transmit(p.node.id, to, payload)
		return
	}
	p.outbox.push(departure{at, to, payload})
	p.arrangeWake()
}

// After calls f once the process's clock has advanced by d, unless the timer is
// stopped or the process crashes before. It returns a handle by value: setting
// and stopping timers does not allocate.
func (p *Process) After(d time.Duration, f func()) Timer {
	if p.gone() {
		return Timer{}
	}
	at := p.reached() + p.node.clock.worldTime(max(d, 0))
	q := &p.world.queue
	slot := q.push(at, item{kind: itemTimer, proc: p, fn: f})
	return Timer{queue: q, slot: slot, gen: q.slab[slot].gen}
}

// Note emits an event of the application's own, for its checkers and viewers.
func (p *Process) Note(kind string, payload any) {
	if p.world.sink != nil && !p.gone() {
		p.world.emit(Event{Kind: Note, Process: p.node.id, Detail: kind, Payload: payload})
	}
}

// Exit ends this life as a kill does, like a program that stops on an error it
// cannot handle. What it sent before still leaves; what it does afterwards is
// ignored, so the caller just returns.
func (p *Process) Exit(reason string) {
	if p.gone() {
		return
	}
	p.doom = &doom{how: Kill, detail: "exit: " + reason}
	p.arrangeWake()
}

// Timer is what [Process.After] returns. The zero Timer is one that has fired.
type Timer struct {
	queue *queue
	slot  int32
	gen   uint32
}

// Stop prevents the timer from firing, even when it is due but waits for a busy
// process. It reports false if it has fired or was stopped before.
func (t Timer) Stop() bool {
	return t.queue != nil && t.queue.cancel(t.slot, t.gen)
}

// start begins a new life.
func (w *World) start(n *node) {
	n.life++
	p := &Process{world: w, node: n, life: n.life}
	n.proc = p
	w.emit(Event{Kind: Started, Process: n.id})
	p.running = true
	defer p.finish()
	p.handler = n.boot(p)
	if p.handler == nil {
		p.Exit("boot returned no handler")
	}
}

// accept takes a timer or message that is due: now, or when it is free.
func (p *Process) accept(slot int32) {
	if p.world.now < max(p.busyUntil, p.pausedUntil) || p.doom != nil || !p.outbox.empty() || !p.inbox.empty() {
		p.inbox.push(slot)
		p.arrangeWake()
		return
	}
	p.execute(slot)
}

// execute runs the program for one timer or message.
func (p *Process) execute(slot int32) {
	it := p.world.queue.release(slot)
	if it.kind == itemTimer {
		p.world.emit(Event{Kind: TimerFired, Process: p.node.id})
	} else {
		p.world.emitMessage(Delivered, &it, "")
	}
	p.running = true
	defer p.finish()
	if it.kind == itemTimer {
		it.fn()
	} else {
		p.handler.Receive(it.from, it.payload)
	}
}

// finish is deferred around every call into the program.
func (p *Process) finish() {
	panicked := recover()
	if panicked != nil && !p.gone() {
		// A ghost may well panic, over its failing disk for one: it is not there.
		p.world.fail(&PanicError{
			Seed: p.world.seed, At: p.world.now, Process: p.node.id,
			Value: panicked, Stack: debug.Stack(),
		})
	}
	p.settle()
	p.running = false
	p.proceed()
}

// proceed lets the process die if its time has come, and otherwise sees to it
// that what waits is taken up.
func (p *Process) proceed() {
	if p.gone() && !p.dead && p.outbox.empty() && p.world.now >= max(p.busyUntil, p.pausedUntil) {
		p.world.crash(p.node, *p.doom)
		return
	}
	p.arrangeWake()
}

// arrangeWake puts the next wake-up into the queue. One at a time is enough:
// the moment only ever moves back, and wake looks again.
func (p *Process) arrangeWake() {
	var at time.Duration
	switch {
	case p.dead || p.waking || p.running:
		return
	case !p.outbox.empty():
		at = p.outbox.front().at
	case !p.inbox.empty() || p.doom != nil:
		at = p.busyUntil
	default:
		return
	}
	p.waking = true
	p.world.queue.push(max(at, p.pausedUntil, p.world.now), item{kind: itemWake, proc: p})
}

// wake sends what has its time, and when all is sent and the handler's time is
// over, takes up the first thing that waits.
func (p *Process) wake() {
	p.waking = false
	w := p.world
	if w.now >= p.pausedUntil {
		for !p.outbox.empty() && p.outbox.front().at <= w.now {
			d := p.outbox.pop()
			w.transmit(p.node.id, d.to, d.payload)
		}
		if p.outbox.empty() && w.now >= p.busyUntil && p.doom == nil {
			for !p.inbox.empty() {
				slot := p.inbox.pop()
				if !w.queue.slab[slot].dead() {
					p.execute(slot)
					return
				}
				w.queue.release(slot)
			}
		}
	}
	p.proceed()
}

// fifo is a queue that reuses its space.
type fifo[T any] struct {
	items []T
	head  int
}

func (f *fifo[T]) empty() bool { return f.head == len(f.items) }
func (f *fifo[T]) front() *T   { return &f.items[f.head] }

func (f *fifo[T]) push(x T) {
	if f.head > 32 && f.head > len(f.items)/2 {
		n := copy(f.items, f.items[f.head:])
		clear(f.items[n:])
		f.items, f.head = f.items[:n], 0
	}
	f.items = append(f.items, x)
}

func (f *fifo[T]) pop() T {
	var zero T
	x := f.items[f.head]
	f.items[f.head] = zero
	f.head++
	if f.empty() {
		f.items, f.head = f.items[:0], 0
	}
	return x
}

// PanicError is the panic of a handler, with what is needed to see it again.
type PanicError struct {
	Seed    uint64
	At      time.Duration
	Process ID
	Value   any
	Stack   []byte
}

// Error includes the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("sim: seed %d at %v: process %d panicked: %v\n%s", e.Seed, e.At, e.Process, e.Value, e.Stack)
}
