package sim

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Profile says how much of what a generated schedule has. The zero value of a
// count is none of it.
type Profile struct {
	// Processes are those that faults hit.
	Processes []ID
	// Length is the time that the schedule fills. Every fault is over by then,
	// so that a check of liveness can follow in a healed world. Default: 1 min.
	Length time.Duration
	// FaultMin and FaultMax bound how long each fault lasts, drawn evenly.
	// Default: a hundredth to a tenth of Length.
	FaultMin, FaultMax time.Duration

	// PowerCuts and Kills count the crashes, which end in a restart. Those
	// During come in the midst of a random one of the next MaxDiskOperations
	// (default 50) disk operations.
	PowerCuts, Kills             int
	PowerCutsDuring, KillsDuring int
	MaxDiskOperations            int
	// Pauses counts pauses of a process.
	Pauses int
	// Partitions counts splits of the processes into two random groups, Cuts
	// one-way cuts of a random link.
	Partitions, Cuts int
	// Chaoses counts windows in which the network is as bad as a random part,
	// up to all, of Chaos.
	Chaoses int
	Chaos   Chaos
	// Drifts counts windows in which a clock gains or loses up to MaxDrift
	// parts per million (default 500).
	Drifts, MaxDrift int
	// DiskErrors counts failing disk operations, DiskStalls slow ones.
	DiskErrors, DiskStalls int
	// Ops counts operations of clients, and Op makes the text of each, the i-th
	// from 0. It must draw from nothing but r.
	Ops int
	Op  func(r *rand.Rand, i int) string
}

func (p Profile) withDefaults() Profile {
	if p.Length == 0 {
		p.Length = time.Minute
	}
	if p.FaultMax == 0 {
		p.FaultMax = p.Length / 10
	}
	if p.FaultMin == 0 {
		p.FaultMin = p.FaultMax / 10
	}
	if p.MaxDiskOperations == 0 {
		p.MaxDiskOperations = 50
	}
	if p.MaxDrift == 0 {
		p.MaxDrift = 500
	}
	p.FaultMax = min(p.FaultMax, p.Length)
	p.FaultMin = min(p.FaultMin, p.FaultMax)
	return p
}

// Generate makes the schedule of a seed. Every kind of fault has its own random
// stream: one pause more in the profile does not move the crashes.
func Generate(seed uint64, p Profile) Schedule {
	p = p.withDefaults()
	g := generator{Profile: p, seed: seed}
	if len(p.Processes) > 0 {
		g.onProcess(FaultPowerCut, p.PowerCuts, nil)
		g.onProcess(FaultKill, p.Kills, nil)
		during := func(r *rand.Rand, a *Action) { a.Count = r.IntN(p.MaxDiskOperations) }
		g.onProcess(FaultPowerCutDuring, p.PowerCutsDuring, during)
		g.onProcess(FaultKillDuring, p.KillsDuring, during)
		g.onProcess(FaultPause, p.Pauses, nil)
		g.onProcess(FaultDrift, p.Drifts, func(r *rand.Rand, a *Action) {
			a.Count = r.IntN(2*p.MaxDrift+1) - p.MaxDrift
		})
		g.onProcess(FaultDiskError, p.DiskErrors, func(r *rand.Rand, a *Action) {
			a.Count, a.For = r.IntN(p.MaxDiskOperations), 0
		})
		g.onProcess(FaultDiskStall, p.DiskStalls, nil)
	}
	if len(p.Processes) > 1 {
		g.many(FaultPartition, p.Partitions, func(r *rand.Rand, a *Action) { a.Groups = split(r, p.Processes) })
		g.many(FaultCut, p.Cuts, func(r *rand.Rand, a *Action) {
			pair := r.Perm(len(p.Processes))
			a.Process, a.Peer = p.Processes[pair[0]], p.Processes[pair[1]]
		})
	}
	g.many(FaultChaos, p.Chaoses, func(r *rand.Rand, a *Action) { a.Chaos = part(r, p.Chaos) })
	g.ops()
	return g.schedule.Sorted()
}

type generator struct {
	Profile
	seed     uint64
	schedule Schedule
}

// many adds n actions of one kind, each with a time and a length of its own.
func (g *generator) many(f Fault, n int, fill func(*rand.Rand, *Action)) {
	r := stream(g.seed, "schedule "+string(f), 0, 0)
	for range n {
		a := Action{Fault: f, For: pick(r, g.FaultMin, g.FaultMax)}
		a.At = pick(r, 0, g.Length-a.For)
		fill(r, &a)
		g.schedule = append(g.schedule, a)
	}
}

// onProcess is many with a random process each.
func (g *generator) onProcess(f Fault, n int, fill func(*rand.Rand, *Action)) {
	g.many(f, n, func(r *rand.Rand, a *Action) {
		a.Process = g.Processes[r.IntN(len(g.Processes))]
		if fill != nil {
			fill(r, a)
		}
	})
}

func (g *generator) ops() {
	when, what := stream(g.seed, "schedule op", 0, 0), stream(g.seed, "schedule op text", 0, 0)
	for i := range g.Ops {
		a := Action{Fault: FaultOp, At: pick(when, 0, g.Length)}
		if g.Op != nil {
			a.Text = g.Op(what, i)
		}
		g.schedule = append(g.schedule, a)
	}
}

// pick draws a time in whole milliseconds, for the reader's sake, or finer if
// the bounds are.
func pick(r *rand.Rand, lo, hi time.Duration) time.Duration {
	d := lo + time.Duration(r.Int64N(int64(hi-lo)+1))
	return max(lo, d.Truncate(time.Millisecond))
}

// split cuts the processes into two groups, neither empty.
func split(r *rand.Rand, ids []ID) [][]ID {
	order := r.Perm(len(ids))
	at := 1 + r.IntN(len(ids)-1)
	groups := make([][]ID, 2)
	for i, k := range order {
		side := 0
		if i >= at {
			side = 1
		}
		groups[side] = append(groups[side], ids[k])
	}
	slices.Sort(groups[0])
	slices.Sort(groups[1])
	return groups
}

// part draws a network between calm and c, in hundredths.
func part(r *rand.Rand, c Chaos) Chaos {
	share := func(p float64) float64 { return float64(int(p*float64(r.IntN(101)))) / 100 }
	c.Loss, c.Duplicate, c.Reorder = share(c.Loss), share(c.Duplicate), share(c.Reorder)
	if c.LatencyMax > c.LatencyMin {
		c.LatencyMax = pick(r, c.LatencyMin, c.LatencyMax)
	}
	return c
}
