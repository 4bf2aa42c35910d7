package versus_test

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/flagship-go/flagship/internal/versus"
)

// counter is a contender: a way to count from many goroutines.
type counter struct {
	clients int
	add     func()
}

func (c counter) Run(ctx context.Context, w *versus.Work) error {
	return w.Each(ctx, c.clients, func(context.Context, *versus.Client) error {
		c.add()
		return nil
	})
}

func (c counter) Close() error { return nil }

// Two ways to guard a counter, each from one goroutine and from eight.
func Example() {
	guarded := func(lock, unlock func()) func(context.Context, versus.Cell) (versus.Runner, error) {
		return func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
			n := 0
			return counter{cell.Int("clients", 1), func() { lock(); n++; unlock() }}, nil
		}
	}
	var mu sync.Mutex
	var rw sync.RWMutex
	report, err := versus.Run(context.Background(), versus.Config{
		Title: "Locks", Ours: "mutex", Ops: 1000, Rounds: 3,
		Goals: []versus.Goal{{Metric: versus.OpsPerSec, AtLeast: 1}},
	}, []versus.Contender{
		{Name: "mutex", Setup: guarded(mu.Lock, mu.Unlock)},
		{Name: "rwmutex", Setup: guarded(rw.Lock, rw.Unlock)},
	}, []versus.Cell{"clients=1", "clients=8"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	for _, o := range report.Outcomes() {
		fmt.Println(o.Goal, "at", o.Cell, "was measured:", o.Known)
	}
	// Output:
	// >= 1x ops/s of the best peer at clients=1 was measured: true
	// >= 1x ops/s of the best peer at clients=8 was measured: true
}
