package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// ask sends one request with a transport of these options, and reads the answer.
func ask(t *testing.T, o TransportOptions, method, url string, body io.Reader) (*http.Response, string, error) {
	transport := NewTransport(o)
	defer transport.CloseIdleConnections()
	return send(t, transport, method, url, body)
}

func send(t *testing.T, transport http.RoundTripper, method, url string, body io.Reader) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	answer, err := transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer, string(text), err
}

// Sixty-four requests at once need as many connections, and the next sixty-four find them.
func TestBurstsKeepTheirConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const burst = 64
		var open, dialed atomic.Int64
		var inside sync.WaitGroup
		transport := piped(TransportOptions{}, func(_ int64, c net.Conn) {
			dialed.Add(1)
			open.Add(1)
			defer open.Add(-1)
			for in := bufio.NewReader(c); ; {
				if _, err := http.ReadRequest(in); err != nil {
					c.Close()
					return
				}
				inside.Done()
				inside.Wait() // all at once
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		})
		defer transport.CloseIdleConnections()
		for range 2 {
			inside.Add(burst)
			for range burst {
				go func() {
					if _, _, err := send(t, transport, "GET", "http://h:80", nil); err != nil {
						t.Error(err)
					}
				}()
			}
			synctest.Wait()
			require.EqualValues(t, burst, open.Load(), "RULE U9: connections of a burst are not kept")
			require.EqualValues(t, burst, dialed.Load(), "RULE U9: connections of a burst are not used again")
		}
	})
}

func TestAnswersAreNotTouched(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Accepted", r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "not gzip at all")
	}))
	defer server.Close()
	answer, body, err := ask(t, TransportOptions{}, "GET", server.URL, nil)
	require.NoError(t, err, "RULE U9: an answer is undone")
	require.Empty(t, answer.Header.Get("X-Accepted"), "RULE U9: something is asked for that the client did not ask for")
	require.Equal(t, "not gzip at all", body)
	require.EqualValues(t, len(body), answer.ContentLength)
	require.Nil(t, NewTransport(TransportOptions{}).Proxy, "RULE U9: the environment decides where requests go")
}

func TestProtocols(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	plain := httptest.NewUnstartedServer(handler)
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetHTTP1(true)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Start()
	defer plain.Close()
	secret := httptest.NewUnstartedServer(handler)
	secret.EnableHTTP2 = true
	secret.StartTLS()
	defer secret.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secret.Certificate())
	trust := &tls.Config{RootCAs: roots}
	for _, c := range []struct {
		url  string
		o    TransportOptions
		want string
	}{
		{plain.URL, TransportOptions{}, "HTTP/1.1"},
		{plain.URL, TransportOptions{Protocol: "h2c"}, "HTTP/2.0"},
		{secret.URL, TransportOptions{TLS: trust}, "HTTP/1.1"},
		{secret.URL, TransportOptions{TLS: trust, Protocol: "h2"}, "HTTP/2.0"},
	} {
		_, got, err := ask(t, c.o, "GET", c.url, nil)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	require.Nil(t, trust.NextProtos, "somebody else's configuration is changed")
}

func TestClientCertificates(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.Organization[0])
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	o := TransportOptions{TLS: &tls.Config{RootCAs: roots, Certificates: server.TLS.Certificates}}
	_, who, err := ask(t, o, "GET", server.URL, nil)
	require.NoError(t, err)
	require.Equal(t, "Acme Co", who)
	_, _, err = ask(t, TransportOptions{TLS: &tls.Config{RootCAs: roots}}, "GET", server.URL, nil)
	require.Error(t, err, "without a certificate")
}

// piped is a transport whose connections are pipes to serve, which is called with the number of the connection.
func piped(o TransportOptions, serve func(n int64, c net.Conn)) *http.Transport {
	transport := NewTransport(o)
	var n atomic.Int64
	transport.DialContext = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go serve(n.Add(1), server)
		return client, nil
	}
	return transport
}

func swallow(_ int64, c net.Conn) { _, _ = io.Copy(io.Discard, c); c.Close() }

func TestAnUpstreamThatHangsIsAnError(t *testing.T) {
	for _, c := range []struct {
		url   string
		after time.Duration
		never bool
		says  string
	}{
		{"http://h:80", 7 * time.Second, false, "timeout awaiting response headers"},
		{"https://h:443", 3 * time.Second, true, "TLS handshake timeout"},
	} {
		synctest.Test(t, func(t *testing.T) {
			transport := piped(TransportOptions{DialTimeout: 3 * time.Second, HeaderTimeout: 7 * time.Second}, swallow)
			start := time.Now()
			_, _, err := send(t, transport, "GET", c.url, nil)
			require.ErrorContains(t, err, c.says, "RULE U9: it hangs for ever")
			require.Equal(t, c.after, time.Since(start))
			require.Equal(t, c.never, NeverSent(err), "RULE U9: %v", err)
			require.Equal(t, Failed, Judge(nil, err))
			transport.CloseIdleConnections()
		})
	}
}

func TestIdleConnectionsAreLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, ended := time.Now(), make(chan time.Duration, 1)
		transport := piped(TransportOptions{}, func(_ int64, c net.Conn) {
			answerOne(c)
			_, _ = c.Read(make([]byte, 1))
			ended <- time.Since(start)
			c.Close()
		})
		_, _, err := send(t, transport, "GET", "http://h:80", nil)
		require.NoError(t, err)
		require.Equal(t, time.Minute, <-ended, "RULE U9: servers close after 60 to 75 s; the client is to be first")
	})
}

// answerOne reads a request without a body and answers it.
func answerOne(c net.Conn) {
	if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		_, _ = io.Copy(io.Discard, req.Body)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	}
}

