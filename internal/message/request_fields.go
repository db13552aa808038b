package message

import (
	"slices"
	"strconv"
	"strings"

	"mmsdispatch/internal/strictjson"
)

// Fields are the fields of a request as they were written: of the right type,
// but not checked.
type Fields struct {
	Media     []*string // nil elements had the wrong type
	Metadata  []Pair
	Template  bool   // the texts have placeholders
	Variables []Pair // their values

	texts    [textFields]*string // nil: absent
	present  []string            // fields that are there and not null
	mistyped []string            // those of them that have the wrong type
	problems problems
	broken   bool // the row is unreadable and has only one problem
}

// Has reports whether a field was written.
func (f *Fields) Has(name string) bool { return f.has(name) }

// Pair is one entry of the metadata or of the variables.
type Pair struct{ Key, Value string }

// The names that occur more than once.
const (
	fieldMedia     = "media"
	fieldMediaURL  = "mediaUrl"
	fieldExpiresAt = "expiresAt"
	fieldMetadata  = "metadata"
	fieldTemplate  = "template"
	fieldVariables = "variables"
)

// textField is a field that is a string.
type textField int

const (
	textTo textField = iota
	textFrom
	textSubject
	textText
	textMediaURL
	textReference
	textPriority
	textSendAt
	textExpiresAt
	textFallback
	textCallbackURL
	textQuietHours

	textFields // their number
)

// textFieldOf finds a field that is a string by its name.
func textFieldOf(name string) (field textField, ok bool) {
	switch name {
	case "to":
		return textTo, true
	case "from":
		return textFrom, true
	case "subject":
		return textSubject, true
	case "text":
		return textText, true
	case fieldMediaURL:
		return textMediaURL, true
	case "clientReference":
		return textReference, true
	case "priority":
		return textPriority, true
	case "sendAt":
		return textSendAt, true
	case fieldExpiresAt:
		return textExpiresAt, true
	case "fallbackText":
		return textFallback, true
	case "callbackUrl":
		return textCallbackURL, true
	case "quietHours":
		return textQuietHours, true
	default:
		return 0, false
	}
}

// Text returns the value of a field that is a string; nil: it is absent.
func (f *Fields) Text(name string) *string {
	if field, ok := textFieldOf(name); ok {
		return f.texts[field]
	}
	return nil
}

// has reports whether a field was written, with the right or a wrong type.
func (f *Fields) has(name string) bool { return slices.Contains(f.present, name) }

// wrong reports whether a field was written with the wrong type.
func (f *Fields) wrong(name string) bool { return slices.Contains(f.mistyped, name) }

// ReadFields reads an object. Wrong types, unknown names and names that occur twice
// become problems, which Check returns; of two values the first counts.
func ReadFields(object strictjson.Value) Fields {
	if !object.IsObject() {
		return UnreadableRow(ProblemWrongType, "must be an object")
	}
	const fieldCount = 16
	f := Fields{present: make([]string, 0, fieldCount)}
	var names, others nameSet
	for m := range object.Members() {
		seen := &others
		if f.isField(m.Name) {
			seen = &names
		}
		if !seen.add(m.Name) {
			f.problems.add(shown(m.Name), ProblemDuplicateField, "written more than once")
			continue
		}
		f.read(m)
	}
	return f
}

func (f *Fields) read(m strictjson.Member) {
	if !f.isField(m.Name) {
		f.problems.add(shown(m.Name), ProblemUnknownField, "there is no such field")
		return
	}
	if m.Value.IsNull() {
		return
	}
	f.present = append(f.present, m.Name)
	switch m.Name {
	case fieldMedia:
		f.readMedia(m.Value)
	case fieldMetadata:
		f.readMetadata(m.Value)
	case fieldTemplate:
		f.readTemplate(m.Value)
	case fieldVariables:
		f.readVariables(m.Value)
	default:
		text, ok := m.Value.Text()
		if !ok {
			f.mistype(m.Name, "must be a string")
			return
		}
		f.setText(m.Name, &text)
	}
}

