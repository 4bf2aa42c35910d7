package transcode

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// An httpRule is google.api.HttpRule: one pattern, and others that mean the same call.
type httpRule struct {
	method, path string // "GET", "/v1/{name}"; custom's kind may be "*"
	body         string // "*", a field's name, or "": no body
	responseBody string // a field's name, or "": the whole message
	additional   []httpRule
}

// The numbers of google/api/http.proto. The option itself is extension 72295728 of MethodOptions.
const (
	httpOption protowire.Number = 72295728

	ruleGet                protowire.Number = 2
	rulePut                protowire.Number = 3
	rulePost               protowire.Number = 4
	ruleDelete             protowire.Number = 5
	rulePatch              protowire.Number = 6
	ruleBody               protowire.Number = 7
	ruleCustom             protowire.Number = 8
	ruleAdditionalBindings protowire.Number = 11
	ruleResponseBody       protowire.Number = 12

	customKind protowire.Number = 1
	customPath protowire.Number = 2
)

var ruleMethods = map[protowire.Number]string{ruleGet: "GET", rulePut: "PUT", rulePost: "POST", ruleDelete: "DELETE", rulePatch: "PATCH"}

// readRule finds the rule among a method's options. ok is false if it has none.
func readRule(method protoreflect.MethodDescriptor) (rule httpRule, ok bool, err error) {
	options := method.Options()
	if options == nil || !options.ProtoReflect().IsValid() {
		return httpRule{}, false, nil
	}
	err = eachField(options.ProtoReflect().GetUnknown(), func(number protowire.Number, value []byte) error {
		if number != httpOption {
			return nil
		}
		ok = true
		// An option that is given in pieces is one message: the pieces are merged.
		return rule.decode(value, false)
	})
	if err != nil {
		return httpRule{}, false, fmt.Errorf("option google.api.http: %w", err)
	}
	return rule, ok, nil
}

func (r *httpRule) decode(message []byte, nested bool) error {
	return eachField(message, func(number protowire.Number, value []byte) error {
		switch number {
		case ruleGet, rulePut, rulePost, ruleDelete, rulePatch:
			r.method, r.path = ruleMethods[number], string(value)
		case ruleBody:
			r.body = string(value)
		case ruleResponseBody:
			r.responseBody = string(value)
		case ruleCustom:
			r.method, r.path = "", ""
			return eachField(value, func(number protowire.Number, value []byte) error {
				switch number {
				case customKind:
					r.method = string(value)
				case customPath:
					r.path = string(value)
				}
				return nil
			})
		case ruleAdditionalBindings:
			if nested {
				return errors.New("additional_bindings inside additional_bindings")
			}
			var other httpRule
			if err := other.decode(value, true); err != nil {
				return err
			}
			r.additional = append(r.additional, other)
		}
		return nil
	})
}

// eachField calls f for every field of a message that has a length: all that matters here is text or a message.
func eachField(message []byte, f func(protowire.Number, []byte) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		message = message[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, message); n < 0 {
				return protowire.ParseError(n)
			}
			message = message[n:]
			continue
		}
		value, n := protowire.ConsumeBytes(message)
		if n < 0 {
			return protowire.ParseError(n)
		}
		if err := f(number, value); err != nil {
			return err
		}
		message = message[n:]
	}
	return nil
}
