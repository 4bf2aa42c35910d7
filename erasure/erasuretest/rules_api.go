package erasuretest

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/flagship-go/flagship/erasure"
)

func versionRules() []StoreRule {
	return []StoreRule{
		{ID: "versions", Name: "kept", Capability: "versions", story: versionsKept,
			Text: "A versioned put leaves the older versions, each readable by its ID; removing one leaves the others."},
		{ID: "versions", Name: "null", Capability: "versions", story: nullVersion,
			Text: "A put that is not versioned replaces the null version alone, wherever it is among the others."},
		{ID: "E5", Name: "marker", Capability: "versions", story: markers,
			Text: "A delete marker hides the object, the versions stay; deleting the marker brings the object back."},
		{ID: "versions", Name: "suspended", Capability: "versions", story: suspended,
			Text: "With MarkNull the null version is replaced by a marker that is the null version."},
	}
}

var versioned = &erasure.PutOptions{Versioned: true}

func versionsKept(t *trial) {
	for _, size := range []int{100, 3 * testBlock} {
		r := t.rack(geometry{2, 2})
		var ids []string
		for i := range 5 {
			info := r.put("a", body(i, size), versioned)
			if info.VersionID == "" || slices.Contains(ids, info.VersionID) {
				failf("put number %d has version ID %q, after %q", i, info.VersionID, ids)
			}
			ids = append(ids, info.VersionID)
		}
		r.restart()
		for i, id := range ids {
			r.has("a", id, body(i, size), "five versions were put")
			info, err := r.store.Stat(background, "a", &erasure.GetOptions{VersionID: id})
			must(err, "stat of version %d", i)
			if info.VersionID != id || info.Latest != (i == 4) {
				failf("stat of version %s, number %d of 5, says it is %s, Latest %v", id, i, info.VersionID, info.Latest)
			}
		}
		r.hasNot("a", "0123456789abcdef0123456789abcdef", "there is no such version")
		r.hasNot("a", "null", "there is no null version")
		for _, i := range []int{2, 4, 0} { // in the middle, the newest, the oldest
			r.delete("a", &erasure.DeleteOptions{VersionID: ids[i]})
			r.hasNot("a", ids[i], "it was deleted")
			r.delete("a", &erasure.DeleteOptions{VersionID: ids[i]})
		}
		r.has("a", "", body(3, size), "the newest version was deleted")
		r.has("a", ids[1], body(1, size), "others were deleted")
		r.delete("a", &erasure.DeleteOptions{VersionID: ids[3]})
		r.delete("a", &erasure.DeleteOptions{VersionID: ids[1]})
		r.hasNot("a", "", "all versions were deleted")
		r.leavesNothing("a")
	}
}

func nullVersion(t *trial) {
	r := t.rack(geometry{3, 1})
	r.put("a", body(1, 2000), nil)
	one := r.put("a", body(2, 2000), versioned)
	r.has("a", "", body(2, 2000), "put versioned, over the null version")
	r.has("a", "null", body(1, 2000), "a versioned one was put over it")
	r.put("a", body(3, 2000), nil)
	r.has("a", "", body(3, 2000), "the null version was put again")
	r.has("a", "null", body(3, 2000), "the null version was put again")
	r.has("a", one.VersionID, body(2, 2000), "the null version was put again")
	r.delete("a", &erasure.DeleteOptions{VersionID: "null"})
	r.hasNot("a", "null", "it was deleted")
	r.has("a", "", body(2, 2000), "the null version was deleted, it had been the newest")
	r.put("a", body(4, 20), nil)
	two := r.put("a", body(5, 20), versioned)
	r.delete("a", nil)
	r.hasNot("a", "null", "a delete that is not versioned removes the null version")
	r.has("a", two.VersionID, body(5, 20), "the null version was deleted")
	r.heal()
	r.hasNot("a", "null", "healed")
}

