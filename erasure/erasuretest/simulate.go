package erasuretest

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
	"github.com/flagship-go/flagship/internal/vfs"
)

// The simulator: a store in Serial mode with its drives on one disk in memory,
// in a world that fails in every way that drives can, decided by one
// seed. A run is a list of steps; the same seed gives the same run.
//
//	calls    put, version, upload, mark, marknull, delete, drop, hangup, get, heal, deep
//	drives   lose, return, attach, wipe, shuffle
//	slow     slow (calls are not answered in time), late (some of them are done
//	         after all, in any order), quick (all are)
//	damage   flip, cut off
//	outages  eio (one call), full (all writes until calm)
//	power    power (goes during one of the next operations), restart
//
// The ledger judges every answer. At the end all faults are over, everything is
// healed, and every version is read again: with all drives, and to the last file.

// Options say what to simulate. The zero value draws everything from the seed.
type Options struct {
	// Data and Parity are the geometry. Default: one of seven.
	Data, Parity int
	// Steps of the run. Default 40.
	Steps int
	// Attempts bounds the runs spent on minimising a failure. Default 2000;
	// negative: none.
	Attempts int
	// Story is what happens instead of what the seed would generate: a minimised
	// one, for instance. The seed still decides the rest.
	Story []Step
}

// A Step is one thing that happens in a run. It makes sense, or does nothing,
// whatever steps are left out before it.
type Step struct {
	What  string
	Name  string // of an object
	Drive int
	N     uint64 // what the step is made of besides: sizes, places, luck
}

// String is how a step is written: "put a/b d3 #7".
func (s Step) String() string { return fmt.Sprintf("%s %s d%d #%d", s.What, s.Name, s.Drive, s.N) }

