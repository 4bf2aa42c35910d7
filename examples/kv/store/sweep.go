package store

// What a compaction removes may be more than memory holds, so it is committed a
// piece at a time, and a crash may come between two. Then the rows are neither
// those of before nor those of after. It does not matter, if nobody sees them:
//
//	piece   rows removed up to 5.0   compacted = 9   sweeping from 5.0
//	piece   rows removed up to 7.2   compacted = 9   sweeping from 7.2
//	                                                                    crash
//	New     rows removed up to 9.3   compacted = 9
//
// From the first piece on nothing before revision 9 can be read, and what is at 9
// and later no piece touches. A store that finds a sweep unfinished finishes it
// before it is asked anything. The command comes again, because its index was
// not stored yet, and finds that its revision is compacted: the state is what it
// is on the members where nothing crashed.

// sweepRows of the history are in a piece.
const sweepRows = 2_000

// sweepKey is the row of an unfinished sweep, in the table of meta. No view and
// no snapshot has it.
var sweepKey = []byte("sweep")

// sweep forgets what the compaction at meta.compacted takes, from a place in the
// history on.
func (w *writer) sweep(from revision) {
	// The view stands still while the storage changes.
	before := w.storage.View()
	defer before.Close()
	history, versions := before.Cursor(tableHistory), before.Cursor(tableIndex)
	defer history.Close()
	defer versions.Close()
	rows, to := 0, w.meta.compacted
	for history.Seek(historyKey(from)); history.Valid(); history.Next() {
		at := splitHistoryKey(history.Key())
		if at.main > to {
			break
		}
		w.forget(versions, history.Value(), at, to)
		if at.main < to {
			w.storage.Delete(tableHistory, history.Key())
		}
		if rows++; rows%sweepRows == 0 {
			w.storage.Set(tableMeta, sweepKey, historyKey(revision{at.main, at.sub + 1}))
			w.storage.Set(tableMeta, metaKey, w.meta.encode())
			w.storage.Commit()
		}
	}
	if rows >= sweepRows {
		w.storage.Delete(tableMeta, sweepKey)
	}
}

// finishSweep does the rest of a sweep that a crash ended.
func (s *Store) finishSweep() {
	row, ok := s.storage.Get(tableMeta, sweepKey)
	if !ok {
		return
	}
	w := writer{Store: s}
	w.sweep(splitHistoryKey(row))
	s.storage.Delete(tableMeta, sweepKey)
	s.storage.Set(tableMeta, metaKey, s.meta.encode())
	s.storage.Commit()
}
