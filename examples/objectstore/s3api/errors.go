package s3api

import (
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"strconv"

	"github.com/flagship-go/flagship/examples/objectstore/sigv4"
)

// Code is one of S3's error codes. It is an error: a [Store] returns it, alone or
// wrapped, and the client gets its status and text.
type Code string

// The codes this package uses by name, and those a Store may return.
const (
	AccessDenied               Code = "AccessDenied"
	BadDigest                  Code = "BadDigest"
	BucketAlreadyOwnedByYou    Code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty             Code = "BucketNotEmpty"
	EntityTooLarge             Code = "EntityTooLarge"
	EntityTooSmall             Code = "EntityTooSmall"
	IllegalVersioning          Code = "IllegalVersioningConfigurationException"
	IncompleteBody             Code = "IncompleteBody"
	InternalError              Code = "InternalError"
	InvalidArgument            Code = "InvalidArgument"
	InvalidBucketName          Code = "InvalidBucketName"
	InvalidLocationConstraint  Code = "InvalidLocationConstraint"
	InvalidObjectName          Code = "InvalidObjectName"
	InvalidPart                Code = "InvalidPart"
	InvalidPartNumber          Code = "InvalidPartNumber"
	InvalidPartOrder           Code = "InvalidPartOrder"
	InvalidRange               Code = "InvalidRange"
	InvalidRequest             Code = "InvalidRequest"
	InvalidStorageClass        Code = "InvalidStorageClass"
	InvalidURI                 Code = "InvalidURI"
	KeyTooLong                 Code = "KeyTooLongError"
	MalformedXML               Code = "MalformedXML"
	MaxMessageLengthExceeded   Code = "MaxMessageLengthExceeded"
	MetadataTooLarge           Code = "MetadataTooLarge"
	MethodNotAllowed           Code = "MethodNotAllowed"
	MissingContentLength       Code = "MissingContentLength"
	NoSuchBucket               Code = "NoSuchBucket"
	NoSuchKey                  Code = "NoSuchKey"
	NoSuchUpload               Code = "NoSuchUpload"
	NoSuchVersion              Code = "NoSuchVersion"
	NotImplemented             Code = "NotImplemented"
	OperationAborted           Code = "OperationAborted"
	PreconditionFailed         Code = "PreconditionFailed"
	RequestTimeout             Code = "RequestTimeout"
	ServiceUnavailable         Code = "ServiceUnavailable"
	SlowDown                   Code = "SlowDown"
	StorageFull                Code = "XMinioStorageFull"
	NoSuchBucketPolicy         Code = "NoSuchBucketPolicy"
	NoSuchLifecycle            Code = "NoSuchLifecycleConfiguration"
	NoSuchCORS                 Code = "NoSuchCORSConfiguration"
	NoSuchTagSet               Code = "NoSuchTagSet"
	NoSuchWebsite              Code = "NoSuchWebsiteConfiguration"
	NoSuchPublicAccessBlock    Code = "NoSuchPublicAccessBlockConfiguration"
	NoSuchEncryption           Code = "ServerSideEncryptionConfigurationNotFoundError"
	NoSuchReplication          Code = "ReplicationConfigurationNotFoundError"
	NoSuchOwnershipControls    Code = "OwnershipControlsNotFoundError"
	NoSuchObjectLock           Code = "ObjectLockConfigurationNotFoundError"
	NoSuchObjectLockOfObject   Code = "NoSuchObjectLockConfiguration"
	notModified                Code = "NotModified" // has no body
	invalidDigest              Code = sigv4.CodeInvalidDigest
	invalidAccessKeyID         Code = sigv4.CodeInvalidAccessKeyID
	signatureDoesNotMatch      Code = sigv4.CodeMismatch
	requestTimeTooSkewed       Code = sigv4.CodeSkewed
	payloadMismatch            Code = sigv4.CodePayloadMismatch
	authorizationMalformed     Code = sigv4.CodeMalformedHeader
	authorizationQueryMistaken Code = sigv4.CodeMalformedQuery
	malformedTrailer           Code = sigv4.CodeMalformedTrailer
)

