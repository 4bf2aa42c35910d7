package filters_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/flagship-go/flagship/gateway/filters"
	"github.com/flagship-go/flagship/gateway/filters/filtertest"
)

// Entries made by `openssl passwd` of OpenSSL 3 and by Apache's htpasswd -s; the last one is of the specification of SHA-crypt.
const htpasswd = `
# users
sha:{SHA}VBPuJHI7uixaa6LQGWx4s+5GKNE=
apr1:$apr1$xxxxxxxx$RKMOWWMKN4Ts9r6E5noqv0
apr1long:$apr1$ab$ZgbyBttfAvWjwKDroS41O1
five:$5$saltsalt$7nms7uea33j6nUc5B/QNWbGgEhGAZc61YUN0rQzogB0
fivelong:$5$q$gRVuNwtrkN0kZtBaGN6oXfudZo4WLa4bZ7NAXRJnQb/
six:$6$saltsalt$pn.eNCAqRIao3pxsOGdjVa9wVR7Rb/3WnbxOluoQKVZPzLuyetx3yF6VIZDfQnn/arrFVfrq3BqRb9gLqhI5z0
sixutf:$6$abcdefghijklmnop$YrsjGRPYsER6TKYwdMMGxGNCe4zEuXq2EBPo41rh0C4CoFaAXBAwOCYg2N2pBeH.MJgxxT8oWoxqeYPxNd.XZ.
rounds:$6$rounds=1000$roundstoolow$kUMsbe306n21p9R.FRkW3IGn.S9NPN0x50YhH1xhLsPuWGsUSklZt58jaTfF4ZEQpyUNGc0dqbpBYYBaHHrsX.
`

func login(f filters.Filter, user, password string) *filtertest.Context {
	x := request("GET", "http://h/", "")
	x.OriginalRequest().SetBasicAuth(user, password)
	filtertest.Run(x, filtertest.Upstream(200, ""), f)
	return x
}

func TestBasicAuthKnowsTheHashesOfHtpasswdFiles(t *testing.T) {
	w := &filtertest.World{Files: map[string]string{"users": htpasswd}}
	f := in(t, w, "basicAuth", "users", "the shop")
	for user, password := range map[string]string{
		"sha": "myPassword", "apr1": "myPassword", "apr1long": "a much longer password than sixteen bytes", "five": "Hello world!",
		"fivelong": "a much longer password than thirty-two bytes of SHA-256", "six": "Hello world!", "sixutf": "päss", "rounds": "the minimum number is still observed",
	} {
		if testing.Short() && (user == "five" || user == "sixutf") {
			continue // fivelong and six are hashed the same way, in milliseconds too
		}
		for range 2 { // the second time it is remembered
			x := login(f, user, password)
			require.Equal(t, 200, x.Response().StatusCode, user)
			require.Equal(t, user, x.ID)
		}
		for _, wrong := range []string{password + "x", strings.Repeat("x", 1<<20)} {
			if strings.HasSuffix(user, "long") || user == "sixutf" || user == "five" || user == "six" {
				continue // milliseconds each
			}
			x := login(f, user, wrong)
			require.Equal(t, 401, x.Response().StatusCode, "RULE F6: another password of %s is taken", user)
			require.Empty(t, x.ID, "RULE F6: somebody who has proved nothing has a name")
			require.Equal(t, `Basic realm="the shop", charset="UTF-8"`, x.Response().Header.Get("Www-Authenticate"))
		}
	}
	require.Equal(t, 401, login(f, "nobody", "x").Response().StatusCode)
	require.Equal(t, 401, login(f, "six", "päss").Response().StatusCode, "the password of another user")
}

func TestBasicAuthFilesThatAreWrong(t *testing.T) {
	for text, want := range map[string]string{
		"\n\na:$2y$10$abc":     "users:3: the password of a: bcrypt is not supported: make an entry with `openssl passwd -6` (SHA-512)",
		"a:secret":             "users:1: the password of a: neither {SHA}, $apr1$, $5$ nor $6$",
		"a":                    "users:1: a line is name:hash",
		"a:{SHA}x\na:{SHA}y":   "users:2: a is there twice",
		"# nobody":             "users has no users",
		"a:$6$salt$short":      "users:1: the password of a: $6$ is followed by at most 16 characters of salt, a $ and 86 of hash",
		"a:$5$rounds=1$salt$x": "users:1: the password of a: rounds=1: there are from 1000 to 1000000",
		"a:$apr1$123456789$x":  "users:1: the password of a: $apr1$ is followed by at most 8 characters of salt",
	} {
		w := &filtertest.World{Files: map[string]string{"users": text}}
		require.Contains(t, refused(t, w, "basicAuth", "users"), want, "RULE F3: %s", text)
	}
	require.Contains(t, refused(t, &filtertest.World{}, "basicAuth", "/no/such/file"), "/no/such/file")
}

