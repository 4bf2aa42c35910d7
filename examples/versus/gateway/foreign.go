package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/flagship-go/flagship/examples/versus/gateway/internal/peer"
)

// This file starts proxies that are not written in Go, from a child of this program that ends them, and which says
// what they use. They are left out where they are not installed, and where there is no /proc.

const (
	nginxName   = "nginx"
	haproxyName = "haproxy"
)

var foreign = map[string]func(peer.Order) error{
	nginxName: func(o peer.Order) error {
		return serveForeign(o, nginxFiles, func(dir string) []string { return []string{"-p", dir, "-c", filepath.Join(dir, "nginx.conf")} })
	},
	haproxyName: func(o peer.Order) error {
		return serveForeign(o, haproxyFiles, func(dir string) []string { return []string{"-db", "-f", filepath.Join(dir, "haproxy.cfg")} })
	},
}

// installed tells whether a program can be measured here.
func installed(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil && runtime.GOOS == "linux"
}

// serveForeign writes a program's files into a directory of its own, and runs it until the parent has had enough.
func serveForeign(o peer.Order, files func(o peer.Order, addr, dir string) map[string]string, args func(dir string) []string) (err error) {
	if len(o.Prefixes) > 0 {
		return fmt.Errorf("%s is not graded here", o.Contender)
	}
	dir, err := os.MkdirTemp("", "versus-"+o.Contender+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	addr, err := peer.FreeAddr()
	if err != nil {
		return err
	}
	for name, text := range files(o, addr, dir) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	cmd := exec.Command(o.Contender, args(dir)...)
	cmd.Stdout, cmd.Stderr = io.Discard, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		// It is told to end, and how it says that it has is its own affair.
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			err = errors.Join(err, cmd.Process.Kill())
		}
	}()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		select {
		case err := <-ended:
			ended <- err
			return fmt.Errorf("%s has ended: %w", o.Contender, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	return peer.Answer(addr, func() (peer.Usage, error) { return peer.UsageOf(cmd.Process.Pid) })
}

// prefixes are the routes without their ends: two routes have one in common, and so there are half as many. An id in the
// middle would have to be a regular expression, of which both programs would try one after the other.
func prefixes(routes int) (all []string) {
	for i := 0; i < routes; i += 2 {
		all = append(all, peer.Path(i, ""))
	}
	return all
}

func nginxFiles(o peer.Order, addr, dir string) map[string]string {
	var b strings.Builder
	fmt.Fprintf(&b, `worker_processes auto;
daemon off;
pid %[3]s/nginx.pid;
error_log stderr crit;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[3]s/body;
	proxy_temp_path %[3]s/proxy;
	fastcgi_temp_path %[3]s/fastcgi;
	uwsgi_temp_path %[3]s/uwsgi;
	scgi_temp_path %[3]s/scgi;
	keepalive_requests 1000000000;
	proxy_http_version 1.1;
	proxy_set_header Connection "";
	proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
	upstream backend { server %[1]s; keepalive 256; keepalive_requests 1000000000; }
	server {
		listen %[2]s;
`, o.Backend, addr, dir)
	for _, prefix := range prefixes(o.Routes) {
		fmt.Fprintf(&b, "\t\tlocation %s { proxy_pass http://backend; }\n", prefix)
	}
	b.WriteString("\t}\n}\n")
	return map[string]string{"nginx.conf": b.String()}
}

func haproxyFiles(o peer.Order, addr, dir string) map[string]string {
	var routes strings.Builder
	for _, prefix := range prefixes(o.Routes) {
		fmt.Fprintf(&routes, "%s shop\n", prefix)
	}
	return map[string]string{"routes.map": routes.String(), "haproxy.cfg": fmt.Sprintf(`global
	maxconn 4096
defaults
	mode http
	timeout connect 5s
	timeout client 60s
	timeout server 60s
	option http-keep-alive
	http-reuse always
frontend in
	bind %s
	option forwardfor
	use_backend %%[path,map_beg(%s/routes.map,nothing)]
backend shop
	server one %s
backend nothing
	http-request return status 404
`, addr, dir, o.Backend)}
}
