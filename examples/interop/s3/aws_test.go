package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"
)

// awsClient is the SDK with the defaults of its configuration: checksums of all
// that is sent, and compared with all that comes.
func awsClient(s *server, change ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: aws.String("http://" + s.addr), UsePathStyle: true,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenSupported,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")}, change...)
}

func TestAWSStoresAndReadsWithChecksums(t *testing.T) {
	s := start(t)
	ctx, c := t.Context(), awsClient(s)
	bucket := aws.String("pets")
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	require.NoError(t, err)
	for _, algorithm := range append([]types.ChecksumAlgorithm{""}, types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c,
		types.ChecksumAlgorithmCrc64nvme, types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256) {
		data := content(7, 300_000)
		key := aws.String("cats/" + string(algorithm) + "!")
		put, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(data), ChecksumAlgorithm: algorithm,
			Metadata: map[string]string{"colour": "grey"}})
		require.NoError(t, err, algorithm)
		got, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled})
		require.NoError(t, err, algorithm)
		body, err := io.ReadAll(got.Body)
		require.NoError(t, err, algorithm)
		require.True(t, bytes.Equal(data, body))
		require.Equal(t, put.ETag, got.ETag)
		require.Equal(t, "grey", got.Metadata["colour"])
		sums := func(crc32, crc32c, crc64, sha1, sha256 *string) string {
			return aws.ToString(crc32) + aws.ToString(crc32c) + aws.ToString(crc64) + aws.ToString(sha1) + aws.ToString(sha256)
		}
		sum := sums(put.ChecksumCRC32, put.ChecksumCRC32C, put.ChecksumCRC64NVME, put.ChecksumSHA1, put.ChecksumSHA256)
		require.NotEmpty(t, sum, "the SDK sends one by default: %q", algorithm)
		require.Equal(t, sum, sums(got.ChecksumCRC32, got.ChecksumCRC32C, got.ChecksumCRC64NVME, got.ChecksumSHA1, got.ChecksumSHA256))
		part, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key, Range: aws.String("bytes=-10")})
		require.NoError(t, err)
		body, err = io.ReadAll(part.Body)
		require.NoError(t, err)
		require.Equal(t, data[len(data)-10:], body)
	}
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("none")})
	var noKey *types.NoSuchKey
	require.ErrorAs(t, err, &noKey)
	_, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("none")})
	var notFound *types.NotFound
	require.ErrorAs(t, err, &notFound)
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("cats/!"), Body: bytes.NewReader(nil), IfNoneMatch: aws.String("*")})
	var api smithy.APIError
	require.True(t, errors.As(err, &api) && api.ErrorCode() == "PreconditionFailed", "%v", err)
}

func TestAWSUploadsAndDownloadsInParts(t *testing.T) {
	s := start(t)
	ctx, c := t.Context(), awsClient(s)
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("pets")})
	require.NoError(t, err)
	data := content(3, 17<<20+5)
	parts := transfermanager.New(c)
	_, err = parts.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: aws.String("pets"), Key: aws.String("large"), Body: bytes.NewReader(data)})
	require.NoError(t, err)
	into, err := os.Create(filepath.Join(t.TempDir(), "large"))
	require.NoError(t, err)
	defer into.Close()
	_, err = parts.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: aws.String("pets"), Key: aws.String("large"), WriterAt: into})
	require.NoError(t, err)
	got, err := os.ReadFile(into.Name())
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))

	upload, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String("pets"), Key: aws.String("left")})
	require.NoError(t, err)
	list, err := c.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: aws.String("pets")})
	require.NoError(t, err)
	require.Len(t, list.Uploads, 1)
	_, err = c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: aws.String("pets"), Key: aws.String("left"), UploadId: upload.UploadId})
	require.NoError(t, err)
}

func TestAWSListsPagesAndDeletes(t *testing.T) {
	s := start(t)
	ctx, c := t.Context(), awsClient(s)
	bucket := aws.String("pets")
	_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	require.NoError(t, err)
	var all []types.ObjectIdentifier
	for i := range 25 {
		key := aws.String(fmt.Sprintf("dir %02d/key", i))
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader([]byte("x"))})
		require.NoError(t, err)
		all = append(all, types.ObjectIdentifier{Key: key})
	}
	prefixes := 0
	for pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: bucket, Delimiter: aws.String("/"), MaxKeys: aws.Int32(4), EncodingType: types.EncodingTypeUrl}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		require.NoError(t, err)
		prefixes += len(page.CommonPrefixes)
	}
	require.Equal(t, 25, prefixes)
	deleted, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: all}})
	require.NoError(t, err)
	require.Len(t, deleted.Deleted, 25)
	_, err = c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	require.NoError(t, err)
}

// The SDK's default: the bucket is in the host.
func TestAWSFindsBucketsByHost(t *testing.T) {
	s := start(t, "--domains", "s3.test")
	ctx := t.Context()
	_, port, err := net.SplitHostPort(s.addr)
	require.NoError(t, err)
	loopback := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, s.addr)
	}}}
	c := awsClient(s, func(o *s3.Options) {
		o.UsePathStyle, o.HTTPClient, o.BaseEndpoint = false, loopback, aws.String("http://s3.test:"+port)
	})
	_, err = c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("pets")})
	require.NoError(t, err)
	_, err = c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("pets"), Key: aws.String("tom"), Body: bytes.NewReader([]byte("meow"))})
	require.NoError(t, err)
	got, err := awsClient(s).GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("pets"), Key: aws.String("tom")})
	require.NoError(t, err)
	body, err := io.ReadAll(got.Body)
	require.NoError(t, err)
	require.Equal(t, "meow", string(body))
	u, err := s3.NewPresignClient(awsClient(s)).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("pets"), Key: aws.String("tom")}, s3.WithPresignExpires(time.Minute))
	require.NoError(t, err)
	status, body := plainGet(t, u.URL)
	require.Equal(t, "200 meow", fmt.Sprintf("%d %s", status, body))
}
