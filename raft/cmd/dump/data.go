package main

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flagship-go/flagship/raft"
)

// What the numbers and bytes of a directory mean, in words.

func place(index, term uint64) string { return fmt.Sprintf("%d/t%d", index, term) }

// tie stands for a space at which no line is broken.
const tie = "\x00"

func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d"+tie+"B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f"+tie+"KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f"+tie+"MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f"+tie+"GiB", float64(n)/(1<<30))
}

func vote(id raft.NodeID) string {
	if id == raft.None {
		return "no vote"
	}
	return "vote " + id.String()
}

func kindOf(t raft.EntryType) string {
	switch t {
	case raft.EntryCommand:
		return "command"
	case raft.EntryMembership:
		return "members"
	case raft.EntrySession:
		return "session"
	case raft.EntryNoop:
		return "noop"
	}
	return fmt.Sprintf("type %d", t)
}

func members(m raft.Membership) string {
	if len(m.Voters)+len(m.Learners)+len(m.Outgoing) == 0 {
		return "the voters of the first start"
	}
	var parts []string
	for _, set := range []struct {
		name string
		ids  []raft.NodeID
	}{{"voters", m.Voters}, {"learners", m.Learners}, {"outgoing", m.Outgoing}} {
		if len(set.ids) > 0 {
			parts = append(parts, set.name+" "+strings.Trim(fmt.Sprint(set.ids), "[]"))
		}
	}
	return strings.Join(parts, ", ")
}

// sessionOf reads the data of an EntrySession as raft/session.go writes it:
// session 0 opens one.
func sessionOf(data []byte) (session, seq uint64, command []byte, ok bool) {
	session, n := binary.Uvarint(data)
	if n <= 0 {
		return 0, 0, nil, false
	}
	if session == 0 {
		return 0, 0, nil, true
	}
	seq, k := binary.Uvarint(data[n:])
	if k <= 0 {
		return 0, 0, nil, false
	}
	return session, seq, data[n+k:], true
}

// content tells what an entry carries, in at most width columns.
func content(e *raft.Entry, width int) string {
	switch e.Type {
	case raft.EntryMembership:
		m, err := raft.DecodeMembership(e.Data)
		if err != nil {
			return err.Error()
		}
		return members(m)
	case raft.EntrySession:
		session, seq, command, ok := sessionOf(e.Data)
		switch {
		case !ok:
			return preview(e.Data, width)
		case session == 0:
			return fmt.Sprintf("open %d", e.Index)
		}
		head := fmt.Sprintf("%d seq %d ", session, seq)
		return head + preview(command, width-len(head))
	}
	return preview(e.Data, width)
}

// preview shows the first bytes: as text when they are, else in hex.
func preview(b []byte, width int) string {
	if len(b) == 0 {
		return ""
	}
	if isText(b) {
		s := fmt.Sprintf("%q", b[:min(len(b), width)])
		if len(b) <= width && utf8.RuneCountInString(s) <= width {
			return s
		}
		cut := []rune(s)
		return string(cut[:max(0, min(len(cut)-1, width-4))]) + `"...`
	}
	const dots = "..."
	n := min(len(b), width/3)
	s := fmt.Sprintf("% x", b[:n])
	if n < len(b) {
		s = fmt.Sprintf("% x", b[:max(0, n-1)]) + dots
	}
	return s
}

func isText(b []byte) bool {
	for rest := b[:min(len(b), 256)]; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n <= 1 && len(rest) >= utf8.UTFMax || !unicode.IsPrint(r) && !unicode.IsSpace(r) {
			return false
		}
		rest = rest[n:]
	}
	return true
}
