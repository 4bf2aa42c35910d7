package split_test

import (
	"fmt"
	"time"

	"github.com/flagship-go/flagship/gateway/split"
)

// A canary that takes half of the users within an hour, in steps of 5 percent.
func ExampleRamp() {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ramp := split.Ramp{Start: start, Duration: time.Hour, Steps: 10, To: 0.5}

	for _, minutes := range []time.Duration{0, 6, 30, 60} {
		now := ramp.At(start.Add(minutes * time.Minute))
		fmt.Printf("%2d min: %3.0f %%", minutes, 100*now.Share())
		for _, user := range []string{"alice", "bob", "dave", "grace", "heidi", "ivan", "judy", "mallory", "peggy", "trent"} {
			if now.Has(split.Hash("canary", user)) {
				fmt.Print(" ", user)
			}
		}
		fmt.Println()
	}
	// Output:
	//  0 min:   0 %
	//  6 min:   5 % dave
	// 30 min:  25 % dave heidi
	// 60 min:  50 % dave heidi ivan
}

// Three versions at a time. A user is on the same side on every gateway.
func ExampleWeighted() {
	ways, err := split.NewWeighted(
		split.Way{Name: "stable", Weight: 80},
		split.Way{Name: "canary", Weight: 15},
		split.Way{Name: "next", Weight: 5},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	counts := make([]int, 3)
	for user := range 10_000 {
		counts[ways.Pick(split.Hash("versions", fmt.Sprint("user-", user)))]++
	}
	fmt.Println(counts)
	// Output:
	// [7966 1558 476]
}
