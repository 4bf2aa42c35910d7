package blocksync

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/internal/chaintest"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/p2p"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// newSwitch makes a switch on a network in memory, which is not started.
func newSwitch(t testing.TB, m *p2p.Memory, i int) *p2p.Switch {
	seed := make([]byte, ed25519.SeedSize)
	seed[0] = byte(i)
	listener, err := m.Listen(fmt.Sprintf("node%d:1", i))
	require.NoError(t, err)
	s, err := p2p.New(p2p.Options{Key: ed25519.NewKeyFromSeed(seed), Network: "test", Listener: listener, Dial: m.Dial})
	require.NoError(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

// A server is a node that has the chain.
func newServer(t testing.TB, m *p2p.Memory, i int, store bft.Store) *p2p.Switch {
	sw := newSwitch(t, m, i)
	_, err := New(Options{Switch: sw, Store: store})
	require.NoError(t, err)
	require.NoError(t, sw.Start())
	return sw
}

// A follower is a node that is behind.
type follower struct {
	*Sync
	*p2p.Switch
	exec   *bft.Executor
	state  *types.State
	mu     sync.Mutex
	events []Event
}

func newFollower(t testing.TB, m *p2p.Memory, c *chaintest.Chain, change func(*Options)) *follower {
	f := &follower{Switch: newSwitch(t, m, 99), exec: chaintest.NewExecutor(memory.NewStore())}
	o := Options{Switch: f.Switch, Store: f.exec.Store, OnEvent: func(e Event) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.events = append(f.events, e)
	}}
	if change != nil {
		change(&o)
	}
	var err error
	f.Sync, err = New(o)
	require.NoError(t, err)
	f.state, err = f.exec.Handshake(c.Genesis)
	require.NoError(t, err)
	require.NoError(t, f.Start())
	return f
}

func (f *follower) dial(t testing.TB, to ...*p2p.Switch) {
	for _, s := range to {
		_, err := f.Dial(t.Context(), s.Address())
		require.NoError(t, err)
	}
}

func (f *follower) run(t testing.TB) {
	var err error
	f.state, err = f.Run(t.Context(), f.exec, f.state)
	require.NoError(t, err)
}

func (f *follower) of(kind EventKind) []Event {
	f.mu.Lock()
	defer f.mu.Unlock()
	var some []Event
	for _, e := range f.events {
		if e.Kind == kind {
			some = append(some, e)
		}
	}
	return some
}

// same checks that the follower has the chain's blocks.
func (f *follower) same(t testing.TB, c *chaintest.Chain, to types.Height) {
	require.Equal(t, to, f.state.LastHeight, "RULE B1: caught up")
	for h := types.Height(1); h <= to; h++ {
		_, want, err := c.Store.Block(h)
		require.NoError(t, err)
		_, got, err := f.exec.Store.Block(h)
		require.NoError(t, err)
		require.Equal(t, want, got, "RULE B1: block %d", h)
		seen, err := f.exec.Store.SeenCommit(h)
		require.NoError(t, err)
		set, err := c.Store.Validators(h)
		require.NoError(t, err)
		require.NoError(t, types.VerifyCommit(chaintest.ID, set, got, h, seen), "RULE B1: what is given to others is right")
	}
}

func TestANodeThatIsBehindCatchesUpByAllPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin().Grow(300)
		f := newFollower(t, &m, c, nil)
		f.dial(t, newServer(t, &m, 1, c.Store), newServer(t, &m, 2, c.Store), newServer(t, &m, 3, c.Store))
		synctest.Wait() // all are known
		began := time.Now()
		f.run(t)
		require.Zero(t, time.Since(began), "RULE B1: it waits for events, not for time")
		f.same(t, c, 299)
		by := map[p2p.ID]int{}
		for _, e := range f.of(EventApplied) {
			by[e.Peer]++
		}
		require.Len(t, by, 3, "RULE B1: of all peers")
		require.Empty(t, f.of(EventBanned))
		require.Len(t, f.of(EventCaughtUp), 1)
		require.Equal(t, types.Height(300), f.of(EventCaughtUp)[0].Height)
	})
}

func TestValidatorsThatChangeAreFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin()
		for i := range 20 { // V2: "0" leaves, "new 0" comes, "1" leaves ...
			c.Add(fmt.Sprintf("val:%s!10", base64.StdEncoding.EncodeToString(c.Know(fmt.Sprint("new ", i)))))
			if i < 4 {
				c.Add(fmt.Sprintf("val:%s!0", base64.StdEncoding.EncodeToString(c.Know(fmt.Sprint(i)))))
			}
		}
		c.Grow(40)
		f := newFollower(t, &m, c, nil)
		f.dial(t, newServer(t, &m, 1, c.Store))
		f.run(t)
		f.same(t, c, 39)
		require.Equal(t, 20, f.state.Validators.Len())
	})
}

func TestWhoIsNotBehindTakesPartAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin()
		f := newFollower(t, &m, c, nil)
		began := time.Now()
		f.dial(t, newServer(t, &m, 1, c.Store))
		f.run(t)
		require.Zero(t, time.Since(began), "RULE B1: a chain that begins")
		require.Zero(t, f.state.LastHeight)
	})
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin()
		f := newFollower(t, &m, c, nil)
		began := time.Now()
		f.run(t)
		require.Equal(t, 5*time.Second, time.Since(began), "RULE B1: alone it waits a while")
	})
}

func TestThePeersMayGoOnMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin().Grow(50)
		f := newFollower(t, &m, c, nil)
		f.opts.OnEvent = func(e Event) {
			if e.Kind == EventApplied && e.Height < 60 {
				c.Add() // as fast as the follower
			}
		}
		f.dial(t, newServer(t, &m, 1, c.Store))
		f.run(t)
		require.GreaterOrEqual(t, f.state.LastHeight, c.State.LastHeight-1-nearby, "RULE B1: it was asked again how far they are")
		f.same(t, c, f.state.LastHeight)
	})
}

func TestTheHeightToHaltAtIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin().Grow(100)
		f := newFollower(t, &m, c, func(o *Options) { o.HaltHeight = 20 })
		f.dial(t, newServer(t, &m, 1, c.Store))
		for range 2 { // and once more
			var err error
			f.state, err = f.Run(t.Context(), f.exec, f.state)
			require.ErrorIs(t, err, bft.ErrHaltHeight, "RULE B1: it goes on after the height to halt at")
			f.same(t, c, 20)
			require.Equal(t, types.Height(20), f.exec.Store.Height())
		}
		require.Empty(t, f.of(EventCaughtUp))
	})
}

// A liar is a store that gives out what it likes.
type liar struct {
	bft.Store
	block func(h types.Height) (*types.Block, error)
	top   types.Height
}

func (l *liar) Block(h types.Height) (*types.Block, types.ValueID, error) {
	b, err := l.block(h)
	return b, types.ValueID{}, err
}

func (l *liar) Height() types.Height {
	if l.top > 0 {
		return l.top
	}
	return l.Store.Height()
}

