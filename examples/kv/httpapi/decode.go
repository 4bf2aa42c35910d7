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

// decode reads in into the struct v points to.
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
		var items []json.RawMessage
		if err := json.Unmarshal(in, &items); err != nil {
			return err
		}
		list := reflect.MakeSlice(v.Type(), len(items), len(items))
		for i, item := range items {
			if err := decodeValue(item, list.Index(i)); err != nil {
				return err
			}
		}
		v.Set(list)
		return nil
	}
	return json.Unmarshal(in, v.Addr().Interface())
}

func decodeStruct(in json.RawMessage, v reflect.Value) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(in, &fields); err != nil {
		return err
	}
	var room [64]byte
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		// The name as in the .proto file comes last: it wins if both are there.
		for _, name := range [][]byte{appendCamel(room[:0], name), []byte(name)} {
			raw, ok := fields[string(name)]
			if !ok || bytes.Equal(raw, []byte("null")) {
				continue
			}
			if err := decodeValue(raw, v.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
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

// appendCamel appends the other name of a field: range_end is rangeEnd. Most
// fields are not in a request, so asking for them allocates nothing.
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
