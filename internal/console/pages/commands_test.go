package pages_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"mmsdispatch/internal/console/pages"
)

// commandsOf are the addresses of the commands of a page.
func commandsOf(body string) []string {
	var paths []string
	for _, found := range regexp.MustCompile(`data-href="([^"]+)"`).FindAllStringSubmatch(body, -1) {
		paths = append(paths, found[1])
	}
	return paths
}

// The palette has every page of the navigation, and controls for those who may use
// them, each of which leads to its confirmation.
func TestCommands(t *testing.T) {
	t.Parallel()
	c := setup(t, nil)
	body := c.page("viewer", "/console/").body
	wantAll(t, body, `role="combobox"`, `role="listbox"`, `aria-controls="palette-list"`, `aria-labelledby="palette-title"`, "<kbd>K</kbd>")
	for _, path := range commandsOf(body) {
		if strings.Contains(path, "scope=") {
			t.Errorf("a viewer has %s", path)
		}
		if path != "/queues/" {
			c.page("viewer", path)
		}
	}
	controls := 0
	for _, path := range commandsOf(c.page("operator", "/console/").body) {
		if strings.Contains(path, "scope=") {
			controls++
			wantAll(t, c.page("operator", path).body, "What will happen")
		}
	}
	const scopes = 4 // everything and three lanes
	if controls != 2*scopes {
		t.Errorf("%d controls", controls)
	}
	if a := c.get("viewer", "/console/assets/palette.js"); a.code != http.StatusOK || !strings.Contains(a.body, "use strict") {
		t.Errorf("script: %d", a.code)
	}
}

func TestNoControlsWithoutWrite(t *testing.T) {
	t.Parallel()
	c := setup(t, func(o *pages.Options) { o.Write = false })
	for _, path := range commandsOf(c.page("admin", "/console/").body) {
		if strings.Contains(path, "scope=") {
			t.Errorf("%s is offered", path)
		}
	}
}
