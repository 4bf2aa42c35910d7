// How an object's name becomes a path on a drive, and back (E14).

package erasure

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The top directories of a drive. They are never removed.
const (
	objectsDir = "objects"
	uploadsDir = "uploads"
	tmpDir     = "tmp"
)

// What a name may be. S3 has the same limit of 1024 bytes; that of a component is
// what file systems take, of the encoded form: each byte that is not a small
// letter, a digit or one of "._-" takes two or three.
const (
	maxName      = 1024
	maxComponent = 255
)

// checkName says why name cannot be an object's, as an ErrName.
func checkName(name string) error {
	fail := func(reason string) error {
		shown := name
		if len(shown) > 80 {
			shown = shown[:80] + "..."
		}
		return fmt.Errorf("%w %q: %s", ErrName, shown, reason)
	}
	switch {
	case name == "":
		return fail("it is empty")
	case len(name) > maxName:
		return fail(fmt.Sprintf("%d bytes, at most %d are allowed", len(name), maxName))
	case !utf8.ValidString(name):
		return fail("it is not UTF-8")
	case strings.ContainsFunc(name, unicode.IsControl):
		return fail("it has a control character")
	case name[0] == '/':
		return fail("it starts with a slash")
	case name[len(name)-1] == '/':
		return fail("it ends with a slash")
	}
	for c := range strings.SplitSeq(name, "/") {
		switch {
		case c == "":
			return fail("two slashes follow each other")
		case c == "." || c == "..":
			return fail(fmt.Sprintf("%q is a component", c))
		case len(encodeComponent(c)) > maxComponent:
			return fail(fmt.Sprintf("component %.20q... is longer than %d bytes when it is encoded for a file system",
				c, maxComponent))
		}
	}
	return nil
}

// objectDir is the directory of an object on a drive. The name must have passed
// checkName.
func objectDir(name string) string {
	if name[0] == 0 { // an upload, or a part of one
		dir, _, _ := strings.Cut(name[1:], "\x00")
		return uploadsDir + "/" + dir
	}
	parts := strings.Split(name, "/")
	for i, c := range parts {
		parts[i] = encodeComponent(c)
	}
	return objectsDir + "/" + strings.Join(parts, "/")
}

// An upload, and each of its parts, is an object of a name that no user can give,
// so that all that is true of objects is true of them. It lies on the set of the
// object it is for, which is at the end of the name.
//
//	NUL 7be1... NUL photos/cat.jpg        uploads/7be1.../@...
//	NUL 7be1.../3 NUL photos/cat.jpg      uploads/7be1.../3/@...   +....1

// uploadName is the name of an upload, by its ID.
func uploadName(name, id string) string { return "\x00" + id + "\x00" + name }

// partName is the name of a part of an upload.
func partName(name, id string, number int) string {
	return fmt.Sprintf("\x00%s/%d\x00%s", id, number, name)
}

// home is the name that says where an object lies: its own, or, of an upload, that
// of the object it is for.
func home(name string) string { return name[strings.LastIndexByte(name, 0)+1:] }

// encodeComponent writes a component so that every file system keeps it, also
// those that take A and a for the same, and none takes it for something else:
//
//	a-z 0-9 . _ -       as they are
//	A-Z                 ! and the small letter
//	any other byte      % and two hexadecimal digits
//	a dot at the end    the same: Windows drops it
//	con, lpt1.txt ...   the first letter the same: they are devices on Windows
//
// What starts with @ or + is thus never a component: see versionFile, shardFile.
func encodeComponent(c string) string {
	const digits = "0123456789abcdef"
	device := isDevice(c)
	b := make([]byte, 0, len(c)+16)
	for i := range len(c) {
		x := c[i]
		plain := 'a' <= x && x <= 'z' || '0' <= x && x <= '9' || x == '.' || x == '_' || x == '-'
		switch {
		case plain && !(x == '.' && i == len(c)-1) && !(device && i == 0):
			b = append(b, x)
		case 'A' <= x && x <= 'Z' && !(device && i == 0):
			b = append(b, '!', x-'A'+'a')
		default:
			b = append(b, '%', digits[x>>4], digits[x&15])
		}
	}
	return string(b)
}

// isDevice reports whether Windows would open a device by this name, whatever
// follows the dot.
func isDevice(c string) bool {
	base, _, _ := strings.Cut(strings.ToLower(c), ".")
	switch base {
	case "con", "prn", "aux", "nul":
		return true
	}
	port := strings.HasPrefix(base, "com") || strings.HasPrefix(base, "lpt")
	return port && len(base) == 4 && '0' <= base[3] && base[3] <= '9'
}

