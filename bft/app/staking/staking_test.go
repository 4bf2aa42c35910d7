package staking_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/apptest"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/app/staking"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/stretchr/testify/require"
)

func stake(n uint64) app.Coin { return app.Coin{Denom: "stake", Amount: n} }

// start is a chain whose validators are alice and bob, with 500 staked of 1000; carol and dave have 1000. 20 are a power
// of 1, and unbonding takes 10 seconds, which are blocks.
func start(t *testing.T, change func(*staking.Params)) (c *apptest.Chain, alice, bob, carol, dave *apptest.Account) {
	alice, bob, carol, dave = apptest.NewAccount("alice"), apptest.NewAccount("bob"), apptest.NewAccount("carol"), apptest.NewAccount("dave")
	p := staking.DefaultParams()
	p.PowerReduction, p.MaxValidators, p.UnbondingTime, p.MinSelfDelegation = 20, 3, 10*time.Second, 100
	if change != nil {
		change(&p)
	}
	n := apptest.NewNet(t, app.Options{})
	return n.Start(t, n.Genesis(t, 1000, 2, &p, alice, bob, carol, dave)), alice, bob, carol, dave
}

func delegate(who, to *apptest.Account, n uint64) []byte {
	return who.Tx(staking.MsgDelegate{Delegator: who.Address, Validator: to.Address, Coin: stake(n)})
}

func undelegate(who, from *apptest.Account, n uint64) []byte {
	return who.Tx(staking.MsgUndelegate{Delegator: who.Address, Validator: from.Address, Coin: stake(n)})
}

func create(who *apptest.Account, n uint64) []byte {
	return who.Tx(staking.MsgCreateValidator{Operator: who.Address, PubKey: apptest.ConsensusKey(who.Name), Coin: stake(n)})
}

// block runs one whose transactions must go well, and checks the invariants.
func block(t *testing.T, c *apptest.Chain, txs ...[]byte) *abci.FinalizeBlockResponse {
	t.Helper()
	res := c.Block(txs...)
	for _, r := range res.TxResults {
		require.Zero(t, r.Code, r.Log)
	}
	require.NoError(t, c.App.CheckInvariants(), "RULE D1: the pools do not have what was put into them")
	return res
}

func power(c *apptest.Chain, who *apptest.Account) int64 {
	return c.Powers[apptest.ConsensusKey(who.Name)]
}

// D2, D3.
func TestPowerFollowsTheStake(t *testing.T) {
	c, alice, bob, carol, dave := start(t, nil)
	require.Equal(t, []int64{25, 25}, []int64{power(c, alice), power(c, bob)})
	res := block(t, c, delegate(carol, alice, 119))
	require.Len(t, res.ValidatorUpdates, 1, "RULE D3: one has changed")
	require.Equal(t, int64(30), power(c, alice), "RULE D2: 619 are 30 powers of 20")
	require.Empty(t, block(t, c).ValidatorUpdates, "RULE D3: a change is told once")
	block(t, c, create(carol, 600))
	require.Equal(t, int64(30), power(c, carol), "RULE D3: carol is among the most powerful")
	// Only three may be: dave is less than bob.
	require.Empty(t, block(t, c, create(dave, 480)).ValidatorUpdates, "RULE D3: there are three already")
	res = block(t, c, delegate(dave, dave, 40))
	require.Len(t, res.ValidatorUpdates, 2)
	require.Equal(t, []int64{30, 0, 30, 26}, []int64{power(c, alice), power(c, bob), power(c, carol), power(c, dave)}, "RULE D3: the most powerful")
	require.Equal(t, "26", res.Events[0].Attributes[1].Value)
	block(t, c, undelegate(dave, dave, 60))
	require.Equal(t, []int64{25, 0}, []int64{power(c, bob), power(c, dave)})
}

// D2: the reduction keeps the powers of everything there can be within what consensus bears.
func TestAllPowersTogetherAreWithinWhatConsensusBears(t *testing.T) {
	p := staking.DefaultParams()
	p.PowerReduction = 15
	require.ErrorIs(t, p.Validate(), app.ErrInvalidParams, "RULE D2: power is out of bounds")
	p.PowerReduction = 16
	require.NoError(t, p.Validate())
	p.UnbondingTime = 1 << 62
	require.ErrorIs(t, p.Validate(), app.ErrInvalidParams)
	require.LessOrEqual(t, uint64(1<<64-1)/16, uint64(types.MaxTotalPower), "RULE D2: power is out of bounds")
}

