package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// JSON as protobuf maps it, which is not quite Go's: a 64-bit integer is a
// string or a number, an enum a name or a number, a field is called as in the
// .proto file or in camel case, null is as good as absent, and a field that
// nobody knows is refused. The refusals are worded as etcd's gateway words them.

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
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		for _, name := range []string{camel(name), name} {
			raw, ok := fields[name]
			delete(fields, name)
			if !ok || bytes.Equal(raw, []byte("null")) {
				continue
			}
			if err := decodeValue(raw, v.Field(i)); err != nil {
				return err
			}
		}
	}
	if len(fields) > 0 {
		return fmt.Errorf("unknown field %q in %s", slices.Min(slices.Collect(maps.Keys(fields))), messageName(v.Type()))
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

// camel is the other name of a field: range_end is rangeEnd.
func camel(name string) string {
	var b strings.Builder
	up := false
	for _, r := range name {
		if r == '_' {
			up = true
			continue
		}
		if up {
			r = unicode.ToUpper(r)
		}
		up = false
		b.WriteRune(r)
	}
	return b.String()
}

// messageName is the name of a message in etcd's .proto file.
func messageName(t reflect.Type) string {
	first, size := utf8.DecodeRuneInString(t.Name())
	return "etcdserverpb." + string(unicode.ToUpper(first)) + t.Name()[size:]
}

// encodeEnum writes a value's name, or its number if it has none.
func encodeEnum(e enum, value uint8) ([]byte, error) {
	if _, names := e.names(); int(value) < len(names) {
		return json.Marshal(names[value])
	}
	return json.Marshal(value)
}
