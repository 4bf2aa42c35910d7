package bft

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/memory"
	"github.com/flagship-go/flagship/bft/privval"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

// listApp is an application whose state is the list of its transactions: the app hash covers how many there are, and what they are. A
// transaction "val <seed> <power>" changes a validator.
type listApp struct {
	abci.BaseApplication
	mu           sync.Mutex
	height       int64
	hash, next   []byte
	txs, pending [][]byte
	finalized    map[int64]int // how often a height was finalised
	committed    map[int64]int
	requests     []*abci.FinalizeBlockRequest
	onFinalize   func(*abci.FinalizeBlockRequest, *abci.FinalizeBlockResponse) error
	onProcess    func(*abci.ProcessProposalRequest) (bool, error)
	keep         int64 // blocks
	processed    int
	initChains   int
	genesis      []abci.ValidatorUpdate
}

func newListApp() *listApp {
	return &listApp{finalized: make(map[int64]int), committed: make(map[int64]int)}
}

func (a *listApp) Info(context.Context, *abci.InfoRequest) (*abci.InfoResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &abci.InfoResponse{LastBlockHeight: a.height, LastBlockAppHash: a.hash}, nil
}

func (a *listApp) InitChain(_ context.Context, r *abci.InitChainRequest) (*abci.InitChainResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.initChains++
	return &abci.InitChainResponse{Validators: a.genesis}, nil
}

func (a *listApp) ProcessProposal(_ context.Context, r *abci.ProcessProposalRequest) (*abci.ProcessProposalResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.processed++
	if a.onProcess != nil {
		ok, err := a.onProcess(r)
		return &abci.ProcessProposalResponse{Accept: ok}, err
	}
	return &abci.ProcessProposalResponse{Accept: true}, nil
}

func (a *listApp) FinalizeBlock(_ context.Context, r *abci.FinalizeBlockRequest) (*abci.FinalizeBlockResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.finalized[r.Height]++
	a.requests = append(a.requests, r)
	a.pending = r.Txs
	h := sha256.New()
	h.Write(a.hash)
	for _, tx := range r.Txs {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(tx))))
		h.Write(tx)
	}
	a.next = a.hash
	if len(r.Txs) > 0 {
		a.next = h.Sum(nil)
	}
	response := &abci.FinalizeBlockResponse{TxResults: make([]abci.ExecTxResult, len(r.Txs)), AppHash: a.next}
	for _, tx := range r.Txs {
		var seed string
		var power int64
		if n, _ := fmt.Sscanf(string(tx), "val %s %d", &seed, &power); n == 2 {
			response.ValidatorUpdates = append(response.ValidatorUpdates, abci.ValidatorUpdate{PubKey: privval.NewMemSigner(seed).PubKey(), Power: power})
		}
	}
	if a.onFinalize != nil {
		if err := a.onFinalize(r, response); err != nil {
			return nil, err
		}
		a.next = response.AppHash
	}
	return response, nil
}

func (a *listApp) Commit(context.Context, *abci.CommitRequest) (*abci.CommitResponse, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.height = a.requests[len(a.requests)-1].Height
	a.committed[a.height]++
	a.txs, a.hash, a.pending = append(a.txs, a.pending...), a.next, nil
	return a.retain(), nil
}

// applied is how many transactions were committed.
func (a *listApp) applied() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.txs)
}

func (a *listApp) retain() *abci.CommitResponse {
	if a.keep == 0 {
		return &abci.CommitResponse{}
	}
	return &abci.CommitResponse{RetainHeight: a.height - a.keep}
}

// A member is one node of a test, with all that outlives it.
type member struct {
	name    string
	signer  Signer
	app     *listApp
	store   Store
	pool    *memory.Mempool
	fs      *vfs.Mem
	node    *Node
	link    *memory.HubLink
	events  []Event
	options func(*Options)
}

// A chain is several nodes on one hub.
type chain struct {
	t       *testing.T
	genesis *types.Genesis
	hub     *memory.Hub
	members []*member
}

