package push

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSubscribersGetTheNewestVersion(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *world) {
		early := w.join("early")
		time.Sleep(time.Hour)
		require.Empty(t, early.got())
		require.Equal(t, 1, w.dialled(), "RULE C5: to wait for the first version is taken for stalling")
		require.Zero(t, w.Version())
		require.Equal(t, uint64(1), w.publish("a"))
		require.Equal(t, []string{"1:a"}, early.got(), "RULE C5: a subscriber was not sent the newest")
		w.publish("b")
		late := w.join("late")
		require.Equal(t, []string{"1:a", "2:b"}, early.got(), "RULE C5: a subscriber was not sent the newest")
		require.Equal(t, []string{"2:b"}, late.got(), "RULE C5: who comes late gets the newest, and no other")
		w.publish("")
		require.Equal(t, []string{"2:b", "3:"}, late.got(), "a configuration may be empty")
		early.leave()
		late.leave()
		synctest.Wait()
		require.Equal(t, Metrics{Version: 3, Sent: 5, Acks: 5}, w.Metrics())
	})
}

func TestSlowSubscriberSkipsToTheNewest(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *world) {
		slow, quick := w.join("slow"), w.join("quick")
		hold := make(chan struct{})
		slow.set(func(m *member) { m.hold = hold })
		for i := 1; i <= 100; i++ {
			w.publish(fmt.Sprint("c", i))
			require.Len(t, quick.got(), i, "RULE C5: quick waits for slow")
		}
		slow.set(func(m *member) { m.hold = nil })
		close(hold)
		// The second was on its way when it could not be taken: it was the newest then.
		require.Equal(t, []string{"1:c1", "2:c2", "100:c100"}, slow.got(), "RULE C5: slow gets what is old already")
		require.Equal(t, uint64(97), w.Metrics().Skipped)
		slow.leave()
		quick.leave()
	})
}

// It says hello, and never reads.
func TestSubscriberThatStallsHoldsUpNobodyAndIsGivenUp(t *testing.T) {
	bubble(t, Options{WriteTimeout: 7 * second}, func(t *testing.T, w *world) {
		begun := time.Now()
		w.raw(newHello(id{}, "stuck"))
		well := w.join("well")
		synctest.Wait()
		published := make(chan struct{})
		w.wg.Go(func() {
			defer close(published)
			for _, config := range []string{"a", "b"} {
				w.Publish([]byte(config))
			}
		})
		synctest.Wait()
		select {
		case <-published:
		default:
			t.Fatal("RULE C5: Publish waits for a subscriber that does not read")
		}
		require.Contains(t, well.got(), "2:b", "RULE C5: others wait for a subscriber that does not read")
		require.Zero(t, time.Since(begun), "RULE C5: others wait for a subscriber that does not read")
		_, connected := w.status("stuck")
		require.True(t, connected)
		time.Sleep(7 * second)
		synctest.Wait()
		_, connected = w.status("stuck")
		require.False(t, connected, "RULE C5: a connection that is stuck is kept for ever")
		require.Equal(t, uint64(1), w.Metrics().Stalled)
		require.Len(t, w.served(), 1)
		require.ErrorIs(t, w.served()[0], os.ErrDeadlineExceeded)
		require.ErrorContains(t, w.served()[0], `push: subscriber "stuck" has not read for 7s`)
		well.leave()
	})
}

func TestVersionIsEncodedOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *world) {
		var members []*member
		for i := range 50 {
			members = append(members, w.join(fmt.Sprint("m", i)))
		}
		synctest.Wait()
		encoded := 0
		_, err := w.PublishFunc(func(dst []byte) ([]byte, error) {
			encoded++
			return append(dst, "config"...), nil
		})
		require.NoError(t, err)
		for _, m := range members {
			require.Equal(t, []string{"1:config"}, m.got())
		}
		require.Equal(t, 1, encoded, "RULE C5: a version is encoded more than once")
		for _, m := range members {
			m.leave()
		}
	})
}

// A buffer is used for another version only when nobody sends it any more: whoever reads slowly gets what was begun.
func TestBufferIsNotUsedAgainWhileSomebodySendsIt(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *world) {
		for i := range 5 {
			config := func(n int) string { return strings.Repeat(string(rune('a'+n)), 1000) }
			w.publish(config(0))
			slow := w.raw(newHello(id{}, "slow"))
			half := make([]byte, 500)
			_, err := io.ReadFull(slow, half)
			require.NoError(t, err)
			for n := 1; n < 5; n++ {
				w.publish(config(n)) // with nobody else to send it to, each gives its buffer to the one after the next
			}
			r := frameReader{r: io.MultiReader(bytes.NewReader(half), slow), max: maxSize}
			f, err := r.next()
			require.NoError(t, err, "RULE C5: the bytes have changed while they were sent")
			require.Equal(t, config(0), string(f.payload), "RULE C5: the bytes have changed while they were sent")
			f, err = r.next()
			require.NoError(t, err)
			require.Equal(t, uint64(5*i+5), f.version)
			slow.Close()
			synctest.Wait()
		}
	})
}

