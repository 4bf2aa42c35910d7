package erasuretest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/flagship-go/flagship/erasure"
	"github.com/flagship-go/flagship/internal/vfs"
)

// ObjectStore is the store under test. Its methods mean what those of
// [erasure.Store] mean, and so do those of the interfaces below.
type ObjectStore interface {
	Put(ctx context.Context, name string, body io.Reader, size int64, o *erasure.PutOptions) (erasure.Info, error)
	Get(ctx context.Context, name string, o *erasure.GetOptions) (Object, error)
	Stat(ctx context.Context, name string, o *erasure.GetOptions) (erasure.Info, error)
	Delete(ctx context.Context, name string, o *erasure.DeleteOptions) (erasure.Info, error)
	Heal(ctx context.Context, o *erasure.HealOptions, progress func(erasure.HealReport)) (erasure.HealReport, error)
	Attach(ctx context.Context, d erasure.Drive) error
	Close() error
}

// Object is a version opened for reading.
type Object interface {
	io.ReadSeekCloser
	io.ReaderAt
}

// Lister is an ObjectStore that lists. Whether it is offered decides whether it
// is graded; so with the two below.
type Lister interface {
	List(ctx context.Context, o erasure.ListOptions) (erasure.Page, error)
	ListVersions(ctx context.Context, o erasure.ListOptions) (erasure.Page, error)
}

// Copier is an ObjectStore that copies.
type Copier interface {
	Copy(ctx context.Context, dst, src string, o *erasure.CopyOptions) (erasure.Info, error)
}

// Uploader is an ObjectStore with multipart uploads.
type Uploader interface {
	NewUpload(ctx context.Context, name string, o *erasure.PutOptions) (erasure.Upload, error)
	PutPart(ctx context.Context, name, upload string, number int, body io.Reader, size int64) (erasure.Part, error)
	ListParts(ctx context.Context, name, upload string, after, max int) (erasure.Upload, []erasure.Part, error)
	ListUploads(ctx context.Context, prefix string) ([]erasure.Upload, error)
	CompleteUpload(ctx context.Context, name, upload string, parts []erasure.Part, c erasure.Condition, versioned bool) (erasure.Info, error)
	AbortUpload(ctx context.Context, name, upload string) error
}

// FS is the file system that drives lie on, and MemFS one in memory, whose power
// can be cut: package vfs, for programs that cannot import it.
type (
	FS    = vfs.FS
	MemFS = vfs.Mem
)

// NewMemFS returns an empty file system in memory.
func NewMemFS() *MemFS { return vfs.NewMem() }

// Implementation is what is graded.
type Implementation struct {
	Name string
	// Open opens the store on these drives, or makes one when all are empty. It
	// keeps what it understands of the options: the geometry and Serial at least,
	// and Now, by which versions are dated.
	Open func(drives []erasure.Drive, o *erasure.Options) (ObjectStore, error)
	// OpenDrive opens the drive in a directory, which may not be there yet.
	// Default: [erasure.OpenDirFS].
	OpenDrive func(fs FS, dir string) (erasure.Drive, error)
	// Thorough tries every state that a power cut may leave, for minutes.
	Thorough bool
	// CutEvery cuts power at one in so many operations only; default 1. It is for a
	// look in passing: what is enumerated is what proves.
	CutEvery int
	// Seeds is how many worlds that fail it must live through: see [Explore].
	// Default 40.
	Seeds uint64
	// Newer turns the bytes of a version file, or of a file at the top of a drive,
	// into those of a format to come. nil: that is not graded.
	Newer func(file []byte) []byte
	// Versions claims versions and delete markers, Conditions conditional calls.
	Versions, Conditions bool
}

// Erasure is package erasure itself, graded by all rules.
func Erasure() Implementation {
	return Implementation{
		Name: "package erasure", Versions: true, Conditions: true, Newer: newerFile,
		Open: func(drives []erasure.Drive, o *erasure.Options) (ObjectStore, error) {
			s, err := erasure.Open(drives, o)
			if err != nil {
				return nil, err
			}
			return erasureStore{s}, nil
		},
	}
}