// ParseSteps reads what failures print, one step a line.
func ParseSteps(text string) ([]Step, error) {
	var steps []Step
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		var s Step
		if _, err := fmt.Sscanf(line, "%s %s d%d #%d", &s.What, &s.Name, &s.Drive, &s.N); err != nil {
			return nil, fmt.Errorf("step %q: %w", line, err)
		}
		if doing[s.What] == nil {
			return nil, fmt.Errorf("step %q: nobody can %q", line, s.What)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

// Report is what happened in a run.
type Report struct {
	Seed         uint64
	Data, Parity int
	Stats
}

// Add returns the report of both runs together.
func (r Report) Add(other Report) Report {
	r.Stats.add(other.Stats)
	return r
}

// Failure is a seed that broke a rule.
type Failure struct {
	Seed         uint64
	Data, Parity int
	Rule, Text   string
	// Story is what the seed generated; Minimal is a part of it that breaks the
	// same rule.
	Story, Minimal []Step
}

func (f *Failure) Error() string {
	s := fmt.Sprintf("RULE %s: %s\nseed %d, %d+%d; minimised from %d steps to %d:\n", f.Rule, f.Text, f.Seed, f.Data, f.Parity, len(f.Story), len(f.Minimal))
	for _, step := range f.Minimal {
		s += "\t" + step.String() + "\n"
	}
	return s
}

// Simulate runs one seed and fails the test on what it finds.
func Simulate(t testing.TB, impl Implementation, seed uint64, o Options) Report {
	t.Helper()
	report, err := Explore(impl, seed, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

var simGeometries = []geometry{{2, 2}, {3, 1}, {4, 2}, {6, 2}, {1, 1}, {2, 1}, {3, 2}}

var simNames = []string{"a", "a/b", "k"}

// Explore runs one seed. The error is a [*Failure], minimised; the report is of
// the first run.
func Explore(impl Implementation, seed uint64, o Options) (Report, error) {
	rng := rand.New(rand.NewPCG(seed, 0x65726173757265))
	g := simGeometries[rng.IntN(len(simGeometries))]
	if o.Data > 0 {
		g = geometry{o.Data, o.Parity}
	}
	if o.Steps == 0 {
		o.Steps = 40
	}
	story := o.Story
	if story == nil {
		story = generate(rng, g, o.Steps)
	}
	stats, broken := simulate(&impl, seed, g, story)
	report := Report{seed, g.data, g.parity, stats}
	if broken == nil {
		return report, nil
	}
	f := &Failure{Seed: seed, Data: g.data, Parity: g.parity, Rule: broken.rule, Story: story, Minimal: story}
	if o.Attempts == 0 {
		o.Attempts = 2000
	}
	if o.Attempts > 0 {
		small, ok := sim.Minimise(story, o.Attempts, func(part []Step) bool {
			_, v := simulate(&impl, seed, g, part)
			return v != nil && v.rule == broken.rule
		})
		if ok {
			f.Minimal = small
			_, broken = simulate(&impl, seed, g, small)
		}
	}
	f.Text = broken.text
	return report, f
}

// weights say how often a step is taken.
var weights = []struct {
	what string
	n    int
}{
	{"put", 16}, {"version", 6}, {"upload", 3}, {"mark", 3}, {"marknull", 1}, {"delete", 7}, {"drop", 3}, {"hangup", 2}, {"get", 12}, {"heal", 3}, {"deep", 3},
	{"lose", 7}, {"return", 6}, {"attach", 4}, {"wipe", 3}, {"shuffle", 2},
	{"slow", 8}, {"late", 6}, {"quick", 4},
	{"flip", 4}, {"cutoff", 2}, {"eio", 5}, {"full", 2}, {"calm", 3}, {"power", 10}, {"restart", 5}, {"clock", 2},
}

// generate makes the steps of a seed. Most steps are about one object, whose
// history is then long.
func generate(rng *rand.Rand, g geometry, steps int) []Step {
	total := 0
	for _, w := range weights {
		total += w.n
	}
	favourite := simNames[rng.IntN(len(simNames))]
	story := make([]Step, steps)
	for i := range story {
		s := Step{Name: favourite, Drive: rng.IntN(g.total()), N: uint64(rng.Uint32())}
		if rng.IntN(3) == 0 {
			s.Name = simNames[rng.IntN(len(simNames))]
		}
		n := rng.IntN(total)
		for _, w := range weights {
			if n -= w.n; n < 0 {
				s.What = w.what
				break
			}
		}
		story[i] = s
	}
	return story
}

// simulate runs a story. A panic of the store is a broken rule too.
func simulate(impl *Implementation, seed uint64, g geometry, story []Step) (stats Stats, broken *violation) {
	p, err := newPlayer(impl, g)
	if err != nil {
		return stats, &violation{"E1", fmt.Sprintf("no store can be made: %v", err)}
	}
	at := "in the calm"
	defer func() {
		stats = p.stats
		switch end := recover().(type) {
		case nil:
		case violation:
			end.text = at + ": " + end.text
			broken = &end
		default:
			broken = &violation{"panic", fmt.Sprintf("%s: %v\n%s", at, end, debug.Stack())}
		}
		p.r.close()
	}()
	for i, s := range story {
		at = fmt.Sprintf("step %d, %v", i, s)
		doing[s.What](p, s)
		if p.dark() {
			p.powerBack(s.N)
		}
		p.r.clock = p.r.clock.Add(time.Millisecond)
	}
	at = "in the calm"
	p.calm()
	return p.stats, nil
}

// powerBack opens the store on what a power cut has left.
func (p *player) powerBack(n uint64) {
	rng := rand.New(rand.NewPCG(n, 3))
	p.restart(func(m *vfs.Mem) *vfs.Mem {
		switch n % 8 {
		case 0:
			return m.CrashClone(nil)
		case 1:
			return m.CrashCloneKeepAll()
		}
		return m.CrashClone(rng)
	})
}

// content is the body that a step puts: no two are alike, but for empty ones.
func content(s Step) []byte {
	sizes := []int{0, 1, 60, 60, 700, 2000, testBlock, testBlock + 1, 2*testBlock + 33}
	return body(int(s.N), sizes[s.N%uint64(len(sizes))])
}
