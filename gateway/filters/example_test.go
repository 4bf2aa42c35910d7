package filters_test

import (
	"fmt"
	"strings"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

// A filter of one's own: its arguments are checked when a route is built, and what meets requests is a function.
func Example() {
	shout := filters.NewSpec("shout", "header, times?", func(a *filters.Args) filters.Filter {
		header, times := a.NonEmpty("header"), 1
		if a.More() {
			times = a.Int("times", 1, 5)
		}
		return filters.OnRequest(func(c filters.FilterContext) {
			h := c.Request().Header
			h.Set(header, strings.ToUpper(h.Get(header))+strings.Repeat("!", times))
		})
	})

	_, err := shout.CreateFilter([]any{"X-Greeting", 9.0})
	fmt.Println(err)

	f, _ := shout.CreateFilter([]any{"X-Greeting", 3.0})
	c := filtertest.New("GET", "http://shop.example.org/")
	c.Request().Header.Set("X-Greeting", "hello")
	filtertest.Run(c, filtertest.Upstream(200, "ok"), f)
	fmt.Println(c.Request().Header.Get("X-Greeting"), c.Response().StatusCode)
	// Output:
	// argument 2 (times) is a whole number from 1 to 5, not 9
	// HELLO!!! 200
}
