package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/joho/godotenv"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// dotEnv is a file of variables for development.
const dotEnv = ".env"

// DotEnvFile returns the path of the .env file in a directory; empty: there is
// none.
func DotEnvFile(dir string) string {
	path := filepath.Join(dir, dotEnv)
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		return ""
	}
	return path
}

// readDotEnv reads the .env file of a directory, which need not exist. Editors may
// have written it with a byte order mark, in UTF-8 or UTF-16.
func readDotEnv(dir string) (map[string]string, error) {
	raw, err := os.ReadFile(filepath.Join(dir, dotEnv)) //nolint:gosec // the file of the working directory
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}

	if err != nil {
		return nil, dotEnvError("cannot be opened")
	}

	text, _, err := transform.Bytes(unicode.BOMOverride(transform.Nop), raw)
	if err != nil {
		return nil, dotEnvError("is not text in UTF-8 or UTF-16")
	}

	values, err := godotenv.UnmarshalBytes(text)
	if err != nil {
		return nil, dotEnvError(faultIn(text)) // the parser's error quotes the file, secrets included
	}
	return values, nil
}

func dotEnvError(text string) error {
	return &Error{Problems: []Problem{{Names: []string{dotEnv}, Text: text}}}
}

// faultIn finds the first unreadable line of a file, and the fault. A quoted
// value may span several lines.
func faultIn(text []byte) string {
	lines := bytes.SplitAfter(text, []byte("\n"))
	start := 0

	for end := 1; end <= len(lines); end++ {
		if _, err := godotenv.UnmarshalBytes(bytes.Join(lines[start:end], nil)); err == nil {
			start = end
		}
	}
	return fmt.Sprintf("cannot be read: line %d %s", min(start, len(lines)-1)+1, causeOf(string(lines[min(start, len(lines)-1)])))
}

var namePattern = regexp.MustCompile(`^\s*(export\s+)?[A-Za-z_][A-Za-z0-9_.]*\s*$`)

// causeOf describes the fault of a line without quoting it.
func causeOf(line string) string {
	name, value, assigned := strings.Cut(line, "=")
	value = strings.TrimSpace(value)

	switch {
	case !assigned:
		return "is not NAME=value"
	case !namePattern.MatchString(name):
		return "has a name with other characters than letters, digits and _"
	case strings.HasPrefix(value, `"`), strings.HasPrefix(value, "'"):
		return "has a quote that is not closed"
	default:
		return "is not NAME=value"
	}
}
