package lsmtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/internal/vfs"
)

func TestReferenceKeepsEveryRule(t *testing.T) { Run(t, referenceImpl("")) }

// brokenStores names, for each bug of the reference, the rules that must find it.
var brokenStores = map[string][]string{
	"first-put-wins":              {"read-own-writes"},
	"empty-is-missing":            {"empty-value"},
	"c-strings":                   {"odd-keys"},
	"keeps-the-buffer":            {"buffers"},
	"batch-backwards":             {"batch-order"},
	"batch-cut":                   {"batch-large"},
	"long-values-cut":             {"values-large"},
	"oldest-first":                {"newest-wins"},
	"compaction-wakes-the-dead":   {"deleted-stays-deleted"},
	"open-forgets":                {"reopen-keeps"},
	"closes-once":                 {"closed"},
	"closed-goes-on":              {"closed"},
	"unsorted":                    {"scan-order"},
	"upper-included":              {"scan-bounds"},
	"seek-after":                  {"seek"},
	"iterator-is-live":            {"iterator-stands-still"},
	"batch-in-pieces":             {"batch-visible-whole"},
	"second-set-keeps-deleted":    {"metamorphic"},
	"empty-key-ignored":           {"empty-key"},
	"last-but-one":                {"reverse-order"},
	"seek-lt-equal":               {"seek-lt"},
	"no-way-back":                 {"turns"},
	"prev-is-live":                {"turns-over-versions"},
	"snapshot-is-live":            {"snapshot-stands-still"},
	"compaction-moves-snapshots":  {"snapshot-outlives-compaction"},
	"compaction-breaks-iterators": {"snapshot-and-iterator"},
	"compaction-loses":            {"compaction-changes-nothing"},
	"many-flushes-lose":           {"levels"},
	"range-with-its-end":          {"range-delete"},
	"range-of-memory-only":        {"range-delete-levels"},
	"range-of-hundred":            {"range-delete-cut"},
	"range-in-snapshots":          {"range-delete-snapshot"},
	"prev-shows-ghosts":           {"range-delete-iterator"},
	"operands-backwards":          {"merge"},
	"compaction-doubles-operands": {"merge-levels"},
	"snapshot-sees-new-operands":  {"merge-snapshot"},
	"range-keeps-operands":        {"merge-range-delete"},
	"ttl-for-ever":                {"ttl"},
	"expired-uncovers":            {"ttl-hides"},
	"put-keeps-ttl":               {"ttl-overwritten"},
	"operands-expire":             {"ttl-merge"},
	"checkpoint-behind":           {"checkpoint"},
	"no-empty-checkpoint":         {"checkpoint-of-nothing"},
	"false-alarm":                 {"verify"},
	"read-only-writes":            {"read-only"},
	"lock-without-name":           {"one-owner"},
	"never-syncs":                 {"power-cut", "power-cut-random"},
	"open-rewrites":               {"power-cut-in-recovery"},
	"buffered-until-sync":         {"killed", "kill-9"},
	"full-disk-is-the-end":        {"full-disk-once"},
	"open-writes-a-file":          {"full-disk"},
	"failure-not-told":            {"failed-sync"},
	"failure-forgotten":           {"failed-write"},
	"damage-is-the-end":           {"damage"},
}

func TestEveryRuleHasABrokenStoreThatFailsIt(t *testing.T) {
	rules := map[string]Rule{}
	for _, r := range Rules() {
		require.NotContains(t, rules, r.ID, "two rules of one name")
		rules[r.ID] = r
		require.NotEmpty(t, r.Text)
		require.NotEmpty(t, r.Source)
		require.True(t, (r.log == "") != (r.tell == nil), r.ID)
	}
	failed := map[string]bool{}
	for bug, ids := range brokenStores {
		for _, id := range ids {
			r, ok := rules[id]
			require.True(t, ok, id)
			failed[id] = true
			if r.Capability == "Kill" {
				continue // TestKillFindsWhatIsOnlyInMemory
			}
			t.Run(bug+"/"+id, func(t *testing.T) {
				err := r.check(referenceImpl(bug), "")
				require.ErrorContains(t, err, "RULE "+id+": ")
			})
		}
	}
	for id := range rules {
		require.True(t, failed[id], "no broken store fails %s", id)
	}
}

func TestKillFindsWhatIsOnlyInMemory(t *testing.T) {
	impl := referenceImpl("buffered-until-sync")
	if isVictim() {
		beVictim(t, impl)
		return
	}
	err := killRules()[0].check(impl, t.Name())
	require.ErrorContains(t, err, "RULE kill-9: ")
}

// A store that does nothing breaks no promise, and must keep no rule.
func TestKitPassesNoStoreThatDoesNothing(t *testing.T) {
	impl := referenceImpl("")
	impl.Open = func(Options) (Store, error) { return nothing{}, nil }
	for _, r := range Grade(impl) {
		require.Error(t, r.Err, r.Rule.ID)
	}
}

