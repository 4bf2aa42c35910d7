package main

import (
	"fmt"
	"io"
)

// newTerse prints one line a chapter, and one for each claim that did not hold.
func newTerse(w io.Writer) Sink {
	return func(e Event) {
		switch {
		case e.Kind == KindClaim && !e.OK:
			fmt.Fprintf(w, "%s: FAIL: %s\n", e.Chapter, e.Text)
		case e.Kind == KindEnd && e.OK:
			fmt.Fprintf(w, "%s: ok, %d claims, %s\n", e.Chapter, e.Total, seconds(e.At))
		case e.Kind == KindEnd:
			fmt.Fprintf(w, "%s: FAILED: %s\n", e.Chapter, e.Text)
		}
	}
}