// newerFile knows what all formats of package erasure's files will have: magic,
// number and sum.
func newerFile(b []byte) []byte {
	b = bytes.Clone(b)
	if rest, ok := bytes.CutPrefix(b, []byte("FLdrive 1 ")); ok {
		return append([]byte("FLdrive 2 "), rest...)
	}
	const head = len("FLver") + 1
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	b[head-1]++
	section := b[head+8:][:binary.BigEndian.Uint32(b[head:])]
	binary.BigEndian.PutUint32(b[head+4:], crc32.Update(crc32.Checksum(b[:head], castagnoli), castagnoli, section))
	return b
}

type erasureStore struct{ *erasure.Store }

func (s erasureStore) Get(ctx context.Context, name string, o *erasure.GetOptions) (Object, error) {
	object, err := s.Store.Get(ctx, name, o)
	if err != nil {
		return nil, err
	}
	return object, nil
}

// StoreRule is one thing that a store must keep, as data.
type StoreRule struct {
	// ID is what a failure prints behind RULE: E1 to E15 of package erasure, or
	// what of its interface it is about.
	ID string
	// Name tells the rules of one ID apart.
	Name string
	// Text states the rule in one sentence.
	Text string
	// Capability is what must be claimed or offered for it to be graded; "" for a
	// required rule.
	Capability string

	story func(*trial)
	// bubble has the story told in virtual time, with testing/synctest.
	bubble bool
}

func (r *StoreRule) String() string { return r.ID + "/" + r.Name }

// StoreRules lists all rules.
func StoreRules() []StoreRule {
	return slices.Concat(objectRules(), rangeRules(), nameRules(), versionRules(), listRules(), conditionRules(),
		copyRules(), uploadRules(), lossRulesOfStore(), driveRules(), damageRules(), healRules(), outageRules(), slowRules(), lateRules(), powerRules())
}

// StoreResult is what became of one rule: Err is nil when the store keeps it.
type StoreResult struct {
	Rule StoreRule
	Err  error
}

// Store grades a store: a subtest a rule, in part required or a capability, and
// one for the simulator. A broken rule prints
//
//	RULE <id>: <name>: <what happened>
func Store(t *testing.T, impl Implementation) {
	t.Helper()
	offered := impl.offers(t.Logf)
	for _, r := range StoreRules() {
		part := "required"
		if r.Capability != "" {
			part = r.Capability
			if !offered[part] {
				t.Logf("not claimed: %s, rule %v", part, &r)
				continue
			}
		}
		t.Run(fmt.Sprintf("%s/%v", part, &r), func(t *testing.T) {
			check := func(*testing.T) error { return r.check(&impl) }
			if r.bubble {
				check = func(t *testing.T) error { return r.checkInBubble(t, &impl) }
			}
			if err := check(t); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("simulation", func(t *testing.T) {
		for seed := range cmp.Or(impl.Seeds, 40) {
			Simulate(t, impl, seed, Options{Attempts: 100})
		}
	})
}

// GradeStore is Store without a testing.T, and without the rules that need
// virtual time.
func GradeStore(impl Implementation) []StoreResult {
	var results []StoreResult
	offered := impl.offers(func(string, ...any) {})
	for _, r := range StoreRules() {
		if !r.bubble && (r.Capability == "" || offered[r.Capability]) {
			results = append(results, StoreResult{r, r.check(&impl)})
		}
	}
	return results
}

// offers says which capabilities are to be graded.
func (impl *Implementation) offers(logf func(string, ...any)) map[string]bool {
	offered := map[string]bool{"versions": impl.Versions, "conditions": impl.Conditions, "newer": impl.Newer != nil}
	r, err := newRack(impl, geometry{2, 2}, 0)
	if err != nil {
		logf("no store can be made: %v", err)
		return offered
	}
	defer r.close()
	_, offered["list"] = r.store.(Lister)
	_, offered["copy"] = r.store.(Copier)
	_, offered["upload"] = r.store.(Uploader)
	return offered
}

// check tells the rule's story once. A panic of the store fails the rule, but
// is not reported as RULE: it was stumbled over, not found.
func (r *StoreRule) check(impl *Implementation) (err error) {
	t := &trial{impl: impl}
	defer func() {
		end := recover()
		t.close()
		switch end := end.(type) {
		case nil:
		case broken:
			err = fmt.Errorf("RULE %s: %s: %s", r.ID, r.Name, string(end))
		case violation:
			err = fmt.Errorf("RULE %s: %s: %s", end.rule, r.Name, end.text)
		default:
			err = fmt.Errorf("the store panicked in the story of rule %q: %v\n%s", r, end, debug.Stack())
		}
	}()
	r.story(t)
	return nil
}
