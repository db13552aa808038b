package manifests_test

import (
	"path/filepath"
	"strings"
	"testing"

	"mmsdispatch/tools/manifests"
)

const kustomization = "../../deploy/kubernetes"

func TestManifests(t *testing.T) {
	schemas, err := manifests.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Run("of the kustomization", func(t *testing.T) {
		files, err := filepath.Glob(kustomization + "/*.yaml")
		if err != nil {
			t.Fatal(err)
		}
		all := 0
		for _, file := range files {
			if filepath.Base(file) == "kustomization.yaml" {
				continue
			}
			documents, err := schemas.ValidateFile(file)
			if err != nil {
				t.Error(err)
			}
			all += documents
		}
		const least = 11
		if all < least {
			t.Errorf("%d documents", all)
		}
		t.Logf("%d documents in %d files", all, len(files)-1)
	})
	t.Run("with faults", func(t *testing.T) {
		for name, fault := range faults() {
			if _, err := schemas.Validate([]byte(fault.manifest)); err == nil || !strings.Contains(err.Error(), fault.want) {
				t.Errorf("%s: %v, want %q", name, err, fault.want)
			}
		}
	})
}

type fault struct{ manifest, want string }

// faults are manifests that a server would refuse, or read in another way than it was
// meant.
func faults() map[string]fault {
	deployment := func(spec string) string {
		return "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\nspec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: " + spec + "}}\n"
	}
	object := func(version, kind, spec string) string {
		return "apiVersion: " + version + "\nkind: " + kind + "\nmetadata: {name: x}\nspec: " + spec + "\n"
	}
	return map[string]fault{
		"unknown field":            {deployment("{containers: [{name: api, readOnlyRootFilesystem: true}]}"), "readOnlyRootFilesystem"},
		"unknown field of a probe": {deployment("{containers: [{name: api, livenessProbe: {httpGet: {port: 1}, period: 3}}]}"), "period"},
		"wrong type":               {deployment("{terminationGracePeriodSeconds: 45s, containers: [{name: api}]}"), "terminationGracePeriodSeconds"},
		"missing name":             {deployment("{containers: [{image: x}]}"), "missing property 'name'"},
		"no containers":            {deployment("{}"), "missing property 'containers'"},
		"no selector":              {object("apps/v1", "Deployment", "{template: {}}"), "missing property 'selector'"},
		"unknown kind":             {object("apps/v1", "Deploymnet", "{}"), "there is no Deploymnet"},
		"kind of another version":  {object("policy/v1beta1", "PodDisruptionBudget", "{}"), "there is no PodDisruptionBudget"},
		"no name":                  {"apiVersion: v1\nkind: ConfigMap\ndata: {}\n", "has no name"},
		"number as setting":        {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {PORT: 3000}\n", "PORT"},
		"unknown metadata":         {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, label: {a: b}}\n", "label"},
		"a key twice":              {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {}\ndata: {}\n", "already defined"},
		"job":                      {object("batch/v1", "Job", "{ttlSeconds: 3, template: {spec: {containers: [{name: x}]}}}"), "ttlSeconds"},
		"network policy":           {object("networking.k8s.io/v1", "NetworkPolicy", "{podSelector: {}, ingres: []}"), "ingres"},
		"scaled object":            {object("keda.sh/v1alpha1", "ScaledObject", "{scaleTargetRef: {name: x}, triggers: [], minReplicas: 2}"), "minReplicas"},
		"metadata of a trigger": {
			object("keda.sh/v1alpha1", "ScaledObject", "{scaleTargetRef: {name: x}, triggers: [{type: prometheus, metadata: {threshold: 1}}]}"), "threshold",
		},
		"fallback":    {object("keda.sh/v1alpha1", "ScaledObject", "{scaleTargetRef: {name: x}, triggers: [], fallback: {failureThreshold: 1, replicas: 1, behavior: never}}"), "behavior"},
		"pod monitor": {object("monitoring.coreos.com/v1", "PodMonitor", "{selector: {}, podMetricsEndpoints: [{port: admin, paht: /metrics}]}"), "paht"},
		"metadata of a custom resource": {
			"apiVersion: monitoring.coreos.com/v1\nkind: PodMonitor\nmetadata: {name: x, lables: {}}\nspec: {selector: {}}\n", "lables",
		},
	}
}
