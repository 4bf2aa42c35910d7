package gateway

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"time"
)

// A guardedConn stands between a client's connection and net/http's HTTP/1 server, and reads
// along: only as much as tells where messages end. What two parsers could see differently it
// refuses (P2), also where net/http, within its rights, decides for one reading:
//
//	Content-Length and Transfer-Encoding together    net/http: the latter counts
//	Transfer-Encoding in HTTP/1.0                    net/http: does not count
//	Transfer-Encoding:\tchunked, or anything but a plain "chunked"
//	a header line continued on the next (obs-fold)   net/http: joins them
//	a line that ends in LF without CR                net/http: is a line
//	the same Content-Length twice                    net/http: takes it once
//	Content_Length, Transfer_Encoding                some upstreams: as with a hyphen
//
// Who was in front of us, and believed the other reading, would take what we see as the
// next request for the body of this one, or the other way round: request smuggling.
//
// To refuse, it puts something that is no HTTP in place of the offending line and ends the stream: net/http
// answers 400 and closes, and a body that was under way breaks off. Bytes that are not refused
// pass unchanged, so the two always agree on where they are:
//
//	requestLine -> header ... -> [ length bytes | chunkSize -> chunk ... -> trailer ... ] -> requestLine
//	                   `-> open (behind an upgrade and its body, or HTTP/2: not ours to read)
type guardedConn struct {
	net.Conn
	body  time.Duration // for the next piece of a body; 0: no limit
	write time.Duration // for a piece of an answer; 0: no limit
	max   int           // bytes of a line
	set   deadlines
	h2c   bool // the first line may begin HTTP/2

	state   guardState
	line    []byte // the beginning of a line that has come in pieces
	left    int64  // bytes of a body or a chunk to come
	length  int64  // Content-Length; -1: none
	chunked bool
	old     bool // not HTTP/1.1
	upgrade bool
	poison  []byte
}

type guardState uint8

const (
	atRequestLine guardState = iota
	atHeader
	inBody
	atChunkSize
	inChunk
	atTrailer
	open
	refused
)

// notHTTP is an error wherever a line may stand.
const notHTTP = "\x00\r\n\r\n"

func (c *guardedConn) Read(p []byte) (int, error) {
	switch {
	case c.state == open || len(p) == 0:
		return c.Conn.Read(p)
	case c.state == refused:
		return c.spoil(p)
	}
	timed := c.body > 0 && c.state >= inBody
	if timed {
		// net/http takes it back when the body has ended.
		c.set.piece(c.Conn.SetReadDeadline, &c.set.read, c.body)
	}
	n, err := c.Conn.Read(p)
	if n == 0 {
		if err != nil && timed {
			c.state = refused // its time is over, also for whoever would read the rest away
		}
		return n, err
	}
	good, ok := c.scan(p[:n])
	if !ok {
		c.state, c.poison = refused, []byte(notHTTP)
		if good == 0 {
			return c.spoil(p)
		}
		return good, nil
	}
	return n, err
}

