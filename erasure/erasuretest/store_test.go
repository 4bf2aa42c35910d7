package erasuretest

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// The reference shows that the rules are not those of one implementation; that power
// may go anywhere is proved with package erasure.
func TestReferenceKeepsEveryRule(t *testing.T) {
	oneGoroutine(t)
	impl := referenceImpl("")
	impl.CutEvery = 9
	Store(t, impl)
}

// refBreaks has, of each switch of the reference, a story that must notice and the
// rule that it names; or "simulation", where several things have to come together.
var refBreaks = map[string]struct{ story, rule string }{
	"any-drive":              {"E15/foreign-drive", "E15"},
	"any-length":             {"E3/body-length", "E3"},
	"deletes-nothing":        {"E5/delete", "E5"},
	"deletes-without-quorum": {"E1/too-few-to-write", "E1"},
	"dry-run-writes":         {"E13/dry-run", "E13"},
	"failed-is-kept":         {"E3/failing-drives", "E3"},
	"forgets-shards":         {"E6/overwrite", "E6"},
	"half-is-enough":         {"E4/power-put", "E1"},
	"heals-nothing":          {"E13/again", "E13"},
	"leaves-remains":         {"E4/power-put", "E4"},
	"lists-what-is-gone":     {"list/lost-drives", "list"},
	"loses-the-end":          {"E1/every-size", "E1"},
	"marker-replaces":        {"E5/marker", "E5"},
	"metadata-lost":          {"objects/metadata", "objects"},
	"newer-is-damage":        {"E15/newer-format", "E15"},
	"no-conditions":          {"E11/conditions", "E11"},
	"no-sync":                {"E4/power-put", "E4"},
	"old-goes-first":         {"E3/failing-drives", "E3"},
	"one-copy-is-enough":     {"E5/stale-drive", "E5"},
	"opens-all":              {"E7/only-what-is-needed", "E7"},
	"pages-overlap":          {"list/pages", "list"},
	"place-by-order":         {"E15/foreign-drive", "E15"},
	"range-off-by-one":       {"E7/ranges", "E7"},
	"resurrects":             {"simulation", "E13"},
	"silence-is-absence":     {"E11/no-quorum-no-answer", "E11"},
	"time-may-stand":         {"E1/clock-goes-back", "E1"},
	"unchecked":              {"E2/another-versions-shard", "E2"},
	"unsorted":               {"list/order", "list"},
	"version-before-shards":  {"E3/failing-drives", "E3"},
	"versions-oldest-first":  {"list/versions", "list"},
	"waits-for-all":          {"E12/slow-get", "E12"},
}

func TestBrokenReferencesBreakTheirRules(t *testing.T) {
	oneGoroutine(t)
	rules := map[string]StoreRule{}
	for _, r := range StoreRules() {
		rules[r.String()] = r
	}
	for bug, want := range refBreaks {
		t.Run(bug, func(t *testing.T) {
			impl := referenceImpl(bug)
			impl.CutEvery = 9
			if want.story == "simulation" {
				for seed := range uint64(200) {
					_, err := Explore(impl, seed, Options{Attempts: -1})
					if f, ok := errors.AsType[*Failure](err); ok {
						require.Equal(t, want.rule, f.Rule, "seed %d: %v", seed, err)
						return
					}
				}
				t.Fatal("no seed finds it")
			}
			r, ok := rules[want.story]
			require.True(t, ok, "no story %s", want.story)
			check := func(*testing.T) error { return r.check(&impl) }
			if r.bubble {
				check = func(t *testing.T) error { return r.checkInBubble(t, &impl) }
			}
			err := check(t)
			require.Error(t, err)
			require.Contains(t, err.Error(), "RULE "+want.rule+": ")
		})
	}
}

// Every switch is in the table, and nothing else.
func TestEverySwitchOfTheReferenceIsTried(t *testing.T) {
	files, err := filepath.Glob("reference*_test.go")
	require.NoError(t, err)
	switches := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range regexp.MustCompile(`bug [!=]= "([a-z-]+)"`).FindAllStringSubmatch(string(text), -1) {
			switches[found[1]] = true
		}
	}
	require.ElementsMatch(t, slices.Collect(maps.Keys(refBreaks)), slices.Collect(maps.Keys(switches)))
}
