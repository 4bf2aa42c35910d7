package coprocessor

import (
	"bytes"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func mustTable(t testing.TB, s Schema) *Table {
	t.Helper()
	table, err := NewTable(s)
	require.NoError(t, err)
	return table
}

// The example in row.go, byte by byte.
func TestRowIsAsDocumented(t *testing.T) {
	table := mustTable(t, Schema{Name: "t", Prefix: []byte("t"), Columns: []Column{
		{Name: "i", Type: Int}, {Name: "s", Type: String}, {Name: "b", Type: Bool}, {Name: "u", Type: String},
	}})
	row := []Value{IntValue(258), StringValue("go"), {}, StringValue("x")}
	value, err := table.AppendValue([]byte("kept"), row)
	require.NoError(t, err)
	require.Equal(t, "kept", string(value[:4]))
	want := "01 04 0201000000000000 02000000 00 03000000 676f78"
	require.Equal(t, strings.ReplaceAll(want, " ", ""), hex.EncodeToString(value[4:]))
	key, err := table.AppendID(nil, -1)
	require.NoError(t, err)
	require.Equal(t, "747fffffffffffffff", hex.EncodeToString(key))
	got, err := table.DecodeRow(nil, key, value[4:])
	require.NoError(t, err)
	require.Equal(t, row, got)
	id, err := table.ID(key)
	require.NoError(t, err)
	require.Equal(t, int64(-1), id)
}

func TestKeyIsAsDocumented(t *testing.T) {
	table := mustTable(t, Schema{Name: "t", Columns: []Column{{Name: "s", Type: String}}, Key: []string{"s"}})
	for s, want := range map[string]string{
		"":          "0000000000000000f7",
		"ab":        "6162000000000000f9",
		"ab\x00":    "6162000000000000fa",
		"abcdefgh":  "6162636465666768ff0000000000000000f7",
		"abcdefghi": "6162636465666768ff6900000000000000f8",
	} {
		key, err := table.AppendKey(nil, []Value{StringValue(s)})
		require.NoError(t, err)
		require.Equal(t, want, hex.EncodeToString(key), "%q", s)
	}
}

// TestKeysAreInTheOrderOfTheirColumns, whatever the types are; and rows come back.
func TestKeysAreInTheOrderOfTheirColumns(t *testing.T) {
	r := random{rand.New(rand.NewPCG(3, 3))}
	for range 300 {
		table := r.table()
		values, rows := r.rows(table, 30)
		for i, row := range values {
			got, err := table.DecodeRow(nil, rows.Keys[i], rows.Values[i])
			require.NoError(t, err)
			require.Equal(t, row, got)
			start, end := table.Range()
			require.True(t, bytes.Compare(start, rows.Keys[i]) <= 0 && bytes.Compare(rows.Keys[i], end) < 0)
			if i == 0 || len(table.key) == 0 {
				continue
			}
			order := 0
			for _, c := range table.key {
				if order == 0 {
					order = slowCompare(values[i-1][c], row[c])
				}
			}
			require.Equal(t, -1, order, "%v %v", values[i-1], row)
		}
	}
}

func TestRangeOfAPrefix(t *testing.T) {
	for prefix, want := range map[string][]byte{"a": []byte("b"), "a\xff": []byte("b"), "\xff\xff": nil, "": nil} {
		table := mustTable(t, Schema{Name: "t", Prefix: []byte(prefix), Columns: []Column{{Name: "i", Type: Int}}})
		start, end := table.Range()
		require.Equal(t, prefix, string(start))
		require.Equal(t, want, end)
	}
}

func TestSchemasThatCannotBe(t *testing.T) {
	column := Column{Name: "a", Type: Int}
	for want, s := range map[string]Schema{
		"without a name":                  {Columns: []Column{column}},
		"0 columns":                       {Name: "t"},
		"1001 columns":                    {Name: "t", Columns: make([]Column, 1001)},
		"column 1 has no name":            {Name: "t", Columns: []Column{column, {Type: Int}}},
		"column x is of null":             {Name: "t", Columns: []Column{{Name: "x"}}},
		"column x is of type 9":           {Name: "t", Columns: []Column{{Name: "x", Type: 9}}},
		"two columns a":                   {Name: "t", Columns: []Column{column, column}},
		"column b that the table has not": {Name: "t", Columns: []Column{column}, Key: []string{"b"}},
		"the key has column a twice":      {Name: "t", Columns: []Column{column}, Key: []string{"a", "a"}},
	} {
		_, err := NewTable(s)
		require.ErrorIs(t, err, ErrSchema)
		require.ErrorContains(t, err, want)
	}
}

func TestRowsThatDoNotFit(t *testing.T) {
	table := mustTable(t, Schema{Name: "t", Key: []string{"k"}, Columns: []Column{
		{Name: "k", Type: Int}, {Name: "f", Type: Float}, {Name: "n", Type: String, NotNull: true}, {Name: "b", Type: Bool},
	}})
	good := []Value{IntValue(1), FloatValue(1), StringValue(""), BoolValue(true)}
	for want, c := range map[string]struct {
		i int
		v Value
	}{
		"column f is float, not int as 7 is": {1, IntValue(7)},
		"column n may not be NULL":           {2, Value{}},
		"column f: NaN is not a finite":      {1, Value{Type: Float, Float: math.NaN()}},
		"column b: a bool is 0 or 1, not 2":  {3, Value{Type: Bool, Int: 2}},
	} {
		row := slices.Clone(good)
		row[c.i] = c.v
		dst, err := table.AppendValue([]byte("kept"), row)
		require.ErrorIs(t, err, ErrSchema)
		require.ErrorContains(t, err, want)
		require.Equal(t, "kept", string(dst))
	}
	_, err := table.AppendKey(nil, []Value{{}, {}, {}, {}})
	require.ErrorContains(t, err, "column k may not be NULL")
	_, err = table.AppendKey(nil, good[:2])
	require.ErrorContains(t, err, "4 columns, the row 2")
	_, err = table.AppendValue(nil, good[:2])
	require.ErrorContains(t, err, "4 columns, the row 2")
	_, err = table.AppendID(nil, 1)
	require.ErrorContains(t, err, "has a key")
}

func TestMalformedRowIsNamed(t *testing.T) {
	rule(t, "C7 a malformed row is named")
	table := mustTable(t, Schema{Name: "t", Prefix: []byte("t/"), Columns: []Column{
		{Name: "i", Type: Int}, {Name: "f", Type: Float}, {Name: "b", Type: Bool}, {Name: "s", Type: String}, {Name: "u", Type: String},
	}})
	row := []Value{IntValue(1), FloatValue(1), BoolValue(true), StringValue("long enough"), StringValue("x")}
	key, err := table.AppendID(nil, 1)
	require.NoError(t, err)
	good, err := table.AppendValue(nil, row)
	require.NoError(t, err)
	for want, damage := range map[string]func(k, v []byte) (key, value []byte){
		"the value is empty":                      func(k, v []byte) ([]byte, []byte) { return k, nil },
		"version 2; this program reads":           func(k, v []byte) ([]byte, []byte) { v[0] = 2; return k, v },
		"has 5 bytes, but the columns take":       func(k, v []byte) ([]byte, []byte) { return k, v[:5] },
		"has 40 bytes, but says that they are 39": func(k, v []byte) ([]byte, []byte) { return k, append(v, 0) },
		"bytes, but says that they are":           func(k, v []byte) ([]byte, []byte) { return k, v[:len(v)-1] },
		"column f: +Inf is not":                   func(k, v []byte) ([]byte, []byte) { v[10], v[16], v[17] = 0, 0xf0, 0x7f; return k, v },
		"column b: 2 is neither true nor":         func(k, v []byte) ([]byte, []byte) { v[18] = 2; return k, v },
		"column s: the string is not within":      func(k, v []byte) ([]byte, []byte) { v[22] = 1; return k, v },
		`does not begin with "t/"`:                func(k, v []byte) ([]byte, []byte) { return []byte("u/345678"), v },
		"the key has 3 bytes; the table's have":   func(k, v []byte) ([]byte, []byte) { return k[:3], v },
	} {
		k, v := damage(bytes.Clone(key), bytes.Clone(good))
		_, err := table.DecodeRow(nil, k, v)
		require.ErrorIs(t, err, ErrRow)
		require.ErrorContains(t, err, want)
		var named *RowError
		require.ErrorAs(t, err, &named)
		require.Equal(t, k, named.Key)
		// A column at a time, some column notices too.
		b := newBatch(table)
		b.load(Rows{Keys: [][]byte{k}, Values: [][]byte{v}})
		noticed := !bytes.Equal(k, key) // no column is in this key
		for i := range table.Columns {
			if _, err := b.column(i); err != nil {
				require.ErrorIs(t, err, ErrRow)
				noticed = true
			}
		}
		require.True(t, noticed, want)
	}
}

// TestMalformedKeyIsNamed: keys with strings in them have no fixed length.
func TestMalformedKeyIsNamed(t *testing.T) {
	rule(t, "C7 a malformed key is named")
	table := mustTable(t, Schema{Name: "t", Key: []string{"a", "s", "f", "b"}, Columns: []Column{
		{Name: "b", Type: Bool}, {Name: "f", Type: Float}, {Name: "s", Type: String}, {Name: "a", Type: Int}, {Name: "v", Type: Int},
	}})
	row := []Value{BoolValue(true), FloatValue(-1.5), StringValue("more than 8"), IntValue(-7), {}}
	key, err := table.AppendKey(nil, row)
	require.NoError(t, err)
	value, err := table.AppendValue(nil, row)
	require.NoError(t, err)
	got, err := table.DecodeRow(nil, key, value)
	require.NoError(t, err)
	require.Equal(t, row, got)
	_, err = table.ID(key)
	require.ErrorContains(t, err, "a key, not an id")
	for want, damage := range map[string]func(k []byte) []byte{
		"column b: the key goes on for 1 bytes":           func(k []byte) []byte { return append(k, 0) },
		"column b: the key ends within the column":        func(k []byte) []byte { return k[:len(k)-1] },
		"column b: 3 is neither true nor false":           func(k []byte) []byte { k[len(k)-1] = 3; return k },
		"column b: the key ends within column f":          func(k []byte) []byte { return k[:len(k)-5] },
		"column f: the key ends within the column":        func(k []byte) []byte { return k[:len(k)-5] },
		"column f: NaN is not a finite number":            func(k []byte) []byte { copy(k[len(k)-9:], "\xff\xff\xff"); return k },
		"column s: the key ends within the column, or":    func(k []byte) []byte { return k[:20] },
		"column s: the key ends within the column, or is": func(k []byte) []byte { k[8+9+8] = 9; return k },
		"column s: the key ends within column a":          func(k []byte) []byte { return k[:3] },
		"column b: the key ends within column s":          func(k []byte) []byte { return k[:20] },
	} {
		k := damage(bytes.Clone(key))
		column, _, _ := strings.Cut(strings.TrimPrefix(want, "column "), ":")
		b := newBatch(table)
		b.load(Rows{Keys: [][]byte{k}, Values: [][]byte{value}})
		_, err := b.column(table.column(column))
		require.ErrorIs(t, err, ErrRow)
		require.ErrorContains(t, err, want)
		_, err = table.DecodeRow(nil, k, value)
		require.ErrorIs(t, err, ErrRow)
	}
}

func TestValueAsGoHasIt(t *testing.T) {
	for _, c := range []struct {
		v    Value
		want any
		text string
	}{
		{Value{}, nil, "NULL"}, {IntValue(-1), int64(-1), "-1"}, {FloatValue(2), 2.0, "2.0"}, {FloatValue(1e30), 1e30, "1e+30"},
		{StringValue("it's"), "it's", "'it''s'"}, {BoolValue(true), true, "TRUE"}, {BoolValue(false), false, "FALSE"},
	} {
		require.Equal(t, c.want, c.v.Any())
		require.Equal(t, c.text, c.v.String())
		require.Equal(t, c.want == nil, c.v.IsNull())
	}
	require.Equal(t, FloatValue(0), FloatValue(math.Copysign(0, -1)), "there is one zero")
}

// FuzzRow: bytes are a row or an error, the same when they are read a column at a time.
func FuzzRow(f *testing.F) {
	for i := range uint64(4) {
		r := random{rand.New(rand.NewPCG(i, 5))}
		_, rows := r.rows(r.table(), 3)
		for j := range rows.Keys {
			f.Add(i, rows.Keys[j], rows.Values[j])
		}
	}
	f.Fuzz(func(t *testing.T, layout uint64, key, value []byte) {
		r := random{rand.New(rand.NewPCG(layout, 5))}
		table := r.table()
		row, err := table.DecodeRow(nil, key, value)
		b := newBatch(table)
		b.load(Rows{Keys: [][]byte{key}, Values: [][]byte{value}})
		var columnErr error
		for i := range table.Columns {
			v, err := b.column(i)
			if err != nil {
				columnErr = err
				require.ErrorIs(t, err, ErrRow)
				continue
			}
			if row != nil {
				require.Equal(t, row[i], v.value(0))
			}
		}
		if err == nil {
			require.NoError(t, columnErr)
			again, err := table.AppendValue(nil, row)
			require.NoError(t, err)
			same, err := table.DecodeRow(nil, key, again)
			require.NoError(t, err)
			require.Equal(t, row, same)
		} else {
			require.ErrorIs(t, err, ErrRow)
		}
	})
}
