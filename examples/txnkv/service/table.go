package service

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// Column is a column of a table, as clients describe it.
type Column struct {
	Name    string `json:"name"`
	Type    string `json:"type"` // int, float, string or bool
	NotNull bool   `json:"not_null,omitempty"`
}

// Table is a table, as clients describe it and the store keeps it. Key names the columns
// of the primary key.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
	Key     []string `json:"key"`
}

var types = map[string]coprocessor.Type{"int": coprocessor.Int, "float": coprocessor.Float, "string": coprocessor.String, "bool": coprocessor.Bool}

var tableName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

// Descriptions are at "\0d" name, rows at "\0r" name "\0" key.
func describedAt(name string) []byte { return append([]byte{reserved, 'd'}, name...) }

func rowsAt(name string) []byte { return append(append([]byte{reserved, 'r'}, name...), 0) }

func (t *Table) compile() (*coprocessor.Table, error) {
	if !tableName.MatchString(t.Name) {
		return nil, fmt.Errorf("%w: table name %q: small letters, digits and _, at most 63", ErrRequest, t.Name)
	}
	if len(t.Key) == 0 {
		return nil, fmt.Errorf("%w: table %s has no key: name the columns of its primary key", ErrRequest, t.Name)
	}
	schema := coprocessor.Schema{Name: t.Name, Prefix: rowsAt(t.Name), Key: t.Key}
	for _, c := range t.Columns {
		typ, ok := types[strings.ToLower(c.Type)]
		if !ok {
			return nil, fmt.Errorf("%w: column %s has type %q: int, float, string or bool", ErrRequest, c.Name, c.Type)
		}
		schema.Columns = append(schema.Columns, coprocessor.Column{Name: c.Name, Type: typ, NotNull: c.NotNull})
	}
	return coprocessor.NewTable(schema)
}

// tables keeps descriptions that were read. A table never changes.
type tables struct {
	mu     sync.Mutex
	byName map[string]*coprocessor.Table
}

func (ts *tables) get(name string) *coprocessor.Table {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.byName[name]
}

func (ts *tables) put(t *coprocessor.Table) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.byName == nil {
		ts.byName = map[string]*coprocessor.Table{}
	}
	ts.byName[t.Name] = t
}

// CreateTable makes a table, in a transaction of its own. It fails with mvcc.ErrExists if
// there is one of that name.
func (s *Service) CreateTable(ctx context.Context, t Table) error {
	if _, err := t.compile(); err != nil {
		return err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return err
	}
	err = s.o.DB.Run(ctx, writing, func(txn *mvcc.Txn) error { return txn.Insert(describedAt(t.Name), text) })
	if errors.Is(err, mvcc.ErrExists) {
		return fmt.Errorf("table %s: %w", t.Name, mvcc.ErrExists)
	}
	return err
}

// Tables returns all tables, by name.
func (s *Service) Tables(ctx context.Context) (all []Table, err error) {
	err = s.o.DB.Run(ctx, reading, func(txn *mvcc.Txn) error {
		all = nil
		for kv, err := range txn.Scan(ctx, []byte{reserved, 'd'}, []byte{reserved, 'd' + 1}, mvcc.ScanOptions{}) {
			if err != nil {
				return err
			}
			var t Table
			if err := json.Unmarshal(kv.Value, &t); err != nil {
				return fmt.Errorf("%w: the description at %q: %w", mvcc.ErrCorrupt, kv.Key, err)
			}
			all = append(all, t)
		}
		return nil
	})
	return all, err
}

// table finds a table, which is as old as it is: a reader in the past sees it without
// rows.
func (s *Service) table(ctx context.Context, name string) (*coprocessor.Table, error) {
	if t := s.tables.get(name); t != nil {
		return t, nil
	}
	var text []byte
	err := s.o.DB.Run(ctx, reading, func(txn *mvcc.Txn) (err error) {
		text, err = txn.Get(ctx, describedAt(name))
		return err
	})
	if errors.Is(err, mvcc.ErrNotFound) {
		return nil, fmt.Errorf("%w: %q", ErrNoTable, name)
	}
	if err != nil {
		return nil, err
	}
	var t Table
	if err := json.Unmarshal(text, &t); err != nil {
		return nil, fmt.Errorf("%w: the description of table %s: %w", mvcc.ErrCorrupt, name, err)
	}
	compiled, err := t.compile()
	if err != nil {
		return nil, err
	}
	s.tables.put(compiled)
	return compiled, nil
}

// Insert puts rows into a table, where no row has their keys; all of them, or none. A row has a value for each
// column: nil, bool, int64, float64 or string.
func (s *Service) Insert(ctx context.Context, txn, table string, rows [][]any) error {
	t, err := s.table(ctx, table)
	if err != nil {
		return err
	}
	pairs := make([]mvcc.KV, len(rows))
	for i, row := range rows {
		if pairs[i], err = encodeRow(t, row); err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	return s.do(ctx, txn, writing, func(t *mvcc.Txn) error {
		before := t.Savepoint()
		for _, p := range pairs {
			if err := t.Insert(p.Key, p.Value); err != nil {
				return errors.Join(err, t.RollbackTo(before))
			}
		}
		return nil
	})
}

func encodeRow(t *coprocessor.Table, row []any) (kv mvcc.KV, err error) {
	if len(row) != len(t.Columns) {
		return kv, fmt.Errorf("%w: table %s has %d columns, and the row %d values", coprocessor.ErrSchema, t.Name, len(t.Columns), len(row))
	}
	values := make([]coprocessor.Value, len(row))
	for i, v := range row {
		if values[i], err = valueOf(v, t.Columns[i].Type); err != nil {
			return kv, fmt.Errorf("%w: table %s, column %s: %w", coprocessor.ErrSchema, t.Name, t.Columns[i].Name, err)
		}
	}
	if kv.Key, err = t.AppendKey(nil, values); err != nil {
		return kv, err
	}
	kv.Value, err = t.AppendValue(nil, values)
	return kv, err
}

// valueOf is a value of a column's type; whole floats are ints where those are wanted.
func valueOf(v any, typ coprocessor.Type) (coprocessor.Value, error) {
	switch v := v.(type) {
	case nil:
		return coprocessor.Value{}, nil
	case bool:
		if typ == coprocessor.Bool {
			return coprocessor.BoolValue(v), nil
		}
	case string:
		if typ == coprocessor.String {
			return coprocessor.StringValue(v), nil
		}
	case int64:
		switch typ {
		case coprocessor.Int:
			return coprocessor.IntValue(v), nil
		case coprocessor.Float:
			return coprocessor.FloatValue(float64(v)), nil
		}
	case float64:
		switch {
		case typ == coprocessor.Float:
			return coprocessor.FloatValue(v), nil
		case typ == coprocessor.Int && v == math.Trunc(v) && math.Abs(v) < 1<<53:
			return coprocessor.IntValue(int64(v)), nil
		}
	}
	return coprocessor.Value{}, fmt.Errorf("%v (%T) is no %v", v, v, typ)
}

// columnNames is for those who print.
func columnNames(p *coprocessor.Plan) (names []string) {
	for _, o := range p.Output {
		names = append(names, o.Name)
	}
	return slices.Clip(names)
}
