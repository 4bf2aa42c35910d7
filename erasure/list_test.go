package erasure

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

// names are the names and prefixes of all pages of a listing, in order.
func (r *cabinet) names(o ListOptions) string {
	r.Helper()
	var all []string
	for {
		page, err := r.List(r.Context(), o)
		require.NoError(r, err)
		entries := append([]string{}, page.Prefixes...)
		for _, info := range page.Objects {
			entries = append(entries, info.Name)
		}
		slices.Sort(entries)
		if o.Max > 0 {
			require.LessOrEqual(r, len(entries), o.Max)
		}
		all = append(all, entries...)
		if !page.More {
			require.Empty(r, page.Next)
			return strings.Join(all, " ")
		}
		require.NotEmpty(r, entries, "RULE list: More on an empty page")
		require.Less(r, len(all), 1000, "RULE list: pages without an end")
		o.After = page.Next
	}
}

// TestListIsInTheOrderOfNames: directories are not (a, a-b, a/b), nor is the
// spelling of names on drives (B is !b).
func TestListIsInTheOrderOfNames(t *testing.T) {
	r := newCabinet(t, 4, 2)
	for _, name := range []string{"a/b", "a", "a-b", "a.txt", "a/b/c", "B", "a-b/c", "a b", "~", "\u00fc/x"} {
		r.put(name, 10, nil)
	}
	const all = "B a a b a-b a-b/c a.txt a/b a/b/c ~ \u00fc/x"
	require.Equal(t, all, r.names(ListOptions{}), "RULE list: order")
	for size := 1; size < 12; size++ {
		require.Equal(t, all, r.names(ListOptions{Max: size}), "RULE list: pages of %d", size)
	}
	require.Equal(t, "a-b a-b/c", r.names(ListOptions{Prefix: "a-"}))
	require.Equal(t, "a/b a/b/c", r.names(ListOptions{Prefix: "a/"}))
	require.Equal(t, "B a a b a-b a-b/ a.txt a/ ~ \u00fc/", r.names(ListOptions{Delimiter: "/"}))
	for size := 1; size < 10; size++ {
		require.Equal(t, "B a a b a-b a-b/ a.txt a/ ~ \u00fc/", r.names(ListOptions{Delimiter: "/", Max: size}),
			"RULE list: pages of %d with prefixes", size)
	}
	require.Equal(t, "a/b a/b/", r.names(ListOptions{Prefix: "a/", Delimiter: "/"}))
	require.Equal(t, "a/ ~ \u00fc/", r.names(ListOptions{Delimiter: "/", After: "a.txt"}))
	require.Equal(t, "~ \u00fc/", r.names(ListOptions{Delimiter: "/", After: "a/"}), "RULE list: behind a prefix is behind all of it")
	require.Equal(t, "a/b/c ~ \u00fc/x", r.names(ListOptions{After: "a/b"}))
	require.Empty(t, r.names(ListOptions{Prefix: "c"}))
	require.Empty(t, r.names(ListOptions{Prefix: "../"}))
	require.Empty(t, r.names(ListOptions{Prefix: "a//"}))
	require.Empty(t, r.names(ListOptions{After: "\xff"}))
	page, err := r.List(t.Context(), ListOptions{Max: -1})
	require.NoError(t, err)
	require.Equal(t, Page{}, page)
}

// TestATokenOutlivesWhatItNames deletes what a page ended with.
func TestATokenOutlivesWhatItNames(t *testing.T) {
	r := newCabinet(t, 4, 2)
	for _, name := range []string{"a", "b", "c/d", "c/e", "f"} {
		r.put(name, 10, nil)
	}
	page, err := r.List(t.Context(), ListOptions{Max: 2})
	require.NoError(t, err)
	require.Equal(t, "b", page.Next)
	_, err = r.Delete(t.Context(), "b", nil)
	require.NoError(t, err)
	require.Equal(t, "c/d c/e f", r.names(ListOptions{After: page.Next}), "RULE list: after a deleted name")
	page, err = r.List(t.Context(), ListOptions{Max: 2, Delimiter: "/"})
	require.NoError(t, err)
	require.Equal(t, "c/", page.Next)
	for _, name := range []string{"c/d", "c/e"} {
		_, err = r.Delete(t.Context(), name, nil)
		require.NoError(t, err)
	}
	require.Equal(t, "f", r.names(ListOptions{After: page.Next, Delimiter: "/"}), "RULE list: after a deleted prefix")

	// A page that ends with the last entry does not promise another one.
	page, err = r.List(t.Context(), ListOptions{Max: 2})
	require.NoError(t, err)
	require.False(t, page.More, "RULE list: a full last page")
	r.put("g/h", 10, &PutOptions{Versioned: true})
	_, err = r.Delete(t.Context(), "g/h", &DeleteOptions{Versioned: true})
	require.NoError(t, err)
	for _, delimiter := range []string{"", "/"} {
		page, err = r.List(t.Context(), ListOptions{Max: 2, Delimiter: delimiter})
		require.NoError(t, err)
		require.Empty(t, page.Prefixes, "RULE list: a prefix of deleted objects")
		require.False(t, page.More, "RULE list: only deleted objects follow")
	}
}

