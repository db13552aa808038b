package config

import (
	"errors"
	"reflect"
	"slices"
	"time"

	"github.com/caarlos0/env/v11"
)

// problems collects the faults, at most one for each variable: a rule over two
// variables adds nothing about one that could not be parsed.
type problems struct {
	list  []Problem
	wrong map[string]bool // variables with a fault of their own
}

func (p *problems) add(text string, names ...string) {
	if slices.ContainsFunc(names, func(name string) bool { return p.wrong[name] }) {
		return
	}

	if len(names) == 1 {
		p.wrong[names[0]] = true
	}

	p.list = append(p.list, Problem{Names: names, Text: text})
}

// addParsed adds the parser's errors for a group. It translates them, since they
// name Go fields and quote values.
func (p *problems) addParsed(group reflect.Type, err error) {
	if err == nil {
		return
	}

	all, ok := errors.AsType[env.AggregateError](err)
	if !ok {
		all.Errors = []error{err}
	}

	for _, err := range all.Errors {
		parse, ok := errors.AsType[env.ParseError](err)
		if !ok {
			p.add("cannot be read", group.Name())

			continue
		}

		field, _ := group.FieldByName(parse.Name)
		p.add(parseText(parse), field.Tag.Get("env"))
	}
}

func parseText(parse env.ParseError) string {
	if invalid, ok := errors.AsType[invalidError](parse.Err); ok {
		return invalid.Error()
	}

	switch {
	case parse.Type == reflect.TypeFor[time.Duration]():
		return "must be a duration such as 200ms, 30s or 15m"
	case parse.Type.Kind() == reflect.Bool:
		return "must be true or false"
	case parse.Type.Kind() == reflect.Float64:
		return "must be a number"
	default:
		return "must be a whole number"
	}
}
