package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"

	"github.com/flagship-go/flagship/bft/abci"
	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/bft/app/bank"
	"github.com/flagship-go/flagship/bft/types"
)

// Lines of a file as transfers:
//
//	if err := srv.Serve(l); err != nil {          "if" pays "nil" 36 units, and signs for it
//
// and the books that a loop over the same lines keeps, without any chain.

const (
	bftDenom = "stake"
	// bftOpening is what each account has at first.
	bftOpening = 1_000_000
	// bftLines is how many transfers there are; the first one follows the last one.
	bftLines = 1200
	// bftLeast is how many there must be: fewer are no bank.
	bftLeast = 20
	// bftDearest bounds what a line costs, so that none costs more than there is.
	bftDearest = 200
	bftGas     = 500_000
)

type bftAccount struct {
	word     string
	key      ed25519.PrivateKey
	address  app.Address
	sequence uint64 // of its next transfer
	balance  uint64 // by the loop over the lines
}

type bftTransfer struct {
	line     int
	from, to *bftAccount
	amount   uint64
}

type bftLedger struct {
	file      string
	accounts  []*bftAccount // in the order in which the words come first
	transfers []bftTransfer
	next      int
}

var bftWord = regexp.MustCompile(`\pL+`)

// readLedger makes transfers of the longest file.
func readLedger(files []File) (*bftLedger, error) {
	var longest File
	for _, f := range files {
		if len(f.Data) > len(longest.Data) {
			longest = f
		}
	}
	l := &bftLedger{file: longest.Name}
	known := map[string]*bftAccount{}
	account := func(word []byte) *bftAccount {
		a := known[string(word)]
		if a == nil {
			a = newBFTAccount(string(word))
			known[a.word] = a
			l.accounts = append(l.accounts, a)
		}
		return a
	}
	line := 0
	for text := range bytes.Lines(longest.Data) {
		line++
		words := bftWord.FindAll(text, -1)
		if len(l.transfers) == bftLines || len(words) < 2 {
			continue
		}
		l.transfers = append(l.transfers, bftTransfer{line, account(words[0]), account(words[len(words)-1]), uint64(min(len(text), bftDearest))})
	}
	if len(l.transfers) < bftLeast || len(l.accounts) < 2 {
		return nil, fmt.Errorf("this chapter needs a file with %d lines of two words or more, and the longest, %q, has %d; name a larger folder with -src", bftLeast, longest.Name, len(l.transfers))
	}
	return l, nil
}

func newBFTAccount(word string) *bftAccount {
	seed := sha256.Sum256([]byte("flagship tour, the account of " + word))
	key := ed25519.NewKeyFromSeed(seed[:])
	return &bftAccount{word: word, key: key, address: app.AddressOf(key.Public().(ed25519.PublicKey)), balance: bftOpening}
}

// take is the next transfer.
func (l *bftLedger) take() bftTransfer {
	t := l.transfers[l.next%len(l.transfers)]
	l.next++
	return t
}

func (t *bftTransfer) msg() app.Msg {
	return bank.MsgSend{From: t.from.address, To: t.to.address, Coin: app.Coin{Denom: bftDenom, Amount: t.amount}}
}

// sign makes the transaction, the next one of who pays.
func (t *bftTransfer) sign() []byte {
	raw := app.NewTx(t.from.sequence, bftGas, app.Coin{}, t.msg()).Sign(bftChainID, t.from.key)
	t.from.sequence++
	return raw
}

// book is what the transfer does to the books.
func (t *bftTransfer) book() {
	t.from.balance -= t.amount
	t.to.balance += t.amount
}

// send has transfers committed. Each account gives its own to one validator, so they arrive in their order.
func (a *bftActs) send() error {
	ctx, cancel := context.WithTimeout(a.ctx, bftPatience)
	defer cancel()
	live := a.chain.running()
	type underway struct {
		bftTransfer
		hash types.Hash
		node *bftNode
	}
	var all []underway
	for range a.wave {
		u := underway{bftTransfer: a.ledger.take()}
		u.node = live[int(u.from.address[0])%len(live)]
		raw := u.sign()
		u.hash = sha256.Sum256(raw)
		checked, err := u.node.BroadcastTx(ctx, raw)
		if err != nil {
			return fmt.Errorf("sending line %d: %w", u.line, err)
		}
		if checked.Code != abci.CodeOK {
			return fmt.Errorf("line %d is not taken: %s", u.line, checked.Log)
		}
		all = append(all, u)
	}
	for _, u := range all {
		done, err := u.node.WaitTx(ctx, u.hash)
		if err != nil {
			return fmt.Errorf("waiting for line %d: %w", u.line, errors.Join(err, u.node.Err()))
		}
		if done.Result.Code == abci.CodeOK {
			u.book()
		} else {
			a.refused++
		}
		a.sent++
		a.last = max(a.last, done.Height)
	}
	for _, n := range live {
		if err := n.Wait(ctx, a.last); err != nil {
			return fmt.Errorf("waiting for all to have block %d: %w", a.last, errors.Join(err, n.Err()))
		}
	}
	return nil
}

// forge tries what must not be possible.
func (a *bftActs) forge() error {
	t := a.ledger.take()
	thief := a.ledger.accounts[0]
	if thief == t.from {
		thief = a.ledger.accounts[1]
	}
	stolen := app.NewTx(thief.sequence, bftGas, app.Coin{}, t.msg()).Sign(bftChainID, thief.key)
	genuine := t.sign()
	tampered := bytes.Clone(genuine)
	tampered[len(tampered)-1] ^= 1
	taken := 0
	try := func(raw []byte) error {
		checked, err := a.node(0).BroadcastTx(a.ctx, raw)
		if err == nil && checked.Code == abci.CodeOK {
			taken++
		}
		return a.ctx.Err()
	}
	if err := errors.Join(try(stolen), try(tampered)); err != nil {
		return err
	}
	forged := taken
	// The same once more, after it was committed, would pay twice.
	if err := try(genuine); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(a.ctx, bftPatience)
	defer cancel()
	done, err := a.node(0).WaitTx(ctx, sha256.Sum256(genuine))
	if err != nil {
		return fmt.Errorf("waiting for line %d: %w", t.line, err)
	}
	t.book()
	a.sent++
	for _, n := range a.chain.running() {
		if err := n.Wait(ctx, done.Height); err != nil {
			return err
		}
	}
	a.last = max(a.last, done.Height)
	if err := try(genuine); err != nil {
		return err
	}
	a.Claim(forged == 0 && taken == 1, "line %d signed by somebody else, with a bit of the signature turned, or a second time: none of it is taken", t.line)
	return nil
}
