package bft

import (
	"time"

	"github.com/flagship-go/flagship/bft/abci"
)

// A State is what is known after a block: enough to judge the next one. States are not changed, but made anew.
type State struct {
	ChainID       string
	InitialHeight Height

	LastHeight  Height // 0: none yet
	LastBlockID ValueID
	LastTime    time.Time

	// Validators decide LastHeight+1. A change in block H is in NextValidators after it, and in Validators one later:
	// it takes effect at H+2 (V2).
	NextValidators *ValidatorSet
	Validators     *ValidatorSet
	LastValidators *ValidatorSet // who signed LastCommit of the next block; nil before the first

	Params          abci.ConsensusParams // whole: no part is nil
	LastResultsHash Hash
	AppHash         []byte
}

// Results is what the application said to a block.
type Results struct {
	Height   Height
	Response *abci.FinalizeBlockResponse
}
