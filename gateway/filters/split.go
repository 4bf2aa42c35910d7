package filters

import (
	"errors"
	"sync/atomic"

	"github.com/flagship-go/flagship/gateway/split"
)

// A split with any number of ways.

func splits(env Env) []Spec {
	return []Spec{NewSpec("split", `name, hash, weight, upstreams, weight, upstreams, ...`, func(a *Args) Filter {
		f := &splitter{env: env, name: a.NonEmpty("name")}
		key, err := parseKey(a.Text("hash"))
		a.Check(err)
		f.key = key
		var ways []split.Way
		var addresses []string
		for i := 0; i < 2 || a.More(); i++ {
			if a.Failed() {
				return nil
			}
			weight, address := a.Number("weight", 0, 1e9), a.Text("upstreams")
			ways, addresses = append(ways, split.Way{Name: address, Weight: weight}), append(addresses, address)
		}
		f.weights, err = split.NewWeighted(ways...)
		a.Check(err)
		if a.Done() != nil {
			return nil
		}
		f.open(a, ways, addresses)
		return f
	})}
}

// splitter shares users out among upstreams. One without an address is the route's own.
type splitter struct {
	env     Env
	name    string
	key     keyOf
	weights *split.Weighted
	ways    []way
}

type way struct {
	upstream Upstream // nil: the route's own
	share    float64
	n        *atomic.Uint64
}

func (f *splitter) open(a *Args, ways []split.Way, addresses []string) {
	total := 0.0
	for _, w := range ways {
		total += w.Weight
	}
	for i, w := range ways {
		next := way{share: w.Weight / total, n: new(atomic.Uint64)}
		if addresses[i] != "" {
			next.upstream = a.newTarget(f.env, "upstreams", addresses[i])
		}
		if a.Failed() {
			return
		}
		f.ways = append(f.ways, next)
	}
}

func (f *splitter) Request(c FilterContext) {
	w := f.ways[f.weights.Pick(f.key.hash(c, f.env, f.name))]
	w.n.Add(1)
	if w.upstream != nil {
		c.SetUpstream(w.upstream)
	}
}

func (*splitter) Response(FilterContext) {}

// Close closes all upstreams.
func (f *splitter) Close() error {
	var errs []error
	for _, w := range f.ways {
		if w.upstream != nil {
			errs = append(errs, closeUpstream(w.upstream))
		}
	}
	return errors.Join(errs...)
}

// Report says how users are shared out.
func (f *splitter) Report() Report {
	r := Report{Kind: "split", Name: f.name}
	for _, w := range f.ways {
		s := Share{Share: w.share, N: w.n.Load()}
		if w.upstream != nil {
			s.Target = w.upstream.String()
		}
		r.Shares = append(r.Shares, s)
	}
	return r
}
