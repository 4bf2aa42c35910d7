package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/flagship-go/flagship/bft/app"
	"github.com/flagship-go/flagship/internal/vfs"
)

// A key is an account's, in a file of its name: {"address": ..., "seed": base64}. Nothing but the file's mode protects it.
type key struct {
	Name    string      `json:"name"`
	Address app.Address `json:"address"`
	Seed    []byte      `json:"seed"`
}

func (k *key) private() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(k.Seed) }
func (k *key) address() app.Address {
	return app.AddressOf(k.private().Public().(ed25519.PublicKey))
}

var keyName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,40}$`)

func keysDir(home string) string { return filepath.Join(home, "keys") }

// openKey reads the key of a name, or makes it.
func openKey(home, name string, make bool) (*key, error) {
	if !keyName.MatchString(name) {
		return nil, wrong("%q: a key's name is of small letters, digits, _ and -", name)
	}
	file := filepath.Join(keysDir(home), name+".json")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && make {
		return createKey(file, name)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, wrong("there is no key %s in %s; chain keys add makes it", name, keysDir(home))
	}
	if err != nil {
		return nil, err
	}
	k := &key{}
	if err := json.Unmarshal(text, k); err != nil || len(k.Seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%s is no key: a seed of %d bytes is missing (%v)", file, ed25519.SeedSize, err)
	}
	return k, nil
}

func createKey(file, name string) (*key, error) {
	k := &key{Name: name, Seed: make([]byte, ed25519.SeedSize)}
	rand.Read(k.Seed)
	k.Address = k.address()
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return nil, err
	}
	dir, base := filepath.Dir(file), filepath.Base(file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return k, vfs.Replace(vfs.OS(), dir, base+".new", base, append(text, '\n'))
}

// addressOf is that of a key's name, or 40 hexadecimal digits.
func addressOf(home, s string) (a app.Address, err error) {
	if len(s) == 2*len(a) && a.UnmarshalText([]byte(s)) == nil {
		return a, nil
	}
	k, err := openKey(home, s, false)
	if err != nil {
		return a, err
	}
	return k.address(), nil
}

// keys is chain keys.
func keys(_ context.Context, args []string, stdout, stderr io.Writer) error {
	const form = "chain keys add NAME | list | show NAME [--home DIR]"
	f := flag.NewFlagSet("chain keys", flag.ContinueOnError)
	home := f.String("home", defaultHome, "`directory` whose keys they are")
	words := 2
	if len(args) > 0 && args[0] == "list" {
		words = 1
	}
	rest, err := parse(f, args, stderr, words, form)
	if err != nil {
		return err
	}
	switch rest[0] {
	case "list":
		files, err := filepath.Glob(filepath.Join(keysDir(*home), "*.json"))
		for _, file := range files {
			k, err := openKey(*home, strings.TrimSuffix(filepath.Base(file), ".json"), false)
			if err != nil {
				return err
			}
			fmt.Fprintf(stdout, "%-12s %v\n", k.Name, k.address())
		}
		return err
	case "add":
		if _, err := openKey(*home, rest[1], false); err == nil {
			return wrong("there is a key %s already", rest[1])
		}
		fallthrough
	case "show":
		k, err := openKey(*home, rest[1], rest[0] == "add")
		if err == nil {
			fmt.Fprintln(stdout, k.address())
		}
		return err
	}
	return wrong("%s: it is %s", strings.Join(rest, " "), form)
}
