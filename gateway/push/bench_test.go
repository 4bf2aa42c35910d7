package push

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flagship-go/flagship/internal/cputime"
)

// fleet is a publisher with many subscribers on pipes, which note when they are given a version.
type fleet struct {
	*Publisher
	cancel context.CancelFunc
	wg     sync.WaitGroup

	begun time.Time
	took  []time.Duration // of each subscriber, for the version that comes
	left  atomic.Int64    // how many have not got it
	all   chan struct{}
}

func newFleet(n int) *fleet {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fleet{Publisher: NewPublisher(Options{}), cancel: cancel, took: make([]time.Duration, n), all: make(chan struct{}, 1)}
	for i := range n {
		o := SubscriberOptions{Name: fmt.Sprint("edge-", i), Apply: func(uint64, []byte) error {
			f.took[i] = time.Since(f.begun)
			if f.left.Add(-1) == 0 {
				f.all <- struct{}{}
			}
			return nil
		}}
		f.wg.Go(func() {
			SubscribeConn(ctx, func(context.Context) (net.Conn, error) {
				ours, theirs := net.Pipe()
				f.wg.Go(func() { f.Serve(theirs) })
				return ours, nil
			}, o)
		})
	}
	return f
}

// round publishes, and waits until all have got it.
func (f *fleet) round(config []byte) error {
	f.left.Store(int64(len(f.took)))
	f.begun = time.Now()
	if _, err := f.Publish(config); err != nil {
		return err
	}
	<-f.all
	return nil
}

func (f *fleet) close() {
	f.cancel()
	f.Close()
	f.wg.Wait()
}

// From Publish until a subscriber's Apply: the median, the 99th percentile and the last one, each the median of all rounds; and
// what a subscriber costs in memory, both ends of the pipe together.
func BenchmarkFanOut(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		for _, size := range []int{1 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("subscribers=%d/bytes=%d", n, size), func(b *testing.B) {
				before := memory()
				f := newFleet(n)
				defer f.close()
				config := make([]byte, size)
				if err := f.round(config); err != nil { // all are connected
					b.Fatal(err)
				}
				each := float64(memory()-before) / float64(n)
				var p50, p99, last []time.Duration
				stop := cputime.Report(b)
				for b.Loop() {
					if err := f.round(config); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					slices.Sort(f.took)
					p50, p99, last = append(p50, f.took[n/2]), append(p99, f.took[n*99/100]), append(last, f.took[n-1])
					b.StartTimer()
				}
				report := func(name string, all []time.Duration) {
					slices.Sort(all)
					b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, name)
				}
				stop()
				report("p50-ms", p50)
				report("p99-ms", p99)
				report("last-ms", last)
				b.ReportMetric(each/1024, "KiB/subscriber")
			})
		}
	}
}

// memory is what the heap and the stacks take.
func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