func markers(t *trial) {
	for _, lost := range []int{0, 1} {
		r := t.rack(geometry{2, 2})
		one := r.put("a", body(1, 3000), versioned)
		for i := range lost {
			r.lose(i)
		}
		marker := r.delete("a", &erasure.DeleteOptions{Versioned: true})
		if !marker.DeleteMarker || marker.VersionID == "" || marker.VersionID == one.VersionID {
			failf("the Info of a delete marker is %+v", marker)
		}
		r.giveBack(0)
		for _, when := range []string{"deleted", "opened again", "healed"} {
			_, err := r.store.Get(background, "a", nil)
			fails(err, erasure.ErrDeleted, "%s, with %d drives lost: reading what a marker hides", when, lost)
			r.has("a", one.VersionID, body(1, 3000), "%s, with %d drives lost: the version below a marker", when, lost)
			if when == "deleted" {
				r.restart()
			} else {
				r.heal()
			}
		}
		gone := r.delete("a", &erasure.DeleteOptions{VersionID: marker.VersionID})
		if !gone.DeleteMarker {
			failf("the Info of a marker that was removed is %+v", gone)
		}
		r.has("a", "", body(1, 3000), "the marker was deleted, %d drives had missed it", lost)
		r.heal()
		r.has("a", "", body(1, 3000), "the marker was deleted, %d drives had missed it, healed", lost)
	}
}

func suspended(t *trial) {
	r := t.rack(geometry{2, 2})
	one := r.put("a", body(1, 3000), versioned)
	r.put("a", body(2, 3000), nil)
	marker := r.delete("a", &erasure.DeleteOptions{MarkNull: true})
	if !marker.DeleteMarker || marker.VersionID != "" {
		failf("the Info of a null marker is %+v", marker)
	}
	r.restart()
	_, err := r.store.Get(background, "a", nil)
	fails(err, erasure.ErrDeleted, "reading below a null marker")
	r.has("a", one.VersionID, body(1, 3000), "below a null marker")
	r.put("a", body(3, 3000), nil)
	r.has("a", "", body(3, 3000), "put over a null marker")
	r.delete("a", nil)
	r.has("a", "", body(1, 3000), "the null version, once a marker, was deleted")
}

func conditionRules() []StoreRule {
	return []StoreRule{
		{ID: "E11", Name: "conditions", Capability: "conditions", story: conditions,
			Text: "IfMatch, IfNoneMatch and the times decide about puts, gets, and deletes."},
		{ID: "E11", Name: "one-wins", Capability: "conditions", story: oneWins,
			Text: "Of many puts at once that want the object absent, or a certain ETag, one wins."},
		{ID: "E11", Name: "no-quorum-no-answer", Capability: "conditions", story: noQuorumNoAnswer,
			Text: "Without a read quorum no condition holds."},
	}
}

func conditions(t *trial) {
	r := t.rack(geometry{2, 2})
	put := func(name string, c erasure.Condition) error {
		b := body(9, 50)
		_, err := r.store.Put(background, name, bytes.NewReader(b), 50, &erasure.PutOptions{Condition: c})
		return err
	}
	info := r.put("a", body(1, 3000), nil)
	before, after := info.Modified.Add(-time.Hour), info.Modified.Add(time.Hour)
	for _, c := range []struct {
		erasure.Condition
		there, absent bool // whether it holds
	}{
		{erasure.Condition{IfNoneMatch: "*"}, false, true},
		{erasure.Condition{IfMatch: "*"}, true, false},
		{erasure.Condition{IfMatch: info.ETag}, true, false},
		{erasure.Condition{IfMatch: "other"}, false, false},
		{erasure.Condition{IfNoneMatch: info.ETag}, false, true},
		{erasure.Condition{IfNoneMatch: "other"}, true, true},
		{erasure.Condition{IfModifiedSince: before}, true, true},
		{erasure.Condition{IfModifiedSince: after}, false, true},
		{erasure.Condition{IfUnmodifiedSince: after}, true, true},
		{erasure.Condition{IfUnmodifiedSince: before}, false, true},
	} {
		info, err := r.store.Stat(background, "a", &erasure.GetOptions{Condition: c.Condition})
		if c.there {
			must(err, "stat with condition %+v", c.Condition)
			continue
		}
		fails(err, erasure.ErrPrecondition, "stat with condition %+v of %v", c.Condition, info)
		fails(put("a", c.Condition), erasure.ErrPrecondition, "put with condition %+v", c.Condition)
		_, err = r.store.Get(background, "a", &erasure.GetOptions{Condition: c.Condition})
		fails(err, erasure.ErrPrecondition, "get with condition %+v", c.Condition)
		_, err = r.store.Delete(background, "a", &erasure.DeleteOptions{Condition: c.Condition})
		fails(err, erasure.ErrPrecondition, "delete with condition %+v", c.Condition)
		r.has("a", "", body(1, 3000), "condition %+v did not hold", c.Condition)
		if !c.absent {
			if err := put("none", c.Condition); !errors.Is(err, erasure.ErrPrecondition) && !errors.Is(err, erasure.ErrNotFound) {
				failf("put of what is not there, with condition %+v: %v", c.Condition, err)
			}
			r.hasNot("none", "", "condition %+v did not hold", c.Condition)
		}
	}
	must(put("new", erasure.Condition{IfNoneMatch: "*"}), "put of what must not be there")
	must(put("a", erasure.Condition{IfMatch: info.ETag}), "put with the ETag of what is there")
	r.delete("a", nil)
	must(put("a", erasure.Condition{IfNoneMatch: "*"}), "put of what was deleted")
	r.leavesNothing("none")
}

