package admin_test

import (
	"net/http"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"mmsdispatch/internal/admin"
)

// TestRoles: a viewer sees and changes nothing, the others change, and the wrong
// password of a known or unknown name is refused.
func TestRoles(t *testing.T) {
	t.Parallel()

	hash := func(password string) string {
		sum, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		return string(sum)
	}
	b := setup(t, func(o *admin.Options) {
		o.User, o.Password = "root", "root-secret"
		o.Users = []admin.User{
			{Name: "vera", Role: admin.ParseRole("viewer"), Hash: hash("v")},
			{Name: "olga", Role: admin.ParseRole("operator"), Hash: hash("o")},
			{Name: "anna", Role: admin.ParseRole("admin"), Hash: hash("a")},
		}
	})
	status := func(method, path, name, password string) int {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+b.server.Addr().String()+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}

		if name != "" {
			request.SetBasicAuth(name, password)
		}

		response, err := b.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}

	for _, c := range []struct {
		name, password string
		sees, changes  int
	}{
		{"vera", "v", http.StatusOK, http.StatusForbidden},
		{"olga", "o", http.StatusOK, http.StatusOK},
		{"anna", "a", http.StatusOK, http.StatusOK},
		{"root", "root-secret", http.StatusOK, http.StatusOK},
		{"vera", "o", http.StatusUnauthorized, http.StatusUnauthorized},
		{"vera", "", http.StatusUnauthorized, http.StatusUnauthorized},
		{"root", "v", http.StatusUnauthorized, http.StatusUnauthorized},
		{"nobody", "v", http.StatusUnauthorized, http.StatusUnauthorized},
		{"", "", http.StatusUnauthorized, http.StatusUnauthorized},
	} {
		for range 2 { // the second time the password is known
			for _, path := range []string{"/queues/", "/metrics"} {
				if got := status(http.MethodGet, path, c.name, c.password); got != c.sees {
					t.Errorf("%s sees %s: %d, want %d", c.name, path, got, c.sees)
				}
			}

			if got := status(http.MethodPost, "/queues/api/queues/bulk:pause", c.name, c.password); got != c.changes {
				t.Errorf("%s changes: %d, want %d", c.name, got, c.changes)
			}
		}
	}
}