// newChain makes n validators of power 10, called a, b, c ..., which have not started.
func newChain(t *testing.T, n int, options func(*Options)) *chain {
	c := &chain{t: t, hub: memory.NewHub(), genesis: &types.Genesis{ChainID: "test-chain", Time: time.Now()}}
	for i := range n {
		name := string(rune('a' + i))
		m := &member{name: name, signer: privval.NewMemSigner(name), app: newListApp(), store: memory.NewStore(), pool: memory.NewMempool(), fs: vfs.NewMem(), options: options}
		c.members = append(c.members, m)
		c.hub.Join(name) // what is said while it is away is kept
		c.genesis.Validators = append(c.genesis.Validators, types.Validator{PubKey: m.signer.PubKey(), Power: 10})
	}
	t.Cleanup(c.close)
	return c
}

func (c *chain) start(m *member) {
	require.NoError(c.t, c.tryStart(m))
}

func (c *chain) tryStart(m *member) error {
	m.link = c.hub.Join(m.name)
	o := Options{Genesis: c.genesis, App: m.app, Signer: m.signer, Store: m.store, WALDir: "wal", FS: m.fs, Network: m.link, Mempool: m.pool,
		CreateEmptyBlocks: true, OnEvent: func(e Event) { m.events = append(m.events, e) }}
	if m.options != nil {
		m.options(&o)
	}
	var err error
	if m.node, err = NewNode(o); err == nil {
		m.link.Attach(m.node.Deliver)
	}
	return err
}

func (c *chain) startAll() *chain {
	for _, m := range c.members {
		c.start(m)
	}
	return c
}

func (m *member) stop() error {
	if m.node == nil {
		return nil
	}
	err := m.node.Close()
	err = errors.Join(err, m.link.Close())
	m.node = nil
	return err
}

func (c *chain) close() {
	for _, m := range c.members {
		_ = m.stop()
	}
}

// wait waits until some members have committed a height.
func (c *chain) wait(h types.Height, members ...*member) {
	c.t.Helper()
	if members == nil {
		members = c.members
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Hour)
	defer cancel()
	for _, m := range members {
		require.NoErrorf(c.t, m.node.Wait(ctx, h), "member %s, height %d: %+v", m.name, h, m.node.Status())
	}
}

// agree checks that all members have the same blocks, and applied each once.
func (c *chain) agree(rule string, members ...*member) {
	c.t.Helper()
	if members == nil {
		members = c.members
	}
	ids := make(map[types.Height]types.ValueID)
	for _, m := range members {
		for h := max(m.store.Base(), 1); h <= m.store.Height(); h++ {
			_, id, err := m.store.Block(h)
			require.NoError(c.t, err)
			if was, ok := ids[h]; ok && was != id {
				c.t.Fatalf("RULE %s: member %s has block %v at height %d, and another one has %v", rule, m.name, id, h, was)
			}
			ids[h] = id
		}
		for h, n := range m.app.committed {
			if n != 1 {
				c.t.Fatalf("RULE %s: member %s has committed height %d %d times", rule, m.name, h, n)
			}
		}
		var want [][]byte
		for h := types.Height(1); h <= m.store.Height(); h++ {
			if b, _, err := m.store.Block(h); err == nil {
				want = append(want, b.Txs...)
			}
		}
		if m.store.Base() <= 1 && int64(m.store.Height()) == m.app.height && !slices.EqualFunc(want, m.app.txs, bytes.Equal) {
			c.t.Fatalf("RULE %s: member %s has applied %d transactions, and its blocks have %d", rule, m.name, len(m.app.txs), len(want))
		}
	}
}

func TestFourNodesCommitAHundredHeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil).startAll()
		for i := range 20 {
			c.members[i%4].pool.Add(fmt.Appendf(nil, "tx %d", i))
			c.wait(types.Height(i + 1))
		}
		c.wait(100)
		c.close()
		c.agree("W3")
		for _, m := range c.members {
			require.Len(t, m.app.txs, 20)
		}
	})
}

func TestALaggardIsServedWhatItMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil)
		late := c.members[3]
		for _, m := range c.members[:3] {
			c.start(m)
		}
		c.wait(15, c.members[:3]...)
		c.start(late)
		c.wait(20, late)
		c.close()
		c.agree("K4")
	})
}

func TestASilentProposerCostsARoundAndNotTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil)
		for _, m := range c.members[:3] {
			c.start(m)
		}
		c.wait(12, c.members[:3]...)
		m := c.members[0].node.Metrics()
		require.Greater(t, m.Rounds, m.Committed)
		require.NotZero(t, m.Timeouts)
		c.close()
		c.agree("L57", c.members[:3]...)
	})
}

func TestACutNodeComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil).startAll()
		c.wait(3)
		for _, name := range []string{"a", "b", "c"} {
			c.hub.Cut("d", name)
		}
		c.wait(c.members[0].node.Status().LastHeight+5, c.members[:3]...)
		for _, name := range []string{"a", "b", "c"} {
			c.hub.Heal("d", name)
		}
		c.wait(c.members[0].node.Status().LastHeight + 5)
		c.close()
		c.agree("K4")
	})
}

// proposer is the member whose turn it is in round 0 of the first height.
func (c *chain) proposer() *member {
	s, err := c.genesis.State()
	require.NoError(c.t, err)
	for _, m := range c.members {
		if types.AddressOf(m.signer.PubKey()) == s.Validators.Proposer().Address {
			return m
		}
	}
	panic("no proposer")
}

// others are the members but one.
func (c *chain) others(m *member) []*member {
	return slices.DeleteFunc(slices.Clone(c.members), func(o *member) bool { return o == m })
}

// forge makes a signed proposal of a block for the first height, and its parts. The signer has no guard: it is a liar's.
func (c *chain) forge(liar string, b *types.Block) []types.Message {
	header, parts := types.MakeParts(b.Encode(nil))
	p := &types.Proposal{Height: b.Height, ValidRound: types.NoRound, Value: b.Header.ID(header), Time: time.Now(), Proposer: types.AddressOf(privval.NewMemSigner(liar).PubKey())}
	require.NoError(c.t, privval.NewMemSigner(liar).SignProposal(c.genesis.ChainID, p))
	ms := []types.Message{p}
	for i := range parts {
		ms = append(ms, &types.BlockPart{Height: b.Height, Part: parts[i]})
	}
	return ms
}

func (c *chain) forgeVote(liar string, kind types.VoteType, r types.Round, value types.ValueID) *types.Vote {
	v := &types.Vote{Type: kind, Height: 1, Round: r, Value: value, Time: time.Now(), Validator: types.AddressOf(privval.NewMemSigner(liar).PubKey()), ValidRound: types.NoRound}
	require.NoError(c.t, privval.NewMemSigner(liar).SignVote(c.genesis.ChainID, v))
	return v
}

func TestWhoSawTheOtherProposalOfALiarStillDecides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, func(o *Options) { o.HaltHeight = 2 })
		liar := c.proposer()
		others := c.others(liar)
		s, err := c.genesis.State()
		require.NoError(t, err)
		self := types.AddressOf(liar.signer.PubKey())
		one := c.forge(liar.name, s.MakeBlock([][]byte{[]byte("one")}, &types.Commit{}, nil, self))
		two := c.forge(liar.name, s.MakeBlock([][]byte{[]byte("two")}, &types.Commit{}, nil, self))
		value := two[0].(*types.Proposal).Value
		pairs := func(do func(a, b string)) {
			for i, a := range c.members {
				for _, b := range c.members[:i] {
					do(a.name, b.name)
				}
			}
		}
		pairs(c.hub.Cut) // so that each hears the liar first
		for i, m := range others {
			c.start(m)
			said := two
			if i == 0 {
				said = one
			}
			for _, msg := range said {
				require.NoError(t, m.node.Deliver(t.Context(), liar.name, msg))
			}
		}
		link := c.hub.Join(liar.name)
		link.Enter(1, 0, types.StepNew)
		for _, msg := range append(one, two...) {
			link.Publish(msg)
		}
		link.Publish(c.forgeVote(liar.name, types.Prevote, 0, value))
		link.Publish(c.forgeVote(liar.name, types.Precommit, 0, value))
		synctest.Wait()
		pairs(c.hub.Heal)
		time.Sleep(10 * time.Minute)
		for _, m := range others {
			if _, id, err := m.store.Block(1); id != value {
				t.Fatalf("RULE K5: member %s has decided %v in place of %v: %v", m.name, id, value, err)
			}
		}
		c.close()
		c.agree("K5", others...)
	})
}

