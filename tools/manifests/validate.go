// Package manifests checks Kubernetes manifests against the schemas of Kubernetes and of
// the operators whose resources they use, without a cluster. Fields that a schema does not
// know are faults.
//
// kubectl-validate does the same; it would compile for minutes here, where the whole check
// of a commit has 25. Its schemas are used.
package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

func fileOf(place string) string {
	file, _, _ := strings.Cut(place, "#")
	return file
}

// ValidateFile checks all documents of a file, and returns how many there are.
func (s *Schemas) ValidateFile(file string) (documents int, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("read manifest: %w", err)
	}
	documents, err = s.Validate(text)
	if err != nil {
		return documents, fmt.Errorf("%s: %w", file, err)
	}
	return documents, nil
}

// Validate checks all documents of a text, and returns how many there are. The error
// joins those of all documents.
func (s *Schemas) Validate(text []byte) (documents int, err error) {
	var faults []error
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; documents++ {
		var document map[string]any
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return documents, errors.Join(faults...)
		}
		if err != nil { // the decoder cannot go on behind it
			return documents, errors.Join(append(faults, fmt.Errorf("decode: %w", err))...)
		}
		if err := s.validate(document); err != nil {
			faults = append(faults, err)
		}
	}
}

// validate checks a document.
func (s *Schemas) validate(document map[string]any) error {
	k := kind{}
	version, _ := document["apiVersion"].(string)
	k.kind, _ = document["kind"].(string)
	k.version = version
	if group, rest, found := strings.Cut(version, "/"); found {
		k.group, k.version = group, rest
	}
	metadata, _ := document["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	place, found := s.places[k]
	if !found {
		return fmt.Errorf("there is no %s of %s", k.kind, version)
	}
	if name == "" {
		return fmt.Errorf("a %s has no name", k.kind)
	}
	schema, err := s.compiler.Compile(place)
	if err != nil {
		return fmt.Errorf("schema of %s: %w", k.kind, err)
	}
	if err := schema.Validate(document); err != nil {
		return fmt.Errorf("%s %s: %w", k.kind, name, err)
	}
	return nil
}
