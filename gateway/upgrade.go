package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// An upgraded connection (101) is no HTTP any more: bytes go both ways until one side ends (P5).
//
//	client <---- conn, buffered ----> gateway <---- res.Body ----> upstream
//	        early bytes are in the                   early bytes are in
//	        server's read buffer                     the transport's buffer

// badUpgrade says what is wrong with a 101, or nothing.
func (e *exchange) badUpgrade(res *http.Response) string {
	wanted := e.out.req.Header.Get("Upgrade")
	switch {
	case wanted == "":
		return "the upstream switched protocols without being asked"
	case !strings.EqualFold(res.Header.Get("Upgrade"), wanted):
		return "the upstream switched to another protocol than the client asked for"
	}
	if _, is := res.Body.(io.ReadWriteCloser); !is {
		return "the upstream's connection cannot be written to"
	}
	// RFC 9110 section 7.8: a request ends first. The transport still sends it, and reads the client's connection for that.
	if _, ended := e.out.body.progress(); !ended && e.out.body.from != nil {
		return "the upstream switched protocols in the middle of the request"
	}
	return ""
}

// upgrade answers with 101 and connects the two. It returns when both directions are over.
func (e *exchange) upgrade() {
	res := e.res
	back, is := res.Body.(io.ReadWriteCloser)
	if !is {
		e.aborted = true // a filter has replaced the body
		return
	}
	ends := &ends{upstream: back}
	s, served := e.in.Context().Value(serverKey{}).(*Server)
	if served {
		// Before: whoever goes down is to see the connection with net/http, or here, at any moment (C4).
		defer s.tunnels.add(ends)()
	}
	conn, buffered, err := e.rc.Hijack()
	if err != nil {
		e.gw.log.Warn("gateway: cannot upgrade this client's connection", "route", e.routeName(), "err", err)
		e.aborted = true
		return
	}
	// Hijacked, the connection is nobody's but ours: whatever happens, it is closed here, the other one in end.
	defer conn.Close()
	if served {
		s.tunnels.hijacked(ends, conn)
	}
	if err := writeSwitch(buffered.Writer, res); err != nil { // which has its time, as any answer (P8)
		return
	}
	release(conn)
	_ = conn.SetDeadline(time.Time{})
	e.record.bytes = tunnel(conn, buffered.Reader, back)
}

// writeSwitch writes the 101 with what the two sides have agreed on, and nothing else that is between neighbours (P1).
func writeSwitch(w *bufio.Writer, res *http.Response) error {
	protocol := res.Header.Get("Upgrade")
	removeHopByHop(res.Header)
	res.Header["Connection"], res.Header["Upgrade"] = []string{"Upgrade"}, []string{protocol}
	fmt.Fprintf(w, "HTTP/1.1 101 %s\r\n", http.StatusText(http.StatusSwitchingProtocols))
	if err := res.Header.WriteSubset(w, map[string]bool{"Content-Length": true}); err != nil {
		return err
	}
	if _, err := w.WriteString("\r\n"); err != nil {
		return err
	}
	return w.Flush()
}

// tunnel copies both ways until one side ends, closes both, and returns how much came from the upstream.
func tunnel(conn net.Conn, early *bufio.Reader, back io.ReadWriteCloser) (bytes int64) {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(back, fromClient(conn, early))
		back.Close()
		conn.Close()
	})
	bytes, _ = io.Copy(conn, back)
	back.Close()
	conn.Close()
	both.Wait()
	return bytes
}

// fromClient reads what the server has read already, and then the connection itself, without the buffer in between.
func fromClient(conn net.Conn, early *bufio.Reader) io.Reader {
	if n := early.Buffered(); n > 0 {
		return io.MultiReader(io.LimitReader(early, int64(n)), conn)
	}
	return conn
}

// tunnels are a server's upgraded connections. When it goes down it waits for them, and then
// cuts them (C4); net/http no longer knows of them.
type tunnels struct {
	mu   sync.Mutex
	open map[*ends]bool
	over bool          // all were cut
	none chan struct{} // closed when there is none; nil: nobody waits
}

// ends are those of one upgraded connection.
type ends struct {
	upstream io.Closer
	client   io.Closer // nil as long as it is net/http's; guarded by tunnels.mu
}

// add keeps both ends until the function that it returns is called.
func (t *tunnels) add(e *ends) (remove func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[*ends]bool{}
	}
	t.open[e] = true
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.open, e)
		if len(t.open) == 0 && t.none != nil {
			close(t.none)
			t.none = nil
		}
	}
}

// hijacked says that the client's end is ours now.
func (t *tunnels) hijacked(e *ends, client io.Closer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.client = client; t.over {
		client.Close()
	}
}

// idle is closed when no connection is upgraded.
func (t *tunnels) idle() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) == 0 {
		none := make(chan struct{})
		close(none)
		return none
	}
	if t.none == nil {
		t.none = make(chan struct{})
	}
	return t.none
}

// cut closes all of them. Their exchanges end by that.
func (t *tunnels) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	for e := range t.open {
		if e.client != nil {
			e.client.Close()
		}
		e.upstream.Close()
	}
}
