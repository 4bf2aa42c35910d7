package httpapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/examples/kv/httpapi"
	"github.com/flagship-go/flagship/examples/kv/service"
	"github.com/flagship-go/flagship/examples/kv/store"
	"github.com/flagship-go/flagship/examples/kv/store/ondisk"
	"github.com/flagship-go/flagship/lsm"
	"github.com/flagship-go/flagship/lsm/lsmtest"
	"github.com/flagship-go/flagship/raft"
)

// A member that lost its disk for good is replaced: removed, a fresh one added
// as learner under a new ID, promoted when it has caught up.
func TestMemberIsReplacedByALearnerThatIsPromoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		for range 20 {
			c.ok(c.leader(), "/v3/kv/put", `{"key":"YQ=="}`)
		}
		lost := c.follower()
		c.stop(lost, false)
		n := c.follower()
		list := c.ok(n, "/v3/cluster/member/remove", `{"ID":"`+decimal(lost.id)+`"}`)
		require.NotContains(t, list, lost.id.String())

		var added struct {
			Member struct {
				ID        uint64 `json:",string"`
				IsLearner bool
			}
		}
		require.NoError(t, json.Unmarshal([]byte(c.ok(n, "/v3/cluster/member/add", `{"peerURLs":["http://new:2380"],"isLearner":true}`)), &added))
		require.True(t, added.Member.IsLearner)
		id := decimal(added.Member.ID)
		status, answer := c.post(n, "/v3/cluster/member/promote", `{"ID":"`+id+`"}`)
		require.Equal(t, 400, status)
		require.Contains(t, answer, "can only promote a learner member which is in sync with leader")
		status, answer = c.post(n, "/v3/cluster/member/add", `{"peerURLs":["http://other:2380"],"isLearner":true}`)
		require.Equal(t, 400, status)
		require.Contains(t, answer, "too many learner members")

		fresh := &node{id: raft.NodeID(added.Member.ID), storage: &raft.MemStorage{}}
		c.nodes = append(c.nodes, fresh)
		c.start(fresh, 0)
		time.Sleep(3 * time.Second)
		status, answer = c.post(fresh, "/v3/kv/range", `{"key":"YQ=="}`)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, answer, "rpc not supported for learner")
		require.Contains(t, c.ok(fresh, "/v3/kv/range", `{"key":"YQ==","serializable":true}`), `"version":"20"`)
		require.Contains(t, c.ok(fresh, "/v3/maintenance/status", `{}`), `"isLearner":true`)
		list = c.ok(n, "/v3/cluster/member/promote", `{"ID":"`+id+`"}`)
		require.NotContains(t, list, "isLearner")
		require.Contains(t, c.ok(fresh, "/v3/kv/range", `{"key":"YQ=="}`), `"version":"20"`, "at once it serves like any other")
		require.Contains(t, list, `"name":"`+fresh.id.String()+`"`, "it published its name")

		// The new voter counts: with it, one of the old may fail.
		c.stop(c.leader(), false)
		c.leader()
		c.ok(fresh, "/v3/kv/put", `{"key":"YQ=="}`)
	})
}

func TestRemovedMemberStopsAndSoDoesOneThatWasNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		leader := c.leader()
		c.ok(c.follower(), "/v3/cluster/member/remove", `{"ID":"`+decimal(leader.id)+`"}`)
		time.Sleep(10 * time.Second)
		require.ErrorIs(t, leader.member.Err(), service.ErrRemoved)
		status, _ := c.get(leader, "/livez")
		require.Equal(t, http.StatusServiceUnavailable, status)
		n := c.leader()
		require.NotEqual(t, leader, n)
		c.ok(n, "/v3/kv/put", `{"key":"YQ=="}`)
	})
}

