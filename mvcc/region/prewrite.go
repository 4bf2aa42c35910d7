// The first phase: keys are locked and values put in place; or all of it at once.

package region

import (
	"bytes"
	"fmt"

	"github.com/flagship-go/flagship/mvcc/timestamp"
)

const maxTS = timestamp.Max

// keyPlan is what a request has found out about a key before it changes anything: it
// changes all of its keys or none.
type keyPlan struct {
	enc  []byte // nil: nothing is to be done
	lock lockRecord
	mine bool // lock is this transaction's
	top  TS   // of the newest record in the write family, or something above
	// forUpdateTS is at what a pessimistic lock is taken.
	forUpdateTS TS
}

// keepKey returns the encoding of a key, for as long as the run.
func (w *run) keepKey(key []byte) []byte {
	from := len(w.arena)
	w.arena = EncodeKey(w.arena, key)
	return w.arena[from:len(w.arena):len(w.arena)]
}

func (w *run) keepEncoded(enc []byte) []byte {
	from := len(w.arena)
	w.arena = append(w.arena, enc...)
	return w.arena[from:len(w.arena):len(w.arena)]
}

// keepAt returns an encoded key with a timestamp.
func (w *run) keepAt(enc []byte, ts TS) []byte {
	from := len(w.arena)
	w.arena = appendTS(append(w.arena, enc...), ts)
	return w.arena[from:len(w.arena):len(w.arena)]
}

func (w *run) putLock(enc []byte, l *lockRecord) {
	from := len(w.arena)
	w.arena = l.append(w.arena)
	w.batch.Put(LockCF, enc, w.arena[from:len(w.arena):len(w.arena)])
}

func (w *run) putWrite(enc []byte, at TS, rec *writeRecord) {
	k := w.keepAt(enc, at)
	from := len(w.arena)
	w.arena = rec.append(w.arena)
	w.batch.Put(WriteCF, k, w.arena[from:len(w.arena):len(w.arena)])
}

// fresh refuses a transaction that is as old as the safepoint: what was recorded of it
// may be gone, and with it the means to tell whether it is decided (V3).
func (w *run) fresh(start TS) error {
	if start <= w.safePoint {
		return fmt.Errorf("%w: transaction %v, safepoint %v: begin again", ErrTooOld, start, w.safePoint)
	}
	return nil
}

// past is what the write family has of a key above the StartTS of a transaction, and
// of that transaction.
type past struct {
	top        TS // of the newest record of all, 0 if there is none
	commitTS   TS // of the transaction, if it is committed here
	rolledBack bool
	newerAt    TS // of the newest commit of somebody else above StartTS, and its StartTS
	newerStart TS
}

func (w *run) past(enc []byte, start TS) (p past, err error) {
	ok, err := w.seek(enc, maxTS)
	if ok {
		p.top = w.at
	}
	for ; ok && w.at >= start; ok, err = w.next(enc) {
		switch {
		case w.at == start:
			// V6: a commit of another transaction may be here. It is not ours, unless it is
			// marked to stand for our rollback too; and it is not after us either.
			p.rolledBack = w.rec.kind == recRollback || w.rec.overlapped()
			return p, nil
		case w.rec.kind == recRollback: // somebody else's
		case w.rec.startTS == start:
			p.commitTS = w.at
			return p, nil
		case p.newerAt == 0:
			p.newerAt, p.newerStart = w.at, w.rec.startTS
		}
	}
	return p, err
}

func rolledBack(start TS, key []byte) error {
	return fmt.Errorf("%w: %v, on key %q", ErrRolledBack, start, key)
}

// apply answers a PrewriteRequest: first it looks at all keys, then it changes them.
func (q *PrewriteRequest) apply(w *run) (any, error) {
	if err := w.fresh(q.StartTS); err != nil {
		return nil, err
	}
	p := prewriter{w: w, q: q, async: q.AsyncCommit && len(q.Secondaries) <= w.maxSecondaries, onePC: q.OnePC}
	p.least = max(w.leastCommitTS, q.StartTS+1, q.ForUpdateTS+1, q.MinCommitTS)
	commitTS, err := p.look()
	if err != nil {
		if commitTS = q.committedAt(w); commitTS == 0 {
			return nil, err
		}
	}
	if commitTS != 0 {
		// This comes late: the transaction is committed, so all of it was prewritten. To lock
		// it again would be for ever (V3, tikv#11187).
		return &PrewriteResponse{MinCommitTS: commitTS, CommitTS: commitTS, Async: q.AsyncCommit}, nil
	}
	if p.onePC {
		return &PrewriteResponse{MinCommitTS: p.least, CommitTS: p.least}, p.commit()
	}
	a := &PrewriteResponse{Async: p.async}
	if least := p.lockAll(); w.leastCommitTS != 0 {
		a.MinCommitTS = least
	}
	return a, nil
}

// committedAt returns the CommitTS if the transaction is committed, as far as these
// keys know.
func (q *PrewriteRequest) committedAt(w *run) TS {
	for i := range q.Mutations {
		w.cur = EncodeKey(w.cur[:0], q.Mutations[i].Key)
		if p, err := w.past(w.cur, q.StartTS); err == nil && p.commitTS != 0 {
			return p.commitTS
		}
	}
	return 0
}

// prewriter is one prewrite under way.
type prewriter struct {
	w     *run
	q     *PrewriteRequest
	least TS // the MinCommitTS of what is locked now
	// async and onePC say how it is to be done; both are given up where an earlier copy of
	// the request was answered otherwise.
	async, onePC bool
}

