package erasure

import "context"

type healer struct {
	store  *Store
	report HealReport
}

func (h *healer) object(ctx context.Context, name string) error { return nil }
