package sim

import (
	"fmt"
	"math"
	"time"
)

// CrashMode says how a process dies, and so what its disk is like afterwards.
type CrashMode string

const (
	// PowerCut loses what was written but not synced: all of it, none of it or
	// any part, in any order, as [vfs.Mem.CrashClone] draws it.
	PowerCut CrashMode = "power cut"
	// Kill ends the process but not its machine: the operating system keeps
	// everything that was written.
	Kill CrashMode = "kill"
)

// Crash ends the process at this moment. Its timers are cancelled, what it had
// not yet sent is never sent, and what waits for it is dropped; what is under
// way to others arrives. Nothing happens if it is down already.
func (w *World) Crash(id ID, how CrashMode) {
	if n := w.require(id, "crash"); n != nil {
		w.crash(n, doom{how: how})
	}
}

// CrashDuring lets the process do that many more disk operations and then fails
// all further ones: the crash comes in the middle of a handler, between two
// writes, where programs least expect it. What the handler sent before leaves;
// what it does after the failed operation is ignored. Boot counts as a handler,
// so that recovery can be interrupted too. An ordinary crash before undoes it.
func (w *World) CrashDuring(id ID, operations int, how CrashMode) {
	if n := w.require(id, "crash"); n != nil {
		w.crashDuring(n, operations, doom{how: how})
	}
}

// crash ends a life and reports whether there was one.
func (w *World) crash(n *node, d doom) bool {
	p := n.proc
	if p == nil {
		return false
	}
	p.dead, n.proc = true, nil
	w.crashDisk(n, d.how)
	detail := string(d.how)
	if d.detail != "" {
		detail = d.detail
	}
	w.emit(Event{Kind: Crashed, Process: n.id, Detail: detail})
	for !p.inbox.empty() {
		if it := w.queue.release(p.inbox.pop()); it.kind == itemMessage {
			w.emitMessage(Dropped, &it, "down")
		}
	}
	if d.downFor > 0 {
		w.restartAfter(n, d.downFor)
	}
	return true
}

// restartAfter boots the process again, unless something else did before: the
// life it ends is the one it knows.
func (w *World) restartAfter(n *node, d time.Duration) {
	life := n.life
	w.At(w.now+d, func() {
		if n.life == life && n.proc == nil {
			w.start(n)
		}
	})
}

// Restart boots a process that is down; nothing happens if it is up.
func (w *World) Restart(id ID) {
	if n := w.require(id, "restart"); n != nil && n.proc == nil {
		w.start(n)
	}
}

// Recover ends what keeps the cluster from working: it heals the network, takes
// back disk faults that have not struck, and boots every process that is down,
// be it that its start has failed. Chaos and drift stay. It is for the end of a
// schedule, before liveness is checked.
func (w *World) Recover() {
	w.Heal()
	for _, n := range w.nodes {
		if n == nil {
			continue
		}
		n.disk.repair()
		if n.proc == nil {
			w.start(n)
		}
	}
}

// Pause stops the process for that long, as a garbage collector or the move of
// a virtual machine does: its timers and messages are late, but not lost, and
// its clock goes on.
func (w *World) Pause(id ID, d time.Duration) {
	n := w.require(id, "pause")
	if n == nil || n.proc == nil {
		return
	}
	n.proc.pausedUntil = max(n.proc.pausedUntil, w.now+d)
	w.emit(Event{Kind: Paused, Process: id, Detail: d.String()})
}

// SetDrift makes the process's clock gain that many parts per million on the
// world's; negative ones lose. Real clocks stay within 200, broken ones do
// not: -500000 is half the speed. Timers that are set already keep their time.
func (w *World) SetDrift(id ID, ppm int) {
	if n := w.require(id, "drift"); n != nil {
		n.clock.set(w.now, ppm)
		w.emit(Event{Kind: Drifted, Process: id, Detail: fmt.Sprintf("%dppm", ppm)})
	}
}

// clock is a process's clock: a straight line through the point where its rate
// last changed.
type clock struct {
	ppm   int
	world time.Duration // there, the world's time
	local time.Duration // there, its own
}

const million = 1_000_000

// rate is how far the clock goes while the world goes a million. A clock that
// stands or runs back is out of the model.
func (c *clock) rate() uint64 { return uint64(max(1, million+int64(c.ppm))) }

func (c *clock) set(now time.Duration, ppm int) {
	*c = clock{ppm: ppm, world: now, local: c.read(now)}
}

func (c *clock) read(now time.Duration) time.Duration {
	passed, _ := scale(uint64(now-c.world), c.rate(), million)
	return c.local + time.Duration(passed)
}

// worldTime is how long the world takes while the clock advances by d, rounded
// up: a timer is never early by its own clock.
func (c *clock) worldTime(d time.Duration) time.Duration {
	t, rest := scale(uint64(d), million, c.rate())
	if rest > 0 {
		t++
	}
	return time.Duration(min(t, math.MaxInt64/4))
}
