package app

import (
	"math"

	"github.com/flagship-go/flagship/bft/app/store"
)

// A Meter counts the gas of one transaction. Once it has run out every further use fails, too, so a
// handler that overlooks the error gains nothing: the transaction fails with ErrOutOfGas.
type Meter struct {
	limit, used uint64
	out         bool
}

// NewMeter has so much gas.
func NewMeter(limit uint64) *Meter { return &Meter{limit: limit} }

// Use takes gas for something, which the error names.
func (m *Meter) Use(gas uint64, what string) error {
	if m.out || gas > m.limit-m.used {
		used := m.used
		m.out, m.used = true, m.limit
		return failf(ErrOutOfGas, "%d of %d are used, %s takes %d", used, m.limit, what, gas)
	}
	m.used += gas
	return nil
}

// Used is how much was taken: all of it, once it has run out.
func (m *Meter) Used() uint64 { return m.used }

// Out tells whether it has run out.
func (m *Meter) Out() bool { return m.out }

// scaled is flat + each * n, at most all there can be.
func scaled(flat, each uint64, n int) uint64 {
	v, err := MulDiv(each, uint64(n), 1, false)
	if err == nil {
		v, err = Add(flat, v)
	}
	if err != nil {
		return math.MaxUint64
	}
	return v
}

// metered is a store that takes gas for what is read and written. What is asked for is paid first, where its size is known.
type metered struct {
	kv    store.KV
	meter *Meter
	costs *GasCosts
}

func (m *metered) Get(key []byte) ([]byte, error) {
	if err := m.meter.Use(m.costs.ReadFlat, "a read"); err != nil {
		return nil, err
	}
	value, err := m.kv.Get(key)
	if err != nil {
		return nil, err
	}
	if err := m.meter.Use(scaled(0, m.costs.ReadByte, len(key)+len(value)), "what was read"); err != nil {
		return nil, err
	}
	return value, nil
}

func (m *metered) Set(key, value []byte) error {
	if err := m.meter.Use(scaled(m.costs.WriteFlat, m.costs.WriteByte, len(key)+len(value)), "a write"); err != nil {
		return err
	}
	return m.kv.Set(key, value)
}

func (m *metered) Delete(key []byte) error {
	if err := m.meter.Use(m.costs.Delete, "a delete"); err != nil {
		return err
	}
	return m.kv.Delete(key)
}

func (m *metered) Range(from, to []byte, fn func(key, value []byte) error) error {
	if err := m.meter.Use(m.costs.ReadFlat, "a range"); err != nil {
		return err
	}
	return m.kv.Range(from, to, func(key, value []byte) error {
		if err := m.meter.Use(scaled(m.costs.RangeNext, m.costs.ReadByte, len(key)+len(value)), "a range's next key"); err != nil {
			return err
		}
		return fn(key, value)
	})
}
