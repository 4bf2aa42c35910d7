package fullnode

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/abci/kvstore"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// An early application notes whether peers are let in when it is asked for the first time how far it is: then no channel can be
// added any more.
type early struct {
	*kvstore.Store
	n     *FullNode
	once  sync.Once
	heard error
}

func (e *early) Info(ctx context.Context, r *abci.InfoRequest) (*abci.InfoResponse, error) {
	e.once.Do(func() { e.heard = e.n.sw.Channel(p2p.ChannelOptions{ID: 0x7f}, nobody{}) })
	return e.Store.Info(ctx, r)
}

type nobody struct{}

func (nobody) AddPeer(*p2p.Peer)           {}
func (nobody) RemovePeer(*p2p.Peer, error) {}
func (nobody) Receive(*p2p.Peer, []byte)   {}

func TestNobodyIsHeardBeforeTheApplicationIsWhereTheStoreIs(t *testing.T) { // F4
	home := t.TempDir()
	signer, err := privval.OpenFileSigner(nil, SignerDir(home))
	require.NoError(t, err)
	genesis := &types.Genesis{ChainID: "early", Time: time.Now(), Validators: []types.Validator{{PubKey: signer.PubKey(), Power: 1}}}
	require.NoError(t, signer.Close())
	app := &early{Store: kvstore.New()}
	o, err := Options{Home: home, Genesis: genesis, App: app, P2PListen: "127.0.0.1:0"}.withDefaults()
	require.NoError(t, err)
	app.n = &FullNode{opts: o, ended: make(chan struct{})}
	require.NoError(t, app.n.open())
	require.NoError(t, app.n.Close())
	require.NoError(t, app.heard, "RULE F4: peers are heard before the application is where the store is")
}
