package gateway

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/gateway/push"
	"github.com/stretchr/testify/require"
)

// A running is a gateway that follows a source in virtual time.
type running struct {
	*world
	told chan error // of each configuration: nil, or why it was refused
}

const interval = time.Second

// follow begins to run, and waits for the first configuration, which must be good.
func follow(t *testing.T, s Source) *running {
	f := &running{world: newWorld(t, Options{}), told: make(chan error, 100)}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- f.Run(ctx, tellingSource{s, f.told}) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
	})
	require.NoError(t, <-f.told)
	return f
}

// quiet lets the source look some times, and fails if there was anything new.
func (f *running) quiet(looks int) {
	f.t.Helper()
	time.Sleep(time.Duration(looks) * interval)
	synctest.Wait()
	if len(f.told) > 0 {
		f.t.Fatalf("RULE C1: a look brought a configuration (%v), expected none", <-f.told)
	}
}

// news lets the source look twice, and says what came of what is new.
func (f *running) news() error {
	f.t.Helper()
	time.Sleep(2 * interval)
	synctest.Wait()
	require.Len(f.t, f.told, 1, "configurations in two looks")
	return <-f.told
}

// tellingSource also tells a test what came of its configurations.
type tellingSource struct {
	Source
	told chan error
}

func (s tellingSource) Watch(ctx context.Context, apply func(Configuration, error) error) error {
	return s.Source.Watch(ctx, func(c Configuration, err error) error {
		err = apply(c, err)
		s.told <- err
		return err
	})
}

func write(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}

func TestFileIsFollowed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "routes.eskip")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, `a: Path("/a") -> say(201) -> <shunt>;`)
		f := follow(t, FileSource{Path: path, Interval: interval})
		require.Equal(t, "201 ", f.get("/a"))
		f.quiet(3)

		write(t, path, `a: Path("/a") -> say(202) -> <shunt>;`)
		require.NoError(t, f.news())
		require.Equal(t, "202 ", f.get("/a"))

		// Replaced by a rename, as editors and Kubernetes do it.
		write(t, path+".new", `a: Path("/a") -> say(203) -> <shunt>;`)
		require.NoError(t, os.Rename(path+".new", path))
		require.NoError(t, f.news())
		require.Equal(t, "203 ", f.get("/a"))
	})
}

// What routes name may come after them: keys, users, descriptors.
func TestRoutesThatWereRefusedForAMissingFileAreTriedAgain(t *testing.T) {
	dir := t.TempDir()
	routes, users := filepath.Join(dir, "routes.eskip"), filepath.Join(dir, "users")
	const asks = `a: Path("/a") -> basicAuth("USERS") -> say(202) -> <shunt>;`
	server := map[string]func(t *testing.T, text string) Source{
		"file": func(t *testing.T, text string) Source { return FileSource{Path: routes, Interval: interval} },
		"url": func(t *testing.T, text string) Source {
			client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				text, err := os.ReadFile(routes)
				require.NoError(t, err)
				w := httptest.NewRecorder()
				w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprint(len(text))))
				w.Write(text)
				return w.Result(), nil
			})}
			return HTTPSource{URL: "http://c/", Interval: interval, Client: client}
		},
	}
	for name, source := range server {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				write(t, routes, `a: Path("/a") -> say(201) -> <shunt>;`)
				f := follow(t, source(t, routes))
				write(t, routes, strings.Replace(asks, "USERS", filepath.ToSlash(users), 1))
				require.ErrorContains(t, f.news(), "users")
				time.Sleep(3 * tryAgain)
				synctest.Wait()
				require.Equal(t, 1, f.history.metrics().Refused, "a refusal for the same reason is told once")
				require.Equal(t, "201 ", f.get("/a"))
				write(t, users, "u:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
				defer os.Remove(users)
				time.Sleep(tryAgain + interval)
				synctest.Wait()
				require.Equal(t, "401", f.get("/a")[:3], "RULE C1: routes whose missing file has come are not tried again")
				for len(f.told) > 1 {
					require.Error(t, <-f.told)
				}
				require.NoError(t, <-f.told)
				f.quiet(30)
			})
		})
	}
}

