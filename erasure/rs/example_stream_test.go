package rs_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/flagship-go/flagship/erasure/rs"
)

// Shards as streams, of whatever length, in the memory of a few blocks.
func ExampleCode_EncodeStream() {
	code, err := rs.New(2, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	data := []string{strings.Repeat("long ", 20000), strings.Repeat("files", 20000)}
	var parity bytes.Buffer
	err = code.EncodeStream([]io.Reader{strings.NewReader(data[0]), strings.NewReader(data[1])}, []io.Writer{&parity})
	if err != nil {
		fmt.Println(err)
		return
	}

	// The second stream is lost, and made of the others.
	var again strings.Builder
	err = code.ReconstructStream(
		[]io.Reader{strings.NewReader(data[0]), nil, &parity},
		[]io.Writer{nil, &again, nil},
	)
	fmt.Println(again.String() == data[1], err)
	// Output: true <nil>
}
