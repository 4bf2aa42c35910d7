package s3_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree is one of the library's own directories.
func tree(t *testing.T, name string) string {
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", name))
	require.NoError(t, err)
	return dir
}

func TestRcloneCopiesAndChecks(t *testing.T) {
	rclone := program(t, "rclone")
	s := start(t)
	env := []string{"RCLONE_CONFIG=" + filepath.Join(t.TempDir(), "none"), "RCLONE_S3_PROVIDER=Other", "RCLONE_S3_ACCESS_KEY_ID=" + accessKey,
		"RCLONE_S3_SECRET_ACCESS_KEY=" + secretKey, "RCLONE_S3_ENDPOINT=http://" + s.addr, "AWS_CA_BUNDLE="}
	run(t, env, rclone, "mkdir", ":s3:data")
	run(t, env, rclone, "copy", tree(t, "internal/sim"), ":s3:data/sim")
	require.NoError(t, s.lose(0, 3))
	run(t, env, rclone, "check", "--download", tree(t, "internal/sim"), ":s3:data/sim")

	large := filepath.Join(t.TempDir(), "large")
	require.NoError(t, os.WriteFile(large, content(9, 12<<20), 0o644))
	run(t, env, rclone, "copy", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M", large, ":s3:data")
	run(t, env, rclone, "copyto", ":s3:data/large", ":s3:data/copy")
	require.Equal(t, string(content(9, 12<<20)), run(t, env, rclone, "cat", ":s3:data/copy"))
	require.Contains(t, run(t, env, rclone, "lsd", ":s3:data/sim"), "testdata")
	run(t, env, rclone, "purge", ":s3:data")
}

// A backup is made, and checked to the last byte, while drives are deleted under
// it: as many as there is parity, healed, and then others.
func TestResticBackupSurvivesDrives(t *testing.T) {
	restic := program(t, "restic")
	s := start(t, "--parity", "2")
	env := []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "RESTIC_PASSWORD=secret",
		"RESTIC_REPOSITORY=s3:http://" + s.addr + "/backup", "RESTIC_CACHE_DIR=" + t.TempDir(), "AWS_CA_BUNDLE="}
	run(t, env, restic, "init")
	run(t, env, restic, "backup", tree(t, "raft"))
	check := func() {
		t.Helper()
		require.Contains(t, run(t, env, restic, "check", "--read-data"), "no errors were found")
	}
	check()
	lost := make(chan error)
	go func() { lost <- s.lose(1, 6) }() // while it is checked
	check()
	require.NoError(t, <-lost)
	check()
	run(t, env, restic, "backup", tree(t, "internal"))
	t.Log(s.heal())
	require.NoError(t, s.lose(0, 7))
	check()
	target := t.TempDir()
	run(t, env, restic, "restore", "latest", "--target", target)
	found := 0
	require.NoError(t, filepath.Walk(target, func(path string, info os.FileInfo, err error) error {
		if err == nil && strings.HasSuffix(filepath.ToSlash(path), "killmatrix/doc.go") {
			found++
		}
		return err
	}))
	require.Equal(t, 1, found)
}
