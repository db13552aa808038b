package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"mmsdispatch/test/harness"
)

// ctl runs mmsctl with the environment of the programs and returns what it prints
// on stdout.
func (s *stack) ctl(args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(bin, "mmsctl"), args...)
	cmd.Dir = s.t.TempDir()
	cmd.Env = []string{"HOME=" + cmd.Dir, "PATH=" + os.Getenv("PATH")}
	for name, value := range s.environ(nil) {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	out, err := cmd.Output()
	if err != nil {
		detail := ""
		if ended, ok := err.(*exec.ExitError); ok { //nolint:errorlint // Output returns it as it is
			detail = string(ended.Stderr)
		}
		s.t.Fatalf("mmsctl %s: %v: %s%s", strings.Join(args, " "), err, out, detail)
	}
	return string(out)
}

// newKey creates a stored key of the tenant; it returns the id of the key, too.
func (s *stack) newKey(flags ...string) (key, id string) {
	s.t.Helper()
	before := s.keyIDs()
	key = strings.TrimSpace(s.ctl(append([]string{"keys", "create", tenant}, flags...)...))
	s.private.add("stored key", key)
	return key, s.onlyNew(before)
}

// rotateKey rotates a stored key.
func (s *stack) rotateKey(id string, flags ...string) (next, nextID string) {
	s.t.Helper()
	before := s.keyIDs()
	next = strings.TrimSpace(s.ctl(append([]string{"keys", "rotate", id}, flags...)...))
	s.private.add("stored key", next)
	return next, s.onlyNew(before)
}

func (s *stack) onlyNew(before map[string]bool) string {
	s.t.Helper()
	for id := range s.keyIDs() {
		if !before[id] {
			return id
		}
	}
	s.t.Fatal("no key was created")
	return ""
}

func (s *stack) keyIDs() map[string]bool {
	s.t.Helper()
	var keys []struct{ ID string }
	if err := json.Unmarshal([]byte(s.ctl("keys", "list", "--json")), &keys); err != nil {
		s.t.Fatal(err)
	}
	ids := make(map[string]bool, len(keys))
	for _, key := range keys {
		ids[key.ID] = true
	}
	return ids
}

// replica starts one more api and returns the base of its public listener.
func (s *stack) replica() string {
	s.t.Helper()
	addr := freePorts.Take(s.t)
	p := launch(s.t, "api "+addr, s.environ(map[string]string{
		"PORT": addr[strings.LastIndexByte(addr, ':')+1:], "ADMIN_ADDR": freePorts.Take(s.t),
	}), "api")
	s.started = append(s.started, p)
	base := "http://" + addr
	s.awaitOK(p, base+"/readyz")
	return base
}

// at makes a request to a replica.
func (s *stack) at(base, method, path string, body any, headers ...harness.Header) harness.Answer {
	s.t.Helper()
	got, err := s.client.Do(s.t.Context(), method, base+path, body, append([]harness.Header{harness.Bearer(s.key)}, headers...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

// awaitAnswer asks until each replica answers a key with a status.
func (s *stack) awaitAnswer(what, key string, status int, bases ...string) {
	s.t.Helper()
	for _, base := range bases {
		s.await(what, harness.Patience, func() (bool, string) {
			got := s.at(base, "GET", "/v1/messages?limit=1", nil, harness.Bearer(key))
			return got.Status == status, got.String()
		})
	}
}
