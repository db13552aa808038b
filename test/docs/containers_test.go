package docs_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// TestContainersAreLockedDown: in compose and in Kubernetes the programs run from an
// image without a shell, not as root, on a read-only root and without capabilities.
func TestContainersAreLockedDown(t *testing.T) {
	t.Parallel()
	image := page(t, "../../deploy/Dockerfile")
	last := image[strings.LastIndex(image, "\nFROM "):]
	for _, wanted := range []string{"FROM ${BASE_IMAGE}", "USER 65532:65532", `CMD ["/api"]`} {
		if !strings.Contains(last, wanted) {
			t.Errorf("the image lacks %s", wanted)
		}
	}
	if !regexp.MustCompile(`(?m)^ARG BASE_IMAGE=gcr\.io/distroless/static-debian12:nonroot@sha256:[0-9a-f]{64}$`).MatchString(image) {
		t.Error("the base of the image is another one, or not pinned: has it a shell?")
	}

	var compose struct {
		Services map[string]struct {
			Image       string
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
			SecurityOpt []string `yaml:"security_opt"`
		}
	}
	parse(t, "../../docker-compose.yml", &compose)
	ours := 0
	for name, s := range compose.Services {
		if !strings.Contains(s.Image, "mmsdispatch") {
			continue
		}
		ours++
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("compose: %s is not locked down: %+v", name, s)
		}
	}
	if ours != 4 { // api, worker, migrate and simulator
		t.Errorf("compose has %d services of ours", ours)
	}
	for _, manifest := range []string{"api", "worker", "migrate"} {
		wantLockedPod(t, "../../deploy/kubernetes/"+manifest+".yaml")
	}
}

// TestImageIsBuiltWithTheGoOfTheModule: the image that builds the programs is pinned,
// and has the Go version of go.mod, with which a build is reproducible.
func TestImageIsBuiltWithTheGoOfTheModule(t *testing.T) {
	t.Parallel()
	module := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(page(t, "../../go.mod"))
	image := regexp.MustCompile(`(?m)^ARG GO_IMAGE=golang:([0-9.]+)\S*@sha256:[0-9a-f]{64}$`).FindStringSubmatch(page(t, "../../deploy/Dockerfile"))
	if module == nil || image == nil || module[1] != image[1] {
		t.Errorf("go.mod has %v, the Dockerfile %v", module, image)
	}
}

// wantLockedPod checks the pod of the first document of a manifest.
func wantLockedPod(t *testing.T, path string) {
	t.Helper()
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Token    *bool `yaml:"automountServiceAccountToken"`
					Security struct {
						NonRoot bool                  `yaml:"runAsNonRoot"`
						Seccomp struct{ Type string } `yaml:"seccompProfile"`
					} `yaml:"securityContext"`
					Containers []struct {
						Security struct {
							Escalation   *bool `yaml:"allowPrivilegeEscalation"`
							ReadOnlyRoot bool  `yaml:"readOnlyRootFilesystem"`
							Capabilities struct{ Drop []string }
						} `yaml:"securityContext"`
					}
				}
			}
		}
	}
	parse(t, path, &deployment)
	pod := deployment.Spec.Template.Spec
	if pod.Token == nil || *pod.Token || !pod.Security.NonRoot || pod.Security.Seccomp.Type != "RuntimeDefault" || len(pod.Containers) == 0 {
		t.Errorf("%s: %+v", path, pod)
	}
	for _, c := range pod.Containers {
		s := c.Security
		if s.Escalation == nil || *s.Escalation || !s.ReadOnlyRoot || !slices.Contains(s.Capabilities.Drop, "ALL") {
			t.Errorf("%s: a container is not locked down: %+v", path, s)
		}
	}
}

func page(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parse reads the first document of a YAML file.
func parse(t *testing.T, path string, into any) {
	t.Helper()
	if err := yaml.NewDecoder(strings.NewReader(page(t, path))).Decode(into); err != nil {
		t.Fatal(path, err)
	}
}
