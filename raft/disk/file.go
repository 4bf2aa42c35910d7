package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"github.com/flagship-go/flagship/internal/vfs"
)

// A file that is written once, whole, under one name: the node's identity, and
// each snapshot.
//
//	 0         8         12        16
//	+---------+---------+---------+------------------------+
//	| magic   | version | check   | body                   |
//	+---------+---------+---------+------------------------+
//	                     CRC32C of the rest: all bytes before and after it
//
// It takes its name when it is durable, so that under the name there is all of
// it or nothing, and a bad one is damage.
const (
	fileHeader  = 16
	fileVersion = 1

	identityMagic = "FLAGNODE"
	snapshotMagic = "FLAGSNAP"

	tempSuffix = ".tmp"
	writeChunk = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// writeFile stores the parts as the body of a file. named reports that the file
// may have its name although err is not nil.
func writeFile(fsys vfs.FS, name, magic string, parts ...[]byte) (named bool, err error) {
	temp := name + tempSuffix
	if err := writeTemp(fsys, temp, magic, parts); err != nil {
		fsys.Remove(temp)
		return false, fmt.Errorf("writing %s: %w", temp, err)
	}
	if err := fsys.Rename(temp, name); err != nil {
		return true, fmt.Errorf("naming %s: %w", name, err)
	}
	if err := fsys.SyncDir(filepath.Dir(name)); err != nil {
		return true, fmt.Errorf("making the name of %s durable: %w", name, err)
	}
	return true, nil
}

func writeTemp(fsys vfs.FS, temp, magic string, parts [][]byte) error {
	file, err := fsys.Create(temp)
	if err != nil {
		return err
	}
	defer file.Close()
	var h [fileHeader]byte
	copy(h[:], magic)
	binary.LittleEndian.PutUint32(h[8:], fileVersion)
	sum := crc32.Update(0, castagnoli, h[:12])
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli, p)
	}
	binary.LittleEndian.PutUint32(h[12:], sum)
	at := int64(0)
	for _, p := range append([][]byte{h[:]}, parts...) {
		for len(p) > 0 {
			n := min(len(p), writeChunk)
			if _, err := file.WriteAt(p[:n], at); err != nil {
				return err
			}
			p, at = p[n:], at+int64(n)
		}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	return file.Close()
}

// readFile returns the body of a file. Damage is a [*CorruptError].
func readFile(fsys vfs.FS, name, magic string) ([]byte, error) {
	file, err := fsys.Open(name, vfs.ReadOnly)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	size, err := file.Size()
	if err != nil {
		return nil, err
	}
	if size < fileHeader {
		return nil, damaged(name, 0, "only %d bytes", size)
	}
	if int64(int(size)) != size {
		return nil, damaged(name, 0, "%d bytes are more than memory", size)
	}
	b := make([]byte, size)
	if _, err := file.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if string(b[:8]) != magic {
		return nil, damaged(name, 0, "magic bytes %q", b[:8])
	}
	// Before the checksum: a newer format may have another.
	if v := binary.LittleEndian.Uint32(b[8:]); v > fileVersion {
		return nil, &VersionError{File: name, Version: v, Supported: fileVersion}
	}
	sum := crc32.Update(crc32.Update(0, castagnoli, b[:12]), castagnoli, b[fileHeader:])
	if sum != binary.LittleEndian.Uint32(b[12:]) {
		return nil, damaged(name, 0, "checksum mismatch")
	}
	return b[fileHeader:], nil
}
