package bfttest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"time"

	"github.com/flagship-go/flagship/bft/abci"
)

// An appStage is where one random chain is played, by as many instances as a rule wants.
type appStage struct {
	*ApplicationOptions
	seed uint64
	rng  *rand.Rand
	open []abci.Application
}

// make makes an instance with the genesis.
func (s *appStage) make() (*instance, error) {
	app, err := s.New()
	if err != nil {
		return nil, fmt.Errorf("calling New: %w", err)
	}
	s.open = append(s.open, app)
	i := &instance{stage: s, app: app}
	info, err := app.Info(ctx, &abci.InfoRequest{})
	if err != nil {
		return nil, fmt.Errorf("calling Info: %w", err)
	}
	if info.LastBlockHeight != 0 {
		return nil, fmt.Errorf("before the first block Info tells height %d", info.LastBlockHeight)
	}
	return i, i.initChain()
}

// close closes all instances that can be.
func (s *appStage) close() error {
	for _, app := range s.open {
		if c, ok := app.(io.Closer); ok {
			if err := c.Close(); err != nil {
				return fmt.Errorf("closing the application: %w", err)
			}
		}
	}
	return nil
}

// chain makes the blocks of a random chain. They are made anew for each instance, so that none of them shares memory.
//
//	transactions of Tx, and in between some of Bad, or garbage, and some twice; every few blocks a fault of a genesis validator
func (s *appStage) chain() []*abci.FinalizeBlockRequest {
	rng := rand.New(rand.NewPCG(s.seed, 1))
	tx := s.generator(rng)
	first := max(s.Genesis.InitialHeight, 1)
	at := s.Genesis.Time
	var blocks []*abci.FinalizeBlockRequest
	for n := range s.Blocks {
		at = at.Add(time.Duration(1+rng.IntN(5000)) * time.Millisecond)
		b := &abci.FinalizeBlockRequest{Height: first + int64(n), Time: at, Txs: [][]byte{}}
		for range rng.IntN(12) {
			switch pick := rng.IntN(10); {
			case pick == 0:
				b.Txs = append(b.Txs, s.bad(rng))
			case pick == 1 && len(b.Txs) > 0:
				b.Txs = append(b.Txs, bytes.Clone(b.Txs[rng.IntN(len(b.Txs))]))
			default:
				b.Txs = append(b.Txs, tx())
			}
		}
		s.sign(b, rng, n > 0)
		blocks = append(blocks, b)
	}
	return blocks
}

// sign fills in what validators have to do with a block.
func (s *appStage) sign(b *abci.FinalizeBlockRequest, rng *rand.Rand, signed bool) {
	hash := sha256.Sum256(fmt.Appendf(nil, "block %d of seed %d", b.Height, s.seed))
	b.Hash, b.NextValidatorsHash = hash[:], bytes.Clone(hash[:])
	all := s.Genesis.Validators
	for i, v := range all {
		address := sha256.Sum256(v.PubKey)
		named := abci.Validator{Address: address[:20], Power: v.Power}
		if i == int(b.Height)%len(all) {
			b.ProposerAddress = bytes.Clone(address[:20])
		}
		if signed {
			b.DecidedLastCommit.Votes = append(b.DecidedLastCommit.Votes, abci.VoteInfo{Validator: named, BlockIDFlag: abci.BlockIDFlag(1 + rng.IntN(3))})
		}
		if signed && rng.IntN(4*len(all)) == 0 {
			b.Misbehavior = append(b.Misbehavior, abci.Misbehavior{Type: abci.DuplicateVote, Validator: named, Height: b.Height - 1, Time: b.Time, TotalVotingPower: v.Power})
		}
	}
}

func (s *appStage) generator(rng *rand.Rand) func() []byte {
	if s.Tx == nil {
		return func() []byte { return garbage(rng) }
	}
	return s.Tx(rng)
}

func (s *appStage) bad(rng *rand.Rand) []byte {
	if s.Bad == nil {
		return garbage(rng)
	}
	return s.Bad(rng)
}

