package transcode

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Services are the services of a descriptor set. They never change, and are safe for concurrent use.
type Services struct {
	types    *dynamicpb.Types                 // every message type of the set, for Any and extensions
	services []protoreflect.ServiceDescriptor // by full name
}

// Load reads a FileDescriptorSet, as protoc writes it with --include_imports
// --descriptor_set_out, and buf build always. Every file that one of its files imports must be in
// it. descriptorSet is not kept.
func Load(descriptorSet []byte) (*Services, error) {
	var set descriptorpb.FileDescriptorSet
	// No extension is known here, so that google.api.http stays among the unknown fields of a method's options also in
	// a program that has google.api's generated package linked in.
	options := proto.UnmarshalOptions{Resolver: new(protoregistry.Types)}
	if err := options.Unmarshal(descriptorSet, &set); err != nil {
		return nil, fmt.Errorf("transcode: this is no descriptor set (protoc --include_imports --descriptor_set_out=FILE makes one): %w", err)
	}
	if err := checkImports(&set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("transcode: descriptor set: %w", err)
	}
	s := &Services{types: dynamicpb.NewTypes(files)}
	files.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			s.services = append(s.services, file.Services().Get(i))
		}
		return true
	})
	if len(s.services) == 0 {
		return nil, fmt.Errorf("transcode: descriptor set: no service in its %d files", len(set.File))
	}
	// RangeFiles is in no order, and what is reported must be in one.
	slices.SortFunc(s.services, func(a, b protoreflect.ServiceDescriptor) int {
		return strings.Compare(string(a.FullName()), string(b.FullName()))
	})
	return s, nil
}

// checkImports names all files that are missing, and how to get them, where protodesc would name the first.
func checkImports(set *descriptorpb.FileDescriptorSet) error {
	if len(set.File) == 0 {
		return errors.New("transcode: descriptor set: it is empty")
	}
	has := make(map[string]bool, len(set.File))
	for _, file := range set.File {
		has[file.GetName()] = true
	}
	var errs []error
	for _, file := range set.File {
		for _, name := range file.Dependency {
			if !has[name] {
				errs = append(errs, fmt.Errorf("transcode: descriptor set: %s imports %s, which is not in the set: make it with protoc --include_imports", file.GetName(), name))
			}
		}
	}
	return errors.Join(errs...)
}

// Names are the full names of all services, in order.
func (s *Services) Names() []string {
	names := make([]string, len(s.services))
	for i, service := range s.services {
		names[i] = string(service.FullName())
	}
	return names
}

// pick returns the services of these names, or all if there are none.
func (s *Services) pick(names []string) ([]protoreflect.ServiceDescriptor, error) {
	if len(names) == 0 {
		return s.services, nil
	}
	var picked []protoreflect.ServiceDescriptor
	for _, name := range names {
		i := slices.IndexFunc(s.services, func(d protoreflect.ServiceDescriptor) bool { return string(d.FullName()) == name })
		if i < 0 {
			return nil, fmt.Errorf("transcode: no service %q in the descriptor set, which has %s", name, strings.Join(s.Names(), ", "))
		}
		if slices.Contains(picked, s.services[i]) {
			return nil, fmt.Errorf("transcode: service %q is named twice", name)
		}
		picked = append(picked, s.services[i])
	}
	return picked, nil
}
