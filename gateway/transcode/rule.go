package transcode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Rules say which request is which call. They never change, and are safe for concurrent use.
type Rules struct {
	root     node
	bindings []*Binding
}

// A Binding is one google.api.http rule, checked against the messages of its method.
type Binding struct {
	method   string // GET, or * for all
	template *Template
	rpc      protoreflect.MethodDescriptor
	path     string // /library.v1.Library/GetShelf

	fields   []fieldPath                  // what the template's variables set
	bound    map[string]bool              // the same as dotted names: no query parameter may name them
	body     protoreflect.FieldDescriptor // nil: none, or see whole
	whole    bool                         // body: "*"
	response protoreflect.FieldDescriptor // nil: the whole message
}

// A fieldPath leads from a message to a field in it, through other messages: shelf.theme.name.
type fieldPath []protoreflect.FieldDescriptor

// Rules checks the google.api.http rules of these services, or of all if none is named. Its error
// names every rule that is wrong, and both of two that are in conflict.
func (s *Services) Rules(services ...string) (*Rules, error) {
	picked, err := s.pick(services)
	if err != nil {
		return nil, err
	}
	r := new(Rules)
	var errs []error
	for _, service := range picked {
		for i := range service.Methods().Len() {
			errs = append(errs, r.add(service.Methods().Get(i)))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(r.bindings) == 0 {
		return nil, fmt.Errorf("transcode: no method of %s has an option google.api.http", strings.Join(s.Names(), ", "))
	}
	return r, nil
}

// add takes all bindings of a method. One without a rule cannot be called from outside.
func (r *Rules) add(rpc protoreflect.MethodDescriptor) error {
	rule, ok, err := readRule(rpc)
	if err != nil {
		return fmt.Errorf("transcode: %s: %w", rpc.FullName(), err)
	}
	if !ok {
		return nil
	}
	var errs []error
	for _, one := range append([]httpRule{rule}, rule.additional...) {
		b, err := newBinding(rpc, one)
		if err != nil {
			errs = append(errs, fmt.Errorf("transcode: %s: %w", rpc.FullName(), err))
			continue
		}
		if taken := r.root.insert(b); taken != nil {
			errs = append(errs, fmt.Errorf("transcode: %s and %s: both are %s %s", taken, b, b.method, b.template))
			continue
		}
		r.bindings = append(r.bindings, b)
	}
	return errors.Join(errs...)
}

// Bindings are all rules, in the order of the services' names and of their files.
func (r *Rules) Bindings() []*Binding { return slices.Clone(r.bindings) }

// Match finds the rule of a request's method and path, which is as it is sent: percent-encoded, without
// query. nil if there is none. It allocates nothing.
func (r *Rules) Match(method, path string) *Binding {
	b, _ := r.root.match(method, path)
	return b
}

// Allowed are the methods that have a rule for this path, in order.
func (r *Rules) Allowed(path string) []string { return r.root.allowed(path) }

// String is the rule for people: "GET /v1/{name=shelves/*} -> /library.v1.Library/GetShelf".
func (b *Binding) String() string {
	return fmt.Sprintf("%s %s -> %s", b.method, b.template, b.path)
}

func newBinding(rpc protoreflect.MethodDescriptor, rule httpRule) (*Binding, error) {
	if rule.method == "" {
		return nil, errors.New("option google.api.http has no method: one of get, put, post, delete, patch, custom")
	}
	template, err := ParseTemplate(rule.path)
	if err != nil {
		return nil, err
	}
	b := &Binding{
		method: rule.method, template: template, rpc: rpc,
		path:  "/" + string(rpc.Parent().FullName()) + "/" + string(rpc.Name()),
		bound: make(map[string]bool),
		whole: rule.body == "*",
	}
	for _, v := range template.variables {
		path, err := resolve(rpc.Input(), v.field)
		if err == nil {
			err = checkLeaf(path[len(path)-1])
		}
		if err != nil {
			return nil, &TemplateError{Template: rule.path, Column: v.column, Msg: err.Error()}
		}
		b.fields = append(b.fields, path)
		b.bound[path.String()] = true // a template may have the name that the field has in JSON
	}
	if rule.body != "" && !b.whole {
		if b.body, err = topField(rpc.Input(), rule.body); err != nil {
			return nil, fmt.Errorf("body: %w", err)
		}
	}
	if rule.responseBody != "" {
		if b.response, err = topField(rpc.Output(), rule.responseBody); err != nil {
			return nil, fmt.Errorf("response_body: %w", err)
		}
	}
	return b, nil
}

// topField finds what body and response_body may name: a field of the message itself, of any kind.
func topField(message protoreflect.MessageDescriptor, name string) (protoreflect.FieldDescriptor, error) {
	if strings.Contains(name, ".") {
		return nil, fmt.Errorf("%q is not a field of %s itself", name, message.FullName())
	}
	return findField(message, name)
}

// resolve follows a dotted name through messages that are neither repeated nor maps.
func resolve(message protoreflect.MessageDescriptor, name string) (fieldPath, error) {
	var path fieldPath
	for rest := name; ; {
		head, tail, more := strings.Cut(rest, ".")
		field, err := findField(message, head)
		if err != nil {
			return nil, err
		}
		path = append(path, field)
		if !more {
			return path, nil
		}
		if !descends(field) {
			return nil, fmt.Errorf("field %s has no field %q inside: it is no message, or a repeated one, or has a text of its own", field.FullName(), tail)
		}
		message, rest = field.Message(), tail
	}
}

// findField finds a field by its name, as it is in the .proto file or in JSON.
func findField(message protoreflect.MessageDescriptor, name string) (protoreflect.FieldDescriptor, error) {
	fields := message.Fields()
	if field := fields.ByName(protoreflect.Name(name)); field != nil {
		return field, nil
	}
	if field := fields.ByJSONName(name); field != nil {
		return field, nil
	}
	has := make([]string, fields.Len())
	for i := range has {
		has[i] = string(fields.Get(i).Name())
	}
	if len(has) == 0 {
		return nil, fmt.Errorf("no field %q in %s, which has none", name, message.FullName())
	}
	return nil, fmt.Errorf("no field %q in %s, which has %s", name, message.FullName(), strings.Join(has, ", "))
}

// descends tells whether a dotted name may go on behind a field.
func descends(field protoreflect.FieldDescriptor) bool {
	return field.Message() != nil && field.Cardinality() != protoreflect.Repeated && !textMessages[field.Message().FullName()]
}

// checkLeaf refuses a variable that one text cannot be the value of.
func checkLeaf(field protoreflect.FieldDescriptor) error {
	switch {
	case field.IsMap():
		return fmt.Errorf("field %s is a map: a path has one value", field.FullName())
	case field.IsList():
		return fmt.Errorf("field %s is repeated: a path has one value", field.FullName())
	case !isText(field):
		return fmt.Errorf("field %s is a message: name a field inside", field.FullName())
	}
	return nil
}

// isText tells whether a value of the field can be written as one text: all but most messages.
func isText(field protoreflect.FieldDescriptor) bool {
	return field.Message() == nil || textMessages[field.Message().FullName()]
}

// textMessages are the messages that JSON has as one text or number.
var textMessages = map[protoreflect.FullName]bool{
	"google.protobuf.Timestamp":   true,
	"google.protobuf.Duration":    true,
	"google.protobuf.FieldMask":   true,
	"google.protobuf.DoubleValue": true,
	"google.protobuf.FloatValue":  true,
	"google.protobuf.Int64Value":  true,
	"google.protobuf.UInt64Value": true,
	"google.protobuf.Int32Value":  true,
	"google.protobuf.UInt32Value": true,
	"google.protobuf.BoolValue":   true,
	"google.protobuf.StringValue": true,
	"google.protobuf.BytesValue":  true,
}
