package gatewaytest

import (
	"fmt"
	"io"
)

// What is sent bit by bit arrives so. Nothing here waits for time to pass: the upstream sends the next piece when the
// client has the one before, so whoever holds one back waits for ever.

func streamRules() []Rule {
	return []Rule{
		{ID: "events", Of: "P3", Source: "pitfall 23", Text: "Server-sent events arrive one by one.", tell: func(s *stage) { stream(s, "text/event-stream") }},
		{ID: "chunks", Of: "P3", Source: "pitfall 23", Text: "An answer without a length arrives as it is written, whatever it is.", tell: func(s *stage) { stream(s, "application/octet-stream") }},
		{ID: "header-first", Of: "P3", Source: "pitfall 23", Text: "A stream's header arrives before its first piece is there.", tell: headerFirst},
		{ID: "request-stream", Of: "P3", Source: "issue", Text: "A request's body arrives as it is sent.", tell: requestStream},
		{ID: "both-streams", Of: "P3", Source: "gRPC over HTTP/1.1", Claim: "EarlyAnswer", Text: "Request and answer go on at the same time, piece by piece.", tell: bothStreams},
	}
}

const streamHeader = "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"

func stream(s *stage, kind string) {
	read := make(chan struct{}, 3)
	s.with(func(c *call) {
		c.say(fmt.Sprintf(streamHeader, kind))
		for i := range 3 {
			c.say(chunked(fmt.Sprintf("data: %d\n\n", i), 100))
			c.wait(read)
		}
		c.say(lastChunk)
	})
	a := s.dial().send(get("/")).head("GET")
	for i := range 3 {
		piece := make([]byte, len("data: 0\n\n"))
		_, err := io.ReadFull(a.Body, piece)
		check(err == nil, "piece %d of a stream did not come while the upstream waited: %v", i, err)
		same(string(piece), fmt.Sprintf("data: %d\n\n", i), "a piece of a stream")
		read <- struct{}{}
	}
	rest, err := io.ReadAll(a.Body)
	check(err == nil && len(rest) == 0, "the stream does not end well: %q, %v", rest, err)
}

func headerFirst(s *stage) {
	read := newSignal()
	s.with(func(c *call) {
		c.say(fmt.Sprintf(streamHeader, "text/event-stream"))
		c.wait(read.c)
		c.say(chunked("late", 100) + lastChunk)
	})
	a := s.dial().send(get("/")).head("GET")
	read.give()
	body, err := io.ReadAll(a.Body)
	check(err == nil && string(body) == "late", "the stream was %q, %v", body, err)
}

func requestStream(s *stage) {
	got := make(chan string, 1)
	s.with(func(c *call) {
		for range 3 {
			piece := make([]byte, 5)
			if _, err := io.ReadFull(c.Body, piece); err != nil {
				return
			}
			got <- string(piece)
		}
		c.answer(200, "ok")
	})
	c := s.dial().send(request("POST", "/", "Transfer-Encoding: chunked"))
	for _, piece := range []string{"first", "secon", "third"} {
		c.send(chunked(piece, 100))
		same(await(s, got, "a piece of a request's body"), piece, "a piece")
	}
	c.send(lastChunk).ok("POST")
}

func bothStreams(s *stage) {
	s.with(func(c *call) {
		c.say(fmt.Sprintf(streamHeader, "application/octet-stream"))
		for range 3 {
			piece := make([]byte, 5)
			if _, err := io.ReadFull(c.Body, piece); err != nil {
				return
			}
			c.say(chunked(string(piece), 100))
		}
		c.say(lastChunk)
	})
	c := s.dial().send(request("POST", "/", "Transfer-Encoding: chunked") + chunked("first", 100))
	a := c.head("POST")
	for i, piece := range []string{"first", "secon", "third"} {
		if i > 0 {
			c.send(chunked(piece, 100))
		}
		got := make([]byte, 5)
		_, err := io.ReadFull(a.Body, got)
		check(err == nil, "the answer to piece %d did not come: %v", i, err)
		same(string(got), piece, "what came back")
	}
	c.send(lastChunk)
	_, err := io.ReadAll(a.Body)
	check(err == nil, "the answer does not end well: %v", err)
}
