package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// APIKey is a key and its tenant.
type APIKey struct {
	Tenant string
	Key    Secret
}

// APIKeys is the list in API_KEYS.
type APIKeys struct{ list []APIKey }

var (
	tenantPattern = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)
	keyPattern    = regexp.MustCompile(`^mms_(live|test)_[A-Za-z0-9]{24,64}$`)
)

// List returns the keys in order, each once.
func (k APIKeys) List() []APIKey { return slices.Clone(k.list) }

// UnmarshalText parses the variable. Errors identify an entry by its position
// only, since a key may be where a tenant should be.
func (k *APIKeys) UnmarshalText(text []byte) error {
	var (
		list   []APIKey
		wrong  []string
		owners = map[string]string{}
	)

	for i, entry := range strings.Split(string(text), ",") {
		tenant, key, _ := strings.Cut(entry, ":")
		if problem := checkKey(tenant, key); problem != "" {
			wrong = append(wrong, fmt.Sprintf("entry %d %s", i+1, problem))

			continue
		}

		owner, seen := owners[key]
		if seen && owner != tenant {
			wrong = append(wrong, fmt.Sprintf("entry %d has a key that another tenant has too", i+1))
		}

		if !seen {
			owners[key] = tenant
			list = append(list, APIKey{Tenant: tenant, Key: NewSecret(key)})
		}
	}

	if len(wrong) > 0 {
		return invalidError("must be tenant:key,tenant:key,…: " + strings.Join(wrong, "; "))
	}

	k.list = list
	return nil
}

// checkKey describes the faults of an entry; empty: it is valid.
func checkKey(tenant, key string) string {
	if tenant == "" && key == "" {
		return "is empty"
	}

	var needs []string
	if !tenantPattern.MatchString(tenant) {
		needs = append(needs, "needs a tenant of 1 to 40 of a-z 0-9 _ -")
	}

	if !keyPattern.MatchString(key) {
		needs = append(needs, "needs a key of mms_live_ or mms_test_ and 24 to 64 letters and digits")
	}
	return strings.Join(needs, " and ")
}
