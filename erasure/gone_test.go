package erasure

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A directory that is deleted or unmounted under the process holds nothing. Taken at
// its word, five of eight such drives would have the rest of every object removed.
func TestADriveThatIsGoneSaysNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a directory with an open file cannot be removed there")
	}
	root := t.TempDir()
	dirs := make([]string, 8)
	for i := range dirs {
		dirs[i] = filepath.Join(root, fmt.Sprint(i))
	}
	open := func() *Store {
		var drives []Drive
		for _, dir := range dirs {
			d, err := OpenDir(dir)
			require.NoError(t, err)
			drives = append(drives, d)
		}
		s, err := Open(drives, &Options{Parity: 3, ScanEvery: -1, Serial: true})
		require.NoError(t, err)
		return s
	}
	s := open()
	mustPut(t, s, "a/b", random(300, 1), nil)
	away := filepath.Join(root, "away")
	require.NoError(t, os.Mkdir(away, 0o755))
	for i := range 4 {
		require.NoError(t, os.Rename(dirs[i], filepath.Join(away, fmt.Sprint(i))))
		if i == 0 { // an empty mount point is left
			require.NoError(t, os.Mkdir(dirs[i], 0o755))
		}
	}
	_, err := s.Get(t.Context(), "a/b", nil)
	require.ErrorIs(t, err, ErrReadQuorum, "RULE E1: four drives are gone, which is not to say that they lack the object")
	_, err = s.HealQueued(t.Context())
	require.NoError(t, err)
	for i, d := range s.Info(t.Context()).Drives {
		require.Equal(t, i < 4, d.State == Offline, "RULE E1: %s, which is gone, is said to be there, or the reverse", d.Drive)
	}
	for i := range 4 {
		left, err := os.ReadDir(dirs[i])
		require.True(t, len(left) == 0 && (err == nil || errors.Is(err, fs.ErrNotExist)), "RULE E15: a drive that is gone was made again: %v", left)
		if i == 0 {
			require.NoError(t, os.Remove(dirs[i]))
		}
		require.NoError(t, os.Rename(filepath.Join(away, fmt.Sprint(i)), dirs[i]))
	}
	o, err := s.Get(t.Context(), "a/b", nil)
	require.NoError(t, err, "RULE E1: the drives are back")
	require.NoError(t, o.Close())

	// One of them for good: the store goes on, and starts again with a new one.
	require.NoError(t, os.RemoveAll(dirs[2]))
	mustPut(t, s, "a/c", random(300, 2), nil)
	o, err = s.Get(t.Context(), "a/b", nil)
	require.NoError(t, err)
	require.NoError(t, o.Close())
	_, err = s.HealQueued(t.Context())
	require.NoError(t, err)
	require.NoDirExists(t, dirs[2], "RULE E15: without its format file")
	require.NoError(t, s.Close())
	s = open()
	defer s.Close()
	report, err := s.Heal(t.Context(), nil, nil)
	require.NoError(t, err)
	require.Equal(t, 2, report.Healed)
}

// Two directories are made anew, and each becomes a drive: the old drives, which have
// the same paths, do not come to life again beside them.
func TestADriveThatIsReplacedIsNotTwo(t *testing.T) {
	root := t.TempDir()
	var drives []Drive
	dirs := make([]string, 4)
	for i := range dirs {
		dirs[i] = filepath.Join(root, fmt.Sprint(i))
		d, err := OpenDir(dirs[i])
		require.NoError(t, err)
		drives = append(drives, d)
	}
	s, err := Open(drives, &Options{Parity: 2, ScanEvery: -1, Serial: true})
	require.NoError(t, err)
	defer s.Close()
	mustPut(t, s, "a", random(300, 1), nil)
	for _, i := range []int{3, 1} {
		require.NoError(t, os.RemoveAll(dirs[i]))
	}
	for _, i := range []int{3, 1} {
		d, err := OpenDir(dirs[i])
		require.NoError(t, err)
		require.NoError(t, s.Attach(t.Context(), d), "RULE E8: place of drive %d", i)
	}
	_, err = s.HealQueued(t.Context())
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, d := range s.Info(t.Context()).Drives {
		require.False(t, seen[d.Drive], "RULE E8: %s is in two places", d.Drive)
		require.Equal(t, Online, d.State, "RULE E8: %s", d.Drive)
		seen[d.Drive] = true
	}
	for _, i := range []int{0, 2} {
		require.NoError(t, os.RemoveAll(dirs[i]))
	}
	mustHave(t, s, "a", random(300, 1), "RULE E1: the other two are lost once the new ones are healed")
}
