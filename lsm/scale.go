package lsm

import (
	"slices"
	"strings"

	"github.com/flagship-go/flagship/lsm/key"
)

// scale places keys on a line for the picture of the tree: by rank among the
// bounds of all tables, since keys themselves have no distance.
type scale struct {
	order  key.Order
	bounds [][]byte
}

const scaleWidth = 20

func newScale(order key.Order, tables []*tableFile) scale {
	s := scale{order: order}
	for _, t := range tables {
		s.bounds = append(s.bounds, key.UserKey(t.Smallest), key.UserKey(t.Largest))
	}
	slices.SortFunc(s.bounds, order.CompareUser)
	s.bounds = slices.CompactFunc(s.bounds, func(a, b []byte) bool { return order.CompareUser(a, b) == 0 })
	return s
}

func (s scale) place(user []byte) int {
	i, _ := slices.BinarySearchFunc(s.bounds, user, s.order.CompareUser)
	return i * (scaleWidth - 1) / max(len(s.bounds)-1, 1)
}

func (s scale) draw(t *tableFile) string {
	from, to := s.place(key.UserKey(t.Smallest)), s.place(key.UserKey(t.Largest))
	return strings.Repeat(" ", from) + strings.Repeat("#", to-from+1) + strings.Repeat(" ", scaleWidth-1-to)
}
