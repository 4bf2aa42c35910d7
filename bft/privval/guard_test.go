package privval

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flagship-go/flagship/bft"
	"github.com/flagship-go/flagship/bft/types"
	"github.com/flagship-go/flagship/internal/vfs"
	"github.com/stretchr/testify/require"
)

const (
	signerDir = "home/config"
	chainID   = "chain-1"
)

var (
	someTime = time.Date(2026, 11, 27, 10, 20, 30, 123456789, time.UTC)
	valueA   = types.ValueID{Hash: types.Hash{1}, Parts: types.PartsHeader{Total: 3, Hash: types.Hash{2}}}
	valueB   = types.ValueID{Hash: types.Hash{9}, Parts: types.PartsHeader{Total: 1, Hash: types.Hash{8}}}
)

// ask is something that a signer is asked for.
type ask struct {
	height types.Height
	round  types.Round
	step   types.Step
	value  types.ValueID
	time   time.Time
}

// given is what it gave out.
type given struct {
	ask
	signature []byte
}

func (a ask) String() string { return fmt.Sprintf("%d/%d %v %v", a.height, a.round, a.step, a.value) }

// sign asks, and checks what comes back.
func (a ask) sign(t testing.TB, s bft.Signer) (given, error) {
	t.Helper()
	if a.step == types.StepPropose {
		p := &types.Proposal{Height: a.height, Round: a.round, ValidRound: types.NoRound, Value: a.value, Time: a.time}
		err := s.SignProposal(chainID, p)
		require.Equal(t, err == nil, p.Verify(chainID, s.PubKey()))
		a.time = p.Time
		return given{a, p.Signature}, err
	}
	v := &types.Vote{Type: types.Prevote, Height: a.height, Round: a.round, Value: a.value, Time: a.time, ValidRound: types.NoRound}
	if a.step == types.StepPrecommit {
		v.Type = types.Precommit
	}
	err := s.SignVote(chainID, v)
	require.Equal(t, err == nil, v.Verify(chainID, s.PubKey()))
	a.time = v.Time
	return given{a, v.Signature}, err
}

