package versus

import "sync"

// Closed is the loop of [Work.Each] for a benchmark of package testing, which
// counts by itself: so many clients, each of which waits for its operation
// before it begins the next, until more says that it is enough. The first error
// of an operation is returned, and no further one is begun.
//
//	err := versus.Closed(64, b.Loop, func() error { return db.Put(key, value) })
func Closed(clients int, more func() bool, op func() error) error {
	todo := make(chan struct{}, clients)
	var clientsDone sync.WaitGroup
	var once sync.Once
	var first error
	failed := make(chan struct{})
	for range clients {
		clientsDone.Go(func() {
			for range todo {
				select {
				case <-failed:
					continue // whoever hands out the work must not wait
				default:
				}
				if err := op(); err != nil {
					once.Do(func() { first = err; close(failed) })
				}
			}
		})
	}
	for more() {
		todo <- struct{}{}
	}
	close(todo)
	clientsDone.Wait()
	return first
}
