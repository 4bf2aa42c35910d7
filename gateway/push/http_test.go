package push

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOverHTTPItIsTheSame(t *testing.T) {
	for name, protocols := range map[string]*http.Protocols{"http1": http1(), "http2": http2()} {
		t.Run(name, func(t *testing.T) { theSame(t, protocols) })
	}
}

func theSame(t *testing.T, protocols *http.Protocols) {
	httpBubble(t, Options{}, protocols, bare, func(t *testing.T, s *site) {
		m := s.join("edge")
		require.Empty(t, m.got())
		st, _ := s.status("edge")
		require.Equal(t, Status{Name: "edge", Remote: "pipe", Since: st.Since}, st)
		s.publish("a")
		require.Equal(t, []string{"1:a"}, m.got())
		st, _ = s.status("edge")
		require.Equal(t, uint64(1), st.Acked, "RULE C5: an ack over HTTP is lost")
		since := st.Since
		time.Sleep(time.Hour)
		st, _ = s.status("edge")
		require.Equal(t, since, st.Since, "RULE C5: a stream that is quiet is cut")
		m.set(func(m *member) { m.refuse = "routes.eskip:3:14: no" })
		s.publish("bad")
		require.Equal(t, []string{"1:a", "2:bad"}, m.got())
		st, _ = s.status("edge")
		require.Equal(t, Status{Name: "edge", Remote: "pipe", Since: st.Since, Sent: 2, Acked: 1, Nacked: 2, Reason: "routes.eskip:3:14: no"}, st,
			"RULE C5: a nack over HTTP does not say why")
		m.leave()
		synctest.Wait()
		require.Empty(t, s.Status(), "a stream that was left is kept")
	})
}

func TestOverHTTPAReconnectResumes(t *testing.T) {
	httpBubble(t, Options{}, http1(), bare, func(t *testing.T, s *site) {
		m := s.join("edge")
		s.publish(strings.Repeat("a", 1<<20))
		require.Len(t, m.got(), 1)
		for range 3 {
			s.pipes.cut()
			time.Sleep(second)
			require.Len(t, m.got(), 1, "RULE C5: what is known is sent again")
			st, _ := s.status("edge")
			require.Equal(t, uint64(1), st.Acked, "RULE C5: what is known is not said")
		}
		s.publish("b")
		require.Equal(t, "2:b", m.got()[1])
		m.leave()
	})
}

func TestOverHTTPAStreamThatIsNotReadIsGivenUp(t *testing.T) {
	httpBubble(t, Options{WriteTimeout: 7 * second}, http1(), bare, func(t *testing.T, s *site) {
		stuck, err := s.pipes.dial(context.Background(), "", "")
		require.NoError(t, err)
		defer stuck.Close()
		io.WriteString(stuck, "GET /push?name=stuck HTTP/1.1\r\nHost: config.example\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReaderSize(stuck, 16), nil)
		require.NoError(t, err)
		require.NotEmpty(t, resp.Header.Get("Push-Session"))
		well := s.join("well")
		s.publish(strings.Repeat("a", 1<<20))
		require.Len(t, well.got(), 1, "RULE C5: others wait for a stream that is not read")
		_, connected := s.status("stuck")
		require.True(t, connected)
		time.Sleep(8 * second)
		_, connected = s.status("stuck")
		require.False(t, connected, "RULE C5: a stream that is stuck is kept for ever")
		require.Equal(t, uint64(1), s.Metrics().Stalled)
		well.leave()
	})
}

// Who may subscribe is decided around the handler, and who may not is told so, and tries again.
func TestOverHTTPWhoMayNotSubscribeDoesNot(t *testing.T) {
	guard := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer token" || r.URL.Query().Get("tenant") != "a" {
				http.Error(w, "who are you?", http.StatusUnauthorized)
				return
			}
			h.ServeHTTP(w, r)
		})
	}
	httpBubble(t, Options{}, http1(), guard, func(t *testing.T, s *site) {
		s.publish("secret")
		stranger := s.join("stranger")
		known := s.join("known", func(o *SubscriberOptions) { o.Header = http.Header{"authorization": {"Bearer token"}} })
		require.Equal(t, []string{"1:secret"}, known.got())
		time.Sleep(time.Minute)
		require.Empty(t, stranger.got())
		st, _ := s.status("known")
		require.Equal(t, uint64(1), st.Acked, "reports are let in too")
		stranger.leave()
		known.leave()
	})
}

func TestOverHTTPBadRequestsAreRefused(t *testing.T) {
	httpBubble(t, Options{}, http1(), bare, func(t *testing.T, s *site) {
		for _, c := range []struct {
			method, url string
			body        []byte
			status      int
			text        string
		}{
			{"PUT", "", nil, 405, "GET subscribes, POST reports"},
			{"GET", "?version=x", nil, 400, `version "x" is no number`},
			{"GET", "?version=-1&sum=0", nil, 400, `version "-1" is no number`},
			{"GET", "?version=1", nil, 400, `sum "" is no checksum`},
			{"GET", "?version=1&sum=123456789", nil, 400, `sum "123456789" is no checksum`},
			{"GET", "?name=" + strings.Repeat("x", 257), nil, 400, "name has 257 bytes"},
			{"POST", "", newFrame(kindAck, 1, ""), 410, "no such stream"},
			{"POST", "?session=guess", newFrame(kindAck, 1, ""), 410, "no such stream"},
		} {
			status, text := s.call(c.method, c.url, c.body)
			require.Equal(t, c.status, status, c.url)
			require.Contains(t, text, c.text)
		}

		m := s.join("edge")
		require.Empty(t, m.got())
		s.Publisher.mu.Lock()
		var key string
		for key = range s.byKey {
		}
		s.Publisher.mu.Unlock()
		for want, body := range map[string][]byte{
			"broken frame":              []byte("hello, this is no frame at all"),
			"sends a frame of kind 1":   newFrame(kindSnapshot, 1, "x"),
			"at most 1024 is taken":     newFrame(kindNack, 1, strings.Repeat("x", 1025)),
			"the stream ends 5 bytes b": newFrame(kindNack, 1, "hello")[:headerSize],
		} {
			status, text := s.call("POST", "?session="+key, body)
			require.Equal(t, 400, status)
			require.Contains(t, text, want)
		}
		m.leave()
	})
}

// What answers is no publisher: an error that says so, and nothing is applied.
func TestOverHTTPAnAnswerOfSomethingElse(t *testing.T) {
	u := "http://config.example/push"
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") })}
		go server.Serve(p)
		defer server.Close()
		transport := &http.Transport{DialContext: p.dial}
		defer transport.CloseIdleConnections()
		o := SubscriberOptions{Apply: func(uint64, []byte) error { t.Error("applied"); return nil }, Client: &http.Client{Transport: transport}}
		require.NoError(t, o.fill())
		parsed, err := http.NewRequest("GET", u, nil)
		require.NoError(t, err)
		_, err = dialHTTP(t.Context(), parsed.URL, id{}, o)
		require.EqualError(t, err, `push: http://config.example/push answers 200 OK to a stream: "<html>"; is it a publisher, and may this one subscribe?`)
	})
}