// signers are the two kinds.
func signersToTest(t *testing.T) map[string]bft.Signer {
	file, err := OpenFileSigner(vfs.NewMem(), signerDir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	return map[string]bft.Signer{"file": file, "mem": NewMemSigner("n1")}
}

// S2: heights, rounds and steps only grow, and in one place one thing is signed.
func TestNothingIsSignedTwice(t *testing.T) {
	for name, s := range signersToTest(t) {
		signs := func(a ask) given {
			t.Helper()
			g, err := a.sign(t, s)
			require.NoError(t, err, "RULE S2: %s: %v", name, a)
			return g
		}
		refuses := func(a ask) {
			t.Helper()
			g, err := a.sign(t, s)
			require.ErrorIs(t, err, types.ErrDoubleSign, "RULE S2: %s: %v", name, a)
			require.Empty(t, g.signature)
		}
		at := func(h types.Height, r types.Round, step types.Step, v types.ValueID) ask {
			return ask{h, r, step, v, someTime}
		}

		signs(at(5, 1, types.StepPropose, valueA))
		refuses(at(5, 1, types.StepPropose, valueB))
		first := signs(at(5, 1, types.StepPrevote, valueA))
		refuses(at(5, 1, types.StepPropose, valueA)) // an earlier step
		refuses(at(5, 1, types.StepPrevote, valueB))
		refuses(at(5, 1, types.StepPrevote, types.NilValue))
		require.Equal(t, first, signs(at(5, 1, types.StepPrevote, valueA)), "RULE S2: the same signature again")
		later := at(5, 1, types.StepPrevote, valueA)
		later.time = someTime.Add(time.Second)
		require.Equal(t, first, signs(later), "RULE S2: another time alone gets the old signature, with the old time")
		signs(at(5, 1, types.StepPrecommit, types.NilValue))
		refuses(at(5, 1, types.StepPrecommit, valueA))
		refuses(at(5, 0, types.StepPrecommit, valueA)) // an earlier round
		refuses(at(4, 9, types.StepPrecommit, valueA)) // an earlier height
		signs(at(5, 2, types.StepPropose, valueB))
		signs(at(6, 0, types.StepPrevote, types.NilValue)) // a later height begins with any round and step
		refuses(at(6, 0, types.StepPropose, valueA))

		other := &types.Vote{Type: types.Prevote, Height: 6, Time: someTime, ValidRound: types.NoRound}
		require.ErrorIs(t, s.SignVote("chain-2", other), types.ErrDoubleSign, "RULE S2: %s: another chain", name)
		round := &types.Vote{Type: types.Prevote, Height: 6, Time: someTime, ValidRound: 0}
		require.ErrorIs(t, s.SignVote(chainID, round), types.ErrDoubleSign, "RULE S2: %s: another valid round", name)
		require.Error(t, s.SignVote(chainID, &types.Vote{Type: 32, Height: 7}), "a proposal is no vote")
	}
}

// What is given out belongs to whoever has it.
func TestTheGuardKeepsItsOwnSignature(t *testing.T) {
	for _, s := range signersToTest(t) {
		a := ask{5, 0, types.StepPrevote, valueA, someTime}
		for range 3 {
			g, err := a.sign(t, s)
			require.NoError(t, err)
			clear(g.signature)
		}
	}
}

func TestAKeyStaysTheSame(t *testing.T) {
	fs := vfs.NewMem()
	s, err := OpenFileSigner(fs, signerDir)
	require.NoError(t, err)
	key := bytes.Clone(s.PubKey())
	g, err := ask{5, 1, types.StepPrevote, valueA, someTime}.sign(t, s)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = ask{6, 1, types.StepPrevote, valueA, someTime}.sign(t, s)
	require.ErrorContains(t, err, "closed")

	s, err = OpenFileSigner(fs, signerDir)
	require.NoError(t, err)
	require.Equal(t, key, s.PubKey())
	again, err := ask{5, 1, types.StepPrevote, valueA, someTime.Add(time.Hour)}.sign(t, s)
	require.NoError(t, err)
	require.Equal(t, g, again, "RULE S2: identical after a restart")
	require.NoError(t, s.Close())
}

func TestOneSignerHasTheFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	s, err := OpenFileSigner(nil, dir)
	require.NoError(t, err)
	_, err = OpenFileSigner(nil, dir)
	require.ErrorIs(t, err, vfs.ErrLocked, "RULE S2: two signers with one key")
	require.ErrorContains(t, err, dir)
	require.NoError(t, s.Close())
	s, err = OpenFileSigner(nil, dir)
	require.NoError(t, err)
	require.NoError(t, s.Close())
}

// asks is a validator's life: with a round that failed, and a second proposal.
func asks() []ask {
	var all []ask
	for h := types.Height(1); h <= 2; h++ {
		for r := types.Round(0); r < 2; r++ {
			for _, step := range []types.Step{types.StepPropose, types.StepPrevote, types.StepPrecommit} {
				value := valueA
				if step == types.StepPrecommit && r == 0 {
					value = types.NilValue
				}
				all = append(all, ask{h, r, step, value, someTime.Add(time.Duration(len(all)) * time.Second)})
			}
		}
	}
	return all
}

// live opens a signer and asks for everything, until something fails.
func live(t testing.TB, fs vfs.FS, give func(key []byte, g given)) {
	s, err := OpenFileSigner(fs, signerDir)
	if err != nil {
		return
	}
	defer s.Close()
	for _, a := range asks() {
		g, err := a.sign(t, s)
		if err != nil {
			require.NotErrorIs(t, err, types.ErrDoubleSign)
			return
		}
		give(s.PubKey(), g)
	}
}

// survives checks a disk after a crash: nothing that was given out is contradicted, and the last of it, if nothing came
// after it, is given out again as it was.
func survives(t testing.TB, what string, fs *vfs.Mem, key []byte, out []given) {
	t.Helper()
	s, err := OpenFileSigner(fs, signerDir)
	require.NoError(t, err, "RULE S2: %s", what)
	defer s.Close()
	if len(out) == 0 {
		return
	}
	require.Equal(t, key, s.PubKey(), "RULE S2: %s: the key is gone", what)
	for _, g := range out {
		other := g.ask
		other.value = valueB
		_, err := other.sign(t, s)
		require.ErrorIs(t, err, types.ErrDoubleSign, "RULE S2: %s: after %v", what, g.ask)
	}
	last := out[len(out)-1]
	again, err := last.ask.sign(t, s)
	if errors.Is(err, types.ErrDoubleSign) { // the next one was on its way
		require.NotEqual(t, last.ask, s.guard.last)
		require.Positive(t, s.guard.last.compare(&signed{height: last.height, round: last.round, step: last.step}), "RULE S2: %s", what)
		return
	}
	require.NoError(t, err)
	require.Equal(t, last, again, "RULE S2: %s: the same signature again", what)
}

