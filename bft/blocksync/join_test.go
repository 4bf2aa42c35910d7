package blocksync_test

import (
	"crypto/ed25519"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/blocksync"
	"github.com/flagship-go/flagship/bft/evidence"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/mempool"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// A member is a node with a pool, evidence and block sync; consensus is over a hub in memory, the rest over p2p.
type member struct {
	name string
	exec *bft.Executor
	pool *mempool.Pool
	sw   *p2p.Switch
	sync *blocksync.Sync
	node *bft.Node
	link *memory.HubLink
}

func newMember(t *testing.T, m *p2p.Memory, name string) *member {
	listener, err := m.Listen(name + ":1")
	require.NoError(t, err)
	sw, err := p2p.New(p2p.Options{Key: ed25519.NewKeyFromSeed(fmt.Appendf(nil, "%-32s", name)), Network: "join", Listener: listener, Dial: m.Dial})
	require.NoError(t, err)
	app, store := kvstore.New(), memory.NewStore()
	pool, err := mempool.New(app, mempool.Options{Switch: sw})
	require.NoError(t, err)
	proofs, err := evidence.New(evidence.Options{Store: store, Switch: sw})
	require.NoError(t, err)
	n := &member{name: name, pool: pool, sw: sw, exec: &bft.Executor{App: app, Store: store, Mempool: pool, Evidence: proofs}}
	n.sync, err = blocksync.New(blocksync.Options{Switch: sw, Store: store})
	require.NoError(t, err)
	require.NoError(t, sw.Start())
	t.Cleanup(func() {
		if n.node != nil {
			n.node.Close()
			n.link.Close()
		}
		sw.Close()
	})
	return n
}

// start begins to take part.
func (n *member) start(t *testing.T, hub *memory.Hub, g *types.Genesis) {
	n.link = hub.Join(n.name)
	var err error
	n.node, err = bft.NewNode(bft.Options{Genesis: g, App: n.exec.App, Signer: privval.NewMemSigner(n.name), Store: n.exec.Store, Network: n.link,
		Mempool: n.pool, Evidence: n.exec.Evidence, CreateEmptyBlocks: true, Timeouts: bft.Timeouts{Commit: 10 * time.Millisecond}})
	require.NoError(t, err)
	n.link.Attach(n.node.Deliver)
}

// TestAJoinerSyncsAndThenTakesPart has three of four validators decide without the fourth, which then comes with
// nothing, fetches what it lacks, and is a validator; and the transactions of its clients get into blocks.
func TestAJoinerSyncsAndThenTakesPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		g := &types.Genesis{ChainID: "join", Time: time.Now()}
		for i := range 4 {
			g.Validators = append(g.Validators, types.Validator{PubKey: privval.NewMemSigner(fmt.Sprint("node", i)).PubKey(), Power: 10})
		}
		hub := memory.NewHub()
		var members []*member
		for i := range 3 {
			n := newMember(t, &m, fmt.Sprint("node", i))
			for _, other := range members {
				_, err := n.sw.Dial(t.Context(), other.sw.Address())
				require.NoError(t, err)
			}
			members = append(members, n)
		}
		for _, n := range members {
			n.start(t, hub, g)
		}
		for i := range 50 {
			_, err := members[i%3].pool.CheckTx(t.Context(), fmt.Appendf(nil, "early%d=x", i))
			require.NoError(t, err)
		}
		require.NoError(t, members[0].node.Wait(t.Context(), 60))

		late := newMember(t, &m, "node3")
		for _, other := range members {
			_, err := late.sw.Dial(t.Context(), other.sw.Address())
			require.NoError(t, err)
		}
		state, err := late.exec.Handshake(g)
		require.NoError(t, err)
		state, err = late.sync.Run(t.Context(), late.exec, state)
		require.NoError(t, err)
		require.GreaterOrEqual(t, state.LastHeight, types.Height(55), "RULE B1: caught up")
		late.start(t, hub, g)
		_, err = late.pool.CheckTx(t.Context(), []byte("late=x"))
		require.NoError(t, err)
		require.NoError(t, late.node.Wait(t.Context(), state.LastHeight+20))

		txs, signed := 0, 0
		self := types.AddressOf(privval.NewMemSigner(late.name).PubKey())
		for h := types.Height(1); h <= late.exec.Store.Height(); h++ {
			b, id, err := late.exec.Store.Block(h)
			require.NoError(t, err)
			if _, want, err := members[0].exec.Store.Block(h); err == nil {
				require.Equal(t, want, id, "RULE B1: block %d", h)
			}
			txs += len(b.Txs)
			for _, s := range b.LastCommit.Signatures {
				if s.Flag == types.CommitBlock && s.Validator == self {
					signed++
				}
			}
		}
		require.Equal(t, 51, txs, "RULE M1: each transaction once, also the late one's")
		require.NotZero(t, signed, "RULE B1: and then takes part")
		for _, n := range append(members, late) {
			require.Len(t, n.sw.Peers(), 3, "nobody was at fault")
		}
	})
}