func TestListVersionsPagesThroughOneName(t *testing.T) {
	r := newCabinet(t, 4, 2)
	var want []string
	for range 3 {
		want = append([]string{"b " + r.put("b", 10, &PutOptions{Versioned: true}).VersionID}, want...)
	}
	r.put("b", 12, nil)
	r.put("b", 11, nil) // replaces the null version
	marker, err := r.Delete(t.Context(), "b", &DeleteOptions{Versioned: true})
	require.NoError(t, err)
	want = append([]string{"b marker " + marker.VersionID, "b "}, want...)
	want = append([]string{"a "}, want...)
	r.put("a", 10, nil)
	r.put("c", 10, nil)
	want = append(want, "c ")
	list := func(o ListOptions) (got []string) {
		for {
			page, err := r.ListVersions(t.Context(), o)
			require.NoError(t, err)
			for _, info := range page.Objects {
				line := info.Name + " "
				if info.DeleteMarker {
					line += "marker "
				}
				got = append(got, line+info.VersionID)
				newest := len(got) == 1 || !strings.HasPrefix(got[len(got)-2], info.Name+" ")
				require.Equal(t, newest, info.Latest, "RULE list: %s", line)
			}
			if !page.More {
				return got
			}
			o.After, o.AfterVersion = page.Next, page.NextVersion
		}
	}
	for size := range 10 {
		require.Equal(t, want, list(ListOptions{Max: size}), "RULE list: versions in pages of %d", size)
	}

	// The version that a page ended with is deleted.
	page, err := r.ListVersions(t.Context(), ListOptions{Max: 4})
	require.NoError(t, err)
	last := page.Objects[3]
	_, err = r.Delete(t.Context(), "b", &DeleteOptions{VersionID: last.VersionID})
	require.NoError(t, err)
	behind := func(o ListOptions) (got []string) {
		page, err := r.ListVersions(t.Context(), o)
		require.NoError(t, err)
		for _, info := range page.Objects {
			got = append(got, info.Name+" "+info.VersionID)
		}
		return got
	}
	require.Equal(t, want[4:], behind(ListOptions{After: page.Next, AfterVersion: page.NextVersion}), "RULE list: after a deleted version")
	require.Equal(t, want[5:], behind(ListOptions{After: "b", AfterVersion: want[4][2:]}), "by its ID")
	_, err = r.ListVersions(t.Context(), ListOptions{After: "b", AfterVersion: last.VersionID})
	require.ErrorIs(t, err, ErrNotFound, "an ID does not say where it was")
	require.Empty(t, behind(ListOptions{After: "c", AfterVersion: "null"}))
}

// TestListShowsWhatGetWouldFind: a version on too few drives is not there, one on
// too few for its quorum is brought to it, and then told of.
func TestListShowsWhatGetWouldFind(t *testing.T) {
	r := newCabinet(t, 4, 2)
	for _, name := range []string{"once", "twice"} {
		r.put(name, 100, nil)
	}
	strip := func(name string, places ...int) {
		for _, i := range places {
			for _, f := range r.files(i, name) {
				r.lose(i, name, f)
			}
		}
	}
	strip("once", 0, 1, 3)
	strip("twice", 0, 3)
	require.Equal(t, "twice", r.names(ListOptions{}), "RULE E3: what was never acknowledged is listed")
	require.Empty(t, r.files(2, "once"), "RULE E3: it was told that it is not there, and it may be again")
	held := 0
	for i := range 4 {
		held += len(r.files(i, "twice")) / 2
	}
	require.GreaterOrEqual(t, held, 3, "RULE E4: it was listed, and may not be there later")
}

