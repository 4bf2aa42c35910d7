package gateway

import (
	"encoding/binary"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// HTTP/2 says where a message ends by frames; an upstream that is spoken to in HTTP/1 has to be told by fields. What
// says something else in fields than in frames, or brings line breaks along, is how requests are smuggled
// through a gateway that translates. net/http refuses it; these tests see to it that it stays so.

type field struct{ name, value string }

// frames is one request in frames, each field as it is: never indexed, never compressed (RFC 7541, section 6.2.2).
func frames(body string, fields ...field) []byte {
	frame := func(b []byte, kind, flags byte, stream uint32, payload []byte) []byte {
		b = append(b, byte(len(payload)>>16), byte(len(payload)>>8), byte(len(payload)), kind, flags)
		return append(binary.BigEndian.AppendUint32(b, stream), payload...)
	}
	var block []byte
	for _, f := range fields {
		block = append(block, 0, byte(len(f.name)))
		block = append(append(block, f.name...), byte(len(f.value)))
		block = append(block, f.value...)
	}
	b := frame([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 4, 0, 0, nil) // SETTINGS
	if body == "" {
		return frame(b, 1, 5, 1, block) // HEADERS, END_HEADERS, END_STREAM
	}
	return frame(frame(b, 1, 4, 1, block), 0, 1, 1, []byte(body)) // and DATA
}

func TestSmuggledHTTP2RequestsAreRefused(t *testing.T) {
	post := []field{{":method", "POST"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}
	with := func(more ...field) []field { return append(post[:4:4], more...) }
	line := func(i int, value string) []field {
		all := append([]field{}, post...)
		all[i].value = value
		return all
	}
	for name, c := range map[string]struct {
		body   string
		fields []field
		good   bool
	}{
		"good":                       {"hello", with(field{"content-length", "5"}), true},
		"good, no length":            {"hello", with(), true},
		"good, empty":                {"", with(field{"content-length", "0"}), true},
		"Transfer-Encoding":          {"0\r\n\r\n" + next, with(field{"transfer-encoding", "chunked"}), false},
		"Connection":                 {"hello", with(field{"connection", "x-hop"}), false},
		"Upgrade":                    {"", with(field{"upgrade", "h2c"}), false},
		"TE":                         {"hello", with(field{"te", "gzip"}), false},
		"length too small":           {next, with(field{"content-length", "0"}), false},
		"length too large":           {"hello", with(field{"content-length", "50"}), false},
		"two lengths":                {"hello", with(field{"content-length", "5"}, field{"content-length", "0"}), false},
		"no length":                  {"hello", with(field{"content-length", "x"}), false},
		"CRLF in a value":            {"hello", with(field{"x", "1\r\ntransfer-encoding: chunked"}), false},
		"LF in a value":              {"hello", with(field{"x", "1\ntransfer-encoding: chunked"}), false},
		"NUL in a value":             {"hello", with(field{"x", "1\x00"}), false},
		"CRLF in a name":             {"hello", with(field{"x: 1\r\ntransfer-encoding", "chunked"}), false},
		"colon in a name":            {"hello", with(field{"transfer-encoding:", "chunked"}), false},
		"space in a name":            {"hello", with(field{"transfer-encoding ", "chunked"}), false},
		"capitals in a name":         {"hello", with(field{"Transfer-Encoding", "chunked"}), false},
		"CRLF in the method":         {"hello", line(0, "GET / HTTP/1.1\r\nx: y\r\n\r\nGET"), false},
		"CRLF in the path":           {"hello", line(2, "/ HTTP/1.1\r\nx: y"), false},
		"CRLF in the authority":      {"hello", line(3, "a\r\nx: y"), false},
		"path without a slash":       {"hello", line(2, "@evil/"), false},
		"pseudo field after a field": {"hello", with(field{"x", "y"}, field{":path", "/b"}), false},
	} {
		t.Run(name, func(t *testing.T) {
			var whole []string
			inHouse(t, plan{routes: `a: * -> "http://a";`, server: ServerOptions{H2C: true}, behind: map[string]http.Handler{"a": http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if body, err := io.ReadAll(r.Body); err == nil {
					whole = append(whole, r.Method+" "+r.RequestURI+" "+string(body))
				}
			})}}, func(t *testing.T, h *house) {
				conn := h.dial()
				defer conn.Close()
				conn.send(string(frames(c.body, c.fields...)))
				conn.SetReadDeadline(time.Now().Add(time.Second))
				io.Copy(io.Discard, conn.r)
				if c.good {
					require.Equal(t, []string{"POST / " + c.body}, whole)
				} else {
					require.Empty(t, whole, "RULE P2: %s reached the upstream", name)
				}
			})
		})
	}
}
