// The picture in the essay of package mvcc, drawn of any state: keys go down, time goes to the right.

package region

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Grid draws what an engine has in the three column families, as in the essay of package
// mvcc. The same records give the same text.
//
//	       1        5       8
//	bob    W@0=10           W@5=3
//	joe    W@0=2    L(bob)
//
//	W@5=3    put, committed in this column by the transaction that began at 5; the value is
//	         left out if it is not in the record but in family default
//	X@5      deletion            K@5   a lock that changed nothing, committed
//	R        rolled back         +R    and the one that began here is, beside what is committed
//	D=v      value in family default, of the transaction that began here
//	L        locked by a transaction that began here: the primary
//	L(bob)   its other keys; LA is of an async commit
//	P        a pessimistic lock, nothing prewritten
//
// name shows a timestamp; nil is [TS.String].
func Grid(ctx context.Context, w io.Writer, e Engine, name func(TS) string) error {
	snap, err := e.Snapshot(ctx)
	if err != nil {
		return fmt.Errorf("mvcc: draw the grid: %w", err)
	}
	defer snap.Close()
	if name == nil {
		name = TS.String
	}
	g := grid{cells: map[string]map[TS][]string{}, name: name}
	for cf, add := range map[CF]func(k, v []byte) error{WriteCF: g.write, LockCF: g.lock, Default: g.value} {
		it := snap.Iter(cf, nil, nil)
		for ok := it.SeekGE(nil); ok && err == nil; ok = it.Next() {
			err = add(it.Key(), it.Value())
		}
		if err == nil {
			err = it.Err()
		}
		it.Close()
		if err != nil {
			return fmt.Errorf("mvcc: draw the grid: %w", err)
		}
	}
	_, err = io.WriteString(w, g.draw())
	return err
}

// grid is a cell for each key and timestamp that has something.
type grid struct {
	cells map[string]map[TS][]string
	name  func(TS) string
}

// add adds to a cell.
func (g *grid) add(key []byte, at TS, text string) {
	row := g.cells[string(key)]
	if row == nil {
		row = map[TS][]string{}
		g.cells[string(key)] = row
	}
	row[at] = append(row[at], text)
}

func (g *grid) write(k, v []byte) error {
	enc, at, err := splitTS(k)
	if err != nil {
		return err
	}
	key, _, err := DecodeKey(nil, enc)
	if err != nil {
		return err
	}
	rec, ok := parseWrite(v)
	if !ok {
		return corrupt(WriteCF, key)
	}
	text := map[recordKind]string{recPut: "W", recDelete: "X", recLock: "K", recRollback: "R"}[rec.kind]
	if rec.kind != recRollback {
		text += "@" + g.name(rec.startTS)
	}
	if rec.short() {
		text += "=" + show(rec.value)
	}
	if rec.overlapped() {
		text += "+R"
	}
	g.add(key, at, text)
	return nil
}

func (g *grid) lock(k, v []byte) error {
	key, _, err := DecodeKey(nil, k)
	if err != nil {
		return err
	}
	l, ok := parseLock(v)
	if !ok {
		return corrupt(LockCF, key)
	}
	text := "L"
	switch {
	case l.kind == recPessimistic:
		text = "P"
	case l.async():
		text = "LA"
	}
	if !bytes.Equal(l.primary, key) {
		text += "(" + show(l.primary) + ")"
	}
	g.add(key, l.startTS, text)
	return nil
}

func (g *grid) value(k, v []byte) error {
	if bytes.Equal(k, safePointKey) {
		return nil
	}
	enc, at, err := splitTS(k)
	if err != nil {
		return err
	}
	key, _, err := DecodeKey(nil, enc)
	if err != nil {
		return err
	}
	g.add(key, at, "D="+show(v))
	return nil
}

// show is bytes as a word: quoted where they would not read as one, cut where long.
func show(b []byte) string {
	const most = 12
	s := string(b)
	if len(s) > most {
		return fmt.Sprintf("%s…%d", show(b[:most/2]), len(s))
	}
	plain := s != "" && utf8.ValidString(s) && !strings.ContainsAny(s, " =@()…")
	if q := strconv.Quote(s); !plain || q != `"`+s+`"` {
		return q
	}
	return s
}

// draw lays the cells out.
func (g *grid) draw() string {
	var keys []string
	var times []TS
	for k, row := range g.cells {
		keys = append(keys, k)
		for at := range row {
			times = append(times, at)
		}
	}
	slices.Sort(keys)
	slices.Sort(times)
	times = slices.Compact(times)
	lines := make([]string, len(keys)+1)
	for i, k := range keys {
		lines[i+1] = show([]byte(k))
	}
	pad := func() {
		width := 0
		for _, l := range lines {
			width = max(width, utf8.RuneCountInString(l))
		}
		for i, l := range lines {
			lines[i] = l + strings.Repeat(" ", width+2-utf8.RuneCountInString(l))
		}
	}
	for _, at := range times {
		pad()
		lines[0] += g.name(at)
		for i, k := range keys {
			words := g.cells[k][at]
			slices.SortFunc(words, func(a, b string) int { return strings.Compare(b, a) }) // W before L before D
			lines[i+1] += strings.Join(words, " ")
		}
	}
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " ")
	}
	if len(keys) == 0 {
		return "(empty)\n"
	}
	return strings.Join(lines, "\n") + "\n"
}
