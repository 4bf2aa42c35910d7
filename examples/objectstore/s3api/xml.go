package s3api

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// maxXML bounds a request in XML: 10,000 parts, or 1,000 keys of 1,024 bytes, with
// room to spare.
const maxXML = 8 << 20

// xml answers with a message.
func (c *call) xml(status int, header http.Header, message any) {
	text, err := xml.Marshal(message)
	if err != nil { // no message of ours can fail
		c.server.Logger.Error("an answer cannot be written as XML", "id", c.id, "err", err)
		c.begin(http.StatusInternalServerError, nil)
		return
	}
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Type", "application/xml")
	header.Set("Content-Length", strconv.Itoa(len(xml.Header)+len(text)))
	c.begin(status, header)
	io.WriteString(c, xml.Header) // the client is gone, if these fail
	c.Write(text)
}

// readXML reads a message, whose end was verified. It returns io.EOF for an
// empty body.
func (c *call) readXML(message any) error {
	text, err := io.ReadAll(io.LimitReader(c.signed.Body, maxXML+1))
	switch {
	case err != nil:
		return err
	case len(text) > maxXML:
		return MaxMessageLengthExceeded
	case len(text) == 0:
		return io.EOF
	}
	if err := xml.Unmarshal(text, message); err != nil {
		return MalformedXML
	}
	return nil
}

// requireXML is readXML of a body that must not be empty.
func (c *call) requireXML(message any) error {
	err := c.readXML(message)
	if errors.Is(err, io.EOF) {
		return MalformedXML
	}
	return err
}
