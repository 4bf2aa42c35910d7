package s3api

import (
	"net"
	"net/http"
	"strings"
	"unicode/utf8"
)

// maxKey is the length of the longest key, in bytes.
const maxKey = 1024

// address returns the bucket and the key of a request, which are in its path
//
//	http://HOST/BUCKET/KEY
//
// or, for domains that are known, in its host
//
//	http://BUCKET.DOMAIN/KEY
//
// A key is any text: it is not cleaned, and may have slashes anywhere.
func (s *Server) address(r *http.Request) (bucket, key string, err error) {
	path, ok := strings.CutPrefix(r.URL.Path, "/")
	if !ok {
		return "", "", InvalidURI
	}
	if bucket, key = s.BucketOfHost(r.Host), path; bucket == "" {
		bucket, key, _ = strings.Cut(path, "/")
	}
	switch {
	case !utf8.ValidString(path):
		return bucket, "", &Failure{Code: InvalidURI, Message: "The key is not UTF-8."}
	case len(key) > maxKey:
		return bucket, "", KeyTooLong
	case strings.ContainsRune(key, 0):
		return bucket, "", InvalidObjectName
	case bucket == "" && key != "":
		return "", "", InvalidBucketName
	}
	return bucket, key, nil
}

// BucketOfHost returns the bucket that a request's Host names, as a sub-domain of one of
// Options.Domains, or "".
func (s *Server) BucketOfHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for _, domain := range s.Domains {
		if bucket, ok := strings.CutSuffix(strings.ToLower(host), "."+strings.ToLower(domain)); ok {
			return bucket
		}
	}
	return ""
}

// validBucket says whether a bucket can have the name: S3's rules.
func validBucket(name string) bool {
	if len(name) < 3 || len(name) > 63 || net.ParseIP(name) != nil {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, "-") != label {
			return false
		}
	}
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}
