package s3_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/stretchr/testify/require"
)

func minioClient(t testing.TB, s *server, trailing bool) *minio.Client {
	c, err := minio.New(s.addr, &minio.Options{Creds: credentials.NewStaticV4(accessKey, secretKey, ""), TrailingHeaders: trailing})
	require.NoError(t, err)
	return c
}

// Sizes around a block, and one that is uploaded in parts.
var sizes = []int{0, 1, 1000, 1<<20 - 1, 1 << 20, 1<<20 + 1, 20 << 20}

func TestMinioGoStoresAndReads(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	for _, trailing := range []bool{false, true} {
		c := minioClient(t, s, trailing)
		bucket := fmt.Sprintf("minio-%t", trailing)
		require.NoError(t, c.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}))
		for i, size := range sizes {
			data := content(uint64(size), size)
			name := fmt.Sprintf("dir/ä %d+&", size)
			options := minio.PutObjectOptions{ContentType: "text/plain", UserMetadata: map[string]string{"Colour": "grey"},
				PartSize: 5 << 20, SendContentMd5: i%2 == 0 && !trailing}
			if trailing {
				options.Checksum = []minio.ChecksumType{minio.ChecksumCRC32, minio.ChecksumCRC32C, minio.ChecksumCRC64NVME, minio.ChecksumSHA1, minio.ChecksumSHA256}[i%5]
			}
			put, err := c.PutObject(ctx, bucket, name, bytes.NewReader(data), int64(size), options)
			require.NoError(t, err, "%d bytes, trailing %t", size, trailing)
			o, err := c.GetObject(ctx, bucket, name, minio.GetObjectOptions{})
			require.NoError(t, err)
			got, err := io.ReadAll(o)
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got), "%d bytes came back as others", size)
			info, err := o.Stat()
			require.NoError(t, err)
			require.Equal(t, put.ETag, info.ETag)
			require.Equal(t, "grey", info.UserMetadata["Colour"])
			require.Equal(t, "text/plain", info.ContentType)
			if size > 1000 {
				some := make([]byte, 100)
				_, err = o.ReadAt(some, int64(size/2))
				require.NoError(t, err)
				require.Equal(t, data[size/2:size/2+100], some)
			}
			require.NoError(t, o.Close())
		}
		var names []string
		for o := range c.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
			require.NoError(t, o.Err)
			names = append(names, o.Key)
		}
		require.Len(t, names, len(sizes))
		require.True(t, slices.IsSorted(names))
		var top []string
		for o := range c.ListObjects(ctx, bucket, minio.ListObjectsOptions{UseV1: trailing}) {
			top = append(top, o.Key)
		}
		require.Equal(t, []string{"dir/"}, top)
		for e := range c.RemoveObjects(ctx, bucket, c.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}), minio.RemoveObjectsOptions{}) {
			require.NoError(t, e.Err)
		}
		require.NoError(t, c.RemoveBucket(ctx, bucket))
	}
}

func TestMinioGoVersionsConditionsAndCopies(t *testing.T) {
	s := start(t)
	ctx, c := t.Context(), minioClient(t, s, false)
	require.NoError(t, c.MakeBucket(ctx, "pets", minio.MakeBucketOptions{}))
	require.NoError(t, c.EnableVersioning(ctx, "pets"))
	put := func(body string, o minio.PutObjectOptions) (minio.UploadInfo, error) {
		return c.PutObject(ctx, "pets", "tom", bytes.NewReader([]byte(body)), int64(len(body)), o)
	}
	one, err := put("one", minio.PutObjectOptions{})
	require.NoError(t, err)
	var once minio.PutObjectOptions
	once.SetMatchETagExcept("*")
	_, err = put("two", once)
	require.Equal(t, "PreconditionFailed", minio.ToErrorResponse(err).Code)
	var same minio.PutObjectOptions
	same.SetMatchETag(one.ETag)
	two, err := put("two", same)
	require.NoError(t, err)
	require.NotEqual(t, one.VersionID, two.VersionID)
	require.NoError(t, c.RemoveObject(ctx, "pets", "tom", minio.RemoveObjectOptions{}))
	_, err = c.StatObject(ctx, "pets", "tom", minio.StatObjectOptions{})
	require.Equal(t, "NoSuchKey", minio.ToErrorResponse(err).Code)
	var seen []string
	for v := range c.ListObjects(ctx, "pets", minio.ListObjectsOptions{WithVersions: true}) {
		require.NoError(t, v.Err)
		seen = append(seen, fmt.Sprint(v.VersionID == one.VersionID, v.VersionID == two.VersionID, v.IsDeleteMarker, v.IsLatest))
	}
	require.Equal(t, []string{"false false true true", "false true false false", "true false false false"}, seen)

	_, err = c.CopyObject(ctx, minio.CopyDestOptions{Bucket: "pets", Object: "tom", UserMetadata: map[string]string{"From": "one"}, ReplaceMetadata: true},
		minio.CopySrcOptions{Bucket: "pets", Object: "tom", VersionID: one.VersionID})
	require.NoError(t, err)
	info, err := c.StatObject(ctx, "pets", "tom", minio.StatObjectOptions{})
	require.NoError(t, err)
	require.Equal(t, "one", info.UserMetadata["From"])

	// Made of parts of others, on the server.
	big := content(1, 6<<20)
	_, err = c.PutObject(ctx, "pets", "big", bytes.NewReader(big), int64(len(big)), minio.PutObjectOptions{DisableMultipart: true})
	require.NoError(t, err)
	_, err = c.ComposeObject(ctx, minio.CopyDestOptions{Bucket: "pets", Object: "both"},
		minio.CopySrcOptions{Bucket: "pets", Object: "big"}, minio.CopySrcOptions{Bucket: "pets", Object: "big", MatchRange: true, Start: 1, End: 1000})
	require.NoError(t, err)
	o, err := c.GetObject(ctx, "pets", "both", minio.GetObjectOptions{})
	require.NoError(t, err)
	got, err := io.ReadAll(o)
	require.NoError(t, err)
	require.True(t, bytes.Equal(append(bytes.Clone(big), big[1:1001]...), got))
}

func TestMinioGoPresigns(t *testing.T) {
	s := start(t)
	ctx, c := t.Context(), minioClient(t, s, false)
	require.NoError(t, c.MakeBucket(ctx, "pets", minio.MakeBucketOptions{}))
	u, err := c.PresignedPutObject(ctx, "pets", "a b/+c", time.Minute)
	require.NoError(t, err)
	r, err := http.NewRequest(http.MethodPut, u.String(), bytes.NewReader([]byte("meow")))
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, 200, answer.StatusCode)
	u, err = c.PresignedGetObject(ctx, "pets", "a b/+c", time.Minute, url.Values{"response-content-type": {"image/png"}})
	require.NoError(t, err)
	status, body := plainGet(t, u.String())
	require.Equal(t, "200 meow", fmt.Sprintf("%d %s", status, body))
	status, body = plainGet(t, u.String()+"0")
	require.Equal(t, 403, status)
	require.Contains(t, string(body), "SignatureDoesNotMatch")
}
