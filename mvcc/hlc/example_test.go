package hlc_test

import (
	"context"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/hlc"
)

var _ mvcc.Clock = (*hlc.Clock)(nil)

// Node b is 30 ms late, and learns of the time by a message.
func Example() {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := hlc.New(&hlc.Options{Source: clock.NewManual(noon)})
	b := hlc.New(&hlc.Options{Source: clock.NewManual(noon.Add(-30 * time.Millisecond))})

	ctx := context.Background()
	commit, _ := a.Now(ctx)
	early, _ := b.Now(ctx)
	fmt.Println(commit, early)

	_ = b.Observe(commit) // it came with the message
	late, _ := b.Now(ctx)
	fmt.Println(late)

	fmt.Println(b.Observe(commit.Add(time.Hour)))
	// Output:
	// 2026-03-01T12:00:00.000Z+0 2026-03-01T11:59:59.970Z+0
	// 2026-03-01T12:00:00.000Z+8
	// hlc: timestamp 2026-03-01T13:00:00.000Z+0 is 1h0m0.03s ahead of the clock, and clocks may differ by 500ms: look at both nodes' time
}
