package bfttest

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flagship-go/flagship/bft/light"
	"github.com/flagship-go/flagship/bft/types"
)

// A LightChain is headers, commits and sets without blocks, with real signatures: what a light client sees. Heights are made
// when they are asked for. Validators are named n1, n2, ..., and a name is a key.
//
//	c := bfttest.NewLightChain("demo").
//		Validators(1, "n1=1 n2=1 n3=1 n4=1").
//		Validators(5, "n3=1 n4=1 n5=1 n6=1") // named as the next set by the header of height 4
//	fork := c.Fork(7, bfttest.Forgery{AppHash: "lie", Signers: "n3 n4 n5"})
//
// [LightChain.Block] is safe for concurrent use, also of a chain and its forks, once the chain is described; the blocks are not changed by it.
type LightChain struct {
	mu      *sync.Mutex // shared with forks
	id      string
	sets    []lightSet // ascending
	times   map[types.Height]time.Duration
	signers map[types.Height]string
	blocks  map[types.Height]*light.Block
	headers map[types.Height]*types.Header
	keys    map[string]types.PrivateKey

	from    types.Height // what is forged begins here
	parent  *LightChain
	forgery Forgery
}

type lightSet struct {
	from types.Height
	set  *types.ValidatorSet
}

// A Forgery is how a second chain differs from the first. The zero value of a field is the first chain's.
type Forgery struct {
	// AppHash and Data are words that change the header's hashes of the application and of the transactions.
	AppHash, Data string
	// Round is that of the commits.
	Round types.Round
	// Signers sign: "n1 n2=nil n3". The others are absent.
	Signers string
	// Validators are those of the forged heights: "n1=1 n9=1".
	Validators string
	// Pace is the time between heights. Default: a minute.
	Pace time.Duration
}

// LightStart is the time of height 0: height h of a [LightChain] is h minutes later, if nothing else is said.
var LightStart = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// NewLightChain makes a chain of four validators of power 1, n1 to n4.
func NewLightChain(id string) *LightChain {
	c := &LightChain{
		mu: &sync.Mutex{}, id: id, times: map[types.Height]time.Duration{}, signers: map[types.Height]string{},
		blocks: map[types.Height]*light.Block{}, headers: map[types.Height]*types.Header{}, keys: map[string]types.PrivateKey{},
	}
	return c.Validators(1, "n1=1 n2=1 n3=1 n4=1")
}

// ID is the chain's.
func (c *LightChain) ID() string { return c.id }

// Validators are those of a height and the following ones: "n1=40 n2=30". Heights that were made are made anew. It panics at what is no set.
func (c *LightChain) Validators(from types.Height, spec string) *LightChain {
	for len(c.sets) > 0 && c.sets[len(c.sets)-1].from >= from {
		c.sets = c.sets[:len(c.sets)-1]
	}
	c.sets = append(c.sets, lightSet{from, c.Set(spec)})
	c.forget()
	return c
}

func (c *LightChain) forget() {
	clear(c.blocks)
	clear(c.headers)
}

// Set makes a set: "n1=40 n2=30".
func (c *LightChain) Set(spec string) *types.ValidatorSet {
	var vs []types.Validator
	for _, word := range strings.Fields(spec) {
		name, power, _ := strings.Cut(word, "=")
		p, err := strconv.ParseInt(power, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("bfttest: %q: no power: %v", word, err))
		}
		key := c.Key(name)[32:]
		vs = append(vs, types.Validator{Address: types.AddressOf(key), PubKey: key, Power: p})
	}
	set, err := types.NewValidatorSet(vs)
	if err != nil {
		panic(fmt.Sprintf("bfttest: %q: %v", spec, err))
	}
	return set
}

// Time says when a height is, after [LightStart].
func (c *LightChain) Time(h types.Height, after time.Duration) *LightChain {
	c.times[h] = after
	c.forget()
	return c
}

// Sign says who signs a height: "n1 n2=nil". The others are absent. Default: all.
func (c *LightChain) Sign(h types.Height, signers string) *LightChain {
	c.signers[h] = signers
	c.forget()
	return c
}

// Fork is a chain that has the same blocks below a height, and others from there on.
func (c *LightChain) Fork(from types.Height, f Forgery) *LightChain {
	fork := &LightChain{
		mu: c.mu, id: c.id, times: c.times, signers: c.signers, keys: c.keys, sets: append([]lightSet(nil), c.sets...),
		blocks: map[types.Height]*light.Block{}, headers: map[types.Height]*types.Header{}, from: from, parent: c, forgery: f,
	}
	if f.Validators != "" {
		fork.Validators(from, f.Validators)
	}
	return fork
}

