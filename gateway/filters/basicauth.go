package filters

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
)

// Basic authentication (RFC 7617), against a file of users.

// maxPassword bounds what is hashed: the work of $5$ and $6$ grows with the square of the length.
const maxPassword = 256

func basicAuths(env Env) []Spec {
	return []Spec{NewSpec("basicAuth", "htpasswd file, realm?", func(a *Args) Filter {
		name, realm := a.NonEmpty("file"), "Basic Realm"
		if a.More() {
			realm = a.Text("realm")
			if !validValue(realm) {
				a.wrong("realm", "text without control characters", realm)
			}
		}
		if a.Done() != nil {
			return nil
		}
		users, err := load(env, name, func(data []byte) (*htpasswd, error) { return parseUsers(name, data) })
		a.Check(err)
		return &basicAuth{users, `Basic realm=` + strconv.Quote(realm) + `, charset="UTF-8"`}
	})}
}

// basicAuth lets in who knows a password, and makes the user's name the identity.
type basicAuth struct {
	users     *reloaded[*htpasswd]
	challenge string
}

func (f *basicAuth) Request(c FilterContext) {
	name, password, ok := c.OriginalRequest().BasicAuth()
	if ok && f.users.get().verify(name, password) {
		c.SetIdentity(name)
		return
	}
	c.Event("basicAuth", "rejected")
	reject(c, http.StatusUnauthorized, http.Header{"Www-Authenticate": {f.challenge}})
}

func (*basicAuth) Response(FilterContext) {}

// htpasswd is a file of users. Each line is name:hash; empty lines and those that begin with # are not looked at.
type htpasswd struct {
	users map[string]*user
	// nobody is checked in the place of a user who does not exist, so that both take as long.
	nobody *user
}

type user struct {
	right verifier
	// last is a digest of the last password that was right: to compare with it takes microseconds, and
	// the hash itself takes milliseconds, as it should.
	last atomic.Pointer[[sha256.Size]byte]
}

func parseUsers(file string, data []byte) (*htpasswd, error) {
	h := &htpasswd{users: map[string]*user{}}
	err := eachLine(file, data, func(line string) error {
		name, entry, found := strings.Cut(line, ":")
		if !found || name == "" {
			return fmt.Errorf("a line is name:hash")
		}
		right, err := parseHash(entry)
		if err != nil {
			return fmt.Errorf("the password of %s: %w", name, err)
		}
		if h.users[name] != nil {
			return fmt.Errorf("%s is there twice", name)
		}
		h.users[name] = &user{right: right}
		h.nobody = &user{right: right}
		return nil
	})
	if err == nil && len(h.users) == 0 {
		err = fmt.Errorf("%s has no users: nobody would be let in", file)
	}
	return h, err
}

// eachLine calls f with each line that says something, and puts its place before errors.
func eachLine(file string, data []byte, f func(line string) error) error {
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		if err := f(line); err != nil {
			return fmt.Errorf("%s:%d: %w", file, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (h *htpasswd) verify(name, password string) bool {
	if len(password) > maxPassword {
		return false
	}
	u := h.users[name]
	if u == nil {
		h.nobody.right(password)
		return false
	}
	digest := sha256.Sum256([]byte(name + "\x00" + password))
	if last := u.last.Load(); last != nil && subtle.ConstantTimeCompare(last[:], digest[:]) == 1 {
		return true
	}
	if !u.right(password) {
		return false
	}
	u.last.Store(&digest)
	return true
}
