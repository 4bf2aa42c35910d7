package lsm

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/lsm/key"
)

// listCursor is a key.Cursor over entries in memory.
type listCursor struct {
	order  key.Order
	keys   [][]byte
	values [][]byte
	at     int
	err    error
}

func (c *listCursor) sorted() *listCursor {
	index := make([]int, len(c.keys))
	for i := range index {
		index[i] = i
	}
	slices.SortFunc(index, func(a, b int) int { return c.order.Compare(c.keys[a], c.keys[b]) })
	out := &listCursor{order: c.order, at: -1}
	for _, i := range index {
		out.keys, out.values = append(out.keys, c.keys[i]), append(out.values, c.values[i])
	}
	return out
}

func (c *listCursor) move(to int) []byte {
	c.at = min(max(to, -1), len(c.keys))
	if c.err != nil || c.at < 0 || c.at == len(c.keys) {
		return nil
	}
	return c.keys[c.at]
}

func (c *listCursor) seek(ikey []byte) int {
	i := 0
	for i < len(c.keys) && c.order.Compare(c.keys[i], ikey) < 0 {
		i++
	}
	return i
}

func (c *listCursor) SeekGE(ikey []byte) []byte { return c.move(c.seek(ikey)) }
func (c *listCursor) SeekLT(ikey []byte) []byte { return c.move(c.seek(ikey) - 1) }
func (c *listCursor) First() []byte             { return c.move(0) }
func (c *listCursor) Last() []byte              { return c.move(len(c.keys) - 1) }
func (c *listCursor) Next() []byte              { return c.move(c.at + 1) }
func (c *listCursor) Prev() []byte              { return c.move(c.at - 1) }
func (c *listCursor) Value() []byte             { return c.values[c.at] }
func (c *listCursor) Err() error                { return c.err }
func (c *listCursor) Close() error              { return nil }

// parseEntries reads entries such as "a#7=v b#3del c#2+op d#9ttl5=v": a put, a
// delete, an operand, and a value that expires at 5.
func parseEntries(t *testing.T, text string) *listCursor {
	t.Helper()
	c := &listCursor{}
	for _, word := range strings.Fields(text) {
		name, rest, ok := strings.Cut(word, "#")
		require.True(t, ok, word)
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		var seq uint64
		fmt.Sscan(digits, &seq)
		rest = rest[len(digits):]
		kind, value := key.Set, []byte(nil)
		switch {
		case rest == "del":
			kind = key.Delete
		case strings.HasPrefix(rest, "+"):
			kind, value = key.Merge, []byte(rest[1:])
		case strings.HasPrefix(rest, "ttl"):
			when, v, _ := strings.Cut(rest[3:], "=")
			var at uint64
			fmt.Sscan(when, &at)
			kind, value = key.SetTTL, append(binary.LittleEndian.AppendUint64(nil, at), v...)
		default:
			value = []byte(strings.TrimPrefix(rest, "="))
		}
		c.keys = append(c.keys, key.Append(nil, []byte(name), key.Trailer(seq, kind)))
		c.values = append(c.values, value)
	}
	return c.sorted()
}

// joinOperands is the merge operator of the tests: one after the other, oldest
// first.
func joinOperands(_, base []byte, operands [][]byte) ([]byte, error) {
	return append(slices.Clone(base), bytes.Join(operands, nil)...), nil
}

func retained(t *testing.T, r *retain) string {
	t.Helper()
	if r.versions == 0 {
		r.versions = 1
	}
	r.merge = (&DB{opts: Options{MergeOperator: joinOperands}}).merge
	r.load = func(_ key.Kind, raw []byte) ([]byte, error) { return raw, nil }
	require.NoError(t, r.first(nil))
	var out []string
	for {
		user, trailer, value, ok, err := r.entry()
		require.NoError(t, err)
		if !ok {
			return strings.Join(out, " ")
		}
		word := fmt.Sprintf("%s#%d", user, key.SeqOf(trailer))
		switch key.KindOf(trailer) {
		case key.Delete:
			word += "del"
		case key.Merge:
			word += "+" + string(value)
		case key.SetTTL:
			word += fmt.Sprintf("ttl%d=%s", binary.LittleEndian.Uint64(value), value[8:])
		default:
			word += "=" + string(value)
		}
		out = append(out, word)
	}
}