func oneWins(t *trial) {
	for _, size := range []int{10, 3 * testBlock} {
		r := t.rack(geometry{2, 2}, func(o *erasure.Options) { o.Serial = false })
		condition := erasure.Condition{IfNoneMatch: "*"}
		for round := range 8 {
			const clients = 8
			var won sync.Map
			var all sync.WaitGroup
			for i := range clients {
				all.Go(func() {
					b := body(round*clients+i, size)
					info, err := r.store.Put(background, "a", bytes.NewReader(b), int64(size), &erasure.PutOptions{Condition: condition})
					if err == nil {
						won.Store(i, info.ETag)
					} else if !errors.Is(err, erasure.ErrPrecondition) {
						won.Store(i, err.Error())
					}
				})
			}
			all.Wait()
			winners := maps.Collect(won.Range)
			if len(winners) != 1 {
				failf("of %d puts at once with condition %+v, %d have won: %v", clients, condition, len(winners), winners)
			}
			for i, etag := range winners {
				r.has("a", "", body(round*clients+i.(int), size), "it has won against %d others", clients-1)
				condition = erasure.Condition{IfMatch: etag.(string)}
			}
		}
	}
}

func noQuorumNoAnswer(t *trial) {
	g := geometry{2, 2}
	r := t.rack(g)
	r.put("a", body(1, 3000), nil)
	losses(r, g, 3, func(drives []int) {
		for _, c := range []erasure.Condition{{IfNoneMatch: "*"}, {IfMatch: "*"}, {IfNoneMatch: "x"}, {IfMatch: "x"}} {
			_, err := r.store.Put(background, "a", bytes.NewReader(body(2, 10)), 10, &erasure.PutOptions{Condition: c})
			if !errors.Is(err, erasure.ErrReadQuorum) && !errors.Is(err, erasure.ErrWriteQuorum) {
				failf("%v: drives %v are lost, put with condition %+v: %v", g, drives, c, err)
			}
		}
	})
	r.has("a", "", body(1, 3000), "the drives are back")
}

func copyRules() []StoreRule {
	return []StoreRule{
		{ID: "objects", Name: "copy", Capability: "copy", story: copies,
			Text: "A copy is an object of its own, with its source's metadata or new ones; onto itself too."},
	}
}

func copies(t *trial) {
	for _, size := range []int{0, 100, 5*testBlock + 3} {
		r := t.rack(geometry{2, 2})
		c := r.store.(Copier)
		old := map[string]string{"k": "old"}
		src := r.put("src", body(1, size), &erasure.PutOptions{Metadata: old})
		for _, dst := range []string{"dst", "src"} {
			info, err := c.Copy(background, dst, "src", nil)
			must(err, "copying %d bytes to %q", size, dst)
			if info.ETag != src.ETag || info.Size != int64(size) || !maps.Equal(info.Metadata, old) {
				failf("the copy %q of %+v is %+v", dst, src, info)
			}
			r.has(dst, "", body(1, size), "copied")
		}
		info, err := c.Copy(background, "src", "src", &erasure.CopyOptions{ReplaceMetadata: true, Put: erasure.PutOptions{Metadata: map[string]string{"k": "new"}}})
		must(err, "copying %d bytes onto themselves", size)
		if info.Metadata["k"] != "new" {
			failf("metadata that are to be replaced are %q", info.Metadata)
		}
		r.put("src", body(2, 10), nil)
		r.has("dst", "", body(1, size), "its source was replaced")
		r.delete("src", nil)
		_, err = c.Copy(background, "dst", "src", nil)
		fails(err, erasure.ErrNotFound, "copying what was deleted")
		_, err = c.Copy(background, "x", "dst", &erasure.CopyOptions{SourceCondition: erasure.Condition{IfMatch: "other"}})
		fails(err, erasure.ErrPrecondition, "copying with a condition about the source")
		_, err = c.Copy(background, "../x", "dst", nil)
		fails(err, erasure.ErrName, "copying to a bad name")
		r.has("dst", "", body(1, size), "copies have failed")
		r.leavesNothing("src", "x")
	}
}
