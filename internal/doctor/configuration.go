package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mmsdispatch/internal/config"
)

// configuration reads the environment as each process would and lists all problems.
// The other checks continue with the rest, as if the invalid variables were not set.
func (e *examination) configuration(_ context.Context, n *findings) {
	e.wrong = make(map[string]bool)
	seen := make(map[string]bool)
	for _, process := range e.Processes {
		_, err := config.Load(process, e.Environ)
		for _, problem := range problemsOf(err) {
			for _, name := range problem.Names {
				e.wrong[name] = true
			}
			if text := problem.String(); !seen[text] {
				seen[text] = true
				n.fail(text, "docs/configuration.md has all variables; none of these values is shown here")
			}
		}
	}
	e.cfg = e.readable()
	for _, warning := range e.cfg.Warnings() {
		n.warn(warning, "")
	}
	if len(n.list) == 0 {
		n.ok("complete, for the processes " + joined(e.Processes))
	}
}

func problemsOf(err error) []config.Problem {
	if wrong, ok := errors.AsType[*config.Error](err); ok {
		return wrong.Problems
	}
	return nil
}

// readable is the configuration without the invalid variables.
func (e *examination) readable() *config.Config {
	rest := maps.Clone(e.Environ)
	maps.DeleteFunc(rest, func(name, _ string) bool { return e.wrong[name] })
	cfg, err := config.Load(config.Ctl, rest)
	if err != nil { // a rule that the processes do not have: use the defaults
		cfg, _ = config.Load(config.Ctl, nil)
	}
	return cfg
}

// needs reports whether the variables of a check can be read, and adds a finding if
// not.
func (e *examination) needs(n *findings, names ...string) bool {
	unreadable := slices.DeleteFunc(names, func(name string) bool { return !e.wrong[name] })
	if len(unreadable) == 0 {
		return true
	}
	n.warn(notChecked, fmt.Sprintf("put %s right first", strings.Join(unreadable, " and ")))
	return false
}

// runs reports whether a process is configured by the environment.
func (e *examination) runs(process config.Process) bool { return slices.Contains(e.Processes, process) }

func joined(processes []config.Process) string {
	names := make([]string, len(processes))
	for i, process := range processes {
		names[i] = string(process)
	}
	return strings.Join(names, " and ")
}