// stream is a body that can be read once, as a client's is.
func stream(s string) io.Reader { return struct{ io.Reader }{strings.NewReader(s)} }

// A server closes an idle connection at the moment that a POST takes it: nothing was written, and the
// server had not even been asked.
func TestAConnectionThatWasClosedWhileIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var server net.Conn
		transport := piped(TransportOptions{}, func(_ int64, c net.Conn) { server = c; answerOne(c) })
		_, _, err := send(t, transport, "GET", "http://h:80", nil)
		require.NoError(t, err)
		synctest.Wait()
		closing := &httptrace.ClientTrace{GotConn: func(got httptrace.GotConnInfo) {
			require.True(t, got.Reused)
			server.Close()
			synctest.Wait() // the transport has noticed
		}}
		req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), closing), "POST", "http://h:80", stream("x"))
		require.NoError(t, err)
		_, err = transport.RoundTrip(req)
		require.Error(t, err)
		require.True(t, NeverSent(err), "RULE U9: the 502 that nobody can explain: %v", err)
	})
}

// The same a moment later: the request is there, and nobody knows what became of it.
func TestAConnectionThatBreaksAfterTheRequestProvesNothing(t *testing.T) {
	for _, reused := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			transport := piped(TransportOptions{}, func(_ int64, c net.Conn) {
				if reused {
					answerOne(c)
				}
				if req, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
					_, _ = io.Copy(io.Discard, req.Body)
				}
				c.Close()
			})
			if reused {
				_, _, err := send(t, transport, "GET", "http://h:80", nil)
				require.NoError(t, err)
				synctest.Wait()
			}
			_, _, err := send(t, transport, "POST", "http://h:80", stream("x"))
			require.Error(t, err)
			require.False(t, NeverSent(err), "RULE U9: it may have been done: %v", err)
			require.Equal(t, Failed, Judge(nil, err))
		})
	}
}

// An HTTP/2 server that refuses a stream has not looked at it; one that resets it otherwise may have.
func TestStreamsThatAreRefused(t *testing.T) {
	for code, never := range map[byte]bool{0x7: true, 0x2: false, 0x8: false, 0xb: false} {
		synctest.Test(t, func(t *testing.T) {
			transport := piped(TransportOptions{Protocol: "h2c"}, func(_ int64, c net.Conn) { refuseStreams(c, code) })
			defer transport.CloseIdleConnections()
			_, _, err := send(t, transport, "GET", "http://h:80", nil)
			require.Error(t, err)
			require.Equal(t, never, NeverSent(err), "RULE U9: code %d: %v", code, err)
		})
	}
}

// refuseStreams speaks as much HTTP/2 as is needed: settings, and RST_STREAM for each HEADERS.
func refuseStreams(c net.Conn, code byte) {
	defer c.Close()
	in := bufio.NewReader(c)
	_, _ = in.Discard(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	const headers, rstStream, settings, ping, ack = 1, 3, 4, 6, 1
	out := make(chan []byte, 100)
	defer close(out)
	go func() { // a pipe has no buffer: who reads must not write
		for frame := range out {
			_, _ = c.Write(frame)
		}
	}()
	out <- []byte{0, 0, 0, settings, 0, 0, 0, 0, 0}
	for {
		var head [9]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return
		}
		body := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(in, body); err != nil {
			return
		}
		switch {
		case head[3] == headers:
			out <- append([]byte{0, 0, 4, rstStream, 0, head[5], head[6], head[7], head[8]}, 0, 0, 0, code)
		case head[3] == settings && head[4] != ack:
			out <- []byte{0, 0, 0, settings, ack, 0, 0, 0, 0}
		case head[3] == ping && head[4] != ack:
			out <- append([]byte{0, 0, 8, ping, ack, 0, 0, 0, 0}, body...)
		}
	}
}

func TestWithoutAConnectionNothingWasSent(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secret := httptest.NewUnstartedServer(http.NotFoundHandler())
	secret.Config.ErrorLog = quiet()
	secret.StartTLS()
	defer secret.Close()
	for name, url := range map[string]string{
		"nobody listens":      "http://127.0.0.1:1", // a port that was free a moment ago may be somebody's by now
		"no such name":        "http://two..dots",
		"no TLS there":        strings.Replace(plain.URL, "http:", "https:", 1),
		"unknown certificate": secret.URL,
	} {
		_, _, err := ask(t, TransportOptions{}, "POST", url, stream("x"))
		require.Error(t, err, name)
		require.True(t, NeverSent(err), "RULE U9: %s: %v", name, err)
		require.Equal(t, Failed, Judge(nil, err), "RULE U3: %s: %v", name, err)
	}
}

func TestJudge(t *testing.T) {
	for code, want := range map[int]Outcome{200: OK, 302: OK, 404: OK, 500: OK, 501: OK, 502: Failed, 503: Failed, 504: Failed, 505: OK} {
		require.Equal(t, want, Judge(&http.Response{StatusCode: code}, nil), code)
	}
	require.Equal(t, Canceled, Judge(nil, context.Canceled), "RULE U3: the client went away")
	require.Equal(t, Failed, Judge(nil, context.DeadlineExceeded), "a deadline is the gateway's: the backend was too slow")
	for _, err := range []error{
		nil, context.Canceled, io.EOF, errors.New("net/http: HTTP/1.x transport connection broken: write: broken pipe"),
		&net.OpError{Op: "read", Err: errors.New("connection reset by peer")},
		&net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")},
	} {
		require.False(t, NeverSent(err), "RULE U9: it may have been sent: %v", err)
	}
	require.True(t, NeverSent(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}))
}
