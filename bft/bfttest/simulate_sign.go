package bfttest

import (
	"fmt"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// With Options.Signed nobody's word is taken for who said it: messages carry signatures, correct validators sign with a guard that
// outlives their crashes (S2), and liars also speak in the names of others, which nobody may believe (S1, S3).

// simChain is the chain's id.
const simChain = "simulated"

// keyring is the keys of a run; nil: nothing is signed.
type keyring struct {
	keys   []types.PrivateKey
	guards []*privval.MemSigner
	of     map[types.Address]types.PrivateKey
}

// newKeyring makes a key for each validator, and its address.
func newKeyring(n int) *keyring {
	k := &keyring{of: make(map[types.Address]types.PrivateKey)}
	for i := range n {
		signer := privval.NewMemSigner(fmt.Sprintf("n%d", i+1))
		key := signer.PrivateKey()
		k.keys, k.guards = append(k.keys, key), append(k.guards, signer)
		k.of[types.AddressOf(key[32:])] = key
	}
	return k
}

// guarded signs what a correct validator says.
func (k *keyring) guarded(i int, message any) error {
	if k == nil {
		return nil
	}
	switch m := message.(type) {
	case *numberedVote:
		return k.guards[i].SignVote(simChain, &m.Vote)
	case *bft.Proposed:
		return k.guards[i].SignProposal(simChain, &m.Proposal)
	}
	return nil
}

// sign signs what a liar says, whatever it has signed before.
func (k *keyring) sign(i int, message any) {
	if k == nil {
		return
	}
	switch m := message.(type) {
	case *numberedVote:
		m.Signature = ed25519.Sign(k.keys[i], m.Vote.AppendSignBytes(nil, simChain))
	case *bft.Proposed:
		m.Signature = ed25519.Sign(k.keys[i], m.Proposal.AppendSignBytes(nil, simChain))
	}
}

// believes tells whether a message is of who it says.
func (k *keyring) believes(message any) bool {
	if k == nil {
		return true
	}
	switch m := message.(type) {
	case *numberedVote:
		key, known := k.of[m.Validator]
		return known && m.Verify(simChain, key[32:])
	case *bft.Proposed:
		key, known := k.of[m.Proposer]
		return known && m.Verify(simChain, key[32:])
	}
	return true
}

// forged is what a liar says in the name of somebody else: it has no other key than its own.
func (l *liar) forged(o bft.Output) any {
	message := l.message(o)
	name := l.s.ids[l.p.Rand().IntN(len(l.s.ids))]
	switch m := message.(type) {
	case *numberedVote:
		m.Validator = name
	case *bft.Proposed:
		m.Proposer = name
	}
	l.s.keys.sign(l.index, message)
	return message
}
