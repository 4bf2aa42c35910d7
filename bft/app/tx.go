package app

import (
	"bytes"
	"crypto/ed25519"
)

// MaxMsgs is how many messages a transaction may have.
const MaxMsgs = 256

// A Tx is messages that one account signs for, and that happen together or not at all.
//
//	1 | public key 32 | sequence | gas | fee denom | fee amount | memo | number of messages | (type | body)... | signature 64
//
// What is signed is the chain's id before all of this but the signature. There is one encoding of each transaction: what does not
// encode to the bytes it was decoded from is refused, so nobody can change the hash of somebody else's transaction.
type Tx struct {
	PubKey    [32]byte // Ed25519, of the account that signs and pays
	Sequence  uint64   // how many transactions of the account were before: none is executed twice
	Gas       uint64   // how much it may use
	Fee       Coin     // paid whether the messages succeed or not; the zero Coin: nothing
	Memo      string
	Msgs      []RawMsg
	Signature [64]byte
}

// A RawMsg is a message in its encoding.
type RawMsg struct {
	Type string
	Body []byte
}

const txVersion = 1

// Signer is the account that signs and pays.
func (tx *Tx) Signer() Address { return AddressOf(tx.PubKey[:]) }

// appendContent appends all but the signature.
func (tx *Tx) appendContent(dst []byte) []byte {
	dst = append(dst, txVersion)
	dst = append(dst, tx.PubKey[:]...)
	dst = AppendUint(dst, tx.Sequence)
	dst = AppendUint(dst, tx.Gas)
	dst = tx.Fee.Append(dst)
	dst = AppendString(dst, tx.Memo)
	dst = AppendUint(dst, uint64(len(tx.Msgs)))
	for _, m := range tx.Msgs {
		dst = AppendString(dst, m.Type)
		dst = AppendString(dst, m.Body)
	}
	return dst
}

// Encode is tx's bytes.
func (tx *Tx) Encode() []byte {
	return append(tx.appendContent(make([]byte, 0, 256)), tx.Signature[:]...)
}

// SignBytes is what is signed on the chain with this id.
func (tx *Tx) SignBytes(chainID string) []byte {
	dst := AppendString(make([]byte, 0, 256), "flagship/app/tx")
	return tx.appendContent(AppendString(dst, chainID))
}

// Sign makes tx the transaction of a key on a chain: it fills in PubKey and Signature, and is encoded.
func (tx *Tx) Sign(chainID string, key ed25519.PrivateKey) []byte {
	copy(tx.PubKey[:], key.Public().(ed25519.PublicKey))
	copy(tx.Signature[:], ed25519.Sign(key, tx.SignBytes(chainID)))
	return tx.Encode()
}

// NewTx is a transaction of these messages, not signed yet.
func NewTx(sequence, gas uint64, fee Coin, msgs ...Msg) *Tx {
	tx := &Tx{Sequence: sequence, Gas: gas, Fee: fee}
	for _, m := range msgs {
		tx.Msgs = append(tx.Msgs, RawMsg{m.Type(), m.Append(nil)})
	}
	return tx
}

// DecodeTx reads what Encode wrote, and nothing else: ErrTxDecode.
func DecodeTx(raw []byte) (*Tx, error) {
	r := NewReader(raw)
	var version [1]byte
	r.Fixed(version[:])
	tx := &Tx{}
	r.Fixed(tx.PubKey[:])
	tx.Sequence, tx.Gas = r.Uint(), r.Uint()
	tx.Fee = r.Coin()
	tx.Memo = r.Text()
	n := r.Len(2)
	if n > MaxMsgs {
		return nil, failf(ErrTxDecode, "%d messages; %d are the most", n, MaxMsgs)
	}
	for range n {
		tx.Msgs = append(tx.Msgs, RawMsg{r.Text(), r.Bytes()})
	}
	r.Fixed(tx.Signature[:])
	if err := r.Done(); err != nil {
		return nil, failf(ErrTxDecode, "%v", err)
	}
	if version[0] != txVersion {
		return nil, failf(ErrTxDecode, "version %d; this is version %d", version[0], txVersion)
	}
	if !bytes.Equal(tx.Encode(), raw) {
		return nil, failf(ErrTxDecode, "there is another encoding of it, and that one counts")
	}
	return tx, nil
}
