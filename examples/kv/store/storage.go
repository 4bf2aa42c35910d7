package store

// The storage under the store: the whole state as ordered tables of byte
// strings. It is all that an engine on a disk would have to offer; what the
// rows mean is in rows.go.

// Table names one of the ordered tables.
type Table uint8

// Reader reads tables. What it returns must not be changed.
type Reader interface {
	// Get returns the value of a key, and whether there is one.
	Get(t Table, key []byte) (value []byte, ok bool)
	// Cursor walks a table from the place it is sent to.
	Cursor(t Table) Cursor
}

// Cursor walks the keys of a table in ascending order. It starts nowhere: Seek
// first. Writing to a Storage ends the cursors of the Storage itself, not those
// of its views.
type Cursor interface {
	Seek(key []byte) // to the first key not less than key
	Valid() bool     // false: behind the last key
	Next()
	Key() []byte
	Value() []byte
}

// Storage keeps the tables. One goroutine at a time calls it; the views are
// used by any number. A storage that cannot go on, because its disk failed,
// panics: a state machine that skips a command is no replica any more.
type Storage interface {
	Reader
	// Set and Delete change what the Storage itself reads at once. It keeps
	// key and value.
	Set(t Table, key, value []byte)
	Delete(t Table, key []byte)
	// Commit ends a command: what came since the last one is kept together or
	// not at all.
	Commit()
	// View is the state as it is now, for as long as somebody holds it. It is
	// cheap, however large the state.
	View() Reader
}

// memory is the Storage of the zero Options.
type memory struct{ tables [tables]tree }

// frozen is a view of it.
type frozen struct{ tables [tables]tree }

func (m *memory) Get(t Table, key []byte) ([]byte, bool) { return m.tables[t].get(key) }
func (m *memory) Cursor(t Table) Cursor                  { return &treeCursor{root: m.tables[t].root} }
func (m *memory) Set(t Table, key, value []byte)         { m.tables[t].set(key, value) }
func (m *memory) Delete(t Table, key []byte)             { m.tables[t].delete(key) }
func (m *memory) Commit()                                {}

func (m *memory) View() Reader {
	f := new(frozen)
	for t := range m.tables {
		f.tables[t] = m.tables[t].freeze()
	}
	return f
}

func (f *frozen) Get(t Table, key []byte) ([]byte, bool) { return f.tables[t].get(key) }
func (f *frozen) Cursor(t Table) Cursor                  { return &treeCursor{root: f.tables[t].root} }