// S2: power is cut after, and in the middle of, each operation; whatever the disk has kept then, nothing is contradicted. And again
// after the signer was opened on what was left, and has given out a signature: that one was not durable if only the process had died.
func TestPowerIsCutAnywhere(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	count := vfs.NewMem()
	live(t, count, func([]byte, given) {})
	n := count.Ops()
	require.Greater(t, n, int64(25))
	for op := int64(1); op <= n; op++ {
		for _, during := range []bool{false, true} {
			fs := vfs.NewMem()
			if during {
				fs.CutPowerDuring(op)
			} else {
				fs.CutPower(op)
			}
			var key []byte
			var out []given
			live(t, fs, func(k []byte, g given) { key, out = k, append(out, g) })
			clones := []*vfs.Mem{fs.CrashClone(nil), fs.CrashCloneKeepAll(), fs.KillClone()}
			for range 5 {
				clones = append(clones, fs.CrashClone(rng))
			}
			for i, clone := range clones {
				what := fmt.Sprintf("cut at operation %d (during: %v), clone %d", op, during, i)
				survives(t, what, clone, key, out)
				s, err := OpenFileSigner(clone, signerDir)
				require.NoError(t, err)
				if s.guard.last.height > 0 {
					last := s.guard.last
					again := given{ask{last.height, last.round, last.step, valueA, last.time}, nil}
					if last.step == types.StepPrecommit && last.round == 0 {
						again.value = types.NilValue
					}
					again, err = again.ask.sign(t, s)
					require.NoError(t, err, what)
					survives(t, what+", and then again", clone.CrashClone(nil), s.PubKey(), append(out, again))
				}
				require.NoError(t, s.Close())
			}
		}
	}
}

// S2: a write or a sync that fails gives nothing out, neither then nor later.
func TestASignatureThatWasNotSavedIsNotGivenOut(t *testing.T) {
	for _, kind := range []vfs.Kind{vfs.OpWrite, vfs.OpSync} {
		fs := vfs.NewMem()
		s, err := OpenFileSigner(fs, signerDir)
		require.NoError(t, err)
		fs.Inject(vfs.Fault{Kind: kind, Err: vfs.ErrIO})
		a := ask{5, 1, types.StepPrevote, valueA, someTime}
		for range 2 {
			g, err := a.sign(t, s)
			require.ErrorIs(t, err, vfs.ErrIO, "RULE S2: %s failed", kind)
			require.ErrorContains(t, err, guardFile)
			require.Empty(t, g.signature, "RULE S2: %s failed", kind)
		}
		require.NoError(t, s.Close())
		s, err = OpenFileSigner(fs.CrashClone(nil), signerDir)
		require.NoError(t, err)
		_, err = a.sign(t, s)
		require.NoError(t, err)
		require.NoError(t, s.Close())
	}
}

