package upstream

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/tries"
)

func TestHealthCore(t *testing.T) {
	o := HealthOptions{}.withDefaults() // down after 3, up after 2
	for script, want := range map[string]string{
		"": "", "++": "uu", "-": "u", "--+": "uuu", "---": "uud", "--+--+": "uuuuuu", "--+---": "uuuuud",
		"---+": "uudd", "---++": "uuddu", "---+-+-+": "uudddddd", "---++--": "uudduuu", "---++---": "uudduuud",
	} {
		var h health
		got := ""
		for i, c := range script {
			var err error
			if c == '-' {
				err = errors.New("no")
			}
			before := h.down
			h = h.check(err, time.Duration(i+1), o)
			require.Equal(t, err, h.err)
			if h.down != before {
				require.EqualValues(t, i+1, h.since, "RULE U11: when it changed")
			}
			got += map[bool]string{true: "d", false: "u"}[h.down]
		}
		require.Equal(t, want, got, "RULE U11: %s", script)
	}
}

// backends are processes by address, which answer checks, in a bubble of virtual time.
type backends struct {
	mu     sync.Mutex
	answer map[string]func(*http.Request) (*http.Response, error)
	asked  map[string][]time.Time
	closed int
}

func newBackends() *backends {
	return &backends{answer: map[string]func(*http.Request) (*http.Response, error){}, asked: map[string][]time.Time{}}
}

func (b *backends) RoundTrip(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	b.asked[r.URL.Host] = append(b.asked[r.URL.Host], time.Now())
	f := b.answer[r.URL.Host]
	b.mu.Unlock()
	if f == nil {
		f = status(200)
	}
	return f(r)
}

func (b *backends) CloseIdleConnections() { b.mu.Lock(); b.closed++; b.mu.Unlock() }

func (b *backends) set(host string, f func(*http.Request) (*http.Response, error)) {
	b.mu.Lock()
	b.answer[host] = f
	b.mu.Unlock()
}

func (b *backends) count(host string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.asked[host])
}

func status(code int) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Body: io.NopCloser(bytes.NewReader(nil))}, nil
	}
}

// hang answers when the caller has lost patience.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func (b *backends) registry() *Registry {
	return NewRegistry(RegistryOptions{NewTransport: func(TransportOptions) http.RoundTripper { return b }})
}

func TestChecksTakeAnEndpointDownAndUp(t *testing.T) {
	for name, broken := range map[string]func(*http.Request) (*http.Response, error){
		"status 500": status(500), "status 404": status(404), "no answer within 1s": hang,
		"refused": func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") },
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBackends()
			r := b.registry()
			defer r.Close()
			p, err := r.Pool(addresses(2), Options{Health: HealthOptions{Path: "/healthz?deep=1"}})
			require.NoError(t, err)
			state := func(i int) string { return p.Status().Endpoints[i].State }
			require.Equal(t, "up", state(0), "RULE U11: it is down before anybody has looked")

			token, err := p.Pick(0, nil) // a view of when both were up
			require.NoError(t, err)
			token.Done(OK)
			b.set("e0:80", broken)
			time.Sleep(25 * time.Second) // three checks, each with a second to hang, 5.5 s apart at most
			require.Equal(t, "down", state(0), "RULE U11: %s", name)
			require.Equal(t, "up", state(1))
			require.Contains(t, p.Status().Endpoints[0].CheckError, name, "RULE U11: why it is down")
			require.Contains(t, p.Status().Endpoints[0].CheckError, "http://e0:80/healthz?deep=1")
			for range 20 {
				token, err := p.Pick(0, nil)
				require.NoError(t, err)
				require.Equal(t, "http://e1:80", token.Endpoint().Address(), "RULE U2: it is down, and picked")
				token.Done(OK)
			}

			b.set("e0:80", status(302))
			time.Sleep(15 * time.Second)
			require.Equal(t, "up", state(0), "RULE U11: it does not come up again")
			require.Empty(t, p.Status().Endpoints[0].CheckError)
		})
	}
}

func TestChecksOfOneEndpointAreNotInStepWithAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackends()
		r := b.registry()
		p, err := r.Pool(addresses(50), Options{Health: HealthOptions{Path: "/"}})
		require.NoError(t, err)
		minutes := tries.Of(10, 3)
		time.Sleep(time.Duration(minutes) * time.Minute)
		require.NoError(t, p.Close())
		seconds := map[int]int{} // of the last five, how many checks
		for host, asked := range b.asked {
			require.InDelta(t, 12*minutes, len(asked), 5, "RULE U11: %s", host)
			seconds[int(asked[len(asked)-1].Unix())%5]++
		}
		for second, n := range seconds {
			require.Less(t, n, 40, "RULE U11: all checks at once: %d of 50 in second %d", n, second)
		}
		require.NoError(t, r.Close())
	})
}

func TestPoolsShareChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackends()
		r := b.registry()
		defer r.Close()
		o := Options{Health: HealthOptions{Path: "/a"}}
		var pools []*Pool
		for range 10 {
			p, err := r.Pool(addresses(1), o)
			require.NoError(t, err)
			pools = append(pools, p)
		}
		defer pools[0].members[0].check.stop()
		time.Sleep(time.Minute)
		require.InDelta(t, 12, b.count("e0:80"), 2, "RULE U8: ten pools, and it is asked ten times")
		for _, p := range pools[1:] {
			require.NoError(t, p.Close())
			require.NoError(t, p.Close(), "twice is once")
		}
		time.Sleep(time.Minute)
		require.InDelta(t, 24, b.count("e0:80"), 3, "RULE U8: checks have ended before the last pool")
		require.NoError(t, pools[0].Close())
		n := b.count("e0:80")
		time.Sleep(time.Minute)
		require.Equal(t, n, b.count("e0:80"), "RULE U8: checks go on after the last pool")
		// And the bubble does not end while a goroutine is in it.
	})
}

// A check that hangs must not hold up whoever closes.
func TestCloseDoesNotWaitForAHangingCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackends()
		b.set("e0:80", hang)
		r := b.registry()
		_, err := r.Pool(addresses(1), Options{Health: HealthOptions{Path: "/", Timeout: time.Hour}})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		require.Equal(t, 1, b.count("e0:80"))
		start := time.Now()
		require.NoError(t, r.Close())
		require.Zero(t, time.Since(start), "RULE U8: Close waits for a check that hangs")
		require.Equal(t, 1, b.closed, "RULE U8: idle connections are left open")
		require.NoError(t, r.Close())
	})
}

func TestLogTellsWhatHasChangedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackends()
		b.set("e0:80", status(503))
		var log bytes.Buffer
		r := NewRegistry(RegistryOptions{
			NewTransport: func(TransportOptions) http.RoundTripper { return b }, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		_, err := r.Pool(addresses(1), Options{Health: HealthOptions{Path: "/"}})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		b.set("e0:80", status(204))
		time.Sleep(time.Minute)
		require.NoError(t, r.Close())
		require.Equal(t, 2, bytes.Count(log.Bytes(), []byte("\n")), log.String())
		require.Contains(t, log.String(), `msg="endpoint is down" endpoint=http://e0:80`)
		require.Contains(t, log.String(), `msg="endpoint is up" endpoint=http://e0:80`)
	})
}
