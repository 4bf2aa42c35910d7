package oracle_test

import (
	"context"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/clock"
	"github.com/flagship-go/flagship/mvcc/oracle"
)

var (
	_ mvcc.Clock = (*oracle.Oracle)(nil)
	_ mvcc.Clock = (*oracle.Batch)(nil)
)

// After a crash timestamps go on above what was given out, even if the time of day does
// not.
func Example() {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var disk clock.Memory // in earnest: clock.OpenFile(nil, "data/oracle")

	before, err := oracle.New(&oracle.Options{Store: &disk, Source: clock.NewManual(noon)})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(before.Now(context.Background()))
	// Here the process dies, and somebody sets the clock back.

	after, err := oracle.New(&oracle.Options{Store: &disk, Source: clock.NewManual(noon.Add(-time.Hour))})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer after.Close()
	fmt.Println(after.Now(context.Background()))
	// Output:
	// 2026-03-01T12:00:00.000Z+0 <nil>
	// 2026-03-01T12:00:03.000Z+1 <nil>
}
