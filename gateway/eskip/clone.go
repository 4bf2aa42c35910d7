package eskip

import "strings"

// Clone is a copy that shares no memory with r: the strings of a parsed route are pieces of the text, all of which
// lives as long as one of them. Who keeps some routes of many texts keeps clones. The name of the file is shared.
func (r *Route) Clone() *Route {
	var text strings.Builder // all strings, in the order in which they are cut off it below
	r.eachString(func(s string) { text.WriteString(s) })
	rest := text.String()
	cut := func(s string) string {
		s, rest = rest[:len(s)], rest[len(s):]
		return s
	}
	c := *r
	c.ID = cut(r.ID)
	c.Predicates = cloneCalls(r.Predicates, cut)
	c.Filters = cloneCalls(r.Filters, cut)
	c.Backend.Algorithm = cut(r.Backend.Algorithm)
	c.Backend.Addresses = make([]string, len(r.Backend.Addresses))
	for i, a := range r.Backend.Addresses {
		c.Backend.Addresses[i] = cut(a)
	}
	return &c
}

// eachString visits all strings of the route, in the order of Clone.
func (r *Route) eachString(visit func(string)) {
	visit(r.ID)
	for _, calls := range [2][]Call{r.Predicates, r.Filters} {
		for _, call := range calls {
			visit(call.Name)
			for _, arg := range call.Args {
				if s, is := arg.(string); is {
					visit(s)
				}
			}
		}
	}
	visit(r.Backend.Algorithm)
	for _, a := range r.Backend.Addresses {
		visit(a)
	}
}

func cloneCalls(calls []Call, cut func(string) string) []Call {
	n := 0
	for _, call := range calls {
		n += len(call.Args)
	}
	args := make([]any, 0, n)
	clones := make([]Call, len(calls))
	for i, call := range calls {
		first := len(args)
		name := cut(call.Name)
		for _, arg := range call.Args {
			if s, is := arg.(string); is {
				arg = cut(s)
			}
			args = append(args, arg)
		}
		clones[i] = Call{Name: name, Args: args[first:len(args):len(args)], Pos: call.Pos}
	}
	return clones
}