// D4.
func TestWhatIsUndelegatedArrivesAfterTheUnbondingTime(t *testing.T) {
	c, alice, _, carol, _ := start(t, nil)
	block(t, c, delegate(carol, alice, 400)) // time 1
	block(t, c, undelegate(carol, alice, 100), undelegate(carol, alice, 50))
	block(t, c, undelegate(carol, alice, 30))
	require.Equal(t, uint64(600), c.Balance(carol.Address, "stake"), "RULE D4: it is paid at once")
	for c.Time.Unix() < 1_700_000_011 {
		block(t, c)
		require.Equal(t, uint64(600), c.Balance(carol.Address, "stake"), "RULE D4: it is paid at %v", c.Time)
	}
	block(t, c)
	require.Equal(t, uint64(750), c.Balance(carol.Address, "stake"), "RULE D4: the ten seconds are over")
	block(t, c)
	require.Equal(t, uint64(780), c.Balance(carol.Address, "stake"))
	block(t, c)
	require.Equal(t, uint64(780), c.Balance(carol.Address, "stake"), "RULE D4: it is paid once")
}

// D5, D6: heights are those of the votes.
func TestADoubleVoteBurnsWhatWasStakedAtTheTime(t *testing.T) {
	c, alice, bob, carol, dave := start(t, nil)
	block(t, c, delegate(carol, alice, 401), delegate(dave, bob, 300))    // 1
	block(t, c, undelegate(carol, alice, 100))                            // 2: votes of 4 and on are without it
	block(t, c, undelegate(carol, alice, 20))                             // 3: voting at 4 still
	block(t, c, undelegate(carol, alice, 41), undelegate(dave, bob, 100)) // 4
	r := c.Next()
	r.Misbehavior = []abci.Misbehavior{apptest.DoubleVote("alice", 4)}
	res := c.Run(r)
	require.NoError(t, c.App.CheckInvariants(), "RULE D1: the pools do not have what was put into them")
	require.Equal(t, int64(0), power(c, alice), "RULE D6: who voted twice is out")
	want := map[string]string{"height": "4", "delegated": "37", "unbonding": "4"} // 25 of 500, 12 of 240; 1 of 20, 3 of 41: rounded up
	got := map[string]string{}
	for _, e := range res.Events {
		for _, a := range e.Attributes {
			if e.Type == "slash" && a.Key != "validator" {
				got[a.Key] = a.Value
			}
		}
	}
	require.Equal(t, want, got, "RULE D5: another part was slashed")
	for range 12 {
		block(t, c)
	}
	// carol: 1000-401, and back 100, 19 and 38.
	require.Equal(t, uint64(599+100+19+38), c.Balance(carol.Address, "stake"), "RULE D5: what was not staked at the time is not liable, the rest is")
	require.Equal(t, uint64(800), c.Balance(dave.Address, "stake"), "RULE D5: others do not pay")

	r = c.Next()
	r.Misbehavior = []abci.Misbehavior{apptest.DoubleVote("alice", 5), apptest.DoubleVote("nobody", 5)}
	res = c.Run(r)
	for _, e := range res.Events {
		require.NotEqual(t, "slash", e.Type, "RULE D6: punished twice")
	}
	require.NoError(t, c.App.CheckInvariants())
	for _, tx := range [][]byte{delegate(carol, alice, 10), create(alice, 100)} {
		require.NotZero(t, c.Block(tx).TxResults[0].Code, "RULE D6: who voted twice is out for good")
	}
	block(t, c, undelegate(alice, alice, 475))
	require.Zero(t, power(c, alice))
}

