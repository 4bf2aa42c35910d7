package predicates_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/predicates"
	"github.com/flagship-go/flagship/gateway/route"
)

// A tenth of the users, on weekdays, gets the new shop, and nobody else ever does.
func Example() {
	defs, err := eskip.Parse("shop.eskip", `
new: Path("/shop") && Cron("* 8-17 * * MON-FRI") && TrafficSegment(0, 0.1, "cookie:uid", "shop") -> "http://10.0.0.2:80";
old: Path("/shop") -> "http://10.0.0.1:80";`)
	if err != nil {
		fmt.Println(err)
		return
	}
	specs, err := route.NewSpecs(predicates.All()...)
	if err != nil {
		fmt.Println(err)
		return
	}
	routes := make([]*route.Route, len(defs))
	for i, def := range defs {
		if routes[i], err = route.Compile(def, specs); err != nil {
			fmt.Println(err)
			return
		}
	}
	table, err := route.Build(routes)
	if err != nil {
		fmt.Println(err)
		return
	}
	users := map[string]int{}
	for i := range 1000 {
		r, _ := http.NewRequest("GET", "http://example.org/shop", nil)
		r.AddCookie(&http.Cookie{Name: "uid", Value: fmt.Sprintf("user-%d", i)})
		l := route.Lookup{Now: time.Date(2030, time.January, 7, 12, 0, 0, 0, time.UTC)} // a Monday
		users[table.Lookup(r, &l).Def.ID]++
	}
	fmt.Println("new:", users["new"], "old:", users["old"])

	defs, _ = eskip.Parse("shop.eskip", `night: Cron("* 22-4 * * *") -> <shunt>`)
	_, err = route.Compile(defs[0], specs)
	fmt.Println(err)
	// Output:
	// new: 107 old: 893
	// shop.eskip:1:8: route night: predicate Cron: hour "22-4": 22-4 goes backwards: write 22-23,0-4; it is written like Cron("* 7-18 * * MON-FRI")
}
