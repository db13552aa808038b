package manifests

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// A module is one that has schemas among its files. None of its code is compiled, so that
// it is no requirement of go.mod: version and sum are here. Git tags of the three are
// versions of the Go module proxy.
type module struct{ path, version, sum string }

// The modules. Of Kubernetes it is the oldest version that docs/deployment.md allows.
var (
	kubernetes = module{"sigs.k8s.io/kubectl-validate", "v0.0.4", "h1:tGKuv0awYHn11Cb6KPsZKxUmHgavF46K3NvVH0Nse9U="}
	keda       = module{"github.com/kedacore/keda/v2", "v2.17.2", "h1:xlrcK5TKABJF9PebK79sgL07s/csGjL3H4m72OkZXxk="}
	prometheus = module{"github.com/prometheus-operator/prometheus-operator", "v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s="}
)

const (
	builtins    = "pkg/openapiclient/builtins/1.30"
	kedaCRDs    = "config/crd/bases/keda.sh_*.yaml"
	monitorCRDs = "example/prometheus-operator-crd/monitoring.coreos.com_*monitors.yaml"
)

// dir downloads the module, unless it is in the module cache, and returns where it is.
func (m module) dir(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", m.path+"@"+m.version)
	cmd.Dir = os.TempDir() // outside of any module: go.mod and go.sum stay as they are
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("go mod download %s@%s: %w: %s", m.path, m.version, err, out)
	}
	var got struct{ Dir, Sum string }
	if err := json.Unmarshal(out, &got); err != nil {
		return "", fmt.Errorf("go mod download %s: %w", m.path, err)
	}
	if got.Sum != m.sum {
		return "", fmt.Errorf("%s@%s has the sum %s, want %s", m.path, m.version, got.Sum, m.sum)
	}
	return got.Dir, nil
}

// kind names a schema.
type kind struct{ group, version, kind string }

// Schemas are those of the kinds of Kubernetes and of the operators.
type Schemas struct {
	compiler *jsonschema.Compiler
	places   map[kind]string
}

// Load reads all schemas.
func Load(ctx context.Context) (*Schemas, error) {
	s := &Schemas{compiler: jsonschema.NewCompiler(), places: make(map[kind]string)}
	s.compiler.DefaultDraft(jsonschema.Draft4) // that of OpenAPI 3.0
	dir, err := kubernetes.dir(ctx)
	if err != nil {
		return nil, err
	}
	for _, pattern := range []string{"api/*.json", "apis/*/*.json"} {
		if err := each(filepath.Join(dir, builtins, pattern), s.addBuiltins); err != nil {
			return nil, err
		}
	}
	for _, operator := range []struct {
		module
		crds string
	}{{keda, kedaCRDs}, {prometheus, monitorCRDs}} {
		if dir, err = operator.dir(ctx); err != nil {
			return nil, err
		}
		if err := each(filepath.Join(dir, operator.crds), s.addCRD); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// each calls add with each file of a pattern, of which there is one at least.
func each(pattern string, add func(file string, text []byte) error) error {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no schemas: %s: %w", pattern, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read schemas: %w", err)
		}
		if err := add(file, text); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// names of schemas, and of a key of CRDs and of OpenAPI documents.
const (
	objectMeta   = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
	inDocument   = "#/components/schemas/"
	kindsKey     = "x-kubernetes-group-version-kind"
	preservedKey = "x-kubernetes-preserve-unknown-fields"
)

// addBuiltins adds the schemas of an API group, an OpenAPI document.
func (s *Schemas) addBuiltins(file string, text []byte) error {
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	components, _ := document["components"].(map[string]any)
	all, _ := components["schemas"].(map[string]any)
	for name, schema := range all {
		refuseUnknown(schema)
		object, _ := schema.(map[string]any)
		kinds, _ := object[kindsKey].([]any)
		for _, one := range kinds {
			named, _ := one.(map[string]any)
			k := kind{}
			k.group, _ = named["group"].(string)
			k.version, _ = named["version"].(string)
			k.kind, _ = named["kind"].(string)
			s.places[k] = file + inDocument + name
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("no schemas below components.schemas")
	}
	return s.compiler.AddResource(file, document)
}

// addCRD adds the schemas of a custom resource.
func (s *Schemas) addCRD(file string, text []byte) error {
	var crd struct {
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPI map[string]any `yaml:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	meta := s.places[kind{"", "v1", "Pod"}] // in the document that has the metadata of all
	document := map[string]any{}
	for _, version := range crd.Spec.Versions {
		schema := maps.Clone(version.Schema.OpenAPI)
		properties, _ := schema["properties"].(map[string]any)
		if len(properties) == 0 {
			return fmt.Errorf("version %s has no properties", version.Name)
		}
		refuseUnknown(schema)
		properties["metadata"] = map[string]any{"$ref": fileOf(meta) + inDocument + objectMeta}
		document[version.Name] = schema
		s.places[kind{crd.Spec.Group, version.Name, crd.Spec.Names.Kind}] = file + "#/" + version.Name
	}
	return s.compiler.AddResource(file, document)
}

// refuseUnknown closes a schema and those inside: what a server would drop, or refuse
// with --validate=strict, is a fault. Parts of a schema below allOf and the like are no
// lists of all properties, and stay open.
func refuseUnknown(schema any) {
	object, found := schema.(map[string]any)
	if !found {
		return
	}
	properties, _ := object["properties"].(map[string]any)
	_, additional := object["additionalProperties"]
	preserved, _ := object[preservedKey].(bool)
	if len(properties) > 0 && !additional && !preserved {
		object["additionalProperties"] = false
	}
	for _, property := range properties {
		refuseUnknown(property)
	}
	refuseUnknown(object["items"])
	refuseUnknown(object["additionalProperties"])
}
