package docs_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mmsdispatch/internal/config"
)

// stop is what bounds the end of a process, in a manifest and in compose.
type stop struct{ grace, before time.Duration } // before: until the process is told to stop

// TestGracePeriodsAreLongEnough: a process that is told to stop has time to finish its
// calls. The inequality is that of docs/deployment.md.
func TestGracePeriodsAreLongEnough(t *testing.T) {
	t.Parallel()
	var settings struct{ Data map[string]string }
	parse(t, "../../deploy/kubernetes/settings.yaml", &settings)
	for _, manifest := range []string{"api", "worker"} {
		shutdown := duration(t, settings.Data["SHUTDOWN_TIMEOUT"])
		wantStop(t, manifest+".yaml", podStop(t, manifest), duration(t, settings.Data["SINCH_TIMEOUT"]), shutdown)
	}

	defaults, err := config.Load(config.Ctl, map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Command any
			Grace   string `yaml:"stop_grace_period"`
		}
	}
	parse(t, "../../docker-compose.yml", &compose)
	for _, name := range []string{"api", "worker"} {
		s := stop{grace: duration(t, compose.Services[name].Grace)}
		wantStop(t, "compose: "+name, s, defaults.Sinch.Timeout, defaults.Worker.ShutdownTimeout)
	}
}

func wantStop(t *testing.T, of string, s stop, call, shutdown time.Duration) {
	t.Helper()
	if call <= 0 || call >= shutdown || s.before+shutdown >= s.grace {
		t.Errorf("%s: SINCH_TIMEOUT %s, SHUTDOWN_TIMEOUT %s, %s until the stop and a grace period of %s", of, call, shutdown, s.before, s.grace)
	}
}

// podStop reads the pod of a Deployment.
func podStop(t *testing.T, manifest string) stop {
	t.Helper()
	var deployment struct {
		Spec struct {
			Template struct {
				Spec struct {
					Grace      int `yaml:"terminationGracePeriodSeconds"`
					Containers []struct {
						Lifecycle struct {
							PreStop struct {
								Sleep struct{ Seconds int }
							} `yaml:"preStop"`
						}
					}
				}
			}
		}
	}
	parse(t, "../../deploy/kubernetes/"+manifest+".yaml", &deployment)
	pod := deployment.Spec.Template.Spec
	s := stop{grace: time.Duration(pod.Grace) * time.Second}
	for _, c := range pod.Containers {
		s.before = max(s.before, time.Duration(c.Lifecycle.PreStop.Sleep.Seconds)*time.Second)
	}
	return s
}

func duration(t *testing.T, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestMigrationJob: it migrates as compose does, goes away by itself, and knows nothing
// but the database.
func TestMigrationJob(t *testing.T) {
	t.Parallel()
	var job struct {
		Spec struct {
			TTL      int `yaml:"ttlSecondsAfterFinished"`
			Template struct {
				Spec struct {
					Containers []struct {
						Command []string
						Env     []struct{ Name string }
						EnvFrom []any `yaml:"envFrom"`
					}
				}
			}
		}
	}
	parse(t, "../../deploy/kubernetes/migrate.yaml", &job)
	var compose struct {
		Services map[string]struct{ Command any }
	}
	parse(t, "../../docker-compose.yml", &compose)
	pod := job.Spec.Template.Spec
	if job.Spec.TTL <= 0 || len(pod.Containers) != 1 {
		t.Fatalf("%+v", job)
	}
	command := make([]any, 0, len(pod.Containers[0].Command))
	for _, word := range pod.Containers[0].Command {
		command = append(command, word)
	}
	if other, _ := compose.Services["migrate"].Command.([]any); len(command) == 0 || !slices.Equal(command, other) {
		t.Errorf("the Job runs %v, compose %v", command, other)
	}
	if c := pod.Containers[0]; len(c.Env) != 1 || c.Env[0].Name != "DATABASE_URL" || len(c.EnvFrom) != 0 {
		t.Errorf("the environment is %+v, %+v", c.Env, c.EnvFrom)
	}
}

// TestKustomizationHasEveryManifest: a manifest that is not listed is not applied.
func TestKustomizationHasEveryManifest(t *testing.T) {
	t.Parallel()
	var kustomization struct{ Resources []string }
	parse(t, "../../deploy/kubernetes/kustomization.yaml", &kustomization)
	files, err := filepath.Glob("../../deploy/kubernetes/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var manifests []string
	for _, file := range files {
		if name := filepath.Base(file); name != "kustomization.yaml" {
			manifests = append(manifests, name)
		}
	}
	slices.Sort(kustomization.Resources)
	if !slices.Equal(manifests, kustomization.Resources) {
		t.Errorf("there are %v, the kustomization has %v", manifests, kustomization.Resources)
	}
	for _, manifest := range []string{"api.yaml", "worker.yaml"} {
		if !strings.Contains(page(t, "../../deploy/kubernetes/"+manifest), "\nkind: PodDisruptionBudget\n") {
			t.Errorf("%s has no PodDisruptionBudget", manifest)
		}
	}
}
