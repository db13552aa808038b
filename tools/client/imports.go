// Package client pins what a client imports that oapi-codegen generates from
// api/openapi.yaml. The tests of internal/httpapi generate and build one.
package client

import (
	_ "github.com/getkin/kin-openapi/openapi3"
	_ "github.com/labstack/echo/v4"
	_ "github.com/oapi-codegen/runtime"
	_ "go.yaml.in/yaml/v3"
)
