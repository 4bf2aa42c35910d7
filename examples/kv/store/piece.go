package store

// A command that deletes a range, or revokes a lease, may change more keys than
// memory holds. Then its changes are committed a piece at a time before it is
// done, and a crash may come between two. They can be taken back: what a piece has
// is new rows of the command's revision, and nothing else, and the store knows
// which revision it has come to.
//
//	                                  history     meta
//	piece   versions of 7.0 to 7.9    ... 6 7.*   revision 6, index 41
//	piece   versions of 7.10 to 7.19
//	                                                                    crash
//	New     rows behind revision 6 go ... 6       revision 6, index 41
//	        the command comes again   ... 6 7.*   revision 7, index 42
//
// Rows that take the place of others, those of leases and their keys, wait until
// the end.

// pieceBytes of rows are in a piece: more than a request's own.
const pieceBytes = 2 << 20

// finish makes the changes that waited for the end of the command.
func (w *writer) finish() {
	for _, a := range w.leases {
		if a.gone {
			w.storage.Delete(tableLeaseKeys, a.row)
		} else {
			w.storage.Set(tableLeaseKeys, a.row, nil)
		}
	}
}

// undoPieces takes back what a command did that a crash ended.
func (s *Store) undoPieces() {
	v := s.storage.View()
	defer v.Close()
	c := v.Cursor(tableHistory)
	defer c.Close()
	rows := 0
	for c.Seek(historyKey(revision{main: s.meta.revision + 1})); c.Valid(); c.Next() {
		s.storage.Delete(tableIndex, indexKey(c.Value(), splitHistoryKey(c.Key())))
		s.storage.Delete(tableHistory, c.Key())
		if rows++; rows%sweepRows == 0 {
			s.storage.Commit()
		}
	}
	if rows > 0 {
		s.storage.Commit()
	}
}
