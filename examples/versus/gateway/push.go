package main

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flagship-go/flagship/gateway/push"
	"github.com/flagship-go/flagship/internal/versus"
)

// From Publish until a subscriber has the configuration, for all of them at once, over net.Pipe. An operation is a
// version that all have got; its latencies are those of each subscriber.

func pushTable(o *session) *table {
	t := &table{Table: versus.Table{
		Name: "push", Title: fmt.Sprintf("A configuration is pushed to %d subscribers", o.subscribers), Ours: ours, Stretch: 2,
		Cells: []versus.Cell{"bytes=1024", "bytes=65536"},
		Contenders: []versus.Contender{{Name: ours, Module: oursModule, Setup: func(_ context.Context, cell versus.Cell) (versus.Runner, error) {
			f := newFleet(o.subscribers, cell.Int("bytes", 0))
			return f, f.publish() // when it returns, all are connected
		}}},
	}}
	for _, cell := range t.Cells {
		t.limits = append(t.limits, bound{text: "ms until 99 of 100 have it, at " + string(cell), figure: scaled(cell, ours, versus.P99, 1e-6), atMost: 100})
	}
	return t
}

// fleet is a publisher with many subscribers, which note when they are given a version.
type fleet struct {
	publisher *push.Publisher
	config    []byte
	cancel    context.CancelFunc
	ended     sync.WaitGroup

	begun time.Time
	took  []time.Duration // of each subscriber, for the version that comes
	left  atomic.Int64    // how many have not got it
	all   chan struct{}
}

func newFleet(n, size int) *fleet {
	ctx, cancel := context.WithCancel(context.Background())
	f := &fleet{publisher: push.NewPublisher(push.Options{}), config: make([]byte, size), cancel: cancel,
		took: make([]time.Duration, n), all: make(chan struct{}, 1)}
	for i := range n {
		o := push.SubscriberOptions{Name: fmt.Sprint("edge-", i), Apply: func(uint64, []byte) error {
			f.took[i] = time.Since(f.begun)
			if f.left.Add(-1) == 0 {
				f.all <- struct{}{}
			}
			return nil
		}}
		f.ended.Go(func() {
			_ = push.SubscribeConn(ctx, func(context.Context) (net.Conn, error) {
				mine, theirs := net.Pipe()
				f.ended.Go(func() { _ = f.publisher.Serve(theirs) })
				return mine, nil
			}, o)
		})
	}
	return f
}

// publish returns when all have it.
func (f *fleet) publish() error {
	f.left.Store(int64(len(f.took)))
	f.begun = time.Now()
	f.config[0]++ // it is another one
	if _, err := f.publisher.Publish(f.config); err != nil {
		return err
	}
	select {
	case <-f.all:
		return nil
	case <-time.After(2 * time.Minute):
		return fmt.Errorf("%d of %d subscribers have not got it", f.left.Load(), len(f.took))
	}
}

func (f *fleet) Run(_ context.Context, w *versus.Work) error {
	for c := w.NewClient(); c.Next(); {
		if err := f.publish(); err != nil {
			return err
		}
		for _, d := range f.took {
			c.Record(d)
		}
	}
	return nil
}

func (f *fleet) Close() error {
	f.cancel()
	err := f.publisher.Close()
	f.ended.Wait()
	return err
}
