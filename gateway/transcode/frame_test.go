package transcode

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestFramesAreReadWhateverThePiecesTheyComeIn(t *testing.T) {
	var wire []byte
	texts := []string{"", "a", strings.Repeat("b", 1000), "c"}
	for _, text := range texts {
		var err error
		wire, err = appendFrame(wire, wrapperspb.String(text))
		require.NoError(t, err)
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(wire), "byte by byte": iotest.OneByteReader(bytes.NewReader(wire)), "with its end": iotest.DataErrReader(bytes.NewReader(wire)),
	} {
		f := frameReader{r: r, max: 2000}
		for _, text := range texts {
			message, err := f.next()
			require.NoError(t, err, name)
			want, err := appendFrame(nil, wrapperspb.String(text))
			require.NoError(t, err)
			require.Equal(t, want[frameHeader:], append([]byte{}, message...), name)
		}
		_, err := f.next()
		require.Equal(t, io.EOF, err, name)
	}
	for cut := 1; cut < len(wire); cut++ {
		f := frameReader{r: bytes.NewReader(wire[:cut]), max: 2000}
		var err error
		n := 0
		for ; err == nil; n++ {
			_, err = f.next()
		}
		if err == io.EOF {
			require.Contains(t, []int{5, 13, 13 + 5 + 1003}, cut, "RULE X4: a frame that is cut off looks like the end")
		}
	}
}

func TestTheLimitIsTheLargestMessageThatIsAllowed(t *testing.T) {
	for size, allowed := range map[int]bool{99: true, 100: true, 101: false} {
		wire := append([]byte{0, 0, 0, 0, byte(size)}, make([]byte, size)...)
		f := frameReader{r: bytes.NewReader(wire), max: 100}
		_, err := f.next()
		require.Equal(t, allowed, err == nil, "RULE X4: %d bytes", size)

		got, err := readAtMost(bytes.NewReader(wire[frameHeader:]), nil, 100)
		require.Equal(t, allowed, err == nil, "RULE X4: %d bytes", size)
		require.LessOrEqual(t, cap(got), 512, "RULE X4: memory is taken by what comes")
		if !allowed {
			require.ErrorIs(t, err, errTooLong)
		}
	}
	_, err := readAtMost(io.MultiReader(strings.NewReader("abc"), brokenReader{}), nil, 100)
	require.ErrorContains(t, err, "connection reset")
}

func TestTimeouts(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "1n", 0: "1n", 1: "1n", 99_999_999: "99999999n", 100_000_000: "100000u", time.Minute: "60000000u", 3 * time.Minute: "180000m",
		48 * time.Hour: "172800S", 1 << 62: "76861433M",
	} {
		got := formatTimeout(d)
		require.Equal(t, want, got)
		back, err := parseTimeout(got)
		require.NoError(t, err)
		require.LessOrEqual(t, back, max(d, 1))
	}
	d, err := parseTimeout("99999999H")
	require.NoError(t, err)
	require.Equal(t, maxDuration, d)
	for _, text := range []string{"", "S", "5", "5s", "-5S", "+5S", "123456789S", "1.5S", "5 S"} {
		_, err := parseTimeout(text)
		require.Error(t, err, text)
	}
}

func TestStatuses(t *testing.T) {
	for code, want := range httpOfCode {
		require.Equal(t, want, Code(code).HTTP(), "RULE X3: code %d", code)
	}
	require.Equal(t, 500, Code(1<<32-1).HTTP())
	require.Equal(t, "NOT_FOUND", NotFound.String())
	require.Equal(t, "CODE_77", Code(77).String())
	for status, want := range map[int]Code{400: Internal, 401: Unauthenticated, 403: PermissionDenied, 404: Unimplemented, 429: Unavailable, 502: Unavailable, 503: Unavailable, 504: Unavailable, 418: Unknown, 200: Unknown} {
		require.Equal(t, want, FromHTTP(status), status)
	}
	require.Nil(t, readStatus(nil))
	require.Equal(t, "\uFFFD", readStatus(http.Header{"Grpc-Status": {"5"}, "Grpc-Message": {"%ff"}}).message)
	require.Equal(t, Unknown, readStatus(http.Header{"Grpc-Status": {"-1"}}).code)
	var s *status
	require.True(t, errors.As(error(statusf(NotFound, "x")), &s))
	require.Equal(t, "NOT_FOUND: x", s.Error())
}

func TestWhoAsksForEvents(t *testing.T) {
	for accept, want := range map[string]bool{
		"": false, "*/*": false, "text/event-stream": true, "application/json, Text/Event-Stream;q=0.9": true, "text/event-streams": false,
	} {
		require.Equal(t, want, wantsEvents(http.Header{"Accept": {accept}}), accept)
	}
	require.True(t, wantsEvents(http.Header{"Accept": {"a/b", "text/event-stream"}}))
}