func TestLeadershipIsHandedOverOnlyByTheLeaderToAVoter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		leader, f := c.leader(), c.follower()
		to := `{"targetID":"` + decimal(f.id) + `"}`
		_, answer := c.post(f, "/v3/maintenance/transfer-leadership", to)
		require.Contains(t, answer, "etcdserver: not leader")
		_, answer = c.post(leader, "/v3/maintenance/transfer-leadership", `{"targetID":"9"}`)
		require.Contains(t, answer, "etcdserver: bad leader transferee")
		c.ok(leader, "/v3/maintenance/transfer-leadership", to)
		require.Equal(t, f, c.leader())
	})
}

func TestSnapshotStreamsTheStateWithItsChecksum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, nil)
		n := c.leader()
		c.ok(n, "/v3/kv/put", `{"key":"YQ==","value":"`+strings.Repeat("AAAA", 30_000)+`"}`)
		s := c.stream(n, "/v3/maintenance/snapshot", "{}")
		defer s.close()
		var all bytes.Buffer
		for left := uint64(1); left > 0; {
			var r struct {
				Remaining uint64 `json:"remaining_bytes,string"`
				Blob      []byte
			}
			require.NoError(t, json.Unmarshal([]byte(s.next()), &r))
			all.Write(r.Blob)
			left = r.Remaining
		}
		state, sum := all.Bytes()[:all.Len()-sha256.Size], all.Bytes()[all.Len()-sha256.Size:]
		want := sha256.Sum256(state)
		rule(t, "H8", bytes.Equal(want[:], sum), "behind the state comes %x, and its checksum is %x", sum, want)
		copied := store.New(store.Options{})
		require.NoError(t, copied.Restore(bytes.NewReader(state)))
		r, err := copied.Range(&store.RangeRequest{Key: []byte("a")})
		require.NoError(t, err)
		require.Len(t, r.KVs[0].Value, 90_000)
	})
}

// One member whose state differs from the others' is found by its hash, and
// the cluster refuses to go on writing.
func TestMemberThatDiffersRaisesCorrupt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, func(o *service.Options, _ *httpapi.Options) { o.CheckEvery = time.Minute })
		c.ok(c.leader(), "/v3/kv/put", `{"key":"YQ=="}`)
		hash := func(n *node) string {
			c.ok(n, "/v3/kv/range", `{"key":"YQ=="}`) // has caught up
			return c.ok(n, "/v3/maintenance/hash", `{}`)
		}
		require.Equal(t, hash(c.leader()), hash(c.follower()))
		time.Sleep(2 * time.Minute)
		require.JSONEq(t, `{}`, c.ok(c.leader(), "/v3/maintenance/alarm", `{}`), "no false alarm")

		// A follower's storage is changed behind its back, as no storage with
		// checksums would let pass.
		f := c.follower()
		c.stop(f, false)
		st, err := f.storage.Load()
		require.NoError(t, err)
		for i := range st.Entries {
			st.Entries[i].Data = bytes.Replace(st.Entries[i].Data, []byte("a"), []byte("b"), 1)
		}
		require.NoError(t, f.storage.Save(st.HardState, st.Entries, true))
		c.start(f, 3)
		time.Sleep(2 * time.Minute)
		require.Contains(t, c.ok(c.leader(), "/v3/maintenance/alarm", `{}`), `{"memberID":"`+decimal(f.id)+`","alarm":"CORRUPT"}`)
		status, answer := c.post(c.leader(), "/v3/kv/put", `{"key":"YQ=="}`)
		require.Equal(t, 500, status)
		require.Contains(t, answer, `"etcdserver: corrupt cluster","code":15`)
	})
}

// A disk that is full stops its member, and nobody else.
func TestMemberWhoseDiskFailsStopsAndTheOthersServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := &fullDisk{}
		c := start(t, 3, func(o *service.Options, _ *httpapi.Options) {
			if o.Raft.ID == 1 {
				full.Storage = o.Raft.Storage
				o.Raft.Storage = full
			}
		})
		c.ok(c.leader(), "/v3/kv/put", `{"key":"YQ=="}`)
		full.full.Store(true)
		for range 5 {
			c.post(c.nodes[1], "/v3/kv/put", `{"key":"YQ=="}`)
			time.Sleep(time.Second)
		}
		require.ErrorIs(t, c.nodes[0].member.Err(), raft.ErrStorage)
		status, answer := c.post(c.nodes[0], "/v3/kv/put", `{"key":"YQ=="}`)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, answer, "etcdserver: server stopped")
		c.ok(c.nodes[1], "/v3/kv/put", `{"key":"YQ=="}`)
		c.ok(c.nodes[2], "/v3/kv/range", `{"key":"YQ=="}`)
	})
}