func TestBuffersAreUsedAgain(t *testing.T) {
	const size, times = 1 << 18, 64
	v, config := newVersions(), make([]byte, size)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		_, err := v.publish(maxSize, func(dst []byte) ([]byte, error) { return append(dst, config...), nil })
		require.NoError(t, err)
	}
	runtime.ReadMemStats(&after)
	// A pool may forget, and under the race detector does so on purpose.
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(times*size/2), "RULE C5: each version takes memory of its own")
}

func TestRefusedVersionSaysWhyAndIsNotAskedForAgain(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *world) {
		m := w.join("edge")
		w.publish("good")
		m.got()
		m.set(func(m *member) { m.refuse = "routes.eskip:3:14: no filter is named setReqestHeader" })
		w.publish("bad")
		st, _ := w.status("edge")
		require.Equal(t, Status{Name: "edge", Remote: "pipe", Since: st.Since, Sent: 2, Acked: 1, Nacked: 2, Reason: m.refuse}, st,
			"RULE C5: who refuses a version does not say why, or which one it keeps")

		w.cut()
		time.Sleep(second)
		require.Equal(t, []string{"1:good", "2:bad"}, m.got(), "RULE C5: a version that was refused is sent again after a reconnect")
		st, _ = w.status("edge")
		require.Equal(t, uint64(2), st.Nacked, "RULE C5: after a reconnect nobody knows of the refusal")

		m.set(func(m *member) { m.refuse = "" })
		w.publish("better")
		st, _ = w.status("edge")
		require.Equal(t, Status{Name: "edge", Remote: "pipe", Since: st.Since, Sent: 3, Acked: 3}, st)
		m.leave()
	})
}

func TestReconnectResumesWithTheVersionThatIsKnown(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *world) {
		m := w.join("edge")
		w.publish("a")
		require.Equal(t, []string{"1:a"}, m.got())
		w.cut()
		time.Sleep(second)
		require.Equal(t, []string{"1:a"}, m.got(), "RULE C5: what is known is sent again")
		st, _ := w.status("edge")
		require.Equal(t, uint64(1), st.Acked, "RULE C5: what is known is not said")
		w.setDown(true)
		w.cut()
		w.publish("b")
		w.publish("c")
		time.Sleep(second)
		w.setDown(false)
		time.Sleep(10 * second)
		require.Equal(t, []string{"1:a", "3:c"}, m.got(), "RULE C5: what was missed is not made up for by the newest")

		// A publisher that starts anew counts from 1, and its third is another third.
		old := w.Publisher
		w.mu.Lock()
		w.Publisher = NewPublisher(Options{})
		w.mu.Unlock()
		for range 3 {
			w.publish("other")
		}
		old.Close()
		time.Sleep(second)
		require.Equal(t, []string{"1:a", "3:c", "3:other"}, m.got(), "RULE C5: a version of the same number is taken for the same version")
		m.leave()
	})
}

// Many publish at once, subscribers come, go and are cut off: each sees versions in their order, and those who are left
// end with the newest.
func TestStormEndsWithTheNewestForAll(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *world) {
		for i := range 20 {
			w.join(fmt.Sprint("edge-", i))
		}
		for range 4 {
			w.wg.Go(func() {
				for range 100 {
					if _, err := w.PublishFunc(func(dst []byte) ([]byte, error) { return append(dst, "config"...), nil }); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		for i := range 10 {
			time.Sleep(7 * time.Millisecond)
			w.cut()
			w.members[i].leave()
		}
		time.Sleep(20 * second)
		require.Equal(t, uint64(400), w.Version())
		for i, m := range w.members {
			last := 0
			for _, got := range m.got() {
				var version int
				_, err := fmt.Sscanf(got, "%d:config", &version)
				require.NoError(t, err)
				require.Greater(t, version, last, "RULE C5: edge-%d got an old version after a new one", i)
				last = version
			}
			if i >= 10 {
				require.Equal(t, 400, last, "RULE C5: edge-%d was not sent the newest", i)
			}
		}
		require.Len(t, w.Status(), 10)
	})
}

func TestWaitsBetweenConnectsDoubleUpToABound(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *world) {
		begun, tries := time.Now(), []time.Duration(nil)
		ctx, cancel := context.WithCancel(context.Background())
		err := SubscribeConn(ctx, func(context.Context) (net.Conn, error) {
			tries = append(tries, time.Since(begun))
			if len(tries) == 7 {
				cancel()
			}
			return nil, errors.New("connection refused")
		}, SubscriberOptions{Apply: func(uint64, []byte) error { return nil }, MinWait: second, MaxWait: 5 * second, Rand: func() float64 { return 0.5 }})
		require.ErrorIs(t, err, context.Canceled)
		at := func(s float64) time.Duration { return time.Duration(s * float64(second)) }
		require.Equal(t, []time.Duration{0, at(0.75), at(2.25), at(5.25), at(9), at(12.75), at(16.5)}, tries)
	})
}

