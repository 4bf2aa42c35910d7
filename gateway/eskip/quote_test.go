package eskip

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever finds a mistake in a route that was parsed shows it as the parser does.
func TestErrorsThatComeLaterQuoteTheirLine(t *testing.T) {
	text := "a: * -> <shunt>;\r\nb: * -> filter() -> <shunt>;\r\n"
	e := &Error{Pos: Pos{Line: 2, Column: 9}, Msg: "there is no filter"}
	e.Quote(text)
	require.Equal(t, "b: * -> filter() -> <shunt>;\n        ^", e.Snippet())
	beyond := &Error{Pos: Pos{Line: 9, Column: 1}}
	beyond.Quote(text)
	require.Equal(t, "\n^", beyond.Snippet())
}