type fullDisk struct {
	raft.Storage
	full atomic.Bool
}

func (d *fullDisk) Save(hs raft.HardState, entries []raft.Entry, sync bool) error {
	if d.full.Load() && len(entries) > 0 {
		return errors.New("no space left on device")
	}
	return d.Storage.Save(hs, entries, sync)
}

func TestProbesTellWhetherAMemberCanServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 3, nil)
		c.leader()
		n := c.nodes[0]
		status, answer := c.get(n, "/health")
		require.Equal(t, 200, status)
		require.JSONEq(t, `{"health":"true","reason":""}`, answer)
		status, _ = c.get(n, "/readyz")
		require.Equal(t, 200, status)
		_, answer = c.get(n, "/metrics")
		require.Contains(t, answer, "# TYPE etcd_server_has_leader gauge\netcd_server_has_leader 1\n")

		c.stop(c.nodes[1], false)
		c.stop(c.nodes[2], false)
		time.Sleep(5 * time.Second)
		status, answer = c.get(n, "/health")
		rule(t, "H7", status == http.StatusServiceUnavailable && answer == `{"health":"false","reason":"RAFT NO LEADER"}`, "without a majority: %s", answer)
		status, _ = c.get(n, "/readyz")
		rule(t, "H7", status == http.StatusServiceUnavailable, "ready without a majority: %d", status)
		status, _ = c.get(n, "/livez")
		require.Equal(t, 200, status, "restarting it would not help")
		status, _ = c.get(n, "/health?serializable=true")
		require.Equal(t, 200, status)
		status, answer = c.post(n, "/v3/kv/put", `{"key":"YQ=="}`)
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Contains(t, answer, `"etcdserver: request timed out","code":14`)
	})
}

// With its store on a disk a member counts what is there, and says so.
func TestStatusAndMetricsTellOfTheTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, 1, func(o *service.Options, _ *httpapi.Options) {
			d, err := ondisk.Open("store", &ondisk.Options{FS: lsmtest.NewMemFS(), LSM: lsm.Options{MemTableSize: 64 << 10}})
			require.NoError(t, err)
			o.Disk = d
		})
		n := c.leader()
		for range 20 {
			c.ok(n, "/v3/kv/put", `{"key":"YQ==","value":"`+strings.Repeat("AAAA", 3_000)+`"}`)
		}
		var before, after struct {
			DbSize, DbSizeInUse int64 `json:",string"`
		}
		require.NoError(t, json.Unmarshal([]byte(c.ok(n, "/v3/maintenance/status", `{}`)), &before))
		require.Greater(t, before.DbSize, int64(20*9_000))
		c.ok(n, "/v3/kv/compaction", `{"revision":"21"}`)
		c.ok(n, "/v3/maintenance/defragment", `{}`)
		require.NoError(t, json.Unmarshal([]byte(c.ok(n, "/v3/maintenance/status", `{}`)), &after))
		rule(t, "H9", after.DbSize < before.DbSize/5 && after.DbSizeInUse <= after.DbSize, "defragmentation took it from %+v to %+v", before, after)
		_, metrics := c.get(n, "/metrics")
		for _, name := range []string{"kv_lsm_tables 1", "kv_lsm_compactions_total", "kv_lsm_values_bytes", "etcd_mvcc_db_total_size_in_bytes " + fmt.Sprint(after.DbSize)} {
			rule(t, "H9", strings.Contains(metrics, "\n"+name), "no %s in the metrics:\n%s", name, metrics)
		}
	})
}
