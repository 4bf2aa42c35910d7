package transcode

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// parseText makes a value of a field, or of one of its elements, from the text of a path segment
// or a query parameter. What a text means is what it means in JSON (X1): the commonest kinds are
// read here, and the others are made JSON and given to protojson.
func parseText(field protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	switch field.Kind() {
	case protoreflect.StringKind:
		if utf8.ValidString(text) {
			return protoreflect.ValueOfString(text), nil
		}
		return protoreflect.Value{}, fmt.Errorf("field %s: %q is no valid UTF-8", field.Name(), text)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		if n, ok := parseDigits(text, 32); ok {
			return protoreflect.ValueOfInt32(int32(n)), nil
		}
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		if n, ok := parseDigits(text, 64); ok {
			return protoreflect.ValueOfInt64(n), nil
		}
	case protoreflect.BoolKind:
		if text == "true" || text == "false" {
			return protoreflect.ValueOfBool(text == "true"), nil
		}
	case protoreflect.EnumKind:
		if value := field.Enum().Values().ByName(protoreflect.Name(text)); value != nil {
			return protoreflect.ValueOfEnum(value.Number()), nil
		}
	}
	return parseJSONText(field, text)
}

// parseDigits reads an integer that is written plainly. Others, as 1e3 and 7.0, are left to protojson.
func parseDigits(text string, bits int) (int64, bool) {
	if !isInteger(text) {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, bits)
	return n, err == nil
}

// isInteger tells whether text is JSON's form of an integer: no plus, no leading zeros.
func isInteger(text string) bool {
	digits := strings.TrimPrefix(text, "-")
	if digits == "" || digits[0] == '0' && len(digits) > 1 {
		return false
	}
	for i := range len(digits) {
		if !isDigit(digits[i]) {
			return false
		}
	}
	return true
}

// parseJSONText decodes {"field": text} into a message of the kind that has the field.
func parseJSONText(field protoreflect.FieldDescriptor, text string) (protoreflect.Value, error) {
	bad := func() (protoreflect.Value, error) {
		return protoreflect.Value{}, fmt.Errorf("field %s: %q is no %s", field.Name(), text, kindName(field))
	}
	if !utf8.ValidString(text) {
		return bad()
	}
	token := jsonToken(field, text)
	if field.IsList() {
		token = "[" + token + "]"
	}
	m := dynamicpb.NewMessage(field.ContainingMessage())
	options := protojson.UnmarshalOptions{AllowPartial: true}
	if err := options.Unmarshal([]byte("{"+quote(field.JSONName())+":"+token+"}"), m); err != nil {
		return bad()
	}
	value := m.Get(field)
	if field.IsList() {
		value = value.List().Get(0)
	}
	return value, nil
}

// jsonToken is the text as a JSON value: as a string, which protojson also takes for numbers, where
// the mapping does not want a bare word.
func jsonToken(field protoreflect.FieldDescriptor, text string) string {
	bare := field.Kind() == protoreflect.EnumKind && isInteger(text)
	if field.Message() != nil && field.Message().FullName() == "google.protobuf.BoolValue" {
		bare = text == "true" || text == "false" // and "true" as a string is refused
	}
	if bare {
		return text
	}
	return quote(text)
}

// quote is a text as a JSON string.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil { // there is no text that has none
		panic("transcode: " + err.Error())
	}
	return string(quoted)
}

// kindName names what a field holds, for people.
func kindName(field protoreflect.FieldDescriptor) string {
	switch {
	case field.Message() != nil:
		return string(field.Message().FullName())
	case field.Enum() != nil:
		return string(field.Enum().FullName())
	}
	return field.Kind().String()
}
