package s3api

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// maxKeys is how many keys and rolled-up prefixes a page may have.
const maxKeys = 1000

// listing is what is asked of a listing, and how it is to be written.
type listing struct {
	prefix, delimiter string
	max               int
	encoded           bool // percent-encoded, so that XML can carry any key
}

func (c *call) readListing(maxParameter string) (l listing, err error) {
	l = listing{prefix: c.query.Get("prefix"), delimiter: c.query.Get("delimiter"), max: maxKeys}
	switch encoding := c.query.Get("encoding-type"); encoding {
	case "":
	case "url":
		l.encoded = true
	default:
		return l, invalid("encoding-type", encoding, "Invalid Encoding Method specified in Request")
	}
	if text := c.query.Get(maxParameter); text != "" {
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 0 {
			return l, invalid(maxParameter, text, "Argument "+maxParameter+" must be an integer between 0 and 2147483647")
		}
		l.max = int(min(n, maxKeys))
	}
	return l, nil
}

// text writes a key. A space becomes %20, which both ways of decoding turn back.
func (l listing) text(key string) string {
	if !l.encoded {
		return key
	}
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(key) {
		c := key[i]
		if 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || strings.IndexByte("-_.~/*", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

func (l listing) common(name string, p Page) listCommon {
	common := listCommon{Name: name, Prefix: l.text(l.prefix), Delimiter: l.text(l.delimiter), MaxKeys: l.max, IsTruncated: p.More}
	if l.encoded {
		common.EncodingType = "url"
	}
	for _, prefix := range p.Prefixes {
		common.CommonPrefixes = append(common.CommonPrefixes, prefixXML{l.text(prefix)})
	}
	return common
}

func (l listing) contents(p Page, withOwner bool) (list []objectXML) {
	for _, o := range p.Objects {
		x := objectXML{Key: l.text(o.Key), LastModified: timestamp(o.Modified), ETag: quote(o.ETag), Size: o.Size, StorageClass: class(o.Class)}
		if withOwner {
			x.Owner = theOwner()
		}
		list = append(list, x)
	}
	return list
}

// listObjects is both versions of the listing.
func (c *call) listObjects() error {
	switch version := c.query.Get("list-type"); version {
	case "":
		return c.listV1()
	case "2":
		c.operation = "ListObjectsV2"
		return c.listV2()
	default:
		return invalid("list-type", version, "Invalid List Type specified in Request")
	}
}

// page asks the store; of a page for nothing there is nothing more.
func (c *call) page(l listing, after string) (Page, error) {
	if l.max == 0 {
		_, err := c.server.Store.Bucket(c.Context(), c.bucket)
		return Page{}, err
	}
	return c.server.Store.List(c.Context(), c.bucket, ListOptions{Prefix: l.prefix, Delimiter: l.delimiter, After: after, Max: l.max})
}

// listV1 goes on behind a marker, which is a key.
func (c *call) listV1() error {
	l, err := c.readListing("max-keys")
	if err != nil {
		return err
	}
	marker := c.query.Get("marker")
	p, err := c.page(l, marker)
	if err != nil {
		return err
	}
	r := listResultV1{Marker: l.text(marker), Contents: l.contents(p, true), listCommon: l.common(c.bucket, p)}
	if p.More {
		r.NextMarker = l.text(p.Next)
	}
	c.xml(http.StatusOK, nil, r)
	return nil
}

// listV2 goes on behind a token. It stands for a place between keys, not for a
// key, which may be gone by then.
func (c *call) listV2() error {
	l, err := c.readListing("max-keys")
	if err != nil {
		return err
	}
	token, start := c.query.Get("continuation-token"), c.query.Get("start-after")
	after := start
	if c.query.Has("continuation-token") {
		if after, err = placeOf(token); err != nil {
			return err
		}
	}
	p, err := c.page(l, after)
	if err != nil {
		return err
	}
	r := listResultV2{KeyCount: len(p.Objects) + len(p.Prefixes), ContinuationToken: token, StartAfter: l.text(start),
		Contents: l.contents(p, c.query.Get("fetch-owner") == "true"), listCommon: l.common(c.bucket, p)}
	if p.More {
		r.NextContinuationToken = tokenOf(p.Next)
	}
	c.xml(http.StatusOK, nil, r)
	return nil
}

// tokenOf hides the place, so that nobody builds one.
func tokenOf(place string) string { return base64.URLEncoding.EncodeToString([]byte(place)) }

func placeOf(token string) (string, error) {
	place, err := base64.URLEncoding.Strict().DecodeString(token)
	if err != nil || len(place) == 0 {
		return "", invalid("continuation-token", token, "The continuation token provided is incorrect")
	}
	return string(place), nil
}
