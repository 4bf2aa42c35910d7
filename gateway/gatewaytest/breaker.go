package gatewaytest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Outcome is how a call went.
type Outcome uint8

// The outcomes of a call. Canceled says nothing about the backend.
const (
	Success Outcome = iota
	Failure
	Canceled
)

// Breaker lets calls through, or not. Done is told once how a call went that was let through.
type Breaker interface {
	Allow() (done func(Outcome), ok bool)
}

// BreakerConfig is how the kit wants a breaker: it opens after Failures in a row, lets nobody through for Timeout,
// then Trials calls at a time, and closes when so many have succeeded in a row.
type BreakerConfig struct {
	Failures, Trials int
	Timeout          time.Duration
	// TrialTimeout is when a trial is given up of which nobody has told. Only with the claim Forgotten.
	TrialTimeout time.Duration
	Elapsed      func() time.Duration
}

// NewBreaker makes a breaker that is closed.
type NewBreaker func(BreakerConfig) (Breaker, error)

// BreakerClaims are what a breaker claims beyond the required rules.
type BreakerClaims struct {
	Canceled  bool // knows of calls that say nothing
	Forgotten bool // gives trials up
	Twice     bool // takes what it is told twice for once
}

// Break grades circuit breakers: the B rules of package gateway, but for the adaptive one.
func Break(t *testing.T, newBreaker NewBreaker, claims BreakerClaims) {
	t.Helper()
	run(t, breakStories(newBreaker), claims)
}

// GradeBreaker is Break without a testing.T.
func GradeBreaker(newBreaker NewBreaker, claims BreakerClaims) []Result {
	return grade(breakStories(newBreaker), claims)
}

func breakStories(n NewBreaker) []story {
	return []story{
		{Rule{ID: "opens", Of: "B1", Source: "Nygard, Release It!", Text: "It opens after so many failures in a row, and not before."}, n.opens},
		{Rule{ID: "stays-open", Of: "B1", Source: "issue", Text: "Open, it lets nobody through until its time is over; being asked does not prolong that."}, n.staysOpen},
		{Rule{ID: "trials", Of: "B1", Source: "issue", Text: "Then it lets a number of trials through at a time, and closes when all have succeeded."}, n.trials},
		{Rule{ID: "trial-fails", Of: "B1", Source: "issue", Text: "One trial that fails opens it again, for its whole time."}, n.trialFails},
		{Rule{ID: "fresh", Of: "B1", Source: "pitfall 16", Text: "When it has closed, what was before counts nothing."}, n.fresh},
		{Rule{ID: "late", Of: "B2", Source: "pitfall 14", Text: "The outcome of a call from an earlier state counts nothing."}, n.late},
		{Rule{ID: "at-once", Of: "B1", Source: "issue", Text: "Many callers at once get no more trials."}, n.atOnce},
		{Rule{ID: "canceled", Of: "B3", Source: "pitfall 14", Text: "A trial that is canceled frees its place; a call that is, is neither success nor failure.", Claim: "Canceled"}, n.canceled},
		{Rule{ID: "forgotten", Of: "B3", Source: "pitfall 14", Text: "So does one of which nobody tells.", Claim: "Forgotten"}, n.forgotten},
		{Rule{ID: "told-twice", Of: "B2", Source: "issue", Text: "What is told twice counts once.", Claim: "Twice"}, n.toldTwice},
	}
}

// box is a breaker with its clock: 3 failures, 10 s, 2 trials.
type box struct {
	Breaker
	clock
}

func (n NewBreaker) box() *box {
	b := &box{}
	b.pass(time.Hour)
	br, err := n(BreakerConfig{Failures: 3, Timeout: 10 * time.Second, Trials: 2, TrialTimeout: time.Minute, Elapsed: b.elapsed})
	check(err == nil, "a breaker cannot be made: %v", err)
	b.Breaker = br
	return b
}

// call is let through, and gives what to tell.
func (b *box) call(why string) func(Outcome) {
	done, ok := b.Allow()
	check(ok, "a call is not let through: %s", why)
	return done
}

