package gatewaytest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// A client is a connection to the proxy.
type client struct {
	*net.TCPConn
	s  *stage
	in *bufio.Reader
}

func (s *stage) dial() *client {
	conn, err := net.DialTimeout("tcp", s.proxy.Addr(), s.patience)
	check(err == nil, "the proxy cannot be connected to: %v", err)
	s.clients = append(s.clients, conn)
	_ = conn.SetDeadline(time.Now().Add(s.patience))
	return &client{conn.(*net.TCPConn), s, bufio.NewReader(conn)}
}

// send writes bytes. That the proxy may have closed the connection shows in its answer.
func (c *client) send(text string) *client {
	_, _ = io.WriteString(c, text)
	return c
}

// An answer is what a client got.
type answer struct {
	*http.Response
	body  string
	err   error            // the body broke off
	early []*http.Response // 1xx answers before it
}

// head reads the answer to a request of a method up to its body.
func (c *client) head(method string) answer {
	a, err := c.tryHead(method)
	check(err == nil, "%s has no answer: %v", method, err)
	return a
}

func (c *client) tryHead(method string) (a answer, err error) {
	for {
		a.Response, err = http.ReadResponse(c.in, &http.Request{Method: method})
		if err != nil || a.StatusCode >= 200 || a.StatusCode == http.StatusSwitchingProtocols {
			return a, err
		}
		a.early = append(a.early, a.Response)
	}
}

// answer reads it whole.
func (c *client) answer(method string) answer {
	a := c.head(method)
	body, err := io.ReadAll(a.Body)
	a.body, a.err = string(body), err
	return a
}

// ok reads an answer that must be whole and 200.
func (c *client) ok(method string) answer {
	a := c.answer(method)
	check(a.err == nil, "the answer to %s broke off: %v", method, a.err)
	check(a.StatusCode == http.StatusOK, "%s was answered with %s %q", method, a.Status, a.body)
	return a
}

// until is what comes up to an end; less, if nothing more comes.
func (c *client) until(end string) string {
	var got strings.Builder
	for !strings.HasSuffix(got.String(), end) {
		b, err := c.in.ReadByte()
		if err != nil {
			break
		}
		got.WriteByte(b)
	}
	return got.String()
}

// ended tells whether the proxy closes the connection, and reads away what still comes.
func (c *client) ended() bool {
	_, err := io.Copy(io.Discard, c.in)
	return !timedOut(err)
}

func timedOut(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

// ask sends a request on a connection of its own and wants 200.
func (s *stage) ask(text string) answer {
	method, _, _ := strings.Cut(text, " ")
	c := s.dial()
	defer c.Close()
	return c.send(text).ok(method)
}

// refused wants an error as answer, or none, and the connection closed. Narrowly, the error is the client's: 4xx, 501 or 505.
func (c *client) refused(what string, narrowly bool) {
	a, err := c.tryHead("POST")
	if err != nil {
		check(!timedOut(err), "%s is not answered, and the connection is open", what)
		return
	}
	clients := a.StatusCode < 500 || a.StatusCode == http.StatusNotImplemented || a.StatusCode == http.StatusHTTPVersionNotSupported
	check(a.StatusCode >= 400 && (clients || !narrowly), "%s was answered with %s", what, a.Status)
	check(c.ended(), "%s was refused, but the connection is open", what)
}
