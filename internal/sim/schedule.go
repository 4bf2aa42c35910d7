package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/internal/vfs"
)

// Fault names what an [Action] does.
type Fault string

// The faults, and which fields of an [Action] each uses besides At. Those
// marked (For) end by themselves after For, or never if that is 0.
const (
	// FaultPowerCut and FaultKill crash Process, and restart it (For).
	FaultPowerCut Fault = "powercut"
	FaultKill     Fault = "kill"
	// FaultPowerCutDuring and FaultKillDuring crash Process in the midst of a
	// disk operation, after Count more, and restart it For after that.
	FaultPowerCutDuring Fault = "powercut-during"
	FaultKillDuring     Fault = "kill-during"
	// FaultRestart boots Process if it is down.
	FaultRestart Fault = "restart"
	// FaultPause pauses Process for For.
	FaultPause Fault = "pause"
	// FaultPartition splits the network into Groups (For).
	FaultPartition Fault = "partition"
	// FaultCut stops what Process sends to Peer (For).
	FaultCut Fault = "cut"
	// FaultHeal ends all partitions and cuts.
	FaultHeal Fault = "heal"
	// FaultChaos makes Chaos hold on all links (For).
	FaultChaos Fault = "chaos"
	// FaultDrift makes the clock of Process gain Count parts per million (For).
	FaultDrift Fault = "drift"
	// FaultDiskError makes one disk operation of Process fail, after Count more.
	FaultDiskError Fault = "disk-error"
	// FaultDiskStall makes the next disk operation of Process take For.
	FaultDiskStall Fault = "disk-stall"
	// FaultOp is not a fault but an operation of a client, which Text says to
	// whoever applies the schedule.
	FaultOp Fault = "op"
)

// Action is one thing that a scenario does, as data.
type Action struct {
	At      time.Duration `json:"at"`
	Fault   Fault         `json:"fault"`
	For     time.Duration `json:"for,omitempty"`
	Process ID            `json:"process,omitempty"`
	Peer    ID            `json:"peer,omitempty"`
	Count   int           `json:"count,omitempty"`
	Groups  [][]ID        `json:"groups,omitempty"`
	Chaos   Chaos         `json:"chaos,omitzero"`
	Text    string        `json:"text,omitempty"`
}

// Schedule is a scenario as data: generated from a seed ([Generate]), applied
// to a world, printed, parsed again ([ParseSchedule]) and made smaller.
//
// It remains a valid schedule when any of its actions are left out, because
// every action carries its own end, and is without effect where it makes no
// sense: the crash of a process that is down, the restart of one that is up.
// Overlapping ones do not disturb each other; of two crashes the first counts,
// of two drifts the last.
type Schedule []Action

// Sorted returns the schedule in the order in which it happens. Actions of one
// instant keep their order.
func (s Schedule) Sorted() Schedule {
	s = slices.Clone(s)
	slices.SortStableFunc(s, func(a, b Action) int { return int(min(1, max(-1, a.At-b.At))) })
	return s
}

// Apply puts the actions into the world's queue, at their times from the
// world's beginning. op gets each [FaultOp] when its time comes; it may be nil.
func (s Schedule) Apply(w *World, op func(Action)) {
	for _, a := range s {
		w.At(a.At, func() { a.do(w, op) })
	}
}

func (a Action) do(w *World, op func(Action)) {
	switch a.Fault {
	case FaultPowerCut, FaultKill, FaultPowerCutDuring, FaultKillDuring, FaultRestart, FaultPause,
		FaultDrift, FaultDiskError, FaultDiskStall:
		if n := w.require(a.Process, string(a.Fault)); n != nil {
			a.doTo(w, n)
		}
	case FaultPartition:
		a.end(w, w.partition(a.Groups), formatGroups(a.Groups))
	case FaultCut:
		a.end(w, w.cut(a.Process, a.Peer), fmt.Sprintf("cut %d-%d", a.Process, a.Peer))
	case FaultHeal:
		w.Heal()
	case FaultChaos:
		a.end(w, w.addChaos(0, 0, a.Chaos), "")
	case FaultOp:
		if op != nil {
			op(a)
		}
	default:
		w.fail(fmt.Errorf("%w: unknown fault %q", ErrBadSchedule, a.Fault))
	}
}

// doTo does what concerns one process.
func (a Action) doTo(w *World, n *node) {
	switch a.Fault {
	case FaultPowerCut:
		w.crash(n, doom{how: PowerCut, downFor: a.For})
	case FaultKill:
		w.crash(n, doom{how: Kill, downFor: a.For})
	case FaultPowerCutDuring:
		w.crashDuring(n, a.Count, doom{how: PowerCut, downFor: a.For})
	case FaultKillDuring:
		w.crashDuring(n, a.Count, doom{how: Kill, downFor: a.For})
	case FaultRestart:
		w.Restart(n.id)
	case FaultPause:
		w.Pause(n.id, a.For)
	case FaultDrift:
		w.SetDrift(n.id, a.Count)
		mine := n.clock
		a.later(w, func() {
			if n.clock == mine { // else a later drift has taken over, and its end counts
				w.SetDrift(n.id, 0)
			}
		})
	case FaultDiskError:
		w.inject(n, vfs.Fault{Skip: max(0, a.Count), Err: vfs.ErrIO}, fmt.Sprintf("an error after %d operations", a.Count))
	case FaultDiskStall:
		w.inject(n, vfs.Fault{Stall: a.For}, fmt.Sprintf("a stall of %v", a.For))
	}
}

// later calls f when the action ends, if it does.
func (a Action) later(w *World, f func()) {
	if a.For > 0 {
		w.At(w.now+a.For, f)
	}
}

// end removes the action's rule of the network when the action ends.
func (a Action) end(w *World, id uint64, what string) {
	a.later(w, func() {
		if !w.removeRules(func(r *rule) bool { return r.id == id }) {
			return
		}
		if a.Fault == FaultChaos {
			w.emit(Event{Kind: ChaosChanged, Detail: "over: " + a.Chaos.String()})
			return
		}
		w.emit(Event{Kind: Healed, Detail: what})
	})
}

// String renders the schedule, one action a line, in the form that
// [ParseSchedule] reads.
func (s Schedule) String() string {
	var b strings.Builder
	for _, a := range s {
		b.WriteString(a.String())
		b.WriteByte('\n')
	}
	return b.String()
}
