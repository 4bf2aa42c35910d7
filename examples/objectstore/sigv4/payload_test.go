package sigv4_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/flagship-go/flagship/examples/objectstore/checksum"
	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
	"github.com/stretchr/testify/require"
)

var text = []byte(strings.Repeat("Welcome to Amazon S3. ", 10_000))

func sumOf(a checksum.Algorithm, b []byte) string {
	h := a.New()
	h.Write(b)
	return checksum.Encode(h)
}

func md5Of(b []byte) string {
	s := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(s[:])
}

// plain is a request with a body that is sent in one piece.
func plain(t *testing.T, body []byte, payload string, headers ...string) *http.Request {
	r := request(t, "PUT", base+"/key", body, headers...)
	signer().Sign(r, payload)
	return arrive(t, r)
}

func TestPlainBodyIsWhatWasSigned(t *testing.T) {
	other := bytes.Clone(text)
	other[len(other)-1] ^= 1
	for _, x := range []struct {
		name    string
		sent    []byte
		payload string
		headers []string
		want    string
	}{
		{"signed", text, hexSum(text), nil, ""},
		{"signed, empty", nil, "", nil, ""},
		{"unsigned", text, sigv4.UnsignedPayload, nil, ""},
		{"changed", other, hexSum(text), nil, sigv4.CodePayloadMismatch},
		{"a hash that is none", text, "abc", nil, "InvalidArgument"},
		{"MD5", text, sigv4.UnsignedPayload, []string{"Content-Md5", md5Of(text)}, ""},
		{"MD5, changed", other, sigv4.UnsignedPayload, []string{"Content-Md5", md5Of(text)}, sigv4.CodeBadDigest},
		{"MD5 that is none", text, sigv4.UnsignedPayload, []string{"Content-Md5", "abcd"}, sigv4.CodeInvalidDigest},
		{"MD5, empty header", text, sigv4.UnsignedPayload, []string{"Content-Md5", ""}, sigv4.CodeInvalidDigest},
		{"checksum", text, sigv4.UnsignedPayload, []string{"X-Amz-Checksum-Crc32c", sumOf(checksum.CRC32C, text)}, ""},
		{"checksum, changed", other, sigv4.UnsignedPayload, []string{"X-Amz-Checksum-Crc32c", sumOf(checksum.CRC32C, text)}, sigv4.CodeBadDigest},
		{"checksum that is none", text, sigv4.UnsignedPayload, []string{"X-Amz-Checksum-Crc32c", "abcd"}, sigv4.CodeInvalidRequest},
		{"two checksums", text, sigv4.UnsignedPayload, []string{"X-Amz-Checksum-Crc32c", sumOf(checksum.CRC32C, text), "X-Amz-Checksum-Sha1", sumOf(checksum.SHA1, text)}, sigv4.CodeInvalidRequest},
		{"unknown streaming", text, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", nil, "NotImplemented"},
	} {
		got, err := receive(t, plain(t, x.sent, x.payload, x.headers...))
		rule(t, "S6", code(err) == x.want, "%s: %v", x.name, err)
		if x.want == "" {
			rule(t, "S6", bytes.Equal(got, x.sent), "%s: other bytes were delivered", x.name)
		}
	}
}

// A caller that counts bytes, and never reads on to the end, must not get all of
// a body that is wrong.
func TestLastBytesComeAfterTheVerification(t *testing.T) {
	r, err := verifier(day).Verify(plain(t, text, hexSum([]byte("other"))))
	require.NoError(t, err)
	n, err := io.ReadFull(r.Body, make([]byte, len(text)))
	rule(t, "S6", n < len(text) && code(err) == sigv4.CodePayloadMismatch, "%d of %d bytes were delivered: %v", n, len(text), err)
	_, again := r.Body.Read(make([]byte, 1))
	require.Equal(t, err, again)

	r, err = verifier(day).Verify(plain(t, text, hexSum(text)))
	require.NoError(t, err)
	a, _ := r.Checksum()
	require.Empty(t, a)
	require.NoError(t, iotest.TestReader(r.Body, text))
}

func TestBodyHasThePromisedLength(t *testing.T) {
	short := plain(t, text, sigv4.UnsignedPayload)
	short.Body = io.NopCloser(bytes.NewReader(text[:100]))
	_, err := receive(t, short)
	rule(t, "S9", code(err) == sigv4.CodeIncompleteBody, "a body that ends early: %v", err)

	cut := plain(t, text, sigv4.UnsignedPayload)
	cut.Body = io.NopCloser(iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(text))))
	_, err = receive(t, cut)
	rule(t, "S9", err == iotest.ErrTimeout, "an error of the connection became %v", err)

	unknown := plain(t, text, hexSum(text))
	unknown.ContentLength = -1
	r, err := verifier(day).Verify(unknown)
	require.NoError(t, err)
	require.EqualValues(t, -1, r.Size)
	got, err := io.ReadAll(r.Body)
	rule(t, "S9", err == nil && bytes.Equal(got, text), "a body of no promised length: %v", err)
}

