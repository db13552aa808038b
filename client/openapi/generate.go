package openapi //nolint:revive // the generated file has the comment of the package

// The types and the requests are those of the document; the package client has the
// retries and the errors.
//go:generate go tool -modfile=../../tools/go.mod oapi-codegen -config config.yaml ../../api/openapi.yaml