// rejects wants a call not let through.
func (b *box) rejects(why string) {
	_, ok := b.Allow()
	check(!ok, "a call is let through: %s", why)
}

func (b *box) calls(n int, o Outcome, why string) {
	for range n {
		b.call(why)(o)
	}
}

func (b *box) open() {
	b.calls(3, Failure, "it is closed")
	b.rejects("3 calls in a row have failed")
}

func (n NewBreaker) opens() {
	b := n.box()
	for range 5 {
		b.calls(2, Failure, "two failures are not three")
		b.calls(1, Success, "two failures are not three")
	}
	b.open()
}

func (n NewBreaker) staysOpen() {
	b := n.box()
	b.open()
	for range 9 {
		b.pass(time.Second)
		b.rejects("its time is not over")
	}
	b.pass(time.Second + time.Millisecond)
	b.call("its time is over")
}

func (n NewBreaker) halfOpen() *box {
	b := n.box()
	b.open()
	b.pass(10*time.Second + time.Millisecond)
	return b
}

func (n NewBreaker) trials() {
	b := n.halfOpen()
	one, two := b.call("the first trial"), b.call("the second trial")
	b.rejects("two trials are under way")
	one(Success)
	two(Success)
	for range 10 {
		b.call("both trials have succeeded")
	}
}

func (n NewBreaker) trialFails() {
	b := n.halfOpen()
	b.call("the first trial")(Success)
	b.call("the second trial")(Failure)
	b.rejects("a trial has failed")
	b.pass(9 * time.Second)
	b.rejects("the time that begins with a failed trial is not over")
	b.pass(time.Second + time.Millisecond)
	b.calls(2, Success, "it is over")
	b.calls(10, Success, "both trials have succeeded")
}

func (n NewBreaker) fresh() {
	b := n.halfOpen()
	b.calls(2, Success, "trials")
	b.calls(2, Failure, "it has closed")
	b.call("two failures are not three, and those before it opened count nothing")
}

func (n NewBreaker) late() {
	b := n.box()
	slow, slower := b.call("it is closed"), b.call("it is closed")
	b.open()
	slow(Success)
	b.rejects("a call from before it opened has succeeded")
	b.pass(10*time.Second + time.Millisecond)
	one := b.call("the first trial")
	slower(Failure)
	one(Success)
	b.calls(1, Success, "a call that failed was from before it opened")
	b.calls(10, Success, "both trials have succeeded")
}

func (n NewBreaker) atOnce() {
	b := n.halfOpen()
	var all sync.WaitGroup
	var through atomic.Int64
	for range 16 {
		all.Go(func() {
			if _, ok := b.Allow(); ok {
				through.Add(1)
			}
		})
	}
	all.Wait()
	same(through.Load(), 2, "of 16 callers at once, let through as trials were")
}

func (n NewBreaker) canceled() {
	b := n.halfOpen()
	for range 5 {
		b.calls(2, Canceled, "a trial that was canceled has a place to give")
	}
	b.calls(2, Success, "trials that were canceled have places to give")
	b.calls(2, Failure, "it has closed")
	b.calls(5, Canceled, "two failures are not three")
	b.calls(1, Failure, "two failures and what was canceled are not three")
	b.rejects("three calls in a row have failed, and those between say nothing")
}

func (n NewBreaker) forgotten() {
	b := n.halfOpen()
	b.call("the first trial")
	b.call("the second trial")
	b.pass(time.Minute - time.Second)
	b.rejects("two trials are under way")
	b.pass(2 * time.Second)
	b.call("two trials were given up")
}

func (n NewBreaker) toldTwice() {
	b := n.box()
	done := b.call("it is closed")
	for range 5 {
		done(Failure)
	}
	b.call("one failure was told several times")
	b = n.halfOpen()
	done = b.call("the first trial")
	done(Success)
	done(Success)
	b.call("the second trial")
	b.rejects("only one trial has succeeded, and was told twice")
}
