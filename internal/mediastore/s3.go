package mediastore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Blobs keeps blobs in a bucket of an S3-compatible store.
type S3Blobs struct {
	client    *minio.Client
	transport *http.Transport
	bucket    string
	prefix    string
}

// S3Options name a bucket. Without keys they come from the environment variables,
// files and instance roles of the AWS tools.
type S3Options struct {
	// URL is s3://bucket/prefix?endpoint=&region=; an endpoint without a scheme is
	// reached over TLS.
	URL         *url.URL
	AccessKeyID string
	SecretKey   string
}

const awsEndpoint = "s3.amazonaws.com"

// NewS3Blobs makes S3Blobs. It does not connect.
func NewS3Blobs(o S3Options) (*S3Blobs, error) {
	query := o.URL.Query()
	endpoint, secure := awsEndpoint, true
	if given := query.Get("endpoint"); given != "" {
		rest, plain := strings.CutPrefix(given, "http://")
		endpoint, secure = strings.TrimSuffix(strings.TrimPrefix(rest, "https://"), "/"), !plain
	}
	keys := credentials.NewChainCredentials([]credentials.Provider{
		&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
	})
	if o.AccessKeyID != "" {
		keys = credentials.NewStaticV4(o.AccessKeyID, o.SecretKey, "")
	}
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, fmt.Errorf("media bucket: %w", err)
	}
	client, err := minio.New(endpoint, &minio.Options{
		Creds: keys, Secure: secure, Region: query.Get("region"), Transport: transport, MaxRetries: s3Tries,
	})
	if err != nil {
		return nil, fmt.Errorf("media bucket: %w", err)
	}
	return &S3Blobs{client: client, transport: transport, bucket: o.URL.Host, prefix: strings.Trim(o.URL.Path, "/")}, nil
}

// Close closes idle connections.
func (s *S3Blobs) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}

// s3Tries is how often the client makes a request: messages that need the bucket
// come again by themselves.
const s3Tries = 3

func (s *S3Blobs) key(name string) string { return path.Join(s.prefix, name) }

// Put implements Blobs.
func (s *S3Blobs) Put(ctx context.Context, name string, data []byte) error {
	_, err := s.client.PutObject(ctx, s.bucket, s.key(name), bytes.NewReader(data), int64(len(data)),
		minio.PutObjectOptions{DisableMultipart: true})
	return bucketError("write", err)
}

// Get implements Blobs.
func (s *S3Blobs) Get(ctx context.Context, name string) ([]byte, error) {
	object, err := s.client.GetObject(ctx, s.bucket, s.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, bucketError("read", err)
	}
	defer object.Close()
	data, err := io.ReadAll(object)
	if err != nil {
		return nil, bucketError("read", err)
	}
	return data, nil
}

// Delete implements Blobs.
func (s *S3Blobs) Delete(ctx context.Context, name string) error {
	return bucketError("delete", s.client.RemoveObject(ctx, s.bucket, s.key(name), minio.RemoveObjectOptions{}))
}

// bucketError keeps the code of an answer and nothing of its text, which may name
// the bucket and the key.
func bucketError(doing string, err error) error {
	if err == nil {
		return nil
	}
	if answer, ok := errors.AsType[minio.ErrorResponse](err); ok {
		if answer.Code == minio.NoSuchKey {
			return ErrNotFound
		}
		return fmt.Errorf("%s: %w: %s", doing, ErrBlobs, answer.Code)
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrBlobs, err)
}
