package main

import (
	"context"
	"encoding/binary"
	"fmt"
)

// accountKey is the key of an account, or of any other thing that has a number.
func accountKey(n int) []byte { return fmt.Appendf(nil, "account/%07d", n) }

func amount(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

func amountOf(value []byte) (int64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("an amount of %d bytes", len(value))
	}
	return int64(binary.BigEndian.Uint64(value)), nil
}

// fill gives so many keys a value, in transactions of a hundred.
func fill(ctx context.Context, s store, keys int, value []byte) error {
	for from := 0; from < keys; from += 100 {
		_, err := s.Update(ctx, func(tx tx) error {
			for i := from; i < min(from+100, keys); i++ {
				if err := tx.Put(accountKey(i), value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("filling: %w", err)
		}
	}
	return nil
}

// total adds up all accounts, as of one time.
func total(ctx context.Context, s store) (sum int64, err error) {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return 0, err
	}
	err = snap.Scan([]byte("account/"), []byte("account0"), func(_, v []byte) error {
		n, err := amountOf(v)
		sum += n
		return err
	})
	if cerr := snap.Close(); err == nil {
		err = cerr
	}
	return sum, err
}
