package erasuretest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/flagship-go/flagship/erasure"
)

// trial is what stories about stores are told with. Whatever does not go as it
// must ends the story by panicking.
type trial struct {
	impl  *Implementation
	racks []*rack
}

// rack makes a store of one set on new drives.
func (t *trial) rack(g geometry, change ...func(*erasure.Options)) *rack {
	r, err := newRack(t.impl, g, len(t.racks), change...)
	t.racks = append(t.racks, r)
	must(err, "a store %v on new drives cannot be made", g)
	return r
}

func (t *trial) close() {
	for _, r := range t.racks {
		r.close()
	}
}

// checkInBubble is check in virtual time.
func (r *StoreRule) checkInBubble(t *testing.T, impl *Implementation) (err error) {
	synctest.Test(t, func(*testing.T) {
		err = r.check(impl)
		time.Sleep(time.Hour) // what is slow comes to its end
	})
	return err
}

var background = context.Background()

// body returns the bytes of an object: different seeds, different bytes.
func body(seed, size int) []byte {
	b := make([]byte, size)
	fill(random(seed, size), b)
	return b
}

func sum(b []byte) string {
	h := md5.Sum(b)
	return hex.EncodeToString(h[:])
}

// onlyReader hides that a body knows its length.
type onlyReader struct{ io.Reader }

func (r *rack) put(name string, b []byte, o *erasure.PutOptions) erasure.Info {
	info, err := r.store.Put(background, name, onlyReader{bytes.NewReader(b)}, int64(len(b)), o)
	must(err, "putting %q of %d bytes", name, len(b))
	return info
}

// read returns the whole of a version.
func (r *rack) read(name, version string) ([]byte, error) {
	object, err := r.store.Get(background, name, &erasure.GetOptions{VersionID: version})
	if err != nil {
		return nil, err
	}
	defer object.Close()
	return io.ReadAll(object)
}

// has fails the rule when a version does not read as b. An empty version is the
// current one.
func (r *rack) has(name, version string, b []byte, format string, args ...any) {
	got, err := r.read(name, version)
	what := fmt.Sprintf(format, args...)
	if err != nil {
		failf("%s: reading %s: %v", what, called(name, version), err)
	}
	if !bytes.Equal(got, b) {
		failf("%s: %s %s", what, called(name, version), differs(got, b))
	}
}

func called(name, version string) string {
	if version == "" {
		return fmt.Sprintf("%q", name)
	}
	return fmt.Sprintf("%q version %s", name, version)
}

// differs says how, for two that do.
func differs(got, want []byte) string {
	if len(got) != len(want) {
		return fmt.Sprintf("has %d bytes, not %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			return fmt.Sprintf("is wrong, first at byte %d: %02x, not %02x", i, got[i], want[i])
		}
	}
	return "is as it should be"
}

// fails fails the rule when a call went well, or not with this error.
func fails(err, want error, format string, args ...any) {
	if errors.Is(err, want) {
		return
	}
	if err == nil {
		failf("%s: no error, where there must be %q", fmt.Sprintf(format, args...), want)
	}
	failf("%s: the error is %q, which is no %q", fmt.Sprintf(format, args...), err, want)
}

// hasNot fails the rule when there is such a version.
func (r *rack) hasNot(name, version string, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	_, err := r.read(name, version)
	fails(err, erasure.ErrNotFound, "%s: reading %s", what, called(name, version))
	_, err = r.store.Stat(background, name, &erasure.GetOptions{VersionID: version})
	fails(err, erasure.ErrNotFound, "%s: stat of %s", what, called(name, version))
}

func (r *rack) delete(name string, o *erasure.DeleteOptions) erasure.Info {
	info, err := r.store.Delete(background, name, o)
	must(err, "deleting %q", name)
	return info
}

func (r *rack) restart() { must(r.reopen(), "opening the store again") }

// heal heals everything and checks every byte.
func (r *rack) heal() erasure.HealReport {
	report, err := r.store.Heal(background, &erasure.HealOptions{Deep: true}, nil)
	must(err, "healing")
	return report
}

// lose takes drives away until they are returned.
func (r *rack) lose(drives ...int) {
	for _, i := range drives {
		r.bays[i].set(func(b *bay) { b.offline = true })
	}
}

func (r *rack) giveBack(drives ...int) {
	for _, i := range drives {
		r.bays[i].set(func(b *bay) { b.offline = false })
	}
}

// leavesNothing fails the rule when a drive has files that are in the course of
// being written, and of these objects any.
func (r *rack) leavesNothing(names ...string) {
	for _, b := range r.bays {
		for _, f := range r.files(b, "tmp/") {
			failf("drive %s is left with %s", b.dir, f.path)
		}
		for _, name := range names {
			for _, f := range r.files(b, "objects/"+name+"/") {
				failf("drive %s is left with %s", b.dir, f.path)
			}
		}
	}
}

// shards are the files of an object on a drive that are not its version files.
func (r *rack) shards(b *bay, name string) (shards, versions []file) {
	for _, f := range r.files(b, "objects/"+name+"/") {
		base := path.Base(f.path)
		switch {
		case path.Dir(f.path) != "objects/"+name:
		case strings.HasPrefix(base, "@"):
			versions = append(versions, f)
		default:
			shards = append(shards, f)
		}
	}
	return shards, versions
}
