package bft

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/flagship-go/flagship/bft/abci"
)

// What a node keeps beside blocks: validator sets, in CometBFT's form, which light clients read, too; states and
// results, in a form of our own.

// Encode appends the set with its priorities and whose turn it is.
func (s *ValidatorSet) Encode(dst []byte) []byte {
	for i := range s.members {
		v := s.At(i)
		dst = v.encode(dst, 1)
	}
	v := s.Proposer()
	dst = v.encode(dst, 2)
	return appendUint(dst, 3, uint64(s.total))
}

func (v *Validator) encode(dst []byte, field protowire.Number) []byte {
	dst, at := nest(dst, field)
	dst = appendAddress(dst, 1, &v.Address)
	dst, key := nest(dst, 2)
	dst = end(appendBytes(dst, 1, v.PubKey), key)
	dst = appendUint(dst, 3, uint64(v.Power))
	return end(appendUint(dst, 4, uint64(v.Priority)), at)
}

// MaxValidators is how many validators a decoded set may have.
const MaxValidators = 10_000

// DecodeValidatorSet reads what [ValidatorSet.Encode] has written. Each address is that of its key:
// the hash of a set does not cover addresses.
func DecodeValidatorSet(data []byte) (*ValidatorSet, error) {
	var s *ValidatorSet
	err := decode("validator set", data, func(r *reader) { s = readValidatorSet(r) }, func(dst []byte) []byte { return s.Encode(dst) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

func readValidatorSet(r *reader) *ValidatorSet {
	var members []Validator
	var priorities []int64
	var proposer Validator
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			var v Validator
			r.message(v.read)
			members, priorities = append(members, v), append(priorities, v.Priority)
		case 2:
			r.message(proposer.read)
		case 3:
			r.int()
		default:
			r.unknown("a validator set", f)
		}
		if len(members) > MaxValidators {
			r.fail("more than %d validators", MaxValidators)
		}
	}
	if r.err != nil {
		return nil
	}
	s, err := newSet(members, priorities)
	if err != nil {
		r.fail("%v", err)
		return nil
	}
	if s.proposer = s.Index(proposer.Address); s.proposer < 0 {
		r.fail("the proposer %v is no validator", proposer.Address)
	}
	return s
}

func (v *Validator) read(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			r.address(&v.Address)
		case 2:
			r.message(func(r *reader) {
				if f := r.next(); f != 1 {
					r.fail("a key that is not Ed25519")
					return
				}
				v.PubKey = r.bytes(KeySize)
			})
		case 3:
			v.Power = r.int()
		case 4:
			v.Priority = r.int()
		default:
			r.unknown("a validator", f)
		}
	}
	if r.err == nil && (len(v.PubKey) != KeySize || AddressOf(v.PubKey) != v.Address) {
		r.fail("validator %v: its address is not that of its key", v.Address)
	}
}

// Encode appends the state.
func (s *State) Encode(dst []byte) []byte {
	dst = appendString(dst, 1, s.ChainID)
	dst = appendUint(dst, 2, uint64(s.InitialHeight))
	dst = appendUint(dst, 3, uint64(s.LastHeight))
	dst = appendValue(dst, 4, s.LastBlockID)
	dst = appendTime(dst, 5, s.LastTime)
	for i, set := range [...]*ValidatorSet{s.NextValidators, s.Validators, s.LastValidators} {
		if set != nil {
			var at int
			dst, at = nest(dst, protowire.Number(6+i))
			dst = end(set.Encode(dst), at)
		}
	}
	dst, at := nest(dst, 9)
	dst = end(appendParams(dst, &s.Params), at)
	dst = appendHash(dst, 10, &s.LastResultsHash)
	return appendBytes(dst, 11, s.AppHash)
}

// DecodeState reads what [State.Encode] has written. Keys and hashes are slices of data.
func DecodeState(data []byte) (*State, error) {
	s := &State{}
	if err := decode("state", data, s.read, s.Encode); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *State) read(r *reader) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			s.ChainID = string(r.bytes(MaxChainIDLen))
		case 2:
			s.InitialHeight = Height(r.int())
		case 3:
			s.LastHeight = Height(r.int())
		case 4:
			r.valueID(&s.LastBlockID)
		case 5:
			r.time(&s.LastTime)
		case 6, 7, 8:
			to := [...]**ValidatorSet{&s.NextValidators, &s.Validators, &s.LastValidators}[f-6]
			r.message(func(r *reader) { *to = readValidatorSet(r) })
		case 9:
			r.message(func(r *reader) { readParams(r, &s.Params) })
		case 10:
			r.hash(&s.LastResultsHash)
		case 11:
			s.AppHash = r.bytes(maxAppHash)
		default:
			r.unknown("a state", f)
		}
	}
}

func appendParams(dst []byte, p *abci.ConsensusParams) []byte {
	if b := p.Block; b != nil {
		var at int
		dst, at = nest(dst, 1)
		dst = end(appendUint(appendUint(dst, 1, uint64(b.MaxBytes)), 2, uint64(b.MaxGas)), at)
	}
	if e := p.Evidence; e != nil {
		var at int
		dst, at = nest(dst, 2)
		dst = appendUint(dst, 1, uint64(e.MaxAgeNumBlocks))
		dst = appendUint(dst, 2, uint64(e.MaxAgeDuration))
		dst = end(appendUint(dst, 3, uint64(e.MaxBytes)), at)
	}
	if v := p.Version; v != nil {
		var at int
		dst, at = nest(dst, 3)
		dst = end(appendUint(dst, 1, v.App), at)
	}
	return dst
}

