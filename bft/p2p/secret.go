package p2p

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
)

// magic opens a link in both directions. Its last byte is the version of what is in this file.
const magic = "bft/p2p\x01"

const (
	pointSize = 32
	// maxRecord bounds the plain bytes of a record.
	maxRecord  = 32 << 10
	recordHead = 2 // length of what is sealed, big-endian; authenticated, not hidden
	sealSize   = 16
	proofSize  = ed25519.PublicKeySize + ed25519.SignatureSize
)

// A secretConn is a connection whose two ends have proved who they are, and on which nobody else reads or
// writes. Seal and open may be used at the same time, each by one goroutine.
//
//	record   | length 2 | sealed: at most 32 KiB of plain bytes, and a tag of 16 |
//
// The nonce is the count of records in this direction under this key: one that is left out, repeated,
// turned back or moved does not open. A key is used for one direction of one link, so no nonce comes twice.
type secretConn struct {
	net.Conn
	r          *bufio.Reader
	sealer     cipher.AEAD
	opener     cipher.AEAD
	sent, read uint64 // records
	nonceOut   [12]byte
	nonceIn    [12]byte
	record     []byte // the one that was read last

	challenge [32]byte
	dialer    bool
}

// exchange makes the keys of a link: X25519 with points for this link alone.
func exchange(conn net.Conn, dialer bool) (*secretConn, error) {
	own, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("p2p: make a key for a link: %w", err)
	}
	s := &secretConn{Conn: conn, r: bufio.NewReaderSize(conn, maxRecord+recordHead+sealSize), dialer: dialer}
	opening := append([]byte(magic), own.PublicKey().Bytes()...)
	if dialer {
		if _, err := conn.Write(opening); err != nil {
			return nil, explain(err, "open the link")
		}
	}
	theirs, err := s.readOpening()
	if err != nil {
		return nil, err
	}
	if !dialer {
		if _, err := conn.Write(opening); err != nil {
			return nil, explain(err, "open the link")
		}
	}
	return s, s.derive(own, theirs)
}

// readOpening looks at the magic first: whatever else speaks to the port is found out by its first bytes.
func (s *secretConn) readOpening() ([]byte, error) {
	head := make([]byte, len(magic)+pointSize)
	for i := range magic {
		if _, err := io.ReadFull(s.r, head[i:i+1]); err != nil {
			return nil, explain(err, "wait for the link to open")
		}
		if head[i] != magic[i] && i < len(magic)-1 {
			return nil, fmt.Errorf("%w: the link opens with %q", ErrProtocol, head[:i+1])
		}
	}
	if v := head[len(magic)-1]; v != magic[len(magic)-1] {
		return nil, fmt.Errorf("%w: the other side's links are of version %d, ours of %d", ErrVersion, v, magic[len(magic)-1])
	}
	if _, err := io.ReadFull(s.r, head[len(magic):]); err != nil {
		return nil, explain(err, "read the other side's point")
	}
	return head[len(magic):], nil
}

// derive makes keys and challenge of the shared secret and both points.
func (s *secretConn) derive(own *ecdh.PrivateKey, theirs []byte) error {
	mine := own.PublicKey().Bytes()
	if bytes.Equal(mine, theirs) {
		return fmt.Errorf("%w: our own point comes back: an echo", ErrAuth)
	}
	point, err := ecdh.X25519().NewPublicKey(theirs)
	if err != nil {
		return fmt.Errorf("%w: the other side's point: %w", ErrAuth, err)
	}
	// ECDH refuses the points of low order, whose secret everybody knows.
	secret, err := own.ECDH(point)
	if err != nil {
		return fmt.Errorf("%w: the other side's point: %w", ErrAuth, err)
	}
	salt := sha256.New()
	salt.Write([]byte(magic))
	if s.dialer {
		salt.Write(mine)
		salt.Write(theirs)
	} else {
		salt.Write(theirs)
		salt.Write(mine)
	}
	keys, err := hkdf.Key(sha256.New, secret, salt.Sum(nil), "bft/p2p keys and challenge", 3*32)
	if err != nil {
		return fmt.Errorf("p2p: derive a link's keys: %w", err)
	}
	out, in := keys[:32], keys[32:64]
	if !s.dialer {
		out, in = in, out
	}
	copy(s.challenge[:], keys[64:])
	if s.sealer, err = newAEAD(out); err != nil {
		return err
	}
	s.opener, err = newAEAD(in)
	return err
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("p2p: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("p2p: %w", err)
	}
	return aead, nil
}

