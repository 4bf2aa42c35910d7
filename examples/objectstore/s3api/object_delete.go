package s3api

import (
	"net/http"
)

// maxDelete is how many objects one request may delete.
const maxDelete = 1000

// deleteObject removes a version, or puts a delete marker.
func (c *call) deleteObject() error {
	for _, name := range []string{"X-Amz-If-Match-Last-Modified-Time", "X-Amz-If-Match-Size"} {
		if c.Header.Get(name) != "" {
			return &Failure{Code: NotImplemented, Message: "A header you provided implies functionality that is not implemented: " + name}
		}
	}
	o, err := c.server.Store.Delete(c.Context(), c.bucket, c.key, c.query.Get("versionId"), deleteCondition(c.Header.Get("If-Match")))
	if err != nil {
		return err
	}
	header := http.Header{}
	versionHeader(header, o)
	c.begin(http.StatusNoContent, header)
	return nil
}

// deleteObjects deletes a list of them; what fails does not keep the others
// from being deleted.
func (c *call) deleteObjects() error {
	var list deleteXML
	if err := c.requireXML(&list); err != nil {
		return err
	}
	if len(list.Objects) == 0 || len(list.Objects) > maxDelete {
		return MalformedXML
	}
	if _, err := c.server.Store.Bucket(c.Context(), c.bucket); err != nil {
		return err
	}
	var result deleteResult
	for _, x := range list.Objects {
		o, err := c.deleteOne(x)
		if err != nil {
			f := failureOf(err)
			if f.Code == InternalError {
				c.server.Logger.Error("delete failed", "id", c.id, "bucket", c.bucket, "key", x.Key, "err", err)
			}
			result.Errors = append(result.Errors, deleteErrorXML{x.Key, x.VersionID, f.Code, f.Message})
			continue
		}
		d := deletedXML{Key: x.Key, VersionID: x.VersionID, DeleteMarker: o.DeleteMarker}
		if o.DeleteMarker {
			d.DeleteMarkerVersionID = o.VersionID
		}
		if !list.Quiet {
			result.Deleted = append(result.Deleted, d)
		}
	}
	c.xml(http.StatusOK, nil, result)
	return nil
}

func (c *call) deleteOne(x deleteObjectXML) (Object, error) {
	switch {
	case x.Key == "":
		return Object{}, &Failure{Code: InvalidArgument, Message: "The key is missing."}
	case len(x.Key) > maxKey:
		return Object{}, KeyTooLong
	case x.Size != "" || x.LastModifiedTime != "":
		return Object{}, &Failure{Code: NotImplemented, Message: "Of the conditions of a delete only ETag is implemented."}
	}
	return c.server.Store.Delete(c.Context(), c.bucket, x.Key, x.VersionID, deleteCondition(x.ETag))
}