func (c *guardedConn) spoil(p []byte) (int, error) {
	n := copy(p, c.poison)
	if c.poison = c.poison[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write gives each piece its time: a client that does not read holds up what is meant for others.
func (c *guardedConn) Write(p []byte) (int, error) {
	if c.write > 0 {
		c.set.piece(c.Conn.SetWriteDeadline, &c.set.write, c.write)
	}
	return c.Conn.Write(p)
}

// Deadlines that are set from outside hold beside those of pieces.

func (c *guardedConn) SetReadDeadline(t time.Time) error {
	return c.set.store(c.Conn.SetReadDeadline, t, &c.set.read)
}

func (c *guardedConn) SetWriteDeadline(t time.Time) error {
	return c.set.store(c.Conn.SetWriteDeadline, t, &c.set.write)
}

func (c *guardedConn) SetDeadline(t time.Time) error {
	return c.set.store(c.Conn.SetDeadline, t, &c.set.read, &c.set.write)
}

// CloseWrite lets net/http end what it says before it closes the connection: closed with bytes of the
// client unread, TCP would reset it, and the answer (431, 413) could be lost on the way.
func (c *guardedConn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(conn net.Conn) error {
	if c, is := conn.(interface{ CloseWrite() error }); is {
		return c.CloseWrite()
	}
	return nil
}

// A guardedTLSConn also says what TLS has agreed on: net/http asks for that.
type guardedTLSConn struct {
	*guardedConn
	tls *tls.Conn
}

func (c guardedTLSConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// release also lets TLS write as slowly as it likes.
func (c guardedTLSConn) release() {
	c.guardedConn.release()
	if w, is := c.tls.NetConn().(*slowWriter); is {
		w.timeout = 0
	}
}

// release makes a hijacked connection one that bytes pass unread and as slowly as they like.
func (c *guardedConn) release() { c.state, c.write = open, 0 }

// release does so if the connection is a guarded one.
func release(conn net.Conn) {
	if c, is := conn.(interface{ release() }); is {
		c.release()
	}
}

// scan goes through what has come. If something is refused, good is how much before it is not.
func (c *guardedConn) scan(p []byte) (good int, ok bool) {
	for at := 0; at < len(p); {
		switch c.state {
		case open:
			return len(p), true
		case inBody, inChunk:
			n := min(c.left, int64(len(p)-at))
			at += int(n)
			if c.left -= n; c.left == 0 {
				c.bodyDone()
			}
			continue
		}
		end := bytes.IndexByte(p[at:], '\n')
		if end < 0 {
			c.line = append(c.line, p[at:]...)
			return at, len(c.line) <= c.max
		}
		line := p[at : at+end+1]
		if len(c.line) > 0 {
			c.line = append(c.line, line...)
			line = c.line
		}
		if !c.lineIs(line) {
			return at, false
		}
		if c.line = c.line[:0]; cap(c.line) > 4096 {
			c.line = nil // an idle connection keeps no long line
		}
		at += end + 1
	}
	return len(p), true
}

// bodyDone follows the last byte of a body or a chunk.
func (c *guardedConn) bodyDone() {
	if c.state == inChunk {
		c.state = atChunkSize
	} else {
		c.messageEnds()
	}
}

func (c *guardedConn) messageEnds() {
	c.state = atRequestLine
	if c.upgrade {
		c.state = open // the exchange closes the connection unless it becomes a tunnel
	}
}

// lineIs takes one line with its end, and tells whether there is only one way to read it.
func (c *guardedConn) lineIs(line []byte) bool {
	if len(line) < 2 || line[len(line)-2] != '\r' {
		return false // LF alone
	}
	line = line[:len(line)-2]
	switch c.state {
	case atRequestLine:
		return c.requestLine(line)
	case atChunkSize:
		return c.chunkSize(line)
	}
	switch {
	case len(line) == 0:
		return c.headerEnds()
	case line[0] == ' ' || line[0] == '\t': // obs-fold
		return false
	}
	return c.state == atTrailer || c.field(line)
}

func (c *guardedConn) requestLine(line []byte) bool {
	c.state, c.length, c.chunked, c.upgrade = atHeader, -1, false, false
	c.old = !bytes.HasSuffix(line, []byte(" HTTP/1.1"))
	if string(line) == "PRI * HTTP/2.0" { // and nothing else: net/http takes any other PRI for a method of HTTP/1
		c.state = open
		return c.h2c // and nobody reads it as HTTP/1 then
	}
	c.h2c = false
	return true
}

// field looks at the fields that say where a message ends.
func (c *guardedConn) field(line []byte) bool {
	name, value, _ := bytes.Cut(line, []byte{':'})
	// Most names are none of these, and their length says so.
	switch len(name) {
	case len("Upgrade"):
		c.upgrade = c.upgrade || asciiFold(name, "upgrade")
	case len("Content-Length"):
		if !asciiFold(name, "content-length") {
			return true
		}
		length, ok := decimal(bytes.TrimLeft(value, " "))
		if !ok || c.length >= 0 || c.chunked || name[7] == '_' {
			return false
		}
		c.length = length
	case len("Transfer-Encoding"):
		if !asciiFold(name, "transfer-encoding") {
			return true
		}
		if c.old || c.length >= 0 || c.chunked || name[8] == '_' || !strings.EqualFold(string(bytes.TrimLeft(value, " ")), "chunked") {
			return false
		}
		c.chunked = true
	}
	return true
}

// asciiFold compares a name, with _ as -, to one in small letters.
func asciiFold(name []byte, want string) bool {
	for i, b := range name {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		if b == '_' {
			b = '-'
		}
		if b != want[i] {
			return false
		}
	}
	return true
}

// decimal reads digits, and nothing but digits.
func decimal(text []byte) (n int64, ok bool) {
	for _, b := range text {
		if b < '0' || b > '9' || n > 1<<58 {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	return n, len(text) > 0
}

func (c *guardedConn) headerEnds() bool {
	switch {
	case c.state == atTrailer:
		c.messageEnds()
	case c.chunked:
		c.state = atChunkSize
	case c.length > 0:
		c.state, c.left = inBody, c.length
	default:
		c.messageEnds()
	}
	return true
}

// chunkSize reads hexadecimal digits, and nothing but extensions behind them.
func (c *guardedConn) chunkSize(line []byte) bool {
	digits, extension, _ := bytes.Cut(line, []byte{';'})
	var n int64
	for _, b := range digits {
		d := strings.IndexByte("0123456789abcdefABCDEF", b)
		if d < 0 || n >= 1<<58 {
			return false
		}
		if d > 15 {
			d -= 6
		}
		n = n<<4 | int64(d)
	}
	if len(digits) == 0 || bytes.IndexByte(extension, '\r') >= 0 {
		return false
	}
	if n == 0 {
		c.state = atTrailer
	} else {
		c.state, c.left = inChunk, n+2 // and the CRLF behind it, which net/http insists on
	}
	return true
}
