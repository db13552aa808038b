package config_test

import (
	"strings"
	"testing"

	"mmsdispatch/internal/config"
)

// TestAdminUsers: each entry is checked, and no problem repeats one.
func TestAdminUsers(t *testing.T) {
	t.Parallel()

	const hash = "$2a$04$ZWJEyRGBvCZ0yVJqDrRZLe1FQb6qOSqQHTUqxCcBYQMzh2ARNPZIK"

	var users config.AdminUsers
	if err := users.UnmarshalText([]byte("vera:viewer:" + hash + ", olga:operator:" + hash)); err != nil {
		t.Fatal(err)
	}

	if list := users.List(); len(list) != 2 || list[0].Name != "vera" || list[1].Role != "operator" || list[1].Hash.Reveal() != hash {
		t.Errorf("%+v", list)
	}

	for _, text := range []string{
		"", "vera", "vera:viewer", "vera:root:" + hash, "vera:viewer:secret", "v a:viewer:" + hash, "a:admin:" + hash + ",a:viewer:" + hash,
	} {
		err := users.UnmarshalText([]byte(text))
		if err == nil || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), hash) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
