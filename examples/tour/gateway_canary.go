package main

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"time"
)

const (
	canaryRamp  = time.Hour
	canarySteps = 10  // looks at it, on the way
	canaryMost  = 0.5 // of the users, in the end
)

// canary lets a second upstream have more and more of the users, and looks who is where.
func (a *gatewayActs) canary() error {
	text := fmt.Sprintf(`canary: Path("/canary/*file")
		-> modPath("^/canary", "")
		-> canary("http://%s", "start=%d", "duration=%v", "percentage=%v", "steps=1000", "hash=header", "hash_header=X-User")
		-> "http://%s";`, a.servers[1], a.clock.now().Unix(), canaryRamp, canaryMost*100, a.servers[0])
	if err := a.gateway.change(text); err != nil {
		return err
	}
	a.Say("A canary: upstream B gets users of A, from none to %v %% of %d within an hour. It is the hash of a user's name that decides, so that nobody is sent to and fro.", canaryMost*100, a.users)
	var picture strings.Builder
	picture.WriteString("minute  wanted   users on A and on B")
	onB := make([]bool, a.users)
	back, worst := 0, 0.0
	for step := range canarySteps + 1 {
		if step > 0 {
			a.clock.move(canaryRamp / canarySteps)
		}
		wanted, got := canaryMost*float64(step)/canarySteps, 0
		for user := range onB {
			is, err := a.side(a.gateway, user)
			if err != nil {
				return err
			}
			if onB[user] && !is {
				back++
			}
			if onB[user] = is; is {
				got++
			}
			a.Progress("requests of users", step*a.users+user+1, (canarySteps+1)*a.users)
		}
		share := float64(got) / float64(a.users)
		worst = max(worst, math.Abs(share-wanted))
		bar := int(math.Round(share * 48))
		fmt.Fprintf(&picture, "\n%4d    %4.0f %%   %s%s %4.1f %%", step*int(canaryRamp/canarySteps/time.Minute), wanted*100, strings.Repeat("B", bar), strings.Repeat(".", 48-bar), share*100)
	}
	a.Picture(picture.String())
	// Four standard deviations of a fair hash.
	bound := 4 * math.Sqrt(canaryMost*(1-canaryMost)/float64(a.users))
	a.Claim(worst <= bound, "at each of %d times the share of B is what was wanted, by %.1f points at most (a fair hash: %.1f)", canarySteps+1, worst*100, bound*100)
	a.Claim(back == 0, "of %d users none has gone back from B to A", a.users)
	return a.replica(text, onB)
}

// side tells whether a user is sent to B.
func (a *gatewayActs) side(g *aGateway, user int) (bool, error) {
	path := a.paths[user%len(a.paths)]
	answer, _, err := a.get(g.url, "/canary"+path, "X-User", fmt.Sprintf("user %d", user), "Range", "bytes=0-0")
	if err != nil {
		return false, err
	}
	if s := answer.StatusCode; s != http.StatusOK && s != http.StatusPartialContent && s != http.StatusRequestedRangeNotSatisfiable {
		return false, fmt.Errorf("the gateway answers %s for %s", answer.Status, path)
	}
	return answer.Header.Get("X-Server") == "B", nil
}

// replica asks another gateway, which has never heard of any of them.
func (a *gatewayActs) replica(text string, onB []bool) error {
	other, err := startGateway(a.clock)
	if err != nil {
		return err
	}
	defer other.close()
	if err := other.change(text); err != nil {
		return err
	}
	differ := 0
	for user, was := range onB {
		is, err := a.side(other, user)
		if err != nil {
			return err
		}
		if is != was {
			differ++
		}
	}
	a.Claim(differ == 0, "a second gateway with the same route has all %d users on the same side, and they have not spoken", a.users)
	return a.ctx.Err()
}
