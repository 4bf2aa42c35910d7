package sim_test

import (
	"testing"
	"time"

	"github.com/flagship-go/flagship/internal/sim"
)

// beat is the traffic of a consensus cluster without the consensus: a leader
// that sends heartbeats, followers that answer and set their timeouts anew.
type beat struct {
	*sim.Process
	timeout sim.Timer
	onTime  func()
	message any
}

func (b *beat) boot(p *sim.Process) sim.Handler {
	b.Process, b.message = p, &struct{ term int }{1}
	b.onTime = func() {}
	if p.ID() == 1 {
		b.onTime = func() {
			for to := sim.ID(2); to <= 5; to++ {
				b.Send(to, b.message)
			}
			b.After(50*ms, b.onTime)
		}
		b.onTime()
	}
	return b
}

func (b *beat) Receive(from sim.ID, _ any) {
	if b.ID() != 1 {
		b.timeout.Stop()
		b.timeout = b.After(time.Second, b.onTime)
		b.Send(from, b.message)
	}
}

// BenchmarkWorld runs five processes with a heartbeat of 50 ms: 180 events a
// virtual second. An operation is one event.
func BenchmarkWorld(b *testing.B) {
	chaos := sim.Chaos{Loss: 0.01, Duplicate: 0.01, Reorder: 0.01, LatencyMin: ms, LatencyMax: 10 * ms}
	for _, c := range []struct {
		name string
		sink func(sim.Event)
		disk bool
	}{
		{"sink=none", nil, false},
		{"sink=none/disk=mem", nil, true},
		{"sink=counting", func(sim.Event) {}, false},
	} {
		b.Run(c.name, func(b *testing.B) {
			w := sim.New(sim.Options{Seed: 1, Chaos: chaos, Sink: c.sink, MaxEvents: 1 << 60})
			for id := sim.ID(1); id <= 5; id++ {
				w.Spawn(id, (&beat{}).boot)
				if c.disk {
					w.Disk(id)
				}
			}
			for range 10_000 {
				w.Step()
			}
			start := w.Now()
			b.ReportAllocs()
			for b.Loop() {
				w.Step()
			}
			b.ReportMetric((w.Now()-start).Minutes()/b.Elapsed().Seconds(), "virtual-min/s")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkQueue sets and fires timers with that many others waiting.
func BenchmarkQueue(b *testing.B) {
	for _, c := range []struct {
		name    string
		waiting int
	}{{"waiting=10", 10}, {"waiting=1000", 1000}, {"waiting=100000", 100_000}} {
		b.Run(c.name, func(b *testing.B) {
			w := sim.New(sim.Options{MaxEvents: 1 << 60})
			w.Spawn(1, func(p *sim.Process) sim.Handler {
				r := p.Rand()
				var again func()
				again = func() { p.After(time.Duration(r.IntN(1000))*ms, again) }
				for range c.waiting {
					again()
				}
				return sim.HandlerFunc(func(sim.ID, any) {})
			})
			b.ReportAllocs()
			for b.Loop() {
				w.Step()
			}
		})
	}
}

// TestASteadyWorldDoesNotAllocate keeps what the benchmark shows.
func TestASteadyWorldDoesNotAllocate(t *testing.T) {
	w := sim.New(sim.Options{Seed: 1, Chaos: sim.Chaos{Loss: 0.1, Duplicate: 0.1, Reorder: 0.1}})
	for id := sim.ID(1); id <= 5; id++ {
		w.Spawn(id, (&beat{}).boot)
	}
	for range 50_000 {
		w.Step()
	}
	allocs := testing.AllocsPerRun(1000, func() { w.Step() })
	if allocs != 0 {
		t.Errorf("a step allocates %v times", allocs)
	}
}
