// Package openapi is the client that oapi-codegen generates from api/openapi.yaml:
// the types of the API, and a method for each operation that sends one request.
// The package client builds on it, and has retries and typed errors.
package openapi

//go:generate go tool -modfile=../../tools/go.mod oapi-codegen -config config.yaml ../../api/openapi.yaml
