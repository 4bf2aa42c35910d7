package limit_test

import (
	"fmt"
	"time"

	"github.com/flagship-go/flagship/gateway/limit"
)

// Two requests a second for each client, and three saved up. The clock is one that the
// example moves itself.
func ExampleKeyed() {
	var now time.Duration
	clients, err := limit.NewKeyed[string](limit.KeyedOptions{
		Rate: 2, Burst: 3, Max: 10_000,
		Elapsed: func() time.Duration { return now },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 4 {
		if wait := clients.Take("alice"); wait > 0 {
			fmt.Println("429, Retry-After:", wait)
		} else {
			fmt.Println("200")
		}
	}
	now += 500 * time.Millisecond
	fmt.Println("alice:", clients.Allow("alice"), "bob:", clients.Allow("bob"))
	// Output:
	// 200
	// 200
	// 200
	// 429, Retry-After: 500ms
	// alice: true bob: true
}