// TestRetainKeepsTheNewestOfEachStripe is rule L5, case by case.
func TestRetainKeepsTheNewestOfEachStripe(t *testing.T) {
	for _, c := range []struct {
		name, in  string
		snapshots []uint64
		spans     []key.Span
		bottom    bool
		versions  int
		want      string
	}{
		{name: "overwritten", in: "a#3=x a#2=y b#1=z", want: "a#3=x b#1=z"},
		{name: "a snapshot sees the older one", in: "a#3=x a#2=y a#1=z", snapshots: []uint64{2}, want: "a#3=x a#2=y"},
		{name: "two snapshots in one stripe", in: "a#9=x a#2=y a#1=z", snapshots: []uint64{2, 5}, want: "a#9=x a#2=y"},
		{name: "a delete stays above older levels", in: "a#3del a#2=y", want: "a#3del"},
		{name: "a delete at the bottom goes", in: "a#3del a#2=y b#1=z", bottom: true, want: "b#1=z"},
		{name: "a delete stays for a snapshot", in: "a#3del a#2=y", bottom: true, snapshots: []uint64{2}, want: "a#3del a#2=y"},
		{name: "a delete below a snapshot goes", in: "a#5=x a#3del a#2=y", bottom: true, snapshots: []uint64{4}, want: "a#5=x"},
		{name: "versions are kept", in: "a#4=w a#3=x a#2=y", versions: 2, want: "a#4=w a#3=x"},
		{name: "versions end at a delete", in: "a#4=w a#3del a#2=y", versions: 5, want: "a#4=w a#3del"},
		{name: "the delete that ends the versions stays", in: "a#5=v a#4=w a#3=x a#2del a#1=y", versions: 2, want: "a#5=v a#4=w a#2del"},
		{name: "the delete that ends the versions goes at the bottom", in: "a#5=v a#4=w a#3=x a#2del a#1=y", versions: 2, bottom: true, want: "a#5=v a#4=w"},
		{name: "covered by a range delete", in: "a#4=w b#3=x c#6=y", spans: []key.Span{{Start: []byte("a"), End: []byte("d"), Seq: 5}}, want: "c#6=y"},
		{name: "covered, but not for the snapshot", in: "a#4=w", snapshots: []uint64{4}, spans: []key.Span{{Start: []byte("a"), End: []byte("d"), Seq: 5}}, want: "a#4=w"},
		{name: "expired counts as deleted", in: "a#4ttl5=w a#3=x", want: "a#4del"},
		{name: "expired at the bottom goes", in: "a#4ttl5=w a#3=x", bottom: true, want: ""},
		{name: "not yet expired", in: "a#4ttl50=w a#3=x", want: "a#4ttl50=w"},
		{name: "operands meet their value", in: "a#4+y a#3+x a#2=b a#1=c", want: "a#4=bxy"},
		{name: "operands without a value wait", in: "a#4+y a#3+x", want: "a#4+y a#3+x"},
		{name: "operands at the bottom are all", in: "a#4+y a#3+x", bottom: true, want: "a#4=xy"},
		{name: "operands on a delete", in: "a#4+y a#3del a#2=b", want: "a#4=y"},
		{name: "operands cut by a snapshot", in: "a#4+y a#3+x a#2=b", snapshots: []uint64{3}, want: "a#4+y a#3=bx"},
		{name: "operands at the bottom cut by a snapshot", in: "a#4+y a#3+x", bottom: true, snapshots: []uint64{3}, want: "a#4+y a#3=x"},
		{name: "operands on a covered value", in: "a#9+y a#2=b", spans: []key.Span{{Start: []byte("a"), End: []byte("b"), Seq: 5}}, want: "a#9=y"},
		{name: "operands on a value that will expire wait", in: "a#4+y a#3ttl50=b a#2=c", want: "a#4+y a#3ttl50=b"},
		{name: "operands on an expired value", in: "a#4+y a#3ttl5=b a#2=c", want: "a#4=y"},
		{name: "a value above operands hides them", in: "a#4=z a#3+x a#2=b", want: "a#4=z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &retain{in: parseEntries(t, c.in), snapshots: c.snapshots, now: 10, versions: c.versions,
				spans: key.Plain.Fragment(c.spans), bottom: func([]byte) bool { return c.bottom }}
			if got := retained(t, r); got != c.want {
				t.Errorf("RULE L5: of %q with snapshots %v there remains %q, want %q", c.in, c.snapshots, got, c.want)
			}
		})
	}
}
