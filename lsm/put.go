package lsm

import "time"

// Writes of one key are batches of one; the store keeps some for reuse.

// Put sets key to value.
func (d *DB) Put(k, value []byte) error {
	b := d.getBatch()
	b.Put(k, value)
	return d.applyOwn(b)
}

// PutTTL sets key to value until ttl from now.
func (d *DB) PutTTL(k, value []byte, ttl time.Duration) error {
	b := d.getBatch()
	b.PutTTL(k, value, ttl)
	return d.applyOwn(b)
}

// Delete removes key; one that is not there may be deleted too.
func (d *DB) Delete(k []byte) error {
	b := d.getBatch()
	b.Delete(k)
	return d.applyOwn(b)
}

// Merge puts operand on top of what key holds, for Options.MergeOperator.
func (d *DB) Merge(k, operand []byte) error {
	b := d.getBatch()
	b.Merge(k, operand)
	return d.applyOwn(b)
}

// DeleteRange removes the keys from start up to, and without, end.
func (d *DB) DeleteRange(start, end []byte) error {
	b := d.getBatch()
	b.DeleteRange(start, end)
	return d.applyOwn(b)
}

func (d *DB) getBatch() *Batch {
	if b, ok := d.batches.Get().(*Batch); ok {
		return b
	}
	return d.NewBatch()
}

// keepBatch is the longest batch of the store's own that is used again.
const keepBatch = 1 << 20

func (d *DB) applyOwn(b *Batch) error {
	err := d.Apply(b)
	if cap(b.data)+cap(b.split) <= keepBatch {
		b.Reset()
		d.batches.Put(b)
	}
	return err
}