// A file is looked at again; one that has become wrong changes nothing.
func TestFilesAreReadAgain(t *testing.T) {
	w := &filtertest.World{Files: map[string]string{"keys": "alice:1"}}
	f := in(t, w, "keyAuth", "keys")
	status := func(key string) int {
		x := request("GET", "http://h/", "", "X-Api-Key", key)
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		return x.Response().StatusCode
	}
	require.Equal(t, 200, status("1"))
	w.Files["keys"] = "alice:2"
	w.Advance(9 * time.Second)
	require.Equal(t, 200, status("1"))
	w.Advance(time.Second)
	require.Equal(t, 401, status("1"), "RULE C1: a key that was taken away still opens")
	require.Equal(t, 200, status("2"))
	w.Files["keys"] = "what is this"
	w.Advance(time.Minute)
	require.Equal(t, 200, status("2"), "RULE C1: a file that is wrong has taken the place of a good one")
}

func TestKeyAuth(t *testing.T) {
	digest := fmt.Sprintf("%x", sha256.Sum256([]byte("s3cret")))
	w := &filtertest.World{Files: map[string]string{"keys": "# keys\nalice:abc\nbob:sha256:" + digest + "\nalice:def\n"}}
	f := in(t, w, "keyAuth", "keys", "x-key")
	for key, want := range map[string]string{"abc": "alice", "def": "alice", "s3cret": "bob"} {
		x := request("GET", "http://h/", "", "X-Key", key)
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		require.Equal(t, want, x.ID)
		require.Empty(t, x.Request().Header, "the key has gone upstream")
	}
	for _, header := range [][]string{{}, {"X-Key", "no"}, {"X-Key", ""}, {"X-Key", "abc", "X-Key", "abc"}, {"X-Key", "sha256:" + digest}} {
		x := request("GET", "http://h/", "", header...)
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		require.Equal(t, 401, x.Response().StatusCode, header)
		require.Empty(t, x.ID, "RULE F6: somebody who has proved nothing has a name")
	}
	for text, want := range map[string]string{
		"": "keys has no keys", "a": "keys:1: a line is name:key", "a:1\n\nb:1": "keys:3: b has the key of a",
		"a:sha256:12": "keys:1: a SHA-256 digest has 64 hexadecimal digits, not 2 characters",
	} {
		w := &filtertest.World{Files: map[string]string{"keys": text}}
		require.Contains(t, refused(t, w, "keyAuth", "keys"), want)
	}
}

