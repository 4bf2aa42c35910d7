package main

import (
	"encoding/json"
	"io"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/disk"
)

// jsonSink prints a finding a line. The names of the fields are an interface:
// they stay.
type jsonSink struct {
	dir  string
	opts *options
	out  *json.Encoder
}

func newJSON(w io.Writer, dir string, o *options) *jsonSink {
	return &jsonSink{dir: dir, opts: o, out: json.NewEncoder(w)}
}

type jsonLine struct {
	Dir      string        `json:"dir"`
	Kind     string        `json:"kind"`
	File     string        `json:"file,omitempty"`
	Offset   int64         `json:"offset,omitempty"`
	Size     int64         `json:"size,omitempty"`
	Seq      uint64        `json:"seq,omitempty"`
	Version  int           `json:"version,omitempty"`
	Node     raft.NodeID   `json:"node,omitempty"`
	Cluster  string        `json:"cluster,omitempty"`
	Hard     *jsonHard     `json:"hardState,omitempty"`
	Summary  *jsonRange    `json:"range,omitempty"`
	Entries  []jsonEntry   `json:"entries,omitempty"`
	Snapshot *jsonSnapshot `json:"snapshot,omitempty"`
	Members  *jsonMembers  `json:"membership,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Error    string        `json:"error,omitempty"`
}

type jsonHard struct {
	Term   uint64      `json:"term"`
	Vote   raft.NodeID `json:"vote"`
	Commit uint64      `json:"commit"`
}

// jsonRange stands for entries, without -entries.
type jsonRange struct {
	First     uint64 `json:"first"`
	FirstTerm uint64 `json:"firstTerm"`
	Last      uint64 `json:"last"`
	LastTerm  uint64 `json:"lastTerm"`
}

type jsonEntry struct {
	Index   uint64       `json:"index"`
	Term    uint64       `json:"term"`
	Type    string       `json:"type"`
	Size    int          `json:"size"`
	Data    []byte       `json:"data,omitempty"` // base64
	Members *jsonMembers `json:"membership,omitempty"`
	Session uint64       `json:"session,omitempty"`
	Seq     uint64       `json:"sessionSeq,omitempty"`
}

type jsonSnapshot struct {
	Index   uint64       `json:"index"`
	Term    uint64       `json:"term"`
	Size    int          `json:"size,omitempty"`
	Members *jsonMembers `json:"membership,omitempty"`
}

type jsonMembers struct {
	Voters   []raft.NodeID `json:"voters"`
	Learners []raft.NodeID `json:"learners,omitempty"`
	Outgoing []raft.NodeID `json:"outgoing,omitempty"`
}

func membersOf(m raft.Membership) *jsonMembers {
	if len(m.Voters) == 0 {
		return nil
	}
	return &jsonMembers{m.Voters, m.Learners, m.Outgoing}
}

func (j *jsonSink) put(f *disk.Finding) error {
	if f == nil {
		return nil
	}
	line := jsonLine{Dir: j.dir, Kind: string(f.Kind), File: f.File, Offset: f.Offset, Size: f.Size, Seq: f.Seq,
		Version: f.Version, Node: f.Node, Cluster: f.Cluster, Members: membersOf(f.Membership), Reason: f.Reason}
	if f.Err != nil {
		line.Error = f.Err.Error()
	}
	state := f.Kind == disk.FoundState && f.Err == nil
	if h := f.HardState; f.Kind == disk.FoundSave || f.Kind == disk.FoundForce || state {
		line.Hard = &jsonHard{h.Term, h.VotedFor, h.Commit}
	}
	if s := f.Snapshot; s != nil {
		line.Snapshot = &jsonSnapshot{s.Index, s.Term, f.DataSize, membersOf(s.Membership)}
	}
	if n := len(f.Entries); n > 0 && (state || !j.opts.entries) {
		first, last := f.Entries[0], f.Entries[n-1]
		line.Summary = &jsonRange{first.Index, first.Term, last.Index, last.Term}
	} else if n > 0 {
		for i := range f.Entries {
			line.Entries = append(line.Entries, entryOf(&f.Entries[i]))
		}
	}
	return j.out.Encode(&line)
}

func entryOf(e *raft.Entry) jsonEntry {
	out := jsonEntry{Index: e.Index, Term: e.Term, Type: kindOf(e.Type), Size: len(e.Data), Data: e.Data}
	switch e.Type {
	case raft.EntryMembership:
		if m, err := raft.DecodeMembership(e.Data); err == nil {
			out.Members, out.Data = membersOf(m), nil
		}
	case raft.EntrySession:
		if session, seq, command, ok := sessionOf(e.Data); ok {
			out.Session, out.Seq, out.Data = session, seq, command
		}
	}
	return out
}
