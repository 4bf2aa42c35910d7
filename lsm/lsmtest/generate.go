package lsmtest

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// generator makes random logs of what an implementation claims.
type generator struct {
	rng    *rand.Rand
	claims Capabilities
	serial int
	snaps  []string
	iters  []string
	names  int
	silent bool // only steps that change something, each synced or not
}

// generate returns a log of n steps.
func generate(seed uint64, claims Capabilities, n int, silent bool) Log {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 77)), claims: claims, silent: silent}
	var l Log
	for len(l) < n {
		if s, ok := g.step(); ok {
			l = append(l, s)
		}
	}
	return l
}

// key is one of about sixty, some of them close together.
func (g *generator) key() []byte {
	switch n := g.rng.IntN(60); {
	case n < 50:
		return fmt.Appendf(nil, "k%02d", n)
	case n < 54:
		return fmt.Appendf(nil, "k%02d\x00", n-30)
	case n < 57:
		return repeated(fmt.Sprintf("k%02d", n-20), 100)
	default:
		return []byte{0xff, byte(n)}
	}
}

func (g *generator) value() []byte {
	g.serial++
	size := []int{1, 8, 60, 60, 200, 200, 800, 800, 3000}[g.rng.IntN(9)]
	return repeated(fmt.Sprintf("v%d.", g.serial), size)
}

func (g *generator) op() Op {
	switch n := g.rng.IntN(20); {
	case n < 3:
		return Op{Kind: Delete, Key: g.key()}
	case n == 3 && g.claims.RangeDelete:
		a, b := g.key(), g.key()
		if string(a) > string(b) {
			a, b = b, a
		}
		return Op{Kind: DeleteRange, Key: a, Value: b}
	case n < 8 && g.claims.Merge:
		g.serial++
		return Op{Kind: Merge, Key: g.key(), Value: fmt.Appendf(nil, "m%d", g.serial)}
	case n < 10 && g.claims.TTL:
		// Never just at a time at which a clock may stand.
		return Op{Kind: PutTTL, Key: g.key(), Value: g.value(), TTL: time.Duration(g.rng.IntN(30))*time.Second + 500*time.Millisecond}
	}
	return Op{Key: g.key(), Value: g.value()}
}

func (g *generator) bounds(s *step) {
	if g.rng.IntN(2) == 0 {
		return
	}
	if g.rng.IntN(4) > 0 {
		s.low = g.key()
	}
	if g.rng.IntN(4) > 0 {
		s.high = g.key()
	}
}

// step makes one; ok is false when it came to nothing.
func (g *generator) step() (s step, ok bool) {
	sync := g.rng.IntN(6) == 0
	if g.silent {
		sync = g.rng.IntN(3) == 0
	}
	switch n := g.rng.IntN(100); {
	case n < 34:
		return step{verb: "put", sync: sync, ops: []Op{g.op()}}, true
	case n < 46:
		s = step{verb: "batch", sync: sync}
		for range 1 + g.rng.IntN(12) {
			s.ops = append(s.ops, g.op())
		}
		return s, true
	case n < 50:
		return step{verb: "flush"}, g.claims.Maintenance
	case n < 52:
		return step{verb: "compact"}, g.claims.Maintenance
	case n < 53:
		g.snaps, g.iters = nil, nil
		return step{verb: "reopen"}, true
	case g.silent:
		return s, false
	case n < 70:
		return step{verb: "get", name: g.pick(g.snaps), key: g.key()}, true
	case n < 76:
		s = step{verb: "scan", name: g.pick(g.snaps)}
		if g.claims.Reverse && g.rng.IntN(3) == 0 {
			s.verb = "back"
		}
		g.bounds(&s)
		return s, true
	case n < 80:
		return g.hold()
	case n < 82:
		return g.release()
	case n < 96:
		return g.move()
	case n < 97:
		return step{verb: "verify"}, g.claims.Verify
	case n < 98:
		return step{verb: "checkpoint"}, g.claims.Checkpoint
	case !g.claims.TTL:
		return s, false
	default:
		g.snaps, g.iters = nil, nil
		return step{verb: "clock", wait: time.Duration(1+g.rng.IntN(20)) * time.Second}, true
	}
}

// pick returns one of the names held, or none.
func (g *generator) pick(names []string) string {
	if len(names) == 0 || g.rng.IntN(2) == 0 {
		return ""
	}
	return names[g.rng.IntN(len(names))]
}

// hold makes a snapshot or an iterator.
func (g *generator) hold() (step, bool) {
	g.names++
	if g.claims.Snapshots && g.rng.IntN(3) == 0 {
		name := fmt.Sprintf("s%d", g.names)
		g.snaps = append(g.snaps, name)
		return step{verb: "snap", name: name}, true
	}
	s := step{verb: "iter", name: fmt.Sprintf("i%d", g.names)}
	if s.of = g.pick(g.snaps); s.of != "" {
		s.verb = "iterin"
	}
	g.iters = append(g.iters, s.name)
	g.bounds(&s)
	return s, true
}

func (g *generator) release() (step, bool) {
	held, verb := &g.snaps, "drop"
	if g.rng.IntN(2) == 0 {
		held, verb = &g.iters, "close"
	}
	if len(*held) == 0 {
		return step{}, false
	}
	i := g.rng.IntN(len(*held))
	name := (*held)[i]
	*held = append((*held)[:i:i], (*held)[i+1:]...)
	return step{verb: verb, name: name}, true
}

func (g *generator) move() (step, bool) {
	if len(g.iters) == 0 {
		return step{}, false
	}
	moves := []string{"next", "next", "next", "ge", "first"}
	if g.claims.Reverse {
		moves = append(moves, "prev", "prev", "prev", "lt", "last")
	}
	s := step{verb: "move", name: g.iters[g.rng.IntN(len(g.iters))], move: moves[g.rng.IntN(len(moves))]}
	if s.move == "ge" || s.move == "lt" {
		s.key = g.key()
	}
	return s, true
}
