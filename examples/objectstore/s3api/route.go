package s3api

// level is what a request addresses.
type level int

const (
	service level = iota // no bucket
	bucket
	object
)

// route is a row of the table: which method of what, with which parameter of the
// query, is which operation.
type route struct {
	method    string
	level     level
	parameter string // "": none that names a sub-resource
	name      string // of the operation, S3's
	handle    func(*call) error
}

// routes is read from the top.
var routes = []route{
	{"GET", service, "", "ListBuckets", (*call).listBuckets},

	{"GET", bucket, "location", "GetBucketLocation", (*call).getLocation},
	{"GET", bucket, "versioning", "GetBucketVersioning", (*call).getVersioning},
	{"PUT", bucket, "versioning", "PutBucketVersioning", (*call).putVersioning},
	{"GET", bucket, "uploads", "ListMultipartUploads", (*call).listUploads},
	{"GET", bucket, "versions", "ListObjectVersions", (*call).listVersions},
	{"POST", bucket, "delete", "DeleteObjects", (*call).deleteObjects},
	{"GET", bucket, "", "ListObjects", (*call).listObjects},
	{"HEAD", bucket, "", "HeadBucket", (*call).headBucket},
	{"PUT", bucket, "", "CreateBucket", (*call).createBucket},
	{"DELETE", bucket, "", "DeleteBucket", (*call).deleteBucket},

	{"POST", object, "uploads", "CreateMultipartUpload", (*call).createUpload},
	{"PUT", object, "uploadId", "UploadPart", (*call).uploadPart},
	{"GET", object, "uploadId", "ListParts", (*call).listParts},
	{"POST", object, "uploadId", "CompleteMultipartUpload", (*call).completeUpload},
	{"DELETE", object, "uploadId", "AbortMultipartUpload", (*call).abortUpload},
	{"GET", object, "", "GetObject", (*call).getObject},
	{"HEAD", object, "", "HeadObject", (*call).headObject},
	{"PUT", object, "", "PutObject", (*call).putObject},
	{"DELETE", object, "", "DeleteObject", (*call).deleteObject},
}

// subresources are parameters that make of a request something else than one
// about the bucket or object itself. A server that does not know them must not
// pass over them: PUT /bucket/key?acl would replace the object, and DELETE
// /bucket?policy the bucket.
var subresources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory",
	"legal-hold", "lifecycle", "location", "logging", "metadataTable", "metrics", "notification", "object-lock",
	"ownershipControls", "policy", "policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore",
	"retention", "select", "session", "tagging", "torrent", "uploadId", "uploads", "versioning", "versions", "website",
}

func (c *call) level() level {
	switch {
	case c.key != "":
		return object
	case c.bucket != "":
		return bucket
	}
	return service
}

// subresource returns the sub-resource that the query names, or "".
func (c *call) subresource() string {
	for _, name := range subresources {
		if c.query.Has(name) {
			return name
		}
	}
	return ""
}

func (c *call) route() (name string, handle func(*call) error, err error) {
	level, sub := c.level(), c.subresource()
	known := false // another method has it
	for _, r := range routes {
		if r.level != level || r.parameter != sub {
			continue
		}
		if known = true; r.method == c.Method {
			return r.name, r.handle, nil
		}
	}
	if sub != "" {
		return c.configuration(sub)
	}
	if known {
		return "", nil, MethodNotAllowed
	}
	return "", nil, NotImplemented
}
