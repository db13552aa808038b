package message

import (
	"slices"
	"strings"

	"mmsdispatch/internal/strictjson"
	"mmsdispatch/internal/template"
)

// variablesMax is the largest number of variables of a message.
const variablesMax = 100

func variableName(key string) string { return fieldVariables + "." + shown(key) }

func (f *Fields) readTemplate(v strictjson.Value) {
	truth, ok := v.Bool()
	if !ok {
		f.mistype(fieldTemplate, "must be true or false")
		return
	}
	f.Template = truth
}

// setTemplate is readTemplate for a cell of a table, in which programs write truth
// in capitals, too.
func (f *Fields) setTemplate(value string) {
	switch strings.ToLower(value) {
	case "true":
		f.Template = true
	case "false":
	default:
		f.mistyped = append(f.mistyped, fieldTemplate)
		f.problems.add(fieldTemplate, ProblemInvalid, "must be true or false")
	}
}

// readVariables reads an object of strings. A variable that is null has no value.
func (f *Fields) readVariables(v strictjson.Value) {
	if !v.IsObject() {
		f.mistype(fieldVariables, "must be an object of strings")
		return
	}
	var names nameSet
	for m := range firstOf(v.Members(), variablesMax) {
		value, ok := m.Value.Text()
		switch {
		case !names.add(m.Name):
			f.problems.add(variableName(m.Name), ProblemDuplicateField, "written more than once")
		case m.Value.IsNull():
		case !ok:
			f.problems.add(variableName(m.Name), ProblemWrongType, "must be a string")
		default:
			f.Variables = append(f.Variables, Pair{Key: m.Name, Value: value})
		}
	}
}

// variable returns the value of a variable.
func (f *Fields) variable(name string) (value string, ok bool) {
	for i := range f.Variables {
		if f.Variables[i].Key == name {
			return f.Variables[i].Value, true
		}
	}
	return "", false
}

// fillVariables adds the variables that a row does not have.
func (f *Fields) fillVariables(defaults []Pair) {
	if !f.has(fieldVariables) {
		f.present = append(f.present, fieldVariables)
		f.Variables = defaults
		return
	}
	own := slices.Clip(f.Variables)
	for _, pair := range defaults {
		if _, ok := f.variable(pair.Key); !ok {
			own = append(own, pair)
		}
	}
	f.Variables = own
}

// unrendered replaces a text that cannot be rendered, so that the other rules find
// no further problem in it.
const unrendered = "-"

// render replaces the placeholders of the texts, so that all rules apply to the
// result. size is that of the results, in bytes.
func (c *check) render(f *Fields) (size int) {
	if len(f.Variables) > variablesMax {
		c.problems.add(fieldVariables, ProblemTooMany, "at most 100 variables")
	}
	if !f.Template {
		if f.has(fieldVariables) && !f.wrong(fieldTemplate) {
			c.problems.add(fieldVariables, ProblemConflict, "variables are for templates only, and template is not true")
		}
		return 0
	}
	r := rendering{check: c, fields: f}
	return r.text(textSubject, "subject") + r.text(textText, "text") + r.text(textFallback, "fallbackText")
}

// rendering renders the texts of one request.
type rendering struct {
	check   *check
	fields  *Fields
	missing []string // variables whose problem is listed
}

// text renders a text and returns its size.
func (r *rendering) text(field textField, name string) int {
	written := r.fields.texts[field]
	if written == nil {
		return 0
	}
	text, missing, err := template.Render(*written, r.fields.variable)
	if err != nil {
		r.check.problems.add(name, ProblemTemplateInvalid, err.Error())
	}
	for _, variable := range missing {
		if !slices.Contains(r.missing, variable) {
			r.missing = append(r.missing, variable)
			r.check.problems.add(variableName(variable), ProblemVariableMissing,
				name+" has this variable without a default, and there is no value")
		}
	}
	if err != nil || len(missing) > 0 {
		text = unrendered
	}
	r.fields.texts[field] = &text
	return len(text)
}
