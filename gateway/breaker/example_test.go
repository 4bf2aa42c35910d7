package breaker_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/gateway/breaker"
)

// A backend dies, the breaker opens, and a trial finds out that the backend is back. The
// clock is one that the example moves itself.
func Example() {
	var now time.Duration
	b, err := breaker.NewConsecutive(breaker.ConsecutiveOptions{
		Failures:    2,
		GateOptions: breaker.GateOptions{Timeout: 10 * time.Second, Elapsed: func() time.Duration { return now }},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	call := func(backend func() error) error {
		ticket, err := b.Allow()
		if err != nil {
			return err
		}
		defer ticket.Cancel() // does nothing after Done; if the backend's code panics, a trial's place is free again
		err = backend()
		ticket.Done(err == nil)
		return err
	}
	dead := func() error { return errors.New("connection refused") }
	well := func() error { return nil }

	fmt.Println(call(dead), "-", b.State())
	fmt.Println(call(dead), "-", b.State())
	fmt.Println(call(dead), "-", b.State())
	now += 10 * time.Second
	fmt.Println(call(well), "-", b.State())
	// Output:
	// connection refused - closed
	// connection refused - open
	// circuit breaker is open - open
	// <nil> - closed
}
