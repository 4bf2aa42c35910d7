package s3api

import (
	"errors"
	"io"
	"net/http"
	"slices"
)

func (c *call) listBuckets() error {
	buckets, err := c.server.Store.Buckets(c.Context())
	if err != nil {
		return err
	}
	result := listBucketsResult{Owner: theOwner()}
	for _, b := range buckets {
		result.Buckets = append(result.Buckets, bucketXML{b.Name, timestamp(b.Created)})
	}
	c.xml(http.StatusOK, nil, result)
	return nil
}

func (c *call) createBucket() error {
	if !validBucket(c.bucket) {
		return InvalidBucketName
	}
	if slices.Contains(c.server.Reserved, c.bucket) {
		return &Failure{Code: InvalidBucketName, Message: "The path /" + c.bucket + " is the server's own."}
	}
	var configuration createBucketXML
	if err := c.readXML(&configuration); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if region := configuration.LocationConstraint; region != "" && c.server.Region != "" && region != c.server.Region {
		return InvalidLocationConstraint
	}
	if c.Header.Get("X-Amz-Bucket-Object-Lock-Enabled") == "true" {
		return NotImplemented
	}
	if err := c.server.Store.CreateBucket(c.Context(), c.bucket); err != nil {
		return err
	}
	c.begin(http.StatusOK, http.Header{"Location": {"/" + c.bucket}})
	return nil
}

func (c *call) headBucket() error {
	if _, err := c.server.Store.Bucket(c.Context(), c.bucket); err != nil {
		return err
	}
	region := c.server.Region
	if region == "" {
		region = "us-east-1"
	}
	c.begin(http.StatusOK, http.Header{"X-Amz-Bucket-Region": {region}})
	return nil
}

func (c *call) deleteBucket() error {
	if err := c.server.Store.DeleteBucket(c.Context(), c.bucket); err != nil {
		return err
	}
	c.begin(http.StatusNoContent, nil)
	return nil
}

// getLocation writes us-east-1 as nothing, as S3 does.
func (c *call) getLocation() error {
	if _, err := c.server.Store.Bucket(c.Context(), c.bucket); err != nil {
		return err
	}
	region := c.server.Region
	if region == "us-east-1" {
		region = ""
	}
	c.xml(http.StatusOK, nil, locationXML{Region: region})
	return nil
}

func (c *call) getVersioning() error {
	b, err := c.server.Store.Bucket(c.Context(), c.bucket)
	if err != nil {
		return err
	}
	c.xml(http.StatusOK, nil, versioningXML{NS: namespace, Status: b.Versioning})
	return nil
}

func (c *call) putVersioning() error {
	var v versioningXML
	if err := c.requireXML(&v); err != nil {
		return err
	}
	if v.Status != Enabled && v.Status != Suspended {
		return IllegalVersioning
	}
	if v.MFADelete == "Enabled" {
		return NotImplemented
	}
	if err := c.server.Store.SetVersioning(c.Context(), c.bucket, v.Status); err != nil {
		return err
	}
	c.begin(http.StatusOK, nil)
	return nil
}
