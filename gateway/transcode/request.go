package transcode

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// A codec turns messages into JSON and back, by the types of one descriptor set. It is safe for concurrent use.
type codec struct {
	marshal       protojson.MarshalOptions
	unmarshal     protojson.UnmarshalOptions
	maxMessage    int
	ignoreUnknown bool
}

// An input is what a request message is made of.
type input struct {
	path        string // without the verb, percent-encoded
	query       string
	body        []byte
	contentType string // of body
}

// build makes the message of a call. X2: the body first, then what the path says, which
// cannot be otherwise than the body says, then the query, which cannot name what is set by either.
func (c *codec) build(b *Binding, in input) (*dynamicpb.Message, error) {
	m := dynamicpb.NewMessage(b.rpc.Input())
	if err := c.setBody(b, m, in); err != nil {
		return nil, err
	}
	if err := setPath(b, m, in.path); err != nil {
		return nil, err
	}
	return m, c.setQuery(b, m, in.query)
}

func (c *codec) setBody(b *Binding, m protoreflect.Message, in input) error {
	if b.takesRawBody() {
		target := m
		if !b.whole {
			target = m.Mutable(b.body).Message()
		}
		setHTTPBody(target, in.contentType, in.body)
		return nil
	}
	if len(bytes.TrimSpace(in.body)) == 0 {
		return nil // no body is an empty message
	}
	switch {
	case b.whole:
		return bodyError(c.unmarshal.Unmarshal(in.body, m.Interface()))
	case b.body == nil:
		return nil
	case b.body.Message() != nil && b.body.Cardinality() != protoreflect.Repeated:
		return bodyError(c.unmarshal.Unmarshal(in.body, m.Mutable(b.body).Message().Interface()))
	}
	// A list, a map or a single value is JSON only as part of a message. It is checked
	// before, or `1, "other": 2` would set another field.
	if !json.Valid(in.body) {
		return fmt.Errorf("the body is no JSON value")
	}
	wrapped := fmt.Appendf(nil, `{%s:%s}`, quote(b.body.JSONName()), in.body)
	return bodyError(c.unmarshal.Unmarshal(wrapped, m.Interface()))
}

// takesBody tells whether a request's body is read at all.
func (b *Binding) takesBody() bool { return b.whole || b.body != nil }

func bodyError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the body is not as it should be: %s", protoText(err))
}

// protoText takes from protobuf's messages what is there to keep programs from reading them:
// a prefix, and now and then a space that is none.
func protoText(err error) string {
	return strings.TrimPrefix(strings.ReplaceAll(err.Error(), "\u00a0", " "), "proto: ")
}

func setPath(b *Binding, m protoreflect.Message, path string) error {
	for i, fields := range b.fields {
		v := &b.template.variables[i]
		text, err := decodeVariable(v, v.span(path))
		if err != nil {
			return err
		}
		field := fields[len(fields)-1]
		value, err := parseText(field, text)
		if err != nil {
			return fmt.Errorf("path: %w", err)
		}
		if err := fields.alone(m); err != nil {
			return fmt.Errorf("path: %w", err)
		}
		parent := fields.parent(m)
		if parent.Has(field) && !parent.Get(field).Equal(value) {
			return fmt.Errorf("field %s: the path says %q, and the body says otherwise", v.field, text)
		}
		parent.Set(field, value)
	}
	return nil
}

// decodeVariable undoes percent-encoding, once. In a value of several segments %2F stays as it is, since it is no
// border between segments.
func decodeVariable(v *variable, text string) (string, error) {
	if strings.IndexByte(text, '%') < 0 {
		return text, nil
	}
	if v.many || v.last-v.first > 1 {
		text = strings.NewReplacer("%2F", "%252F", "%2f", "%252f").Replace(text)
	}
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return "", fmt.Errorf("path: field %s: %w", v.field, err)
	}
	return decoded, nil
}

// parent walks to the message that has the path's last field, and makes those on the way.
func (p fieldPath) parent(m protoreflect.Message) protoreflect.Message {
	for _, field := range p[:len(p)-1] {
		m = m.Mutable(field).Message()
	}
	return m
}

