package rafttest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The history of one key, as the clients saw it. Times are whole numbers, each
// used once; a return of 0 is an unknown outcome.
func TestLinearizability(t *testing.T) {
	put := func(call, ret int64, value uint64) *simOp {
		return &simOp{simCommand: simCommand{client: firstClient, kind: simPut, value: value}, call: call, ret: ret, answer: simAnswer{done: true}}
	}
	get := func(call, ret int64, found uint64) *simOp {
		return &simOp{simCommand: simCommand{client: firstClient + 1, kind: simGet}, call: call, ret: ret, answer: simAnswer{found, true}}
	}
	cas := func(call, ret int64, expect, value uint64) *simOp {
		return &simOp{simCommand: simCommand{client: firstClient + 2, kind: simCAS, value: value, expect: expect}, call: call, ret: ret, answer: simAnswer{expect, true}}
	}
	missed := func(call, ret int64, expect, value, found uint64) *simOp {
		op := cas(call, ret, expect, value)
		op.answer = simAnswer{found, false}
		return op
	}
	for _, c := range []struct {
		name    string
		history []*simOp
		want    bool
	}{
		{"nothing", nil, true},
		{"a read finds what was put before", []*simOp{put(1, 2, 7), get(3, 4, 7)}, true},
		{"a read after a put misses it", []*simOp{put(1, 2, 7), get(3, 4, 0)}, false},
		{"a read beside a put may miss it", []*simOp{put(1, 4, 7), get(2, 3, 0)}, true},
		{"reads go back in time", []*simOp{put(1, 10, 7), get(2, 3, 7), get(4, 5, 0)}, false},
		{"an unknown put may have happened", []*simOp{put(1, 0, 7), get(2, 3, 7)}, true},
		{"an unknown put may not have happened", []*simOp{put(1, 0, 7), get(2, 3, 0)}, true},
		{"an unknown put happens late", []*simOp{put(1, 0, 7), get(2, 3, 0), get(4, 5, 7)}, true},
		{"an unknown put happens twice", []*simOp{put(1, 0, 7), get(2, 3, 7), put(4, 5, 8), get(6, 7, 7)}, false},
		{"a value is read before it is put", []*simOp{get(1, 2, 7), put(3, 0, 7)}, false},
		{"a value comes from nowhere", []*simOp{get(1, 2, 7)}, false},
		{"a compare-and-set hits", []*simOp{put(1, 2, 7), cas(3, 4, 7, 8), get(5, 6, 8)}, true},
		{"two hit the same value", []*simOp{put(1, 2, 7), cas(3, 6, 7, 8), cas(4, 5, 7, 9)}, false},
		{"a compare-and-set misses what is there", []*simOp{put(1, 2, 7), missed(3, 4, 7, 8, 7)}, false},
		{"a compare-and-set misses rightly", []*simOp{put(1, 2, 7), missed(3, 4, 5, 8, 7), get(5, 6, 7)}, true},
		{"an unknown put explains a miss", []*simOp{put(1, 0, 7), missed(2, 3, 5, 8, 7)}, true},
		{"an unknown compare-and-set hits nothing", []*simOp{put(1, 2, 7), cas(3, 0, 5, 8), get(4, 5, 8)}, false},
		{"an unknown compare-and-set hits", []*simOp{put(1, 2, 7), cas(3, 0, 7, 8), get(4, 5, 8)}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := simulation{opts: Options{Keys: 1}, history: c.history}
			err := s.linearizable()
			if c.want {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, "RULE linearizability: ")
				require.ErrorContains(t, err, "(§8)")
			}
		})
	}
}
