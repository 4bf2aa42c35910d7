package store

// The storage under the store: the whole state as ordered tables of byte
// strings. It is all that an engine on a disk has to offer; what the rows mean is
// in rows.go.

// Table names one of the ordered tables.
type Table uint8

// Reader reads tables. What it returns must not be changed, and stays as it is.
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
	Close() // once, at the end
}

// View is a state that does not change, until Close; its cursors are closed
// before.
type View interface {
	Reader
	Close()
}

// Storage keeps the tables. One goroutine at a time calls it; the views are
// used by any number. A storage or a view that cannot go on, because its disk
// failed, panics with a [*Failure]: a state machine that skips a command is no
// replica any more.
type Storage interface {
	Reader
	// Set and Delete change what the Storage itself reads at once. It keeps
	// key and value.
	Set(t Table, key, value []byte)
	Delete(t Table, key []byte)
	// Commit ends a command: what came since the last one is kept together or
	// not at all.
	Commit()
	// View is the state as of the last Commit. It is cheap, however large the
	// state.
	View() View
	// Defragment gives back room that nothing uses, and may go on doing so
	// after it returned.
	Defragment()
	// Close lets go of the storage; its views stay.
	Close()
}

// Failure is why a storage cannot go on.
type Failure struct{ Err error }

func (f *Failure) Error() string { return "store: the storage failed: " + f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// Caught, deferred, makes an error of a Failure.
func Caught(err *error) {
	switch p := recover().(type) {
	case nil:
	case *Failure:
		*err = p
	default:
		panic(p)
	}
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
func (m *memory) Defragment()                            {}
func (m *memory) Close()                                 {}

func (m *memory) View() View {
	f := new(frozen)
	for t := range m.tables {
		f.tables[t] = m.tables[t].freeze()
	}
	return f
}

func (f *frozen) Get(t Table, key []byte) ([]byte, bool) { return f.tables[t].get(key) }
func (f *frozen) Cursor(t Table) Cursor                  { return &treeCursor{root: f.tables[t].root} }
func (f *frozen) Close()                                 {}
