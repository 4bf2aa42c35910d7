package coprocessor

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/flagship-go/flagship/internal/cputime"
)

// million is 1,000,000 rows of about 100 bytes in 8 regions: id in the key; a number
// that is not in order, a group of 100, as a number and as a name, and text.
func million(b *testing.B) (*Table, []Rows) {
	table := mustTable(b, Schema{Name: "t", Prefix: []byte("t"), Key: []string{"id"}, Columns: []Column{
		{Name: "id", Type: Int}, {Name: "x", Type: Int}, {Name: "g", Type: Int}, {Name: "f", Type: Float},
		{Name: "name", Type: String}, {Name: "text", Type: String},
	}})
	const n = 1_000_000
	regions := make([]Rows, 8)
	text := "some text that a row has, and that no query here looks at"
	for i := range int64(n) {
		x := int64(uint64(i+1) * 0x9e3779b97f4a7c15 >> 24)
		row := []Value{IntValue(i), IntValue(x), IntValue(x % 100), FloatValue(float64(x) / 8), StringValue(fmt.Sprint("group", x%100)), StringValue(text)}
		key, err := table.AppendKey(nil, row)
		if err != nil {
			b.Fatal(err)
		}
		value, err := table.AppendValue(nil, row)
		if err != nil {
			b.Fatal(err)
		}
		r := &regions[i*8/n]
		r.Keys, r.Values = append(r.Keys, key), append(r.Values, value)
	}
	return table, regions
}

// BenchmarkMillion is a query over all rows, in all regions one after the other, and
// the merge. floor is a loop that adds up one column of the rows in place.
func BenchmarkMillion(b *testing.B) {
	table, regions := million(b)
	b.Run("query=floor", func(b *testing.B) {
		off := table.slots[1].off
		defer cputime.Report(b)()
		for b.Loop() {
			var sum int64
			for _, r := range regions {
				for _, v := range r.Values {
					sum += int64(binary.LittleEndian.Uint64(v[off:]))
				}
			}
			sink = sum
		}
	})
	for _, q := range []struct{ name, text string }{
		{"count", "SELECT count(*) FROM t"},
		{"sum", "SELECT sum(x) FROM t"},
		{"filter1%", "SELECT count(*) FROM t WHERE g = 7"},
		{"filter-sum", "SELECT sum(x), avg(f) FROM t WHERE x > 1000000 AND g BETWEEN 10 AND 30"},
		{"like", "SELECT count(*) FROM t WHERE name LIKE '%p7_'"},
		{"groupby-int", "SELECT g, count(*), sum(x) FROM t GROUP BY g"},
		{"groupby-string", "SELECT name, count(*), sum(x) FROM t GROUP BY name"},
		{"groupby-two", "SELECT name, g, count(*), sum(x) FROM t GROUP BY name, g"},
		{"groupby-million", "SELECT x, count(*) FROM t GROUP BY x ORDER BY count(*) DESC LIMIT 1"},
		{"top10", "SELECT id, x, name FROM t ORDER BY x DESC LIMIT 10"},
		{"top10-ascending", "SELECT id, name FROM t ORDER BY id DESC LIMIT 10"},
		{"ship1%", "SELECT * FROM t WHERE g = 7"},
	} {
		b.Run("query="+q.name, func(b *testing.B) {
			p := plan(b, table, q.text)
			o := &Options{MemoryLimit: 1 << 30}
			b.ReportAllocs()
			defer cputime.Report(b)()
			for b.Loop() {
				var sources []Source
				for _, r := range regions {
					sources = append(sources, NewSource(r))
				}
				for _, err := range p.Select(context.Background(), o, sources...) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

var sink int64

func BenchmarkParse(b *testing.B) {
	table := fruit(b)
	for b.Loop() {
		plan(b, table, "SELECT name, count(*) AS n, sum(count) FROM fruit WHERE weight > 0.5 AND ripe GROUP BY name ORDER BY n DESC LIMIT 10")
	}
}

// BenchmarkPoint is what a query costs that looks at one row.
func BenchmarkPoint(b *testing.B) {
	table, rows := numbered(b, 1)
	p := plan(b, table, "SELECT n, m FROM t WHERE n = 0")
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range p.Select(context.Background(), nil, NewSource(rows)) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
