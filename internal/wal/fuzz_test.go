package wal

import (
	"bytes"
	"errors"
	"testing"

	"github.com/flagship-go/flagship/internal/vfs"
)

// FuzzOpen opens a segment of arbitrary bytes: it never panics, never hangs,
// fails only with a typed error, and returns no record whose bytes are not in
// the file. What it has shown once, it shows again.
func FuzzOpen(f *testing.F) {
	var c checker
	good := c.appendFrame(nil, 1, segmentHeader, frame{kind: kindRecord}, []byte("first"))
	at := int64(segmentHeader + len(good))
	good = c.appendFrame(good, 1, at, frame{kind: kindRecord, durable: at, more: true}, []byte("second"))
	at = int64(segmentHeader + len(good))
	good = c.appendFrame(good, 1, at, frame{kind: kindRecord, durable: 32}, make([]byte, 40))
	f.Add(good, true)
	f.Add(append(encodeSegmentHeader(1, 1), good...), false)
	f.Add(append(make([]byte, 64), good...), true)
	f.Add(bytes.Repeat([]byte{0xff}, 100), true)
	f.Add([]byte(segmentMagic), false)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, data []byte, withHeader bool) {
		if withHeader {
			data = append(encodeSegmentHeader(1, 1), data...)
		}
		mem := vfs.NewMem()
		if err := mem.MkdirAll(testDir); err != nil {
			t.Fatal(err)
		}
		file, err := mem.Create(segmentPath(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.WriteAt(data, 0); err != nil {
			t.Fatal(err)
		}
		got, _, err := readAll(mem)
		if err != nil {
			var newer *VersionError
			if !errors.Is(err, ErrCorrupt) && !errors.As(err, &newer) {
				t.Fatalf("untyped error: %v", err)
			}
			return
		}
		for _, r := range got {
			if !bytes.Contains(data, r.Data) {
				broken(t, "W1", "record %d is not in the file", r.Seq)
			}
		}
		again, _, err := readAll(mem)
		if err != nil || len(again) != len(got) {
			broken(t, "W11", "%d records were shown, then %d: %v", len(got), len(again), err)
		}
	})
}
