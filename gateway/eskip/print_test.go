package eskip

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPrintBreaksLongRoutesBeforeArrows(t *testing.T) {
	routes, err := Parse("", `a: * -> <shunt>; long: Path("/shop/:item") && Method("POST") -> ratelimit(20, "1s") -> setRequestHeader("X-From", "gateway")
		-> <roundRobin, "http://10.0.0.1:8080", "http://10.0.0.2:8080">`)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, Print(&b, routes))
	require.Equal(t, `a: * -> <shunt>;
long: Path("/shop/:item") && Method("POST")
  -> ratelimit(20, "1s")
  -> setRequestHeader("X-From", "gateway")
  -> <roundRobin, "http://10.0.0.1:8080", "http://10.0.0.2:8080">;
`, b.String())
}

func TestAFileAsPeopleWriteThem(t *testing.T) {
	text, err := os.ReadFile("testdata/routes.eskip")
	require.NoError(t, err)
	routes, err := Parse("routes.eskip", string(text))
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, Print(&b, routes))
	want, err := os.ReadFile("testdata/routes.printed")
	require.NoError(t, err)
	if got := b.String(); got != strings.ReplaceAll(string(want), "\r\n", "\n") {
		t.Errorf("RULE E1: printed is\n%s", got)
	}
}

func TestPrintRefusesWhatCannotBeRead(t *testing.T) {
	shunt := Backend{Kind: Shunt}
	for _, ids := range [][]string{{"a-b"}, {"1a"}, {"a", ""}, {"", "a"}, {"a", "b c"}, {"é"}} {
		var routes []*Route
		for _, id := range ids {
			routes = append(routes, &Route{ID: id, Backend: shunt})
		}
		require.ErrorContains(t, Print(&bytes.Buffer{}, routes), "cannot be printed: its id is", ids)
	}
	require.NoError(t, Print(&bytes.Buffer{}, []*Route{{Backend: shunt}}))
	require.ErrorIs(t, Print(failing{}, []*Route{{Backend: shunt}}), errFailing)
}

var errFailing = errors.New("no space left")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFailing }

func TestEqualSeesEachPart(t *testing.T) {
	texts := []string{
		`a: * -> <shunt>`, `b: * -> <shunt>`, `a: A() -> <shunt>`, `a: B() -> <shunt>`, `a: A(1) -> <shunt>`, `a: A("1") -> <shunt>`,
		`a: A(1, 2) -> <shunt>`, `a: A(2, 1) -> <shunt>`, `a: A() && B() -> <shunt>`, `a: B() && A() -> <shunt>`, `a: * -> A() -> <shunt>`,
		`a: * -> B() -> <shunt>`, `a: * -> A(1) -> <shunt>`, `a: * -> <loopback>`, `a: * -> <dynamic>`, `a: * -> "http://a"`, `a: * -> "http://b"`,
		`a: * -> <"http://a">`, `a: * -> <x, "http://a">`, `a: * -> <y, "http://a">`, `a: * -> <"http://a", "http://b">`, `a: * -> <"http://b", "http://a">`,
	}
	for i, x := range texts {
		for j, y := range texts {
			a, err := Parse("a", x)
			require.NoError(t, err)
			b, err := Parse("b", "// elsewhere\n"+strings.ReplaceAll(y, " ", "\n"))
			require.NoError(t, err)
			if Equal(a[0], b[0]) != (i == j) {
				t.Errorf("RULE E1: %s and %s: equal is %v", x, y, i != j)
			}
		}
	}
}
