package main

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/go-kratos/aegis/circuitbreaker/sre"
	sony "github.com/sony/gobreaker/v2"
	"golang.org/x/time/rate"

	"github.com/flagship-go/flagship/gateway/breaker"
	"github.com/flagship-go/flagship/gateway/limit"
	"github.com/flagship-go/flagship/internal/versus"
)

// Whether a call may be made, and then how it has ended. The call itself takes no time. An operation is one, from one
// goroutine or from as many as there are processors, which share the breaker. None opens: what is measured is the price that
// every call pays.

// call makes one, which succeeds or fails. It returns false if it may not be made.
type call func(ok bool) (allowed bool)

var (
	breakerCells = []versus.Cell{"fails=never/goroutines=one", "fails=never/goroutines=many", "fails=1in20/goroutines=many"}
	parallel     = breakerCells[1]
)

// calling is a contender of this file.
func calling(name, module string, make func(cell versus.Cell) (call, error)) versus.Contender {
	return versus.Contender{Name: name, Module: module, Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
		c, err := make(cell)
		return caller{c, cell.Get("answer") != "deny"}, err
	}}
}

type caller struct {
	call
	allowed bool // what is to be the answer
}

func (c caller) Run(_ context.Context, w *versus.Work) error {
	n := 1
	if w.Cell.Get("goroutines") == "many" {
		n = runtime.GOMAXPROCS(0)
	}
	every := 0
	if w.Cell.Get("fails") == "1in20" {
		every = 20
	}
	wrong := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		counter := w.NewClient()
		all.Go(func() {
			for left := every; counter.Next(); {
				left--
				if c.call(left != 0) != c.allowed {
					wrong[i] = errors.New("a call was allowed that should not have been, or the other way round")
				}
				if left <= 0 {
					left = every
				}
			}
		})
	}
	all.Wait()
	return errors.Join(wrong...)
}

func (c caller) Close() error { return nil }

var errCall = errors.New("the call has failed")

// ticketed is a breaker of ours.
func ticketed(b breaker.Breaker, err error) (call, error) {
	return func(ok bool) bool {
		ticket, err := b.Allow()
		if err != nil {
			return false
		}
		ticket.Done(ok)
		return true
	}, err
}

// permitted is one of failsafe-go's.
func permitted(b circuitbreaker.CircuitBreaker[any]) (call, error) {
	return func(ok bool) bool {
		if !b.TryAcquirePermit() {
			return false
		}
		if ok {
			b.RecordSuccess()
		} else {
			b.RecordFailure()
		}
		return true
	}, nil
}

// executed is one of gobreaker's.
func executed(trip func(sony.Counts) bool) (call, error) {
	b := sony.NewCircuitBreaker[int](sony.Settings{ReadyToTrip: trip, Interval: time.Minute})
	return func(ok bool) bool {
		_, err := b.Execute(func() (int, error) {
			if !ok {
				return 0, errCall
			}
			return 1, nil
		})
		return err == nil || err == errCall
	}, nil
}

const (
	failsafeModule  = "github.com/failsafe-go/failsafe-go"
	gobreakerModule = "github.com/sony/gobreaker/v2"
)

func consecutiveTable(*session) *table {
	return &table{limits: noAllocation(breakerCells...), Table: versus.Table{
		Name: "breaker", Title: "Circuit breakers that open after so many failures in a row", Ours: ours, Cells: breakerCells,
		Goals: []versus.Goal{cpu(1, failsafe, parallel), cpu(0.25, gobreaker, parallel)},
		Contenders: []versus.Contender{
			calling(ours, oursModule, func(versus.Cell) (call, error) {
				return ticketed(breaker.NewConsecutive(breaker.ConsecutiveOptions{Failures: 1000}))
			}),
			calling(failsafe, failsafeModule, func(versus.Cell) (call, error) {
				return permitted(circuitbreaker.NewBuilder[any]().WithFailureThreshold(1000).Build())
			}),
			calling(gobreaker, gobreakerModule, func(versus.Cell) (call, error) {
				return executed(func(c sony.Counts) bool { return c.ConsecutiveFailures >= 1000 })
			}),
			calling(gobreaker+"-two-step", gobreakerModule, func(versus.Cell) (call, error) {
				b := sony.NewTwoStepCircuitBreaker[int](sony.Settings{ReadyToTrip: func(c sony.Counts) bool { return c.ConsecutiveFailures >= 1000 }})
				return func(ok bool) bool {
					done, err := b.Allow()
					if err != nil {
						return false
					}
					if ok {
						done(nil)
					} else {
						done(errCall)
					}
					return true
				}, nil
			}),
		},
	}}
}

