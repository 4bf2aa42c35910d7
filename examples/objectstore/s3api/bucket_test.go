package s3api_test

import (
	"strings"
	"testing"

	"github.com/flagship-go/flagship/examples/objectstore/s3api"
	"github.com/stretchr/testify/require"
)

func domains(list ...string) func(*s3api.Options) {
	return func(o *s3api.Options) { o.Domains = list }
}

func TestBucketsAreMadeListedAndRemoved(t *testing.T) {
	w := newWorld(t, func(o *s3api.Options) { o.Reserved = []string{"metrics"} })
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/a.b-c", `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>`)
	require.Equal(t, "BucketAlreadyOwnedByYou", w.do("PUT", "/pets", "").code())
	list := w.ok("GET", "/", "").body
	require.Contains(t, list, "<Buckets><Bucket><Name>a.b-c</Name><CreationDate>2026-03-01T12:00:00.500Z</CreationDate></Bucket><Bucket><Name>pets</Name>")
	require.Equal(t, "us-east-1", w.ok("HEAD", "/pets", "").header.Get("X-Amz-Bucket-Region"))
	require.Equal(t, 404, w.do("HEAD", "/none", "").status)
	require.Contains(t, w.ok("GET", "/pets?location", "").body, `<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></LocationConstraint>`)

	w.ok("PUT", "/pets/tom", "meow")
	require.Equal(t, "BucketNotEmpty", w.do("DELETE", "/pets", "").code())
	w.ok("DELETE", "/pets/tom", "")
	require.Equal(t, 204, w.ok("DELETE", "/pets", "").status)
	require.Equal(t, "NoSuchBucket", w.do("DELETE", "/pets", "").code())

	for _, name := range []string{"ab", "Pets", "pets_", "-pets", "pets-", "a..b", ".ab", "127.0.0.1", "metrics", strings.Repeat("a", 64)} {
		rule(t, "H9", w.do("PUT", "/"+name, "").code() == "InvalidBucketName", "a bucket can be called %s", name)
	}
	require.Equal(t, "MalformedXML", w.do("PUT", "/cats", "<CreateBucketConfiguration>").code())
}

func TestLocationIsTheServers(t *testing.T) {
	w := newWorld(t, func(o *s3api.Options) { o.Region = "eu-west-1" })
	require.Equal(t, "InvalidLocationConstraint", w.do("PUT", "/pets", "<CreateBucketConfiguration><LocationConstraint>us-west-1</LocationConstraint></CreateBucketConfiguration>").code())
	w.ok("PUT", "/pets", "<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>")
	require.Contains(t, w.ok("GET", "/pets?location", "").body, ">eu-west-1<")
}

// Nothing of this is configured, and to say so is what clients understand.
func TestConfigurationsAreAbsent(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/tom", "meow")
	for _, x := range []struct {
		target, code, contains string
	}{
		{"/pets?policy", "NoSuchBucketPolicy", ""},
		{"/pets?lifecycle", "NoSuchLifecycleConfiguration", ""},
		{"/pets?cors", "NoSuchCORSConfiguration", ""},
		{"/pets?tagging", "NoSuchTagSet", ""},
		{"/pets?website", "NoSuchWebsiteConfiguration", ""},
		{"/pets?encryption", "ServerSideEncryptionConfigurationNotFoundError", ""},
		{"/pets?object-lock", "ObjectLockConfigurationNotFoundError", ""},
		{"/pets?publicAccessBlock", "NoSuchPublicAccessBlockConfiguration", ""},
		{"/pets?acl", "", "<Permission>FULL_CONTROL</Permission>"},
		{"/pets?logging", "", `<BucketLoggingStatus xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></BucketLoggingStatus>`},
		{"/pets?requestPayment", "", "<Payer>BucketOwner</Payer>"},
		{"/pets?inventory&id=1", "NotImplemented", ""},
		{"/none?acl", "NoSuchBucket", ""},
		{"/none?policy", "NoSuchBucket", ""},
		{"/pets/tom?acl", "", `xsi:type="CanonicalUser"`},
		{"/pets/tom?tagging", "", "<TagSet></TagSet>"},
		{"/pets/tom?retention", "NoSuchObjectLockConfiguration", ""},
		{"/pets/tom?attributes", "NotImplemented", ""},
		{"/pets/none?acl", "NoSuchKey", ""},
	} {
		r := w.do("GET", x.target, "")
		rule(t, "H9", r.code() == x.code && strings.Contains(r.body, x.contains), "%s: %v", x.target, r)
	}
	require.Equal(t, 204, w.do("DELETE", "/pets?lifecycle", "").status)
	require.Equal(t, "NoSuchBucket", w.do("DELETE", "/none?lifecycle", "").code())
}

