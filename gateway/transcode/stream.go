package transcode

import (
	"errors"
	"io"
	"net/http"
	"strings"
)

// A streamBody is the body of an answer with many messages. It has each as soon as it has come, and in one Read if
// there is room: whoever passes it on flushes after every Read (P3).
//
//	application/x-ndjson          text/event-stream
//
//	{"name":"shelves/1"}          data: {"name":"shelves/1"}
//	{"error":{"code":13, ...}}
//	                              event: error
//	                              data: {"code":13, ...}
type streamBody struct {
	codec   *codec
	binding *Binding
	answer  *answer
	events  bool

	buffer []byte // reused
	out    []byte // what of buffer is still to be read
	err    error  // what comes after out
}

// Read waits for a message only when the one before is read to its end.
func (s *streamBody) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(s.out) == 0 {
		if s.err != nil {
			return 0, s.err
		}
		s.buffer = s.buffer[:0]
		s.fill()
		s.out = s.buffer
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// Close ends the call, if it is not over yet.
func (s *streamBody) Close() error { return s.answer.body.Close() }

// fill puts the next message into buffer, or what there is to say about the end.
func (s *streamBody) fill() {
	message, err := s.answer.frames.next()
	if err == nil {
		if err = s.add(message); err == nil {
			return
		}
	}
	var broken *status
	switch {
	case errors.Is(err, io.EOF):
		s.err = io.EOF
		end := s.answer.end()
		if end.code != OK {
			s.fail(end)
		}
	case errors.As(err, &broken):
		// What the service sends cannot be used. It is told to stop.
		s.err = io.EOF
		s.fail(broken)
		s.answer.body.Close()
	default:
		// P7: the stream broke off, and the client's does too, though it hears of it first.
		s.err = err
		s.fail(statusf(Unavailable, "the stream broke off: %v", err))
	}
}

func (s *streamBody) add(message []byte) error {
	m, err := s.codec.decode(s.binding, message)
	if err != nil {
		return err
	}
	start := len(s.buffer)
	if s.events {
		s.buffer = append(s.buffer, "data: "...)
	}
	text, err := s.codec.appendJSON(s.buffer, s.binding, m)
	if err != nil {
		s.buffer = s.buffer[:start]
		return err
	}
	s.buffer = append(text, '\n')
	if s.events {
		s.buffer = append(s.buffer, '\n')
	}
	return nil
}

// fail adds the last message (X3).
func (s *streamBody) fail(end *status) {
	text := s.codec.statusJSON(end)
	if s.events {
		s.buffer = append(append(append(s.buffer, "event: error\ndata: "...), text...), "\n\n"...)
	} else {
		s.buffer = append(append(append(s.buffer, `{"error":`...), text...), "}\n"...)
	}
}

// wantsEvents tells whether a client asks for server-sent events.
func wantsEvents(h http.Header) bool {
	for _, line := range h["Accept"] {
		for kind := range strings.SplitSeq(line, ",") {
			kind, _, _ = strings.Cut(kind, ";")
			if strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") {
				return true
			}
		}
	}
	return false
}