func TestLiarsAreBannedAndNobodyElse(t *testing.T) {
	for name, lie := range map[string]func(c *chaintest.Chain, b *types.Block){
		"other transactions":  func(_ *chaintest.Chain, b *types.Block) { b.Txs = [][]byte{[]byte("all=mine")}; b.Fill() },
		"another header":      func(_ *chaintest.Chain, b *types.Block) { b.AppHash = []byte("another") },
		"a commit of nobody":  func(_ *chaintest.Chain, b *types.Block) { b.LastCommit = &types.Commit{}; b.Fill() },
		"a wrong signature":   func(_ *chaintest.Chain, b *types.Block) { b.LastCommit.Signatures[3].Signature[7]++; b.Fill() },
		"another height":      func(_ *chaintest.Chain, b *types.Block) { b.Height++ },
		"what does not parse": func(_ *chaintest.Chain, b *types.Block) { b.ChainID = string(make([]byte, 1000)) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m p2p.Memory
				c := chaintest.New(t, 4).Begin().Grow(40)
				liar := &liar{Store: c.Store, block: func(h types.Height) (*types.Block, error) {
					b, _, err := c.Store.Block(h)
					if err == nil && h > 1 {
						b = recode(t, b)
						lie(c, b)
					}
					return b, err
				}}
				bad := newServer(t, &m, 1, liar)
				good := []*p2p.Switch{newServer(t, &m, 2, c.Store), newServer(t, &m, 3, c.Store)}
				f := newFollower(t, &m, c, nil)
				f.dial(t, bad)
				done := make(chan struct{})
				go func() {
					defer close(done)
					f.run(t)
				}()
				synctest.Wait() // it has believed nothing
				require.LessOrEqual(t, f.exec.Store.Height(), types.Height(1), "RULE B1: caught up, by true blocks")
				f.dial(t, good...)
				<-done
				f.same(t, c, 39)
				banned := f.of(EventBanned)
				require.Len(t, banned, 1, "RULE B1: %v", banned)
				require.Equal(t, bad.ID(), banned[0].Peer, "RULE B1: the liar, and nobody else")
				require.ErrorIs(t, banned[0].Err, ErrBlock)
				_, err := f.Dial(t.Context(), bad.Address())
				require.ErrorIs(t, err, p2p.ErrBanned)
				require.Len(t, f.Peers(), 2)
			})
		})
	}
}

func TestTheBlameIsThatOfWhoHasLied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin().Grow(2)
		f := newFollower(t, &m, c, nil)
		steal := func(b *types.Block) { b.Txs = [][]byte{[]byte("steal=all")} }
		forget := func(b *types.Block) { b.LastCommit = &types.Commit{} }
		same := func(*types.Block) {}
		for _, x := range []struct {
			first, second func(*types.Block)
			liar          p2p.ID
		}{{steal, same, "a"}, {same, forget, "b"}} {
			f.events = nil
			require.NoError(t, f.begin(f.state))
			f.plan.blocks[1] = &slot{from: "a", block: forge(t, c, 1, x.first)}
			f.plan.blocks[2] = &slot{from: "b", block: forge(t, c, 2, x.second)}
			next, err := f.step(f.exec, f.state)
			require.NoError(t, err)
			require.Nil(t, next)
			require.Len(t, f.of(EventBanned), 1)
			require.Equal(t, x.liar, f.of(EventBanned)[0].Peer, "RULE B1: the liar, and nobody else")
			require.Len(t, f.plan.blocks, 1, "RULE B1: what the other one has sent waits for a better neighbour")
			f.end()
		}
	})
}

func TestAPeersWordOnItsHeightCostsNoMoreThanATimeout(t *testing.T) {
	for name, block := range map[string]func(types.Height) (*types.Block, error){
		"has nothing": func(h types.Height) (*types.Block, error) { return nil, fmt.Errorf("%w: %d", types.ErrNotFound, h) },
		"says nothing": func(types.Height) (*types.Block, error) {
			time.Sleep(time.Hour)
			return nil, errors.New("asleep")
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var m p2p.Memory
				c := chaintest.New(t, 4).Begin().Grow(40)
				f := newFollower(t, &m, c, nil)
				f.dial(t, newServer(t, &m, 1, &liar{Store: c.Store, block: block, top: 1 << 40}), newServer(t, &m, 2, c.Store))
				synctest.Wait() // both are known: who knows the first alone believes it that there is nothing
				began := time.Now()
				f.run(t)
				require.LessOrEqual(t, time.Since(began), 40*time.Second, "RULE B1: caught up, by true blocks")
				f.same(t, c, 39)
				require.Empty(t, f.of(EventBanned))
			})
		})
	}
}

func TestPeersThatLeaveAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin().Grow(100)
		f := newFollower(t, &m, c, nil)
		first, second := newServer(t, &m, 1, c.Store), newServer(t, &m, 2, c.Store)
		f.dial(t, first, second)
		f.opts.OnEvent = func(e Event) {
			if e.Height == 30 {
				go first.Close()
			}
		}
		f.run(t)
		f.same(t, c, 99)
	})
}

func TestRunEndsWithItsContextAndKeepsWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin().Grow(100)
		f := newFollower(t, &m, c, nil)
		ctx, cancel := context.WithCancel(t.Context())
		f.opts.OnEvent = func(e Event) {
			if e.Height == 30 {
				cancel()
			}
		}
		f.dial(t, newServer(t, &m, 1, c.Store))
		state, err := f.Run(ctx, f.exec, f.state)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, types.Height(30), state.LastHeight)
		f.opts.OnEvent = func(Event) {}
		f.state = state
		f.run(t)
		f.same(t, c, 99)
	})
}

func TestAStateThatIsNotTheOthersHaltsAndBansNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m p2p.Memory
		c := chaintest.New(t, 4).Begin().Grow(30)
		f := newFollower(t, &m, c, nil)
		other := *f.state
		other.AppHash = []byte("another beginning")
		f.dial(t, newServer(t, &m, 1, c.Store))
		_, err := f.Run(t.Context(), f.exec, &other)
		require.ErrorIs(t, err, bft.ErrHalted, "RULE B1: decided by two thirds: it is we who are wrong")
		require.ErrorContains(t, err, "AppHash")
		require.Empty(t, f.of(EventBanned))
		require.Zero(t, f.exec.Store.Height())
	})
}

// strangerAt is a server of blocks, and a link to it of somebody who was asked for nothing.
func strangerAt(t *testing.T) (*p2p.Switch, *p2p.Peer) {
	var m p2p.Memory
	c := chaintest.New(t, 4).Begin().Grow(3)
	server, stranger := newServer(t, &m, 1, c.Store), newSwitch(t, &m, 2)
	require.NoError(t, stranger.Channel(p2p.ChannelOptions{ID: Channel}, deaf{}))
	require.NoError(t, stranger.Start())
	p, err := stranger.Dial(t.Context(), server.Address())
	require.NoError(t, err)
	return server, p
}

func TestGarbageIsBanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, p := strangerAt(t)
		require.True(t, p.Send(Channel, []byte("garbage")))
		synctest.Wait()
		require.Empty(t, server.Peers())
	})
}

// Any node may dial, and a block may be 100 MiB: 40 strangers that send what nobody has asked for must not take 4 GiB.
func TestABlockThatNobodyAskedForTakesNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, p := strangerAt(t)
		require.True(t, p.Send(Channel, encodeHeights(kindStatus, 1, 1<<62)), "the longest word")
		synctest.Wait()
		require.Len(t, server.Peers(), 1)
		require.True(t, p.Send(Channel, append(encodeHeights(kindBlock, 1), make([]byte, 1<<19)...)))
		synctest.Wait()
		require.Empty(t, server.Peers(), "RULE B1: it is taken in, and was not asked for")
		require.ErrorIs(t, context.Cause(p.Context()), p2p.ErrTooLarge)
	})
}

type deaf struct{}

func (deaf) AddPeer(*p2p.Peer)           {}
func (deaf) RemovePeer(*p2p.Peer, error) {}
func (deaf) Receive(*p2p.Peer, []byte)   {}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	var m p2p.Memory
	sw, store := newSwitch(t, &m, 1), memory.NewStore()
	for _, o := range []Options{{Store: store}, {Switch: sw}, {Switch: sw, Store: store, Window: -1}, {Switch: sw, Store: store, PerPeer: 9999},
		{Switch: sw, Store: store, Timeout: -1}, {Switch: sw, Store: store, MaxBlockBytes: types.MaxBlockBytes + 1}} {
		_, err := New(o)
		require.ErrorIs(t, err, bft.ErrOptions)
	}
}
