package gatewaytest

import (
	"fmt"
	"strings"
)

// Request smuggling: a message whose end two parsers see in different places, so that what is the body of one request
// for one of them is the next request for the other.
//
//	client:      [POST ... CL+TE ... body GET /smuggled ...]
//	one reading: [POST ............. body][GET /smuggled ...]   answered to whoever comes next on this connection
//
// The payloads are followed by a request for /smuggled. Refused is an error as answer, or none, and the connection
// closed; and no upstream has seen the second request.

func smuggleRules() []Rule {
	return []Rule{
		{ID: "smuggle", Of: "P2", Source: "RFC 9112; pitfall 2", Text: "A message that RFC 9112 calls faulty is refused, and what comes after it is not read as a request.",
			tell: func(s *stage) { refuseAll(s, false) }},
		{ID: "one-reading", Of: "P2", Source: "RFC 9112, 6.3; pitfall 2", Text: "Whatever a proxy lets through has one reading as it sends it on.", tell: oneReading},
		{ID: "answer-one-reading", Of: "P2", Source: "RFC 9112, 6.3", Text: "So has an answer, or it is an error.", tell: answerOneReading},
		{ID: "strict", Of: "P2", Source: "RFC 9112; pitfall 2", Claim: "Strict", Text: "Also a message is refused that RFC 9112 allows to be read in one way, and the client is told so.",
			tell: func(s *stage) { refuseAll(s, true) }},
		{ID: "h2c", Of: "P2", Source: "h2c smuggling", Claim: "Strict", Text: "No client gets to speak HTTP/2 to the upstream behind the proxy's back.", tell: upgradeToHTTP2},
	}
}

// A payload is what stands behind "POST /n HTTP/1.1\r\nHost: kit.example\r\n".
type payload struct {
	class, text string
	// allowed are those that RFC 9112 allows to be read in one way, or repaired.
	allowed bool
}

const (
	te     = "Transfer-Encoding: chunked\r\n"
	finish = "\r\n0\r\n\r\n"
)

var payloads = []payload{
	{"both lengths", "Content-Length: 4\r\n" + te + finish, true},
	{"both lengths, reversed", te + "Content-Length: 4\r\n" + finish, true},
	{"a length twice", "Content-Length: 5\r\nContent-Length: 5\r\n" + finish, true},
	{"two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n" + finish, false},
	{"list of lengths", "Content-Length: 5, 5\r\n" + finish, true},
	{"list of two lengths", "Content-Length: 5, 6\r\n" + finish, false},
	{"empty length", "Content-Length: \r\n" + finish, false},
	{"signed length", "Content-Length: +5\r\n" + finish, false},
	{"negative length", "Content-Length: -5\r\n" + finish, false},
	{"hexadecimal length", "Content-Length: 0x5\r\n" + finish, false},
	{"length with an underscore", "Content-Length: 0_5\r\n" + finish, false},
	{"huge length", "Content-Length: 99999999999999999999\r\n" + finish, false},
	{"a word as length", "Content-Length: five\r\n" + finish, false},

	{"tab before chunked", "Transfer-Encoding:\tchunked\r\n" + finish, true},
	{"vertical tab before chunked", "Transfer-Encoding: \vchunked\r\n" + finish, false},
	{"chunked twice", "Transfer-Encoding: chunked, chunked\r\n" + finish, false},
	{"chunked in two fields", te + te + finish, false},
	{"chunked and another", te + "Transfer-Encoding: identity\r\n" + finish, false},
	{"another coding", "Transfer-Encoding: xchunked\r\n" + finish, false},
	{"chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n" + finish, false},
	{"chunked before another", "Transfer-Encoding: chunked, gzip\r\n" + finish, false},

	{"space before the colon", "Transfer-Encoding : chunked\r\n" + finish, false},
	{"space before the colon of a length", "Content-Length : 5\r\n" + finish, false},
	{"no colon", "Transfer-Encoding chunked\r\n" + finish, false},
	{"NUL in a value", "X-A: 1\x00\r\n\r\n", false},
	{"NUL in a name", "X-A\x00: 1\r\n\r\n", false},
	{"CR in a value", "X-A: 1\rTransfer-Encoding: chunked\r\n" + finish, false},
	{"folded coding", "Transfer-Encoding:\r\n chunked\r\n" + finish, true},
	{"folded field", "X-A: 1\r\n Transfer-Encoding: chunked\r\n" + finish, true},
	{"first line of a header folded", " X-A: 1\r\n\r\n", true},
	{"hidden behind a LF", "X-A: 1\nTransfer-Encoding: chunked\r\n" + finish, true},
	{"LF after chunked", "Transfer-Encoding: chunked\n" + finish, true},
	{"LF ends the header", "Content-Length: 4\r\n\n0\r\n\r\n", true},
	{"underscore in the coding", "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n" + finish, true},
	{"underscore in the length", "Content_Length: 5\r\n" + finish, true},

	{"signed chunk size", te + "\r\n+5\r\nhello" + finish, false},
	{"chunk size with 0x", te + "\r\n0x5\r\nhello" + finish, false},
	{"chunk size with an underscore", te + "\r\n0_5\r\nhello" + finish, false},
	{"chunk size that is a word", te + "\r\nxyz\r\nhello" + finish, false},
	{"empty chunk size", te + "\r\n\r\nhello" + finish, false},
	{"extension without a chunk size", te + "\r\n;a=b\r\nhello" + finish, false},
	{"huge chunk size", te + "\r\n10000000000000005\r\nhello" + finish, false},
	{"space before the chunk size", te + "\r\n 5\r\nhello" + finish, false},
	{"no CRLF after a chunk", te + "\r\n5\r\nhelloXX0\r\n\r\n", false},
	{"LF after a chunk size", te + "\r\n5\nhello" + finish, true},
	{"LF in a chunk extension", te + "\r\n5;\nhello" + finish, true},
	{"CR in a chunk extension", te + "\r\n5;\rx\r\nhello" + finish, true},
	{"LF after the last chunk", te + "\r\n0\n\r\n", true},
	{"folded trailer", te + "\r\n0\r\nX: 1\r\n y\r\n\r\n", true},
}