func pemOf(t *testing.T, key crypto.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

const secret = "a secret that has at least 32 bytes"

type signers struct {
	rsa *rsa.PrivateKey
	ec  *ecdsa.PrivateKey
	ed  ed25519.PrivateKey
}

func newSigners(t *testing.T) (s signers) {
	text, err := os.ReadFile("testdata/rsa.pem") // to make one takes a second
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	s.rsa = key.(*rsa.PrivateKey)
	s.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	_, s.ed, err = ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return s
}

func good(more ...any) jwt.MapClaims {
	c := jwt.MapClaims{"sub": "alice", "exp": filtertest.Start.Add(time.Hour).Unix()}
	for i := 0; i < len(more); i += 2 {
		if more[i+1] == nil {
			delete(c, more[i].(string))
			continue
		}
		c[more[i].(string)] = more[i+1]
	}
	return c
}

func sign(t *testing.T, method jwt.SigningMethod, key any, claims jwt.MapClaims) string {
	token, err := jwt.NewWithClaims(method, claims).SignedString(key)
	require.NoError(t, err)
	return token
}

func bearer(f filters.Filter, token string) *filtertest.Context {
	x := request("GET", "http://h/", "", "Authorization", "bearer "+token)
	filtertest.Run(x, filtertest.Upstream(200, ""), f)
	return x
}

func TestJWTAlgorithmIsTheKeys(t *testing.T) {
	s := newSigners(t)
	w := &filtertest.World{Files: map[string]string{
		"secret": secret + "\n",
		"rsa":    pemOf(t, &s.rsa.PublicKey),
		"all":    pemOf(t, &s.rsa.PublicKey) + pemOf(t, &s.ec.PublicKey) + pemOf(t, s.ed.Public()),
	}}
	hs, rs, all := in(t, w, "jwt", "secret"), in(t, w, "jwt", "rsa"), in(t, w, "jwt", "all")
	tokens := map[string]string{
		"HS256": sign(t, jwt.SigningMethodHS256, []byte(secret), good()),
		"HS512": sign(t, jwt.SigningMethodHS512, []byte(secret), good()),
		"RS256": sign(t, jwt.SigningMethodRS256, s.rsa, good()),
		"PS256": sign(t, jwt.SigningMethodPS256, s.rsa, good()),
		"ES256": sign(t, jwt.SigningMethodES256, s.ec, good()),
		"EdDSA": sign(t, jwt.SigningMethodEdDSA, s.ed, good()),
		"none":  sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good()),
		// The public key, which everybody knows, as a secret.
		"confused": sign(t, jwt.SigningMethodHS256, []byte(w.Files["rsa"]), good()),
		"trimmed":  sign(t, jwt.SigningMethodHS256, []byte(strings.TrimSpace(w.Files["rsa"])), good()),
	}
	for _, c := range []struct {
		name   string
		filter filters.Filter
		good   string
	}{{"hs", hs, "HS256"}, {"rs", rs, "RS256"}, {"all", all, "RS256 ES256 EdDSA"}} {
		for name, token := range tokens {
			x := bearer(c.filter, token)
			if strings.Contains(" "+c.good+" ", " "+name+" ") {
				require.Equal(t, 200, x.Response().StatusCode, "%s %s", c.name, name)
				require.Equal(t, "alice", x.ID)
				continue
			}
			require.Equal(t, 401, x.Response().StatusCode, "RULE F6: %s takes a token that is signed with %s", c.name, name)
			require.Empty(t, x.ID)
		}
	}
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"None"}`)) + tokens["none"][strings.IndexByte(tokens["none"], '.'):]
	require.Equal(t, 401, bearer(rs, none).Response().StatusCode)
}

func TestJWTClaims(t *testing.T) {
	w := &filtertest.World{Files: map[string]string{"secret": secret}}
	f := in(t, w, "jwt", "secret", "iss=https://id", "aud=shop", "leeway=10s", "scope=read", "level=3", "admin=true")
	all := []any{"iss", "https://id", "aud", []string{"shop", "x"}, "scope", "write read", "level", 3, "admin", true}
	now := filtertest.Start
	for _, c := range []struct {
		why    string
		more   []any
		status int
	}{
		{"all there", nil, 200},
		{"a list", []any{"scope", []string{"a", "read"}}, 200},
		{"within leeway", []any{"exp", now.Add(-5 * time.Second).Unix()}, 200},
		{"expired", []any{"exp", now.Add(-11 * time.Second).Unix()}, 401},
		{"no end", []any{"exp", nil}, 401},
		{"not yet", []any{"nbf", now.Add(time.Minute).Unix()}, 401},
		{"issued in the future", []any{"iat", now.Add(time.Minute).Unix()}, 401},
		{"another issuer", []any{"iss", "https://evil"}, 401},
		{"no issuer", []any{"iss", nil}, 401},
		{"another audience", []any{"aud", "x"}, 401},
		{"no scope", []any{"scope", nil}, 403},
		{"another scope", []any{"scope", "reader"}, 403},
		{"another list", []any{"scope", []string{"read write"}}, 403},
		{"another level", []any{"level", 4}, 403},
		{"no admin", []any{"admin", false}, 403},
		{"an object", []any{"scope", map[string]any{"read": 1}}, 403},
	} {
		x := bearer(f, sign(t, jwt.SigningMethodHS256, []byte(secret), good(append(all, c.more...)...)))
		require.Equal(t, c.status, x.Response().StatusCode, "RULE F6: %s", c.why)
		require.Equal(t, c.status == 200, x.ID == "alice", c.why)
	}
	tenant := in(t, w, "jwt", "secret", "tenant=9007199254740993")
	for _, c := range []struct {
		claim  any
		status int
	}{
		{uint64(9007199254740993), 200}, {uint64(9007199254740992), 403}, {"9007199254740993", 200},
		{[]uint64{1, 9007199254740993}, 200}, {[]uint64{9007199254740992}, 403}, {21000000, 403},
	} {
		x := bearer(tenant, sign(t, jwt.SigningMethodHS256, []byte(secret), good("tenant", c.claim)))
		require.Equal(t, c.status, x.Response().StatusCode, "RULE F6: a claim that is the number %v", c.claim)
	}
	x := bearer(in(t, w, "jwt", "secret", "tenant=21000000"), sign(t, jwt.SigningMethodHS256, []byte(secret), good("tenant", 21000000)))
	require.Equal(t, 200, x.Response().StatusCode, "RULE F6: a claim that is the number 21000000")
	token := sign(t, jwt.SigningMethodHS256, []byte(secret), good(all...))
	for _, header := range [][]string{{}, {"Authorization", "Basic " + token}, {"Authorization", token}, {"Authorization", "Bearer " + token + "x"},
		{"Authorization", "Bearer " + token, "Authorization", "Bearer " + token}} {
		x := request("GET", "http://h/", "", header...)
		filtertest.Run(x, filtertest.Upstream(200, ""), f)
		require.Equal(t, 401, x.Response().StatusCode)
	}
}

func TestJWTKeyFilesThatAreWrong(t *testing.T) {
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(p384)
	require.NoError(t, err)
	for text, want := range map[string]string{
		"short":                   "keys: a secret of 5 bytes can be guessed from one token; HS256 needs at least 32",
		pemOf(t, &weak.PublicKey): "keys: block 1 (PUBLIC KEY): an RSA key of 1024 bits is too short",
		pemOf(t, &p384.PublicKey): "keys: block 1 (PUBLIC KEY): curve P-384: ES256 is for P-256",
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})): "a private key has no business in a gateway",
		"-----BEGIN PUBLIC KEY-----\nbroken":                                        "keys: block 1 is not PEM",
	} {
		w := &filtertest.World{Files: map[string]string{"keys": text}}
		require.Contains(t, refused(t, w, "jwt", "keys"), want)
	}
	require.Contains(t, refused(t, &filtertest.World{Files: map[string]string{"keys": secret}}, "jwt", "keys", "leeway=1y"), "option leeway is a duration")
}