// overwrite changes bytes of the guard's file.
func overwrite(t *testing.T, fs vfs.FS, at int64, b ...byte) {
	f, err := fs.Open(filepath.Join(signerDir, guardFile), vfs.ReadWrite)
	require.NoError(t, err)
	_, err = f.WriteAt(b, at)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func usedSigner(t *testing.T) *vfs.Mem {
	fs := vfs.NewMem()
	live(t, fs, func([]byte, given) {})
	return fs
}

// S2: any bit that rots is noticed. What was signed last is there twice.
func TestADamagedGuardIsRefused(t *testing.T) {
	used := usedSigner(t)
	name := filepath.Join(signerDir, guardFile)
	for _, at := range []int64{0, 7, 12, 40, 44, 47} {
		fs := used.KillClone()
		require.NoError(t, fs.FlipBit(name, at*8))
		_, err := OpenFileSigner(fs, signerDir)
		require.ErrorIs(t, err, vfs.ErrCorrupt, "RULE S2: byte %d", at)
		require.ErrorContains(t, err, name)
	}
	all := asks()
	last := all[len(all)-1]
	last.value = valueB
	for _, at := range []int64{0, 3, 4, 10, 16, 20, 30, 60, 92, 94, 95, 200} {
		for _, sector := range []int64{512, 1024} {
			fs := used.KillClone()
			require.NoError(t, fs.FlipBit(name, (sector+at)*8))
			s, err := OpenFileSigner(fs, signerDir)
			require.NoError(t, err)
			_, err = last.sign(t, s)
			require.ErrorIs(t, err, types.ErrDoubleSign, "RULE S2: byte %d", sector+at)
			require.NoError(t, s.Close())
		}
		fs := used.KillClone()
		require.NoError(t, fs.FlipBit(name, (512+at)*8))
		require.NoError(t, fs.FlipBit(name, (1024+at)*8))
		_, err := OpenFileSigner(fs, signerDir)
		require.ErrorIs(t, err, vfs.ErrCorrupt, "RULE S2: byte %d of both", at)
	}
}

// S2: a newer format is refused by name, and a file that is cut off is damaged.
func TestANewerGuardIsRefused(t *testing.T) {
	used := usedSigner(t)
	name := filepath.Join(signerDir, guardFile)
	fs := used.KillClone()
	overwrite(t, fs, 8, 7)
	_, err := OpenFileSigner(fs, signerDir)
	var newer *VersionError
	require.ErrorAs(t, err, &newer, "RULE S2: a newer format")
	require.Equal(t, VersionError{File: name, Version: 7, Supported: 1}, *newer)

	f, err := fs.Open(name, vfs.ReadWrite)
	require.NoError(t, err)
	require.NoError(t, f.Truncate(600))
	require.NoError(t, f.Close())
	_, err = OpenFileSigner(fs, signerDir)
	require.ErrorIs(t, err, vfs.ErrCorrupt, "RULE S2: cut off")
}

// S2: without its guard a key could contradict itself.
func TestAKeyWithoutItsGuardIsRefused(t *testing.T) {
	fs := usedSigner(t)
	require.NoError(t, fs.Remove(filepath.Join(signerDir, guardFile)))
	_, err := OpenFileSigner(fs, signerDir)
	require.ErrorContains(t, err, "restore it", "RULE S2: a lost guard")

	fs = usedSigner(t)
	other, err := readFile(usedSigner(t), filepath.Join(signerDir, keyFile), 1<<16)
	require.NoError(t, err)
	require.NoError(t, vfs.Replace(fs, signerDir, keyFile+".new", keyFile, other))
	_, err = OpenFileSigner(fs, signerDir)
	require.ErrorContains(t, err, "another key's", "RULE S2: another key's guard")
}

// The key's file is CometBFT's.
func TestTheKeysFileIsCometBFTs(t *testing.T) {
	fs := usedSigner(t)
	text, err := readFile(fs, filepath.Join(signerDir, keyFile), 1<<16)
	require.NoError(t, err)
	var k struct {
		Address string
		PubKey  struct{ Type, Value string } `json:"pub_key"`
		PrivKey struct{ Type, Value string } `json:"priv_key"`
	}
	require.NoError(t, json.Unmarshal(text, &k))
	require.Len(t, k.Address, 40)
	require.Equal(t, "tendermint/PubKeyEd25519", k.PubKey.Type)
	require.Equal(t, "tendermint/PrivKeyEd25519", k.PrivKey.Type)

	for what, bad := range map[string][]byte{
		"no json": []byte("{"), "no key": []byte("{}"), "halves": bytes.Replace(text, []byte(k.PrivKey.Value), []byte("A"+k.PrivKey.Value[1:]), 1),
		"long": make([]byte, 1<<17),
	} {
		if what == "halves" && k.PrivKey.Value[0] == 'A' {
			continue
		}
		require.NoError(t, vfs.Replace(fs, signerDir, keyFile+".new", keyFile, bad))
		_, err := OpenFileSigner(fs, signerDir)
		require.ErrorContains(t, err, keyFile, what)
	}
}

// A signer is safe for concurrent use: of many who ask for different things in one place, one gets it.
func TestOneOfManyAsksIsSigned(t *testing.T) {
	for name, s := range signersToTest(t) {
		var signed atomic.Int32
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				v := &types.Vote{Type: types.Prevote, Height: 5, Value: types.ValueID{Hash: types.Hash{byte(i + 1)}}, ValidRound: types.NoRound}
				if s.SignVote(chainID, v) == nil {
					signed.Add(1)
				}
			})
		}
		all.Wait()
		require.Equal(t, int32(1), signed.Load(), "RULE S2: %s", name)
	}
}

