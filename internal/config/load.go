package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
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

// OSEnviron returns the environment of this process joined with the .env file in
// the working directory.
func OSEnviron() (map[string]string, error) { return Environ(".", os.Environ()) }

// Environ joins an environment, in the form of os.Environ, with the .env file in
// a directory. The file is for development: it need not exist and never overrides
// a variable that is set, even to the empty string.
func Environ(dir string, environ []string) (map[string]string, error) {
	joined, err := readDotEnv(dir)
	if err != nil {
		return nil, err
	}

	for _, pair := range environ {
		if name, value, found := strings.Cut(pair, "="); found {
			joined[name] = value
		}
	}
	return joined, nil
}

// Load parses and validates the configuration of a process. It depends only on
// its arguments. An empty variable counts as absent. The error is an *Error with
// all problems at once.
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

	cfg.misspelt = misspelt(knownNames(cfg), values)
	return cfg, nil
}

// withDefaults removes empty variables and adds the defaults of a process.
func withDefaults(process Process, environ map[string]string) map[string]string {
	values := processDefaults(process)

	for name, value := range environ {
		if value != "" {
			values[name] = value
		}
	}
	return values
}

// groups yields the structs of a Config that hold variables.
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

// knownNames are the names of all variables.
func knownNames(cfg *Config) map[string]bool {
	known := map[string]bool{}

	for group := range groups(cfg) {
		for i := range group.NumField() {
			known[group.Type().Field(i).Tag.Get("env")] = true
		}
	}
	return known
}

// Problem is one fault of the environment.
type Problem struct {
	Names []string // the variables concerned
	Text  string   // the rule that they break; never a value
}

func (p Problem) String() string {
	return strings.Join(p.Names, " and ") + " " + p.Text
}

// Error lists all faults of an environment.
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
