package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// TLSOptions say with which certificates a server answers, and which it asks for.
type TLSOptions struct {
	// Certificates are chosen by the name that a client asks for (SNI). Required; see [LoadCertificates].
	Certificates *Certificates
	// ClientCAs is a PEM file of those whose client certificates are accepted (mutual TLS). Empty: none is asked for.
	ClientCAs string
	// OptionalClientCert also takes clients that have no certificate. One that they show must be good.
	OptionalClientCert bool
	// MinVersion: 0 is TLS 1.2.
	MinVersion uint16
}

func (o *TLSOptions) config() (*tls.Config, error) {
	if o.Certificates == nil {
		return nil, errors.New("TLS needs certificates: set TLSOptions.Certificates to what LoadCertificates returns")
	}
	c := &tls.Config{
		GetCertificate: o.Certificates.forHello,
		MinVersion:     o.MinVersion,
		NextProtos:     []string{"h2", "http/1.1"},
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12
	}
	if o.ClientCAs == "" {
		return c, nil
	}
	pem, err := os.ReadFile(o.ClientCAs)
	if err != nil {
		return nil, fmt.Errorf("certificates of clients: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("certificates of clients: %s holds no certificate in PEM form", o.ClientCAs)
	}
	c.ClientAuth = tls.RequireAndVerifyClientCert
	if o.OptionalClientCert {
		c.ClientAuth = tls.VerifyClientCertIfGiven
	}
	return c, nil
}

// CertificateFile is a certificate chain and its key, in PEM form.
type CertificateFile struct{ Cert, Key string }

// Certificates are a server's, read from files that may change under it: [Certificates.Reload] takes
// all new ones or none (C1). Connections that are open are not touched. Safe for concurrent use.
type Certificates struct {
	files []CertificateFile
	set   atomic.Pointer[certificateSet]
}

// A certificateSet is what was read at one time.
type certificateSet struct {
	first  *tls.Certificate // for clients that ask for no name, or one that nobody has
	byName map[string]*tls.Certificate
}

// LoadCertificates reads certificates. The first is for clients that name no host, or one that is in none of them.
func LoadCertificates(files ...CertificateFile) (*Certificates, error) {
	if len(files) == 0 {
		return nil, errors.New("gateway: no certificate was named")
	}
	c := &Certificates{files: files}
	if err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Reload reads the files again. If one of them is broken, those that were read before stay.
func (c *Certificates) Reload() error {
	set := &certificateSet{byName: map[string]*tls.Certificate{}}
	for _, f := range c.files {
		cert, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return fmt.Errorf("gateway: certificate %s with key %s: %w", f.Cert, f.Key, err)
		}
		if set.first == nil {
			set.first = &cert
		}
		names := cert.Leaf.DNSNames
		for _, ip := range cert.Leaf.IPAddresses {
			names = append(names, ip.String())
		}
		for _, name := range names {
			if name = strings.ToLower(name); set.byName[name] == nil {
				set.byName[name] = &cert
			}
		}
	}
	c.set.Store(set)
	return nil
}

// Watch reloads at an interval until ctx ends. 0: 10 s. What goes wrong is logged, and tried again.
func (c *Certificates) Watch(ctx context.Context, every time.Duration, log *slog.Logger) {
	if every <= 0 {
		every = 10 * time.Second
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := c.Reload(); err != nil {
				log.Error("gateway: the certificates are not renewed, those from before stay", "err", err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// forHello is tls.Config.GetCertificate: the name itself, then one with a * for its first label.
func (c *Certificates) forHello(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	set := c.set.Load()
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if cert := set.byName[name]; cert != nil {
		return cert, nil
	}
	if _, parent, more := strings.Cut(name, "."); more {
		if cert := set.byName["*."+parent]; cert != nil {
			return cert, nil
		}
	}
	return set.first, nil
}
