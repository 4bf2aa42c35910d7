package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
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
func decode(in []byte, v any) error {
	_, err := decodeValue(in, reflect.ValueOf(v).Elem())
	return err
}

// decodeValue reads the value that in begins with, and returns what follows. No
// byte is looked at again for each level that it is deep.
func decodeValue(in []byte, v reflect.Value) (rest []byte, err error) {
	e, isEnum := v.Interface().(enum)
	isBytes := v.Kind() == reflect.Slice && v.Type().Elem() == reflect.TypeFor[byte]()
	switch {
	case isEnum:
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return decodeValue(in, v.Elem())
	case v.Kind() == reflect.Struct && in[0] == '{':
		return decodeStruct(in[1:], v)
	case v.Kind() == reflect.Slice && !isBytes && in[0] == '[':
		return decodeList(in[1:], v)
	}
	n := valueLen(in)
	value := in[:n:n]
	switch {
	case isEnum:
		err = decodeEnum(value, e, v)
	case v.Kind() == reflect.Int64 || v.Kind() == reflect.Uint64:
		err = json.Unmarshal(unquote(value), v.Addr().Interface())
	case v.Kind() == reflect.Struct: // and no object: null, or an error that says what it is
		err = json.Unmarshal(value, new(map[string]json.RawMessage))
	case v.Kind() == reflect.Slice && !isBytes:
		err = json.Unmarshal(value, new([]json.RawMessage))
	default:
		err = json.Unmarshal(value, v.Addr().Interface())
	}
	return in[n:], err
}

func decodeStruct(in []byte, v reflect.Value) (rest []byte, err error) {
	for in = skipSpace(in); in[0] != '}'; in = skipSpace(in) {
		n := valueLen(in)
		i, err := fieldCalled(v.Type(), in[:n])
		if err != nil {
			return nil, err
		}
		in = skipSpace(in[n:])
		if i < 0 || bytes.HasPrefix(in, []byte("null")) {
			in = in[valueLen(in):]
			continue
		}
		if in, err = decodeValue(in, v.Field(i)); err != nil {
			return nil, err
		}
	}
	return in[1:], nil
}

func decodeList(in []byte, v reflect.Value) (rest []byte, err error) {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	for in = skipSpace(in); in[0] != ']'; in = skipSpace(in) {
		v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		if in, err = decodeValue(in, v.Index(v.Len()-1)); err != nil {
			return nil, err
		}
	}
	return in[1:], nil
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

// skipSpace goes on to the next value, name or end, in JSON that is valid.
func skipSpace(in []byte) []byte { return bytes.TrimLeft(in, " \t\r\n,:") }

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
