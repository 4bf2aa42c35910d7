package rs

import (
	"bytes"
	"fmt"
	"sync"
)

var (
	defaultKernel = sync.OnceValue(func() Kernel { return Kernels()[0] })
	// selfTested tests the default kernel when the first Code is made.
	selfTested = sync.OnceValue(func() error { return SelfTest(defaultKernel()) })
)

const (
	selfTestShards  = 10
	selfTestColumns = 64 + 33 // vectors, an overlapping one, an odd column
)

// SelfTest multiplies with a kernel for every number of data shards, and of
// parity shards, up to 9, the parity of all geometries with fewer being rows
// of theirs, and compares with the definition. New does it once for the kernel
// nobody chose, in 100 to 200 µs: a processor or a compiler that multiplies
// wrongly shall not be noticed when the data is gone.
func SelfTest(k Kernel) error {
	t := field()
	generator := Cauchy(2*selfTestShards, selfTestShards)[selfTestShards:]
	shards, products := NewMatrix(selfTestShards, selfTestColumns), NewMatrix(selfTestShards, selfTestColumns)
	for i, s := range shards {
		for j := range s {
			s[j] = byte(1 + i*151 + j*(2*i+1))
		}
	}
	sums := NewMatrix(selfTestShards, selfTestColumns)
	// Each turn adds a data shard to the sums that are expected.
	for data := 1; data < selfTestShards; data++ {
		for r := range sums[:selfTestShards-1] {
			row := &t.mul[generator[r][data-1]]
			for j, b := range shards[data-1] {
				sums[r][j] ^= row[b]
			}
		}
		parity := selfTestShards - data
		m := make(Matrix, parity)
		for r := range m {
			m[r] = generator[r][:data]
		}
		for _, rows := range []int{parity, max(parity-1, 1)} {
			k.Compile(m[:rows]).Mul(products[:rows], shards[:data], 0)
			for r := range rows {
				if !bytes.Equal(products[r], sums[r]) {
					return fmt.Errorf("rs: kernel %s multiplies wrongly here (%d+%d, row %d); choose another by Options.Kernel", k, data, rows, r)
				}
			}
		}
	}
	return nil
}
