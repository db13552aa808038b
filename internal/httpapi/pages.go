package httpapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/labstack/echo/v4"
	"go.yaml.in/yaml/v4"

	apidoc "mmsdispatch/api"
)

//go:embed docs.html
var docsPage []byte

// pages are the API description as YAML, JSON and HTML.
type pages struct {
	document []byte // openapi.json
	policy   string // Content-Security-Policy of the HTML page
}

func newPages() (*pages, error) {
	document, err := yamlToJSON(apidoc.OpenAPI)
	if err != nil {
		return nil, fmt.Errorf("openapi.yaml: %w", err)
	}
	policy := "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:" +
		"; script-src " + hashes(docsPage, "script") + "; style-src " + hashes(docsPage, "style")
	return &pages{document: document, policy: policy}, nil
}

// hashes allows the one inline element of a kind that the page has, and no
// injected one.
func hashes(page []byte, element string) string {
	inner := regexp.MustCompile(`(?s)<` + element + `>(.*?)</` + element + `>`).FindSubmatch(page)
	if inner == nil {
		return "'none'"
	}
	hash := sha256.Sum256(inner[1])
	return "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
}

func (p *pages) yaml(c echo.Context) error {
	writeBytes(c, http.StatusOK, "application/yaml", apidoc.OpenAPI)
	return nil
}

func (p *pages) json(c echo.Context) error {
	writeBytes(c, http.StatusOK, echo.MIMEApplicationJSON, p.document)
	return nil
}

func (p *pages) docs(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderContentSecurityPolicy, p.policy)
	writeBytes(c, http.StatusOK, echo.MIMETextHTMLCharsetUTF8, docsPage)
	return nil
}

// yamlToJSON converts the document and keeps the order of its members.
func yamlToJSON(document []byte) ([]byte, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(document, &root); err != nil {
		return nil, fmt.Errorf("read YAML: %w", err)
	}
	var out bytes.Buffer
	if err := writeNode(jsontext.NewEncoder(&out), &root); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

var errYAML = errors.New("a YAML node that JSON does not have")

func writeNode(enc *jsontext.Encoder, n *yaml.Node) error {
	switch n.Kind {
	case yaml.DocumentNode:
		return writeNode(enc, n.Content[0])
	case yaml.MappingNode:
		return writeNodes(enc, jsontext.BeginObject, n.Content, jsontext.EndObject)
	case yaml.SequenceNode:
		return writeNodes(enc, jsontext.BeginArray, n.Content, jsontext.EndArray)
	case yaml.ScalarNode:
		return writeScalar(enc, n)
	default:
		return errYAML
	}
}

func writeNodes(enc *jsontext.Encoder, begin jsontext.Token, nodes []*yaml.Node, end jsontext.Token) error {
	if err := enc.WriteToken(begin); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	for i, n := range nodes {
		if isName := begin.Kind() == jsontext.KindBeginObject && i%2 == 0; isName {
			n = &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: n.Value} // such as the status 200
		}
		if err := writeNode(enc, n); err != nil {
			return err
		}
	}
	if err := enc.WriteToken(end); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

func writeScalar(enc *jsontext.Encoder, n *yaml.Node) error {
	value := jsontext.Value(n.Value) // numbers, true, false and null have the same form in both
	if n.ShortTag() == "!!str" {
		quoted, err := jsontext.AppendQuote(nil, n.Value)
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		value = quoted
	}
	if err := enc.WriteValue(value); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
