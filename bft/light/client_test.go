package light_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/bft/bfttest"
	"github.com/flagship-go/flagship/bft/light"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

// A peer is a provider of a chain up to a height, that can be made to fail.
type peer struct {
	name  string
	chain *bfttest.LightChain
	top   types.Height

	mu      sync.Mutex
	fails   error // of all that is asked
	hangs   bool
	spoils  func(*light.Block) // a copy of what it gives
	asked   []types.Height
	reports []*light.Attack
}

func (p *peer) String() string { return p.name }

func (p *peer) Report(_ context.Context, a *light.Attack) error {
	p.reports = append(p.reports, a)
	return nil
}

func (p *peer) Block(ctx context.Context, h types.Height) (*light.Block, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, h)
	if p.hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if p.fails != nil {
		return nil, p.fails
	}
	if h == 0 {
		h = p.top
	}
	if h > p.top {
		return nil, light.ErrNotFound
	}
	b := p.chain.Block(h)
	if p.spoils != nil {
		c, commit := *b, *b.Commit
		commit.Signatures = slices.Clone(commit.Signatures)
		c.Commit = &commit
		p.spoils(&c)
		b = &c
	}
	return b, nil
}

// world is a chain, a primary, witnesses, and a client's clock.
type world struct {
	chain           *bfttest.LightChain
	primary, w1, w2 *peer
	spare           *peer
	now             time.Time
	opts            light.Options
}

// newWorld has a chain of 200 heights of which each tenth replaces one of four validators; the client begins at height 1.
func newWorld() *world {
	c := bfttest.NewLightChain("demo")
	for h := 10; h <= 200; h += 10 {
		i := h / 10
		c.Validators(types.Height(h), fmt.Sprintf("n%d=1 n%d=1 n%d=1 n%d=1", 1+i, 2+i, 3+i, 4+i))
	}
	w := &world{chain: c, now: bfttest.LightStart.Add(200*time.Minute + time.Second)}
	new := func(name string) *peer { return &peer{name: name, chain: c, top: 200} }
	w.primary, w.w1, w.w2, w.spare = new("primary"), new("witness 1"), new("witness 2"), new("spare")
	w.opts = light.Options{
		ChainID: "demo", Root: light.Root{Height: 1, Hash: c.Block(1).Header.Hash()}, Params: light.Params{Period: 24 * time.Hour},
		Primary: w.primary, Witnesses: []light.Provider{w.w1, w.w2}, Spares: []light.Provider{w.spare},
		Now: func() time.Time { return w.now },
	}
	return w
}

func (w *world) client(t testing.TB) *light.Client {
	c, err := light.NewClient(context.Background(), w.opts)
	require.NoError(t, err)
	return c
}

func TestTheNewestHeaderIsTrustedInFewSteps(t *testing.T) {
	w := newWorld()
	c := w.client(t)
	b, err := c.Update(context.Background())
	require.NoError(t, err)
	require.Equal(t, w.chain.Block(200).Header.Hash(), b.Header.Hash())
	require.Less(t, len(w.primary.asked), 40, "RULE bisection: %v", w.primary.asked)
	latest, err := c.Latest()
	require.NoError(t, err)
	require.Same(t, b, latest)
	// Nothing new: one question.
	asked := len(w.primary.asked)
	b, err = c.Update(context.Background())
	require.NoError(t, err)
	require.Equal(t, types.Height(200), b.Height())
	require.Len(t, w.primary.asked, asked+1)
}

func TestSequentialVerificationNeedsNoTrustInOldSets(t *testing.T) {
	w := newWorld()
	w.opts.Sequential = true
	c := w.client(t)
	b, err := c.VerifyAtHeight(context.Background(), 35)
	require.NoError(t, err)
	require.Equal(t, types.Height(35), b.Height())
	for h := types.Height(1); h <= 35; h++ {
		_, err := c.Trusted(h)
		require.NoError(t, err, "height %d", h)
	}
	_, err = c.Trusted(36)
	require.ErrorIs(t, err, light.ErrNotFound)
}

