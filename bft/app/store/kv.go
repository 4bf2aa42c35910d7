package store

import "bytes"

// KV is a state as those see it who read and write: a [Branch], a part of it under a prefix, or one that
// counts what it is asked for. Errors come from whoever counts; they are not to be ignored.
type KV interface {
	// Get is the value of key; nil: it is not there. It is not to be changed.
	Get(key []byte) ([]byte, error)
	// Set gives key a value, which belongs to the store from now on. The key is copied.
	Set(key, value []byte) error
	// Delete makes key have no value.
	Delete(key []byte) error
	// Range calls fn for each key from from (nil: the first) up to before to (nil: the last), in order, until it returns an
	// error, which Range returns. fn may write: Range goes on in what there was.
	Range(from, to []byte, fn func(key, value []byte) error) error
}

// Prefix is the part of kv whose keys begin with prefix, without it.
func Prefix(kv KV, prefix string) KV { return &prefixed{kv: kv, prefix: []byte(prefix)} }

type prefixed struct {
	kv     KV
	prefix []byte
	room   [96]byte // where full keys are made
}

func (p *prefixed) full(key []byte) []byte { return append(append(p.room[:0], p.prefix...), key...) }

func (p *prefixed) Get(key []byte) ([]byte, error) { return p.kv.Get(p.full(key)) }
func (p *prefixed) Set(key, value []byte) error    { return p.kv.Set(p.full(key), value) }
func (p *prefixed) Delete(key []byte) error        { return p.kv.Delete(p.full(key)) }

func (p *prefixed) Range(from, to []byte, fn func(key, value []byte) error) error {
	end := PrefixEnd(p.prefix)
	if to != nil {
		end = bytes.Clone(p.full(to))
	}
	return p.kv.Range(bytes.Clone(p.full(from)), end, func(key, value []byte) error {
		return fn(key[len(p.prefix):], value)
	})
}

// PrefixEnd is the first key after all that begin with prefix: the end of their range. nil: there is none.
func PrefixEnd(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := bytes.Clone(prefix[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}
