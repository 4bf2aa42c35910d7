package s3api

import (
	"net/http"
	"strconv"
)

// maxPart is the largest number of a part.
const maxPart = 10000

// createUpload begins an upload in parts.
func (c *call) createUpload() error {
	o, err := putOptions(c.Header)
	if err != nil {
		return err
	}
	id, err := c.server.Store.NewUpload(c.Context(), c.bucket, c.key, o)
	if err != nil {
		return err
	}
	c.xml(http.StatusOK, nil, initiateResult{Bucket: c.bucket, Key: c.key, UploadID: id})
	return nil
}

// uploadPart stores a part: of a body, or as a copy of a range of an object.
func (c *call) uploadPart() error {
	text, id := c.query.Get("partNumber"), c.query.Get("uploadId")
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > maxPart {
		return invalid("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
	}
	if c.Header.Get("X-Amz-Copy-Source") != "" {
		c.operation = "UploadPartCopy"
		return c.uploadPartCopy(id, number)
	}
	body, size, err := c.bodyToStore()
	if err != nil {
		return err
	}
	part, err := c.server.Store.PutPart(c.Context(), c.bucket, c.key, id, number, body, size)
	if err != nil {
		return body.blame(err)
	}
	header := http.Header{}
	header.Set("ETag", quote(part.ETag))
	c.checksumHeader(header)
	header.Del("X-Amz-Checksum-Type")
	c.begin(http.StatusOK, header)
	return nil
}

// completeUpload makes an object of its parts.
func (c *call) completeUpload() error {
	c.signed.SkipChecksum() // of the object, not of the list
	var list completeXML
	if err := c.requireXML(&list); err != nil {
		return err
	}
	if len(list.Parts) == 0 {
		return MalformedXML
	}
	var parts []Part
	for i, p := range list.Parts {
		switch {
		case p.PartNumber < 1 || p.PartNumber > maxPart:
			return InvalidPart
		case i > 0 && p.PartNumber <= list.Parts[i-1].PartNumber:
			return InvalidPartOrder
		}
		parts = append(parts, Part{Number: p.PartNumber, ETag: unquote(p.ETag)})
	}
	o, err := c.server.Store.CompleteUpload(c.Context(), c.bucket, c.key, c.query.Get("uploadId"), parts, putCondition(c.Header))
	if err != nil {
		return err
	}
	header := storedHeader(o)
	header.Del("ETag") // is in the message
	c.xml(http.StatusOK, header, completeResult{Location: "http://" + c.Host + c.URL.EscapedPath(), Bucket: c.bucket, Key: c.key, ETag: quote(o.ETag)})
	return nil
}

// abortUpload removes what was uploaded.
func (c *call) abortUpload() error {
	if err := c.server.Store.AbortUpload(c.Context(), c.bucket, c.key, c.query.Get("uploadId")); err != nil {
		return err
	}
	c.begin(http.StatusNoContent, nil)
	return nil
}