// TestHalfOfAFileIsNoConfiguration: C1. The first half of a file is often a configuration too, a smaller one.
func TestHalfOfAFileIsNoConfiguration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "routes.eskip")
	synctest.Test(t, func(t *testing.T) {
		write(t, path, `a: Path("/a") -> say(201) -> <shunt>; b: Path("/b") -> say(201) -> <shunt>;`)
		f := follow(t, FileSource{Path: path, Interval: interval})

		const changed = `a: Path("/a") -> say(202) -> <shunt>; b: Path("/b") -> say(202) -> <shunt>;`
		for i := 0; i < len(changed); i += 7 { // a slow writer
			write(t, path, changed[:i])
			f.quiet(1)
		}
		require.Equal(t, "201 ", f.get("/b"), "RULE C1: half of a file took a route away")
		write(t, path, changed)
		require.NoError(t, f.news())
		require.Equal(t, "202 ", f.get("/b"))
	})
}

// TestWrongFileKeepsTheLastGoodOne: C1, and it is said once, on the page and in metrics.
func TestWrongFileKeepsTheLastGoodOne(t *testing.T) {
	for name, text := range map[string]string{
		"syntax":         "a: Path(\"/a\") ->\n-> <shunt>;",
		"unknown filter": `a: Path("/a") -> statuss(202) -> <shunt>;`,
		"empty":          "",
		"only a comment": "// a: Path(\"/a\") -> <shunt>;\n",
		"not text":       "\x00\x01\xff",
		"gone":           "",
	} {
		path := filepath.Join(t.TempDir(), "routes.eskip")
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const good = `a: Path("/a") -> say(201) -> <shunt>;`
				write(t, path, good)
				f := follow(t, FileSource{Path: path, Interval: interval})
				write(t, path, text)
				if name == "gone" {
					require.NoError(t, os.Remove(path))
				}
				err := f.news()
				require.Error(t, err, "RULE C1: a wrong file is in force")
				require.Equal(t, "201 ", f.get("/a"), "RULE C1: a wrong file is in force")
				require.Equal(t, err.Error(), f.Metrics().Config.Err)
				require.Equal(t, err.Error(), f.Versions()[0].Err)
				f.quiet(3)
				write(t, path, good)
				require.NoError(t, f.news())
				require.Empty(t, f.Metrics().Config.Err)
			})
		})
	}
}

func TestFilesOfADirectoryAreOneConfiguration(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "1.eskip"), filepath.Join(dir, "2.eskip")
	synctest.Test(t, func(t *testing.T) {
		write(t, one, `a: Path("/a") -> say(201) -> <shunt>;`)
		write(t, filepath.Join(dir, "notes.txt"), "not routes")
		f := follow(t, DirSource{Path: dir, Interval: interval})

		write(t, two, `b: Path("/b") -> say(202) -> <shunt>;`)
		require.NoError(t, f.news())
		require.Equal(t, []string{"201 ", "202 "}, []string{f.get("/a"), f.get("/b")})

		write(t, two, "b: Path(\"/b\") -> <shunt>;\n a: Path(\"/b\") -> <shunt>;")
		require.EqualError(t, f.news(), two+":2:2: there is a route a already, at "+one+":1:1; ids are to be unique")
		require.Equal(t, "202 ", f.get("/b"), "RULE C1: a wrong file is in force")

		require.NoError(t, os.Remove(two))
		require.NoError(t, f.news())
		require.Equal(t, []string{"201 ", "404"}, []string{f.get("/a"), f.get("/b")[:3]})

		require.NoError(t, os.Rename(one, one+".off"))
		require.ErrorIs(t, f.news(), ErrEmpty)
		require.Equal(t, "201 ", f.get("/a"))
	})
}

// A configServer serves one text with an ETag, if it has one.
type configServer struct {
	mu         sync.Mutex
	text, etag string
	status     int
	sent       int // how often the text was
}

func (s *configServer) set(text, etag string, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text, s.etag, s.status = text, etag, status
}

func (s *configServer) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := httptest.NewRecorder()
	rec.Header().Set("ETag", s.etag)
	switch {
	case s.status != http.StatusOK:
		rec.WriteHeader(s.status)
	case s.etag != "" && r.Header.Get("If-None-Match") == s.etag:
		rec.WriteHeader(http.StatusNotModified)
	default:
		s.sent++
		_, _ = rec.WriteString(s.text)
	}
	return rec.Result(), nil
}

func TestServerIsAskedForRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &configServer{text: `a: Path("/a") -> say(201) -> <shunt>;`, etag: `"1"`, status: 200}
		f := follow(t, HTTPSource{URL: "http://config/routes", Interval: interval, Client: &http.Client{Transport: server}, MaxBytes: 100})
		require.Equal(t, "201 ", f.get("/a"))
		f.quiet(3)
		require.Equal(t, 1, server.sent, "a server with nothing new sends nothing")
		require.Equal(t, `"1"`, f.Versions()[0].Name)

		change := func(text, etag string, status int) error {
			server.set(text, etag, status)
			return f.news()
		}
		const second = `a: Path("/a") -> say(202) -> <shunt>;`
		require.NoError(t, change(second, `"2"`, 200))
		require.Equal(t, "202 ", f.get("/a"))
		require.ErrorContains(t, change("", "", 500), "asking http://config/routes for routes: it answered 500")
		f.quiet(2)
		require.NoError(t, change(second, `"2"`, 200), "what is in force is good again, and said to be")
		require.ErrorIs(t, change("", "", 200), ErrEmpty)
		f.quiet(3)
		require.ErrorContains(t, change(string(make([]byte, 101)), "", 200), "more than 100 bytes")
		require.ErrorContains(t, change("a: -> x", "", 200), "http://config/routes:1:4: ")
		require.Equal(t, "202 ", f.get("/a"), "RULE C1: a wrong configuration is in force")
	})
}

// TestPublisherLearnsWhetherItsVersionIsInForce: C5. The gateway is a subscriber at the other end of a pipe.
func TestPublisherLearnsWhetherItsVersionIsInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		publisher := push.NewPublisher(push.Options{})
		dial := func(context.Context) (net.Conn, error) {
			here, there := net.Pipe()
			go publisher.Serve(there)
			return here, nil
		}
		defer publisher.Close()
		_, err := publisher.Publish([]byte(`a: Path("/a") -> say(201) -> <shunt>;`))
		require.NoError(t, err)
		f := follow(t, PushSource{Dial: dial, Options: push.SubscriberOptions{Name: "edge-1"}})
		require.Equal(t, "201 ", f.get("/a"))

		_, err = publisher.Publish([]byte(`a: Path("/a") -> sai(202) -> <shunt>;`))
		require.NoError(t, err)
		const reason = "push:1:18: route a: there is no filter sai; did you mean say?"
		require.EqualError(t, <-f.told, reason)
		synctest.Wait()
		require.Equal(t, "201 ", f.get("/a"), "RULE C1: a wrong configuration is in force")
		require.Equal(t, reason, f.Metrics().Config.Err)
		status := publisher.Status()[0]
		require.Equal(t, []any{uint64(1), uint64(2), reason}, []any{status.Acked, status.Nacked, status.Reason}, "RULE C5: a refusal without its reason")

		_, err = publisher.Publish([]byte(`a: Path("/a") -> say(203) -> <shunt>;`))
		require.NoError(t, err)
		require.NoError(t, <-f.told)
		synctest.Wait()
		require.Equal(t, "203 ", f.get("/a"))
		require.Equal(t, "v3", f.Versions()[0].Name)
		require.Equal(t, uint64(3), publisher.Status()[0].Acked)
	})
}

func TestSourceThatCanNeverWorkIsAnError(t *testing.T) {
	w := newWorld(t, Options{})
	require.Error(t, w.Run(t.Context(), PushSource{URL: "nowhere"}))
}

// TestWatcherTellsWhatHasSettled walks through the picture in source_file.go.
func TestWatcherTellsWhatHasSettled(t *testing.T) {
	var w watcher
	told := ""
	for _, content := range []string{"A", "A", "A+", "A+B", "A+B", "A+B", "A", "A+B", "A", "A"} {
		if w.see(look{{"f", content}}) {
			told += content + " "
		} else {
			told += "- "
		}
	}
	require.Equal(t, "A - - - A+B - - - - A ", told)
}
