package privval

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// The files of a signer. The key's is CometBFT's, so that a validator can move; the guard's is ours.
const (
	keyFile   = "priv_validator_key.json"
	guardFile = "priv_validator_guard"
	lockFile  = "priv_validator_lock"
)

// What is wrong with a signer's files: these can be taken apart by errors.As.
type (
	// VersionError names a file that a newer build wrote.
	VersionError = vfs.VersionError
	// CorruptError names a damaged file, and the place.
	CorruptError = vfs.CorruptError
)

// A FileSigner signs with a key that is kept in a folder, with the guard (S2) beside it. It is safe for concurrent use.
//
// The guard's file has three sectors of 512 bytes. What was signed last is in the latter two, written over in one write
// for each signature, and synced once. A crash in the middle leaves one of the two whole, old or new, and the signature has not
// left; a sector that rots leaves the other. If both are damaged, nothing is signed.
//
//	0     "bftguard" version:4 key:32 crc:4
//	512   crc:4 height:8 round:4 step:1 seconds:8 nanoseconds:4 signature:64 length:2 message
//	1024  the same
type FileSigner struct {
	mu     sync.Mutex
	guard  guard
	key    types.PrivateKey
	file   vfs.File
	lock   io.Closer
	failed error // what ended it
}

const (
	guardMagic   = "bftguard"
	guardVersion = 1
	recordHead   = 4 + 8 + 4 + 1 + 8 + 4 + types.SignatureSize + 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// OpenFileSigner opens the key and the guard in a folder, and makes the folder and a new key if there is none.
// A nil fsys is the operating system. One signer at a time has a folder: another one gets vfs.ErrLocked. A key whose guard is
// missing is refused, for it may have signed anything.
func OpenFileSigner(fsys vfs.FS, dir string) (s *FileSigner, err error) {
	if fsys == nil {
		fsys = vfs.OS()
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("bft: opening the signer in %s: %w", dir, err)
		}
	}()
	if err := makeDir(fsys, dir); err != nil {
		return nil, err
	}
	lock, err := fsys.Lock(filepath.Join(dir, lockFile))
	if err != nil {
		return nil, err
	}
	s = &FileSigner{lock: lock}
	s.guard.save = s.save
	defer func() {
		if err != nil {
			s.Close()
			s = nil
		}
	}()
	if s.key, err = readKey(fsys, filepath.Join(dir, keyFile)); errors.Is(err, fs.ErrNotExist) {
		err = s.create(fsys, dir)
	}
	if err != nil {
		return s, err
	}
	return s, s.open(fsys, filepath.Join(dir, guardFile))
}

// makeDir makes the folder, and durable what it had to make: a key that is gone after a power cut is one that nobody has.
func makeDir(fsys vfs.FS, dir string) error {
	made := []string{dir} // also if it is there: the power may have gone before its name was durable
	for d := filepath.Dir(dir); d != filepath.Dir(d); d = filepath.Dir(d) {
		if _, err := fsys.List(d); !errors.Is(err, fs.ErrNotExist) {
			break
		}
		made = append(made, d)
	}
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	for _, d := range made {
		if err := fsys.SyncDir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

// create makes a guard, and then the key: where there is a key there was a guard.
func (s *FileSigner) create(fsys vfs.FS, dir string) error {
	key, err := types.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	s.key = key
	if err := vfs.Replace(fsys, dir, guardFile+".new", guardFile, guardOf(key)); err != nil {
		return err
	}
	return vfs.Replace(fsys, dir, keyFile+".new", keyFile, marshalKey(key))
}

// guardOf is the file of a guard that has seen nothing signed.
func guardOf(key types.PrivateKey) []byte {
	file := make([]byte, 3*vfs.SectorSize)
	head := append(file[:0], guardMagic...)
	head = binary.LittleEndian.AppendUint32(head, guardVersion)
	head = append(head, key[types.KeySize:]...)
	binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli))
	copy(file[vfs.SectorSize:], encodeRecords(&signed{}))
	return file
}

func readFile(fsys vfs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name, vfs.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%s has %d bytes, and at most %d are expected", name, size, limit)
	}
	content := make([]byte, size)
	if _, err := f.ReadAt(content, 0); err != nil && err != io.EOF {
		return nil, err
	}
	return content, nil
}

// open reads the last record. It is written anew before anything is given out: a process that was killed between write
// and sync leaves one that is read, and yet not durable.
func (s *FileSigner) open(fsys vfs.FS, name string) error {
	f, err := fsys.Open(name, vfs.ReadWrite)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the key is there, and %s is not: it says what was signed, and without it the key may contradict itself; restore it, or take a new key", name)
	}
	if err != nil {
		return err
	}
	s.file = f
	file := make([]byte, 3*vfs.SectorSize)
	if n, _ := f.ReadAt(file, 0); n < len(file) {
		return &CorruptError{File: name, Offset: int64(n), Reason: "it ends here"}
	}
	if err := s.checkHead(name, file); err != nil {
		return err
	}
	last, ok := decodeRecord(file[vfs.SectorSize:][:vfs.SectorSize])
	second, okToo := decodeRecord(file[2*vfs.SectorSize:])
	if okToo && (!ok || second.compare(&last) > 0) {
		last = second
	}
	if !ok && !okToo {
		return &CorruptError{File: name, Offset: vfs.SectorSize, Reason: "wrong checksum, or an impossible place, of what was signed last, and of its copy"}
	}
	s.guard.last = last
	return s.save(last)
}

