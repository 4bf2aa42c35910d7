// Package eskip is Skipper's route language: text to routes and back.
//
//	// a tenth of the testers, over two backends
//	canary: Path("/shop/:item") && Header("X-Tester", "yes") && TrafficSegment(0, 0.1)
//	  -> setRequestHeader("X-From", "gateway")
//	  -> <roundRobin, "http://10.0.0.1:8080", "http://10.0.0.2:8080">;
//
//	rest: * -> "http://10.0.0.3:8080";
//
// # The grammar
//
// One function of the parser for each line; | is a choice, [] once or not at all, {} any number of times.
//
//	text    = route [;] | {[id : route] ;}         a route alone needs no id
//	route   = when {-> call} -> backend
//	when    = term {&& term}
//	term    = * | call                              * holds always; so does Any(), its old name
//	call    = name ( [arg {, arg}] )                a predicate on the left, filters in the middle
//	arg     = number | string | regexp
//	backend = "url" | <shunt> | <loopback> | <dynamic> | <[name ,] "url" {, "url"}>
//
// The semicolon after the last route can be left out. What stands between the tokens:
// white space, and comments from // to the end of the line.
//
//	name, id   a letter or _, then letters, digits and _
//	number     12  -0.5  .1  1e-3: always a float64, and finite
//	string     "..." or `...`, over several lines if need be
//	regexp     /.../, where a slash within [...] does not end it
//
// A backslash in a string makes \a \b \f \n \r \t \v control characters, and is itself when
// it is before anything else but a backslash or the quote that ends the string: "\d+" is \d+. In a regexp it
// stays before anything but a backslash and a slash: /\d+\/\.x/ is \d+/\.x. Both are Skipper's rules,
// also where they surprise: what is to be a backslash and an n in a string is written \\n.
// A regexp is a string after it was read; whether a string is a valid regular expression is asked by who takes it.
//
// An address of a backend is http or https, a host and perhaps a port, as in "http://[::1]:8080": the path that is sent is the
// request's, so that the address must not have one.
//
// # Two things that a configuration file asks of its parser
//
// It says where it is wrong, everything that is wrong, and only that. A parser that stops at the
// first mistake makes its user come back ten times; one that goes on in the wrong place buries the
// mistake under ten that follow from it. So after a mistake it goes on where a route is over: behind the next
// semicolon, seen by a scanner that does not trust quotes, since the mistake may be a missing one:
//
//	a: Path("/x) -> "http://a";     <- the quote is missing here: one error
//	b: Path("/y") -> "http://b";    <- and not here, although quotes are odd from there on
//
// And it is fast, since a gateway with 100,000 routes reads 10 MB before it serves anything. Each
// byte is looked at once, strings are pieces of the text unless they have escapes, and routes, calls and
// arguments lie in slabs. What is left to allocate is one box for each argument, because an
// argument is an any. The price: a route that is kept keeps its text in memory.
//
// # Printing
//
// [Route.String] writes a route in a line; [Print] writes a file. What they write reads as routes that are
// [Equal] to the ones written: the test of that on any text is FuzzParse. Numbers are written without an exponent, which Skipper
// would not read. Comments are not kept.
//
// Differences from Skipper: numbers can be negative and have an exponent; a route without an id may end with a
// semicolon; addresses are checked here; <forward> and fastcgi:// are not known.
//
// Files in reading order: ast.go, errors.go, lexer.go, parser.go, backend.go, recover.go, slab.go, print.go.
package eskip
