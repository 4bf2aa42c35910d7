package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// columns is the width of the page; the words of a record begin at margin,
// behind its place and number, and its entries at entryMargin.
const (
	columns     = 80
	margin      = 25
	entryMargin = 12
)

// text prints findings for people.
type text struct {
	w    io.Writer
	dir  string
	opts *options
	run  stretch
	part string // of the page, which an empty line separates from the next
	err  error
}

// stretch is a run of saves in one term, with entries that follow each other.
type stretch struct {
	records               int
	offset                int64
	first, last           uint64 // records
	term                  uint64
	vote                  raft.NodeID
	lowCommit, highCommit uint64
	entries               int
	bytes                 int64
	firstIndex, firstTerm uint64
	lastIndex, lastTerm   uint64
	memberships           []raft.Entry
}

func (t *text) printf(format string, args ...any) {
	if t.err == nil {
		_, t.err = io.WriteString(t.w, strings.ReplaceAll(fmt.Sprintf(format, args...), tie, " "))
	}
}

// begin separates the parts of the page.
func (t *text) begin(part string) {
	if t.part != "" && t.part != part {
		t.printf("\n")
	}
	t.part = part
}

// row prints what is at a place of a file, wrapped at the margin.
func (t *text) row(offset int64, records, format string, args ...any) {
	head := fmt.Sprintf("%10d  %11s  ", offset, records)
	t.wrapped(head, fmt.Sprintf(format, args...))
}

func (t *text) wrapped(head, words string) {
	indent := strings.Repeat(" ", len(head))
	line := head
	for i, word := range strings.Fields(words) {
		switch {
		case i == 0:
		case len(line)+1+len(word) > columns && len(line) > len(indent):
			t.printf("%s\n", line)
			line = indent
		default:
			line += " "
		}
		line += word
	}
	t.printf("%s\n", line)
}

func (t *text) name(f *disk.Finding) string {
	if rel, err := filepath.Rel(t.dir, f.File); err == nil {
		return filepath.ToSlash(rel)
	}
	return f.File
}

func (t *text) put(f *disk.Finding) error {
	if f == nil {
		return t.err // nothing of it is wanted
	}
	if f.Kind == disk.FoundSave && !t.opts.entries {
		t.join(f)
		return t.err
	}
	t.flush()
	switch f.Kind {
	case disk.FoundIdentity:
		t.begin("log")
		t.wrapped(t.dir+": ", fmt.Sprintf("%s in cluster %q, format %d", f.Node, f.Cluster, f.Version))
	case disk.FoundSegment:
		t.begin("log")
		t.wrapped(t.name(f)+"  ", fmt.Sprintf("from record %d, %s", f.Seq, size(f.Size)))
	case disk.FoundSave:
		t.row(f.Offset, number(f.Seq), "%s", hard(f.HardState))
		t.list(f.Entries)
	case disk.FoundForce:
		t.row(f.Offset, number(f.Seq), "FORCED to be %s in cluster %q, %s", f.Node, f.Cluster, hard(f.HardState))
		t.list(f.Entries)
	case disk.FoundNote:
		t.row(f.Offset, number(f.Seq), "snapshot %s was stored", place(f.Snapshot.Index, f.Snapshot.Term))
	case disk.FoundMark:
		t.row(f.Offset, "", "closed")
	case disk.FoundEnd:
		t.end(f)
	case disk.FoundGone:
		t.wrapped(t.name(f)+"  ", "dropped by the running node just now, and all before it")
	case disk.FoundSnapshot:
		t.begin("snapshots")
		t.wrapped(t.name(f)+"  ", place(f.Snapshot.Index, f.Snapshot.Term))
		t.wrapped(strings.Repeat(" ", entryMargin), fmt.Sprintf("%s, checksum good, %s", size(int64(f.DataSize)), members(f.Snapshot.Membership)))
	case disk.FoundOther:
		t.begin("snapshots")
		t.wrapped(t.name(f)+"  ", "unfinished or being written, or put aside as damaged")
	case disk.FoundDamage:
		if part, _, _ := strings.Cut(t.name(f), "/"); part == "snapshots" {
			t.begin(part)
		}
		t.wrapped("  DAMAGE  ", f.Err.Error())
	case disk.FoundState:
		t.begin("state")
		t.state(f)
	}
	return t.err
}

