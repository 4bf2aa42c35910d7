package upstream

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/cputime"
)

// BenchmarkPick is one request's part of this package: a pick, the answer's judgement, and giving back.
func BenchmarkPick(b *testing.B) {
	for _, name := range Algorithms() {
		for _, n := range []int{3, 10, 100} {
			b.Run(fmt.Sprintf("algorithm=%s/endpoints=%d", name, n), func(b *testing.B) { benchmarkPick(b, name, n) })
		}
	}
}

func benchmarkPick(b *testing.B, name string, n int) {
	r := NewRegistry(RegistryOptions{})
	defer r.Close()
	p, err := r.Pool(addresses(n), Options{Algorithm: name})
	require.NoError(b, err)
	one := func(key uint64) {
		token, err := p.Pick(mix(key), nil)
		if err != nil {
			b.Error(err)
		}
		token.Answered(OK)
		token.Done(OK)
	}
	b.Run("parallel=no", func(b *testing.B) {
		b.ReportAllocs()
		defer cputime.Report(b)()
		key := uint64(0)
		for b.Loop() {
			key++
			one(key)
		}
	})
	b.Run("parallel=yes", func(b *testing.B) {
		b.ReportAllocs()
		var goroutine atomic.Uint64
		defer cputime.Report(b)()
		b.RunParallel(func(pb *testing.PB) {
			for key := goroutine.Add(1) << 32; pb.Next(); key++ {
				one(key)
			}
		})
	})
}

// BenchmarkView is what a change of somebody's state costs each pool, at its next pick.
func BenchmarkView(b *testing.B) {
	for _, n := range []int{3, 100} {
		b.Run(fmt.Sprintf("endpoints=%d", n), func(b *testing.B) {
			r := NewRegistry(RegistryOptions{})
			defer r.Close()
			p, err := r.Pool(addresses(n), Options{})
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				look(p.members, 1, time.Hour, p.options)
			}
		})
	}
}

// BenchmarkReload is a pool of ten that takes the place of one with the same endpoints.
func BenchmarkReload(b *testing.B) {
	r := NewRegistry(RegistryOptions{NewTransport: func(TransportOptions) http.RoundTripper { return newBackends() }})
	defer r.Close()
	old, err := r.Pool(addresses(10), Options{})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		p, err := r.Pool(addresses(10), Options{})
		if err != nil {
			b.Fatal(err)
		}
		old.Close()
		old = p
	}
}

var raceDetector bool // see race_test.go

func TestPickAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's sync.Pool forgets on purpose")
	}
	for _, name := range Algorithms() {
		w := newWorld(t, 1)
		p := w.pool(10, Options{Algorithm: name, MaxConcurrent: 4, FadeIn: time.Hour})
		allocs := testing.AllocsPerRun(1000, func() {
			token, _ := p.Pick(w.rng.Uint64(), p.members[0].Endpoint)
			token.Answered(OK)
			token.Done(OK)
		})
		require.Less(t, allocs, 0.5, "RULE U6: %s allocates", name)
	}
}