// alone fails if another member of a oneof is set where the path leads, however deep: to set this one would take that
// one away, and with it what path or body have said.
func (p fieldPath) alone(m protoreflect.Message) error {
	for i, field := range p {
		if one := field.ContainingOneof(); one != nil {
			if other := m.WhichOneof(one); other != nil && other != field {
				return fmt.Errorf("field %s is given, and %s too, but only one of them can be", field.Name(), other.Name())
			}
		}
		if i == len(p)-1 || !m.Has(field) {
			return nil
		}
		m = m.Get(field).Message()
	}
	return nil
}

// String is the dotted name, as in the .proto file, however the client wrote it.
func (p fieldPath) String() string {
	name := string(p[0].Name())
	for _, field := range p[1:] {
		name += "." + string(field.Name())
	}
	return name
}

func (c *codec) setQuery(b *Binding, m protoreflect.Message, query string) error {
	var seen map[string]bool // fields that may be set once only
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		key, text, err := unescapePair(pair)
		if err != nil {
			return err
		}
		path, err := resolve(b.rpc.Input(), key)
		if err != nil {
			if c.ignoreUnknown {
				continue
			}
			return fmt.Errorf("query: %w", err)
		}
		name := path.String()
		if err := b.checkQuery(path, name); err != nil {
			return err
		}
		if !path[len(path)-1].IsList() {
			if seen[name] {
				return fmt.Errorf("query: field %s is given twice, and is not repeated", name)
			}
			if seen == nil {
				seen = make(map[string]bool)
			}
			seen[name] = true
		}
		if err := setParameter(path, m, text); err != nil {
			return err
		}
	}
	return nil
}

func unescapePair(pair string) (key, text string, err error) {
	if strings.IndexByte(pair, ';') >= 0 {
		// Some take it for a separator, so that two would read two different queries.
		return "", "", fmt.Errorf("query: a semicolon that is not written %%3B")
	}
	key, text, _ = strings.Cut(pair, "=")
	if key, err = url.QueryUnescape(key); err == nil {
		text, err = url.QueryUnescape(text)
	}
	if err != nil {
		return "", "", fmt.Errorf("query: %w", err)
	}
	return key, text, nil
}

// checkQuery is X2's second half: a field has one source only.
func (b *Binding) checkQuery(path fieldPath, name string) error {
	field := path[len(path)-1]
	switch {
	case b.bound[name]:
		return fmt.Errorf("query: field %s is in the path already", name)
	case b.whole:
		return fmt.Errorf("query: field %s belongs into the body, as all do", name)
	case b.body != nil && path[0] == b.body:
		return fmt.Errorf("query: field %s belongs into the body", name)
	case field.IsMap():
		return fmt.Errorf("query: field %s is a map, which a query cannot have", name)
	case !isText(field):
		return fmt.Errorf("query: field %s is a message: name a field inside", name)
	}
	return nil
}

func setParameter(path fieldPath, m protoreflect.Message, text string) error {
	field := path[len(path)-1]
	value, err := parseText(field, text)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	if err := path.alone(m); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	parent := path.parent(m)
	if field.IsList() {
		parent.Mutable(field).List().Append(value)
	} else {
		parent.Set(field, value)
	}
	return nil
}

// splitStream cuts the body of a client's stream into messages: the elements of an array, or values one after the
// other, on lines of their own or not.
func splitStream(body []byte) ([]json.RawMessage, error) {
	var messages []json.RawMessage
	if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '[' {
		err := json.Unmarshal(trimmed, &messages)
		return messages, bodyError(err)
	}
	d := json.NewDecoder(bytes.NewReader(body))
	for {
		var message json.RawMessage
		if err := d.Decode(&message); err == io.EOF {
			return messages, nil
		} else if err != nil {
			return nil, fmt.Errorf("message %d of the body's stream: %w", len(messages), err)
		}
		messages = append(messages, message)
	}
}