// D5: crumbs of one unit do not escape.
func TestNobodyEvadesByCrumbs(t *testing.T) {
	c, alice, _, carol, dave := start(t, func(p *staking.Params) { p.SlashDoubleVote = 10_000 })
	block(t, c, delegate(carol, alice, 1), delegate(dave, alice, 19))
	block(t, c, undelegate(dave, alice, 1))
	r := c.Next()
	r.Misbehavior = []abci.Misbehavior{apptest.DoubleVote("alice", 2)}
	c.Run(r)
	require.NoError(t, c.App.CheckInvariants(), "RULE D1: all is gone, and no entry of nothing is left")
	for range 12 {
		block(t, c)
	}
	require.Equal(t, []uint64{999, 981}, []uint64{c.Balance(carol.Address, "stake"), c.Balance(dave.Address, "stake")})

	c, alice, _, carol, _ = start(t, nil)
	block(t, c, delegate(carol, alice, 1))
	r = c.Next()
	r.Misbehavior = []abci.Misbehavior{apptest.DoubleVote("alice", 1)}
	c.Run(r)
	require.NotZero(t, c.Block(undelegate(carol, alice, 1)).TxResults[0].Code, "RULE D5: a twentieth of one unit is one unit")
}

// D3.
func TestTheLastValidatorsStay(t *testing.T) {
	c, alice, bob, carol, _ := start(t, nil)
	r := c.Next()
	r.Misbehavior = []abci.Misbehavior{apptest.DoubleVote("alice", 1), apptest.DoubleVote("bob", 1)}
	c.Run(r)
	require.Len(t, c.Powers, 2, "RULE D3: nobody could decide a block any more")
	block(t, c, create(carol, 200))
	require.Equal(t, []int64{0, 0, 10}, []int64{power(c, alice), power(c, bob), power(c, carol)}, "RULE D3: there is somebody again")
}

// M1: twenty go at once; the order in which consensus is told is that of their operators.
func TestUpdatesComeInOneOrder(t *testing.T) {
	var people []*apptest.Account
	for i := range 21 {
		people = append(people, apptest.NewAccount(fmt.Sprint("validator ", i)))
	}
	n := apptest.NewNet(t, app.Options{})
	p := staking.DefaultParams()
	p.PowerReduction = 20
	c := n.Start(t, n.Genesis(t, 1000, len(people), &p, people...))
	r := c.Next()
	for _, a := range people[1:] {
		r.Misbehavior = append(r.Misbehavior, apptest.DoubleVote(a.Name, 1))
	}
	byOperator := slices.SortedFunc(slices.Values(people[1:]), func(a, b *apptest.Account) int { return bytes.Compare(a.Address[:], b.Address[:]) })
	for i, u := range c.Run(r).ValidatorUpdates {
		want := apptest.ConsensusKey(byOperator[i].Name)
		require.Equal(t, want[:], u.PubKey, "RULE M1: update %d comes in another order", i)
		require.Zero(t, u.Power)
	}
	require.Len(t, c.Powers, 1)
}

func TestBadStakingIsRefusedByName(t *testing.T) {
	c, alice, bob, carol, dave := start(t, nil)
	block(t, c, delegate(carol, bob, 10))
	for name, x := range map[string]struct {
		tx   []byte
		want *app.Error
	}{
		"no such validator": {delegate(carol, dave, 10), staking.ErrNoValidator},
		"no validator left": {undelegate(alice, dave, 10), staking.ErrNoValidator},
		"too much":          {undelegate(bob, bob, 501), staking.ErrDelegation},
		"of nothing":        {undelegate(dave, bob, 1), staking.ErrDelegation},
	} {
		res := c.Block(x.tx).TxResults[0]
		require.Equal(t, x.want.Code, res.Code, "%s: %s", name, res.Log)
		require.Equal(t, "staking", res.Codespace)
	}
	for _, who := range []*apptest.Account{alice, bob, carol, dave} {
		who.Sequence = c.Sequence(who.Address)
	}
	for _, x := range []struct {
		msg  app.Msg
		want *app.Error
	}{
		{staking.MsgCreateValidator{Operator: carol.Address, PubKey: apptest.ConsensusKey("alice"), Coin: stake(500)}, staking.ErrExists},
		{staking.MsgCreateValidator{Operator: carol.Address, PubKey: apptest.ConsensusKey("carol"), Coin: stake(99)}, staking.ErrTooLittle},
		{staking.MsgCreateValidator{Operator: carol.Address, PubKey: apptest.ConsensusKey("carol"), Coin: app.Coin{Denom: "gold", Amount: 500}}, staking.ErrDenom},
		{staking.MsgCreateValidator{Operator: carol.Address, Coin: stake(500)}, staking.ErrPubKey},
		{staking.MsgDelegate{Delegator: carol.Address, Validator: bob.Address, Coin: app.Coin{Denom: "gold", Amount: 5}}, staking.ErrDenom},
		{staking.MsgUndelegate{Delegator: carol.Address, Validator: bob.Address, Coin: app.Coin{Denom: "gold", Amount: 5}}, staking.ErrDenom},
		{staking.MsgDelegate{Delegator: carol.Address, Validator: bob.Address, Coin: stake(0)}, app.ErrInvalidCoin},
	} {
		res := c.Block(carol.Tx(x.msg)).TxResults[0]
		require.Equal(t, x.want.Error(), (&app.Error{Codespace: res.Codespace, Code: res.Code, Text: x.want.Text}).Error(), res.Log)
		require.Equal(t, x.want.Code, res.Code, res.Log)
		carol.Sequence = c.Sequence(carol.Address)
	}
	require.NoError(t, c.App.CheckInvariants(), "RULE D1: the pools do not have what was put into them")
}

