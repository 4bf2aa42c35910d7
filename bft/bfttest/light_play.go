package bfttest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flagship-go/flagship/bft/light"
	"github.com/flagship-go/flagship/bft/types"
)

// lightStage is where a script of light verification is played. The chain is a [LightChain]: four validators of power 1, a block a minute. The
// words of a script, a command a line:
//
//	validators 5 n1=1 n9=3     from height 5 on, and so named as next by height 4
//	usurp 5 n8=1 n9=1          block 5 says that these are its validators; height 4 does not
//	time 5 4m30s               when height 5 is; else it is after 5m
//	sign 5 n1 n2=nil           who signs height 5, and who signs nil; the others are absent. Else all sign
//	spoil 5 WORD...            something is wrong with block 5: see spoils
//	whole 5                    nothing is wrong with it any more
//	level 2/3, period 1h       parameters; else 1/3, 24h, and a drift of 10s
//	drift 10s
//	trust 1                    what is trusted
//	claim n5=1 n6=1            the set that comes with it is this one, and not the one it names
//	now 10m                    the clock
//	accept 5                   block 5 may be trusted
//	step 5                     not because of what is trusted, but perhaps with a step in between: light.ErrNotEnoughTrust
//	refuse 5                   it may not
type lightStage struct {
	newVerifier NewLightVerifier
	chain       *LightChain
	usurped     map[types.Height]string
	spoilt      map[types.Height][][]string
	params      light.Params
	trusted     types.Height
	claimed     string
	now         time.Time
}

// playLight plays a script. The text is the script up to where it ended.
func playLight(script string, newVerifier NewLightVerifier) (told string, err error) {
	s := &lightStage{
		newVerifier: newVerifier, chain: NewLightChain("demo"), trusted: 1,
		usurped: map[types.Height]string{}, spoilt: map[types.Height][][]string{},
		params: light.Params{Level: types.Fraction{Numerator: 1, Denominator: 3}, Period: 24 * time.Hour, Drift: 10 * time.Second},
	}
	for line := range strings.Lines(script) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		told += "> " + strings.Join(words, " ") + "\n"
		if words[0][0] == '#' {
			continue
		}
		if err := s.command(words[0], words[1:]); err != nil {
			return told, err
		}
	}
	return told, nil
}

// command does a line. What it cannot read is a mistake in the kit, and panics.
func (s *lightStage) command(do string, args []string) error {
	rest := func() string { return strings.Join(args[1:], " ") }
	switch do {
	case "validators":
		s.chain.Validators(height(args[0]), rest())
	case "usurp":
		s.usurped[height(args[0])] = rest()
	case "time":
		s.chain.Time(height(args[0]), span(args[1]))
	case "sign":
		s.chain.Sign(height(args[0]), rest())
	case "spoil":
		h := height(args[0])
		s.spoilt[h] = append(s.spoilt[h], args[1:])
	case "whole":
		delete(s.spoilt, height(args[0]))
	case "level":
		if _, err := fmt.Sscanf(args[0], "%d/%d", &s.params.Level.Numerator, &s.params.Level.Denominator); err != nil {
			panic(err)
		}
	case "period":
		s.params.Period = span(args[0])
	case "drift":
		s.params.Drift = span(args[0])
	case "trust":
		s.trusted, s.claimed = height(args[0]), ""
	case "claim":
		s.claimed = strings.Join(args, " ")
	case "now":
		s.now = LightStart.Add(span(args[0]))
	case "accept", "step", "refuse":
		return s.verify(do, height(args[0]))
	default:
		panic("bfttest: no such command: " + do)
	}
	return nil
}

func height(word string) types.Height { return types.Height(number(word)) }

func span(word string) time.Duration {
	d, err := time.ParseDuration(word)
	if err != nil {
		panic(err)
	}
	return d
}

// verify lets the implementation judge, and judges that.
func (s *lightStage) verify(want string, h types.Height) error {
	trusted := s.chain.Block(s.trusted).Trusted()
	if s.claimed != "" {
		trusted.Next = s.chain.Set(s.claimed)
	}
	now := s.now
	if now.IsZero() {
		now = LightStart.Add(s.chain.timeOf(h) + time.Second)
	}
	err := s.newVerifier(s.chain.ID(), s.params)(trusted, s.block(h), now)
	switch {
	case want == "accept" && err != nil:
		return fmt.Errorf("height %d should be accepted by trusted height %d, and is not: %w", h, s.trusted, err)
	case want != "accept" && err == nil:
		return fmt.Errorf("height %d is accepted by trusted height %d", h, s.trusted)
	case want == "step" && !errors.Is(err, light.ErrNotEnoughTrust):
		return fmt.Errorf("height %d may be right, and only trust lacks; a height in between is not tried, for the error is no light.ErrNotEnoughTrust: %w", h, err)
	case want == "refuse" && errors.Is(err, light.ErrNotEnoughTrust):
		return fmt.Errorf("height %d is wrong, and no step in between changes that; the error is light.ErrNotEnoughTrust: %w", h, err)
	}
	return nil
}

// block is that of a height, usurped and spoilt. The chain's stays as it is.
func (s *lightStage) block(h types.Height) *light.Block {
	chain := s.chain
	if set, is := s.usurped[h]; is {
		chain = chain.Fork(h, Forgery{Validators: set})
	}
	b := *chain.Block(h)
	header, commit := *b.Header, *b.Commit
	b.Header, b.Commit = &header, &commit
	commit.Signatures = slices.Clone(commit.Signatures)
	for i := range commit.Signatures {
		commit.Signatures[i].Signature = slices.Clone(commit.Signatures[i].Signature)
	}
	for _, words := range s.spoilt[h] {
		spoil := spoils[words[0]]
		if spoil == nil {
			panic("bfttest: no such spoil: " + words[0])
		}
		spoil(chain, &b, words[1:])
	}
	return &b
}

