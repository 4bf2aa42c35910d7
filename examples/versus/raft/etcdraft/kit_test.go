package etcdraft

import (
	"testing"
	"testing/cryptotest"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/raft"
	"github.com/flagship-go/flagship/raft/rafttest"
)

func newCore(cfg raft.Config, st raft.State) (rafttest.Core, error) { return New(cfg, st) }

// deviations are the rules of Strict, which etcd does not claim, with the reason why not: each is
// what its code does on purpose or has always done, and costs no safety. Strict is graded all the
// same: whatever else fails is an error of the kit, or of the adapter; so is a rule of this list
// that etcd keeps.
var deviations = map[string]string{
	"prevote-counted-once": "a granted pre-vote is counted by its type alone (raft.go, stepCandidate); " +
		"one that belongs to an older question may raise the term in vain",
	"uncommitted-counted-anew": "a new leader counts what is uncommitted from zero (raft.go, reset); " +
		"the bound is kept for what it takes itself, and its comment says that it may underestimate",
	"follower-read-refused": "a follower passes a read on to whom it follows, or drops it (raft.go, stepFollower); " +
		"the asker has to ask again by itself",
}

// Not claimed, beside what etcd has not at all (LogProbes, LeaseReads, Priority,
// and Membership, which is not translated): Figure2, because a request of an older
// term is dropped without an answer (raft.go, Step, "ignore other cases") and every
// new term restarts the election timer (reset), which PreVote makes harmless;
// SharedReads, because each ReadIndex sends a round of heartbeats of its own
// (sendMsgReadIndexResponse), and sharing is the caller's, as in etcd's server.
func TestEtcdKeepsTheRulesThatItClaims(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1) // etcd draws its timeouts from crypto/rand
	results := rafttest.Grade(rafttest.Implementation{
		Name: "etcd", NewCore: newCore,
		Claims: rafttest.Capabilities{
			NoOp: true, PreVote: true, CheckQuorum: true, FastBackup: true, Pipeline: true, Bounds: true,
			Snapshots: true, ReadIndex: true, FollowerReads: true, Transfer: true, Strict: true,
		},
	})
	require.Greater(t, len(results), 60)
	seen := map[string]bool{}
	for _, r := range results {
		seen[r.Rule.ID] = true
		t.Run(r.Rule.ID, func(t *testing.T) {
			if why, ok := deviations[r.Rule.ID]; ok {
				require.Equal(t, "Strict", r.Rule.With)
				require.ErrorContains(t, r.Err, "RULE "+r.Rule.ID+": ", "etcd keeps this rule now: take it from the list")
				t.Logf("deviates: %s: %v", why, r.Err)
				return
			}
			require.NoError(t, r.Err)
		})
	}
	for id := range deviations {
		require.True(t, seen[id], "the kit has no rule %s any more", id)
	}
}
