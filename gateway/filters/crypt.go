package filters

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// Password hashes as they stand in htpasswd files: {SHA}, $apr1$ (htpasswd -m), $5$ and $6$ (htpasswd -2 and -5,
// openssl passwd -5 and -6). bcrypt ($2y$) is not in Go's standard library.
//
// Sources: Apache's apr_md5.c for $apr1$; Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6.

// A verifier tells whether a password is the right one.
type verifier func(password string) bool

// parseHash makes a verifier of an entry, or says what to do about one that it does not know.
func parseHash(entry string) (verifier, error) {
	compare := func(want string, f func(password string) string) verifier {
		return func(password string) bool {
			return subtle.ConstantTimeCompare([]byte(f(password)), []byte(want)) == 1
		}
	}
	switch {
	case strings.HasPrefix(entry, "{SHA}"):
		return compare(entry, func(password string) string {
			sum := sha1.Sum([]byte(password))
			return "{SHA}" + base64.StdEncoding.EncodeToString(sum[:])
		}), nil
	case strings.HasPrefix(entry, "$apr1$"):
		salt, _, found := strings.Cut(entry[len("$apr1$"):], "$")
		if !found || len(salt) > 8 {
			return nil, fmt.Errorf("$apr1$ is followed by at most 8 characters of salt, a $ and a hash")
		}
		return compare(entry, func(password string) string { return apr1(password, salt) }), nil
	case strings.HasPrefix(entry, "$5$"), strings.HasPrefix(entry, "$6$"):
		s, err := parseSHACrypt(entry)
		if err != nil {
			return nil, err
		}
		return compare(entry, s.crypt), nil
	case strings.HasPrefix(entry, "$2"):
		return nil, fmt.Errorf("bcrypt is not supported: make an entry with `openssl passwd -6` (SHA-512)")
	}
	return nil, fmt.Errorf("neither {SHA}, $apr1$, $5$ nor $6$: make an entry with `openssl passwd -6` (SHA-512)")
}

// apr1 is 1,000 rounds of MD5.
func apr1(password, salt string) string {
	h := md5.New()
	write := func(parts ...string) {
		for _, p := range parts {
			h.Write([]byte(p))
		}
	}
	write(password, salt, password)
	alternate := string(h.Sum(nil))
	h.Reset()
	write(password, "$apr1$", salt)
	h.Write(stretch(alternate, len(password)))
	for i := len(password); i > 0; i >>= 1 {
		if i&1 == 1 {
			write("\x00")
		} else {
			write(password[:1])
		}
	}
	sum := string(h.Sum(nil))
	for i := range 1000 {
		h.Reset()
		writeRound(h, i, sum, password, salt)
		sum = string(h.Sum(nil))
	}
	return "$apr1$" + salt + "$" + encode64(sum, []int{0, 6, 12, 1, 7, 13, 2, 8, 14, 3, 9, 15, 4, 10, 5, -1, -1, 11}, 22)
}

// writeRound is what both kinds mix in their n-th round.
func writeRound(h hash.Hash, n int, sum, password, salt string) {
	first, last := sum, password
	if n%2 == 1 {
		first, last = password, sum
	}
	h.Write([]byte(first))
	if n%3 != 0 {
		h.Write([]byte(salt))
	}
	if n%7 != 0 {
		h.Write([]byte(password))
	}
	h.Write([]byte(last))
}

// shaCrypt is the part of an entry before its hash.
type shaCrypt struct {
	prefix string // "$6$salt$" or "$6$rounds=10000$salt$"
	salt   string
	rounds int
	new    func() hash.Hash
	order  []int
	length int
}

func parseSHACrypt(entry string) (*shaCrypt, error) {
	s := &shaCrypt{rounds: 5000, new: sha512.New, order: order(64), length: 86}
	if entry[1] == '5' {
		s.new, s.order, s.length = sha256.New, order(32), 43
	}
	rest := entry[3:]
	if after, is := strings.CutPrefix(rest, "rounds="); is {
		n, behind, _ := strings.Cut(after, "$")
		rounds, err := strconv.Atoi(n)
		if err != nil || rounds < 1000 || rounds > 1_000_000 {
			return nil, fmt.Errorf("rounds=%s: there are from 1000 to 1000000", n)
		}
		s.rounds, rest = rounds, behind
	}
	salt, sum, found := strings.Cut(rest, "$")
	if !found || len(salt) > 16 || len(sum) != s.length {
		return nil, fmt.Errorf("$%c$ is followed by at most 16 characters of salt, a $ and %d of hash", entry[1], s.length)
	}
	s.salt, s.prefix = salt, entry[:len(entry)-len(sum)]
	return s, nil
}

// order is which bytes of the sum stand together in four characters: three that lie a third
// apart, and each next three turned by one, to the left with SHA-512 and to the right with SHA-256.
func order(size int) []int {
	var list []int
	third := size / 3
	a, b, c := 0, third, 2*third
	for len(list) < size/3*3 {
		list = append(list, a, b, c)
		if size == 64 {
			a, b, c = b+1, c+1, a+1
		} else {
			a, b, c = c+1, a+1, b+1
		}
	}
	if size == 64 {
		return append(list, -1, -1, 63)
	}
	return append(list, -1, 31, 30)
}

// crypt is the entry of a password. The letters in comments are those of the specification's steps.
func (s *shaCrypt) crypt(password string) string {
	h := s.new()
	sum := func(parts ...string) string { // of all that was written so far, and begins anew
		for _, p := range parts {
			h.Write([]byte(p))
		}
		r := string(h.Sum(nil))
		h.Reset()
		return r
	}
	b := sum(password, s.salt, password) // 4-8
	h.Write([]byte(password + s.salt))   // 1-3
	h.Write(stretch(b, len(password)))   // 9-10
	for i := len(password); i > 0; i >>= 1 {
		if i&1 == 1 { // 11
			h.Write([]byte(b))
		} else {
			h.Write([]byte(password))
		}
	}
	a := sum()
	p := string(stretch(sum(strings.Repeat(password, len(password))), len(password))) // 13-16
	salt := string(stretch(sum(strings.Repeat(s.salt, 16+int(a[0]))), len(s.salt)))   // 17-20
	for i := range s.rounds {                                                         // 21
		writeRound(h, i, a, p, salt)
		a = sum()
	}
	return s.prefix + encode64(a, s.order, s.length)
}

// stretch is n bytes of s, repeated.
func stretch(s string, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = s[i%len(s)]
	}
	return out
}

// encode64 is crypt's own base 64: three bytes, named by their places in order, are four characters, the
// lowest six bits first. -1 is a byte of zeros.
func encode64(sum string, order []int, length int) string {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out []byte
	for i := 0; i+2 < len(order); i += 3 {
		var v uint
		for _, at := range order[i : i+3] {
			v <<= 8
			if at >= 0 {
				v |= uint(sum[at])
			}
		}
		for range 4 {
			out = append(out, alphabet[v&63])
			v >>= 6
		}
	}
	return string(out[:length])
}