// Key is the key of a name.
func (c *LightChain) Key(name string) types.PrivateKey {
	key := c.keys[name]
	if key == nil {
		seed := sha256.Sum256([]byte(name))
		key, _ = types.GenerateKey(bytes.NewReader(seed[:]))
		c.keys[name] = key
	}
	return key
}

// Address is the address of a name.
func (c *LightChain) Address(name string) types.Address { return types.AddressOf(c.Key(name)[32:]) }

// At is the set of a height.
func (c *LightChain) At(h types.Height) *types.ValidatorSet {
	set := c.sets[0].set
	for _, s := range c.sets {
		if s.from <= h {
			set = s.set
		}
	}
	return set
}

// Block is that of a height.
func (c *LightChain) Block(h types.Height) *light.Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.block(h)
}

func (c *LightChain) block(h types.Height) *light.Block {
	if c.parent != nil && h < c.from {
		return c.parent.block(h)
	}
	if b := c.blocks[h]; b != nil {
		return b
	}
	b := c.make(h)
	c.blocks[h] = b
	return b
}

// make makes a block with its header.
func (c *LightChain) make(h types.Height) *light.Block {
	b := &light.Block{Header: c.header(h), Validators: c.At(h), Next: c.At(h + 1)}
	b.Commit = c.commit(b, c.signersOf(h))
	return b
}

// header makes those before, too, for it has their hash.
func (c *LightChain) header(h types.Height) *types.Header {
	if c.parent != nil && h < c.from {
		return c.parent.header(h)
	}
	first := h
	for first > max(1, c.from) && c.headers[first-1] == nil {
		first--
	}
	for ; first <= h; first++ {
		if c.headers[first] == nil {
			c.headers[first] = c.makeHeader(first)
		}
	}
	return c.headers[h]
}

func (c *LightChain) makeHeader(h types.Height) *types.Header {
	header := &types.Header{
		ChainID: c.id, Height: h, Time: LightStart.Add(c.timeOf(h)), ValidatorsHash: c.At(h).Hash(), NextValidatorsHash: c.At(h + 1).Hash(),
		DataHash: sha256.Sum256([]byte("data" + c.forgery.Data)), ConsensusHash: sha256.Sum256([]byte("parameters")),
		AppHash: []byte(fmt.Sprint("app", h, c.forgery.AppHash)), ProposerAddress: c.At(h).Proposer().Address,
	}
	if h > 1 {
		header.LastBlockID = idOf(c.header(h - 1))
	}
	return header
}

func idOf(h *types.Header) types.ValueID {
	hash := h.Hash()
	return h.ID(types.PartsHeader{Total: 1, Hash: sha256.Sum256(hash[:])})
}

func (c *LightChain) timeOf(h types.Height) time.Duration {
	if c.parent != nil && c.forgery.Pace > 0 {
		return c.parent.timeOf(c.from-1) + time.Duration(h-c.from+1)*c.forgery.Pace
	}
	if d, is := c.times[h]; is {
		return d
	}
	return time.Duration(h) * time.Minute
}

func (c *LightChain) signersOf(h types.Height) string {
	if c.parent != nil && c.forgery.Signers != "" {
		return c.forgery.Signers
	}
	return c.signers[h]
}

// commit is by those named; by all, if nobody is.
func (c *LightChain) commit(b *light.Block, signers string) *types.Commit {
	id := idOf(b.Header)
	votes := make([]*types.Vote, b.Validators.Len())
	names := map[types.Address]string{}
	for name := range c.keys {
		names[c.Address(name)] = name
	}
	if signers == "" {
		for i := range votes {
			signers += " " + names[b.Validators.At(i).Address]
		}
	}
	for _, word := range strings.Fields(signers) {
		name, vote, _ := strings.Cut(word, "=")
		i := b.Validators.Index(c.Address(name))
		if i < 0 {
			continue
		}
		v := &types.Vote{
			Type: types.Precommit, Height: b.Height(), Round: c.forgery.Round, Value: id, ValidRound: types.NoRound,
			Time: b.Header.Time.Add(time.Second), Validator: c.Address(name),
		}
		if vote == "nil" {
			v.Value = types.NilValue
		}
		c.SignVote(v, name)
		votes[i] = v
	}
	return types.MakeCommit(b.Height(), c.forgery.Round, id, votes)
}

// SignVote signs a vote with the key of a name, whosever it says it is, and whatever was signed before.
func (c *LightChain) SignVote(v *types.Vote, name string) {
	v.Signature = sign(c.Key(name), v, c.id)
}

func sign(key types.PrivateKey, v *types.Vote, chainID string) []byte {
	signature, err := key.Sign(nil, v.AppendSignBytes(nil, chainID), crypto.Hash(0))
	if err != nil {
		panic(err)
	}
	return signature
}
