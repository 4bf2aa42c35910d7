package store

import (
	"bytes"
	"cmp"
)

// Transactions: compare, then one of two lists, all or nothing. All compares,
// those of nested transactions too, are decided on the state before; then every
// operation of the branches taken is checked; from then on nothing can fail.

// branches holds the outcomes of a transaction's compares, and those of the
// transactions nested in the branch taken, in their order.
type branches struct {
	success bool
	nested  []branches
}

func (b *branches) taken(t *TxnRequest) []Op {
	if b.success {
		return t.Success
	}
	return t.Failure
}

func decide(r Reader, t *TxnRequest) (b branches) {
	b.success = true
	for i := range t.Compare {
		if !t.Compare[i].holds(r) {
			b.success = false
			break
		}
	}
	for _, op := range b.taken(t) {
		if op.Txn != nil {
			b.nested = append(b.nested, decide(r, op.Txn))
		}
	}
	return b
}

// holds tells whether the condition is true of every key in its range.
func (c *Compare) holds(r Reader) bool {
	found, holds := false, true
	scan(r, spanOf(c.Key, c.End), latest, func(_ []byte, mod int64, row []byte) bool {
		v := decodeVersion(row)
		found, holds = true, c.accepts(&v, mod)
		return holds
	})
	if !found {
		// There is no telling a missing value from an empty one, so etcd
		// lets no compare of it hold.
		return c.Target != CompareValue && c.accepts(&version{}, 0)
	}
	return holds
}

func (c *Compare) accepts(v *version, mod int64) bool {
	var order int
	switch c.Target {
	case CompareVersion:
		order = cmp.Compare(v.count, c.Number)
	case CompareCreate:
		order = cmp.Compare(v.create, c.Number)
	case CompareMod:
		order = cmp.Compare(mod, c.Number)
	case CompareLease:
		order = cmp.Compare(v.lease, c.Number)
	case CompareValue:
		order = bytes.Compare(v.value, c.Value)
	}
	switch c.Result {
	case Equal:
		return order == 0
	case NotEqual:
		return order != 0
	case Greater:
		return order > 0
	}
	return order < 0
}

func (w *writer) txn(t *TxnRequest) (*TxnResponse, error) {
	b := decide(w.storage, t)
	if err := w.check(t, &b); err != nil {
		return nil, err
	}
	return w.run(t, &b), nil
}

// check refuses the whole transaction for any operation that would fail.
func (w *writer) check(t *TxnRequest, b *branches) error {
	nested := b.nested
	for _, op := range b.taken(t) {
		var err error
		switch {
		case op.Range != nil:
			err = checkRevision(op.Range.Revision, w.meta)
		case op.Put != nil:
			err = w.checkPut(op.Put)
		case op.Txn != nil:
			err = w.check(op.Txn, &nested[0])
			nested = nested[1:]
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// run executes a transaction that was checked.
func (w *writer) run(t *TxnRequest, b *branches) *TxnResponse {
	resp := &TxnResponse{Succeeded: b.success}
	nested := b.nested
	for _, op := range b.taken(t) {
		var r OpResponse
		switch {
		case op.Range != nil:
			r.Range = rangeKeys(w.storage, op.Range, w.now())
		case op.Put != nil:
			put, err := w.put(op.Put)
			if err != nil {
				panic("store: a put that was checked failed: " + err.Error())
			}
			r.Put = put
		case op.DeleteRange != nil:
			r.DeleteRange = w.deleteRange(op.DeleteRange)
		case op.Txn != nil:
			r.Txn = w.run(op.Txn, &nested[0])
			nested = nested[1:]
		}
		resp.Responses = append(resp.Responses, r)
	}
	resp.Revision = w.now()
	return resp
}

// ReadOnly tells whether a transaction writes nothing whichever way it goes:
// then ReadTxn answers it without the log.
func ReadOnly(t *TxnRequest) bool {
	for _, ops := range [][]Op{t.Success, t.Failure} {
		for _, op := range ops {
			if op.Put != nil || op.DeleteRange != nil || op.Txn != nil && !ReadOnly(op.Txn) {
				return false
			}
		}
	}
	return true
}

// ReadTxn executes a read-only transaction on this member's state, as Range
// does. It refuses others with ErrInvalidCommand.
func (s *Store) ReadTxn(t *TxnRequest) (_ *TxnResponse, err error) {
	defer Caught(&err)
	if !ReadOnly(t) {
		return nil, ErrInvalidCommand
	}
	if err := Validate(t); err != nil {
		return nil, err
	}
	v := s.read()
	defer v.Close()
	// A writer that writes nothing, over a storage that cannot be written.
	w := writer{Store: &Store{storage: readOnly{Reader: v}, meta: v.meta}}
	return w.txn(t)
}

// readOnly makes a Storage of a view for a writer that only reads; a write
// would hit the nil.
type readOnly struct {
	Reader
	writes
}

type writes interface {
	Set(t Table, key, value []byte)
	Delete(t Table, key []byte)
	Commit()
	View() View
	Defragment()
	Close()
}