func TestASecondProposalIsTakenOnceTwoThirdsWantIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil)
		liar := c.proposer()
		others := c.others(liar)
		m := others[0] // alone: nobody helps it with a commit
		s, err := c.genesis.State()
		require.NoError(t, err)
		self := types.AddressOf(liar.signer.PubKey())
		one := c.forge(liar.name, s.MakeBlock([][]byte{[]byte("one")}, &types.Commit{}, nil, self))
		two := c.forge(liar.name, s.MakeBlock([][]byte{[]byte("two")}, &types.Commit{}, nil, self))
		value := two[0].(*types.Proposal).Value
		c.start(m)
		hear := func(from string, messages ...types.Message) {
			for _, msg := range messages {
				require.NoError(t, m.node.Deliver(t.Context(), from, msg))
			}
			synctest.Wait()
		}
		hear(liar.name, one...)
		hear(liar.name, two...)
		require.Equal(t, uint64(1), m.node.Metrics().Proposals, "RULE K3: the first one only")
		for _, name := range []string{liar.name, others[1].name, others[2].name} {
			hear(name, c.forgeVote(name, types.Prevote, 0, value))
		}
		hear(liar.name, two...)
		c.close()
		if !slices.ContainsFunc(m.events, func(e Event) bool { return e.Kind == EventProposal && e.Value == value }) {
			t.Fatalf("RULE K5: member %s has not taken the proposal that two thirds have prevoted", m.name)
		}
	})
}

func TestAnInvalidBlockIsPrevotedNil(t *testing.T) {
	for name, spoil := range map[string]func(*types.Block){
		"app hash":    func(b *types.Block) { b.AppHash = []byte("another") },
		"chain":       func(b *types.Block) { b.ChainID = "another" },
		"data":        func(b *types.Block) { b.Txs = append(b.Txs, []byte("smuggled")) },
		"application": func(b *types.Block) { b.Txs = [][]byte{[]byte("bad")}; b.Fill() },
	} {
		synctest.Test(t, func(t *testing.T) {
			c := newChain(t, 4, nil)
			liar := c.proposer()
			others := c.others(liar)
			s, err := c.genesis.State()
			require.NoError(t, err)
			b := s.MakeBlock(nil, &types.Commit{}, nil, types.AddressOf(liar.signer.PubKey()))
			spoil(b)
			forged := c.forge(liar.name, b)
			for _, m := range others {
				m.app.onProcess = func(r *abci.ProcessProposalRequest) (bool, error) {
					return len(r.Txs) == 0 || string(r.Txs[0]) != "bad", nil
				}
				c.start(m)
				for _, msg := range forged {
					require.NoError(t, m.node.Deliver(t.Context(), liar.name, msg))
				}
			}
			c.wait(1, others...)
			c.close()
			for _, m := range others {
				i := slices.IndexFunc(m.events, func(e Event) bool { return e.Kind == EventSigned && e.Type == types.Prevote })
				if e := m.events[i]; !e.Value.IsNil() || e.Round != 0 || e.Line != 26 {
					t.Fatalf("RULE A2: %s: member %s prevoted %v in round %d by line %d, and not nil by line 26", name, m.name, e.Value, e.Round, e.Line)
				}
			}
			c.agree("A2", others...)
		})
	}
}