func number(seq uint64) string {
	if seq == 0 {
		return "?"
	}
	return fmt.Sprint(seq)
}

func hard(h raft.HardState) string {
	return fmt.Sprintf("term %d, %s, commit %d", h.Term, vote(h.VotedFor), h.Commit)
}

// list prints entries, one a line.
func (t *text) list(entries []raft.Entry) {
	for i := range entries {
		e := &entries[i]
		head := fmt.Sprintf("%*s%-13s %-7s %9s  ", entryMargin, "", place(e.Index, e.Term), kindOf(e.Type), size(int64(len(e.Data))))
		if e.Type == raft.EntryMembership {
			t.wrapped(head, content(e, 0))
			continue
		}
		t.printf("%s\n", strings.TrimRight(head+content(e, columns-len(head)), " "))
	}
}

func (t *text) end(f *disk.Finding) {
	if f.Reason == "" {
		t.row(f.Offset, "", "end")
		return
	}
	t.row(f.Offset, "", "end: %s. A start cuts %s off here: what a crash left, or what is being written, if the node runs", f.Reason, size(f.Size))
}

// remedy is what an operator does about a directory that is lost.
const remedy = "keep a copy of the directory. While a majority of the voters lives, replace this one: " +
	"remove it from the membership, and add a new node with an empty directory and a new ID. " +
	"Otherwise see disk.ForceNewCluster about a voter whose directory is whole."

func (t *text) state(f *disk.Finding) {
	if f.Err != nil {
		t.wrapped("NO NODE STARTS HERE: ", f.Err.Error())
		t.wrapped("  what to do: ", remedy)
		return
	}
	words := fmt.Sprintf("%s in cluster %q, %s, ", f.Node, f.Cluster, hard(f.HardState))
	if s := f.Snapshot; s != nil {
		words += fmt.Sprintf("snapshot %s, ", place(s.Index, s.Term))
	}
	if n := len(f.Entries); n > 0 {
		first, last := f.Entries[0], f.Entries[n-1]
		words += fmt.Sprintf("entries %s-%s, ", place(first.Index, first.Term), place(last.Index, last.Term))
	} else {
		words += "no entries, "
	}
	t.wrapped("a node starts as ", words+members(f.Membership))
}

// join adds a save to the run, or begins another.
func (t *text) join(f *disk.Finding) {
	r, es := &t.run, f.Entries
	// Behind a damaged frame records have no numbers.
	next := f.Seq == r.last+1 && r.first > 0 || f.Seq == 0 && r.first == 0
	follows := r.records > 0 && next && f.HardState.Term == r.term && f.HardState.VotedFor == r.vote &&
		(len(es) == 0 || r.entries == 0 || es[0].Index == r.lastIndex+1)
	if !follows {
		t.flush()
		*r = stretch{offset: f.Offset, first: f.Seq, term: f.HardState.Term, vote: f.HardState.VotedFor, lowCommit: f.HardState.Commit}
	}
	r.records, r.last, r.highCommit = r.records+1, f.Seq, f.HardState.Commit
	for i := range es {
		if r.entries++; r.entries == 1 {
			r.firstIndex, r.firstTerm = es[i].Index, es[i].Term
		}
		r.lastIndex, r.lastTerm = es[i].Index, es[i].Term
		r.bytes += int64(len(es[i].Data))
		if es[i].Type == raft.EntryMembership {
			r.memberships = append(r.memberships, es[i])
		}
	}
}

// flush prints the run.
func (t *text) flush() {
	r := t.run
	if t.run = (stretch{}); r.records == 0 {
		return
	}
	words := fmt.Sprintf("term %d, %s, commit %s", r.term, vote(r.vote), span(r.lowCommit, r.highCommit))
	switch {
	case r.entries == 1:
		words += fmt.Sprintf("; entry %s, %s", place(r.firstIndex, r.firstTerm), size(r.bytes))
	case r.entries > 1:
		words += fmt.Sprintf("; entries %s-%s, %s", place(r.firstIndex, r.firstTerm), place(r.lastIndex, r.lastTerm), size(r.bytes))
	}
	records := span(r.first, r.last)
	if r.first == 0 {
		records = "?"
	}
	t.row(r.offset, records, "%s", words)
	t.list(r.memberships)
}

func span(first, last uint64) string {
	if first == last {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d-%d", first, last)
}
