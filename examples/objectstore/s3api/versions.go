package s3api

import (
	"encoding/xml"
	"net/http"
)

// listVersions lists versions and delete markers, of each key the newest first.
func (c *call) listVersions() error {
	l, err := c.readListing("max-keys")
	if err != nil {
		return err
	}
	key, version := c.query.Get("key-marker"), c.query.Get("version-id-marker")
	if version != "" && key == "" {
		return invalid("version-id-marker", version, "A version-id marker cannot be specified without a key marker.")
	}
	var p Page
	if l.max == 0 {
		_, err = c.server.Store.Bucket(c.Context(), c.bucket)
	} else {
		p, err = c.server.Store.ListVersions(c.Context(), c.bucket,
			ListOptions{Prefix: l.prefix, Delimiter: l.delimiter, After: key, AfterVersion: version, Max: l.max})
	}
	if err != nil {
		return err
	}
	r := listVersionsResult{KeyMarker: l.text(key), VersionIDMarker: version, listCommon: l.common(c.bucket, p)}
	if p.More {
		r.NextKeyMarker, r.NextVersionIDMarker = l.text(p.Next), p.NextVersion
	}
	for _, o := range p.Objects {
		r.Versions = append(r.Versions, versionOf(l, o))
	}
	c.xml(http.StatusOK, nil, r)
	return nil
}

func versionOf(l listing, o Object) versionXML {
	v := versionXML{XMLName: xml.Name{Local: "DeleteMarker"}, Key: l.text(o.Key), VersionID: o.VersionID,
		IsLatest: o.Latest, LastModified: timestamp(o.Modified), Owner: theOwner()}
	if v.VersionID == "" {
		v.VersionID = nullVersion
	}
	if !o.DeleteMarker {
		v.XMLName.Local = "Version"
		v.ETag, v.Size, v.StorageClass = quote(o.ETag), &o.Size, class(o.Class)
	}
	return v
}

// nullVersion is the ID of what was stored without versioning.
const nullVersion = "null"
