// Package checksum has the checksums that S3 clients send with what they upload:
// in a header, if they know it before, or in a trailer behind the body. Today's
// SDKs send one with every upload, CRC32 or CRC64NVME, whether asked to or not.
package checksum

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strings"
)

// Algorithm is one of S3's checksums, by its name in S3's headers.
type Algorithm string

// S3's checksums. CRC64NVME is the CRC of the NVMe specification, and AWS's
// own default.
const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
)

// All lists the algorithms.
func All() []Algorithm { return []Algorithm{CRC32, CRC32C, CRC64NVME, SHA1, SHA256} }

const headerPrefix = "x-amz-checksum-"

// Header returns the name of the header, or trailer, that carries the sum.
func (a Algorithm) Header() string { return headerPrefix + strings.ToLower(string(a)) }

// OfHeader returns the algorithm whose sum the header, or trailer, carries.
// Names are compared without regard to case.
func OfHeader(name string) (Algorithm, bool) {
	for _, a := range All() {
		if strings.EqualFold(name, a.Header()) {
			return a, true
		}
	}
	return "", false
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// The polynomial 0xad93d23594c93659, its bits reversed as package crc64
	// wants it.
	nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)
)

// New returns a hash that computes the sum; nil for an algorithm unknown to S3.
func (a Algorithm) New() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(castagnoli)
	case CRC64NVME:
		return crc64.New(nvme)
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	}
	return nil
}

// Encode returns the hash's sum as headers carry it: base64, the most
// significant byte first.
func Encode(h hash.Hash) string { return base64.StdEncoding.EncodeToString(h.Sum(nil)) }

// Valid says whether the text can be a sum of the algorithm.
func (a Algorithm) Valid(text string) bool {
	sum, err := base64.StdEncoding.Strict().DecodeString(text)
	return err == nil && len(sum) == a.New().Size()
}
