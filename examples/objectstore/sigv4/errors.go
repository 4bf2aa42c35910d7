package sigv4

import "fmt"

// S3's codes for what this package refuses.
const (
	CodeAccessDenied       = "AccessDenied"
	CodeInvalidAccessKeyID = "InvalidAccessKeyId"
	CodeMismatch           = "SignatureDoesNotMatch"
	CodeSkewed             = "RequestTimeTooSkewed"
	CodeMalformedHeader    = "AuthorizationHeaderMalformed"
	CodeMalformedQuery     = "AuthorizationQueryParametersError"
	CodeInvalidRequest     = "InvalidRequest"
	CodeInvalidURI         = "InvalidURI"
	CodeMissingLength      = "MissingContentLength"
	CodeInvalidDigest      = "InvalidDigest"
	CodePayloadMismatch    = "XAmzContentSHA256Mismatch"
	CodeBadDigest          = "BadDigest"
	CodeIncompleteBody     = "IncompleteBody"
	CodeMalformedTrailer   = "MalformedTrailerError"
)

// Error is a refusal in S3's vocabulary.
type Error struct {
	// Code is one of S3's, such as SignatureDoesNotMatch.
	Code string
	// Message is for people.
	Message string
	// Fields are what S3 adds to the answer: with SignatureDoesNotMatch what the
	// server signed, so that the client can be compared with it.
	Fields []Field
}

// Field is a name and a value of an error's answer.
type Field struct{ Name, Value string }

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func refuse(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
