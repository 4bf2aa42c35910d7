package filters

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Authentication by a signed token (RFC 6750, 7519).

func jwts(env Env) []Spec {
	return []Spec{NewSpec("jwt", `key file, "iss=", "aud=", "leeway=", "CLAIM=VALUE"...`, func(a *Args) Filter {
		file := a.NonEmpty("file")
		f := &jwtAuth{claims: a.Options()}
		options := []jwt.ParserOption{jwt.WithTimeFunc(env.Now), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithJSONNumber()}
		for key, value := range f.claims {
			switch key {
			case "iss":
				options = append(options, jwt.WithIssuer(value))
			case "aud":
				options = append(options, jwt.WithAudience(value))
			case "leeway":
				d, ok := asDuration(value)
				if !ok || d < 0 || d > time.Hour {
					a.Fail(`option leeway is a duration like "30s", up to an hour, not %q`, value)
				}
				options = append(options, jwt.WithLeeway(d))
			default:
				continue
			}
			delete(f.claims, key)
		}
		if a.Done() != nil {
			return nil
		}
		var err error
		f.keys, err = load(env, file, func(data []byte) (keySet, error) { return parseKeySet(file, data) })
		a.Check(err)
		f.options = options
		return f
	})}
}

// jwtAuth lets in who has a token that is signed, of now, and has the claims that are asked for. The subject is the identity.
//
// The keys say which algorithms there are: a token's header does not choose one. So "none"
// is not among them, and a public key is never taken for a secret (the two classic ways in).
type jwtAuth struct {
	keys    *reloaded[keySet]
	options []jwt.ParserOption
	claims  Options
}

func (f *jwtAuth) Request(c FilterContext) {
	claims, err := f.verify(c.OriginalRequest())
	switch {
	case err != nil:
		c.Event("jwt", "rejected")
		// What is wrong with a token is not for who sends it: he would learn to make a better one.
		reject(c, http.StatusUnauthorized, http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}})
	case !f.satisfied(claims):
		c.Event("jwt", "forbidden")
		reject(c, http.StatusForbidden, http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope"`}})
	default:
		subject, _ := claims.GetSubject()
		c.SetIdentity(subject)
	}
}

func (*jwtAuth) Response(FilterContext) {}

var errNoToken = errors.New("there is no bearer token, or more than one")

func (f *jwtAuth) verify(r *http.Request) (jwt.MapClaims, error) {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return nil, errNoToken
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, errNoToken
	}
	keys, claims := f.keys.get(), jwt.MapClaims{}
	options := append(f.options[:len(f.options):len(f.options)], jwt.WithValidMethods(keys.methods))
	_, err := jwt.ParseWithClaims(strings.TrimSpace(token), claims, keys.find, options...)
	return claims, err
}

// satisfied tells whether the claims have all that is asked for. A claim that is a list, or words in a text (scope), has each of them.
func (f *jwtAuth) satisfied(claims jwt.MapClaims) bool {
	for name, want := range f.claims {
		if !has(claims[name], want) {
			return false
		}
	}
	return true
}

func has(claim any, want string) bool {
	switch v := claim.(type) {
	case string:
		if v == want {
			return true
		}
		for word := range strings.FieldsSeq(v) {
			if word == want {
				return true
			}
		}
	case []any:
		for _, item := range v {
			if item == want || item == json.Number(want) {
				return true
			}
		}
	case bool, json.Number: // as it is written in the token: 64-bit integers have more digits than a float64
		return fmt.Sprint(v) == want
	}
	return false
}

// keySet is the keys of a file, each under the one algorithm that it is for.
type keySet struct {
	methods []string
	keys    map[string][]jwt.VerificationKey
}

func (s keySet) find(t *jwt.Token) (any, error) {
	return jwt.VerificationKeySet{Keys: s.keys[t.Method.Alg()]}, nil
}

func (s *keySet) add(method string, key jwt.VerificationKey) {
	if s.keys == nil {
		s.keys = map[string][]jwt.VerificationKey{}
	}
	if s.keys[method] == nil {
		s.methods = append(s.methods, method)
	}
	s.keys[method] = append(s.keys[method], key)
}

// minSecret is what HS256 needs: as many bytes as the hash has (RFC 7518 section 3.2).
const minSecret = 32

// parseKeySet reads public keys and certificates in PEM, several for the time in which they change, or else a secret for HS256.
func parseKeySet(file string, data []byte) (keySet, error) {
	var s keySet
	if !bytes.Contains(data, []byte("-----BEGIN")) {
		secret := bytes.TrimRight(data, "\r\n")
		if len(secret) < minSecret {
			return s, fmt.Errorf("%s: a secret of %d bytes can be guessed from one token; HS256 needs at least %d", file, len(secret), minSecret)
		}
		s.add("HS256", secret)
		return s, nil
	}
	for n := 1; ; n++ {
		block, rest := pem.Decode(data)
		if block == nil {
			if n == 1 || len(bytes.TrimSpace(data)) > 0 {
				return s, fmt.Errorf("%s: block %d is not PEM", file, n)
			}
			return s, nil
		}
		method, key, err := parsePublicKey(block)
		if err != nil {
			return s, fmt.Errorf("%s: block %d (%s): %w", file, n, block.Type, err)
		}
		s.add(method, key)
		data = rest
	}
}

func parsePublicKey(block *pem.Block) (method string, key crypto.PublicKey, err error) {
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	default:
		return "", nil, errors.New("it takes a PUBLIC KEY or a CERTIFICATE; a private key has no business in a gateway")
	}
	if err != nil {
		return "", nil, err
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < 2048 {
			return "", nil, fmt.Errorf("an RSA key of %d bits is too short: it takes 2048", k.N.BitLen())
		}
		return "RS256", k, nil
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() {
			return "", nil, fmt.Errorf("curve %s: ES256 is for P-256", k.Curve.Params().Name)
		}
		return "ES256", k, nil
	case ed25519.PublicKey:
		return "EdDSA", k, nil
	}
	return "", nil, fmt.Errorf("a key of type %T: there are RSA, P-256 and Ed25519", key)
}
