package httpapi_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// program runs in dir.
func program(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// needs skips the test where what it installs cannot be had, but never in CI.
func needs(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
		t.Skipf("needs %s and its registry; scripts/install-test-deps installs the program. %s %v: %v\n%s", name, name, args, err, out)
	}
}

// copyInto copies files into a directory.
func copyInto(t *testing.T, dir string, paths ...string) {
	t.Helper()
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(path)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestGoClientFromTheDocument: what oapi-codegen generates builds and works.
func TestGoClientFromTheDocument(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	dir := t.TempDir()
	copyInto(t, dir, "../../tools/go.mod", "../../tools/go.sum", "testdata/client/main.go")
	if err := os.Mkdir(filepath.Join(dir, "mms"), 0o700); err != nil {
		t.Fatal(err)
	}
	const root = "../.."
	needs(t, root, "go", "mod", "download", "-modfile=tools/go.mod", "github.com/oapi-codegen/oapi-codegen/v2")
	program(t, root, "go", "tool", "-modfile=tools/go.mod", "oapi-codegen", "-package", "mms",
		"-o", filepath.Join(dir, "mms", "mms.gen.go"), "api/openapi.yaml")
	program(t, dir, "go", "build", "-o", "client", ".")
	program(t, dir, filepath.Join(dir, "client"), b.url, liveKey)
}

// TestTypeScriptClientFromTheDocument: what openapi-typescript generates passes
// the strict compiler and works.
func TestTypeScriptClientFromTheDocument(t *testing.T) {
	t.Parallel()
	b := setupBatches(t, 0)
	dir := t.TempDir()
	const from = "testdata/client/"
	copyInto(t, dir, from+"package.json", from+"package-lock.json", from+"main.ts", "../../api/openapi.yaml")
	needs(t, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	program(t, dir, "npx", "openapi-typescript", "openapi.yaml", "-o", "api.ts")
	program(t, dir, "npx", "tsc", "--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--module", "nodenext",
		"--target", "es2022", "--outDir", "out", "main.ts")
	program(t, dir, "node", "out/main.js", b.url, liveKey)
}