// decodeComponent is the way back. It reports false for everything that
// encodeComponent does not return: a stray file, or one of an object's own.
func decodeComponent(file string) (string, bool) {
	b := make([]byte, 0, len(file))
	for i := 0; i < len(file); i++ {
		switch x := file[i]; {
		case x == '!' && i+1 < len(file):
			i++
			b = append(b, file[i]-'a'+'A')
		case x == '%' && i+2 < len(file):
			v, err := strconv.ParseUint(file[i+1:i+3], 16, 8)
			if err != nil {
				return "", false
			}
			i += 2
			b = append(b, byte(v))
		default:
			b = append(b, x)
		}
	}
	c := string(b)
	// One spelling for each name, or one object could be in two directories.
	if c == "" || c == "." || c == ".." || strings.Contains(c, "/") || encodeComponent(c) != file {
		return "", false
	}
	return c, true
}

// decodeDir is the name of the object whose directory this is.
func decodeDir(dir string) (string, bool) {
	rest, ok := strings.CutPrefix(dir, objectsDir+"/")
	if !ok {
		return "", false
	}
	parts := strings.Split(rest, "/")
	for i, file := range parts {
		if parts[i], ok = decodeComponent(file); !ok {
			return "", false
		}
	}
	return strings.Join(parts, "/"), true
}

// A versionKey names a version of an object: its time makes it older or newer
// than others, its ID makes it another one.
type versionKey struct {
	Time int64 // Unix nanoseconds, not negative
	ID   [16]byte
}

// compare orders by age, the oldest first; of one time, which the lock of an
// object prevents, by ID, so that all agree.
func (k versionKey) compare(l versionKey) int {
	if k.Time != l.Time {
		if k.Time < l.Time {
			return -1
		}
		return 1
	}
	return slices.Compare(k.ID[:], l.ID[:])
}

// file is the name of the version's file in its object's directory. The names
// sort as the versions do.
func (k versionKey) file() string { return fmt.Sprintf("@%016x-%x", k.Time, k.ID) }

// String is the file's name: for errors and events.
func (k versionKey) String() string { return k.file() }

// shard is the name of the file of a part's shard, in the same directory.
func (k versionKey) shard(part int) string { return fmt.Sprintf("+%x.%d", k.ID, part) }

// parseVersionFile reads what versionKey.file has written.
func parseVersionFile(file string) (versionKey, bool) {
	var k versionKey
	if len(file) != 1+16+1+32 || file[0] != '@' || file[17] != '-' {
		return k, false
	}
	t, err := strconv.ParseInt(file[1:17], 16, 64)
	if err != nil || t < 0 {
		return k, false
	}
	k.Time = t
	if _, err := hex.Decode(k.ID[:], []byte(file[18:])); err != nil {
		return k, false
	}
	return k, k.file() == file
}

// parseShardFile reads what versionKey.shard has written.
func parseShardFile(file string) (id [16]byte, part int, ok bool) {
	if len(file) < 1+32+2 || file[0] != '+' || file[33] != '.' {
		return id, 0, false
	}
	if _, err := hex.Decode(id[:], []byte(file[1:33])); err != nil {
		return id, 0, false
	}
	part, err := strconv.Atoi(file[34:])
	return id, part, err == nil && versionKey{ID: id}.shard(part) == file
}

// A tree is what a directory under objects holds, told apart and sorted: the
// versions of the object that has this directory, its shards, the components of
// the objects below, and what nobody has put there.
type tree struct {
	versions []versionKey // newest first
	shards   []string
	below    []string // decoded, in byte order
	stray    []string
}

// readTree sorts the names that Drive.List has returned.
func readTree(files []string) tree {
	var t tree
	for _, file := range files {
		if k, ok := parseVersionFile(file); ok {
			t.versions = append(t.versions, k)
		} else if _, _, ok := parseShardFile(file); ok {
			t.shards = append(t.shards, file)
		} else if c, ok := decodeComponent(file); ok {
			t.below = append(t.below, c)
		} else {
			t.stray = append(t.stray, file)
		}
	}
	slices.SortFunc(t.versions, func(a, b versionKey) int { return b.compare(a) })
	slices.Sort(t.below)
	return t
}
