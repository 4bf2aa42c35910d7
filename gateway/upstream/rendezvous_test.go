package upstream

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

const keys = 10_000

// placed is which address each key goes to when nothing is under way.
func (w *world) placed(p *Pool) []string {
	all := make([]string, keys)
	for key := range all {
		token := w.pick(p, mix(uint64(key)), nil)
		all[key] = token.Endpoint().Address()
		token.Done(Canceled)
	}
	return all
}

func TestConsistentHashMovesOnlyWhatMust(t *testing.T) {
	w := newWorld(t, 1)
	hash := Options{Algorithm: "consistentHash"}
	ten, nine := w.placed(w.pool(10, hash)), w.placed(w.pool(9, hash)) // e9 goes, or comes
	to := map[string]int{}
	for key := range ten {
		if ten[key] == "http://e9:80" {
			to[nine[key]]++
		} else {
			require.Equal(t, ten[key], nine[key], "RULE U5: a key moves between two that stay")
		}
	}
	// What e9 had is spread over all others, and not put on one neighbour.
	require.Len(t, to, 9, "RULE U5: %v", to)
	for address, n := range to {
		require.InDelta(t, keys/90, n, keys/90*0.4, "RULE U5: %s: %v", address, to)
	}
}

func TestConsistentHashOfKeysThatAreCloseTogether(t *testing.T) {
	w := newWorld(t, 1)
	p := w.pool(10, Options{Algorithm: "consistentHash"})
	count := map[string]int{}
	for key := range uint64(keys) {
		token := w.pick(p, key, nil)
		count[token.Endpoint().Address()]++
		token.Done(Canceled)
	}
	for address, n := range count {
		require.InDelta(t, keys/10, n, keys/10*0.15, "RULE U5: %s: %v", address, count)
	}
}

// Replicas of a gateway, and its next version, must agree: these never change.
func TestConsistentHashIsTheSameEverywhere(t *testing.T) {
	w := newWorld(t, 1)
	p := w.pool(7, Options{Algorithm: "consistentHash"})
	got := ""
	for key := range uint64(24) {
		token := w.pick(p, key, nil)
		got += fmt.Sprint(position(p, token.Endpoint()))
		token.Done(Canceled)
	}
	require.Equal(t, "022053360561616326434356", got, "RULE U5: gateways of two versions disagree")
}

// All requests have one key, and none ends: the worst that can happen.
func TestConsistentHashBoundsTheLoadOfAHotKey(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 33} {
		for _, factor := range []float64{1.01, 1.25, 2} {
			w := newWorld(t, 1)
			p := w.pool(n, Options{Algorithm: "consistentHash", BalanceFactor: factor})
			var tokens []Token
			for total := 1; total <= 20*n; total++ {
				tokens = append(tokens, w.pick(p, 42, nil))
				bound := int64(math.Ceil(factor * float64(total) / float64(n)))
				got := tokens[total-1].Endpoint().InFlight()
				require.LessOrEqual(t, got, bound, "RULE U5: n=%d factor=%v total=%d", n, factor, total)
			}
			first := tokens[0].Endpoint()
			for _, token := range tokens {
				token.Done(OK)
			}
			// And when the crowd is gone the key is at home again.
			token := w.pick(p, 42, nil)
			require.Same(t, first, token.Endpoint(), "RULE U5: a key has moved for good")
			token.Done(OK)
		}
	}
}

// Requests of other pools weigh too: the total is of the endpoints, and of now.
func TestConsistentHashCountsWhatOthersSend(t *testing.T) {
	w := newWorld(t, 1)
	p := w.pool(4, Options{Algorithm: "consistentHash"})
	home := w.pick(p, 42, nil)
	home.Done(OK)
	for _, e := range p.Endpoints() {
		e.inFlight.Store(100)
	}
	token := w.pick(p, 42, nil) // 126 are allowed
	require.Same(t, home.Endpoint(), token.Endpoint(), "RULE U5: it is below its bound, and passed over")
	token.Done(OK)
	home.Endpoint().inFlight.Store(300) // of 601: 188 are
	token = w.pick(p, 42, nil)
	require.NotSame(t, home.Endpoint(), token.Endpoint(), "RULE U5: it is above its bound, and picked")
	token.Done(OK)
	for _, e := range p.Endpoints() {
		e.inFlight.Store(0)
	}
}