func TestAValidatorComesAndGoesTwoHeightsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, func(o *Options) { o.Timeouts.Commit = time.Second })
		joiner := &member{name: "e", signer: privval.NewMemSigner("e"), app: newListApp(), store: memory.NewStore(), pool: memory.NewMempool(), fs: vfs.NewMem(), options: c.members[0].options}
		c.members = append(c.members, joiner)
		c.startAll()
		address := types.AddressOf(joiner.signer.PubKey())
		c.wait(2)
		change := func(tx string) (at types.Height) {
			from := c.members[0].node.Status().LastHeight
			c.members[0].pool.Add([]byte(tx))
			for at = from + 1; ; at++ {
				c.wait(at)
				if b, _, _ := c.members[0].store.Block(at); len(b.Txs) > 0 {
					return at
				}
			}
		}
		there := func(h types.Height) bool {
			set, err := c.members[0].store.Validators(h)
			require.NoError(t, err)
			b, _, err := c.members[0].store.Block(h)
			require.NoError(t, err)
			require.Equal(t, set.Hash(), b.ValidatorsHash)
			return set.Index(address) >= 0
		}
		for _, step := range []struct {
			tx   string
			from bool
		}{{"val e 10", false}, {"val e 0", true}} {
			at := change(step.tx)
			c.wait(at + 6)
			for h, want := range map[types.Height]bool{at: step.from, at + 1: step.from, at + 2: !step.from, at + 3: !step.from} {
				if there(h) != want {
					t.Fatalf("RULE V2: %q in block %d: the validator is there at %d: %v, and it should be %v", step.tx, at, h, !want, want)
				}
			}
			b, _, err := c.members[0].store.Block(at + 4)
			require.NoError(t, err)
			signed := slices.ContainsFunc(b.LastCommit.Signatures, func(s types.CommitSig) bool { return s.Validator == address && s.Flag == types.CommitBlock })
			require.Equal(t, !step.from, signed, "who joined signs")
		}
		c.close()
		c.agree("V2")
	})
}

func TestParametersChangeWithTheNextHeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil)
		for _, m := range c.members {
			m.app.onFinalize = func(r *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
				if r.Height == 3 {
					a.ConsensusParamUpdates = &abci.ConsensusParams{Block: &abci.BlockParams{MaxBytes: 2 << 20, MaxGas: 7}, Version: &abci.VersionParams{App: 9}}
				}
				return nil
			}
		}
		c.startAll()
		c.wait(6)
		c.close()
		for h, want := range map[types.Height]abci.BlockParams{3: *types.DefaultParams().Block, 4: {MaxBytes: 2 << 20, MaxGas: 7}} {
			b, _, err := c.members[1].store.Block(h)
			require.NoError(t, err)
			require.Equal(t, types.ConsensusHash(want), b.ConsensusHash, "height %d", h)
			require.Equal(t, h > 3, b.AppVersion == 9)
		}
		c.agree("V2")
	})
}

func TestWithoutEmptyBlocksAHeightWaitsForATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, func(o *Options) { o.CreateEmptyBlocks = false }).startAll()
		time.Sleep(time.Hour)
		m := c.members[0]
		require.Equal(t, types.Height(1), m.node.Status().LastHeight, "the first block only")
		require.True(t, m.node.Status().WaitingForTx)
		for _, m := range c.members {
			m.pool.Add([]byte("now")) // as a mempool that gossips would
		}
		time.Sleep(time.Hour)
		require.Equal(t, types.Height(3), m.node.Status().LastHeight, "one with the transaction, and one with the app hash after it")
		for _, m := range c.members {
			require.Equal(t, 1, m.app.applied())
		}
		c.members[2].pool.Add([]byte("known to one only"))
		time.Sleep(time.Hour)
		require.Equal(t, 2, m.app.applied())
		c.close()
		c.agree("W3")
	})
}

func TestEmptyBlocksComeAtTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, func(o *Options) { o.CreateEmptyBlocks, o.EmptyBlocksInterval = false, time.Minute }).startAll()
		time.Sleep(10*time.Minute + time.Second)
		require.Equal(t, types.Height(11), c.members[0].node.Status().LastHeight)
		c.close()
	})
}