type nothing struct{}

func (nothing) Get([]byte) ([]byte, error)            { return nil, ErrNotFound }
func (nothing) NewIter(_, _ []byte) (Iterator, error) { return nothing{}, nil }
func (nothing) Apply([]Op, bool) error                { return nil }
func (nothing) Close() error                          { return nil }
func (nothing) First() bool                           { return false }
func (nothing) Last() bool                            { return false }
func (nothing) Next() bool                            { return false }
func (nothing) Prev() bool                            { return false }
func (nothing) SeekGE([]byte) bool                    { return false }
func (nothing) SeekLT([]byte) bool                    { return false }
func (nothing) Key() []byte                           { return nil }
func (nothing) Value() []byte                         { return nil }
func (nothing) Err() error                            { return nil }
func (nothing) Snapshot() (Snapshot, error)           { return nothing{}, nil }
func (nothing) Flush() error                          { return nil }
func (nothing) Compact() error                        { return nil }
func (nothing) Checkpoint(string) error               { return nil }
func (nothing) Verify() error                         { return nil }

func TestClaimsThatCannotBeAreRefused(t *testing.T) {
	for _, change := range []func(*Implementation){
		func(i *Implementation) { i.Open = nil },
		func(i *Implementation) { i.Damage = nil },
		func(i *Implementation) { i.Claims.Memory = false },
	} {
		impl := referenceImpl("")
		require.NoError(t, impl.check())
		change(&impl)
		require.Error(t, impl.check())
		require.Panics(t, func() { Grade(impl) })
	}
}

// What is claimed must be there.
func TestClaimWithoutItsMethodsFails(t *testing.T) {
	impl := referenceImpl("")
	impl.Open = func(o Options) (Store, error) {
		s, err := openReference(o, "")
		return bare{s}, err
	}
	var failed []string
	for _, r := range Rules() {
		if r.Capability == "Snapshots" || r.Capability == "Maintenance" || r.Capability == "Reverse" || r.Capability == "Checkpoint" {
			if err := r.check(impl, ""); err != nil && strings.Contains(err.Error(), "is claimed") {
				failed = append(failed, r.Capability)
			}
		}
	}
	require.Subset(t, failed, []string{"Snapshots", "Maintenance", "Reverse", "Checkpoint"})
}

// bare is a store with the required methods only.
type bare struct{ s *reference }

func (b bare) Get(k []byte) ([]byte, error)    { return b.s.Get(k) }
func (b bare) Apply(ops []Op, sync bool) error { return b.s.Apply(ops, sync) }
func (b bare) Close() error                    { return b.s.Close() }
func (b bare) NewIter(l, u []byte) (Iterator, error) {
	it, err := b.s.NewIter(l, u)
	return struct{ Iterator }{it}, err
}

// An implementation that claims nothing is graded by the required rules, all of
// them, on real files.
func TestKitGradesOnlyWhatIsClaimed(t *testing.T) {
	impl := Implementation{Name: "modest", Runs: Runs{Logs: 2},
		Open: func(o Options) (Store, error) {
			require.Nil(t, o.FS)
			s, err := openReference(o, "")
			return bare{s}, err
		}}
	Run(t, impl)
	var graded, required []string
	for _, r := range Grade(impl) {
		require.NoError(t, r.Err)
		graded = append(graded, r.Rule.ID)
	}
	for _, r := range Rules() {
		if r.Capability == "" {
			required = append(required, r.ID)
		}
	}
	require.Equal(t, required, graded)
}

func TestLogsAreReadAsTheyAreWritten(t *testing.T) {
	claims := referenceImpl("").Claims
	for seed := range uint64(20) {
		l := generate(seed, claims, 300, seed%2 == 1)
		again, err := ParseLog(l.String())
		require.NoError(t, err)
		require.Equal(t, l.String(), again.String())
		for i := range l {
			require.Equal(t, l[i].key, again[i].key)
			require.Equal(t, l[i].ops, again[i].ops)
		}
	}
	for _, bad := range []string{"put", "put a", "put a 1 2", "nonsense", `put "a 1`, "move i up", "clock soon", "get", "put a v*x", "batch put a 1,", "scan a"} {
		_, err := ParseLog(bad)
		require.Error(t, err, bad)
	}
}

func FuzzParseLog(f *testing.F) {
	f.Add(generate(1, referenceImpl("").Claims, 100, false).String())
	f.Add("sync batch put \"\\x00\" v*30, del -, ttl a \"\" 3s\nin s scan - \"-\"\n# x\nmove i ge k*50")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "*") && len(text) > 200 {
			return // long values take long
		}
		l, err := ParseLog(text)
		if err != nil {
			return
		}
		again, err := ParseLog(l.String())
		require.NoError(t, err, l.String())
		require.Equal(t, l.String(), again.String())
	})
}

