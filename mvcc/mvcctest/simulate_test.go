package mvcctest

import (
	"bytes"
	"flag"
	"strings"
	"testing"

	"github.com/flagship-go/flagship/mvcc"
)

var (
	seed = flag.Uint64("seed", 0, "run the simulation of this seed alone")
	txns = flag.Int("txns", 0, "about how many transactions to simulate in all; 0 is some thousands")
)

var simulatedModes = []mvcc.Mode{mvcc.SnapshotIsolation, mvcc.Serializable, mvcc.Pessimistic}

// simulationOf makes a simulation of a seed alone.
func simulationOf(seed uint64) Simulation {
	names := Workloads()
	return Simulation{
		Seed: seed, Mode: simulatedModes[seed%3], Hybrid: seed/3%2 == 1, Workload: names[int(seed/6)%len(names)],
	}
}

// runSeed fails the test with the story of a seed that fails: of the transactions that the
// failure names, if it names any.
func runSeed(t *testing.T, o Simulation) Simulated {
	t.Helper()
	done, err := Simulate(o)
	if err == nil {
		return done
	}
	var story bytes.Buffer
	o.Story = &story
	_, again := Simulate(o)
	if again == nil || again.Error() != err.Error() {
		t.Errorf("the same seed has another end: %v", again)
	}
	t.Errorf("%v\nagain: go test ./mvcc/mvcctest -run TestSimulation -seed %d\n%s", err, o.Seed, about(story.String(), err.Error()))
	return done
}

// about returns the lines of a story in which transactions of a failure take part, the
// last of them.
func about(story, failure string) string {
	names := map[string]bool{}
	for _, word := range strings.FieldsFunc(failure, func(r rune) bool { return r != 'T' && (r < '0' || r > '9') }) {
		if len(word) > 1 && word[0] == 'T' {
			names[word] = true
		}
	}
	var lines []string
	for line := range strings.Lines(story) {
		_, rest, _ := strings.Cut(line, ", ")
		txn, _, isTxn := strings.Cut(rest, ":")
		if len(names) == 0 || names[txn] || !isTxn {
			lines = append(lines, line)
		}
	}
	if n := len(lines); n > 200 {
		lines = lines[n-200:]
	}
	return strings.Join(lines, "")
}

func TestSimulation(t *testing.T) {
	if *seed != 0 {
		o := simulationOf(*seed)
		runSeed(t, o)
		return
	}
	n := uint64(12)
	if *txns > 0 {
		n = uint64(*txns/150/6) + 1
	}
	var all Simulated
	for first := range uint64(6) {
		o := simulationOf(first)
		name := o.Mode.String() + "-oracle"
		if o.Hybrid {
			name = o.Mode.String() + "-hybrid"
		}
		t.Run(name, func(t *testing.T) {
			for i := uint64(0); i < n && !t.Failed(); i++ {
				all.add(runSeed(t, simulationOf(first+6*(i+1))))
			}
		})
	}
	t.Logf("%+v", all)
	if !t.Failed() && all.Regions > 6*10 && (all.Committed < all.Txns/3 || all.Died == 0 || all.Unknown == 0 || all.Collected == 0) {
		t.Errorf("the simulation does too little: %+v", all)
	}
}

func (s *Simulated) add(d Simulated) {
	s.Txns += d.Txns
	s.Committed += d.Committed
	s.Unknown += d.Unknown
	s.Died += d.Died
	s.Collected += d.Collected
	s.Regions += d.Regions
}
