package docs_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// block is a fenced block of commands.
type block struct {
	line int
	mark string // the second word of the fence
	text string
}

// external are the marks of blocks that are not run.
var external = []string{"docker", "kubernetes", "make", "promtool", "settings"}

// run are the marks of blocks that are.
var run = []string{"", "background", "fails"}

// pages are the Markdown files that readers follow.
func pages(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob(filepath.Join("..", "..", "docs", "*.md"))
	if err != nil || len(docs) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	return append(docs, filepath.Join("..", "..", "README.md"))
}

// blocks reads the shell blocks of a page.
func blocks(t *testing.T, page string) []block {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var (
		found  []block
		inside bool
		shell  bool
	)
	for i, line := range strings.Split(string(text), "\n") {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && !inside:
			inside = true
			language, mark, _ := strings.Cut(fence, " ")
			if shell = language == "sh"; shell {
				found = append(found, block{line: i + 1, mark: mark})
			}
		case isFence:
			inside = false
		case inside && shell:
			found[len(found)-1].text += line + "\n"
		}
	}
	return found
}

// session reports whether something of a page is run.
func session(all []block) bool {
	return slices.ContainsFunc(all, func(b block) bool { return slices.Contains(run, b.mark) })
}
