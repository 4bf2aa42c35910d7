package s3api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// listParts lists the parts of an upload.
func (c *call) listParts() error {
	l, err := c.readListing("max-parts")
	if err != nil {
		return err
	}
	after := 0
	if text := c.query.Get("part-number-marker"); text != "" {
		if after, err = strconv.Atoi(text); err != nil || after < 0 {
			return invalid("part-number-marker", text, "Argument part-number-marker must be an integer between 0 and 2147483647")
		}
	}
	id := c.query.Get("uploadId")
	u, parts, more, err := c.server.Store.Parts(c.Context(), c.bucket, c.key, id, after, l.max)
	if err != nil {
		return err
	}
	r := listPartsResult{Bucket: c.bucket, Key: l.text(c.key), UploadID: id, Initiator: theOwner(), Owner: theOwner(),
		StorageClass: class(u.Class), PartNumberMarker: after, MaxParts: l.max, IsTruncated: more && l.max > 0}
	for _, p := range parts {
		r.Parts = append(r.Parts, partXML{p.Number, timestamp(p.Modified), quote(p.ETag), p.Size})
		r.NextPartNumberMarker = p.Number
	}
	c.xml(http.StatusOK, nil, r)
	return nil
}

// listUploads lists uploads under way. The store gives them all: there are few.
func (c *call) listUploads() error {
	l, err := c.readListing("max-uploads")
	if err != nil {
		return err
	}
	uploads, err := c.server.Store.Uploads(c.Context(), c.bucket, l.prefix)
	if err != nil {
		return err
	}
	slices.SortFunc(uploads, func(a, b Upload) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(placeOfUpload(a), placeOfUpload(b)))
	})
	r := listUploadsResult{Bucket: c.bucket, KeyMarker: l.text(c.query.Get("key-marker")), UploadIDMarker: c.query.Get("upload-id-marker"),
		Prefix: l.text(l.prefix), Delimiter: l.text(l.delimiter), MaxUploads: l.max}
	if l.encoded {
		r.EncodingType = "url"
	}
	last := ""
	for _, u := range behind(uploads, c.query.Get("key-marker"), r.UploadIDMarker) {
		rolled := l.rollUp(u.Key)
		if rolled != "" && (rolled == last || rolled == c.query.Get("key-marker")) {
			continue
		}
		if len(r.Uploads)+len(r.CommonPrefixes) == l.max {
			r.IsTruncated = l.max > 0
			break
		}
		if last = rolled; rolled != "" {
			r.CommonPrefixes = append(r.CommonPrefixes, prefixXML{l.text(rolled)})
			r.NextKeyMarker, r.NextUploadIDMarker = l.text(rolled), ""
			continue
		}
		r.Uploads = append(r.Uploads, uploadXML{l.text(u.Key), u.ID, theOwner(), theOwner(), class(u.Class), timestamp(u.Started)})
		r.NextKeyMarker, r.NextUploadIDMarker = l.text(u.Key), placeOfUpload(u)
	}
	if !r.IsTruncated {
		r.NextKeyMarker, r.NextUploadIDMarker = "", ""
	}
	c.xml(http.StatusOK, nil, r)
	return nil
}

// behind drops the uploads up to a key, or up to one of its uploads: that of the ID, or
// that of the place, which may have ended meanwhile.
func behind(uploads []Upload, key, after string) []Upload {
	isPlace := len(after) > 16 && after[16] == '-'
	for i, u := range uploads {
		switch {
		case u.Key > key, u.Key == key && isPlace && placeOfUpload(u) > after:
			return uploads[i:]
		case u.Key == key && after != "" && u.ID == after:
			return uploads[i+1:]
		}
	}
	if key == "" {
		return uploads
	}
	return nil
}

// placeOfUpload is where an upload stands among those of its key.
func placeOfUpload(u Upload) string { return fmt.Sprintf("%016x-%s", u.Started.UnixNano(), u.ID) }

// rollUp returns the prefix that stands for a key in a listing; "": the key
// stands for itself.
func (l listing) rollUp(key string) string {
	if l.delimiter == "" || len(key) < len(l.prefix) {
		return ""
	}
	if i := strings.Index(key[len(l.prefix):], l.delimiter); i >= 0 {
		return key[:len(l.prefix)+i+len(l.delimiter)]
	}
	return ""
}
