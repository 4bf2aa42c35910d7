package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/flagship-go/flagship/examples/txnkv/service"
	"github.com/flagship-go/flagship/mvcc"
)

// maxBody is more than the largest value, in base64.
const maxBody = 32 << 20

// decode reads a request's object into v, which must have a member for all of it.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return fmt.Errorf("%w: read the body: %w", service.ErrRequest, err)
	}
	// Package json makes one and the same character of all that is none: H2.
	if !utf8.Valid(body) || halfCharacter(body) {
		return fmt.Errorf("%w: the body is not UTF-8, or has half of a surrogate pair: send such bytes as base64, with \"base64\": true", service.ErrRequest)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: the body must be a JSON object, as package httpapi has it: %w", service.ErrRequest, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("%w: the body goes on behind its object", service.ErrRequest)
	}
	return nil
}

// halfCharacter reports whether there is an escape for one half of a pair of surrogates,
// without the other half.
func halfCharacter(body []byte) bool {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		if r := escaped(body[i:]); utf16.IsSurrogate(r) {
			if i += 6; utf16.DecodeRune(r, escaped(body[min(i, len(body)):])) == utf8.RuneError {
				return true
			}
			i += 4
		}
		i++ // also a backslash is escaped by one
	}
	return false
}

// escaped is the code unit of an escape like \u00e9 that b begins with, or 0.
func escaped(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0
	}
	n, err := strconv.ParseUint(string(b[2:6]), 16, 16)
	if err != nil {
		return 0
	}
	return rune(n)
}

// codec is how bytes are written in JSON.
type codec struct {
	Base64 bool `json:"base64"`
}

func (c codec) bytes(name, s string) ([]byte, error) {
	if !c.Base64 {
		return []byte(s), nil
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("%w: %s is not base64: %w", service.ErrRequest, name, err)
	}
	return b, nil
}

// text fails for bytes that are not UTF-8, where they would come back as others.
func (c codec) text(name string, b []byte) (string, error) {
	if c.Base64 {
		return base64.StdEncoding.EncodeToString(b), nil
	}
	if !utf8.Valid(b) {
		return "", fmt.Errorf("%w: %s %q is not UTF-8: ask with \"base64\": true", service.ErrRequest, name, b)
	}
	return string(b), nil
}

var modes = map[string]mvcc.Mode{"": mvcc.SnapshotIsolation, "snapshot": mvcc.SnapshotIsolation, "serializable": mvcc.Serializable,
	"pessimistic": mvcc.Pessimistic, "read-only": mvcc.ReadOnly}

func decodeMode(s string) (mvcc.Mode, error) {
	m, ok := modes[strings.ToLower(s)]
	if !ok {
		return 0, fmt.Errorf("%w: mode %q: snapshot, serializable, pessimistic or read-only", service.ErrRequest, s)
	}
	return m, nil
}

func decodeTS(name, s string) (mvcc.TS, error) {
	if s == "" {
		return 0, nil
	}
	ts, err := strconv.ParseUint(s, 10, 64)
	if err != nil || ts == 0 {
		return 0, fmt.Errorf("%w: %s %q is not a timestamp", service.ErrRequest, name, s)
	}
	return mvcc.TS(ts), nil
}

func encodeTS(ts mvcc.TS) string { return strconv.FormatUint(uint64(ts), 10) }

// plain turns JSON's numbers into int64 or float64.
func plain(rows [][]any) error {
	for _, row := range rows {
		for i, v := range row {
			n, ok := v.(json.Number)
			if !ok {
				continue
			}
			if whole, err := n.Int64(); err == nil {
				row[i] = whole
				continue
			}
			f, err := n.Float64()
			if err != nil {
				return fmt.Errorf("%w: number %s: %w", service.ErrRequest, n, err)
			}
			row[i] = f
		}
	}
	return nil
}
