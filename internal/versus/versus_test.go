package versus

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/cputime"
)

// A fake is a contender made of functions.
type fake struct {
	run   func(ctx context.Context, w *Work) error
	close func() error
}

func (f fake) Run(ctx context.Context, w *Work) error { return f.run(ctx, w) }

func (f fake) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

func contender(name string, run func(ctx context.Context, w *Work) error) Contender {
	return Contender{Name: name, Setup: func(context.Context, Cell) (Runner, error) { return fake{run: run}, nil }}
}

// sleeper takes one operation a delay, in virtual time.
func sleeper(name string, delay time.Duration) Contender {
	return contender(name, func(ctx context.Context, w *Work) error {
		return w.Each(ctx, w.Cell.Int("clients", 1), func(context.Context, *Client) error {
			time.Sleep(delay)
			return nil
		})
	})
}

func TestRoundsAreInterleavedAndRotated(t *testing.T) {
	var order []string
	note := func(name string) Contender {
		return contender(name, func(_ context.Context, w *Work) error {
			order = append(order, string(w.Cell)+" "+name)
			w.NewClient().Next()
			return nil
		})
	}
	_, err := Run(t.Context(), Config{Rounds: 3, Ops: 1}, []Contender{note("A"), note("B"), note("C")}, []Cell{"n=1", "n=2"})
	require.NoError(t, err)
	require.Equal(t, "n=1 A,n=1 B,n=1 C,n=1 B,n=1 C,n=1 A,n=1 C,n=1 A,n=1 B,n=1 A,n=1 B,n=1 C,"+
		"n=2 A,n=2 B,n=2 C,n=2 B,n=2 C,n=2 A,n=2 C,n=2 A,n=2 B,n=2 A,n=2 B,n=2 C", strings.Join(order, ","))
}

func TestWarmUpDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		c := contender("A", func(_ context.Context, w *Work) error {
			for c := w.NewClient(); c.Next(); {
				if first {
					time.Sleep(time.Hour)
				}
				time.Sleep(time.Second)
			}
			first = false
			return nil
		})
		r, err := Run(t.Context(), Config{Rounds: 3, Ops: 10, Limit: 100 * time.Hour}, []Contender{c}, []Cell{"n=1"})
		require.NoError(t, err)
		require.Equal(t, Figure{Median: 1, Min: 1, Max: 1}, r.Results[0].Figures[OpsPerSec])
	})
}

func TestRateAndLatencyAreThoseOfTheOperations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := Run(t.Context(), Config{Latency: true, Rounds: 1}, []Contender{sleeper("A", time.Millisecond)}, []Cell{"clients=4"})
		require.NoError(t, err)
		rate, ok := r.Value("clients=4", "A", OpsPerSec)
		require.True(t, ok)
		require.InDelta(t, 4000, rate, 8, "4 clients, 1 ms an operation, for the default second")
		for _, m := range []Metric{P50, P99} {
			d, ok := r.Value("clients=4", "A", m)
			require.True(t, ok)
			require.InEpsilon(t, 1e6, d, 0.03)
		}
	})
}

func TestEveryOperationIsDoneExactlyOnce(t *testing.T) {
	for _, ops := range []int64{1, 7, 64, 1000, 100_000} {
		for _, clients := range []int{1, 3, 16} {
			var done atomic.Int64
			c := contender("A", func(ctx context.Context, w *Work) error {
				return w.Each(ctx, clients, func(context.Context, *Client) error { done.Add(1); return nil })
			})
			_, err := measure(t.Context(), Config{Ops: ops}, c, "n=1")
			require.NoError(t, err)
			require.Equal(t, ops, done.Load(), "%d clients", clients)
		}
	}
}

