package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/btree"

	"github.com/flagship-go/flagship/internal/versus"
)

// Queries over rows of a hundred bytes: an id, which is the key, two numbers and text.
// An operation is a query over all of them. Contenders:
//
//	flagship        package mvcc, whose eight regions answer the query
//	flagship-rows   the rows come out of the same, and are added up outside
//	floor           a loop over google/btree, in place, without versions
//	floor-loopback  the same rows, sent over a connection of the computer with itself
//	sqlite          SQLite's own
//
// All have the same answer, which is compared for each query.

const (
	oursRows     = "flagship-rows"
	floorName    = "floor"
	loopbackName = "floor-loopback"
)

// row is what a query looks at.
type row struct{ id, x, g int64 }

const rowText = "some text that a row has and that no query looks at, so that it has its hundred bytes"

func rowOf(id int64) row {
	x := int64(uint64(id+1) * 0x9e3779b97f4a7c15 >> 24)
	return row{id, x, x % 100}
}

// encode is the row as the floor has it.
func (r row) encode() (key, value []byte) {
	key = binary.BigEndian.AppendUint64([]byte("t"), uint64(r.id))
	value = binary.LittleEndian.AppendUint64(nil, uint64(r.x))
	value = binary.LittleEndian.AppendUint64(value, uint64(r.g))
	return key, append(value, rowText...)
}

func decodeRow(value []byte) (x, g int64) {
	return int64(binary.LittleEndian.Uint64(value)), int64(binary.LittleEndian.Uint64(value[8:]))
}

// query is a question in two forms: as text, and as a loop.
type query struct {
	name, text string
	fold       func() fold
}

// fold takes rows, and ends with the answer, a line a row.
type fold interface {
	add(x, g int64)
	answer() string
}

var queries = []query{
	{"count", "SELECT count(*) FROM t", func() fold { return new(count) }},
	{"sum", "SELECT sum(x) FROM t", func() fold { return new(sum) }},
	{"filter1%", "SELECT count(*) FROM t WHERE g = 7", func() fold { return new(filter) }},
	{"groupby", "SELECT g, count(*), sum(x) FROM t GROUP BY g ORDER BY g", func() fold { return new(groupBy) }},
	{"top10", "SELECT x FROM t ORDER BY x DESC LIMIT 10", func() fold { return new(top) }},
}

func queryOf(cell versus.Cell) query {
	i := slices.IndexFunc(queries, func(q query) bool { return q.name == cell.Get("query") })
	return queries[i]
}

type count int64

func (c *count) add(_, _ int64) { *c++ }
func (c *count) answer() string { return fmt.Sprintln(*c) }

type sum int64

func (s *sum) add(x, _ int64) { *s += sum(x) }
func (s *sum) answer() string { return fmt.Sprintln(*s) }

type filter int64

func (f *filter) add(_, g int64) {
	if g == 7 {
		*f++
	}
}
func (f *filter) answer() string { return fmt.Sprintln(*f) }

type groupBy [100]struct{ n, sum int64 }

func (t *groupBy) add(x, g int64) {
	t[g].n++
	t[g].sum += x
}

func (t *groupBy) answer() string {
	var b strings.Builder
	for g, s := range t {
		if s.n > 0 {
			fmt.Fprintln(&b, g, s.n, s.sum)
		}
	}
	return b.String()
}

type top struct{ best []int64 } // descending

func (t *top) add(x, _ int64) {
	if len(t.best) == 10 && x <= t.best[9] {
		return
	}
	i, _ := slices.BinarySearchFunc(t.best, x, func(a, b int64) int { return int(min(1, max(-1, b-a))) })
	t.best = slices.Insert(t.best, i, x)
	t.best = t.best[:min(10, len(t.best))]
}

func (t *top) answer() string {
	var b strings.Builder
	for _, x := range t.best {
		fmt.Fprintln(&b, x)
	}
	return b.String()
}

// asked is something that answers queries.
type asked interface {
	ask(ctx context.Context, q query) (string, error)
	close() error
}

// million is the rows, in each contender.
type million struct {
	rows int
	of   map[string]asked
}

func (m *million) close() error {
	if m == nil {
		return nil
	}
	var errs []error
	for _, a := range m.of {
		errs = append(errs, a.close())
	}
	return errors.Join(errs...)
}

func pushdownTable(o *session) *versus.Table {
	t := &versus.Table{Ours: ours, Name: "pushdown", Title: fmt.Sprintf("Queries over %d rows of 100 B", o.rows), Stretch: 2}
	for _, q := range queries {
		t.Cells = append(t.Cells, versus.Cell("query="+q.name))
	}
	t.Goals = []versus.Goal{cpu(0.45, loopbackName, t.Cells...), cpu(1, sqliteName, "query=sum", "query=groupby", "query=top10"), cpu(2.5, floorName, t.Cells...)}
	o.million = &million{rows: o.rows, of: map[string]asked{}}
	for _, c := range []struct {
		name, module string
		open         func(ctx context.Context, rows int, dir string) (asked, error)
	}{
		{ours, oursModule, openPushed},
		{oursRows, oursModule, openRows},
		{floorName, "github.com/google/btree", openFloor},
		{loopbackName, "github.com/google/btree", openLoopback},
		{sqliteName, "modernc.org/sqlite", openQueries},
	} {
		t.Contenders = append(t.Contenders, versus.Contender{Name: c.name, Module: c.module,
			Setup: func(ctx context.Context, cell versus.Cell) (versus.Runner, error) {
				a := o.million.of[c.name]
				if a == nil {
					dir, err := os.MkdirTemp(o.Dir, c.name+"-")
					if err != nil {
						return nil, err
					}
					if a, err = c.open(ctx, o.rows, dir); err != nil {
						return nil, err
					}
					o.million.of[c.name] = a
				}
				return &asking{a, queryOf(cell), expected(queryOf(cell), o.rows)}, nil
			}})
	}
	return t
}

