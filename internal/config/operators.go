package config

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

// AdminUser is a user of the admin listener.
type AdminUser struct {
	Name string
	Role string // viewer, operator or admin
	Hash Secret // bcrypt of the password
}

// AdminUsers is the list in ADMIN_USERS.
type AdminUsers struct{ list []AdminUser }

// List returns the users in the order they were written.
func (u AdminUsers) List() []AdminUser { return slices.Clone(u.list) }

// UnmarshalText takes the value from the environment. Errors name an entry by its
// place only.
func (u *AdminUsers) UnmarshalText(text []byte) error {
	var (
		list  []AdminUser
		wrong []string
		names = map[string]bool{}
	)

	for i, entry := range strings.Split(string(text), ",") {
		user, problem := parseAdminUser(strings.TrimSpace(entry))
		if problem == "" && names[user.Name] {
			problem = "has a name that another one has"
		}

		if problem != "" {
			wrong = append(wrong, fmt.Sprintf("entry %d %s", i+1, problem))

			continue
		}

		names[user.Name] = true
		list = append(list, user)
	}

	if len(wrong) > 0 {
		return invalidError("must be name:role:bcrypt,…: " + strings.Join(wrong, "; "))
	}

	u.list = list
	return nil
}

// parseAdminUser reads an entry; problem is empty when it is well-formed.
func parseAdminUser(entry string) (user AdminUser, problem string) {
	const parts = 3

	fields := strings.SplitN(entry, ":", parts)
	if len(fields) < parts {
		return AdminUser{}, "has fewer than three parts"
	}

	if !identifierPattern.MatchString(fields[0]) {
		return AdminUser{}, "needs a name of printable ASCII"
	}

	if !slices.Contains([]string{"viewer", "operator", "admin"}, fields[1]) {
		return AdminUser{}, "needs the role viewer, operator or admin"
	}

	if _, err := bcrypt.Cost([]byte(fields[2])); err != nil {
		return AdminUser{}, "needs the bcrypt hash of a password, as htpasswd -nB makes it; in .env, in single quotes"
	}
	return AdminUser{Name: fields[0], Role: fields[1], Hash: NewSecret(fields[2])}, ""
}
