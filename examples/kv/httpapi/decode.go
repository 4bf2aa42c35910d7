package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
)

// JSON as protobuf maps it, which is not quite Go's: a 64-bit integer is a
// string or a number, an enum a name or a number, a field is called as in the
// .proto file or in camel case, and null is as good as absent. A field that
// nobody knows is passed over: etcd's gateway does so, since a newer client may
// know more than its server. The refusals are worded as etcd's gateway words them.

// enum is a type whose values have names.
type enum interface {
	names() (of string, names []string)
}

// decode reads in, which is valid JSON, into the struct v points to.
func decode(in []byte, v any) error { return decodeValue(in, reflect.ValueOf(v).Elem()) }

func decodeValue(in json.RawMessage, v reflect.Value) error {
	if e, ok := v.Interface().(enum); ok {
		return decodeEnum(in, e, v)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(in, v.Elem())
	case reflect.Struct:
		return decodeStruct(in, v)
	case reflect.Int64, reflect.Uint64:
		return json.Unmarshal(unquote(in), v.Addr().Interface())
	case reflect.Slice:
		if v.Type().Elem() == reflect.TypeFor[byte]() {
			break // base64
		}
		if in[0] != '[' {
			return json.Unmarshal(in, new([]json.RawMessage)) // says what it is instead
		}
		list := reflect.MakeSlice(v.Type(), 0, 0)
		for item := range elements(in) {
			list = reflect.Append(list, reflect.Zero(v.Type().Elem()))
			if err := decodeValue(item, list.Index(list.Len()-1)); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	}
	return json.Unmarshal(in, v.Addr().Interface())
}

func decodeStruct(in json.RawMessage, v reflect.Value) error {
	if in[0] != '{' {
		return json.Unmarshal(in, new(map[string]json.RawMessage)) // says what it is instead; null is an empty message
	}
	var name []byte
	for part := range elements(in) {
		if name == nil {
			name = part
			continue
		}
		i, err := fieldCalled(v.Type(), name)
		name = nil
		switch {
		case err != nil:
			return err
		case i < 0 || bytes.Equal(part, []byte("null")):
			continue
		}
		if err := decodeValue(part, v.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

// fieldCalled returns the field with a name in quotes, as in the .proto file or
// in camel case: range_end or rangeEnd; -1: there is none.
func fieldCalled(t reflect.Type, quoted []byte) (int, error) {
	name := unquote(quoted)
	if bytes.IndexByte(name, '\\') >= 0 {
		var text string
		if err := json.Unmarshal(quoted, &text); err != nil {
			return -1, err
		}
		name = []byte(text)
	}
	var room [64]byte
	for i := range t.NumField() {
		tag, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if tag == string(name) || bytes.Equal(appendCamel(room[:0], tag), name) {
			return i, nil
		}
	}
	return -1, nil
}

// elements walks the values of an array, or the names and values of an object in
// turn, at its own level. The array or object is valid.
func elements(in []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		for in = in[1:]; ; {
			in = bytes.TrimLeft(in, " \t\r\n,:")
			if in[0] == ']' || in[0] == '}' {
				return
			}
			n := valueLen(in)
			if !yield(in[:n:n]) {
				return
			}
			in = in[n:]
		}
	}
}

// valueLen is the length of the value that in begins with.
func valueLen(in []byte) int {
	depth := 0
	for i := 0; i < len(in); i++ {
		switch in[i] {
		case '"':
			for i++; in[i] != '"'; i++ {
				if in[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth < 0 {
				return i // a number or word ended before
			}
		case ',', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return i
			}
			continue
		default:
			continue // of a number or word
		}
		if depth == 0 {
			return i + 1
		}
	}
	return len(in)
}

func decodeEnum(in json.RawMessage, e enum, v reflect.Value) error {
	of, names := e.names()
	if len(in) > 0 && in[0] == '"' {
		i := slices.Index(names, string(unquote(in)))
		if i < 0 {
			return fmt.Errorf("unknown value %s for enum etcdserverpb.%s", in, of)
		}
		v.SetUint(uint64(i))
		return nil
	}
	var n int32
	if err := json.Unmarshal(in, &n); err != nil {
		return err
	}
	// A number without a name is let through, as by proto3; the store refuses it.
	v.SetUint(uint64(min(uint32(n), 255)))
	return nil
}

func unquote(in json.RawMessage) json.RawMessage {
	if len(in) >= 2 && in[0] == '"' && in[len(in)-1] == '"' {
		return in[1 : len(in)-1]
	}
	return in
}

// appendCamel appends the other name of a field: range_end is rangeEnd.
func appendCamel(b []byte, name string) []byte {
	up := false
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_':
			up = true
			continue
		case up && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		}
		up = false
		b = append(b, c)
	}
	return b
}

// encodeEnum writes a value's name, or its number if it has none.
func encodeEnum(e enum, value uint8) ([]byte, error) {
	if _, names := e.names(); int(value) < len(names) {
		return json.Marshal(names[value])
	}
	return json.Marshal(value)
}