func TestSilenceIsToldFromNothingNew(t *testing.T) {
	bubble(t, Options{Heartbeat: 30 * second}, func(t *testing.T, w *world) {
		m := w.join("edge", func(o *SubscriberOptions) { o.Idle = 31 * second })
		w.publish("a")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, 1, w.dialled(), "a quiet publisher was taken for a dead one")
		m.leave()
	})
	// This one reads, and says nothing.
	bubble(t, Options{}, func(t *testing.T, w *world) {
		dials, done := new(atomic.Int64), make(chan error, 1)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			done <- SubscribeConn(ctx, func(context.Context) (net.Conn, error) {
				dials.Add(1)
				ours, theirs := net.Pipe()
				go io.Copy(io.Discard, theirs)
				return ours, nil
			}, SubscriberOptions{Apply: func(uint64, []byte) error { return nil }, Idle: 31 * second, MinWait: second, Rand: func() float64 { return 1 }})
		}()
		time.Sleep(31*second - 1)
		synctest.Wait()
		require.Equal(t, int64(1), dials.Load())
		time.Sleep(2 * second)
		synctest.Wait()
		require.Equal(t, int64(2), dials.Load(), "a connection that is dead is kept for ever")
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestCloseEndsEverything(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, w *world) {
		m := w.join("edge")
		w.raw()                          // has not said hello
		w.raw(newHello(id{}, "reading")) // does not read
		w.publish("a")
		synctest.Wait()
		require.NoError(t, w.Close())
		require.NoError(t, w.Close())
		m.leave()
		for _, err := range w.served() {
			require.ErrorIs(t, err, ErrClosed)
		}
		ours, theirs := net.Pipe()
		require.ErrorIs(t, w.Serve(theirs), ErrClosed)
		_, err := ours.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF, "a connection is left open")
		_, err = w.Publish(nil)
		require.ErrorIs(t, err, ErrClosed)
		require.Empty(t, w.Status())
	})
}

func TestPublishThatFailsChangesNothing(t *testing.T) {
	bubble(t, Options{MaxSize: 10}, func(t *testing.T, w *world) {
		m := w.join("edge")
		w.publish("good")
		require.Equal(t, []string{"1:good"}, m.got())
		for want, encode := range map[string]func([]byte) ([]byte, error){
			"push: encode the configuration: no": func(b []byte) ([]byte, error) { return nil, errors.New("no") },
			"push: encode has returned 0 bytes":  func(b []byte) ([]byte, error) { return nil, nil },
			"push: a configuration of 11 bytes: at most 10 are taken (MaxSize)": func(b []byte) ([]byte, error) {
				return append(b, "12345678901"...), nil
			},
		} {
			_, err := w.PublishFunc(encode)
			require.ErrorContains(t, err, want)
		}
		require.Equal(t, uint64(1), w.Version())
		require.Equal(t, uint64(2), w.publish("1234567890"))
		require.Equal(t, []string{"1:good", "2:1234567890"}, m.got())
		m.leave()
	})
}

func TestSubscribersThatMakeNoSenseAreRefused(t *testing.T) {
	apply := func(uint64, []byte) error { return nil }
	require.ErrorContains(t, SubscribeConn(t.Context(), nil, SubscriberOptions{}), "push: a subscriber without Apply")
	require.ErrorContains(t, Subscribe(t.Context(), "http://x", SubscriberOptions{}), "push: a subscriber without Apply")
	require.ErrorContains(t, Subscribe(t.Context(), "http://x", SubscriberOptions{Apply: apply, Name: strings.Repeat("x", 257)}), "push: a name of 257 bytes")
	for _, address := range []string{"", "config.example", "ftp://config.example", "http://", "http://%zz"} {
		require.ErrorContains(t, Subscribe(t.Context(), address, SubscriberOptions{Apply: apply}), "is no address of a publisher")
	}
}
