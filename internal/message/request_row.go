package message

import (
	"iter"
	"slices"
	"strings"
	"time"

	"mmsdispatch/internal/strictjson"
)

// The beginnings of the columns of a CSV that are pairs.
const (
	metadataColumn = fieldMetadata + "."
	variableColumn = fieldVariables + "."
)

// CheckRow applies the rules to a row of a batch, whose missing fields have the
// values of the defaults. An unreadable row has its one problem.
func (r *Rules) CheckRow(f, defaults Fields, now time.Time) Draft {
	if f.broken {
		return Draft{Problems: f.problems.list}
	}
	f.fill(defaults)
	return r.Check(f, now)
}

// CheckDefaults returns the problems that the values of defaults have in every row,
// with under as prefix of the fields' names. Rules that depend on a row or on the
// clock are checked with the rows.
func (r *Rules) CheckDefaults(f Fields, under string) []FieldError {
	f.problems, f.texts[textReference] = problems{}, nil // reported when they were read
	var wrong []FieldError
	for _, p := range r.Check(f, time.Time{}).Problems {
		missing := p.Code == ProblemRequired && !f.has(p.Field) || p.Code == ProblemVariableMissing
		mayDiffer := p.Code == ProblemConflict && (p.Field == fieldExpiresAt || p.Field == fieldVariables)
		if !missing && !mayDiffer {
			p.Field = under + p.Field
			wrong = append(wrong, p)
		}
	}
	return wrong
}

// fill sets the missing fields of a row to their defaults. A row that is no template
// by its own word gets no variables.
func (f *Fields) fill(defaults Fields) {
	literal := f.has(fieldTemplate) && !f.Template
	for _, name := range defaults.present {
		isMedia := name == fieldMedia || name == "mediaUrl"
		switch {
		case name == fieldVariables && !literal:
			f.fillVariables(defaults.Variables)
			continue
		case name == fieldVariables, f.has(name) && !f.isAbsent(name), isMedia && (f.has(fieldMedia) || f.has("mediaUrl")):
			continue
		}
		f.present = append(f.present, name)
		switch name {
		case fieldMedia:
			f.Media = defaults.Media
		case fieldMetadata:
			f.Metadata = defaults.Metadata
		case fieldTemplate:
			f.Template = defaults.Template
		default:
			f.setText(name, defaults.Text(name))
		}
	}
}

// Problems are the problems found when the fields were read.
func (f *Fields) Problems() []FieldError { return f.problems.list }

// ReadRow reads a row that is a JSON object.
func ReadRow(row []byte) Fields {
	value, err := strictjson.Parse(row)
	if err != nil {
		return UnreadableRow(ProblemInvalid, err.Error())
	}
	return ReadFields(value)
}

// UnreadableRow is a row without fields, with one problem.
func UnreadableRow(code ProblemCode, text string) Fields {
	return Fields{broken: true, problems: problems{list: []FieldError{{Code: code, Message: text}}}}
}

// Column reports whether a CSV column or a parameter of this name is a field.
func Column(name string) bool {
	_, isText := textFieldOf(name)
	_, key := pairColumn(name)
	return isText || name == fieldMedia || name == fieldTemplate || key != ""
}

// pairColumn splits the name of a column that is a pair; key is empty for any other.
func pairColumn(name string) (field, key string) {
	for _, field := range []string{fieldMetadata, fieldVariables} {
		if rest, ok := strings.CutPrefix(name, field); ok && len(rest) > 1 && rest[0] == '.' {
			return field, rest[1:]
		}
	}
	return "", ""
}

// Columns lists the possible columns of a CSV.
func Columns() []string {
	return []string{
		"to", "text", fieldMediaURL, fieldMedia, "subject", "clientReference", "from", "priority", "sendAt", fieldExpiresAt,
		"fallbackText", "callbackUrl", "quietHours", metadataColumn + "<name>", fieldTemplate, variableColumn + "<name>",
	}
}

// Set sets a field by the name of its column. Media are separated by spaces. An
// empty value is absent.
func (f *Fields) Set(column, value string) {
	if value == "" {
		return
	}
	field, key := pairColumn(column)
	switch {
	case field == fieldMetadata:
		f.Metadata, column = append(f.Metadata, Pair{Key: key, Value: value}), field
	case field == fieldVariables:
		f.Variables, column = append(f.Variables, Pair{Key: key, Value: value}), field
	case column == fieldMedia:
		for url := range strings.FieldsSeq(value) {
			f.Media = append(f.Media, &url)
		}
	case column == fieldTemplate:
		f.setTemplate(value)
	default:
		f.setText(column, &value)
	}
	if !slices.Contains(f.present, column) {
		f.present = append(f.present, column)
	}
}

// Envelope is a batch in JSON, without what its messages say.
type Envelope struct {
	Reference string
	Pace      int64 // messages in a million seconds; zero: any number
	Defaults  Fields
	Messages  []strictjson.Value
	Problems  []FieldError // of the envelope
}

// ParseBatch reads the envelope of a batch in JSON, of whose messages it returns at
// most one more than most. The error is a *strictjson.SyntaxError for a body that is
// not a JSON object.
func ParseBatch(body []byte, keys []string, most int) (Envelope, error) {
	value, err := parseObject(body)
	if err != nil {
		return Envelope{}, err
	}
	var (
		e      Envelope
		fields Fields
		isList bool
	)
	c := check{problems: &fields.problems}
	eachMember(value, &c, func(m strictjson.Member) bool {
		switch m.Name {
		case "clientReference":
			fields.read(m)
		case "defaults":
			e.Defaults = readDefaults(&c, m.Value)
		case fieldPace:
			e.Pace = c.pace(m)
		case "messages":
			if !m.Value.IsArray() {
				c.problems.add(m.Name, ProblemWrongType, "must be an array of messages")
			}
			e.Messages, isList = slices.Collect(firstOf(m.Value.Elements(), most)), true
		default:
			return false
		}
		return true
	})
	if !isList {
		c.problems.add("messages", ProblemRequired, "the messages of the batch are required")
	}
	fields.useKeys(keys)
	e.Reference = c.reference("clientReference", fields.texts[textReference])
	e.Problems = c.problems.list
	return e, nil
}

// firstOf yields the first most values of a sequence, and one more as the sign of
// further values.
func firstOf[T any](values iter.Seq[T], most int) iter.Seq[T] {
	return func(yield func(T) bool) {
		n := 0
		for value := range values {
			if n > most || !yield(value) {
				return
			}
			n++
		}
	}
}

func readDefaults(c *check, value strictjson.Value) Fields {
	if value.IsNull() {
		return Fields{}
	}
	defaults := ReadFields(value)
	if defaults.has("clientReference") {
		c.problems.add("defaults.clientReference", ProblemUnknownField, "each message has a reference of its own, or none")
	}
	for _, p := range defaults.problems.list {
		c.problems.add(strings.TrimSuffix("defaults."+p.Field, "."), p.Code, p.Message)
	}
	return defaults
}

// BatchReference checks the reference of a batch that came as a parameter, and the
// header Idempotency-Key, which replaces it.
func BatchReference(parameter string, keys []string) (reference string, wrong []FieldError) {
	var f Fields
	if parameter != "" {
		f.texts[textReference] = &parameter
	}
	f.useKeys(keys)
	c := check{problems: &f.problems}
	reference = c.reference("clientReference", f.texts[textReference])
	return reference, c.problems.list
}
