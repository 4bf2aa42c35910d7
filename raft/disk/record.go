package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/flagship-go/flagship/raft"
)

// A record of the log is one Save, the note that a snapshot was stored, or the
// beginning of a forced cluster, which is a Save that also says whose directory
// it is from now on.
//
//	Save      version 1 | kind 1 | term | votedFor | commit | count |
//	          first index | per entry: term | type | length | data
//	snapshot  version 1 | kind 2 | index | term
//	force     version 1 | kind 3 | node | length | cluster | as in Save, from term on
//
// Version, kind and type are bytes, the other numbers uvarints. Entries follow
// each other, so that one index serves all; without entries there is none.
const (
	recordVersion = 1

	kindSave     = 1
	kindSnapshot = 2
	kindForce    = 3
)

// entryOverhead is the most that an entry takes beside its data.
const entryOverhead = 2*binary.MaxVarintLen64 + 1

// record is a decoded one.
type record struct {
	kind    byte
	hard    raft.HardState
	entries []raft.Entry
	index   uint64 // of the snapshot
	term    uint64
	owner   identity // from here on; of a force
}

// saves reports whether the record holds a hard state, and perhaps entries.
func (r *record) saves() bool { return r.kind == kindSave || r.kind == kindForce }

// appendSave encodes a Save. It does not allocate when b has room.
func appendSave(b []byte, hs raft.HardState, entries []raft.Entry) ([]byte, error) {
	return appendState(append(b, recordVersion, kindSave), hs, entries)
}

// appendForce encodes the beginning of a cluster of owner's own.
func appendForce(b []byte, owner identity, hs raft.HardState, entries []raft.Entry) ([]byte, error) {
	b = append(b, recordVersion, kindForce)
	b = binary.AppendUvarint(b, uint64(owner.node))
	b = binary.AppendUvarint(b, uint64(len(owner.cluster)))
	return appendState(append(b, owner.cluster...), hs, entries)
}

func appendState(b []byte, hs raft.HardState, entries []raft.Entry) ([]byte, error) {
	b = binary.AppendUvarint(b, hs.Term)
	b = binary.AppendUvarint(b, uint64(hs.VotedFor))
	b = binary.AppendUvarint(b, hs.Commit)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for i := range entries {
		e := &entries[i]
		if i == 0 {
			b = binary.AppendUvarint(b, e.Index)
		} else if e.Index != entries[0].Index+uint64(i) {
			return b, fmt.Errorf("%w: entry %d follows entry %d", raft.ErrInvalid, e.Index, entries[i-1].Index)
		}
		b = binary.AppendUvarint(b, e.Term)
		b = append(b, byte(e.Type))
		b = binary.AppendUvarint(b, uint64(len(e.Data)))
		b = append(b, e.Data...)
	}
	return b, nil
}

func appendSnapshotNote(b []byte, index, term uint64) []byte {
	b = append(b, recordVersion, kindSnapshot)
	b = binary.AppendUvarint(b, index)
	return binary.AppendUvarint(b, term)
}

// errRecord is a record that this build did not write, although its checksum is
// right.
var errRecord = errors.New("record does not decode")

// decodeRecord decodes b. The entries' data are copies.
func decodeRecord(b []byte) (r record, version byte, err error) {
	if len(b) < 2 {
		return r, 0, errRecord
	}
	if b[0] != recordVersion {
		return r, b[0], errRecord
	}
	d := decoder{b: b[2:]}
	switch r.kind = b[1]; r.kind {
	case kindSave:
		d.state(&r)
	case kindForce:
		r.owner.node = raft.NodeID(d.uvarint())
		r.owner.cluster = string(d.bytes(d.uvarint()))
		d.state(&r)
	case kindSnapshot:
		r.index, r.term = d.uvarint(), d.uvarint()
	default:
		d.bad = true
	}
	if d.bad || len(d.b) > 0 {
		return record{}, b[0], errRecord
	}
	return r, b[0], nil
}

// decoder takes values off the front of b; bad is set by the first that is not
// there.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) bytes(n uint64) []byte {
	if n > uint64(len(d.b)) {
		d.bad, d.b = true, nil
		return nil
	}
	p := d.b[:n:n]
	d.b = d.b[n:]
	return p
}

func (d *decoder) state(r *record) {
	r.hard = raft.HardState{Term: d.uvarint(), VotedFor: raft.NodeID(d.uvarint()), Commit: d.uvarint()}
	r.entries = d.entries()
}

func (d *decoder) entries() []raft.Entry {
	count := d.uvarint()
	if count == 0 {
		return nil
	}
	first := d.uvarint()
	d.b = slices.Clone(d.b) // one copy for the data of all entries
	// Three bytes are the least that an entry takes: no count is believed
	// that the record has no room for.
	entries := make([]raft.Entry, 0, min(count, uint64(len(d.b)/3)))
	for i := uint64(0); i < count && !d.bad; i++ {
		e := raft.Entry{Index: first + i, Term: d.uvarint()}
		if t := d.bytes(1); len(t) == 1 {
			e.Type = raft.EntryType(t[0])
		}
		if data := d.bytes(d.uvarint()); len(data) > 0 {
			e.Data = data
		}
		entries = append(entries, e)
	}
	return entries
}
