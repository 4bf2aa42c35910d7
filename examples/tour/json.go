package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// newJSON prints every event as one line of JSON.
func newJSON(w io.Writer) Sink {
	enc := json.NewEncoder(w)
	return func(e Event) {
		if err := enc.Encode(e); err != nil && e.Data != nil {
			// A chapter's mistake must not silence the stream.
			e.Data = fmt.Sprintf("not encodable: %v", err)
			_ = enc.Encode(e)
		}
	}
}
