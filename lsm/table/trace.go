package table

// Trace counts what reading has touched. A nil *Trace counts nothing.
type Trace struct {
	// Filters is how many filters were asked, FilterSaved how many of them said
	// that the table does not have the key.
	Filters, FilterSaved int
	// Blocks is how many blocks were looked at, of index and data, CacheHits how
	// many of them were in the cache.
	Blocks, CacheHits int
	// Bytes is the length of the blocks that were not: read from the file, or, of
	// a mapped one, in the mapping.
	Bytes int64
}

// Add counts what another trace has counted.
func (t *Trace) Add(o Trace) {
	t.Filters += o.Filters
	t.FilterSaved += o.FilterSaved
	t.Blocks += o.Blocks
	t.CacheHits += o.CacheHits
	t.Bytes += o.Bytes
}

func (t *Trace) filter(saved bool) {
	if t == nil {
		return
	}
	t.Filters++
	if saved {
		t.FilterSaved++
	}
}

func (t *Trace) block(h handle, hit bool) {
	if t == nil {
		return
	}
	t.Blocks++
	if hit {
		t.CacheHits++
	} else {
		t.Bytes += int64(h.length)
	}
}
