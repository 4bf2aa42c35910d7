package store

import (
	"iter"
	"math/rand/v2"
	"slices"
	"testing"
)

// plain is an engine in memory.
type plain struct{ memory }

func (p *plain) Write(changes iter.Seq[Change]) {
	for c := range changes {
		if c.Gone {
			p.Delete(c.Table, c.Key)
		} else {
			p.Set(c.Table, c.Key, c.Value)
		}
	}
}

// TestAnOverlayReadsWhatItIsToWrite compares it with a storage that writes at once.
func TestAnOverlayReadsWhatItIsToWrite(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	o, want := NewOverlay(&plain{}), &memory{}
	key := func() []byte { return []byte{byte(r.IntN(20))} }
	for step := range 5000 {
		table, k := Table(r.IntN(2)), key()
		switch r.IntN(8) {
		case 0, 1, 2:
			v := []byte{byte(step)}[:r.IntN(2)]
			o.Set(table, k, v)
			want.Set(table, k, v)
		case 3, 4:
			o.Delete(table, k)
			want.Delete(table, k)
		case 5:
			o.Commit()
		default:
			a, okA := o.Get(table, k)
			b, okB := want.Get(table, k)
			if okA != okB || string(a) != string(b) {
				t.Fatalf("RULE overlay: step %d: %v of table %d is %v, %v; want %v, %v", step, k, table, a, okA, b, okB)
			}
			if got, all := rowsFrom(o, table, k), rowsFrom(want, table, k); !slices.Equal(got, all) {
				t.Fatalf("RULE overlay: step %d: table %d from %v: %q, want %q", step, table, k, got, all)
			}
		}
	}
}

func rowsFrom(r Reader, t Table, from []byte) (rows []string) {
	c := r.Cursor(t)
	defer c.Close()
	for c.Seek(from); c.Valid(); c.Next() {
		rows = append(rows, string(c.Key())+"="+string(c.Value()))
	}
	return rows
}
