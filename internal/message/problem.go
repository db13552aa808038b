package message

import "unicode/utf8"

// ProblemCode is the stable code of a problem with a field.
type ProblemCode string

// The problem codes.
const (
	ProblemRequired               ProblemCode = "required"
	ProblemWrongType              ProblemCode = "wrong_type"
	ProblemUnknownField           ProblemCode = "unknown_field"
	ProblemDuplicateField         ProblemCode = "duplicate_field"
	ProblemTooLong                ProblemCode = "too_long"
	ProblemTooMany                ProblemCode = "too_many"
	ProblemInvalid                ProblemCode = "invalid"
	ProblemControlCharacters      ProblemCode = "control_characters"
	ProblemConflict               ProblemCode = "conflict"
	ProblemInPast                 ProblemCode = "in_past"
	ProblemTooFar                 ProblemCode = "too_far"
	ProblemDestinationUnsupported ProblemCode = "destination_unsupported"
	ProblemSubjectCharacters      ProblemCode = "subject_characters"
	ProblemMediaCount             ProblemCode = "media_count"
	ProblemMediaUnknown           ProblemCode = "media_unknown"
	ProblemUnsupported            ProblemCode = "unsupported"
	ProblemVariableMissing        ProblemCode = "variable_missing"
	ProblemTemplateInvalid        ProblemCode = "template_invalid"
)

// FieldError is one problem of a request. It never contains a value, since values
// are personal data.
type FieldError struct {
	Field   string      `json:"field"` // name, media[2], metadata.k, variables.k or a header's name
	Code    ProblemCode `json:"code"`
	Message string      `json:"message"` // for people
}

const (
	// problemsKept bounds the memory for the problems of one body.
	problemsKept = 1000
	// nameShown is the length, in code points, at which unknown field names are cut.
	nameShown = 100
)

// problems are the first problemsKept problems of a request in the order they
// were found, and the number of the others.
type problems struct {
	list []FieldError
	more int
}

func (p *problems) add(field string, code ProblemCode, text string) {
	if len(p.list) == problemsKept {
		p.more++
		return
	}
	p.list = append(p.list, FieldError{Field: field, Code: code, Message: text})
}

// count is the number of problems, listed or not.
func (p *problems) count() int { return len(p.list) + p.more }

// shown cuts a name that the caller chose.
func shown(name string) string {
	if utf8.RuneCountInString(name) <= nameShown {
		return name
	}
	return string([]rune(name)[:nameShown]) + "…"
}