// look fills w.plans. It returns a CommitTS if the transaction is committed already.
func (p *prewriter) look() (TS, error) {
	var locks []LockInfo
	for i := range p.q.Mutations {
		m := &p.q.Mutations[i]
		plan := keyPlan{enc: p.w.keepKey(m.Key)}
		commitTS, err := p.lookAt(m, &plan)
		if commitTS != 0 {
			return commitTS, nil
		}
		if e, ok := err.(*LockedError); ok {
			locks, err = append(locks, e.Locks...), nil
		}
		if err != nil {
			return 0, err
		}
		p.w.plans = append(p.w.plans, plan)
	}
	if len(locks) > 0 {
		return 0, &LockedError{Locks: locks}
	}
	return 0, nil
}

func (p *prewriter) lookAt(m *Mutation, plan *keyPlan) (commitTS TS, err error) {
	w, q := p.w, p.q
	l, locked, err := w.lockOn(plan.enc)
	if err != nil {
		return 0, err
	}
	plan.lock, plan.mine = l, locked && l.startTS == q.StartTS
	switch {
	case plan.mine && l.kind != recPessimistic: // V3: locked before, and so it stays
		p.async = p.async && l.async()
		p.onePC = false
		return 0, nil
	case plan.mine && m.Pessimistic && (m.ForUpdateTS == 0 || l.forUpdateTS <= m.ForUpdateTS):
		plan.top = maxTS
		p.least = max(p.least, l.minCommitTS, l.forUpdateTS+1)
		return 0, p.lookForValue(m, plan)
	}
	past, err := w.past(plan.enc, q.StartTS)
	plan.top = past.top
	switch {
	case err != nil:
		return 0, err
	case past.commitTS != 0:
		return past.commitTS, nil
	case past.rolledBack:
		return 0, rolledBack(q.StartTS, m.Key)
	case locked && !plan.mine:
		return 0, lockedError(&l, m.Key)
	case past.newerAt != 0:
		// V4. V8: so it is for a pessimistic lock that is gone; where nobody has written since
		// StartTS it might as well be there still.
		return 0, &ConflictError{Key: bytes.Clone(m.Key), StartTS: q.StartTS,
			OtherStartTS: past.newerStart, OtherCommitTS: past.newerAt}
	}
	if plan.mine {
		p.least = max(p.least, l.minCommitTS)
	}
	return 0, p.lookForValue(m, plan)
}

// lookForValue fails if there is a value where none may be.
func (p *prewriter) lookForValue(m *Mutation, plan *keyPlan) error {
	if m.Kind != MutInsert && m.Kind != MutCheckAbsent {
		return nil
	}
	_, found, err := p.w.visible(plan.enc, &ReadOptions{ReadTS: maxTS})
	if err == nil && found {
		err = fmt.Errorf("%w: %q", ErrExists, m.Key)
	}
	if m.Kind == MutCheckAbsent {
		plan.enc = nil
	}
	return err
}

// recordOf is the kind of record that a mutation leaves, and the value that fits in.
func recordOf(m *Mutation) (kind recordKind, flags byte, short []byte) {
	switch m.Kind {
	case MutPut, MutInsert:
		if len(m.Value) <= shortValue {
			return recPut, flagShort, m.Value
		}
		return recPut, 0, nil
	case MutDelete:
		return recDelete, 0, nil
	}
	return recLock, 0, nil
}

// lockAll locks what is not yet locked. It returns the highest MinCommitTS of the locks: of
// those that were there before it is what they had then, since others may have read
// it in them and acted upon it (V10).
func (p *prewriter) lockAll() TS {
	w, q := p.w, p.q
	var highest TS
	for i := range q.Mutations {
		m, plan := &q.Mutations[i], &w.plans[i]
		if plan.enc == nil {
			continue
		}
		if plan.mine && plan.lock.kind != recPessimistic {
			highest = max(highest, plan.lock.minCommitTS)
			continue
		}
		l := lockRecord{startTS: q.StartTS, minCommitTS: p.least, primary: q.Primary,
			ttl: ttlMillis(q.TTL), size: uint64(max(q.TxnSize, 0))}
		if m.Pessimistic {
			l.forUpdateTS = q.ForUpdateTS
		}
		if plan.mine { // it may have been prolonged, and readers may have passed it
			l.ttl = max(l.ttl, plan.lock.ttl)
		}
		l.kind, l.flags, l.value = recordOf(m)
		if p.async {
			l.flags |= flagAsync
			if bytes.Equal(m.Key, q.Primary) {
				from := len(w.arena)
				w.arena = appendSecondaries(w.arena, q.Secondaries)
				l.secondaries = w.arena[from:len(w.arena):len(w.arena)]
			}
		}
		if l.kind == recPut && !l.short() {
			w.batch.Put(Default, w.keepAt(plan.enc, q.StartTS), m.Value)
		}
		w.putLock(plan.enc, &l)
		highest = max(highest, p.least)
	}
	if highest == 0 {
		highest = p.least
	}
	return highest
}

// commit does both phases in one: the write records come at once.
func (p *prewriter) commit() error {
	w, q := p.w, p.q
	for i := range q.Mutations {
		m, plan := &q.Mutations[i], &w.plans[i]
		if plan.enc == nil {
			continue
		}
		rec := writeRecord{startTS: q.StartTS}
		rec.kind, rec.flags, rec.value = recordOf(m)
		if rec.kind == recPut && !rec.short() {
			w.batch.Put(Default, w.keepAt(plan.enc, q.StartTS), m.Value)
		}
		if plan.top >= p.least {
			if err := w.overlap(plan.enc, p.least, &rec); err != nil {
				return err
			}
		}
		w.putWrite(plan.enc, p.least, &rec)
		if plan.mine {
			w.batch.Delete(LockCF, plan.enc)
		}
	}
	return nil
}