// The wait for precommits is over when all are there, and its timeout does not begin a height later on.
func TestTheWaitForPrecommitsBeginsNoEmptyBlock(t *testing.T) {
	for interval, height := range map[time.Duration]types.Height{0: 1, time.Minute: 11} {
		synctest.Test(t, func(t *testing.T) {
			c := newChain(t, 4, func(o *Options) {
				o.CreateEmptyBlocks, o.EmptyBlocksInterval, o.Timeouts.Commit = false, interval, 5*time.Second
			}).startAll()
			time.Sleep(10*time.Minute + time.Second)
			for _, m := range c.members {
				if at := m.node.Status().LastHeight; at != height {
					t.Errorf("RULE idle: member %s has height %d after ten minutes without a transaction, and should have %d", m.name, at, height)
				}
			}
			c.close()
		})
	}
}

func TestANodeHaltsAtItsHeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, func(o *Options) { o.HaltHeight = 5 }).startAll()
		c.wait(5)
		for _, m := range c.members {
			require.ErrorIs(t, m.node.Wait(t.Context(), 6), ErrHaltHeight)
			require.Equal(t, types.Height(5), m.store.Height())
			require.NoError(t, m.stop())
		}
		m := c.members[0]
		c.start(m)
		<-m.node.Done()
		require.ErrorIs(t, m.node.Err(), ErrHaltHeight)
		require.NoError(t, m.stop())
		for _, m := range c.members {
			m.options = nil
		}
		c.startAll().wait(8)
		c.close()
		c.agree("W3")
	})
}

// Who is told where to halt while the next height is under way already does not finish that one.
func TestANodeHaltsInTheMiddleOfTheNextHeight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil).startAll()
		c.wait(5)
		for _, m := range c.members[2:] {
			require.NoError(t, m.stop())
		}
		time.Sleep(DefaultTimeouts().Propose + time.Second) // two of four have begun a height, and cannot decide it, whoever was to propose
		synctest.Wait()
		for _, m := range c.members[:2] {
			require.NoError(t, m.stop())
			last := m.store.Height()
			m.options = func(o *Options) { o.HaltHeight = last }
		}
		c.startAll()
		for _, m := range c.members[:2] {
			<-m.node.Done()
			require.ErrorIs(t, m.node.Err(), ErrHaltHeight)
			if h, last := m.store.Height(), m.node.opts.HaltHeight; h != last {
				t.Fatalf("RULE W2: member %s has committed height %d, and was to halt at %d", m.name, h, last)
			}
		}
		c.close()
	})
}

func TestAnApplicationThatDivergesHaltsItsNodeOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil)
		odd := c.members[3]
		odd.app.onFinalize = func(r *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
			if r.Height == 5 {
				a.AppHash = []byte{0xba, 0xd0}
			}
			return nil
		}
		c.startAll()
		select {
		case <-odd.node.Done():
		case <-time.After(time.Minute):
		}
		var halt *HaltError
		if err := odd.node.Err(); !errors.As(err, &halt) || halt.Height != 6 {
			t.Fatalf("RULE A1: the node did not halt at height 6: %v", err)
		}
		require.ErrorIs(t, halt, ErrHalted)
		require.ErrorContains(t, halt, "BAD0")
		require.ErrorContains(t, halt, "remedy")
		c.wait(15, c.members[:3]...)
		require.Equal(t, types.Height(5), odd.store.Height(), "nothing was applied over it")
		c.close()
		c.agree("A1")
	})
}

func TestAnApplicationThatCannotGoOnHaltsTheNode(t *testing.T) {
	type kind struct {
		name, says string
		fail       func() error
	}
	for _, k := range []kind{
		{"errs", "the disk is full", func() error { return errors.New("the disk is full") }},
		{"panics", "index out of range", func() error { panic("index out of range") }},
		{"hangs", "has not answered", nil},
	} {
		for _, method := range []string{"FinalizeBlock", "ProcessProposal"} {
			synctest.Test(t, func(t *testing.T) {
				c := newChain(t, 1, func(o *Options) { o.AppTimeout = 5 * time.Second })
				m := c.members[0]
				fail, release := k.fail, make(chan struct{})
				if fail == nil {
					fail = func() error { <-release; return errors.New("too late") }
				}
				if method == "FinalizeBlock" {
					m.app.onFinalize = func(r *abci.FinalizeBlockRequest, a *abci.FinalizeBlockResponse) error {
						if r.Height == 4 {
							return fail()
						}
						return nil
					}
				} else {
					m.app.onProcess = func(r *abci.ProcessProposalRequest) (bool, error) {
						if r.Height == 4 {
							return true, fail()
						}
						return true, nil
					}
				}
				c.start(m)
				<-m.node.Done()
				close(release)
				err := m.node.Err()
				var halt *HaltError
				if !errors.As(err, &halt) || halt.Height != 4 || halt.What != method {
					t.Fatalf("RULE A1: an application that %s in %s: %v", k.name, method, err)
				}
				require.ErrorContains(t, err, k.says)
				_ = m.stop()
				synctest.Wait() // also who hung has ended
				m.app.onFinalize, m.app.onProcess = nil, nil
				c.start(m)
				c.wait(8)
				c.close()
				c.agree("W3")
			})
		}
	}
}