// expected is the answer.
func expected(q query, rows int) string {
	f := q.fold()
	for id := range int64(rows) {
		r := rowOf(id)
		f.add(r.x, r.g)
	}
	return f.answer()
}

type asking struct {
	asked
	q    query
	want string
}

func (r *asking) Run(ctx context.Context, w *versus.Work) error {
	for c := w.NewClient(); c.Next(); {
		got, err := r.ask(ctx, r.q)
		if err != nil {
			return err
		}
		if got != r.want {
			return fmt.Errorf("%s: %q, and it is %q", r.q.text, got, r.want)
		}
	}
	return nil
}

// Close leaves the rows to the next sample.
func (r *asking) Close() error { return nil }

// floor is the rows in a tree.
type floor struct{ tree *btree.BTreeG[pair] }

type pair struct{ key, value []byte }

func openFloor(_ context.Context, rows int, _ string) (asked, error) {
	f := floor{btree.NewG(32, func(a, b pair) bool { return string(a.key) < string(b.key) })}
	for id := range int64(rows) {
		k, v := rowOf(id).encode()
		f.tree.ReplaceOrInsert(pair{k, v})
	}
	return f, nil
}

func (f floor) ask(_ context.Context, q query) (string, error) {
	fold := q.fold()
	f.tree.Ascend(func(p pair) bool {
		x, g := decodeRow(p.value)
		fold.add(x, g)
		return true
	})
	return fold.answer(), nil
}

func (f floor) close() error { return nil }

// loopback has the rows sent to it for each query.
type loopback struct {
	floor
	conn   net.Conn
	in     *bufio.Reader
	served chan error
}

func openLoopback(ctx context.Context, rows int, dir string) (asked, error) {
	f, err := openFloor(ctx, rows, dir)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &loopback{floor: f.(floor), served: make(chan error, 1)}
	go func() { l.served <- l.serve(listener) }()
	if l.conn, err = net.Dial("tcp", listener.Addr().String()); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	l.in = bufio.NewReaderSize(l.conn, 64<<10)
	return l, nil
}

// serve sends all rows for each byte that comes: key, length, value; and a length of 0
// in the end.
func (l *loopback) serve(listener net.Listener) error {
	conn, err := listener.Accept()
	if err = errors.Join(err, listener.Close()); err != nil {
		return err
	}
	defer conn.Close()
	out := bufio.NewWriterSize(conn, 64<<10)
	var b [1]byte
	for {
		if _, err := io.ReadFull(conn, b[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		var head [12]byte
		l.tree.Ascend(func(p pair) bool {
			copy(head[:], p.key)
			head[9] = byte(len(p.value))
			out.Write(head[:])
			_, err = out.Write(p.value)
			return err == nil
		})
		clear(head[:])
		out.Write(head[:])
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

func (l *loopback) ask(_ context.Context, q query) (string, error) {
	if _, err := l.conn.Write([]byte{1}); err != nil {
		return "", err
	}
	fold := q.fold()
	var head [12]byte
	var value [256]byte
	for {
		if _, err := io.ReadFull(l.in, head[:]); err != nil {
			return "", err
		}
		n := head[9]
		if n == 0 {
			return fold.answer(), nil
		}
		if _, err := io.ReadFull(l.in, value[:n]); err != nil {
			return "", err
		}
		fold.add(decodeRow(value[:n]))
	}
}

func (l *loopback) close() error {
	err := l.conn.Close()
	return errors.Join(err, <-l.served)
}

// sqliteRows is SQLite with a table of the rows.
type sqliteRows struct{ db *sql.DB }

func openQueries(ctx context.Context, rows int, dir string) (asked, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "db")+"?_pragma=synchronous(OFF)&_pragma=cache_size(-1048576)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := fillQueries(ctx, db, rows); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return sqliteRows{db}, nil
}

func fillQueries(ctx context.Context, db *sql.DB, rows int) error {
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (id INTEGER PRIMARY KEY, x INTEGER, g INTEGER, text TEXT)"); err != nil {
		return err
	}
	txn, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer txn.Rollback()
	insert, err := txn.PrepareContext(ctx, "INSERT INTO t VALUES (?, ?, ?, ?)")
	if err != nil {
		return err
	}
	for id := range int64(rows) {
		r := rowOf(id)
		if _, err := insert.ExecContext(ctx, r.id, r.x, r.g, rowText); err != nil {
			return err
		}
	}
	return txn.Commit()
}

func (s sqliteRows) ask(ctx context.Context, q query) (string, error) {
	rows, err := s.db.QueryContext(ctx, q.text)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return "", err
	}
	columns, into := make([]int64, len(names)), make([]any, len(names))
	for i := range columns {
		into[i] = &columns[i]
	}
	var b strings.Builder
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return "", err
		}
		line := fmt.Sprintln(columns)
		b.WriteString(strings.Trim(line, "[]\n") + "\n")
	}
	return b.String(), rows.Err()
}

func (s sqliteRows) close() error { return s.db.Close() }
