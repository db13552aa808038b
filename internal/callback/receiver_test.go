package callback

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The receiver of docs/callbacks.md takes what is signed with its secret, and
// nothing else.
func TestNodeReceiverOfTheDocs(t *testing.T) {
	t.Parallel()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing; scripts/install-test-deps installs it: ", err)
	}
	page, err := os.ReadFile("../../docs/callbacks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(page), "```js\n")
	code, _, found := strings.Cut(code, "```")
	if !found {
		t.Fatal("docs/callbacks.md has no receiver in JavaScript")
	}
	script := filepath.Join(t.TempDir(), "receiver.mjs")
	if err := os.WriteFile(script, []byte(code), 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	_ = listener.Close() // node takes it
	secret := newSecret()
	receiver := exec.CommandContext(t.Context(), node, script)
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
