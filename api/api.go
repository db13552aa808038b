// Package api holds the description of the public HTTP API.
package api

import _ "embed" // for the document

// OpenAPI is the OpenAPI 3.1 document, in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
