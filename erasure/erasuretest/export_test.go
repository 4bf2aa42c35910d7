package erasuretest

// OneGoroutine is for the tests outside of the package.
var OneGoroutine = oneGoroutine
