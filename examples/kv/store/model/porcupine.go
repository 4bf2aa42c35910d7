package model

import (
	"fmt"
	"maps"
	"reflect"

	"github.com/anishathalye/porcupine"

	"github.com/flagship-go/flagship/examples/kv/store"
)

// Input of an operation in a history: one of the three.
type Input struct {
	Command store.Command
	Range   *store.RangeRequest
	Txn     *store.TxnRequest // that only reads
	// Serializable: the reading member may be behind. The answer must then be
	// true of some revision so far, which it names.
	Serializable bool
}

// Output of an operation.
type Output struct {
	// Response is a store.Response, or a *store.RangeResponse.
	Response any
	// Err is the refusal; compared with errors of package store.
	Err error
	// Unknown: the client got no answer, and the operation may have been
	// executed, or be executed later. Give it a return time behind all others.
	// Reads without an answer are best left out of the history.
	Unknown bool
}

// Porcupine returns etcd's model for porcupine: keys are not independent, since
// they share the revision. Two things are outside of it, because clients do not
// ask for them: leases must not expire during the history, and a proposer's
// refusal by its quota (ErrNoSpace without an alarm) must be left out.
//
//	porcupine.CheckOperations(model.Porcupine(), history)
func Porcupine() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return New() },
		Step: func(state, input, output any) (bool, any) {
			return step(state.(*State), input.(Input), output.(Output))
		},
		Equal:             func(a, b any) bool { return a.(*State).Equal(b.(*State)) },
		DescribeOperation: func(in, out any) string { return describe(in.(Input)) + " -> " + describe(out.(Output)) },
		DescribeState: func(state any) string {
			s := state.(*State)
			return fmt.Sprintf("revision %d, %d keys", s.Revision, len(s.Keys))
		},
	}
}

func step(s *State, in Input, out Output) (bool, *State) {
	if in.Serializable {
		if out.Err != nil {
			return true, s // of the past too; nothing follows from it
		}
		if r, ok := out.Response.(*store.RangeResponse); ok {
			if r.Revision > s.Revision {
				return false, s
			}
			want := s.at(r.Revision).rangeAt(in.Range, r.Revision)
			return Same(want, r), s
		}
	}
	next, resp, err := s, any(nil), error(nil)
	switch {
	case in.Range != nil:
		resp, err = s.Range(in.Range)
	case in.Txn != nil:
		_, resp, err = s.Step(in.Txn)
	default:
		next, resp, err = s.Step(in.Command)
	}
	if out.Unknown {
		return true, next
	}
	if err != nil || out.Err != nil {
		return err == out.Err, next
	}
	return Same(resp, out.Response), next
}

// Equal tells whether two states answer everything alike, but for the history
// before their last revision, which the same history of commands cannot make
// differ without making the revisions differ.
func (s *State) Equal(o *State) bool {
	return s == o || s.Revision == o.Revision && s.Compacted == o.Compacted &&
		Same(s.Keys, o.Keys) && maps.Equal(s.Leases, o.Leases) && maps.Equal(s.Alarms, o.Alarms) &&
		Same(s.Members, o.Members) && Same(s.Events, o.Events)
}

// Same compares responses, whose empty byte strings and lists may be nil or not.
func Same(a, b any) bool { return same(reflect.ValueOf(a), reflect.ValueOf(b)) }

func same(a, b reflect.Value) bool {
	if a.IsValid() != b.IsValid() {
		return false
	}
	if !a.IsValid() {
		return true
	}
	if a.Type() != b.Type() {
		return false
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Interface:
		if a.IsNil() || b.IsNil() {
			return a.IsNil() && b.IsNil()
		}
		return same(a.Elem(), b.Elem())
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !same(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		if a.Len() != b.Len() {
			return false
		}
		for _, k := range a.MapKeys() {
			if v := b.MapIndex(k); !v.IsValid() || !same(a.MapIndex(k), v) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range a.NumField() {
			if !same(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}

// describe prints what pointers point to, for porcupine's pictures.
func describe(v any) string {
	switch v := v.(type) {
	case Input:
		switch {
		case v.Range != nil:
			return fmt.Sprintf("range %q %q rev %d", v.Range.Key, v.Range.End, v.Range.Revision)
		case v.Txn != nil:
			return fmt.Sprintf("read txn of %d ops", len(v.Txn.Success))
		}
		return fmt.Sprintf("%T%+v", v.Command, reflect.Indirect(reflect.ValueOf(v.Command)))
	case Output:
		switch {
		case v.Unknown:
			return "?"
		case v.Err != nil:
			return v.Err.Error()
		}
		return fmt.Sprintf("%+v", reflect.Indirect(reflect.ValueOf(v.Response)))
	}
	return ""
}
