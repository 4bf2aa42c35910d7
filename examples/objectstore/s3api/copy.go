package s3api

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// source is what is copied.
type source struct {
	bucket, key, version string
}

// copySource reads x-amz-copy-source: /BUCKET/KEY?versionId=ID, percent-encoded
// but for the question mark, and with or without the first slash.
func (c *call) copySource() (s source, err error) {
	text := c.Header.Get("X-Amz-Copy-Source")
	path, version, _ := strings.Cut(text, "?versionId=")
	if path, err = url.PathUnescape(path); err == nil {
		s.bucket, s.key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
		s.version, err = url.QueryUnescape(version)
	}
	if err != nil || s.bucket == "" || s.key == "" || len(s.key) > maxKey {
		return s, invalid("x-amz-copy-source", text, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	return s, nil
}

// openSource opens what is copied, if its conditions hold.
func (c *call) openSource(s source) (Object, Content, error) {
	o, content, err := c.server.Store.Get(c.Context(), s.bucket, s.key, s.version)
	if err != nil {
		return o, nil, err
	}
	switch {
	case o.DeleteMarker && s.version != "":
		err = &Failure{Code: InvalidRequest, Message: "The source of a copy request may not specifically refer to a delete marker by version id."}
	case o.DeleteMarker:
		err = NoSuchKey
	case readConditions(c.Header, "X-Amz-Copy-Source-").check(o) != nil:
		err = PreconditionFailed // notModified is for reads
	}
	if err != nil && content != nil {
		content.Close()
	}
	return o, content, err
}

// copyOptions are the copy's: its source's metadata, or with the directive
// REPLACE what the request says instead, and nothing of both.
func (c *call) copyOptions(s source, from Object) (PutOptions, error) {
	o, err := putOptions(c.Header)
	if err != nil {
		return o, err
	}
	// A copy's own conditions are about its destination.
	switch directive := c.Header.Get("X-Amz-Metadata-Directive"); directive {
	case "REPLACE":
		return o, nil
	case "", "COPY":
		if s == (source{c.bucket, c.key, ""}) && o.Class == "" {
			return o, &Failure{Code: InvalidRequest, Message: "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."}
		}
		o.Metadata = from.Metadata
		return o, nil
	default:
		return o, invalid("x-amz-metadata-directive", directive, "Unknown metadata directive.")
	}
}

// copyObject stores an object again under another key, or with other metadata.
func (c *call) copyObject() error {
	s, err := c.copySource()
	if err != nil {
		return err
	}
	from, content, err := c.openSource(s)
	if err != nil {
		return err
	}
	defer content.Close()
	if from.Size > c.server.MaxObjectSize {
		return &Failure{Code: InvalidRequest, Message: "The specified copy source is larger than the maximum allowable size for a copy source: copy it in parts."}
	}
	o, err := c.copyOptions(s, from)
	if err != nil {
		return err
	}
	stored, err := c.server.Store.Put(c.Context(), c.bucket, c.key, content, from.Size, o)
	if err != nil {
		return err
	}
	header := storedHeader(stored)
	header.Del("ETag") // is in the message
	sourceHeader(header, from)
	c.xml(http.StatusOK, header, copyObjectResult{LastModified: timestamp(stored.Modified), ETag: quote(stored.ETag)})
	return nil
}

// uploadPartCopy stores a part that is a range of an object.
func (c *call) uploadPartCopy(id string, number int) error {
	s, err := c.copySource()
	if err != nil {
		return err
	}
	from, content, err := c.openSource(s)
	if err != nil {
		return err
	}
	defer content.Close()
	off, n := int64(0), from.Size
	if header := c.Header.Get("X-Amz-Copy-Source-Range"); header != "" {
		// Here, unlike in reads, it must be one, in full, and be there.
		off, n, _, err = parseRange(header, from.Size)
		if err != nil || header != fmt.Sprintf("bytes=%d-%d", off, off+n-1) {
			return invalid("x-amz-copy-source-range", header, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
	}
	if _, err := content.Seek(off, io.SeekStart); err != nil {
		return err
	}
	part, err := c.server.Store.PutPart(c.Context(), c.bucket, c.key, id, number, io.LimitReader(content, n), n)
	if err != nil {
		return err
	}
	header := http.Header{}
	sourceHeader(header, from)
	c.xml(http.StatusOK, header, copyPartResult{LastModified: timestamp(part.Modified), ETag: quote(part.ETag)})
	return nil
}

func sourceHeader(h http.Header, from Object) {
	if from.VersionID != "" {
		h.Set("X-Amz-Copy-Source-Version-Id", from.VersionID)
	}
}