// streamed is a request with a body in chunks, as it arrives.
func streamed(t *testing.T, body []byte, promised int64, o sigv4.StreamOptions) *http.Request {
	r := request(t, "PUT", base+"/key", body)
	signer().SignStream(r, promised, o)
	framed, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	r.Body = io.NopCloser(bytes.NewReader(framed))
	s := httptest.NewRequest("PUT", base+"/key", bytes.NewReader(framed))
	s.Header = r.Header.Clone()
	return s
}

func TestChunkedBodiesArrive(t *testing.T) {
	options := []sigv4.StreamOptions{{}}
	for _, a := range checksum.All() {
		options = append(options, sigv4.StreamOptions{Trailer: a}, sigv4.StreamOptions{Trailer: a, Unsigned: true})
	}
	for _, o := range options {
		for _, size := range []int{0, 1, 63, 64, 65, 128, 1000} {
			o.ChunkSize = 64
			r, err := verifier(day).Verify(streamed(t, text[:size], int64(size), o))
			require.NoError(t, err)
			require.EqualValues(t, size, r.Size)
			got, err := io.ReadAll(iotest.OneByteReader(r.Body))
			id := "S7"
			if o.Trailer != "" {
				id = "S8"
			}
			rule(t, id, err == nil && bytes.Equal(got, text[:size]), "%+v, %d bytes: %v", o, size, err)
			a, sum := r.Checksum()
			rule(t, id, a == o.Trailer && (a == "" || sum == sumOf(a, text[:size])), "%+v, %d bytes: checksum %s %s", o, size, a, sum)
		}
	}
}

// swapChunks exchanges the first two chunks of 64 bytes, with their signatures.
func swapChunks(b []byte) []byte {
	i := bytes.Index(b, []byte("40;"))
	j := i + bytes.Index(b[i+1:], []byte("\r\n40;")) + 3
	n := j - i
	return bytes.Join([][]byte{b[j : j+n], b[i:j], b[j+n:]}, nil)
}

// cutFrom drops all from a mark on, and puts an end in its place.
func cutFrom(mark, end string) func([]byte) []byte {
	return func(b []byte) []byte { return append(b[:bytes.LastIndex(b, []byte(mark))], end...) }
}

func replace(from, to string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(from), []byte(to), 1) }
}

var (
	chunked  = sigv4.StreamOptions{ChunkSize: 64}
	trailing = sigv4.StreamOptions{ChunkSize: 64, Trailer: checksum.CRC32}
	unsigned = sigv4.StreamOptions{ChunkSize: 64, Trailer: checksum.CRC32, Unsigned: true}
)

// brokenChunks are framed bodies of 150 bytes that somebody changed.
var brokenChunks = []struct {
	rule, name string
	options    sigv4.StreamOptions
	change     func([]byte) []byte
	want       string
}{
	{"S7", "a changed byte", chunked, replace("Welcome", "welcome"), sigv4.CodeMismatch},
	{"S7", "a changed byte of the last", chunked, func(b []byte) []byte { b[bytes.LastIndex(b, []byte("\r\n0;"))-1] ^= 1; return b }, sigv4.CodeMismatch},
	{"S7", "two chunks in another order", chunked, swapChunks, sigv4.CodeMismatch},
	{"S7", "no signature", chunked, replace("40;chunk-signature=", "40;chunk-sig="), sigv4.CodeMismatch},
	{"S7", "no last chunk", chunked, cutFrom("0;", ""), sigv4.CodeIncompleteBody},
	{"S7", "a last chunk that is not signed", chunked, cutFrom("0;", "0\r\n\r\n"), sigv4.CodeMismatch},
	{"S7", "a last chunk signed as another", chunked, cutFrom("0;", "0;chunk-signature="+strings.Repeat("0", 64)+"\r\n\r\n"), sigv4.CodeMismatch},
	{"S9", "a size that is none", chunked, replace("40;", "4g;"), sigv4.CodeIncompleteBody},
	{"S9", "a negative size", chunked, replace("40;", "-1;"), sigv4.CodeIncompleteBody},
	{"S9", "a size beyond 63 bits", chunked, replace("40;", "ffffffffffffffff;"), sigv4.CodeIncompleteBody},
	{"S9", "data beyond the chunk's size", chunked, replace("\r\n40;", "x\r\n40;"), sigv4.CodeIncompleteBody},
	{"S9", "bytes behind the end", chunked, func(b []byte) []byte { return append(b, "more"...) }, sigv4.CodeIncompleteBody},
	{"S9", "a line without end", chunked, func(b []byte) []byte { return bytes.Repeat([]byte("4"), 10_000) }, sigv4.CodeIncompleteBody},
	{"S9", "a connection cut in a chunk", chunked, func(b []byte) []byte { return b[:120] }, sigv4.CodeIncompleteBody},
	{"S9", "a connection cut before the end", chunked, func(b []byte) []byte { return b[:len(b)-2] }, sigv4.CodeIncompleteBody},
	{"S8", "another checksum", trailing, replace("crc32:", "crc32:AAAA"), sigv4.CodeMismatch},
	{"S8", "another trailer", trailing, replace("x-amz-checksum-crc32:", "x-amz-checksum-sha1:"), sigv4.CodeMalformedTrailer},
	{"S8", "no signature of the trailer", trailing, cutFrom("x-amz-trailer-signature", "\r\n"), sigv4.CodeMismatch},
	{"S8", "another signature of the trailer", trailing, cutFrom("x-amz-trailer-signature", "x-amz-trailer-signature:00\r\n\r\n"), sigv4.CodeMismatch},
	{"S8", "no trailer", trailing, cutFrom("x-amz-checksum", "\r\n"), sigv4.CodeMalformedTrailer},
	{"S8", "the trailer twice", unsigned, replace("x-amz-checksum-crc32:", "x-amz-checksum-crc32:AAAAAA==\r\nx-amz-checksum-crc32:"), sigv4.CodeMalformedTrailer},
	{"S8", "unsigned: a changed byte", unsigned, replace("Welcome", "welcome"), sigv4.CodeBadDigest},
	{"S8", "unsigned: no trailer", unsigned, cutFrom("x-amz-checksum", "\r\n"), sigv4.CodeMalformedTrailer},
	{"S8", "unsigned: a trailer that was not announced", unsigned, replace("x-amz-checksum-crc32:", "x-amz-acl:public\r\nx-amz-checksum-crc32:"), sigv4.CodeMalformedTrailer},
	{"S8", "unsigned: line breaks of one byte", unsigned, func(b []byte) []byte {
		i := bytes.Index(b, []byte("x-amz-checksum"))
		return append(b[:i:i], bytes.ReplaceAll(b[i:], []byte("\r\n"), []byte("\n"))...)
	}, ""},
	{"S8", "an empty line before the trailer's signature", trailing, replace("x-amz-trailer-signature", "\r\nx-amz-trailer-signature"), ""},
}