func TestEveryContenderSeesTheSameRandomNumbers(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	draw := func(ctx context.Context, w *Work) error {
		return w.Each(ctx, 3, func(_ context.Context, c *Client) error {
			mu.Lock()
			defer mu.Unlock()
			seen[fmt.Sprint(c.ID, c.Rand.Uint64())]++
			return nil
		})
	}
	// One client's share of the operations may differ from run to run, but the
	// first number of client 0 belongs to every sample in which it works.
	one := func(ctx context.Context, w *Work) error {
		c := w.NewClient()
		for c.Next() {
			seen[fmt.Sprint(c.ID, c.Rand.Uint64())]++
		}
		return ctx.Err()
	}
	_, err := Run(t.Context(), Config{Ops: 5, Rounds: 1}, []Contender{contender("A", one), contender("B", one)}, []Cell{"n=1"})
	require.NoError(t, err)
	require.Len(t, seen, 5)
	for number, n := range seen {
		require.Equal(t, 4, n, number)
	}
	clear(seen)
	_, err = Run(t.Context(), Config{Ops: 30, Rounds: 1}, []Contender{contender("A", draw)}, []Cell{"n=1"})
	require.NoError(t, err)
	for number, n := range seen {
		require.LessOrEqual(t, n, 2, "no two clients draw alike: %s", number)
	}
}

func TestAFailureIsReportedByNameAndSpoilsNothing(t *testing.T) {
	boom := errors.New("boom")
	closed := 0
	bad := func(name string, setup error, run func(context.Context, *Work) error, end error) Contender {
		return Contender{Name: name, Setup: func(context.Context, Cell) (Runner, error) {
			return fake{run, func() error { closed++; return end }}, setup
		}}
	}
	fine := func(ctx context.Context, w *Work) error {
		return w.Each(ctx, 1, func(context.Context, *Client) error { return nil })
	}
	contenders := []Contender{
		bad("setup", boom, fine, nil),
		bad("run", nil, func(context.Context, *Work) error { return boom }, nil),
		bad("close", nil, fine, boom),
		bad("panic", nil, func(context.Context, *Work) error { panic("at the disco") }, nil),
		bad("client panic", nil, func(ctx context.Context, w *Work) error {
			return w.Each(ctx, 2, func(context.Context, *Client) error { panic("in a client") })
		}, nil),
		bad("operation", nil, func(ctx context.Context, w *Work) error {
			return w.Each(ctx, 2, func(context.Context, *Client) error { return boom })
		}, nil),
		bad("idle", nil, func(context.Context, *Work) error { return nil }, nil),
		bad("no clients", nil, func(ctx context.Context, w *Work) error { return w.Each(ctx, 0, nil) }, nil),
		contender("healthy", fine),
	}
	var progress strings.Builder
	r, err := Run(t.Context(), Config{Ops: 10, Rounds: 2, Progress: &progress}, contenders, []Cell{"n=1"})
	require.NoError(t, err)
	want := map[string]string{
		"setup": "setting up: boom", "run": "running: boom", "close": "closing: boom", "panic": "panic: at the disco",
		"client panic": "panic: in a client", "operation": "operation 1: boom", "idle": "no operation was done", "no clients": "0 clients",
	}
	require.Len(t, r.Results, len(contenders))
	for _, res := range r.Results {
		if res.Contender == "healthy" {
			require.Empty(t, res.Err)
			require.NotEmpty(t, res.Figures)
			continue
		}
		require.Contains(t, res.Err, want[res.Contender], res.Contender)
		require.Empty(t, res.Figures)
		require.Contains(t, progress.String(), "n=1  round 0 of 2  "+res.Contender+"  failed: ")
	}
	require.Equal(t, 7, closed, "each that was set up is closed, once, and not tried again")
}

// A sample that is over before its clients run has an operation of each.
func TestEachClientDoesAnOperation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		late := contender("late", func(ctx context.Context, w *Work) error {
			time.Sleep(time.Minute) // as if others had the machine
			return w.Each(ctx, 3, func(context.Context, *Client) error { time.Sleep(time.Second); return nil })
		})
		r, err := Run(t.Context(), Config{Duration: time.Millisecond, Rounds: 1}, []Contender{late}, []Cell{"n=1"})
		require.NoError(t, err)
		require.Empty(t, r.Results[0].Err)
		require.NotEmpty(t, r.Results[0].Figures)
	})
}