func TestAnyHeightCanBeVerified(t *testing.T) {
	w := newWorld()
	w.opts.Root = light.Root{Height: 60, Hash: w.chain.Block(60).Header.Hash()}
	c := w.client(t)
	for _, h := range []types.Height{130, 131, 90, 60, 41, 1, 200} {
		b, err := c.VerifyAtHeight(context.Background(), h)
		require.NoError(t, err, "height %d", h)
		require.Equal(t, w.chain.Block(h).Header.Hash(), b.Header.Hash())
		trusted, err := c.Trusted(h)
		require.NoError(t, err)
		require.Equal(t, b.Header.Hash(), trusted.Header.Hash())
	}
	for _, h := range []types.Height{201, 0, -3} {
		_, err := c.VerifyAtHeight(context.Background(), h)
		require.ErrorIs(t, err, light.ErrNotFound)
	}
}

// Backwards goes by hashes: a header that is signed by its own validators, and not the one that the next has the hash of, is a lie.
func TestBackwardsGoesByHashes(t *testing.T) {
	w := newWorld()
	w.opts.Root = light.Root{Height: 60, Hash: w.chain.Block(60).Header.Hash()}
	c := w.client(t)
	w.primary.chain = w.chain.Fork(50, bfttest.Forgery{AppHash: "lie"})
	b, err := c.VerifyAtHeight(context.Background(), 55)
	require.NoError(t, err)
	require.Equal(t, w.chain.Block(55).Header.Hash(), b.Header.Hash(), "RULE C1-backwards: a forged header is trusted")
	primary, _ := c.Providers()
	require.Equal(t, "witness 1", primary.String(), "who lied is still the primary")
}

func TestExpiredTrustSaysSo(t *testing.T) {
	w := newWorld()
	c := w.client(t)
	w.now = bfttest.LightStart.Add(24*time.Hour + time.Minute)
	_, err := c.Update(context.Background())
	require.ErrorIs(t, err, light.ErrExpired)
	require.ErrorContains(t, err, "begin again with a newer header, from a source you trust")
	primary, witnesses := c.Providers()
	require.Equal(t, "primary", primary.String(), "age is nobody's fault")
	require.Len(t, witnesses, 2)
	_, err = light.NewClient(context.Background(), w.opts)
	require.ErrorIs(t, err, light.ErrExpired)
	// A second earlier it is fine.
	w.now = w.now.Add(-time.Second)
	_, err = c.Update(context.Background())
	require.NoError(t, err)
	// Old heights of the past are still proved by hashes, from what is newer.
	w.now = bfttest.LightStart.Add(24*time.Hour + 30*time.Minute)
	b, err := c.VerifyAtHeight(context.Background(), 3)
	require.NoError(t, err)
	require.Equal(t, w.chain.Block(3).Header.Hash(), b.Header.Hash())
}

// Whatever is wrong with the primary, a witness takes its place, and the client goes on.
func TestABadPrimaryIsReplaced(t *testing.T) {
	for what, spoil := range map[string]func(*world){
		"silent":                  func(w *world) { w.primary.fails = errors.New("connection refused") },
		"too few signatures":      func(w *world) { w.primary.chain = w.chain.Fork(2, bfttest.Forgery{AppHash: "lie", Signers: "n1 n21"}) },
		"other validators":        func(w *world) { w.primary.chain = w.chain.Fork(3, bfttest.Forgery{Validators: "n90=1 n91=1 n92=1"}) },
		"the root is another one": func(w *world) { w.primary.spoils = func(b *light.Block) { b.Validators = w.chain.Set("n9=1") } },
		"from the future":         func(w *world) { w.primary.chain = w.chain.Fork(200, bfttest.Forgery{Pace: time.Hour}) },
		"the wrong height": func(w *world) {
			w.primary.spoils = func(b *light.Block) {
				if b.Height() > 50 {
					*b = *w.chain.Block(50)
				}
			}
		},
		"pivots are missing": func(w *world) {
			w.primary.spoils = func(b *light.Block) {
				if b.Height() < 200 {
					b.Next = w.chain.Set("n9=1")
				}
			}
		},
	} {
		w := newWorld()
		c := w.client(t)
		spoil(w)
		b, err := c.Update(context.Background())
		require.NoError(t, err, what)
		primary, witnesses := c.Providers()
		if what == "the wrong height" { // its newest is old, which it may be
			require.Equal(t, types.Height(50), b.Height())
			b, err = c.VerifyAtHeight(context.Background(), 200)
			require.NoError(t, err)
			primary, witnesses = c.Providers()
		}
		require.Equal(t, w.chain.Block(200).Header.Hash(), b.Header.Hash(), "RULE primary: %s", what)
		require.Equal(t, "witness 1", primary.String(), what)
		require.Equal(t, "[witness 2 spare]", fmt.Sprint(witnesses), "RULE primary: %s: a spare takes the witness's place", what)
	}
}

