package light

import (
	"errors"
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// Params say how far to trust. They hold no state, and may be shared.
type Params struct {
	// Level is how much of a trusted set's power must have signed a later header: more than that, from 1/3 to below 1. A higher level
	// takes more steps and stands more liars. Default: 1/3.
	Level types.Fraction
	// Period is how long a header is trusted after its time. It must be shorter than the time for which validators who lied can still be
	// punished (the unbonding time): two thirds of that is usual. There is no default.
	Period time.Duration
	// Drift is how much later than our clock a header's time may be. Default: 10 s.
	Drift time.Duration
}

// Trusted is what a trusted header leaves to verify the next one by: all that IBC keeps of one.
type Trusted struct {
	Height             types.Height
	Time               time.Time
	NextValidatorsHash types.Hash
	// Next is the set with that hash; nil: sequential verification only.
	Next *types.ValidatorSet
}

// Trusted is what the block is trusted by, once it is.
func (b *Block) Trusted() Trusted {
	return Trusted{b.Header.Height, b.Header.Time, b.Header.NextValidatorsHash, b.Next}
}

// Why a block is not trusted.
var (
	// ErrParams are parameters that make no sense.
	ErrParams = errors.New("light: parameters")
	// ErrExpired is a trusted header that is too old to trust anything by. The remedy is a new one from a source that is
	// trusted for other reasons: a node of one's own, a friend, a block explorer.
	ErrExpired = errors.New("light: the trusted header has expired")
	// ErrFuture is a header with a time that has not come.
	ErrFuture = errors.New("light: header from the future")
	// ErrNotLater is a header that does not follow the trusted one in height and time.
	ErrNotLater = errors.New("light: header is not later than the trusted one")
	// ErrNotEnoughTrust is a header that may be right, but too few of those trusted have signed it. The remedy is a step to a height
	// in between.
	ErrNotEnoughTrust = errors.New("light: not enough of the trusted validators have signed")
)

// withDefaults checks p.
func (p Params) withDefaults() (Params, error) {
	if p.Level == (types.Fraction{}) {
		p.Level = types.Fraction{Numerator: 1, Denominator: 3}
	}
	if p.Drift == 0 {
		p.Drift = 10 * time.Second
	}
	n, d := p.Level.Numerator, p.Level.Denominator
	switch {
	case p.Period <= 0:
		return p, fmt.Errorf("%w: Params.Period is %v; it should be about two thirds of the chain's unbonding time", ErrParams, p.Period)
	case p.Drift < 0:
		return p, fmt.Errorf("%w: Params.Drift is %v", ErrParams, p.Drift)
	case n >= d || d > 1<<32 || 3*n < d:
		return p, fmt.Errorf("%w: Params.Level is %d/%d, and it is from 1/3 to below 1", ErrParams, n, d)
	}
	return p, nil
}

// Verify tells whether b may be trusted, because of a header that is (C1): sequentially if it is the next one, or else skipping. It is a pure
// function: the clock is passed. Errors: [ErrParams], [ErrExpired], [ErrInvalid], [ErrFuture], [ErrNotLater],
// [ErrNotEnoughTrust], and those of commits, [types.ErrCommit] and [types.ErrNotEnoughPower].
func Verify(p Params, chainID string, trusted Trusted, b *Block, now time.Time) error {
	p, err := p.withDefaults()
	if err != nil {
		return err
	}
	if err := p.checkExpired(&trusted, now); err != nil {
		return err
	}
	if err := b.Check(chainID); err != nil {
		return err
	}
	if err := p.checkLater(&trusted, b, now); err != nil {
		return err
	}
	v := types.NewCommitVerifier(chainID, b.Commit) // the two checks of a step that skips share signatures
	if b.Height() == trusted.Height+1 {
		err = checkNext(&trusted, b)
	} else {
		err = p.checkTrust(v, &trusted, b)
	}
	if err != nil {
		return err
	}
	return checkOwn(v, b)
}

// VerifyCommit tells whether more than two thirds of the block's own validators have signed it. Who trusts a block for other reasons, by its hash,
// begins with [Block.Check] and this.
func VerifyCommit(chainID string, b *Block) error {
	return checkOwn(types.NewCommitVerifier(chainID, b.Commit), b)
}

func checkOwn(v *types.CommitVerifier, b *Block) error {
	if err := v.Light(b.Validators, b.Commit.Value, b.Height()); err != nil {
		return fmt.Errorf("light: height %d by its own validators: %w", b.Height(), err)
	}
	return nil
}

// Expired tells whether a header of a time can no longer be trusted by.
func (p Params) Expired(header, now time.Time) bool { return !now.Before(header.Add(p.Period)) }

func (p *Params) checkExpired(trusted *Trusted, now time.Time) error {
	if !p.Expired(trusted.Time, now) {
		return nil
	}
	return fmt.Errorf("%w: height %d of %v could be trusted until %v, and it is %v; begin again with a newer header, from a source you trust",
		ErrExpired, trusted.Height, trusted.Time.UTC(), trusted.Time.Add(p.Period).UTC(), now.UTC())
}

// checkLater keeps heights and times growing.
func (p *Params) checkLater(trusted *Trusted, b *Block, now time.Time) error {
	switch at := b.Header.Time; {
	case b.Height() <= trusted.Height:
		return fmt.Errorf("%w: height %d after height %d", ErrNotLater, b.Height(), trusted.Height)
	case !at.After(trusted.Time):
		return fmt.Errorf("%w: height %d has time %v, and height %d has %v", ErrNotLater, b.Height(), at, trusted.Height, trusted.Time)
	case !at.Before(now.Add(p.Drift)):
		return fmt.Errorf("%w: height %d has time %v, and it is %v; if that is wrong, set the clock", ErrFuture, b.Height(), at, now)
	}
	return nil
}

// checkNext is the sequential half: the trusted header names the set.
func checkNext(trusted *Trusted, b *Block) error {
	if b.Header.ValidatorsHash != trusted.NextValidatorsHash {
		return fmt.Errorf("%w %d: its validators are %v, and height %d says that %v are next",
			ErrInvalid, b.Height(), b.Header.ValidatorsHash, trusted.Height, trusted.NextValidatorsHash)
	}
	return nil
}

// checkTrust is the skipping half: counted in the set that is trusted, whatever the header says of its own.
func (p *Params) checkTrust(v *types.CommitVerifier, trusted *Trusted, b *Block) error {
	if trusted.Next == nil {
		return fmt.Errorf("%w: the validators after height %d are not known, and height %d is not the next", ErrNotEnoughTrust, trusted.Height, b.Height())
	}
	if err := checkSet(trusted.Next, trusted.NextValidatorsHash); err != nil {
		return fmt.Errorf("%w: those said to be next after trusted height %d: %w", ErrInvalid, trusted.Height, err)
	}
	err := v.Trusting(trusted.Next, p.Level)
	if errors.Is(err, types.ErrNotEnoughPower) {
		return fmt.Errorf("%w: height %d by those of height %d: %w", ErrNotEnoughTrust, b.Height(), trusted.Height+1, err)
	}
	if err != nil {
		return fmt.Errorf("light: height %d by those of height %d: %w", b.Height(), trusted.Height+1, err)
	}
	return nil
}

// VerifyBackwards tells whether older is the header before a trusted one: the trusted one has its hash. That does not expire.
func VerifyBackwards(trusted, older *types.Header) error {
	hash := older.Hash()
	switch {
	case older.ChainID != trusted.ChainID:
		return fmt.Errorf("%w %d: it is of chain %q, and this is %q", ErrInvalid, older.Height, older.ChainID, trusted.ChainID)
	case older.Height+1 != trusted.Height:
		return fmt.Errorf("%w: height %d is not the one before %d", ErrInvalid, older.Height, trusted.Height)
	case !older.Time.Before(trusted.Time):
		return fmt.Errorf("%w %d: its time %v is not before that of the next one, %v", ErrInvalid, older.Height, older.Time, trusted.Time)
	case trusted.LastBlockID.Hash != hash:
		return fmt.Errorf("%w %d: its hash is %v, and the next one says %v", ErrInvalid, older.Height, hash, trusted.LastBlockID.Hash)
	}
	return nil
}
