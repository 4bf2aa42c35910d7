package gateway

import (
	"fmt"
	"io"

	"github.com/flagship-go/flagship/gateway/eskip"
	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/upstream"
)

// shared is what several compiled routes have, guarded by Gateway.mu. Each part counts its holders, and the last one to
// let go closes it. The zero value is empty.
//
//	route r1 -+- setPath("/x")      one instance, since the filter has no state
//	route r2 -+
//	          +- the pool of "http://a", "http://b"
//
//	route r1 before a change -+- ratelimit(5, "1s")    its state goes on (C3); another route has its own
//	route r1 after it        -+
type shared struct {
	filters map[string]*instance // of a [filters.StatelessSpec], by what is written
	pools   map[poolKey]*sharedPool
}

// instance is a filter, and how many compiled routes have it.
type instance struct {
	filters.Filter
	held int
	args []any
	text string // its key, or "" if it is not found by what is written
}

// sharedPool is a pool, and how many compiled routes have it.
type sharedPool struct {
	*upstream.Pool
	held int
	key  poolKey
}

type poolKey struct {
	addresses string // quoted: whatever is in one of them, it is not taken for two
	options   upstream.Options
}

// filter is the one of a call, which is not held yet.
func (s *shared) filter(spec filters.Spec, call *eskip.Call) (*instance, error) {
	text := ""
	if _, is := spec.(filters.StatelessSpec); is {
		text = call.String()
		if i := s.filters[text]; i != nil {
			call.Args = i.args // nor are these kept for each route
			return i, nil
		}
	}
	f, err := spec.CreateFilter(call.Args)
	if err != nil {
		return nil, err
	}
	i := &instance{Filter: f, args: call.Args, text: text}
	if text != "" {
		if s.filters == nil {
			s.filters = map[string]*instance{}
		}
		s.filters[text] = i
	}
	return i, nil
}

func (s *shared) dropFilter(i *instance) error {
	if i.held--; i.held > 0 {
		return nil
	}
	delete(s.filters, i.text)
	if closer, is := i.Filter.(io.Closer); is {
		return closer.Close()
	}
	return nil
}

// pool is the one of addresses, held once more. Endpoints are shared anyway; here it is also whose turn it is.
func (s *shared) pool(of *upstream.Registry, addresses []string, o upstream.Options) (*sharedPool, error) {
	key := poolKey{fmt.Sprintf("%q", addresses), o}
	p := s.pools[key]
	if p == nil {
		made, err := of.Pool(addresses, o)
		if err != nil {
			return nil, err
		}
		p = &sharedPool{Pool: made, key: key}
		if s.pools == nil {
			s.pools = map[poolKey]*sharedPool{}
		}
		s.pools[key] = p
	}
	p.held++
	return p, nil
}

func (s *shared) dropPool(p *sharedPool) error {
	if p.held--; p.held > 0 {
		return nil
	}
	delete(s.pools, p.key)
	return p.Close()
}