// A genesis that only shows later what is wrong with it halts the chain then: EndBlock cannot fail otherwise.
func TestAGenesisThatCannotBePaidIsRefused(t *testing.T) {
	zero, half := time.Unix(1_700_000_000, 0).UTC(), uint64(1)<<63
	alice, bob := apptest.NewAccount("alice"), apptest.NewAccount("bob")
	for name, change := range map[string]func(g *staking.Genesis){
		"as it should be":        func(g *staking.Genesis) {},
		"unbonding of nothing":   func(g *staking.Genesis) { g.Validators[0].Unbondings[0].Amount = 0 },
		"unbonding in year 3000": func(g *staking.Genesis) { g.Validators[0].Unbondings[0].Time = zero.AddDate(1000, 0, 0) },
		"2^64 staked on nothing": func(g *staking.Genesis) {
			for i := range g.Validators {
				g.Validators[i].Delegations = append(g.Validators[i].Delegations, staking.Delegation{Delegator: app.Address{9}, Amount: half})
			}
		},
		"2^64 unbonding from nothing": func(g *staking.Genesis) {
			for i := range g.Validators {
				g.Validators[i].Unbondings = append(g.Validators[i].Unbondings, staking.Unbonding{Delegator: app.Address{9}, Amount: half, Time: zero})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := apptest.NewNet(t, app.Options{})
			var g staking.Genesis
			for _, who := range []*apptest.Account{alice, bob} {
				key := apptest.ConsensusKey(who.Name)
				g.Validators = append(g.Validators, staking.ValidatorGenesis{Operator: who.Address, PubKey: hex.EncodeToString(key[:]),
					Delegations: []staking.Delegation{{Delegator: who.Address, Amount: 5_000_000}},
					Unbondings:  []staking.Unbonding{{Delegator: who.Address, Amount: 7, Time: zero.Add(2 * time.Second)}}})
			}
			change(&g)
			genesis, err := json.Marshal(map[string]any{"bank": bank.Genesis{Balances: n.Staking.Pools(g)}, "staking": g})
			require.NoError(t, err)
			if name == "as it should be" {
				c := n.Start(t, genesis)
				for range 3 {
					block(t, c)
				}
				return
			}
			_, err = n.App.InitChain(t.Context(), &abci.InitChainRequest{ChainID: apptest.ChainID, Time: zero, InitialHeight: 1, AppStateBytes: genesis})
			if !errors.Is(err, app.ErrGenesis) {
				t.Fatalf("RULE D1: it is taken, and halts the chain later: %v", err)
			}
		})
	}
}

func TestQueriesTellTheStake(t *testing.T) {
	c, alice, _, carol, _ := start(t, nil)
	block(t, c, delegate(carol, alice, 10))
	query := func(path string, data []byte) *abci.QueryResponse {
		res, err := c.App.Query(t.Context(), &abci.QueryRequest{Path: path, Data: data})
		require.NoError(t, err)
		return res
	}
	var g staking.Genesis
	require.NoError(t, json.Unmarshal(query("/staking/validators", nil).Value, &g))
	require.Len(t, g.Validators, 2)
	require.JSONEq(t, `{"delegator":"`+carol.Address.String()+`","amount":"10"}`, string(query("/staking/delegation", append(alice.Address[:], carol.Address[:]...)).Value))
	require.NotZero(t, query("/staking/delegation", nil).Code)
}
