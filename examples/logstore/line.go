package main

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A line is kept under its time, in text, because text of one length sorts as the
// times do: a range of times is a range of keys, and the beginning of a time, such
// as 2026-11-26T18:1, a prefix of keys.
//
//	l 2026-11-26T18:11:22.123456789Z / web/access.log / 000000000000001f
//	  time, UTC                        source           position in the source
//
// The position keeps lines of one time apart, and in order. And it makes a line of
// a source that is read twice the same key (rule G2).
type line struct {
	key  []byte
	text []byte
}

const (
	linePrefix     = "l"
	positionPrefix = "p"
	formatKey      = "format"

	timeLayout   = "2006-01-02T15:04:05.000000000Z"
	positionText = 16 // hexadecimal digits
)

// maxSource is the longest name of a source.
const maxSource = 1 << 10

// appendKey appends the key of a line.
func appendKey(dst []byte, at time.Time, source string, position uint64) []byte {
	dst = append(dst, linePrefix...)
	dst = at.UTC().AppendFormat(dst, timeLayout)
	dst = append(append(append(dst, '/'), source...), '/')
	return fmt.Appendf(dst, "%0*x", positionText, position)
}

// splitKey returns time and source of the key of a line.
func splitKey(key []byte) (at, source string, ok bool) {
	const head, tail = len(linePrefix) + len(timeLayout), 1 + positionText
	if len(key) < head+1+tail || key[head] != '/' || key[len(key)-tail] != '/' {
		return "", "", false
	}
	return string(key[len(linePrefix):head]), string(key[head+1 : len(key)-tail]), true
}

// show appends a line as readers see it.
func (l line) show(dst []byte) []byte {
	at, source, _ := splitKey(l.key)
	dst = append(append(append(append(dst, at...), ' '), source...), ' ')
	return append(append(dst, l.text...), '\n')
}

// timeOf returns the time that a line begins with, or arrived. A line may begin
// with an RFC 3339 time, as it is, in brackets, or after the "time=" of log/slog.
func timeOf(text []byte, arrived time.Time) time.Time {
	text = bytes.TrimPrefix(bytes.TrimPrefix(text, []byte("[")), []byte("time="))
	const shortest = len("2006-01-02T15:04:05Z")
	if len(text) < shortest || text[4] != '-' || text[10] != 'T' {
		return arrived
	}
	if end := bytes.IndexAny(text, " \t],"); end >= 0 {
		text = text[:end]
	}
	at, err := time.Parse(time.RFC3339Nano, string(text))
	if at = at.UTC(); err != nil || at.Year() < 0 || at.Year() > 9999 {
		return arrived
	}
	return at
}

// bound turns what was asked for as a time into the beginning of keys: the
// beginning of a time in UTC (2026-11-26T18:1), a whole time of any zone, a
// duration (5m: that long ago), or "now". The empty text is no bound.
func bound(text string, now time.Time) (string, error) {
	if text == "" {
		return "", nil
	}
	if text == "now" {
		return now.UTC().Format(timeLayout), nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d.Abs()).UTC().Format(timeLayout), nil
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.UTC().Format(timeLayout), nil
	}
	text = strings.Replace(text, " ", "T", 1)
	if !beginsTime(text) {
		return "", fmt.Errorf("%q is no time: want the beginning of one, as 2026-11-26T18:1 (UTC), a whole one with its zone, 5m for five minutes ago, or now", text)
	}
	return text, nil
}

// beginsTime reports whether text can be continued to a time.
func beginsTime(text string) bool {
	if len(text) > len(timeLayout) {
		return false
	}
	for i := range len(text) {
		want := timeLayout[i]
		digit := '0' <= want && want <= '9'
		if digit && (text[i] < '0' || text[i] > '9') || !digit && text[i] != want {
			return false
		}
	}
	return true
}

// checkSource says what is wrong with the name of a source.
func checkSource(name string) error {
	switch {
	case name == "":
		return errors.New("a source needs a name")
	case len(name) > maxSource:
		return fmt.Errorf("the name of a source has %d bytes, at most %d", len(name), maxSource)
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f || !strconv.IsPrint(r) }):
		return fmt.Errorf("the name of source %q has spaces, or what cannot be printed", name)
	}
	return nil
}
