package eskip_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/flagship-go/flagship/gateway/eskip"
)

func Example() {
	const text = `
// testers go to the new shop
canary: Path("/shop/:item") && Header("X-Tester", /^yes$/) -> setRequestHeader("X-From", "gateway") -> "http://10.0.0.9:8080";
shop:   Path("/shop/:item") -> <roundRobin, "http://10.0.0.1:8080", "http://10.0.0.2:8080">;
rest:   * -> status(404) -> <shunt>
`
	routes, err := eskip.Parse("routes.eskip", text)
	if err != nil {
		fmt.Println(err)
		return
	}
	canary := routes[0]
	fmt.Println(canary.ID, canary.Pos, canary.Predicates[1].Name, canary.Predicates[1].Args, canary.Backend.Addresses)
	_ = eskip.Print(os.Stdout, routes)
	// Output:
	// canary 3:1 Header [X-Tester ^yes$] [http://10.0.0.9:8080]
	// canary: Path("/shop/:item") && Header("X-Tester", "^yes$")
	//   -> setRequestHeader("X-From", "gateway")
	//   -> "http://10.0.0.9:8080";
	// shop: Path("/shop/:item") -> <roundRobin, "http://10.0.0.1:8080", "http://10.0.0.2:8080">;
	// rest: * -> status(404) -> <shunt>;
}

// All mistakes of a text are told, each with its place.
func Example_mistakes() {
	_, err := eskip.Parse("routes.eskip", `a: Path("/a" -> <shunt>;
b: * -> "10.0.0.1:8080";
c: * -> <shunt>;`)
	var list eskip.ErrorList
	if errors.As(err, &list) {
		for _, e := range list {
			fmt.Printf("%v\n%s\n", e, e.Snippet())
		}
	}
	// Output:
	// routes.eskip:1:14: expected , or ), found ->
	// a: Path("/a" -> <shunt>;
	//              ^
	// routes.eskip:2:9: the backend's address "10.0.0.1:8080" does not begin with http:// or https://
	// b: * -> "10.0.0.1:8080";
	//         ^
}