func readParams(r *reader, p *abci.ConsensusParams) {
	for f := r.next(); f != 0; f = r.next() {
		var fields [3]int64
		r.message(func(r *reader) {
			for f := r.next(); f != 0; f = r.next() {
				if f > 3 {
					r.unknown("a parameter", f)
					return
				}
				fields[f-1] = r.int()
			}
		})
		switch f {
		case 1:
			p.Block = &abci.BlockParams{MaxBytes: fields[0], MaxGas: fields[1]}
		case 2:
			p.Evidence = &abci.EvidenceParams{MaxAgeNumBlocks: fields[0], MaxAgeDuration: time.Duration(fields[1]), MaxBytes: fields[2]}
		case 3:
			p.Version = &abci.VersionParams{App: uint64(fields[0])}
		default:
			r.unknown("the parameters", f)
		}
	}
}

// Encode appends the results.
func (s *Results) Encode(dst []byte) []byte {
	dst = appendUint(dst, 1, uint64(s.Height))
	f := s.Response
	dst = appendEvents(dst, 2, f.Events)
	for i := range f.TxResults {
		var at int
		dst, at = nest(dst, 3)
		dst = end(appendTxResult(dst, &f.TxResults[i]), at)
	}
	for _, u := range f.ValidatorUpdates {
		var at int
		dst, at = nest(dst, 4)
		dst = end(appendUint(appendBytes(dst, 1, u.PubKey), 2, uint64(u.Power)), at)
	}
	if p := f.ConsensusParamUpdates; p != nil {
		var at int
		dst, at = nest(dst, 5)
		dst = end(appendParams(dst, p), at)
	}
	return appendBytes(dst, 6, f.AppHash)
}

func appendTxResult(dst []byte, t *abci.ExecTxResult) []byte {
	dst = appendUint(dst, 1, uint64(t.Code))
	dst = appendBytes(dst, 2, t.Data)
	dst = appendString(dst, 3, t.Log)
	dst = appendUint(dst, 5, uint64(t.GasWanted))
	dst = appendUint(dst, 6, uint64(t.GasUsed))
	dst = appendEvents(dst, 7, t.Events)
	return appendString(dst, 8, t.Codespace)
}

func appendEvents(dst []byte, field protowire.Number, events []abci.Event) []byte {
	for i := range events {
		var at int
		dst, at = nest(dst, field)
		dst = appendString(dst, 1, events[i].Type)
		for _, a := range events[i].Attributes {
			var one int
			dst, one = nest(dst, 2)
			dst = appendString(appendString(dst, 1, a.Key), 2, a.Value)
			if a.Index {
				dst = appendUint(dst, 3, 1)
			}
			dst = end(dst, one)
		}
		dst = end(dst, at)
	}
	return dst
}

// DecodeResults reads what [Results.Encode] has written. Bytes are slices of data.
func DecodeResults(data []byte) (*Results, error) {
	s := &Results{Response: &abci.FinalizeBlockResponse{}}
	if err := decode("results", data, s.read, s.Encode); err != nil {
		return nil, fmt.Errorf("of height %d: %w", s.Height, err)
	}
	return s, nil
}

// maxResult bounds a string or bytes in results.
const maxResult = MaxBlockBytes

func (s *Results) read(r *reader) {
	to := s.Response
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			s.Height = Height(r.int())
		case 2:
			r.event(&to.Events)
		case 3:
			var t abci.ExecTxResult
			r.message(func(r *reader) { readTxResult(r, &t) })
			to.TxResults = append(to.TxResults, t)
		case 4:
			var u abci.ValidatorUpdate
			r.message(func(r *reader) { readUpdate(r, &u) })
			to.ValidatorUpdates = append(to.ValidatorUpdates, u)
		case 5:
			to.ConsensusParamUpdates = &abci.ConsensusParams{}
			r.message(func(r *reader) { readParams(r, to.ConsensusParamUpdates) })
		case 6:
			to.AppHash = r.bytes(maxAppHash)
		default:
			r.unknown("results", f)
		}
	}
}

func readUpdate(r *reader, u *abci.ValidatorUpdate) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			u.PubKey = r.bytes(maxResult)
		case 2:
			u.Power = r.int()
		default:
			r.unknown("a validator update", f)
		}
	}
}

func readTxResult(r *reader, t *abci.ExecTxResult) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			t.Code = uint32(r.uint(1<<32 - 1))
		case 2:
			t.Data = r.bytes(maxResult)
		case 3:
			t.Log = string(r.bytes(maxResult))
		case 5:
			t.GasWanted = r.int()
		case 6:
			t.GasUsed = r.int()
		case 7:
			r.event(&t.Events)
		case 8:
			t.Codespace = string(r.bytes(maxResult))
		default:
			r.unknown("a transaction's result", f)
		}
	}
}

func (r *reader) event(to *[]abci.Event) {
	var e abci.Event
	r.message(func(r *reader) {
		for f := r.next(); f != 0; f = r.next() {
			switch f {
			case 1:
				e.Type = string(r.bytes(maxResult))
			case 2:
				var a abci.EventAttribute
				r.message(func(r *reader) { readAttribute(r, &a) })
				e.Attributes = append(e.Attributes, a)
			default:
				r.unknown("an event", f)
			}
		}
	})
	*to = append(*to, e)
}

func readAttribute(r *reader, a *abci.EventAttribute) {
	for f := r.next(); f != 0; f = r.next() {
		switch f {
		case 1:
			a.Key = string(r.bytes(maxResult))
		case 2:
			a.Value = string(r.bytes(maxResult))
		case 3:
			a.Index = r.uint(1) == 1
		default:
			r.unknown("an attribute", f)
		}
	}
}
