package config

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
	"github.com/joho/godotenv"
)

// FromOS loads the configuration of a process from its environment and the
// .env file in the working directory.
func FromOS(process Process) (*Config, error) {
	environ, err := OSEnviron()
	if err != nil {
		return nil, err
	}

	return Load(process, environ)
}

// OSEnviron is the environment of this process joined with the .env file in
// the working directory.
func OSEnviron() (map[string]string, error) { return Environ(".", os.Environ()) }

// Environ joins a real environment, as os.Environ gives it, with the .env file
// in a directory. The file is a convenience of development: it need not exist
// and never overrides a variable that is set.
func Environ(dir string, environ []string) (map[string]string, error) {
	joined, err := godotenv.Read(filepath.Join(dir, ".env"))

	switch {
	case errors.Is(err, fs.ErrNotExist):
		joined = map[string]string{}
	case err != nil:
		// What the parser says quotes the file, secrets included.
		return nil, &Error{Problems: []Problem{{
			Names: []string{".env"},
			Text:  "is there but cannot be read as NAME=value lines",
		}}}
	}

	for _, pair := range environ {
		if name, value, found := strings.Cut(pair, "="); found && value != "" {
			joined[name] = value
		}
	}

	return joined, nil
}

// Load reads and checks the configuration of a process. It depends on nothing
// but its arguments. A variable that is set to nothing counts as absent. The
// error is an *Error with all problems at once.
func Load(process Process, environ map[string]string) (*Config, error) {
	values := withDefaults(process, environ)
	cfg := &Config{Process: process}
	problems := &problems{wrong: map[string]bool{}}

	for group := range groups(cfg) {
		err := env.ParseWithOptions(group.Addr().Interface(), env.Options{Environment: values})
		problems.addParsed(group.Type(), err)
		checkGroup(group, problems)
	}

	cfg.checkRequired(problems)
	cfg.checkTogether(problems)

	if len(problems.list) > 0 {
		return nil, &Error{Problems: problems.list}
	}

	cfg.unknownNames = unknownNames(cfg, values)

	return cfg, nil
}

// withDefaults drops empty variables and adds the defaults of a process.
func withDefaults(process Process, environ map[string]string) map[string]string {
	values := processDefaults(process)

	for name, value := range environ {
		if value != "" {
			values[name] = value
		}
	}

	return values
}

// groups yields the structs in a Config that hold variables.
func groups(cfg *Config) func(yield func(reflect.Value) bool) {
	return func(yield func(reflect.Value) bool) {
		value := reflect.ValueOf(cfg).Elem()
		for i := range value.NumField() {
			if value.Type().Field(i).Tag.Get("group") != "" && !yield(value.Field(i)) {
				return
			}
		}
	}
}

// unknownNames lists variables that look like ours and are not.
func unknownNames(cfg *Config, values map[string]string) []string {
	known := map[string]bool{}

	for group := range groups(cfg) {
		for i := range group.NumField() {
			known[group.Type().Field(i).Tag.Get("env")] = true
		}
	}

	var unknown []string

	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.HasPrefix(name, "SINCH_") && !known[name] {
			unknown = append(unknown, name)
		}
	}

	return unknown
}

// Problem is one thing that is wrong with the environment.
type Problem struct {
	Names []string // the variables it is about
	Text  string   // what they must be; never a value
}

func (p Problem) String() string {
	return strings.Join(p.Names, " and ") + " " + p.Text
}

// Error holds everything that is wrong with an environment.
type Error struct{ Problems []Problem }

func (e *Error) Error() string {
	var text strings.Builder

	noun := "problems"
	if len(e.Problems) == 1 {
		noun = "problem"
	}

	fmt.Fprintf(&text, "the configuration has %d %s:", len(e.Problems), noun)

	for _, problem := range e.Problems {
		text.WriteString("\n  - " + problem.String())
	}

	return text.String()
}
