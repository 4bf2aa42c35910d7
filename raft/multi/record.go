package multi

import (
	"encoding/binary"
	"fmt"

	"github.com/flagship-go/flagship/raft"
)

// A record of the log is one Write of one group, or what the host remembers of
// itself. Those of one Save are one batch of the log: all of them or none.
//
//	save      version 1 | kind 1 | group | hard state | entries
//	replace   version 1 | kind 2 | group | hard state | snapshot | entries
//	remove    version 1 | kind 3 | group
//	host      version 1 | kind 4 | node | life | count | groups removed
//
//	hard state   term | votedFor | commit
//	snapshot     index | term | length | membership | 0, or 1 + length | data
//
// Version and kind are bytes, the other numbers uvarints; entries are package
// raft's encoding. A replace makes all that was stored of its group before
// void, so the log needs to go back to each group's last one, and no further.
const (
	recordVersion = 1

	recordSave    = 1
	recordReplace = 2
	recordRemove  = 3
	recordHost    = 4
)

func appendWrite(b []byte, w *Write) []byte {
	kind := byte(recordSave)
	switch {
	case w.Remove:
		kind = recordRemove
	case w.Snapshot != nil:
		kind = recordReplace
	}
	b = append(b, recordVersion, kind)
	b = binary.AppendUvarint(b, uint64(w.Group))
	if w.Remove {
		return b
	}
	b = binary.AppendUvarint(b, w.HardState.Term)
	b = binary.AppendUvarint(b, uint64(w.HardState.VotedFor))
	b = binary.AppendUvarint(b, w.HardState.Commit)
	if s := w.Snapshot; s != nil {
		b = binary.AppendUvarint(b, s.Index)
		b = binary.AppendUvarint(b, s.Term)
		b = appendBytes(b, raft.EncodeMembership(s.Membership))
		if s.Data == nil { // the state machine's own business, and not empty
			b = append(b, 0)
		} else {
			b = binary.AppendUvarint(b, 1+uint64(len(s.Data)))
			b = append(b, s.Data...)
		}
	}
	return raft.EncodeEntries(b, w.Entries)
}

func appendHost(b []byte, node raft.NodeID, l *ledger) []byte {
	b = append(b, recordVersion, recordHost)
	b = binary.AppendUvarint(b, uint64(node))
	b = binary.AppendUvarint(b, l.life)
	removed := l.removed()
	b = binary.AppendUvarint(b, uint64(len(removed)))
	for _, g := range removed {
		b = binary.AppendUvarint(b, uint64(g))
	}
	return b
}

// record is a decoded one.
type record struct {
	write Write
	host  bool // or it is of the host
	node  raft.NodeID
	life  uint64
	gone  []GroupID
}

// decodeRecord decodes b, of which the record keeps parts.
func decodeRecord(b []byte) (record, error) {
	var r record
	d := decoder{b: b}
	if v := d.byte(); v > recordVersion {
		return r, fmt.Errorf("%w: record of version %d, this build reads up to %d", raft.ErrVersion, v, recordVersion)
	} else if v == 0 {
		d.bad = true
	}
	kind := d.byte()
	if kind == recordHost {
		r.host = true
		r.node, r.life = raft.NodeID(d.uvarint()), d.uvarint()
		for n := d.uvarint(); n > 0 && !d.bad; n-- {
			r.gone = append(r.gone, GroupID(d.uvarint()))
		}
		return r, d.end(b)
	}
	w := &r.write
	w.Group = GroupID(d.uvarint())
	if kind == recordRemove {
		w.Remove = true
		return r, d.end(b)
	}
	w.HardState = raft.HardState{Term: d.uvarint(), VotedFor: raft.NodeID(d.uvarint()), Commit: d.uvarint()}
	if kind == recordReplace {
		s, err := d.snapshot()
		if err != nil {
			return r, err
		}
		w.Snapshot = s
	} else if kind != recordSave {
		d.bad = true
	}
	if d.bad {
		return r, d.end(b)
	}
	var err error
	if w.Entries, d.b, err = raft.DecodeEntries(d.b); err != nil {
		return r, err
	}
	return r, d.end(b)
}

func (d *decoder) snapshot() (*raft.Snapshot, error) {
	s := &raft.Snapshot{Index: d.uvarint(), Term: d.uvarint()}
	members := d.bytes()
	if n := d.uvarint(); n > uint64(len(d.b))+1 {
		d.bad = true
	} else if n > 0 && !d.bad {
		s.Data = d.b[: n-1 : n-1]
		d.b = d.b[n-1:]
	}
	if d.bad {
		return s, nil // the caller looks at bad
	}
	var err error
	s.Membership, err = raft.DecodeMembership(members)
	return s, err
}

// end is the error of a record that did not decode, or had more in it.
func (d *decoder) end(b []byte) error {
	if d.bad || len(d.b) > 0 {
		return fmt.Errorf("%w: %d bytes are not a record: % x", raft.ErrCorrupt, len(b), b[:min(len(b), 16)])
	}
	return nil
}