// The request is about the sub-resource, and not about what has it.
func TestSubresourceIsNotTakenForItsObject(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/tom", "meow")
	for _, sub := range []string{"acl", "tagging", "retention", "legal-hold", "restore", "policy", "torrent", "website", "cors", "attributes", "select&select-type=2", "versioning"} {
		for _, method := range []string{"PUT", "DELETE", "POST"} {
			w.do(method, "/pets/tom?"+sub, "other")
			got := w.do("GET", "/pets/tom", "")
			rule(t, "H9", got.body == "meow", "%s ?%s changed the object: %v", method, sub, got)
		}
	}
	r := w.do("PUT", "/pets/tom?partNumber=1", "other")
	rule(t, "H9", r.code() == "InvalidArgument", "a part without its upload: %v", r)
	w.ok("DELETE", "/pets/tom", "")
	for _, sub := range []string{"policy", "cors", "lifecycle", "publicAccessBlock", "inventory&id=1", "metadataTable"} {
		w.do("DELETE", "/pets?"+sub, "")
		rule(t, "H9", w.do("HEAD", "/pets", "").status == 200, "DELETE ?%s removed the bucket", sub)
	}
	require.Equal(t, "MethodNotAllowed", w.do("POST", "/pets", "").code())
	require.Equal(t, "MethodNotAllowed", w.do("PATCH", "/pets/tom", "").code())
	require.Equal(t, "NotImplemented", w.do("PUT", "/pets?acl", "").code())
}

func TestErrorSaysWhatItIsAbout(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	r := w.do("GET", "/pets/a%26b?x=1", "")
	require.Equal(t, 404, r.status)
	require.Equal(t, "application/xml", r.header.Get("Content-Type"))
	require.Equal(t, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+`<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&amp;b</Key><BucketName>pets</BucketName><Resource>/pets/a&amp;b</Resource><RequestId>`+
		r.header.Get("X-Amz-Request-Id")+`</RequestId><HostId>objectstore</HostId></Error>`, r.body)
	r = w.do("GET", "/pets?max-keys=x", "")
	require.Contains(t, r.body, "<ArgumentName>max-keys</ArgumentName><ArgumentValue>x</ArgumentValue>")
}

func TestStrangersAreAnsweredBeforeTheStoreIsAsked(t *testing.T) {
	w := newWorld(t)
	w.ok("PUT", "/pets", "")
	w.ok("PUT", "/pets/tom", "meow")
	for _, target := range []string{"/", "/pets", "/none", "/pets/tom", "/pets/none", "/pets?acl", "/Invalid"} {
		r := w.send(w.request("GET", target, ""))
		rule(t, "H1", r.status == 403 && r.code() == "AccessDenied", "%s: %v", target, r)
		stranger := w.signer()
		stranger.SecretKey = "guess"
		q := w.request("DELETE", target, "")
		stranger.Sign(q, "")
		r = w.send(q)
		rule(t, "H1", r.status == 403 && r.code() == "SignatureDoesNotMatch", "%s: %v", target, r)
	}
	require.Equal(t, "meow", w.ok("GET", "/pets/tom", "").body)
}
