package erasure

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesThatCannotBeAreRefusedWithTheReason(t *testing.T) {
	for name, reason := range map[string]string{
		"":                              "empty",
		strings.Repeat("a/", 512) + "a": "1025 bytes",
		"a\xff":                         "not UTF-8",
		"a\x00b":                        "control character",
		"a\nb":                          "control character",
		"a\u0085":                       "control character",
		"/a":                            "starts with a slash",
		"a/":                            "ends with a slash",
		"a//b":                          "two slashes",
		".":                             `"." is a component`,
		"a/../b":                        `".." is a component`,
		"..":                            `".." is a component`,
		strings.Repeat("a", 256):        "longer than 255 bytes",
		"x/" + strings.Repeat("A", 128): "longer than 255 bytes",
	} {
		err := checkName(name)
		require.ErrorIs(t, err, ErrName, "RULE E14: %q", name)
		require.ErrorContains(t, err, reason, "RULE E14: %q", name)
		require.Less(t, len(err.Error()), 250)
	}
	for _, name := range []string{"a", "...", "..a", "a/b.c", "@x", "con", "tmp", strings.Repeat("a", 255), "\u00fc"} {
		require.NoError(t, checkName(name), name)
	}
}

func TestNamesAreSafeOnEveryFileSystem(t *testing.T) {
	for name, dir := range map[string]string{
		"photos/cat.jpg":        "photos/cat.jpg",
		"Photos/CAT":            "!photos/!c!a!t",
		"a b":                   "a%20b",
		"a!b%20":                "a%21b%2520",
		"a.":                    "a%2e",
		"...":                   "..%2e",
		"con":                   "%63on",
		"CON.txt":               "%43!o!n.txt",
		"lpt9":                  "%6cpt9",
		"com10":                 "com10",
		"console":               "console",
		"@189f":                 "%40189f",
		"+7b":                   "%2b7b",
		"\u00fc":                "%c3%bc",
		`a\b:c*?"<>|`:           "a%5cb%3ac%2a%3f%22%3c%3e%7c",
		"~1":                    "%7e1",
		versionKey{}.file():     "%40" + versionKey{}.file()[1:],
		versionKey{}.shard(1):   "%2b" + versionKey{}.shard(1)[1:],
		"trailing./dots../here": "trailing%2e/dots.%2e/here",
	} {
		require.Equal(t, "objects/"+dir, objectDir(name), "RULE E14: %q", name)
		back, ok := decodeDir(objectDir(name))
		require.True(t, ok, "RULE E14: %q", name)
		require.Equal(t, name, back, "RULE E14: the name that comes back")
	}
}

func TestOnlyOneSpellingIsAName(t *testing.T) {
	for _, file := range []string{"", ".", "..", "A", "%61", "%", "%4", "%zz", "!", "!1", "a.", "con", "a b", "%2f", "%2E", "%2e%2e",
		versionKey{}.file(), versionKey{}.shard(1), "@", "+"} {
		c, ok := decodeComponent(file)
		require.False(t, ok, "RULE E14: %q is %q", file, c)
	}
}

func TestVersionFilesSortByAge(t *testing.T) {
	a := versionKey{Time: 5, ID: [16]byte{9}}
	b := versionKey{Time: 16, ID: [16]byte{1}}
	c := versionKey{Time: 16, ID: [16]byte{2}}
	require.Equal(t, "@0000000000000010-01000000000000000000000000000000", b.file())
	require.Equal(t, "+01000000000000000000000000000000.3", b.shard(3))
	require.True(t, slices.IsSorted([]string{a.file(), b.file(), c.file()}))
	got := readTree([]string{"!b", "+x", "@y", a.file(), "a-b", "a", b.file(), c.file(), b.shard(3), "%41", "%5a"})
	require.Equal(t, []versionKey{c, b, a}, got.versions)
	require.Equal(t, []string{b.shard(3)}, got.shards)
	require.Equal(t, []string{"B", "a", "a-b"}, got.below)
	require.Equal(t, []string{"+x", "@y", "%41", "%5a"}, got.stray, "a capital letter is spelled with !, and Z too")
	for _, file := range []string{"@0000000000000010-0100000000000000000000000000000G", "@000000000000001A-01000000000000000000000000000000",
		"@-000000000000010-01000000000000000000000000000000", "@0000000000000010-0100000000000000000000000000000"} {
		_, ok := parseVersionFile(file)
		require.False(t, ok, file)
	}
	for _, file := range []string{"+01000000000000000000000000000000.", "+01000000000000000000000000000000.01", "+01000000000000000000000000000000.-1x"} {
		_, _, ok := parseShardFile(file)
		require.False(t, ok, file)
	}
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"a", "A/b", "con/..a./%41", "+@!", "\u00fc/x"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if c, ok := decodeComponent(name); ok && encodeComponent(c) != name {
			t.Fatalf("RULE E14: %q is %q, whose spelling is %q", name, c, encodeComponent(c))
		}
		if checkName(name) != nil {
			return
		}
		dir := objectDir(name)
		back, ok := decodeDir(dir)
		if !ok || back != name {
			t.Fatalf("RULE E14: %q is %q, and that %q", name, dir, back)
		}
		for c := range strings.SplitSeq(dir, "/") {
			if len(c) > 255 || c == "." || c == ".." || strings.HasSuffix(c, ".") || strings.ToLower(c) != c || isDevice(c) {
				t.Fatalf("RULE E14: %q has component %q", name, c)
			}
			for _, x := range []byte(c) {
				if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789._-!%", rune(x)) {
					t.Fatalf("RULE E14: %q has component %q", name, c)
				}
			}
		}
	})
}