func TestALimitEndsTheSample(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := contender("stuck", func(ctx context.Context, _ *Work) error { <-ctx.Done(); return ctx.Err() })
		slow := contender("slow", func(ctx context.Context, w *Work) error {
			// Takes no notice of the context: the work itself runs out.
			return w.Each(context.Background(), 1, func(context.Context, *Client) error { time.Sleep(time.Minute); return nil })
		})
		r, err := Run(t.Context(), Config{Ops: 1e9, Rounds: 1, Limit: time.Hour}, []Contender{stuck, slow}, []Cell{"n=1"})
		require.NoError(t, err)
		require.Contains(t, r.Results[0].Err, "longer than the limit of 1h0m0s")
		require.Contains(t, r.Results[1].Err, "longer than the limit of 1h0m0s")
	})
}

func TestTheEndOfTheContextEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := contender("A", func(ctx context.Context, w *Work) error {
		return w.Each(ctx, 2, func(context.Context, *Client) error { cancel(); return nil })
	})
	_, err := Run(ctx, Config{Ops: 1 << 40}, []Contender{c}, []Cell{"n=1"})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "measuring A at n=1")
}

func TestAllocationsAreThoseOfTheOperations(t *testing.T) {
	var keep [][]byte
	c := contender("A", func(ctx context.Context, w *Work) error {
		return w.Each(ctx, 1, func(context.Context, *Client) error {
			keep = append(keep[:0], make([]byte, 4096))
			return nil
		})
	})
	s, err := measure(t.Context(), Config{Ops: 10_000}, c, "n=1")
	require.NoError(t, err)
	require.InDelta(t, 1, s[AllocsPerOp], 0.2)
	require.InDelta(t, 4096, s[BytesPerOp], 400)
	require.NotContains(t, s, P50, "no latency without records")
	if _, ok := cputime.Process(); ok {
		require.Contains(t, s, CPUPerOp)
	} else {
		require.NotContains(t, s, CPUPerOp)
	}
}

