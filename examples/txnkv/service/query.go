package service

import (
	"context"
	"strings"

	"github.com/flagship-go/flagship/mvcc"
	"github.com/flagship-go/flagship/mvcc/coprocessor"
)

// Query is a SELECT.
type Query struct {
	Text string
	// Ship fetches all rows and computes here, instead of in the ranges: to compare.
	Ship bool
}

func (s *Service) plan(ctx context.Context, text string) (p *coprocessor.Plan, explain bool, err error) {
	q, err := coprocessor.Parse(text)
	if err != nil {
		return nil, false, err
	}
	t, err := s.table(ctx, q.From)
	if err != nil {
		return nil, false, err
	}
	p, err = q.Plan(t)
	return p, q.Explain, err
}

// Select runs a query, or says how it would if the text begins with EXPLAIN; in a transaction or without, and calls columns once, and then row
// for each row, as they come: the slice is used again. If row fails the query ends with
// that error. A client that takes its time holds up its transaction, and a page of rows.
func (s *Service) Select(ctx context.Context, txn string, q Query, columns func([]string) error, row func([]coprocessor.Value) error) error {
	p, explain, err := s.plan(ctx, q.Text)
	if err != nil {
		return err
	}
	if explain {
		if err := columns([]string{"plan"}); err != nil {
			return err
		}
		for line := range strings.Lines(p.Explain()) {
			if err := row([]coprocessor.Value{coprocessor.StringValue(strings.TrimSuffix(line, "\n"))}); err != nil {
				return err
			}
		}
		return nil
	}
	if txn != "" {
		return s.in(ctx, txn, func(t *mvcc.Txn) error { return s.run(ctx, t, p, q, columns, row) })
	}
	// Rows have gone out: so it is not run again.
	t, err := s.o.DB.Begin(ctx, reading)
	if err != nil {
		return err
	}
	defer t.Rollback(ctx)
	return s.run(ctx, t, p, q, columns, row)
}

func (s *Service) run(ctx context.Context, t *mvcc.Txn, p *coprocessor.Plan, q Query, columns func([]string) error, row func([]coprocessor.Value) error) error {
	if err := columns(columnNames(p)); err != nil {
		return err
	}
	o := &coprocessor.Options{MemoryLimit: s.o.MemoryLimit}
	result := t.Select(ctx, p, o)
	if q.Ship {
		result = SelectShipped(ctx, t, p, o)
	}
	for values, err := range result {
		if err != nil {
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return nil
}
