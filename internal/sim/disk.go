package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
)

// disk is what a process stores on. It outlives the process: a crash replaces
// the memory of it by what a power cut, or a kill, would have left. A ghost that
// goes on writing does so to the disk of its own life, which nobody reads.
type disk struct {
	mem  *vfs.Mem // nil until someone asks for it
	plan *doom    // a crash that waits for a disk operation
	at   int64    // the number of that operation
}

// Disk returns the disk of this life. It is empty at first, and at each boot
// what the crash before left. An operation takes no time unless a fault with a
// stall strikes it.
func (p *Process) Disk() *vfs.Mem {
	switch {
	case p.mem != nil:
	case p.dead:
		p.mem = vfs.NewMem()
	default:
		p.mem = p.world.disk(p.node)
	}
	return p.mem
}

// Disk returns the disk that the process has now, to inject faults into or to
// look at. After a crash it is another one.
func (w *World) Disk(id ID) *vfs.Mem {
	n := w.require(id, "disk")
	if n == nil {
		return vfs.NewMem() // the world has stopped; its caller need not
	}
	return w.disk(n)
}

func (w *World) disk(n *node) *vfs.Mem {
	if n.disk.mem == nil {
		w.mount(n, vfs.NewMem())
	}
	return n.disk.mem
}

// mount gives the process a disk. Its errors are events.
func (w *World) mount(n *node, mem *vfs.Mem) {
	n.disk = disk{mem: mem}
	if w.sink == nil {
		return
	}
	mem.Observe(func(op vfs.Op) {
		// Not the ghosts', and not the ordinary errors such as a missing file.
		if n.disk.mem == mem && (errors.Is(op.Err, vfs.ErrIO) || errors.Is(op.Err, vfs.ErrNoSpace)) {
			w.emit(Event{Kind: DiskFault, Process: n.id, Detail: op.String()})
		}
	})
}

// takeStall returns how long the disk has kept the process since the last call.
func (d *disk) takeStall() time.Duration {
	if d.mem == nil {
		return 0
	}
	return d.mem.TakeStall()
}

// crashDuring arms a crash: the disk interrupts the operation after the next
// ones. Of two armed crashes the sooner counts.
func (w *World) crashDuring(n *node, operations int, d doom) {
	mem := w.disk(n)
	at := mem.Ops() + int64(max(0, operations)) + 1
	if n.disk.plan == nil || at < n.disk.at {
		n.disk.plan, n.disk.at = &d, at
		mem.CutPowerDuring(at)
	}
}

// repair takes all faults and an armed crash back.
func (d *disk) repair() {
	if d.mem == nil {
		return
	}
	d.mem.ClearFaults()
	if d.plan != nil {
		d.plan = nil
		d.mem.CutPower(math.MaxInt64)
	}
}

// tripped returns the armed crash once its operation has been tried.
func (d *disk) tripped() *doom {
	if d.plan == nil || d.mem.Ops() < d.at {
		return nil
	}
	hit := *d.plan
	hit.detail = fmt.Sprintf("%s in disk operation %d", hit.how, d.at)
	return &hit
}

// crashDisk puts in place what is left of the disk. The draws are this life's
// own: how one crash turned out does not change the next.
func (w *World) crashDisk(n *node, how CrashMode) {
	switch {
	case n.disk.mem == nil:
	case how == PowerCut:
		w.mount(n, n.disk.mem.CrashClone(stream(w.seed, "disk", uint64(n.id), n.life)))
	default:
		w.mount(n, n.disk.mem.KillClone())
	}
}

// inject puts a fault of a schedule into the process's disk.
func (w *World) inject(n *node, f vfs.Fault, what string) {
	w.disk(n).Inject(f)
	w.emit(Event{Kind: DiskFault, Process: n.id, Detail: what})
}
