package service

import (
	"context"
	"iter"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// SelectShipped is [mvcc.Txn.Select] by one who fetches all rows of the table and does the
// work here: to compare.
func SelectShipped(ctx context.Context, t *mvcc.Txn, plan *coprocessor.Plan, o *coprocessor.Options) iter.Seq2[[]coprocessor.Value, error] {
	return func(yield func([]coprocessor.Value, error) bool) {
		lo, hi := plan.Table.Range()
		next, stop := iter.Pull2(t.Scan(ctx, lo, hi, mvcc.ScanOptions{}))
		defer stop()
		plan.Select(ctx, o, &shipped{next: next})(yield)
	}
}

// shipped is the rows of a scan.
type shipped struct {
	next func() (mvcc.KV, error, bool)
	rows coprocessor.Rows
}

func (s *shipped) Next(_ context.Context, most int) (coprocessor.Rows, error) {
	s.rows.Keys, s.rows.Values = s.rows.Keys[:0], s.rows.Values[:0]
	for len(s.rows.Keys) < most {
		kv, err, ok := s.next()
		if err != nil {
			return coprocessor.Rows{}, err
		}
		if !ok {
			break
		}
		s.rows.Keys, s.rows.Values = append(s.rows.Keys, kv.Key), append(s.rows.Values, kv.Value)
	}
	return s.rows, nil
}
