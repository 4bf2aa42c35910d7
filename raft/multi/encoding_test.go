package multi

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/flagship-go/flagship/raft"
	"github.com/stretchr/testify/require"
)

func envelopes() []Envelope {
	return []Envelope{
		{From: 1, To: 2, Life: 3},
		{From: 1, To: 2, Life: 1 << 50, Shares: true, Messages: []Message{
			{Group: 1, Rest: true, Raft: raft.Message{Type: raft.AppendEntries, From: 1, To: 2, Term: 3, Index: 7, LogTerm: 2, Commit: 7}},
			{Group: 1 << 60, Beat: true, Raft: raft.Message{Type: raft.AppendEntriesReply, From: 1, To: 2, Term: 3, Index: 7, Round: 9}},
			{Group: 2, Raft: raft.Message{Type: raft.AppendEntries, From: 1, To: 2, Term: 3, Entries: []raft.Entry{{Index: 8, Term: 3, Data: []byte("x")}}}},
			{Group: 3, Raft: raft.Message{Type: raft.InstallSnapshot, From: 1, To: 2, Term: 3, Snapshot: &raft.Snapshot{
				Index: 5, Term: 1, Membership: raft.Membership{Voters: []raft.NodeID{1, 2}}, Data: []byte("state")}}},
		}},
	}
}

func TestEnvelopesComeBack(t *testing.T) {
	for _, e := range envelopes() {
		b := AppendEnvelope(nil, &e)
		got, err := DecodeEnvelope(b)
		require.NoError(t, err)
		if !equal(got, e) {
			broken(t, "M12", "%+v comes back as %+v", e, got)
		}
		for n := range b {
			_, err := DecodeEnvelope(b[:n])
			require.ErrorIs(t, err, raft.ErrCorrupt, "%d bytes of %d", n, len(b))
		}
		_, err = DecodeEnvelope(append(b, 0))
		require.ErrorIs(t, err, raft.ErrCorrupt)
		b[0] = 2
		_, err = DecodeEnvelope(b)
		require.ErrorIs(t, err, raft.ErrVersion)
	}
}

func equal(a, b Envelope) bool {
	return string(AppendEnvelope(nil, &a)) == string(AppendEnvelope(nil, &b)) && a.Shares == b.Shares && len(a.Messages) == len(b.Messages) &&
		(len(a.Messages) == 0 || a.Messages[0].Rest == b.Messages[0].Rest && a.Messages[1].Beat == b.Messages[1].Beat)
}

func FuzzDecodeEnvelope(f *testing.F) {
	for _, e := range envelopes() {
		f.Add(AppendEnvelope(nil, &e))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEnvelope(b)
		if err != nil {
			return
		}
		again, err := DecodeEnvelope(AppendEnvelope(nil, &e))
		require.NoError(t, err)
		require.Equal(t, e, again)
	})
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(appendWrite(nil, &Write{Group: 3, Snapshot: &raft.Snapshot{Index: 7, Term: 2, Data: []byte("x")}, Entries: []raft.Entry{{Index: 8, Term: 2}}}))
	f.Add(appendHost(nil, 1, &ledger{life: 3, gone: map[GroupID]struct{}{4: {}}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b)
		if err != nil || r.host {
			return
		}
		again, err := decodeRecord(appendWrite(nil, &r.write))
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}

// A transport of package raft carries envelopes as well.
func TestEnvelopesTravelOverATransportOfRaft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := raft.NewNetwork()
		p := newParty(t, 0, func(o *Options) { o.Transport = Over(network.Join(o.ID)) })
		for id := raft.NodeID(1); id <= 3; id++ {
			p.ids = append(p.ids, id)
			p.storages[id] = func() Storage { return &MemStorage{} }
			p.start(id)
		}
		p.create(1)
		p.put(1, "a", "1")
		require.True(t, p.asleep(1))
		require.NoError(t, p.leader(1).Split(context.Background(), 1, 2, []byte("a")))
		p.put(2, "b", "2")
		// What is no envelope is lost.
		stray := network.Join(9)
		require.NoError(t, stray.Start(func(raft.Message) {}))
		stray.Send([]raft.Message{
			{Type: raft.AppendEntries, From: 9, To: 1},
			{Type: raft.AppendEntries, From: 9, To: 1, Entries: []raft.Entry{{Data: []byte("no")}}},
			{Type: raft.AppendEntries, From: 9, To: 1, Entries: []raft.Entry{{Data: AppendEnvelope(nil, &Envelope{From: 2, To: 1})}}},
		})
		require.NoError(t, stray.Close())
		p.put(2, "b", "3")
	})
}

// wire is a transport that keeps what it is given to send.
type wire struct {
	raft.Transport
	sent []raft.Message
}

func (w *wire) Send(ms []raft.Message) { w.sent = append(w.sent, ms...) }

// A host comes back, and a hundred groups have a megabyte for it each.
func TestAnEnvelopeOnAWireIsNotLargerThanATransportTakes(t *testing.T) {
	var w wire
	full := Envelope{From: 1, To: 2, Life: 3, Shares: true}
	for g := range GroupID(100) {
		m := raft.Message{Type: raft.AppendEntries, From: 1, To: 2, Term: 1}
		switch {
		case g < 40:
			m.Entries = []raft.Entry{{Index: 1, Term: 1, Data: make([]byte, 1<<20)}}
		case g < 60:
			m.Type, m.Snapshot = raft.InstallSnapshot, &raft.Snapshot{Index: 1, Term: 1, Data: make([]byte, 1<<20)}
		}
		full.Messages = append(full.Messages, Message{Group: g + 1, Raft: m})
	}
	beat := Envelope{From: 1, To: 3, Life: 3}
	Over(&w).Send([]Envelope{full, beat})
	got := map[raft.NodeID]Envelope{}
	for i := range w.sent {
		data := w.sent[i].Entries[0].Data
		if len(data) > 1<<20+wireEnvelope+1024 {
			broken(t, "envelope-bounded", "an envelope of %d bytes is sent, whose largest message has 1 MiB", len(data))
		}
		e, err := DecodeEnvelope(data)
		require.NoError(t, err)
		require.Equal(t, w.sent[i].To, e.To)
		e.Messages = append(got[e.To].Messages, e.Messages...)
		got[e.To] = e
	}
	require.Equal(t, beat, got[3], "a sign of life has no messages")
	require.Equal(t, full, got[2])
	require.Len(t, w.sent, 62, "small messages share one")
}
