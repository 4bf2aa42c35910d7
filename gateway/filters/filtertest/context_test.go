package filtertest_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

type noting struct {
	name  string
	notes *[]string
	serve bool
}

func (f noting) Request(c filters.FilterContext) {
	*f.notes = append(*f.notes, "in "+f.name)
	if f.serve {
		c.Serve(&http.Response{StatusCode: 418})
	}
}

func (f noting) Response(filters.FilterContext) { *f.notes = append(*f.notes, "out "+f.name) }

func (f noting) Wrap(next filters.RoundTrip) filters.RoundTrip {
	return func(c filters.FilterContext) (*http.Response, error) {
		*f.notes = append(*f.notes, "call "+f.name)
		return next(c)
	}
}

// F1, and pitfall 9.
func TestFiltersAreEnteredInOrderAndLeftInReverse(t *testing.T) {
	var notes []string
	a, b, c := noting{"a", &notes, false}, noting{"b", &notes, false}, noting{"c", &notes, false}
	x := filtertest.New("GET", "http://h/")
	filtertest.Run(x, filtertest.Upstream(200, "hi"), a, b, c)
	require.Equal(t, "[in a in b in c call a call b call c out c out b out a]", fmt.Sprint(notes), "RULE F1: filters in another order")
	require.Equal(t, "hi", x.Body())

	notes, b.serve = nil, true
	x = filtertest.New("GET", "http://h/")
	filtertest.Run(x, filtertest.Upstream(200, "hi"), a, b, c)
	require.Equal(t, "[in a in b out b out a]", fmt.Sprint(notes), "RULE F1: a filter that was not entered has seen the answer")
	require.Equal(t, 418, x.Response().StatusCode)
}

func TestErrorsOfCallsAreAnswers(t *testing.T) {
	x := filtertest.New("GET", "http://h/")
	filtertest.Run(x, nil)
	require.Equal(t, 404, x.Response().StatusCode)
	x = filtertest.New("GET", "http://h/")
	filtertest.Run(x, filtertest.UpstreamFunc(func(filters.FilterContext) (*http.Response, error) {
		return nil, http.ErrHandlerTimeout
	}))
	require.Equal(t, 502, x.Response().StatusCode)
}