// FuzzGuard opens a guard with anything in it, under checksums that are right: it is refused, or it guards what it says was signed.
func FuzzGuard(f *testing.F) {
	mem := vfs.NewMem()
	s, err := OpenFileSigner(mem, signerDir)
	require.NoError(f, err)
	require.NoError(f, s.Close())
	key := s.key
	records := func(r *signed) []byte { return encodeRecords(r)[4:vfs.SectorSize] }
	f.Add(records(&signed{}), []byte{})
	f.Add(records(&signed{5, 2, types.StepPrevote, someTime, []byte("message"), make([]byte, types.SignatureSize)}), records(&signed{height: 4}))
	f.Add(records(&signed{height: -1}), records(&signed{height: -1}))
	f.Add(records(&signed{height: 1, round: -1}), records(&signed{step: 200}))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		file := guardOf(key)
		for i, record := range [][]byte{first, second} {
			sector := file[(i+1)*vfs.SectorSize:][:vfs.SectorSize]
			clear(sector)
			copy(sector[4:], record)
			size := min(recordHead+int(binary.LittleEndian.Uint16(sector[recordHead-2:])), len(sector))
			binary.LittleEndian.PutUint32(sector, crc32.Checksum(sector[4:size], castagnoli))
			if r, ok := decodeRecord(sector); ok {
				require.Equal(t, sector[:size], encodeRecords(&r)[:size], "RULE ENC: a second record")
			}
		}
		fsys := mem.KillClone()
		require.NoError(t, vfs.Replace(fsys, signerDir, guardFile+".new", guardFile, file))
		s, err := OpenFileSigner(fsys, signerDir)
		if err != nil {
			require.ErrorIs(t, err, vfs.ErrCorrupt)
			return
		}
		last := s.guard.last
		require.True(t, last.height >= 0 && last.round >= 0 && last.step <= types.StepPrecommit, "RULE S2: %v", &last)
		for _, before := range []ask{{last.height, last.round, types.StepPropose, valueA, someTime}, {last.height - 1, 9, types.StepPrecommit, valueA, someTime}} {
			if last.step >= types.StepPropose {
				_, err = before.sign(t, s)
				require.ErrorIs(t, err, types.ErrDoubleSign, "RULE S2: %v after %v", before, &last)
			}
		}
		after, err := ask{last.height + 1, 0, types.StepPropose, valueA, someTime}.sign(t, s)
		if last.height < math.MaxInt64 {
			require.NoError(t, err)
		}
		require.NoError(t, s.Close())
		s, err = OpenFileSigner(fsys, signerDir)
		require.NoError(t, err)
		again, err := after.ask.sign(t, s)
		require.Equal(t, last.height < math.MaxInt64, err == nil)
		require.Equal(t, after, again, "RULE S2: the same signature again")
		require.NoError(t, s.Close())
	})
}

// FuzzKey reads anything as a key's file: an error names the file, and a key has one file, and signs.
func FuzzKey(f *testing.F) {
	f.Add(marshalKey(NewMemSigner("fuzz").key))
	f.Add([]byte(`{"priv_key":{"type":"tendermint/PrivKeyEd25519","value":"AAAA"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := unmarshalKey("name", text)
		if err != nil {
			require.ErrorContains(t, err, "name")
			return
		}
		again, err := unmarshalKey("name", marshalKey(key))
		require.NoError(t, err)
		require.Equal(t, key, again)
		_, err = ask{1, 0, types.StepPrevote, valueA, someTime}.sign(t, &MemSigner{key: key}) // which verifies it
		require.NoError(t, err)
	})
}
