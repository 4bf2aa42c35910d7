package gatewaytest

import (
	"math"
	"strconv"
	"testing"

	"github.com/flagship-go/flagship/gateway/split"
)

// Way is one side of a split, with its part.
type Way = split.Way

// NewSplit makes a split of a name: a function from the key of a user to the index of a way.
type NewSplit func(name string, ways ...Way) (func(key string) int, error)

// Split grades ways of dividing users: the T rules of package gateway.
func Split(t *testing.T, newSplit NewSplit) {
	t.Helper()
	run(t, splitStories(newSplit), struct{}{})
}

// GradeSplit is Split without a testing.T.
func GradeSplit(newSplit NewSplit) []Result { return grade(splitStories(newSplit), struct{}{}) }

// users is how many a story asks about. Shares are off by more than six standard deviations about once in 10^9
// hashes; what is graded is a function, so it is the same each time.
const users = 10_000

func splitStories(n NewSplit) []story {
	return []story{
		{Rule{ID: "same-everywhere", Of: "T1", Source: "pitfall 7", Text: "Two replicas of one configuration agree, and the order in which ways are written does not matter."}, n.sameEverywhere},
		{Rule{ID: "shares", Of: "T1", Source: "issue", Text: "Each way gets its part, and one without weight nobody."}, n.shares},
		{Rule{ID: "moves", Of: "T2", Source: "pitfall 8", Text: "A user moves only to a way whose part has grown against the one before."}, n.moves},
		{Rule{ID: "independent", Of: "T3", Source: "Kohavi et al.", Text: "Splits of different names are independent."}, n.independent},
	}
}

func (n NewSplit) of(name string, ways ...Way) func(key string) string {
	pick, err := n(name, ways...)
	check(err == nil, "a split %v cannot be made: %v", ways, err)
	return func(key string) string {
		i := pick(key)
		if i < 0 || i >= len(ways) {
			failf("of %d ways, %d is picked", len(ways), i)
		}
		return ways[i].Name
	}
}

func user(i int) string { return "user-" + strconv.Itoa(i) }

func (n NewSplit) sameEverywhere() {
	a := n.of("checkout", Way{Name: "a", Weight: 5}, Way{Name: "b", Weight: 3}, Way{Name: "c", Weight: 2})
	b := n.of("checkout", Way{Name: "c", Weight: 2}, Way{Name: "a", Weight: 5}, Way{Name: "b", Weight: 3})
	for i := range users / 10 {
		way := a(user(i))
		same(b(user(i)), way, "user-%d in another replica is on way", i)
		same(a(user(i)), way, "user-%d, asked for again, is on way", i)
	}
}

func (n NewSplit) shares() {
	ways := []Way{{Name: "a", Weight: 50}, {Name: "b", Weight: 30}, {Name: "none", Weight: 0}, {Name: "c", Weight: 20}}
	pick, count := n.of("checkout", ways...), map[string]int{}
	for i := range users {
		count[pick(user(i))]++
	}
	for _, w := range ways {
		p := w.Weight / 100
		off := math.Abs(float64(count[w.Name]) - p*users)
		check(off <= 6*math.Sqrt(users*p*(1-p)), "way %s with a part of %v has %d of %d users", w.Name, p, count[w.Name], users)
	}
}

func (n NewSplit) moves() {
	steps := [][3]float64{{95, 5, 0}, {90, 10, 0}, {80, 10, 10}, {50, 10, 40}, {50, 50, 40}, {0, 50, 40}, {0, 0, 40}, {95, 5, 0}}
	names := []string{"a", "b", "c"}
	at := func(w [3]float64) func(string) string {
		return n.of("checkout", Way{Name: "a", Weight: w[0]}, Way{Name: "b", Weight: w[1]}, Way{Name: "c", Weight: w[2]})
	}
	for s := range len(steps) - 1 {
		before, after := at(steps[s]), at(steps[s+1])
		weight := map[string][2]float64{}
		for i, name := range names {
			weight[name] = [2]float64{steps[s][i], steps[s+1][i]}
		}
		for i := range users / 4 {
			u := user(i)
			from, to := before(u), after(u)
			if from == to {
				continue
			}
			// w_to/w_from has grown, written so that nothing is divided by 0.
			grown := weight[to][1]*weight[from][0] > weight[to][0]*weight[from][1]
			check(grown, "from %v to %v, %s moves from %s to %s", steps[s], steps[s+1], u, from, to)
		}
	}
}

func (n NewSplit) independent() {
	half := []Way{{Name: "a", Weight: 1}, {Name: "b", Weight: 1}}
	one, other := n.of("one", half...), n.of("other", half...)
	both := 0
	for i := range users {
		if u := user(i); one(u) == "a" && other(u) == "a" {
			both++
		}
	}
	off := math.Abs(float64(both) - users/4)
	check(off <= 6*math.Sqrt(users*0.25*0.75), "%d of %d users are on the first way of both of two splits, want a quarter", both, users)
}