// signed is what a side signs: nothing that a key would sign for another purpose, and not what the other side signs.
func (s *secretConn) signed(dialer bool) []byte {
	side := "listener"
	if dialer {
		side = "dialer"
	}
	return append([]byte("bft/p2p link, signed by its "+side+": "), s.challenge[:]...)
}

// prove is this side's proof, and what it says of itself, to be sealed.
func (s *secretConn) prove(key ed25519.PrivateKey, hello []byte) []byte {
	proof := append([]byte(nil), key.Public().(ed25519.PublicKey)...)
	proof = append(proof, ed25519.Sign(key, s.signed(s.dialer))...)
	return append(proof, hello...)
}

// verify is the other side of prove.
func (s *secretConn) verify(proof []byte) (key ed25519.PublicKey, hello []byte, err error) {
	if len(proof) < proofSize {
		return nil, nil, fmt.Errorf("%w: a proof of %d bytes", ErrProtocol, len(proof))
	}
	key = bytes.Clone(proof[:ed25519.PublicKeySize])
	if lowOrder(key) {
		return nil, nil, fmt.Errorf("%w: the other side's key %x is a point of low order, for which everybody can sign", ErrAuth, key)
	}
	if !ed25519.Verify(key, s.signed(!s.dialer), proof[len(key):proofSize]) {
		return nil, nil, fmt.Errorf("%w: the other side does not have the key of %s", ErrAuth, IDOf(key))
	}
	return key, proof[proofSize:], nil
}

// smallY are the y-coordinates of Edwards points of low order, with those that are not reduced modulo p.
var smallY = [...]string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

func lowOrder(key []byte) bool {
	y := bytes.Clone(key)
	y[31] &= 0x7f // without the sign of x
	text := hex.EncodeToString(y)
	for _, small := range smallY {
		if text == small {
			return true
		}
	}
	return false
}

// beginRecord leaves place for a record's head. Plain bytes are appended, then endRecord seals them where they are.
func beginRecord(b []byte) []byte { return append(b, 0, 0) }

// endRecord seals the record that begins at b[at:].
func (s *secretConn) endRecord(b []byte, at int) []byte {
	head, plain := b[at:at+recordHead], b[at+recordHead:]
	binary.BigEndian.PutUint16(head, uint16(len(plain)+sealSize))
	binary.BigEndian.PutUint64(s.nonceOut[4:], s.sent)
	s.sent++
	sealed := s.sealer.Seal(plain[:0], s.nonceOut[:], plain, head)
	if cap(b) >= at+recordHead+len(sealed) {
		return b[:at+recordHead+len(sealed)] // sealed in place
	}
	return append(b[:at+recordHead], sealed...)
}

// next reads a record. The plain bytes are valid until the next call.
func (s *secretConn) next() ([]byte, error) {
	head, err := s.r.Peek(recordHead)
	if err != nil {
		return nil, explain(err, "wait for a record")
	}
	n := int(binary.BigEndian.Uint16(head))
	if n <= sealSize || n > maxRecord+sealSize {
		return nil, fmt.Errorf("%w: a record of %d bytes", ErrProtocol, n)
	}
	if cap(s.record) < recordHead+n {
		s.record = make([]byte, recordHead+n, recordHead+maxRecord+sealSize)
	}
	record := s.record[:recordHead+n]
	if _, err := io.ReadFull(s.r, record); err != nil {
		return nil, explain(err, "read the rest of a record")
	}
	binary.BigEndian.PutUint64(s.nonceIn[4:], s.read)
	body := record[recordHead:]
	plain, err := s.opener.Open(body[:0], s.nonceIn[:], body, record[:recordHead])
	if err != nil {
		return nil, fmt.Errorf("%w: record %d does not open: it was changed, repeated or moved", ErrAuth, s.read)
	}
	s.read++
	return plain, nil
}

// buffered tells whether a whole record is here, and need not be waited for.
func (s *secretConn) buffered() bool {
	n := s.r.Buffered()
	if n < recordHead {
		return false
	}
	head, _ := s.r.Peek(recordHead)
	return n >= recordHead+int(binary.BigEndian.Uint16(head))
}