// A witness that lies or is silent goes, a spare comes, and the client goes on.
func TestABadWitnessIsReplaced(t *testing.T) {
	for what, test := range map[string]struct {
		spoil func(*world)
		gone  bool // for good
	}{
		"silent": {func(w *world) { w.w1.fails = errors.New("connection refused") }, false},
		"lies without signatures": {func(w *world) {
			w.w1.chain = w.chain.Fork(150, bfttest.Forgery{AppHash: "lie", Signers: "n20 n21"})
		}, true},
		"lies from the root on": {func(w *world) { w.w1.chain = w.chain.Fork(1, bfttest.Forgery{AppHash: "lie"}) }, true},
		"invalid":               {func(w *world) { w.w1.spoils = func(b *light.Block) { b.Validators = w.chain.Set("n9=1") } }, true},
	} {
		w := newWorld()
		c := w.client(t)
		test.spoil(w)
		b, err := c.Update(context.Background())
		require.NoError(t, err, what)
		require.Equal(t, types.Height(200), b.Height())
		primary, witnesses := c.Providers()
		require.Equal(t, "primary", primary.String(), what)
		require.Equal(t, "[witness 2 spare]", fmt.Sprint(witnesses), "RULE witness: %s", what)
		// When witness 2 goes, who was silent gets another chance, and who lied does not.
		w.w1.fails, w.w2.fails = nil, errors.New("gone")
		_, err = c.VerifyAtHeight(context.Background(), 199)
		require.NoError(t, err, what)
		_, witnesses = c.Providers()
		want := "[spare witness 1]"
		if test.gone {
			want = "[spare witness 2]"
		}
		require.Equal(t, want, fmt.Sprint(witnesses), "RULE witness: %s", what)
	}
}

func TestWithoutAWitnessThatAgreesNothingIsTrusted(t *testing.T) {
	w := newWorld()
	c := w.client(t)
	w.w1.top, w.w2.fails, w.spare.fails = 150, errors.New("gone"), errors.New("gone")
	_, err := c.Update(context.Background())
	require.ErrorIs(t, err, light.ErrNoWitness, "RULE witness: nobody has confirmed")
	latest, err := c.Latest()
	require.NoError(t, err)
	require.Equal(t, types.Height(1), latest.Height())
	w.w1.top = 200
	_, err = c.Update(context.Background())
	require.NoError(t, err)
	w.opts.Witnesses, w.opts.Spares = nil, nil // a client that wants none
	_, err = w.client(t).Update(context.Background())
	require.NoError(t, err)
}

func TestWithoutAnyProviderTheErrorSaysSo(t *testing.T) {
	w := newWorld()
	c := w.client(t)
	for _, p := range []*peer{w.primary, w.w1, w.w2, w.spare} {
		p.fails = errors.New("connection refused")
	}
	_, err := c.Update(context.Background())
	require.ErrorIs(t, err, light.ErrNoProvider)
	require.ErrorContains(t, err, "connection refused")
	for _, p := range []*peer{w.primary, w.w1, w.w2, w.spare} {
		p.fails = nil
	}
	_, err = c.Update(context.Background())
	require.NoError(t, err, "they were silent, and have come back")
}

