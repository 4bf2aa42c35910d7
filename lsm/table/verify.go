package table

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/flagship-go/flagship/lsm/bloom"
	"github.com/flagship-go/flagship/lsm/key"
)

// Verify reads the whole table and checks what can be: the checksum of every
// block, the order of the keys, that each is in the block that the index and the
// filter say, and that the properties count what there is.
func (r *Reader) Verify() error {
	if r.closed {
		return r.errClosed()
	}
	v := verifier{r: r}
	v.got.MinSeq = key.MaxSeq
	if h := r.footer.filter; h.length > 0 {
		b, err := r.read(h)
		if err != nil {
			return err
		}
		v.filter = b
	}
	if _, err := r.read(r.footer.properties); err != nil {
		return err
	}
	if err := r.eachBlock(v.block); err != nil {
		return err
	}
	return v.properties()
}

// eachBlock calls f for every data block, with the separators before and after
// it, nil before the first. It reads everything anew.
func (r *Reader) eachBlock(f func(h handle, lower, upper []byte, b block) error) error {
	var lower []byte
	for i := range r.root.len() {
		at, _, ok := r.root.handle(i)
		if !ok {
			return r.corrupt(r.footer.root, notABlock)
		}
		part, err := r.readBlock(at)
		if err != nil {
			return err
		}
		x := index{part}
		for j := range x.len() {
			h, _, ok := x.handle(j)
			upper, whole := x.whole(j)
			if !ok || !whole {
				return r.corrupt(at, notABlock)
			}
			b, err := r.readBlock(h)
			if err != nil {
				return err
			}
			if err := f(h, lower, upper, b); err != nil {
				return err
			}
			lower = upper
		}
		if end, ok := r.root.whole(i); !ok || !bytes.Equal(end, lower) {
			return r.corrupt(at, "the part of the index does not end where its root says")
		}
	}
	return nil
}

// readBlock reads a block from the file.
func (r *Reader) readBlock(h handle) (block, error) {
	b, err := r.read(h)
	if err != nil {
		return block{}, err
	}
	blk, ok := parseBlock(b)
	if !ok {
		return block{}, r.corrupt(h, notABlock)
	}
	return blk, nil
}

// verifier counts what is in a table.
type verifier struct {
	r      *Reader
	filter bloom.Filter
	last   []byte
	got    Properties
}

func (v *verifier) block(h handle, lower, upper []byte, b block) error {
	v.got.Blocks++
	var c blockCursor
	c.init(b)
	for k := c.first(); k != nil; k = c.next() {
		if v.last != nil && v.r.order.Compare(v.last, k) >= 0 {
			return v.r.corrupt(h, fmt.Sprintf("key %q is not after %q", k, v.last))
		}
		if lower != nil && v.r.order.Compare(k, lower) < 0 || v.r.order.Compare(k, upper) >= 0 {
			return v.r.corrupt(h, fmt.Sprintf("key %q is in a block that the index says has those from %q to %q", k, lower, upper))
		}
		hash := bloom.Hash(v.r.order.Bare(key.UserKey(k)))
		if len(v.filter) > 0 && !v.filter.MayContain(hash) {
			return v.r.corrupt(v.r.footer.filter, fmt.Sprintf("the filter does not have key %q", k))
		}
		if v.r.order == key.Plain {
			if t, _, ok, sane := b.get(k, hash); !ok || !sane || t != key.TrailerOf(k) {
				return v.r.corrupt(h, fmt.Sprintf("the block's hash table does not lead to key %q", k))
			}
		}
		v.got.count(k, key.TrailerOf(k), c.value())
		v.last = append(v.last[:0], k...)
	}
	if c.fail {
		return v.r.corrupt(h, notABlock)
	}
	return nil
}