func garbage(rng *rand.Rand) []byte {
	b := make([]byte, rng.IntN(200))
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// An instance is one node's application.
type instance struct {
	stage  *appStage
	app    abci.Application
	first  *abci.InitChainResponse
	height int64
	hash   []byte
}

var ctx = context.Background()

func (i *instance) initChain() (err error) {
	request := *i.stage.Genesis
	i.first, err = i.app.InitChain(ctx, &request)
	if err != nil {
		return fmt.Errorf("calling InitChain: %w", err)
	}
	return nil
}

// finalize executes a block.
func (i *instance) finalize(b *abci.FinalizeBlockRequest) (*abci.FinalizeBlockResponse, error) {
	r, err := i.app.FinalizeBlock(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("FinalizeBlock of block %d, %d transactions: %w", b.Height, len(b.Txs), err)
	}
	i.hash = bytes.Clone(r.AppHash)
	return r, nil
}

// block executes a block, and makes it durable.
func (i *instance) block(b *abci.FinalizeBlockRequest) (*abci.FinalizeBlockResponse, error) {
	r, err := i.finalize(b)
	if err != nil {
		return nil, err
	}
	if _, err := i.app.Commit(ctx, &abci.CommitRequest{}); err != nil {
		return nil, fmt.Errorf("commit of block %d: %w", b.Height, err)
	}
	i.height = b.Height
	return r, nil
}

// told compares Info with what was committed.
func (i *instance) told(height int64, hash []byte) error {
	info, err := i.app.Info(ctx, &abci.InfoRequest{})
	if err != nil {
		return fmt.Errorf("calling Info: %w", err)
	}
	if info.LastBlockHeight != height || height > 0 && !bytes.Equal(info.LastBlockAppHash, hash) {
		return fmt.Errorf("its Info tells height %d with app hash %X, and block %d was committed with %X", info.LastBlockHeight, info.LastBlockAppHash, height, hash)
	}
	return nil
}

// alike compares what two instances tell of the same blocks.
func (i *instance) alike(other *instance) error {
	a, err := i.app.Info(ctx, &abci.InfoRequest{})
	if err != nil {
		return fmt.Errorf("calling Info: %w", err)
	}
	b, err := other.app.Info(ctx, &abci.InfoRequest{})
	if err != nil {
		return fmt.Errorf("calling Info: %w", err)
	}
	if a.LastBlockHeight != b.LastBlockHeight || !bytes.Equal(a.LastBlockAppHash, b.LastBlockAppHash) {
		return fmt.Errorf("its Info tells height %d with app hash %X, and otherwise %d with %X", a.LastBlockHeight, a.LastBlockAppHash, b.LastBlockHeight, b.LastBlockAppHash)
	}
	mine, err := i.answers()
	if err != nil {
		return err
	}
	others, err := other.answers()
	if err != nil {
		return err
	}
	for n := range mine {
		if !bytes.Equal(mine[n].Value, others[n].Value) || mine[n].Code != others[n].Code {
			return fmt.Errorf("the Query %q of %X answers code %d, %q, and otherwise %d, %q", i.stage.Queries[n].Path, i.stage.Queries[n].Data, mine[n].Code, mine[n].Value,
				others[n].Code, others[n].Value)
		}
	}
	return nil
}

// answers are those to the queries.
func (i *instance) answers() ([]*abci.QueryResponse, error) {
	var all []*abci.QueryResponse
	for _, q := range i.stage.Queries {
		copied := *q
		a, err := i.app.Query(ctx, &copied)
		if err != nil {
			return nil, fmt.Errorf("calling Query %q: %w", q.Path, err)
		}
		all = append(all, a)
	}
	return all, nil
}

// restart kills the instance, and goes on with what it has made durable. It returns the blocks' number from which it needs them again.
func (i *instance) restart() (*instance, error) {
	s := i.stage
	if s.Reopen == nil {
		return s.make()
	}
	app, err := s.Reopen(i.app)
	if err != nil {
		return nil, fmt.Errorf("calling Reopen: %w", err)
	}
	for n, old := range s.open {
		if old == i.app {
			s.open[n] = app
		}
	}
	next := &instance{stage: s, app: app}
	info, err := app.Info(ctx, &abci.InfoRequest{})
	if err != nil {
		return nil, fmt.Errorf("calling Info: %w", err)
	}
	if next.height, next.hash = info.LastBlockHeight, info.LastBlockAppHash; next.height == 0 {
		err = next.initChain()
	}
	return next, err
}

// differ says in what two answers to one block differ that all nodes have to agree on. Logs and events they need not.
func differ(a, b *abci.FinalizeBlockResponse) error {
	if len(a.TxResults) != len(b.TxResults) {
		return fmt.Errorf("%d results, and then %d", len(a.TxResults), len(b.TxResults))
	}
	for i := range a.TxResults {
		x, y := &a.TxResults[i], &b.TxResults[i]
		switch {
		case x.GasWanted != y.GasWanted || x.GasUsed != y.GasUsed:
			return fmt.Errorf("transaction %d used gas %d of %d, and then %d of %d", i, x.GasUsed, x.GasWanted, y.GasUsed, y.GasWanted)
		case x.Code != y.Code || !bytes.Equal(x.Data, y.Data):
			return fmt.Errorf("transaction %d has code %d (%s), data %X, and then %d (%s), %X", i, x.Code, x.Log, x.Data, y.Code, y.Log, y.Data)
		}
	}
	if len(a.ValidatorUpdates)+len(b.ValidatorUpdates) > 0 && !reflect.DeepEqual(a.ValidatorUpdates, b.ValidatorUpdates) {
		return fmt.Errorf("validators change by %v, and then by %v", a.ValidatorUpdates, b.ValidatorUpdates)
	}
	if !reflect.DeepEqual(a.ConsensusParamUpdates, b.ConsensusParamUpdates) {
		return fmt.Errorf("the parameters' changes are not the same")
	}
	if !bytes.Equal(a.AppHash, b.AppHash) {
		return fmt.Errorf("the app hash is %X, and then %X", a.AppHash, b.AppHash)
	}
	return nil
}
