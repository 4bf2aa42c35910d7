package erasure

import (
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheTableOfVerdicts reads tables like those above judge: a row for each
// number of holders, from all down to none, a column for each of silent drives.
func TestTheTableOfVerdicts(t *testing.T) {
	letters := map[verdict]string{settled: "s", unfinished: "u", never: "n", unknown: "?"}
	for g, table := range map[geometry]string{
		{1, 0}: "s | n ?",
		{1, 1}: "s | u u | n n ?",
		{2, 1}: "s | s s | n ? ? | n n ? ?",
		{2, 2}: "s | s s | u u u | n n ? ? | n n n ? ?",
		{6, 2}: "s | s s | s s s | n ? ? ? | n n ? ? ? | n n n ? ? ? | n n n n ? ? ? | n n n n n ? ? ? | n n n n n n ? ? ?",
	} {
		for i, row := range strings.Split(table, " | ") {
			holding := g.shards() - i
			for silent, want := range strings.Fields(row) {
				require.Equal(t, want, letters[judge(g, holding, silent)],
					"RULE E4: %d + %d, %d hold it, %d are silent", g.data, g.parity, holding, silent)
			}
		}
	}
}

// A stateOfDrives is which drives hold a version.
type stateOfDrives uint

// lookAt judges as the drives that are not silent say, and does what the verdict
// asks for: what is unfinished is brought to the write quorum, as far as there are
// drives, what never was is removed.
func (holders stateOfDrives) lookAt(g geometry, silent stateOfDrives) (verdict, stateOfDrives) {
	v := judge(g, bits.OnesCount(uint(holders&^silent)), bits.OnesCount(uint(silent)))
	switch v {
	case never:
		holders &= silent
	case unfinished:
		for i := range g.shards() {
			if one := stateOfDrives(1) << i; silent&one == 0 && bits.OnesCount(uint(holders&^silent)) < g.writeQuorum() {
				holders |= one
			}
		}
	}
	return v, holders
}

// TestTwoLooksAgree tries all states that a cut may leave, and all pairs of silent
// drives at two later times.
func TestTwoLooksAgree(t *testing.T) {
	for _, g := range []geometry{{1, 1}, {2, 1}, {2, 2}, {3, 2}, {4, 1}, {4, 2}, {3, 3}} {
		// Half of the drives can read when there is as much parity as data, and two
		// halves do not overlap: see the essay.
		away := g.parity
		if g.data == g.parity {
			away--
		}
		all := stateOfDrives(1) << g.shards()
		for holders := range all {
			for silent := range all {
				first, after := holders.lookAt(g, silent)
				missed := g.shards() - bits.OnesCount(uint(holders))
				if bits.OnesCount(uint(holders)) >= g.writeQuorum() {
					require.NotEqual(t, never, first, "RULE E1: %d + %d, acknowledged on %b, without %b", g.data, g.parity, holders, silent)
					if missed+bits.OnesCount(uint(silent&holders)) <= g.parity && silent&^holders == 0 {
						require.Contains(t, []verdict{settled, unfinished}, first,
							"RULE E1: %d + %d, acknowledged on %b, without %b", g.data, g.parity, holders, silent)
					}
				}
				if bits.OnesCount(uint(silent)) > away || first == unknown {
					continue
				}
				for later := range all {
					second, _ := after.lookAt(g, later)
					if bits.OnesCount(uint(later)) > away || second == unknown {
						continue
					}
					require.Equal(t, first == never, second == never,
						"RULE E4: %d + %d, held by %b: %s without %b, then %s without %b", g.data, g.parity, holders, first, silent, second, later)
				}
			}
		}
	}
}

// TestWhatIsDeletedCannotBeRead removes an acknowledged version from each write
// quorum of drives.
func TestWhatIsDeletedCannotBeRead(t *testing.T) {
	for data := 1; data <= 8; data++ {
		for parity := 0; parity <= data; parity++ {
			g := geometry{data, parity}
			left := g.shards() - g.writeQuorum()
			require.Less(t, left, g.data, "RULE E5: %d + %d", data, parity)
			for lost := range g.parity - left + 1 {
				require.NotContains(t, []verdict{settled, unfinished}, judge(g, left, lost), "RULE E5: %d + %d", data, parity)
			}
			require.Equal(t, never, judge(g, left, 0), "RULE E5: %d + %d", data, parity)
			require.Greater(t, 2*g.writeQuorum(), g.shards(), "RULE E4: %d + %d: two write quorums share a drive", data, parity)
			require.GreaterOrEqual(t, g.writeQuorum(), majority(g.shards()), fmt.Sprint(g))
		}
	}
}