// wholes are payloads that have a request line of their own.
var wholes = []payload{
	{"chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: kit.example\r\nConnection: keep-alive\r\n" + te + finish, true},
	{"no host", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", false},
	{"two hosts", "POST / HTTP/1.1\r\nHost: kit.example\r\nHost: b.example\r\nContent-Length: 0\r\n\r\n", false},
	{"a host with a space", "POST / HTTP/1.1\r\nHost: kit.example b.example\r\nContent-Length: 0\r\n\r\n", false},
	{"a target with a space", "POST /a /b HTTP/1.1\r\nHost: kit.example\r\nContent-Length: 0\r\n\r\n", false},
	{"no version", "POST /\r\nHost: kit.example\r\nContent-Length: 0\r\n\r\n", false},
	{"another version", "POST / HTTP/3.7\r\nHost: kit.example\r\nContent-Length: 0\r\n\r\n", false},
	{"half of HTTP/2", "PRI * HTTP/2.0\r\n\r\n", false},
}

func allPayloads() []payload {
	all := append([]payload(nil), wholes...)
	for _, p := range payloads {
		p.text = "POST /payload HTTP/1.1\r\nHost: kit.example\r\n" + p.text
		all = append(all, p)
	}
	return all
}

const smuggled = "GET /smuggled HTTP/1.1\r\nHost: kit.example\r\n\r\n"

// refuseAll wants all classes refused that RFC 9112 does not allow; strictly, those too, and said that it was the client.
func refuseAll(s *stage, strictly bool) {
	b := s.with(mirror)
	s.ask(get("/good")) // a proxy that refuses everything is none
	var names []string
	for _, p := range allPayloads() {
		if p.allowed && !strictly {
			continue
		}
		c := s.dial().send(p.text + smuggled)
		c.refused(p.class, strictly)
		c.Close()
		names = append(names, p.class)
	}
	s.stop()
	for _, stream := range b.streams() {
		check(!strings.Contains(stream, "/smuggled"), "what came after a faulty message reached the upstream: %q", stream)
	}
	for _, c := range b.seen()[1:] {
		// The beginning of a body may have been passed on before its fault came.
		check(c.err != nil || c.body == "" && !strings.HasSuffix(c.raw, "\r\n\r\n"), "one of %q reached the upstream as a whole message: %q", names, c.raw+c.body)
	}
}

// oneReading wants no refusal, but that what is passed on is read alike by all.
func oneReading(s *stage) {
	b := s.with(mirror)
	s.ask(request("POST", "/good", "Transfer-Encoding: chunked") + "5\r\nhello" + finish)
	for _, p := range allPayloads() {
		c := s.dial().send(p.text + smuggled)
		_ = c.CloseWrite() // whoever reads on finds an end
		check(c.ended(), "%s: the client has sent everything, and the connection is open", p.class)
	}
	s.stop()
	for _, stream := range b.streams() {
		err := unambiguous(stream)
		check(err == nil, "the upstream was sent what can be read in two ways: %v: %q", err, stream)
	}
}

// unambiguous reads requests as narrowly as RFC 9112 lets them be written. The last may be cut off.
func unambiguous(stream string) error {
	for stream != "" {
		head, rest, whole := strings.Cut(stream, "\r\n\r\n")
		lines := strings.Split(head, "\r\n")
		if !whole {
			lines = lines[:len(lines)-1] // the last may be half a line
		}
		length, inChunks := -1, false
		for i, line := range lines {
			name, value, isField := strings.Cut(line, ":")
			name = strings.ToLower(name)
			value = strings.Trim(value, " ")
			switch {
			case strings.ContainsAny(line, "\r\n\x00"):
				return fmt.Errorf("a line with CR, LF or NUL in it: %q", line)
			case i == 0 && !(strings.Count(line, " ") == 2 && strings.HasSuffix(line, " HTTP/1.1")):
				return fmt.Errorf("a request line %q", line)
			case i == 0:
			case !isField || strings.ContainsAny(name, " \t") || name == "":
				return fmt.Errorf("a field %q", line)
			case name == "content-length":
				n := 0
				if _, err := fmt.Sscanf(value, "%d", &n); err != nil || fmt.Sprint(n) != value || length >= 0 || inChunks {
					return fmt.Errorf("a length %q", head)
				}
				length = n
			case name == "transfer-encoding":
				if value != "chunked" || length >= 0 || inChunks {
					return fmt.Errorf("a coding %q", head)
				}
				inChunks = true
			}
		}
		switch {
		case !whole:
			return nil
		case inChunks:
			var err error
			if rest, err = afterChunks(rest); err != nil {
				return err
			}
		case length > 0:
			rest = rest[min(length, len(rest)):]
		}
		stream = rest
	}
	return nil
}

// afterChunks is what stands behind a body in chunks; "" if that is cut off.
func afterChunks(text string) (string, error) {
	for {
		line, rest, whole := strings.Cut(text, "\r\n")
		if !whole {
			return "", nil
		}
		size := 0
		if _, err := fmt.Sscanf(line, "%x", &size); err != nil || !strings.EqualFold(fmt.Sprintf("%x", size), line) {
			return "", fmt.Errorf("a chunk of size %q", line)
		}
		if size == 0 {
			for { // trailers
				line, rest, whole = strings.Cut(rest, "\r\n")
				switch {
				case !whole:
					return "", nil
				case line == "":
					return rest, nil
				case !strings.Contains(line, ":") || strings.ContainsAny(line[:1], " \t"):
					return "", fmt.Errorf("a trailer %q", line)
				}
			}
		}
		if len(rest) < size+2 {
			return "", nil
		}
		if rest[size:size+2] != "\r\n" {
			return "", fmt.Errorf("a chunk without an end: %q", text)
		}
		text = rest[size+2:]
	}
}

func answerOneReading(s *stage) {
	answers := map[string]string{
		"/both":    "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"/two":     "Content-Length: 5\r\nContent-Length: 4\r\n\r\nhello",
		"/signed":  "Content-Length: +5\r\n\r\nhello",
		"/twice":   "Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"/xcoding": "Transfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	}
	s.with(func(c *call) {
		_ = c.say("HTTP/1.1 200 OK\r\n" + answers[c.URL.Path])
		c.hangUp()
	})
	for path := range answers {
		c := s.dial().send(get(path))
		head := c.until("\r\n\r\n")
		if strings.HasPrefix(head, "HTTP/1.1 5") || head == "" {
			continue
		}
		fields := strings.ToLower(head)
		length, coding := strings.Count(fields, "\ncontent-length:"), strings.Count(fields, "\ntransfer-encoding:")
		check(length+coding <= 1 && !strings.Contains(fields, "content-length: +") && (coding == 0 || strings.Contains(fields, "\ntransfer-encoding: chunked\r\n")),
			"an answer of the upstream is passed on in a way that can be read in two: %q", head)
	}
}

func upgradeToHTTP2(s *stage) {
	b := s.with(mirror)
	for _, protocol := range []string{"h2c", "H2C", "TLS/1.3, h2c"} {
		s.ask(get("/", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA", "Upgrade: "+protocol))
		none(b.last().Header, "Upgrade", "Http2-Settings", "Connection")
	}
}
