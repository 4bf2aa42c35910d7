package store

import (
	"bytes"
	"slices"
)

// What can be refused without looking at the state.

// Validate refuses a command that no state would accept: ErrEmptyKey,
// ErrKeyTooLong, ErrValueProvided, ErrLeaseProvided, ErrTooManyOps, ErrDuplicateKey,
// ErrInvalidSort, ErrKeyNotFound (of an Op without or with several fields, as
// in etcd), ErrLeaseTTLTooLarge; ErrInvalidCommand of numbers that are none of
// an enumeration's. Apply does so again; asking before proposing
// spares the log.
func Validate(cmd Command) error {
	switch r := cmd.(type) {
	case *PutRequest:
		return validatePut(r)
	case *DeleteRangeRequest:
		return validateKey(r.Key)
	case *TxnRequest:
		if err := validateTxn(r, MaxTxnOps); err != nil {
			return err
		}
		for _, ops := range [][]Op{r.Success, r.Failure} {
			if _, _, err := overlaps(ops); err != nil {
				return err
			}
		}
	case *LeaseGrantRequest:
		if r.TTL > MaxLeaseTTL {
			return ErrLeaseTTLTooLarge
		}
	case *AlarmRequest:
		if r.Action > AlarmDeactivate || r.Type > AlarmCorrupt {
			return ErrInvalidCommand
		}
	}
	return nil
}

// MaxKeyLen is the longest key that is written, in bytes: escaped it is at most
// twice as long, and package lsm takes 65,535. (etcd knows no bound but that of a
// request.)
const MaxKeyLen = 32_000

func validateKey(key []byte) error {
	if len(key) == 0 {
		return ErrEmptyKey
	}
	return nil
}

func validateRange(r *RangeRequest) error {
	if r.SortOrder > SortDescend || r.SortTarget > SortByValue {
		return ErrInvalidSort
	}
	return validateKey(r.Key)
}

func validatePut(r *PutRequest) error {
	switch {
	case r.IgnoreValue && len(r.Value) > 0:
		return ErrValueProvided
	case r.IgnoreLease && r.Lease != 0:
		return ErrLeaseProvided
	case len(r.Key) > MaxKeyLen:
		return ErrKeyTooLong
	}
	return validateKey(r.Key)
}

// validateTxn allows each list maxOps operations. What the longest list takes,
// nested transactions lack; so depth is bounded too.
func validateTxn(t *TxnRequest, maxOps int) error {
	longest := max(len(t.Compare), len(t.Success), len(t.Failure))
	if longest > maxOps {
		return ErrTooManyOps
	}
	for i := range t.Compare {
		if c := &t.Compare[i]; c.Target > CompareLease || c.Result > NotEqual {
			return ErrInvalidCommand
		}
		if err := validateKey(t.Compare[i].Key); err != nil {
			return err
		}
	}
	for _, ops := range [][]Op{t.Success, t.Failure} {
		for i := range ops {
			if err := validateOp(&ops[i], maxOps-longest); err != nil {
				return err
			}
		}
	}
	return nil
}

func validateOp(op *Op, maxOps int) error {
	set := 0
	for _, is := range [...]bool{op.Range != nil, op.Put != nil, op.DeleteRange != nil, op.Txn != nil} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return ErrKeyNotFound
	case op.Range != nil:
		return validateRange(op.Range)
	case op.Put != nil:
		return validatePut(op.Put)
	case op.DeleteRange != nil:
		return validateKey(op.DeleteRange.Key)
	}
	return validateTxn(op.Txn, maxOps)
}

// overlaps refuses a list of operations in which a key is put twice, or put and
// deleted, because it would not be clear what is left. Two branches of a nested
// transaction may put the same key: only one is taken. It returns what the list
// puts and deletes, for the list around it.
func overlaps(ops []Op) (puts map[string]bool, deletes spans, err error) {
	puts = map[string]bool{}
	for _, op := range ops {
		if op.DeleteRange != nil {
			deletes = append(deletes, spanOf(op.DeleteRange.Key, op.DeleteRange.End).closed())
		}
	}
	deletes = deletes.merge()
	for _, op := range ops {
		if op.Txn == nil {
			continue
		}
		thenPuts, thenDeletes, err := overlaps(op.Txn.Success)
		if err != nil {
			return nil, nil, err
		}
		elsePuts, elseDeletes, err := overlaps(op.Txn.Failure)
		if err != nil {
			return nil, nil, err
		}
		for k := range elsePuts {
			thenPuts[k] = true
		}
		for k := range thenPuts {
			if puts[k] || deletes.contain(k) {
				return nil, nil, ErrDuplicateKey
			}
			puts[k] = true
		}
		deletes = append(append(deletes, thenDeletes...), elseDeletes...).merge()
	}
	for _, op := range ops {
		if op.Put == nil {
			continue
		}
		if k := string(op.Put.Key); puts[k] || deletes.contain(k) {
			return nil, nil, ErrDuplicateKey
		} else {
			puts[k] = true
		}
	}
	return puts, deletes, nil
}

// closed writes the range of one key as one with an end.
func (s span) closed() span {
	if s.single {
		s.single, s.end = false, append(bytes.Clone(s.key), 0)
	}
	return s
}

// spans are, once merged, in order and apart, so that a transaction of many
// deletions is not checked in quadratic time.
type spans []span

func (l spans) merge() spans {
	slices.SortFunc(l, func(a, b span) int { return bytes.Compare(a.key, b.key) })
	merged := l[:0]
	for _, s := range l {
		if !s.open && bytes.Compare(s.key, s.end) >= 0 {
			continue // inverted: empty
		}
		last := len(merged) - 1
		switch {
		case last < 0 || !merged[last].open && bytes.Compare(merged[last].end, s.key) < 0:
			merged = append(merged, s)
		case merged[last].open:
		case s.open || bytes.Compare(merged[last].end, s.end) < 0:
			merged[last].open, merged[last].end = s.open, s.end
		}
	}
	return merged
}

func (l spans) contain(key string) bool {
	k := []byte(key)
	// The last span that begins at or before the key.
	i, found := slices.BinarySearchFunc(l, k, func(s span, k []byte) int { return bytes.Compare(s.key, k) })
	if !found {
		i--
	}
	return i >= 0 && l[i].contains(k)
}

// Cost estimates the bytes by which a command may grow the store: of a put
// key + value + 256, of a lease 64, of a transaction the dearer branch, nested
// ones included. 0: it takes no space and is served under AlarmNoSpace.
//
// The quota is no matter of the store, because members may be given different
// ones: the proposer refuses with ErrNoSpace when Cost(c) > 0 and Status().Size +
// Cost(c) >= quota, and proposes AlarmActivate of AlarmNoSpace; from there on the
// alarm, which is in the log, refuses on all members alike.
func Cost(cmd Command) int64 {
	switch r := cmd.(type) {
	case *PutRequest:
		return keyCost + int64(len(r.Key)) + int64(len(r.Value))
	case *TxnRequest:
		return max(costOf(r.Success), costOf(r.Failure))
	case *LeaseGrantRequest:
		return leaseCost
	}
	return 0
}

func costOf(ops []Op) (sum int64) {
	for _, op := range ops {
		switch {
		case op.Put != nil:
			sum += Cost(op.Put)
		case op.Txn != nil:
			sum += Cost(op.Txn)
		}
	}
	return sum
}
