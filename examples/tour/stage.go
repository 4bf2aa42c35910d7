package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// A Chapter shows one package at work.
type Chapter struct {
	Name  string // as -chapter selects it
	Title string // one line
	// Run plays the chapter. It returns when all it started has ended, also
	// when ctx does. An error means that it could not be played to its end; a
	// claim that does not hold is no error.
	Run func(ctx context.Context, s *Stage) error
	// Victim is the main function of the process that the chapter kills, if it
	// kills one: see victim.go.
	Victim func(dir string, in io.Reader, out io.Writer) error
}

// A Kind says which fields of an Event have a meaning.
type Kind string

// The kinds of events.
const (
	KindBegin    Kind = "begin"    // Text: the chapter's title
	KindSay      Kind = "say"      // Text: what the reader should know
	KindEvent    Kind = "event"    // Actor, Text, Data: something happened
	KindPicture  Kind = "picture"  // Text: lines that belong below each other
	KindProgress Kind = "progress" // Text: of what; Done, Total
	KindClaim    Kind = "claim"    // Text, OK
	KindEnd      Kind = "end"      // OK; Text: why not; Done of Total claims held
)

// An Event is one element of the stream that a tour is.
type Event struct {
	Chapter string        `json:"chapter"`
	At      time.Duration `json:"at"` // ns since the chapter began
	Kind    Kind          `json:"kind"`
	Actor   string        `json:"actor,omitempty"`
	Text    string        `json:"text,omitempty"`
	Done    int           `json:"done,omitempty"`
	Total   int           `json:"total,omitempty"`
	OK      bool          `json:"ok,omitempty"` // absent is false
	// Data is the package's own event, for renderers that draw more than text.
	Data any `json:"data,omitempty"`
}

// A Sink takes events, one at a time and in order.
type Sink func(Event)

// A Stage is where a chapter runs. Its methods are safe for concurrent use.
type Stage struct {
	// Files is the input: every file is there once, sorted by name. The
	// contents are shared by all chapters and must not be changed.
	Files []File
	// Root is the folder that the files come from. There are more in it.
	Root string
	// Dir is a temporary folder of the chapter's own, removed after it.
	Dir string
	// Short asks for less of what takes long.
	Short bool

	chapter string
	start   time.Time
	mu      sync.Mutex
	sink    Sink
	claims  int
	held    int
}

// Say tells the reader what is about to happen, or what it means.
func (s *Stage) Say(format string, args ...any) {
	s.emit(Event{Kind: KindSay, Text: fmt.Sprintf(format, args...)})
}

// Event reports that something happened to actor, which may be empty. data, if
// not nil, is the package's own description of it and must be encodable as JSON.
func (s *Stage) Event(actor, text string, data any) {
	s.emit(Event{Kind: KindEvent, Actor: actor, Text: text, Data: data})
}

// Picture shows lines as they are. They should not need more than 80 columns.
func (s *Stage) Picture(text string) {
	s.emit(Event{Kind: KindPicture, Text: text})
}

// Progress reports that done of total are through. It may be called for every
// step: renderers show as much of it as can be read.
func (s *Stage) Progress(what string, done, total int) {
	s.emit(Event{Kind: KindProgress, Text: what, Done: done, Total: total})
}

// Claim states something that the chapter has just checked, and whether it is
// so. The text says what holds if it does; figures belong into it.
func (s *Stage) Claim(ok bool, format string, args ...any) {
	s.emit(Event{Kind: KindClaim, OK: ok, Text: fmt.Sprintf(format, args...)})
}

func (s *Stage) emit(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.Kind == KindClaim {
		s.claims++
		if e.OK {
			s.held++
		}
	}
	e.Chapter, e.At = s.chapter, time.Since(s.start)
	s.sink(e)
}