// setText sets a field that is a string.
func (f *Fields) setText(name string, value *string) {
	if field, ok := textFieldOf(name); ok {
		f.texts[field] = value
	}
}

// isField reports whether a request may have a field of that name.
func (f *Fields) isField(name string) bool {
	_, isText := textFieldOf(name)
	return isText || name == fieldMedia || name == fieldMetadata || name == fieldTemplate || name == fieldVariables
}

func (f *Fields) mistype(name, text string) {
	f.mistyped = append(f.mistyped, name)
	f.problems.add(name, ProblemWrongType, text)
}

func (f *Fields) readMedia(v strictjson.Value) {
	if !v.IsArray() {
		f.mistype("media", "must be an array of strings")
		return
	}
	f.Media = make([]*string, 0, 1)
	for element := range firstOf(v.Elements(), partsRead) {
		text, ok := element.Text()
		if !ok {
			f.problems.add(mediaName(len(f.Media)), ProblemWrongType, "must be a string")
			f.Media = append(f.Media, nil)
			continue
		}
		f.Media = append(f.Media, &text)
	}
}

func mediaName(i int) string { return "media[" + strconv.Itoa(i) + "]" }

func (f *Fields) readMetadata(v strictjson.Value) {
	if !v.IsObject() {
		f.mistype("metadata", "must be an object of strings")
		return
	}
	var names nameSet
	for m := range firstOf(v.Members(), partsRead) {
		value, ok := m.Value.Text()
		switch {
		case !names.add(m.Name):
			f.problems.add(metadataName(m.Name), ProblemDuplicateField, "written more than once")
		case !ok:
			f.problems.add(metadataName(m.Name), ProblemWrongType, "must be a string")
		default:
			f.Metadata = append(f.Metadata, Pair{Key: m.Name, Value: value})
		}
	}
}

// partsRead bounds the media and the pairs of metadata that are read. A request with
// more is refused, and its further problems are not listed.
const partsRead = 1000

func metadataName(key string) string { return "metadata." + shown(key) }

// nameSet finds names that occur twice: by linear search among few names, as in most
// objects, and by a map when there are many.
type nameSet struct {
	few  []string
	many map[string]struct{}
}

const (
	// fewNames is the number of names up to which linear search is faster than a map.
	fewNames = 16
	// namesKept bounds the memory for the names of an object. Further names count as
	// new.
	namesKept = 10_000
)

// add reports whether name is new.
func (s *nameSet) add(name string) bool {
	if _, known := s.many[name]; known || slices.Contains(s.few, name) {
		return false
	}
	switch {
	case len(s.few) < fewNames:
		if s.few == nil {
			s.few = make([]string, 0, fewNames)
		}
		s.few = append(s.few, name)
	case len(s.many) < namesKept:
		if s.many == nil {
			s.many = make(map[string]struct{})
		}
		s.many[name] = struct{}{}
	}
	return true
}

// keyHeader replaces a clientReference that the body does not have.
const keyHeader = "Idempotency-Key"

// useKeys applies the values of the header Idempotency-Key.
func (f *Fields) useKeys(values []string) {
	if len(values) == 0 {
		return
	}
	c := check{problems: &f.problems}
	key := unquote(values[0])
	for _, other := range values[1:] {
		if unquote(other) != key {
			c.problems.add(keyHeader, ProblemConflict, "sent twice with different values")
			return
		}
	}
	before := c.problems.count()
	c.reference(keyHeader, &key)
	if valid := c.problems.count() == before; valid {
		switch written := f.texts[textReference]; {
		case written == nil && !f.wrong("clientReference"):
			f.texts[textReference] = &key
		case written != nil && *written != key:
			c.problems.add(keyHeader, ProblemConflict, "differs from clientReference")
		}
	}
}

// unquote removes the quotes of a header value that is a quoted string (RFC 9110,
// 5.6.4).
func unquote(value string) string {
	const quotes = 2
	if len(value) < quotes || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(value[1 : len(value)-1])
}
