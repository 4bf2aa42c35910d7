package bfttest

import (
	"fmt"

	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
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
func (k *keyring) guarded(i int, in bft.Input) error {
	switch {
	case k == nil:
		return nil
	case in.Vote != nil:
		return k.guards[i].SignVote(simChain, in.Vote)
	}
	return k.guards[i].SignProposal(simChain, &in.Proposal.Proposal)
}

// sign signs what a liar says, whatever it has signed before.
func (k *keyring) sign(i int, in bft.Input) bft.Input {
	switch {
	case k == nil:
	case in.Vote != nil:
		in.Vote.Signature = ed25519.Sign(k.keys[i], in.Vote.AppendSignBytes(nil, simChain))
	default:
		p := &in.Proposal.Proposal
		p.Signature = ed25519.Sign(k.keys[i], p.AppendSignBytes(nil, simChain))
	}
	return in
}

// believes tells whether a message is of who it says.
func (k *keyring) believes(message any) bool {
	if k == nil {
		return true
	}
	switch m := message.(type) {
	case *types.Vote:
		key, known := k.of[m.Validator]
		return known && m.Verify(simChain, key[32:])
	case *bft.Proposed:
		key, known := k.of[m.Proposer]
		return known && m.Verify(simChain, key[32:])
	}
	return true
}

// forged is what a liar says in the name of somebody else: it has no other key than its own.
func (l *liar) forged(o bft.Output) bft.Input {
	in := l.message(o)
	name := l.s.ids[l.p.Rand().IntN(len(l.s.ids))]
	if in.Vote != nil {
		in.Vote.Validator = name
	} else {
		in.Proposal.Proposer = name
	}
	return l.s.keys.sign(l.index, in)
}