func TestListNeedsAQuorum(t *testing.T) {
	r := newCabinet(t, 4, 2)
	r.put("a/b", 100, nil)
	for _, i := range []int{0, 1} {
		r.disks[i].Inject(vfs.Fault{Kind: vfs.OpList, Err: vfs.ErrIO, Sticky: true})
	}
	require.Equal(t, "a/b", r.names(ListOptions{}))
	r.disks[2].Inject(vfs.Fault{Kind: vfs.OpList, Err: vfs.ErrIO, Sticky: true})
	_, err := r.List(t.Context(), ListOptions{})
	require.ErrorIs(t, err, ErrReadQuorum)
}

// TestAWalkLooksOnlyWhereItMust counts the directories that are listed.
func TestAWalkLooksOnlyWhereItMust(t *testing.T) {
	r := newCabinet(t, 4, 2)
	for i := range 10 {
		for j := range 10 {
			r.put(fmt.Sprintf("p%d/q%d/x", i, j), 10, nil)
		}
	}
	looks := func(o ListOptions) map[string]bool {
		seen := map[string]bool{}
		r.disks[0].ClearFaults()
		r.disks[0].Inject(vfs.Fault{Kind: vfs.OpList, Sticky: true, Match: func(op vfs.Op) bool {
			seen[strings.TrimPrefix(op.Name, "d0/objects")] = true
			return false
		}})
		_, err := r.List(t.Context(), o)
		require.NoError(t, err)
		return seen
	}
	require.Len(t, looks(ListOptions{}), 1+10+100+100, "RULE list: the whole tree")
	require.Len(t, looks(ListOptions{Prefix: "p3/q4/"}), 1+1, "RULE list: a prefix is gone to at once")
	require.LessOrEqual(t, len(looks(ListOptions{Prefix: "p3/q"})), 1+10+10)
	require.LessOrEqual(t, len(looks(ListOptions{After: "p8/q8/x"})), 1+2+1+1+1+10+10+1, "RULE list: what lies before is passed over")
	require.LessOrEqual(t, len(looks(ListOptions{Delimiter: "/"})), 1+10+10+10, "RULE list: one object is enough for a prefix")
	require.LessOrEqual(t, len(looks(ListOptions{Max: 1})), 10, "RULE list: a page ends the walk")
}

// TestListAgreesWithAModel lists random names with random options.
func TestListAgreesWithAModel(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 7))
		r := newCabinet(t, 2, 1)
		model := map[string]bool{}
		name := func() string {
			s := ""
			for range 1 + rng.IntN(4) {
				s += string("ab-/B."[rng.IntN(6)])
			}
			return s
		}
		for range 60 {
			n := name()
			if checkName(n) != nil {
				continue
			}
			if rng.IntN(4) == 0 {
				_, err := r.Delete(t.Context(), n, nil)
				require.NoError(t, err)
				delete(model, n)
				continue
			}
			r.put(n, 5, nil)
			model[n] = true
		}
		for range 60 {
			o := ListOptions{Max: 1 + rng.IntN(5)}
			if rng.IntN(2) == 0 {
				o.Prefix = name()[:1]
			}
			if rng.IntN(2) == 0 {
				o.Delimiter = []string{"/", "-", "b", "a/"}[rng.IntN(4)]
			}
			if rng.IntN(2) == 0 {
				o.After = name()
			}
			require.Equal(t, modelList(model, o), r.names(o), "RULE list: seed %d, %+v", seed, o)
		}
	}
}

func modelList(model map[string]bool, o ListOptions) string {
	entries := map[string]bool{}
	for name := range model {
		rest, ok := strings.CutPrefix(name, o.Prefix)
		if !ok || name <= o.After {
			continue
		}
		if i := strings.Index(rest, o.Delimiter); o.Delimiter != "" && i >= 0 {
			name = name[:len(o.Prefix)+i+len(o.Delimiter)]
			if name == o.After {
				continue // After is a prefix: all that it stands for is behind
			}
		}
		entries[name] = true
	}
	var all []string
	for e := range entries {
		all = append(all, e)
	}
	sort.Strings(all)
	return strings.Join(all, " ")
}
