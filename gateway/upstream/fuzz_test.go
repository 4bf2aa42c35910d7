package upstream

import "testing"

// Whatever is written as an address: it is refused, or it has one spelling, which means itself.
func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"http://a", "https://A:8443/", "http://[::1]:80", "http://[fe80::1%25eth0]", "http://10.0.0.1:0", "http://a:b@c", "h2c://a",
		"http://a:080", "http://%61", "http://a:99999", "http://a#b", "//a", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := parseAddress(text, TransportOptions{})
		if err != nil {
			return
		}
		again, err := parseAddress(u.String(), TransportOptions{})
		if err != nil || *again != *u {
			t.Fatalf("%q is %q, and that is %v (%v)", text, u, again, err)
		}
		if u.Hostname() == "" || u.Port() == "" {
			t.Fatalf("%q is %q", text, u)
		}
	})
}