// rateTable opens at 300 failures of 1,000 calls, within a minute. gobreaker counts all calls of an interval.
func rateTable(*session) *table {
	return &table{limits: noAllocation(breakerCells...), Table: versus.Table{
		Name: "breaker-rate", Title: "Circuit breakers that open at a rate of failures", Ours: ours, Cells: breakerCells,
		Contenders: []versus.Contender{
			calling(ours, oursModule, func(versus.Cell) (call, error) {
				return ticketed(breaker.NewRate(breaker.RateOptions{Failures: 300, Of: 1000, Within: time.Minute}))
			}),
			calling(failsafe, failsafeModule, func(versus.Cell) (call, error) {
				return permitted(circuitbreaker.NewBuilder[any]().WithFailureThresholdRatio(300, 1000).Build())
			}),
			calling(failsafe+"-timed", failsafeModule, func(versus.Cell) (call, error) {
				return permitted(circuitbreaker.NewBuilder[any]().WithFailureRateThreshold(0.3, 1000, time.Minute).Build())
			}),
			calling(gobreaker, gobreakerModule, func(versus.Cell) (call, error) {
				return executed(func(c sony.Counts) bool { return c.Requests >= 1000 && c.TotalFailures*10 >= c.Requests*3 })
			}),
		},
	}}
}

// adaptiveTable is of those that reject a part, with the same K, window and buckets.
func adaptiveTable(*session) *table {
	return &table{limits: noAllocation(breakerCells...), Table: versus.Table{
		Name: "breaker-adaptive", Title: "Circuit breakers that reject a part of the calls", Ours: ours, Cells: breakerCells,
		Goals: []versus.Goal{cpu(0.25, aegis, parallel)},
		Contenders: []versus.Contender{
			calling(ours, oursModule, func(versus.Cell) (call, error) {
				return ticketed(breaker.NewAdaptive(breaker.AdaptiveOptions{}))
			}),
			calling(aegis, "github.com/go-kratos/aegis", func(versus.Cell) (call, error) {
				b := sre.NewBreaker()
				return func(ok bool) bool {
					if b.Allow() != nil {
						return false
					}
					if ok {
						b.MarkSuccess()
					} else {
						b.MarkFailed()
					}
					return true
				}, nil
			}),
		},
	}}
}

func limiterTable(*session) *table {
	cells := []versus.Cell{"answer=allow/goroutines=one", "answer=allow/goroutines=many", "answer=deny/goroutines=one", "answer=deny/goroutines=many"}
	// rateOf never denies, or allows nothing but the first.
	rateOf := func(cell versus.Cell) (perSecond float64, burst int) {
		if cell.Get("answer") == "deny" {
			return 1e-3, 1
		}
		return 1e9, 1 << 30
	}
	return &table{limits: noAllocation(cells...), Table: versus.Table{
		Name: "limiter", Title: "Token buckets", Ours: ours, Cells: cells, Goals: []versus.Goal{cpu(0.6, xtime, cells[1])},
		Contenders: []versus.Contender{
			calling(ours, oursModule, func(cell versus.Cell) (call, error) {
				perSecond, burst := rateOf(cell)
				b, err := limit.NewBucket(perSecond, burst, nil)
				if err != nil {
					return nil, err
				}
				b.Allow()
				return func(bool) bool { return b.Allow() }, nil
			}),
			calling(xtime, "golang.org/x/time", func(cell versus.Cell) (call, error) {
				perSecond, burst := rateOf(cell)
				b := rate.NewLimiter(rate.Limit(perSecond), burst)
				b.Allow()
				return func(bool) bool { return b.Allow() }, nil
			}),
		},
	}}
}