// spoils are what can be wrong with a block. Those that change the header before it is signed sign anew.
var spoils = map[string]func(c *LightChain, b *light.Block, args []string){
	// The header is of another chain, and signed for this one; or the other way round.
	"chain":      func(c *LightChain, b *light.Block, _ []string) { b.Header.ChainID = "other"; resign(c, b, c.id) },
	"chain-sign": func(c *LightChain, b *light.Block, _ []string) { resign(c, b, "other") },
	// The header was changed after it was signed.
	"header": func(_ *LightChain, b *light.Block, _ []string) { b.Header.AppHash = []byte("lie") },
	// The commit is of another height, or of another value, and all have signed that.
	"commit-height": func(c *LightChain, b *light.Block, _ []string) { b.Commit.Height--; signAll(c, b, c.id) },
	"commit-value": func(c *LightChain, b *light.Block, _ []string) {
		b.Commit.Value.Hash = sha256.Sum256(nil)
		signAll(c, b, c.id)
	},
	"commit-short": func(_ *LightChain, b *light.Block, _ []string) {
		b.Commit.Signatures = b.Commit.Signatures[:len(b.Commit.Signatures)-1]
	},
	"no-header":     func(_ *LightChain, b *light.Block, _ []string) { b.Header = nil },
	"no-commit":     func(_ *LightChain, b *light.Block, _ []string) { b.Commit = nil },
	"no-validators": func(_ *LightChain, b *light.Block, _ []string) { b.Validators = nil },
	"no-next":       func(_ *LightChain, b *light.Block, _ []string) { b.Next = nil },
	// The sets are not those of the header's hashes; who signs is right.
	"validators": func(c *LightChain, b *light.Block, args []string) {
		b.Validators = c.Set(strings.Join(args, " "))
		b.Commit = c.commit(b, c.signersOf(b.Height()))
	},
	"next": func(c *LightChain, b *light.Block, args []string) { b.Next = c.Set(strings.Join(args, " ")) },
	// A validator is given another address, with the same place in the order: the set's hash does not see it.
	"address": func(c *LightChain, b *light.Block, args []string) { readdress(c, b, args[0]) },
	// One bit of a signature; two signatures swapped; one entry copied over another; a signature by another key, for a prevote,
	// for another round, for nil.
	"forge": func(c *LightChain, b *light.Block, args []string) { part(c, b, args[0]).Signature[7] ^= 1 },
	"swap": func(c *LightChain, b *light.Block, args []string) {
		x, y := part(c, b, args[0]), part(c, b, args[1])
		x.Signature, y.Signature = y.Signature, x.Signature
	},
	"twice": func(c *LightChain, b *light.Block, args []string) { *part(c, b, args[1]) = *part(c, b, args[0]) },
	"by": func(c *LightChain, b *light.Block, args []string) {
		signPart(c, b, args[0], args[1], func(*types.Vote) {})
	},
	"prevote": func(c *LightChain, b *light.Block, args []string) {
		signPart(c, b, args[0], args[0], func(v *types.Vote) { v.Type = types.Prevote })
	},
	"round": func(c *LightChain, b *light.Block, args []string) {
		signPart(c, b, args[0], args[0], func(v *types.Vote) { v.Round++ })
	},
	"for-nil": func(c *LightChain, b *light.Block, args []string) {
		signPart(c, b, args[0], args[0], func(v *types.Vote) { v.Value = types.NilValue })
	},
	// Flags that there are not; an absence with a signature.
	"flag": func(c *LightChain, b *light.Block, args []string) {
		part(c, b, args[0]).Flag = types.CommitFlag(number(args[1]))
	},
	"absent": func(c *LightChain, b *light.Block, args []string) { part(c, b, args[0]).Flag = types.CommitAbsent },
}

// part is the entry of a validator in the commit.
func part(c *LightChain, b *light.Block, name string) *types.CommitSig {
	return &b.Commit.Signatures[b.Validators.Index(c.Address(name))]
}

// signPart lets a key sign something else in a validator's place.
func signPart(c *LightChain, b *light.Block, name, key string, change func(*types.Vote)) {
	v := b.Commit.Vote(b.Validators.Index(c.Address(name)))
	change(v)
	part(c, b, name).Signature = sign(c.Key(key), v, c.id)
}

// resign lets all who have signed sign the header as it is now, for a chain.
func resign(c *LightChain, b *light.Block, chainID string) {
	b.Commit.Value = idOf(b.Header)
	signAll(c, b, chainID)
}

func signAll(c *LightChain, b *light.Block, chainID string) {
	for name := range c.keys {
		i := b.Validators.Index(c.Address(name))
		if i < 0 {
			continue
		}
		if v := b.Commit.Vote(i); v != nil {
			b.Commit.Signatures[i].Signature = sign(c.Key(name), v, chainID)
		}
	}
}

func readdress(c *LightChain, b *light.Block, name string) {
	at := b.Validators.Index(c.Address(name))
	var vs []types.Validator
	for i := range b.Validators.Len() {
		vs = append(vs, b.Validators.At(i))
	}
	vs[at].Address[19] ^= 1
	set, err := types.NewValidatorSet(vs)
	if err != nil {
		panic(err)
	}
	b.Validators, b.Commit.Signatures[at].Validator = set, vs[at].Address
}
