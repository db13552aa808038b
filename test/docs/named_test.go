package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	declaredTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z]\w*)\(`)
	namedTest    = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")
)

// TestNamedTestsExist: each test that a page names as a proof is there, and each
// row of threats and promises names one.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	declared := make(map[string]bool)
	walk(t, "../..", "_test.go", func(_, text string) {
		for _, found := range declaredTest.FindAllStringSubmatch(text, -1) {
			declared[found[1]] = true
		}
	})
	named := make(map[string]int) // by page
	walk(t, "../../docs", ".md", func(path, text string) {
		for _, found := range namedTest.FindAllStringSubmatch(text, -1) {
			named[filepath.Base(path)]++
			if !declared[found[1]] {
				t.Errorf("%s names %s, which does not exist", path, found[1])
			}
		}
	})
	for page, least := range map[string]int{"promises.md": 50, "security.md": 50} {
		if named[page] < least {
			t.Errorf("%s names %d tests", page, named[page])
		}
	}
}

// TestEveryThreatNamesItsProof: what is said to prevent a threat has a test, or a
// command that CI runs.
func TestEveryThreatNamesItsProof(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	threats := 0
	for _, threat := range strings.Split(string(page), "\n- ")[1:] {
		threat, _, _ = strings.Cut(threat, "\n\n")
		if strings.HasPrefix(threat, "*Limit") {
			continue
		}
		threats++
		if !namedTest.MatchString(threat) && !strings.Contains(threat, "`make ") && !strings.Contains(threat, "The tests of `") && !strings.Contains(threat, "`go.sum`") {
			t.Errorf("no proof of: %.80s", threat)
		}
	}
	const least = 25
	if threats < least {
		t.Errorf("the page has %d threats", threats)
	}
}

// walk reads all files below a folder whose names end in a way.
func walk(t *testing.T, folder, ending string, read func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ending) {
			return err
		}
		text, err := os.ReadFile(path)
		read(path, string(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
