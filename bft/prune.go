package bft

import (
	"fmt"
	"time"

	"github.com/flagship-go/flagship/bft/types"
)

// oldest is the first block of the store, and when it was made: so that it is read once, however long it stays.
type oldest struct {
	height types.Height
	time   time.Time
}

// prune drops the blocks below the height from which the application wants them kept, but for those of which there may be evidence
// yet (E1): it is judged by the block and the validators of its height. A node without them would find evidence not valid
// that the others find valid, and halt. CometBFT keeps the headers so long; our blocks are not taken apart.
//
//	 dropped   too old, but wanted       of these there may be evidence
//	---------|---------------------|----------- MaxAge -----------| LastHeight
//	       retain
func (e *Executor) prune(s *types.State, retain types.Height) error {
	h, retain := e.Store.Base(), min(retain, s.LastHeight)
	for ; h < retain; h++ {
		old, err := e.tooOld(s, h)
		if err != nil {
			return err
		}
		if !old {
			break
		}
	}
	if h <= e.Store.Base() {
		return nil
	}
	if err := e.Store.Prune(h); err != nil {
		return fmt.Errorf("bft: dropping blocks below %d: %w", h, err)
	}
	return nil
}

// tooOld tells whether evidence of a stored height has expired.
func (e *Executor) tooOld(s *types.State, h types.Height) (bool, error) {
	if !s.EvidenceExpired(h, time.Time{}) {
		return false, nil // whenever it was made: it need not be read
	}
	if e.oldest.height != h {
		b, _, err := e.Store.Block(h)
		if err != nil {
			return false, fmt.Errorf("bft: reading block %d, to drop it: %w", h, err)
		}
		e.oldest = oldest{h, b.Time}
	}
	return s.EvidenceExpired(h, e.oldest.time), nil
}
