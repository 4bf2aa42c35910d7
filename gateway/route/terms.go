package route

import (
	"fmt"
	"net/http"
	"sync"

	"github.com/flagship-go/flagship/gateway/eskip"
)

// Terms are what a route asks beside its path. Thousands of routes ask the same, and share one value: a regular
// expression is compiled once, a route costs less, and what the walk needs is in the processor's cache.
type terms struct {
	tests  []LookupPredicate // in the order written
	texts  []string          // of tests: what is written alike is the same (M7)
	weight int               // that they give to a route (M3)
	hosts  []string          // where a route is listed if many have its path
	varies bool              // there is a VaryingPredicate among them
}

// plain is a predicate that needs no more than the request: for the walk they are all of one kind.
type plain struct{ Predicate }

func (p *plain) MatchLookup(r *http.Request, _ *Lookup) bool { return p.Match(r) }

// original is what a spec made.
func original(test LookupPredicate) Predicate {
	if p, is := test.(*plain); is {
		return p.Predicate
	}
	return test
}

// values are what the terms ask for in a dimension, or nil.
func (t *terms) values(dimension string) []string {
	for _, test := range t.tests {
		if k, is := original(test).(KeyedPredicate); is {
			if d, values := k.Key(); d == dimension {
				return values
			}
		}
	}
	return nil
}

// made remembers what was made, by its text.
type made struct {
	mu         sync.RWMutex
	terms      map[string]*terms
	predicates map[string]madePredicate
}

type madePredicate struct {
	text   string
	weight int
	test   LookupPredicate
}

// maxMade bounds what is remembered of each kind: then it begins anew, and only sharing is lost.
const maxMade = 1 << 17

// get is what is remembered of a text in one of made's maps.
func get[T any](m *made, of *map[string]T, text []byte) (T, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	v, ok := (*of)[string(text)]
	return v, ok
}

func put[T any](m *made, of *map[string]T, text []byte, v T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if *of == nil || len(*of) >= maxMade {
		*of = map[string]T{}
	}
	(*of)[string(text)] = v
}

// terms are those of calls. What is wrong with one is told to fail; then they are nil.
func (s Specs) terms(calls []eskip.Call, fail func(eskip.Call, error)) *terms {
	var buffer [512]byte
	text := buffer[:0]
	for _, call := range calls {
		text = append(call.Append(text), " && "...)
	}
	if t, ok := get(s.made, &s.made.terms, text); ok {
		return t
	}
	t, ok := &terms{}, true
	for _, call := range calls {
		m, err := s.create(call)
		if err != nil {
			fail(call, err)
			ok = false
			continue
		}
		t.tests, t.texts = append(t.tests, m.test), append(t.texts, m.text)
		t.weight += m.weight
		if _, is := original(m.test).(VaryingPredicate); is {
			t.varies = true
		}
	}
	if !ok {
		return nil
	}
	t.hosts = hostsOf(t)
	put(s.made, &s.made.terms, text, t)
	return t
}

// create is the predicate of a call.
func (s Specs) create(call eskip.Call) (madePredicate, error) {
	text := call.Append(nil)
	if m, ok := get(s.made, &s.made.predicates, text); ok {
		return m, nil
	}
	spec := s.byName[call.Name]
	if spec == nil {
		return madePredicate{}, s.unknown(call.Name)
	}
	p, err := spec.Create(call.Args)
	if err != nil {
		return madePredicate{}, fmt.Errorf("predicate %s: %w", call.Name, err)
	}
	m := madePredicate{text: string(text), weight: 1}
	var is bool
	if m.test, is = p.(LookupPredicate); !is {
		m.test = &plain{p}
	}
	if w, is := spec.(WeightedPredicateSpec); is {
		m.weight += w.Weight()
	}
	put(s.made, &s.made.predicates, text, m)
	return m, nil
}
