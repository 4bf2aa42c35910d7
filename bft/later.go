package bft

import "github.com/flagship-go/flagship/bft/types"

// A waitingRoom keeps messages that come too early: for a round that the core does not look at yet (K3, K4), or for the next height, for
// somebody is always the first. They are offered again when something has changed. It is bounded: a signer's messages to
// perSigner, and parts, of which nobody knows yet whether they belong to anything, to their bytes.
type waitingRoom struct {
	messages []types.Message
	signer   map[types.Address]int
	bytes    int
}

const (
	perSigner      = 8
	waitingBytes   = 1 << 20
	partRoom       = 256 // what a part takes beside its bytes and its proof
	maxRoundsEarly = 1   // of a height to come: rounds 0 and 1
)

// add keeps a message, and tells whether there was room.
func (w *waitingRoom) add(m types.Message) bool {
	if w.signer == nil {
		w.signer = make(map[types.Address]int)
	}
	var from types.Address
	switch m := m.(type) {
	case *types.Vote:
		from = m.Validator
	case *types.Proposal:
		from = m.Proposer
	case *types.BlockPart:
		size := partRoom + len(m.Part.Bytes) + len(m.Part.Proof)*len(types.Hash{})
		if w.bytes+size > waitingBytes {
			return false
		}
		w.bytes += size
		w.messages = append(w.messages, m)
		return true
	}
	if w.signer[from] >= perSigner {
		return false
	}
	w.signer[from]++
	w.messages = append(w.messages, m)
	return true
}

// take empties the room.
func (w *waitingRoom) take() []types.Message {
	ms := w.messages
	*w = waitingRoom{}
	return ms
}

// has tells whether a vote for a value is waiting.
func (w *waitingRoom) has(r types.Round, kind types.VoteType, value types.ValueID) bool {
	for _, m := range w.messages {
		if v, ok := m.(*types.Vote); ok && v.Round == r && v.Type == kind && v.Value == value {
			return true
		}
	}
	return false
}
