package filters

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/textproto"
	"strings"
)

// Authentication by a key in a header, as Kong's key-auth.

func keyAuths(env Env) []Spec {
	return []Spec{NewSpec("keyAuth", "key file, header?", func(a *Args) Filter {
		file, header := a.NonEmpty("file"), "X-Api-Key"
		if a.More() {
			header = a.fieldName("header")
		}
		if a.Done() != nil {
			return nil
		}
		keys, err := load(env, file, func(data []byte) (keyring, error) { return parseKeys(file, data) })
		a.Check(err)
		return &keyAuth{keys, textproto.CanonicalMIMEHeaderKey(header)}
	})}
}

// keyAuth lets in who has a key, and makes the name beside it the identity. The key itself goes no further: it is the
// gateway's, and backends and their logs need not know it.
type keyAuth struct {
	keys   *reloaded[keyring]
	header string
}

func (f *keyAuth) Request(c FilterContext) {
	given := c.OriginalRequest().Header[f.header]
	delete(c.Request().Header, f.header)
	if len(given) == 1 {
		if name, is := f.keys.get()[sha256.Sum256([]byte(given[0]))]; is {
			c.SetIdentity(name)
			return
		}
	}
	c.Event("keyAuth", "rejected")
	reject(c, http.StatusUnauthorized, http.Header{"Www-Authenticate": {"Key header=" + f.header}})
}

func (*keyAuth) Response(FilterContext) {}

// keyring is who has a key, by the key's digest: how long it takes to look one up says nothing about a key.
type keyring map[[sha256.Size]byte]string

// parseKeys reads lines of name:key, or name:sha256:digest in hexadecimal. A name may have several keys.
func parseKeys(file string, data []byte) (keyring, error) {
	keys := keyring{}
	err := eachLine(file, data, func(line string) error {
		name, key, found := strings.Cut(line, ":")
		if !found || name == "" || key == "" {
			return fmt.Errorf("a line is name:key, or name:sha256: and the key's digest")
		}
		digest := sha256.Sum256([]byte(key))
		if text, is := strings.CutPrefix(key, "sha256:"); is {
			raw, err := hex.DecodeString(text)
			if err != nil || len(raw) != sha256.Size {
				return fmt.Errorf("a SHA-256 digest has 64 hexadecimal digits, not %d characters", len(text))
			}
			digest = [sha256.Size]byte(raw)
		}
		if other, is := keys[digest]; is {
			return fmt.Errorf("%s has the key of %s", name, other)
		}
		keys[digest] = name
		return nil
	})
	if err == nil && len(keys) == 0 {
		err = fmt.Errorf("%s has no keys: nobody would be let in", file)
	}
	return keys, err
}
