// Drives: opened at the start, and taken up again when they are back while the
// server runs.

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/flagship-go/flagship/erasure"
)

// openDrives opens the directories that can be opened. One that another process
// has, or a newer version wrote, is not to be passed over.
func (s *server) openDrives() (drives []erasure.Drive, err error) {
	for _, dir := range s.config.dirs {
		d, err := openDrive(dir)
		if errors.Is(err, erasure.ErrLocked) || errors.Is(err, erasure.ErrNewer) {
			closeAll(drives)
			return nil, err
		}
		if err != nil {
			s.log.Error("a drive is left out: it cannot be opened", "drive", dir, "err", err)
			continue
		}
		drives = append(drives, d)
	}
	return drives, nil
}

func openDrive(dir string) (erasure.Drive, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return erasure.OpenDir(dir)
}

func closeAll(drives []erasure.Drive) {
	for _, d := range drives {
		d.Close()
	}
}

// lookEvery is how often the server looks whether a drive is back.
const lookEvery = 10 * time.Second

// watchDrives takes up drives that are back, until the server ends.
func (s *server) watchDrives(ctx context.Context) {
	for tick := time.Tick(lookEvery); ; {
		select {
		case <-ctx.Done():
			return
		case <-tick:
			s.attachDrives(ctx, false)
		}
	}
}

// attachDrives takes up the directories that are there again, or for the first
// time, and gives them to the places of drives that do not work. A directory with
// nothing in it becomes a new drive, but only if fresh ones are wanted: where a disk is not
// mounted there is an empty directory too, and its file system is another's. One
// that is not there at all is not made.
func (s *server) attachDrives(ctx context.Context, fresh bool) {
	working := make(map[string]bool)
	for _, d := range s.store.Info(ctx).Drives {
		working[d.Drive] = d.Err == nil
	}
	for _, dir := range s.config.dirs {
		if working[dir] {
			continue
		}
		if inside, err := os.ReadDir(dir); err != nil || len(inside) == 0 && !fresh {
			continue
		}
		d, err := erasure.OpenDir(dir)
		if errors.Is(err, erasure.ErrLocked) || errors.Is(err, fs.ErrNotExist) {
			continue // it is open, and does not answer just now; or is gone once more
		}
		if err == nil {
			if err = s.store.Attach(ctx, d); err != nil {
				d.Close()
			}
		}
		if err != nil && ctx.Err() == nil {
			s.log.Error("a drive is back, and cannot be used", "drive", dir, "err", err)
		}
	}
}