// Who does not answer is waited for so long and no longer, and all witnesses at once.
func TestAHangingProviderIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		c := w.client(t)
		w.primary.hangs, w.w2.hangs = true, true
		began := time.Now()
		_, err := c.Update(context.Background())
		require.NoError(t, err)
		require.Equal(t, 20*time.Second, time.Since(began), "RULE timeout: who hangs is given up")
		// A caller who gives up is not a provider that fails.
		w.w1.hangs = true
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err = c.VerifyAtHeight(ctx, 171)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		primary, _ := c.Providers()
		require.Equal(t, "witness 1", primary.String())
	})
}

func TestTheRootIsChecked(t *testing.T) {
	w := newWorld()
	w.opts.Root.Hash[0] ^= 1
	_, err := light.NewClient(context.Background(), w.opts)
	require.ErrorIs(t, err, light.ErrRoot)
	w = newWorld()
	w.opts.Root = light.Root{}
	_, err = light.NewClient(context.Background(), w.opts)
	require.ErrorIs(t, err, light.ErrRoot)
	w = newWorld()
	w.opts.Store = light.NewMemStore()
	w.client(t)
	w.opts.Root = light.Root{} // the store has it
	w.client(t)
	w.opts.Root = light.Root{Height: 1, Hash: types.Hash{1}}
	_, err = light.NewClient(context.Background(), w.opts)
	require.ErrorIs(t, err, light.ErrRoot)
	w = newWorld()
	w.chain.Sign(1, "n1 n2")
	w.opts.Root.Hash = w.chain.Block(1).Header.Hash()
	_, err = light.NewClient(context.Background(), w.opts)
	require.ErrorIs(t, err, types.ErrNotEnoughPower, "RULE root: its commit is verified")
	for _, o := range []light.Options{{ChainID: "demo"}, {Primary: w.primary}, {ChainID: "demo", Primary: w.primary}} {
		_, err = light.NewClient(context.Background(), o)
		require.ErrorIs(t, err, light.ErrParams)
	}
}

// What is trusted of one chain is not trusted of another one whose store it is not, also if validators are the same.
func TestAStoreOfAnotherChainIsRefused(t *testing.T) {
	w := newWorld()
	w.opts.Store = light.NewMemStore()
	w.client(t)
	w.opts.ChainID, w.opts.Root = "another", light.Root{Height: 7, Hash: types.Hash{1}}
	c, err := light.NewClient(context.Background(), w.opts)
	if !errors.Is(err, light.ErrRoot) {
		b, err := c.VerifyAtHeight(context.Background(), 1)
		t.Fatalf("RULE root: height 1 of chain %q is trusted as one of chain %q: %v", b.Header.ChainID, w.opts.ChainID, err)
	}
	require.ErrorContains(t, err, `"demo"`)
}

func TestOldBlocksAreDropped(t *testing.T) {
	w := newWorld()
	w.opts.Retain, w.opts.Store = 5, light.NewMemStore()
	c := w.client(t)
	for h := types.Height(2); h <= 20; h++ {
		_, err := c.VerifyAtHeight(context.Background(), h)
		require.NoError(t, err)
	}
	require.Equal(t, []types.Height{16, 17, 18, 19, 20}, w.opts.Store.Heights(), "RULE prune: the newest stay")
	b, err := c.VerifyAtHeight(context.Background(), 3)
	require.NoError(t, err)
	require.Equal(t, types.Height(3), b.Height())
	require.Equal(t, []types.Height{16, 17, 18, 19, 20}, w.opts.Store.Heights())
	require.NoError(t, c.Prune(0))
	require.Equal(t, []types.Height{20}, w.opts.Store.Heights(), "RULE prune: one stays")
}