func TestChangedChunksAreRefused(t *testing.T) {
	for _, x := range brokenChunks {
		r := streamed(t, text[:150], 150, x.options)
		framed, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		changed := x.change(bytes.Clone(framed))
		require.NotEqual(t, framed, changed, x.name)
		r.Body = io.NopCloser(bytes.NewReader(changed))
		got, err := receive(t, r)
		rule(t, x.rule, code(err) == x.want, "%s: %v", x.name, err)
		rule(t, x.rule, (len(got) == 150) == (x.want == ""), "%s: %d bytes were delivered", x.name, len(got))
	}
}

func TestChunkedBodyHasThePromisedLength(t *testing.T) {
	for _, promised := range []int64{0, 100, 149, 151, 1 << 62} {
		for _, o := range []sigv4.StreamOptions{chunked, trailing, unsigned} {
			_, err := receive(t, streamed(t, text[:150], promised, o))
			rule(t, "S9", code(err) == sigv4.CodeIncompleteBody, "150 bytes, %d promised: %v", promised, err)
		}
	}
	for _, x := range []struct {
		header, value, want string
	}{
		{"X-Amz-Decoded-Content-Length", "", sigv4.CodeMissingLength},
		{"X-Amz-Decoded-Content-Length", "-1", "InvalidArgument"},
		{"X-Amz-Trailer", "x-amz-checksum-md4", sigv4.CodeInvalidRequest},
		{"X-Amz-Trailer", "", sigv4.CodeInvalidRequest},
		{"X-Amz-Checksum-Sha1", sumOf(checksum.SHA1, nil), sigv4.CodeInvalidRequest},
	} {
		r := request(t, "PUT", base+"/key", nil, "X-Amz-Decoded-Content-Length", "0", "X-Amz-Trailer", "x-amz-checksum-crc32")
		r.Header.Set(x.header, x.value)
		signer().Sign(r, sigv4.StreamingPayloadTrailer)
		_, err := receive(t, arrive(t, r))
		rule(t, "S9", code(err) == x.want, "%s %q: %v", x.header, x.value, err)
	}
	r := request(t, "PUT", base+"/key", nil, "X-Amz-Decoded-Content-Length", "0", "X-Amz-Trailer", "x-amz-checksum-crc32")
	signer().Sign(r, sigv4.StreamingPayload)
	_, err := receive(t, arrive(t, r))
	rule(t, "S8", code(err) == sigv4.CodeMalformedTrailer, "a trailer where there is none: %v", err)
}

// Whatever bytes arrive, the end comes only behind a body that was signed.
func FuzzChunks(f *testing.F) {
	seed := func(t testing.TB) *http.Request {
		r := request(t, "PUT", base+"/key", text[:150])
		signer().SignStream(r, 150, trailing)
		return r
	}
	valid, _ := io.ReadAll(seed(f).Body)
	f.Add(valid)
	f.Add(swapChunks(bytes.Clone(valid)))
	f.Add([]byte("0;chunk-signature=\r\n\r\n"))
	f.Fuzz(func(t *testing.T, framed []byte) {
		r := seed(t)
		r.Body = io.NopCloser(bytes.NewReader(framed))
		s := httptest.NewRequest("PUT", base+"/key", r.Body)
		s.Header = r.Header
		got, err := receive(t, s)
		if err == nil {
			require.Equal(t, text[:150], got)
		}
	})
}
