package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// errStale reports a bug that no longer fits the code it was written against.
type errStale struct{ msg string }

func (e *errStale) Error() string { return e.msg }

// plant writes the bug's file with the edits made, and the overlay that puts it
// in the place of the real one, into the folder tmp. It returns the overlay's
// path. The tree itself is only read.
func plant(b *Bug, tmp string) (overlay string, err error) {
	text, err := b.planted()
	if err != nil {
		return "", err
	}
	planted := filepath.Join(tmp, filepath.Base(b.target()))
	if err := os.WriteFile(planted, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("writing the planted %s: %w", b.File, err)
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": {b.target(): planted}})
	if err != nil {
		return "", fmt.Errorf("making the overlay of %s: %w", b.Name, err)
	}
	overlay = filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return "", fmt.Errorf("writing the overlay of %s: %w", b.Name, err)
	}
	return overlay, nil
}

// target is the file to plant in.
func (b *Bug) target() string { return filepath.Join(b.Dir, filepath.FromSlash(b.File)) }

// planted is the file as it is now, with the edits made.
func (b *Bug) planted() (string, error) {
	source, err := os.ReadFile(b.target())
	if err != nil {
		return "", &errStale{fmt.Sprintf("%s: cannot read the file to plant in: %v; correct the line \"file:\"", b.Path, err)}
	}
	return b.apply(normalize(string(source)))
}

// apply makes the edits in order.
func (b *Bug) apply(text string) (string, error) {
	for _, e := range b.Edits {
		// An edit that fits twice would plant the bug in whichever place comes
		// first, which need not be the place meant.
		if n := strings.Count(text, e.Find); n != 1 {
			remedy := "copy the text anew from the file, indentation included"
			if n > 1 {
				remedy = "add a neighbouring line to make it unique"
			}
			return "", &errStale{fmt.Sprintf("%s:%d: the text to find occurs %d times in %s, not once; %s",
				b.Path, e.Line, n, b.File, remedy)}
		}
		text = strings.Replace(text, e.Find, e.Replace, 1)
	}
	return text, nil
}