// A failure comes with a log that is short, and that fails when it is replayed.
func TestFailureIsMinimisedAndReplayed(t *testing.T) {
	impl := referenceImpl("second-set-keeps-deleted")
	var err error
	for _, r := range metamorphicRules() {
		err = r.check(impl, "")
	}
	require.ErrorContains(t, err, `option set "second"`)
	_, text, ok := strings.Cut(err.Error(), "Replay(impl, \"second\", `\n")
	require.True(t, ok)
	text, _, _ = strings.Cut(text, "`)")
	l, err := ParseLog(text)
	require.NoError(t, err)
	require.LessOrEqual(t, len(l), 3, text)
	require.ErrorContains(t, Replay(impl, "second", text), "RULE metamorphic: ")
	require.NoError(t, Replay(impl, "default", text))
	require.ErrorContains(t, Replay(impl, "seventh", text), "no option set")
}

func TestWorkloadsAreEnumerated(t *testing.T) {
	seen, n := map[string]bool{}, len(letters(Capabilities{}))
	workloads(Capabilities{}, func(l Log) bool {
		require.False(t, seen[l.String()], l)
		seen[l.String()] = true
		return len(seen) < 1+n*n+n*n*n
	})
	require.Len(t, seen, 1+n*n+n*n*n)
}

func TestEachOptionSetIsUsedBySomeRule(t *testing.T) {
	var impl Implementation
	for i := range 24 {
		impl.Sets = append(impl.Sets, Set{Name: string(rune('a' + i))})
	}
	used := map[string]int{}
	for _, r := range Rules() {
		sets := impl.sets(r.ID)
		require.Len(t, sets, 4)
		require.Equal(t, "a", sets[0].Name)
		for _, s := range sets {
			used[s.Name]++
		}
		require.Equal(t, 4, len(slices.Compact(slices.SortedFunc(slices.Values(sets), func(a, b Set) int { return strings.Compare(a.Name, b.Name) }))))
	}
	require.Len(t, used, len(impl.Sets))
}

func TestModel(t *testing.T) {
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	op := func(line string) []Op { return mustParse(line)[0].ops }
	st := state{}
	st = st.apply(op("batch put a 1, merge a 2, put b 1, ttl c 1 5s, put d 1"), at(0))
	after := st.apply(op("batch merge c 2, delrange b d, merge b 3"), at(1))
	require.Equal(t, []pair{{"a", "1+2"}, {"b", "1"}, {"c", "1"}, {"d", "1"}}, st.pairs(nil, nil, at(2)), "a state is not changed")
	require.Equal(t, []pair{{"a", "1+2"}, {"b", "+3"}, {"d", "1"}}, after.pairs(nil, nil, at(2)))
	require.Equal(t, []pair{{"a", "1+2"}, {"b", "1"}, {"d", "1"}}, st.pairs(nil, nil, at(6)))
	require.Equal(t, []pair{{"b", "1"}}, st.pairs([]byte("b"), []byte("c"), at(0)))
	c := cursor{st.pairs(nil, nil, at(0)), -1}
	for _, m := range []struct {
		how, key string
		on       bool
		at       int
	}{{"first", "", true, 0}, {"prev", "", false, -1}, {"prev", "", false, -1}, {"next", "", true, 0}, {"last", "", true, 3}, {"next", "", false, 4},
		{"next", "", false, 4}, {"prev", "", true, 3}, {"ge", "bb", true, 2}, {"lt", "bb", true, 1}, {"lt", "a", false, -1}, {"ge", "e", false, 4}} {
		require.Equal(t, m.on, c.move(m.how, []byte(m.key)), m)
		require.Equal(t, m.at, c.at, m)
	}
	require.NoError(t, compare([]pair{{"b", "1"}}, st.pairs(nil, nil, at(0)), true))
	require.ErrorContains(t, compare([]pair{{"b", "1"}}, st.pairs(nil, nil, at(0)), false), "a is missing")
	require.ErrorContains(t, compare([]pair{{"b", "2"}}, st.pairs(nil, nil, at(0)), true), "b is 2 instead of 1")
	require.ErrorContains(t, compare([]pair{{"bb", "2"}}, st.pairs(nil, nil, at(0)), true), "bb is out of place")
}

// TestRoomAgainIsForGood: an operation that was on its way to the observer when the
// room came back does not take it again.
func TestRoomAgainIsForGood(t *testing.T) {
	p := newPlayer(&Implementation{}, Set{}, NewMemFS(), "db")
	p.fillAt(1)
	p.full.roomAgain()
	p.full.see(vfs.Op{Kind: vfs.OpWrite})
	f, err := p.fs.Create("file")
	require.NoError(t, err)
	_, err = f.WriteAt(make([]byte, 1000), 0)
	require.NoError(t, err)
}