// table has the status and the text of each code, S3's own.
var table = map[Code]struct {
	status int
	text   string
}{
	AccessDenied:               {403, "Access Denied"},
	BadDigest:                  {400, "The Content-MD5 or checksum value that you specified did not match what the server received."},
	BucketAlreadyOwnedByYou:    {409, "The bucket that you tried to create already exists, and you own it."},
	BucketNotEmpty:             {409, "The bucket that you tried to delete is not empty."},
	EntityTooLarge:             {400, "Your proposed upload exceeds the maximum allowed object size."},
	EntityTooSmall:             {400, "Your proposed upload is smaller than the minimum allowed size."},
	IllegalVersioning:          {400, "The versioning configuration specified in the request is invalid."},
	IncompleteBody:             {400, "You did not provide the number of bytes specified by the Content-Length HTTP header."},
	InternalError:              {500, "An internal error occurred. Try again."},
	InvalidArgument:            {400, "Invalid Argument"},
	InvalidBucketName:          {400, "The specified bucket is not valid."},
	InvalidLocationConstraint:  {400, "The specified location (Region) constraint is not valid."},
	InvalidObjectName:          {400, "The object name contains characters or elements that are not supported."},
	InvalidPart:                {400, "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag."},
	InvalidPartNumber:          {416, "The requested partnumber is not satisfiable"},
	InvalidPartOrder:           {400, "The list of parts was not in ascending order. The parts list must be specified in order by part number."},
	InvalidRange:               {416, "The requested range is not satisfiable"},
	InvalidRequest:             {400, "Invalid Request"},
	InvalidStorageClass:        {400, "The storage class that you specified is not valid."},
	InvalidURI:                 {400, "The specified URI couldn't be parsed."},
	KeyTooLong:                 {400, "Your key is too long."},
	MalformedXML:               {400, "The XML that you provided was not well formed or did not validate against our published schema."},
	MaxMessageLengthExceeded:   {400, "Your request was too large."},
	MetadataTooLarge:           {400, "Your metadata headers exceed the maximum allowed metadata size."},
	MethodNotAllowed:           {405, "The specified method is not allowed against this resource."},
	MissingContentLength:       {411, "You must provide the Content-Length HTTP header."},
	NoSuchBucket:               {404, "The specified bucket does not exist."},
	NoSuchKey:                  {404, "The specified key does not exist."},
	NoSuchUpload:               {404, "The specified multipart upload does not exist. The upload ID might not be valid, or the multipart upload might have been aborted or completed."},
	NoSuchVersion:              {404, "The version ID specified in the request does not match an existing version."},
	NotImplemented:             {501, "A header or parameter that you provided implies functionality that is not implemented."},
	OperationAborted:           {409, "A conflicting conditional operation is currently in progress against this resource. Try again."},
	PreconditionFailed:         {412, "At least one of the preconditions that you specified did not hold."},
	RequestTimeout:             {400, "Your socket connection to the server was not read from or written to within the timeout period."},
	ServiceUnavailable:         {503, "Too few drives answer. Try again."},
	SlowDown:                   {429, "Please reduce your request rate."},
	StorageFull:                {507, "The drives have no space left. Remove objects, or add drives."},
	NoSuchBucketPolicy:         {404, "The bucket policy does not exist."},
	NoSuchLifecycle:            {404, "The lifecycle configuration does not exist."},
	NoSuchCORS:                 {404, "The CORS configuration does not exist."},
	NoSuchTagSet:               {404, "The TagSet does not exist."},
	NoSuchWebsite:              {404, "The specified bucket does not have a website configuration."},
	NoSuchPublicAccessBlock:    {404, "The public access block configuration was not found."},
	NoSuchEncryption:           {404, "The server-side encryption configuration was not found."},
	NoSuchReplication:          {404, "The replication configuration was not found."},
	NoSuchOwnershipControls:    {404, "The bucket ownership controls were not found."},
	NoSuchObjectLock:           {404, "Object Lock configuration does not exist for this bucket."},
	NoSuchObjectLockOfObject:   {404, "The specified object does not have an ObjectLock configuration."},
	notModified:                {304, "Not Modified"},
	invalidDigest:              {400, "The Content-MD5 or checksum value that you specified is not valid."},
	invalidAccessKeyID:         {403, "The access key ID that you provided does not exist in our records."},
	signatureDoesNotMatch:      {403, "The request signature that the server calculated does not match the signature that you provided."},
	requestTimeTooSkewed:       {403, "The difference between the request time and the server's time is too large."},
	payloadMismatch:            {400, "The provided x-amz-content-sha256 header does not match what was computed."},
	authorizationMalformed:     {400, "The authorization header that you provided is not valid."},
	authorizationQueryMistaken: {400, "The authorization query parameters that you provided are not valid."},
	malformedTrailer:           {400, "The trailing headers of the body are malformed."},
}

