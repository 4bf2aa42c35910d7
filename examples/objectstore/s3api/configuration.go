package s3api

import (
	"encoding/xml"
	"net/http"
)

// What clients ask of buckets and objects that have no such configuration here.
// To read it is answered as S3 does when nothing is configured, to remove it is
// done already, to set it is refused.

// absent are the codes of what is not configured; configurations without a code
// are in empty.
var absent = map[level]map[string]Code{
	bucket: {
		"policy": NoSuchBucketPolicy, "policyStatus": NoSuchBucketPolicy, "lifecycle": NoSuchLifecycle, "cors": NoSuchCORS,
		"tagging": NoSuchTagSet, "website": NoSuchWebsite, "publicAccessBlock": NoSuchPublicAccessBlock,
		"encryption": NoSuchEncryption, "replication": NoSuchReplication, "ownershipControls": NoSuchOwnershipControls,
		"object-lock": NoSuchObjectLock,
	},
	object: {"retention": NoSuchObjectLockOfObject, "legal-hold": NoSuchObjectLockOfObject},
}

// empty are configurations that S3 answers with an element without content.
var empty = map[level]map[string]emptyXML{
	bucket: {
		"accelerate":     element("AccelerateConfiguration", ""),
		"logging":        element("BucketLoggingStatus", ""),
		"notification":   element("NotificationConfiguration", ""),
		"requestPayment": element("RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"),
	},
	object: {"tagging": element("Tagging", "<TagSet></TagSet>")},
}

func element(name, content string) emptyXML {
	return emptyXML{XMLName: xml.Name{Local: name}, NS: namespace, Content: content}
}

// configuration finds the answer about a sub-resource that is no operation.
func (c *call) configuration(sub string) (name string, handle func(*call) error, err error) {
	level := c.level()
	code, isAbsent := absent[level][sub]
	message, isEmpty := empty[level][sub]
	isACL := sub == "acl" && level != service
	if !isAbsent && !isEmpty && !isACL {
		return "", nil, NotImplemented
	}
	switch c.Method {
	case http.MethodGet:
		return "GetConfiguration", func(c *call) error {
			if err := c.exists(); err != nil || isAbsent {
				if err == nil {
					err = code
				}
				return err
			}
			if isACL {
				c.xml(http.StatusOK, nil, ownerMayAll())
			} else {
				c.xml(http.StatusOK, nil, message)
			}
			return nil
		}, nil
	case http.MethodDelete:
		return "DeleteConfiguration", func(c *call) error {
			if err := c.exists(); err != nil {
				return err
			}
			c.begin(http.StatusNoContent, nil)
			return nil
		}, nil
	}
	return "", nil, NotImplemented
}

// exists refuses what is asked about nothing.
func (c *call) exists() error {
	if c.level() == bucket {
		_, err := c.server.Store.Bucket(c.Context(), c.bucket)
		return err
	}
	o, err := c.server.Store.Stat(c.Context(), c.bucket, c.key, c.query.Get("versionId"))
	if err == nil && o.DeleteMarker {
		return NoSuchKey
	}
	return err
}

func ownerMayAll() accessControlXML {
	return accessControlXML{Owner: theOwner(), Grants: []grantXML{{
		Grantee: granteeXML{XSI: "http://www.w3.org/2001/XMLSchema-instance", Type: "CanonicalUser",
			ID: theOwner().ID, DisplayName: theOwner().DisplayName},
		Permission: "FULL_CONTROL"}}}
}
