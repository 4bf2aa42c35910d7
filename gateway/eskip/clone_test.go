package eskip

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestCloneKeepsNothingOfTheText(t *testing.T) {
	text := string([]byte(`a: Path("/x/:y") && Traffic(0.5) && True() -> f("1", 2, /re/, ` + "`raw`" + `) -> g() -> <random, "http://a:1", "http://b:2">;
		b: * -> <shunt>; c: * -> "http://c:3"`))
	routes, err := Parse("file", text)
	require.NoError(t, err)
	inside := func(s string) bool {
		at, from := uintptr(unsafe.Pointer(unsafe.StringData(s))), uintptr(unsafe.Pointer(unsafe.StringData(text)))
		return len(s) > 0 && at >= from && at < from+uintptr(len(text))
	}
	for _, r := range routes {
		c := r.Clone()
		require.True(t, Equal(r, c))
		require.Equal(t, r.String(), c.String())
		require.Equal(t, []any{r.File, r.Pos, r.Backend.Pos}, []any{c.File, c.Pos, c.Backend.Pos})
		for i, call := range r.Filters {
			require.Equal(t, call.Pos, c.Filters[i].Pos)
		}
		require.True(t, inside(r.ID), "the test sees what is a piece of the text")
		c.eachString(func(s string) { require.False(t, inside(s), "%s: %q is a piece of the text", c.ID, s) })
	}
}
