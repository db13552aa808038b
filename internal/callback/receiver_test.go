package callback

import (
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The receivers of docs/callbacks.md take what is signed with their secret, and
// nothing else.

func TestNodeReceiverOfTheDocs(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing; scripts/install-test-deps installs it: ", err)
	}
	script := filepath.Join(t.TempDir(), "receiver.mjs")
	if err := os.WriteFile(script, []byte(blockOfTheDocs(t, "js")), 0o600); err != nil {
		t.Fatal(err)
	}
	checkReceiver(t, exec.CommandContext(t.Context(), node, script))
}

// The receiver is built as a package of this module, which has the library.
func TestGoReceiverOfTheDocs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, overlay, program := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "receiver")
	if err := os.WriteFile(source, []byte(blockOfTheDocs(t, "go")), 0o600); err != nil {
		t.Fatal(err)
	}
	place, err := filepath.Abs("testdata/receiver/main.go")
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{place: source}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-overlay", overlay, "-o", program, "./testdata/receiver")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	checkReceiver(t, exec.CommandContext(t.Context(), program))
}

// blockOfTheDocs is the only block of docs/callbacks.md in a language.
func blockOfTheDocs(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/callbacks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(page), "```"+language+"\n")
	code, _, found := strings.Cut(code, "```")
	if !found {
		t.Fatalf("docs/callbacks.md has no receiver in %s", language)
	}
	return code
}

// checkReceiver starts a receiver and posts to it.
func checkReceiver(t *testing.T, receiver *exec.Cmd) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close() // the receiver takes it
	secret := newSecret()
	receiver.Env = append(os.Environ(), "PORT="+port, "MMS_CALLBACK_SECRET="+secret)
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = receiver.Process.Kill()
		_ = receiver.Wait()
	})
	c := newClient(time.Minute, true)
	t.Cleanup(c.close)
	post := func(secrets ...string) result {
		return c.post(t.Context(), request{
			id: "dlv_1", url: "http://127.0.0.1:" + port + "/mms", at: time.Now(), body: []byte(`{"type":"test"}`), secrets: secrets,
		}, time.Second)
	}
	await(t, "the receiver listens", func() bool { return post(secret).outcome == outcomeDelivered })
	if r := post(newSecret(), secret); r.outcome != outcomeDelivered {
		t.Errorf("while a secret rotates: %+v", r)
	}
	if r := post(newSecret()); r.response != http.StatusUnauthorized {
		t.Errorf("another secret: %+v", r)
	}
}