func TestWrongUseIsRefusedBeforeAnythingRuns(t *testing.T) {
	ok := contender("A", func(context.Context, *Work) error { panic("must not run") })
	as, n1 := []Contender{ok}, []Cell{"n=1"}
	for _, c := range []struct {
		name       string
		cfg        Config
		contenders []Contender
		cells      []Cell
		want       string
	}{
		{"no contender", Config{}, nil, n1, "at least one contender"},
		{"no cell", Config{}, as, nil, "and one cell"},
		{"no name", Config{}, []Contender{{Setup: ok.Setup}}, n1, "Name and Setup are needed"},
		{"no setup", Config{}, []Contender{{Name: "A"}}, n1, "Name and Setup are needed"},
		{"name twice", Config{}, []Contender{ok, ok}, n1, `two contenders have the name "A"`},
		{"bad cell", Config{}, as, []Cell{"n"}, `cell "n": write key=value`},
		{"cell twice", Config{}, as, []Cell{"n=1", "n=1"}, `two cells have the name "n=1"`},
		{"ours unknown", Config{Ours: "B"}, as, n1, `Ours: there is no contender "B"`},
		{"reference unknown", Config{Reference: "B"}, as, n1, `Reference: there is no contender "B"`},
		{"goal without ours", Config{Goals: []Goal{{Metric: OpsPerSec, AtLeast: 1}}}, as, n1, "a goal needs Config.Ours"},
		{"goal without ratio", Config{Ours: "A", Goals: []Goal{{Metric: OpsPerSec}}}, as, n1, "set either AtLeast or AtMost"},
		{"goal of nobody", Config{Ours: "A", Goals: []Goal{{Metric: OpsPerSec, AtLeast: 1, Of: "B"}}}, as, n1, `no contender "B"`},
		{"goal nowhere", Config{Ours: "A", Goals: []Goal{{Metric: OpsPerSec, AtLeast: 1, Cells: []Cell{"n=2"}}}}, as, n1, `no cell "n=2"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Run(t.Context(), c.cfg, c.contenders, c.cells)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestCellGivesItsParameters(t *testing.T) {
	c := Cell("size=64/mode=sync")
	require.Equal(t, "sync", c.Get("mode"))
	require.Equal(t, "", c.Get("siz"))
	require.Equal(t, 64, c.Int("size", 1))
	require.Equal(t, 1, c.Int("clients", 1))
	require.Equal(t, 1, c.Int("mode", 1))
}

// processContenders are what TestMain measures when a test starts the test
// binary again.
func processContenders() []Contender {
	work := func(ctx context.Context, w *Work) error {
		return w.Each(ctx, 1, func(context.Context, *Client) error { return nil })
	}
	return []Contender{
		contender("small", func(ctx context.Context, w *Work) error {
			fmt.Print("a contender that prints") // without a line break
			return work(ctx, w)
		}),
		contender("big", func(ctx context.Context, w *Work) error {
			memory := make([]byte, 96<<20)
			for i := range memory {
				memory[i] = 1
			}
			return work(ctx, w)
		}),
		contender("error", func(context.Context, *Work) error { return errors.New("no luck") }),
		contender("crash", func(context.Context, *Work) error {
			done := make(chan bool)
			go func() { panic("off the main road") }()
			<-done
			return nil
		}),
		contender("exit", func(context.Context, *Work) error { os.Exit(0); return nil }),
	}
}

const testMainEnv = "FLAGSHIP_VERSUS_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(testMainEnv) != "" {
		_, err := Run(context.Background(), Config{Ops: 10}, processContenders(), []Cell{"n=1"})
		fmt.Fprintln(os.Stderr, "Run came back:", err)
		os.Exit(3)
	}
	os.Exit(m.Run())
}

func TestOneProcessASampleTellsMemoryApartAndSurvivesCrashes(t *testing.T) {
	t.Setenv(testMainEnv, "1")
	r, err := Run(t.Context(), Config{Process: true, Ops: 10, Rounds: 1}, processContenders(), []Cell{"n=1"})
	require.NoError(t, err)
	errs := map[string]string{}
	for _, res := range r.Results {
		errs[res.Contender] = res.Err
	}
	require.Empty(t, errs["small"])
	require.Empty(t, errs["big"])
	require.Equal(t, "running: no luck", errs["error"])
	require.Contains(t, errs["crash"], "off the main road")
	require.NotContains(t, errs["crash"], "goroutine", "what happened, without stacks")
	require.Contains(t, errs["exit"], "ended without a sample")
	if _, ok := peakRSS(); ok {
		small, ok1 := r.Value("n=1", "small", PeakRSS)
		big, ok2 := r.Value("n=1", "big", PeakRSS)
		require.True(t, ok1 && ok2)
		require.Greater(t, big-small, float64(64<<20))
	}
}

// remote is a fake that works elsewhere: 3 ms of processor time an operation.
type remote struct {
	fake
	used *Usage
	err  error
}

func (r remote) Usage() (Usage, error) { return *r.used, r.err }

func TestARemoteContendersUsageIsItsOwn(t *testing.T) {
	used := Usage{CPU: time.Hour, PeakRSS: 17 << 20}
	run := func(ctx context.Context, w *Work) error {
		return w.Each(ctx, 2, func(context.Context, *Client) error { return nil })
	}
	make := func(r remote) Contender {
		return Contender{Name: "A", Setup: func(context.Context, Cell) (Runner, error) { return r, nil }}
	}
	s, err := measure(t.Context(), Config{Ops: 10}, make(remote{fake{run: func(ctx context.Context, w *Work) error {
		used.CPU += 30 * time.Millisecond
		return run(ctx, w)
	}}, &used, nil}), "n=1")
	require.NoError(t, err)
	require.InDelta(t, 3e6, s[CPUPerOp], 0)
	require.InDelta(t, 17<<20, s[PeakRSS], 0)
	require.NotContains(t, s, AllocsPerOp, "those of this process say nothing")
	require.NotContains(t, s, BytesPerOp)

	s, err = measure(t.Context(), Config{Ops: 10}, make(remote{fake{run: run}, &Usage{}, nil}), "n=1")
	require.NoError(t, err)
	require.NotContains(t, s, CPUPerOp, "0 is not known")
	gone := errors.New("gone")
	_, err = measure(t.Context(), Config{Ops: 10}, make(remote{fake{run: run}, &Usage{}, gone}), "n=1")
	require.ErrorIs(t, err, gone)
}
