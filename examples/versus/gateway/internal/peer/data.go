// Package peer is what the program has in common with the programs that it starts: which paths
// there are (data.go), and how a process under measurement and its parent speak (process.go).
package peer

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// Path is that of a route with an id in it, or of a request; two routes each have all but the end in common.
//
//	/svc7/v3/items1/:id    /svc7/v3/items1/:id/detail
func Path(i int, id string) string {
	path := fmt.Sprintf("/svc%d/v%d/items%d/%s", i/2%100, i/200%10, i/2000, id)
	if i%2 == 1 {
		path += "/detail"
	}
	return path
}

// Paths are 1,024 that requests ask for in turn, of that many routes.
func Paths(routes int) []string {
	rng := rand.New(rand.NewPCG(1, 1))
	paths := make([]string, 1024)
	for i := range paths {
		paths[i] = Path(rng.IntN(routes), strconv.Itoa(rng.IntN(1e6)))
	}
	return paths
}

// BodySize is that of an answer.
const BodySize = 1024