// properties compares what was counted with what the table says.
func (v *verifier) properties() error {
	for i, s := range v.r.spans {
		v.got.countSpan(v.r.order, s, i == 0)
	}
	v.got.setLargest(v.r.order, v.last, v.r.spans)
	want := v.r.props
	for i, n := range v.got.numbers() {
		if *n != *want.numbers()[i] {
			return v.r.corrupt(v.r.footer.properties, fmt.Sprintf("the properties say %+v, there is %+v", want, v.got))
		}
	}
	if !bytes.Equal(v.got.Smallest, want.Smallest) || !bytes.Equal(v.got.Largest, want.Largest) {
		return v.r.corrupt(v.r.footer.properties, fmt.Sprintf("the properties say keys from %q to %q, they are from %q to %q",
			want.Smallest, want.Largest, v.got.Smallest, v.got.Largest))
	}
	return nil
}

// Middle returns up to n user keys that cut the table into parts of about the
// same size. In timestamped order, all versions of a key are in one part. It
// returns fewer if the table has fewer blocks, or the index cannot be read.
func (r *Reader) Middle(n int) [][]byte {
	if r.closed {
		return nil
	}
	var ends [][]byte
	for i := range r.root.len() {
		part, _, err := r.part(i, nil)
		if err != nil {
			return nil
		}
		for j := range part.len() {
			if k, ok := part.whole(j); ok {
				ends = append(ends, k)
			}
		}
	}
	// The last block's separator is beyond the table.
	ends = ends[:max(len(ends)-1, 0)]
	var out [][]byte
	for i := range n {
		at := (i + 1) * (len(ends) + 1) / (n + 1)
		if at == 0 || at > len(ends) {
			continue
		}
		bare := r.order.Bare(key.UserKey(ends[at-1]))
		cut := append(slices.Clone(bare), make([]byte, r.order)...)
		if len(out) == 0 || r.order.CompareUser(out[len(out)-1], cut) < 0 {
			out = append(out, cut)
		}
	}
	return out
}

// Describe writes what the table is made of, for people; with keys, every entry
// too.
func (r *Reader) Describe(w io.Writer, keys bool) error {
	if r.closed {
		return r.errClosed()
	}
	p := r.props
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "table %s: %d bytes, format %d, %d bytes of timestamp in keys\n", r.name, r.size, formatVersion, r.order)
	fmt.Fprintf(out, "  entries %d (deletes %d), range deletes %d, raw keys %d B, raw values %d B\n", p.Entries, p.Deletes, p.RangeDeletes, p.RawKey, p.RawValue)
	fmt.Fprintf(out, "  keys %s to %s, sequence numbers %d to %d\n", describeKey(p.Smallest), describeKey(p.Largest), p.MinSeq, p.MaxSeq)
	fmt.Fprintf(out, "  data blocks %d, index parts %d, filter %d B\n", p.Blocks, r.root.len(), r.footer.filter.length)
	for _, s := range r.spans {
		fmt.Fprintf(out, "  range delete [%q, %q) at %d\n", s.Start, s.End, s.Seq)
	}
	err := r.eachBlock(func(h handle, _, upper []byte, b block) error {
		raw, err := r.raw(h)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "  block at %d, %d B (%s), %d restarts, %d buckets, up to %s\n",
			h.offset, h.length, Compression(raw[h.length]), b.len(), len(b.buckets), describeKey(upper))
		if !keys {
			return nil
		}
		var c blockCursor
		c.init(b)
		for k := c.first(); k != nil; k = c.next() {
			fmt.Fprintf(out, "    %s = %d B\n", describeKey(k), len(c.value()))
		}
		return nil
	})
	return errors.Join(err, out.Flush())
}

var kindNames = [...]string{"delete", "set", "set with ttl", "pointer", "pointer with ttl", "merge", "range delete", "mark"}

func describeKey(ikey []byte) string {
	if len(ikey) < key.TrailerLen {
		return "none"
	}
	user, trailer := key.Split(ikey)
	kind := fmt.Sprint("kind ", key.KindOf(trailer))
	if k := int(key.KindOf(trailer)); k < len(kindNames) {
		kind = kindNames[k]
	}
	if trailer == key.First {
		return fmt.Sprintf("%q", user)
	}
	return fmt.Sprintf("%q at %d (%s)", user, key.SeqOf(trailer), kind)
}
