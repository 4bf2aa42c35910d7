// Going up through the versions with some of them in hand.

package mvcc

// firstAhead is how many versions a walk takes from the engine at once when it begins,
// and maxAhead how many when it goes on: enough for the processor to wait for many of
// them at the same time, and few enough to be in its cache when they are looked at.
const (
	firstAhead = 8
	maxAhead   = 64
)

// ahead goes up through family write from where an iterator stands. An engine that can
// hands it many versions at once; from any other it takes one at a time.
type ahead struct {
	it           Iterator
	bulk         BulkIterator   // nil, if it is none
	on           bool           // without bulk: it stands on a key
	keys, values [][]byte       // in hand
	puts         [maxAhead]bool // those whose value is a put with a short value
	at           int            // the one that is shown
	most         int            // so many are taken at once
	first        struct{ keys, values [firstAhead][]byte }
}

// begin goes on from where it stands.
func (a *ahead) begin(it Iterator, on bool) {
	a.it, a.on, a.at, a.most = it, on, -1, firstAhead
	a.bulk, _ = it.(BulkIterator)
	if a.keys == nil {
		a.keys, a.values = a.first.keys[:], a.first.values[:]
	}
	a.keys, a.values = a.keys[:0], a.values[:0]
}

// stays reports whether what is shown is valid until the snapshot's Close, and not only
// until the next is.
func (a *ahead) stays() bool { return a.bulk != nil }

// next shows the next version: keys[at], values[at].
func (a *ahead) next() bool {
	a.at++
	return a.at < len(a.keys) || a.take()
}

// take has some versions in hand again, if there are any.
func (a *ahead) take() bool {
	if a.bulk != nil {
		a.takeMany()
	} else {
		if len(a.keys) > 0 {
			a.on = a.it.Next()
		}
		a.keys, a.values = a.keys[:0], a.values[:0]
		if a.on {
			a.keys, a.values = append(a.keys, a.it.Key()), append(a.values, a.it.Value())
		}
	}
	// It is here that values are first touched. The loop is short, for the processor to wait for
	// many of them at once.
	for i, v := range a.values {
		a.puts[i] = isShortPut(v)
	}
	a.at = 0
	return len(a.keys) > 0
}

func (a *ahead) takeMany() {
	if len(a.keys) == a.most && a.most < maxAhead { // all were of use
		a.most *= 2
	}
	if cap(a.keys) < a.most {
		a.keys, a.values = make([][]byte, a.most), make([][]byte, a.most)
	}
	n := a.bulk.Take(a.keys[:a.most], a.values[:a.most])
	a.keys, a.values = a.keys[:n], a.values[:n]
}

// seek goes on from a key, and takes few at first: who seeks skips more than it looks at.
func (a *ahead) seek(key []byte) { a.begin(a.it, a.it.SeekGE(key)) }
