package filters_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

// M2: whatever a parameter is, it is one segment of the path that is sent, and says the same there.
func FuzzParameterStaysInItsSegment(f *testing.F) {
	for _, seed := range []string{"7", "a b", "a/b", "../admin", "..", "%2e%2e", "a?b#c", "ä", ".x", "a/./b", "\x00", "\xff", "a%", "//"} {
		f.Add(seed)
	}
	set, err := spec(f, &filtertest.World{}, "setPath").CreateFilter([]any{"/v2/${id}/end"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, id string) {
		if id == "." || id == ".." || id == "" {
			t.Skip("no parameter is that: such a path is resolved before it is matched")
		}
		x := filtertest.New("GET", "http://h/u/"+url.PathEscape(id))
		x.Params = map[string]string{"id": id}
		set.Request(x)
		sent := x.Request().URL.EscapedPath()
		inside, is := strings.CutPrefix(sent, "/v2/")
		require.True(t, is, "RULE M2: %q is sent as %s", id, sent)
		inside, is = strings.CutSuffix(inside, "/end")
		require.True(t, is, "RULE M2: %q is sent as %s", id, sent)
		require.NotContains(t, inside, "/", "RULE M2: %q is sent as %s", id, sent)
		back, err := url.PathUnescape(inside)
		require.NoError(t, err)
		require.Equal(t, id, back, "RULE M2: %q is sent as %s", id, sent)
	})
}

// Templates of any text are parsed or refused, and what is constant is itself.
func FuzzTemplate(f *testing.F) {
	for _, seed := range []string{"", "a", "${id}", "${", "${}", "$${a}b}", "${request.header.X}${x}"} {
		f.Add(seed)
	}
	x := filtertest.New("GET", "http://h/")
	f.Fuzz(func(t *testing.T, text string) {
		tmpl, err := filters.ParseTemplate(text)
		if err != nil {
			return
		}
		value, whole := tmpl.Eval(x)
		if tmpl.Constant() {
			require.True(t, whole)
			require.Equal(t, text, value)
		}
	})
}