func (s *FileSigner) checkHead(name string, file []byte) error {
	at := len(guardMagic)
	version := binary.LittleEndian.Uint32(file[at:])
	body := at + 4 + types.KeySize
	switch {
	case string(file[:at]) != guardMagic:
		return &CorruptError{File: name, Reason: "it is no guard's file"}
	case version > guardVersion:
		return &VersionError{File: name, Version: version, Supported: guardVersion}
	case crc32.Checksum(file[:body], castagnoli) != binary.LittleEndian.Uint32(file[body:]):
		return &CorruptError{File: name, Reason: "wrong checksum of its head"}
	case !bytes.Equal(file[at+4:body], s.PubKey()):
		return fmt.Errorf("%s is another key's, of validator %v", name, types.AddressOf(file[at+4:body]))
	}
	return nil
}

// save writes what is to be signed over what was signed last. After an error nothing is signed any more: what is on the disk
// is not known, and not even a later sync would tell.
func (s *FileSigner) save(r signed) error {
	if recordHead+len(r.bytes) > vfs.SectorSize {
		return fmt.Errorf("bft: signing at %v: a message of %d bytes is too long; is the chain's id?", &r, len(r.bytes))
	}
	_, err := s.file.WriteAt(encodeRecords(&r), vfs.SectorSize)
	if err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		s.failed = fmt.Errorf("bft: saving what is to be signed in %s: %w (nothing more is signed until the signer is opened again)", s.file.Name(), err)
	}
	return s.failed
}

// encodeRecords is both sectors.
func encodeRecords(r *signed) []byte {
	both := make([]byte, 2*vfs.SectorSize)
	b := both[:4]
	b = binary.LittleEndian.AppendUint64(b, uint64(r.height))
	b = binary.LittleEndian.AppendUint32(b, uint32(r.round))
	b = append(b, byte(r.step))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.time.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(r.time.Nanosecond()))
	var signature [types.SignatureSize]byte
	copy(signature[:], r.signature)
	b = append(b, signature[:]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.bytes)))
	b = append(b, r.bytes...)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	copy(both[vfs.SectorSize:], b)
	return both
}

// decodeRecord reads a sector. A place that no vote has is damage, whatever the checksum says: a guard of height -1 would guard nothing.
func decodeRecord(b []byte) (r signed, ok bool) {
	size := recordHead + int(binary.LittleEndian.Uint16(b[recordHead-2:]))
	if size > len(b) || crc32.Checksum(b[4:size], castagnoli) != binary.LittleEndian.Uint32(b) {
		return r, false
	}
	r.height = types.Height(binary.LittleEndian.Uint64(b[4:]))
	r.round = types.Round(binary.LittleEndian.Uint32(b[12:]))
	r.step = types.Step(b[16])
	nanoseconds := binary.LittleEndian.Uint32(b[25:])
	r.time = time.Unix(int64(binary.LittleEndian.Uint64(b[17:])), int64(nanoseconds)).UTC()
	r.signature = bytes.Clone(b[29 : 29+types.SignatureSize])
	r.bytes = bytes.Clone(b[recordHead:size])
	return r, r.height >= 0 && r.round >= 0 && r.step <= types.StepPrecommit && nanoseconds < 1e9
}

// jsonKey is CometBFT's priv_validator_key.json.
type jsonKey struct {
	Address string    `json:"address"`
	PubKey  jsonBytes `json:"pub_key"`
	PrivKey jsonBytes `json:"priv_key"`
}

type jsonBytes struct {
	Type  string `json:"type"`
	Value []byte `json:"value"`
}

func marshalKey(key types.PrivateKey) []byte {
	address := types.AddressOf(key[types.KeySize:])
	text, err := json.MarshalIndent(jsonKey{
		Address: strings.ToUpper(fmt.Sprintf("%x", address[:])),
		PubKey:  jsonBytes{"tendermint/PubKeyEd25519", key[types.KeySize:]},
		PrivKey: jsonBytes{"tendermint/PrivKeyEd25519", key},
	}, "", "  ")
	if err != nil {
		panic(err) // strings and bytes only
	}
	return append(text, '\n')
}

func readKey(fsys vfs.FS, name string) (types.PrivateKey, error) {
	text, err := readFile(fsys, name, 1<<16)
	if err != nil {
		return nil, err
	}
	return unmarshalKey(name, text)
}

// unmarshalKey is the key in the file of a name.
func unmarshalKey(name string, text []byte) (types.PrivateKey, error) {
	var k jsonKey
	if err := json.Unmarshal(text, &k); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	key := k.PrivKey.Value
	if k.PrivKey.Type != "tendermint/PrivKeyEd25519" || len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%s: its key of type %q and %d bytes is no Ed25519 key", name, k.PrivKey.Type, len(key))
	}
	// A public half that is not that of the seed would sign what nobody verifies, and give the seed away.
	if !bytes.Equal(ed25519.NewKeyFromSeed(key[:32]), key) {
		return nil, fmt.Errorf("%s: the halves of its key do not belong together", name)
	}
	return key, nil
}

// PubKey implements bft.Signer.
func (s *FileSigner) PubKey() []byte { return s.key[types.KeySize:] }

// SignVote implements bft.Signer.
func (s *FileSigner) SignVote(chainID string, v *types.Vote) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	return s.guard.signVote(s.key, chainID, v)
}

// SignProposal implements bft.Signer.
func (s *FileSigner) SignProposal(chainID string, p *types.Proposal) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return s.failed
	}
	return s.guard.signProposal(s.key, chainID, p)
}

// Close ends the signer, and lets another one have the folder. It may be called more than once.
func (s *FileSigner) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lock == nil {
		return nil
	}
	s.failed = errors.New("bft: the signer is closed")
	var err error
	if s.file != nil {
		err = s.file.Close()
	}
	err = errors.Join(err, s.lock.Close())
	s.lock = nil
	return err
}
