package e2e_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"mmsdispatch/test/harness"
)

// adminChanges are all changes that the admin listener knows: those of the queue
// pages. The tasks that they name do not exist, so that none does harm.
func adminChanges() []operation {
	queue := "/queues/api/queues/normal"
	changes := []operation{
		{http.MethodPost, queue + ":pause"},
		{http.MethodPost, queue + ":resume"},
		{http.MethodDelete, queue},
		{http.MethodPost, queue + "/active_tasks/none:cancel"},
		{http.MethodPost, queue + "/active_tasks:cancel_all"},
		{http.MethodPost, queue + "/active_tasks:batch_cancel"},
	}
	for _, tasks := range []string{"pending_tasks", "scheduled_tasks", "retry_tasks", "archived_tasks", "completed_tasks", "groups/g/aggregating_tasks"} {
		changes = append(changes,
			operation{http.MethodDelete, queue + "/" + tasks + "/none"},
			operation{http.MethodDelete, queue + "/" + tasks + ":delete_all"},
			operation{http.MethodPost, queue + "/" + tasks + ":batch_delete"},
			operation{http.MethodPost, queue + "/" + tasks + "/none:run"},
			operation{http.MethodPost, queue + "/" + tasks + ":run_all"},
			operation{http.MethodPost, queue + "/" + tasks + ":batch_run"},
			operation{http.MethodPost, queue + "/" + tasks + "/none:archive"},
			operation{http.MethodPost, queue + "/" + tasks + ":archive_all"},
			operation{http.MethodPost, queue + "/" + tasks + ":batch_archive"},
		)
	}
	return changes
}

const (
	adminPassword = "admin-password-of-this-test"
	passwordOf    = "password-of-" // and the role
)

// roles gives the programs a user for each role, beside ADMIN_USER.
func roles(t *testing.T) option {
	t.Helper()
	users := make([]string, 0, 3)
	for _, role := range []string{"viewer", "operator", "admin"} {
		hash, err := bcrypt.GenerateFromPassword([]byte(passwordOf+role), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, role+":"+role+":"+string(hash))
	}
	return func(s *settings) {
		s.env["ADMIN_USERS"] = strings.Join(users, ",")
		s.env["ADMIN_USER"], s.env["ADMIN_PASSWORD"] = "root", adminPassword
	}
}

func basic(name, password string) harness.Header {
	return harness.Header{Name: "Authorization", Value: "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))}
}

// change makes a change on the admin listener and returns the status.
func (s *stack) change(o operation, headers ...harness.Header) int {
	s.t.Helper()
	got, err := s.client.Do(s.t.Context(), o.method, s.admin+o.path, "{}", headers...)
	if err != nil {
		s.t.Fatal(err)
	}
	return got.Status
}

// TestRolesOfTheAdminListener: a viewer changes nothing, nor does anyone without the
// right password or from another site; operators and admins may.
func TestRolesOfTheAdminListener(t *testing.T) {
	t.Parallel()
	s := start(t, roles(t), with("ADMIN_WRITE", "true"))
	s.private.add("password", adminPassword)
	s.awaitStatus(s.send(message{}), "delivered") // the queue is there
	for _, o := range adminChanges() {
		for name, attack := range map[string]struct {
			status int
			header []harness.Header
		}{
			"nobody":                     {http.StatusUnauthorized, nil},
			"a wrong password":           {http.StatusUnauthorized, []harness.Header{basic("operator", passwordOf+"admin")}},
			"an unknown name":            {http.StatusUnauthorized, []harness.Header{basic("ann", passwordOf+"operator")}},
			"an empty password":          {http.StatusUnauthorized, []harness.Header{basic("admin", "")}},
			"a caller's key":             {http.StatusUnauthorized, []harness.Header{harness.Bearer(s.key)}},
			"a viewer":                   {http.StatusForbidden, []harness.Header{basic("viewer", passwordOf+"viewer")}},
			"an admin from another site": {http.StatusForbidden, []harness.Header{basic("admin", passwordOf+"admin"), {Name: "Sec-Fetch-Site", Value: "cross-site"}}},
		} {
			if got := s.change(o, attack.header...); got != attack.status {
				t.Errorf("%s by %s answers %d, want %d", o, name, got, attack.status)
			}
		}
		for _, user := range []harness.Header{basic("operator", passwordOf+"operator"), basic("admin", passwordOf+"admin"), basic("root", adminPassword)} {
			got := s.change(o, user)
			if got == http.StatusUnauthorized || got == http.StatusForbidden {
				t.Errorf("%s by one who may answers %d", o, got)
			}
			if pauses := strings.HasSuffix(o.path, "normal:pause") || strings.HasSuffix(o.path, "normal:resume"); pauses && got != http.StatusNoContent {
				t.Errorf("%s answers %d", o, got)
			}
		}
	}
	s.awaitStatus(s.send(message{}), "delivered")
	var entries []struct{ Actor, From, Action string }
	if err := json.Unmarshal([]byte(s.ctl("audit", "--json")), &entries); err != nil || len(entries) == 0 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, e := range entries {
		if e.From != "console" || e.Action != "queue.change" || !slices.Contains([]string{"operator", "admin", "root"}, e.Actor) {
			t.Errorf("a change is recorded as %+v", e)
		}
	}
}

// TestAdminWriteFalse: without ADMIN_WRITE no role changes anything, and everyone
// with a password sees.
func TestAdminWriteFalse(t *testing.T) {
	t.Parallel()
	s := start(t, roles(t), with("ADMIN_WRITE", "false"))
	s.private.add("password", adminPassword)
	users := []harness.Header{basic("viewer", passwordOf+"viewer"), basic("operator", passwordOf+"operator"), basic("admin", passwordOf+"admin"), basic("root", adminPassword)}
	for _, o := range adminChanges() {
		for _, user := range users {
			if got := s.change(o, user); got != http.StatusForbidden && got != http.StatusMethodNotAllowed {
				t.Errorf("%s answers %d", o, got)
			}
		}
	}
	for _, user := range users {
		for _, page := range []string{"/metrics", "/queues/", "/queues/api/queues", "/debug/pprof/cmdline"} {
			got, err := s.client.Do(t.Context(), http.MethodGet, s.admin+page, nil, user)
			if err != nil {
				t.Fatal(err)
			}
			s.want(got, http.StatusOK)
		}
	}
	if audit := strings.TrimSpace(s.ctl("audit", "--json")); audit != "[]" {
		t.Errorf("refused changes are recorded: %s", audit)
	}
}
