package eskip

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSuggestNamesWhatIsClose(t *testing.T) {
	known := []string{"setPath", "setQuery", "status", "static", "modPath", "ratelimit"}
	for name, want := range map[string]string{
		"setpath":      "setPath",
		"setPth":       "setPath",
		"stepaht":      "setPath", // two pairs exchanged
		"rateLimit":    "ratelimit",
		"statics":      "static",
		"statuc":       "static", // as close to status: the alphabet decides
		"x":            "",
		"":             "",
		"inlineContet": "",
	} {
		require.Equal(t, want, Suggest(name, slices.Values(known)), name)
		slices.Reverse(known)
		require.Equal(t, want, Suggest(name, slices.Values(known)), "%s, the other way round", name)
	}
}