func (c Code) Error() string { return string(c) + ": " + table[c].text }

// Failure is a Code with a text of its own, and fields that S3 adds.
type Failure struct {
	Code    Code
	Message string
	Fields  []sigv4.Field
}

func (f *Failure) Error() string { return string(f.Code) + ": " + f.Message }

// Unwrap makes a Failure its Code.
func (f *Failure) Unwrap() error { return f.Code }

// invalid is InvalidArgument with what S3 says about the argument.
func invalid(name, value, message string) error {
	return &Failure{InvalidArgument, message, []sigv4.Field{{Name: "ArgumentName", Value: name}, {Name: "ArgumentValue", Value: value}}}
}

// failureOf gives an error its code. One without is an InternalError, whose text
// is for the log only.
func failureOf(err error) *Failure {
	var f *Failure
	var signature *sigv4.Error
	var code Code
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &signature):
		return &Failure{Code(signature.Code), signature.Message, signature.Fields}
	case errors.As(err, &f):
		return f
	case errors.As(err, &code):
		return &Failure{Code: code, Message: table[code].text}
	case errors.As(err, &tooLarge):
		return &Failure{Code: MaxMessageLengthExceeded, Message: table[MaxMessageLengthExceeded].text}
	case errors.Is(err, context.DeadlineExceeded):
		return &Failure{Code: ServiceUnavailable, Message: "The request took too long. Try again."}
	}
	return &Failure{Code: InternalError, Message: table[InternalError].text}
}

func (c Code) status() int {
	if row, ok := table[c]; ok {
		return row.status
	}
	return http.StatusBadRequest
}

// errorXML is how S3 says no.
type errorXML struct {
	XMLName   xml.Name `xml:"Error"`
	Code      Code
	Message   string
	Key       string `xml:",omitempty"`
	Bucket    string `xml:"BucketName,omitempty"`
	Resource  string
	Fields    []fieldXML `xml:",any"`
	RequestID string     `xml:"RequestId"`
	HostID    string     `xml:"HostId"`
}

type fieldXML struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

// fail answers with an error, if nothing has been answered yet.
func (c *call) fail(err error) {
	f := failureOf(err)
	c.code = f.Code
	header := http.Header{}
	if f.Code == SlowDown || f.Code == ServiceUnavailable {
		header.Set("Retry-After", strconv.Itoa(retrySeconds))
	}
	if f.Code == notModified || c.Method == http.MethodHead {
		c.begin(f.Code.status(), header)
		return
	}
	answer := errorXML{Code: f.Code, Message: f.Message, Key: c.key, Bucket: c.bucket, Resource: c.URL.Path, RequestID: c.id, HostID: hostID}
	for _, x := range f.Fields {
		answer.Fields = append(answer.Fields, fieldXML{xml.Name{Local: x.Name}, x.Value})
	}
	c.xml(f.Code.status(), header, answer)
}