func TestARetainHeightPrunes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 1, nil)
		c.genesis.Params.Evidence = &abci.EvidenceParams{MaxAgeNumBlocks: 1, MaxAgeDuration: 1}
		m := c.members[0]
		m.app.keep = 3
		c.start(m)
		c.wait(10)
		require.NoError(t, m.stop())
		at := m.store.Height()
		require.Equal(t, at-3, m.store.Base())
		c.start(m)
		c.wait(at + 2)
		c.close()
	})
}

func TestADoubleVoteIsCommittedAndToldToTheApplication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil)
		liar := c.members[3]
		others := c.others(liar)
		for _, m := range others {
			c.start(m)
		}
		link := c.hub.Join(liar.name)
		link.Enter(1, 0, types.StepNew)
		link.Publish(c.forgeVote(liar.name, types.Prevote, 0, types.ValueID{Hash: types.Hash{1}, Parts: types.PartsHeader{Total: 1}}))
		link.Publish(c.forgeVote(liar.name, types.Prevote, 0, types.ValueID{Hash: types.Hash{2}, Parts: types.PartsHeader{Total: 1}}))
		c.wait(12, others...)
		c.close()
		for _, m := range others {
			told := 0
			for _, r := range m.app.requests {
				for _, e := range r.Misbehavior {
					told++
					require.Equal(t, int64(1), e.Height)
					require.Equal(t, int64(10), e.Validator.Power)
					require.Equal(t, int64(40), e.TotalVotingPower)
				}
			}
			if told != 1 {
				t.Fatalf("RULE E1: the application of %s was told of the double vote %d times", m.name, told)
			}
		}
		c.agree("E1", others...)
	})
}

func TestDeliverNamesTheSendersFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil)
		m := c.others(c.proposer())[0]
		c.start(m)
		friend := c.others(m)[0].name
		good := func() *types.Vote { return c.forgeVote(friend, types.Prevote, 0, types.NilValue) }
		for name, spoil := range map[string]func(*types.Vote){
			"height 0":         func(v *types.Vote) { v.Height = 0 },
			"a negative round": func(v *types.Vote) { v.Round = -1 },
			"another type":     func(v *types.Vote) { v.Type = 3 },
			"a stranger":       func(v *types.Vote) { v.Validator = types.Address{1} },
			"another's name":   func(v *types.Vote) { v.Validator = types.AddressOf(m.signer.PubKey()) },
			"another value":    func(v *types.Vote) { v.Value.Hash[0]++ },
			"another round":    func(v *types.Vote) { v.Round = 1 },
			"no signature":     func(v *types.Vote) { v.Signature = nil },
			"a changed time":   func(v *types.Vote) { v.Time = v.Time.Add(1) },
		} {
			v := good()
			spoil(v)
			err := m.node.Deliver(t.Context(), friend, v)
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("RULE S1: a vote with %s was taken: %v", name, err)
			}
			require.ErrorContains(t, err, "from "+friend)
		}
		other := good()
		require.NoError(t, privval.NewMemSigner(friend).SignVote("another-chain", other))
		require.ErrorIs(t, m.node.Deliver(t.Context(), friend, other), ErrInvalid, "of another chain")
		require.ErrorIs(t, m.node.Deliver(t.Context(), friend, &types.Proposal{Height: 1, ValidRound: types.NoRound, Value: types.ValueID{Hash: types.Hash{1}}}), ErrInvalid)
		for _, h := range []types.Height{3, 1000} { // early is nobody's fault
			v := good()
			v.Height = h
			require.NoError(t, m.node.Deliver(t.Context(), friend, v))
		}
		require.NoError(t, m.node.Deliver(t.Context(), friend, good()))
		synctest.Wait()
		require.NoError(t, m.node.Deliver(t.Context(), friend, good()))
		synctest.Wait()
		require.Equal(t, uint64(1), m.node.Metrics().Known)
		c.close()
	})
}

