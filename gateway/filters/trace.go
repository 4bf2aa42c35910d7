package filters

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
)

// Names for requests, that go with them from one service to the next.

func traces() []Spec {
	return []Spec{
		NewSpec("traceparent", "", func(*Args) Filter { return OnRequest(traceparent) }),
		NewSpec("flowId", `"reuse"?`, func(a *Args) Filter {
			reuse := false
			if a.More() {
				mode := a.Text("mode")
				if reuse = mode == "reuse"; !reuse {
					a.wrong("mode", `"reuse"`, mode)
				}
			}
			return OnRequest(func(c FilterContext) {
				h := c.Request().Header
				if !reuse || len(h["X-Flow-Id"]) != 1 || !validFlowID(h["X-Flow-Id"][0]) {
					h["X-Flow-Id"] = []string{newFlowID()}
				}
			})
		}),
	}
}

// traceparent is the W3C's Trace Context, level 1. A gateway is a step in the trace: it keeps the trace's id and its
// flags, and puts its own step in the place of its caller's. What is not a traceparent begins a
// new trace; then tracestate means nothing any more.
//
//	00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
//	   trace                            step             sampled
func traceparent(c FilterContext) {
	h := c.Request().Header
	var out [55]byte
	copy(out[:], "00-")
	if in := h["Traceparent"]; len(in) == 1 && validTraceparent(in[0]) {
		copy(out[3:36], in[0][3:36])
		// Later versions may have more flags; only the lowest is known. Digits are even where their numbers are, letters are not.
		copy(out[52:], "-00")
		if last := in[0][54]; (last%2 == 1) != (last >= 'a') {
			out[54] = '1'
		}
	} else {
		delete(h, "Tracestate")
		var id [16]byte
		binary.BigEndian.PutUint64(id[:8], rand.Uint64())
		binary.BigEndian.PutUint64(id[8:], rand.Uint64()|1) // never all zeros
		hex.Encode(out[3:35], id[:])
		copy(out[52:], "-00")
	}
	out[35] = '-'
	var step [8]byte
	binary.BigEndian.PutUint64(step[:], rand.Uint64()|1)
	hex.Encode(out[36:52], step[:])
	h["Traceparent"] = []string{string(out[:])}
}

// validTraceparent is section 3.2: version ff is none, version 00 is 55 characters long, and later ones begin with the
// same 55; ids are not all zeros; letters are small.
func validTraceparent(s string) bool {
	if len(s) < 55 || s[2] != '-' || s[35] != '-' || s[52] != '-' || s[:2] == "ff" {
		return false
	}
	if len(s) > 55 && (s[:2] == "00" || s[55] != '-') {
		return false
	}
	return isHex(s[:2]) && isHex(s[3:35]) && isHex(s[36:52]) && isHex(s[53:55]) && !isZero(s[3:35]) && !isZero(s[36:52])
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isZero(s string) bool {
	for i := range len(s) {
		if s[i] != '0' {
			return false
		}
	}
	return true
}

const flowAlphabet = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+-"

// newFlowID is 16 characters, 96 bits.
func newFlowID() string {
	var id [16]byte
	bits := rand.Uint64()
	for i := range id {
		if i == 10 {
			bits = rand.Uint64()
		}
		id[i] = flowAlphabet[bits&63]
		bits >>= 6
	}
	return string(id[:])
}

// validFlowID is what may go into logs as it came.
func validFlowID(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '+' && c != '-' {
			return false
		}
	}
	return len(s) >= 8 && len(s) <= 64
}