// A validator's votes of a round ahead make room for those of two higher ones (K3). Nobody may take them for known afterwards: others
// may have decided by them.
func TestAVoteThatWasForgottenCountsWhenItComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 4, nil)
		m := c.others(c.proposer())[0]
		c.start(m)
		one, other := c.others(m)[0].name, c.others(m)[1].name
		say := func(who string, r types.Round) {
			require.NoError(t, m.node.Deliver(t.Context(), who, c.forgeVote(who, types.Precommit, r, types.NilValue)))
			synctest.Wait()
		}
		for r := range types.Round(3) {
			say(one, 1+r)
		}
		say(other, 3)
		require.Equal(t, types.Round(3), m.node.Status().Round)
		before := m.node.Metrics()
		say(one, 1)
		if after := m.node.Metrics(); after.Votes != before.Votes+1 || after.Known != before.Known {
			t.Fatalf("RULE K4: a vote of round 1 that was forgotten is taken for known: %+v", after)
		}
		say(one, 1)
		say(one, 2)
		require.Equal(t, before.Known+2, m.node.Metrics().Known, "these are known")
		c.close()
	})
}

func TestCloseMayBeCalledAgainAndEndsWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, 2, nil)
		m := c.members[0]
		c.start(m)
		node := m.node
		waited := make(chan error)
		go func() { waited <- node.Wait(context.Background(), 100) }()
		require.NoError(t, node.Err())
		require.NoError(t, node.Close())
		require.ErrorIs(t, <-waited, ErrStopped)
		require.NoError(t, node.Close())
		require.ErrorIs(t, node.Err(), ErrStopped)
		c.close()
	})
}

func TestANodeAloneNeedsNothingButAGenesis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		signer := privval.NewMemSigner("alone")
		g := &types.Genesis{ChainID: "alone", Time: time.Now(), Validators: []types.Validator{{PubKey: signer.PubKey(), Power: 1}}}
		n, err := NewNode(Options{Genesis: g, Signer: signer, CreateEmptyBlocks: true})
		require.NoError(t, err)
		require.NoError(t, n.Wait(t.Context(), 10))
		require.NoError(t, n.Close())
		_, err = NewNode(Options{})
		require.ErrorIs(t, err, ErrOptions)
		_, err = NewNode(Options{Genesis: &types.Genesis{}})
		require.ErrorIs(t, err, types.ErrGenesis)
		_, err = NewNode(Options{Genesis: &types.Genesis{ChainID: "nobody"}})
		require.ErrorIs(t, err, types.ErrGenesis)
	})
}

func TestADecidedHeightWaitsForThePrecommitsThatAreMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wait = 10 * time.Second
		c := newChain(t, 4, func(o *Options) { o.Timeouts.Commit = wait }).startAll()
		began := time.Now()
		c.wait(10)
		require.Less(t, time.Since(began), wait, "all are there: nobody waits")
		require.NoError(t, c.members[3].stop())
		at := c.members[0].node.Status().LastHeight
		for h := types.Height(2); h < at; h++ {
			b, _, err := c.members[0].store.Block(h)
			require.NoError(t, err)
			for _, s := range b.LastCommit.Signatures {
				require.Equal(t, types.CommitBlock, s.Flag)
			}
		}
		began = time.Now()
		c.wait(at+5, c.members[:3]...)
		require.Greater(t, time.Since(began), 3*wait, "one is missing: that long it is waited for")
		c.close()
		c.agree("W3")
	})
}
