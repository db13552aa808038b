package message

import (
	"slices"
	"strconv"
	"strings"

	"mmsdispatch/internal/strictjson"
)

// Fields are the fields of a request as they were written: of the right type,
// but not checked. nil means absent.
type Fields struct {
	To              *string
	From            *string
	Subject         *string
	Text            *string
	MediaURL        *string
	Media           []*string // nil elements had the wrong type
	ClientReference *string
	Priority        *string
	SendAt          *string
	ExpiresAt       *string
	FallbackText    *string
	CallbackURL     *string
	Metadata        []Pair

	present  []string // fields that are there and not null
	mistyped []string // those of them that have the wrong type
	problems problems
	broken   bool // nothing could be read; the one problem says why
}

// Has reports whether a field was written.
func (f *Fields) Has(name string) bool { return f.has(name) }

// Pair is one entry of the metadata.
type Pair struct{ Key, Value string }

// The fields that are no plain texts, and the one that stands for one of them.
const (
	fieldMedia     = "media"
	fieldMediaURL  = "mediaUrl"
	fieldExpiresAt = "expiresAt"
	fieldMetadata  = "metadata"
)

// text is the place of a field that is a string; nil: there is no such field.
func (f *Fields) text(name string) **string {
	switch name {
	case "to":
		return &f.To
	case "from":
		return &f.From
	case "subject":
		return &f.Subject
	case "text":
		return &f.Text
	case fieldMediaURL:
		return &f.MediaURL
	case "clientReference":
		return &f.ClientReference
	case "priority":
		return &f.Priority
	case "sendAt":
		return &f.SendAt
	case fieldExpiresAt:
		return &f.ExpiresAt
	case "fallbackText":
		return &f.FallbackText
	case "callbackUrl":
		return &f.CallbackURL
	default:
		return nil
	}
}

// has reports whether a field was written, with whatever type.
func (f *Fields) has(name string) bool { return slices.Contains(f.present, name) }

// wrong reports whether a field was written with the wrong type.
func (f *Fields) wrong(name string) bool { return slices.Contains(f.mistyped, name) }

// ReadFields takes an object apart. Wrong types, unknown names and names that
// occur twice are kept as problems for Check; of two the first counts.
func ReadFields(object strictjson.Value) Fields {
	if !object.IsObject() {
		return UnreadableRow(ProblemWrongType, "must be an object")
	}
	const fieldCount = 13
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
	default:
		text, ok := m.Value.Text()
		if !ok {
			f.mistype(m.Name, "must be a string")
			return
		}
		*f.text(m.Name) = &text
	}
}

// isField reports whether a request may have a field of that name.
func (f *Fields) isField(name string) bool {
	return name == fieldMedia || name == fieldMetadata || f.text(name) != nil
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

// partsRead is how many media or pairs of metadata are read. A request with more
// has too many by far, and what else is wrong with them does not matter.
const partsRead = 1000

func metadataName(key string) string { return "metadata." + shown(key) }

// nameSet finds names that occur twice: by looking through the few that most
// objects have, by a map when there are many.
type nameSet struct {
	few  []string
	many map[string]struct{}
}

const (
	// fewNames is up to where looking through is faster than a map.
	fewNames = 16
	// namesKept bounds the memory of an object that is nothing but names. A name
	// that comes after them is taken for new.
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

// keyHeader stands for a clientReference that the body does not have.
const keyHeader = "Idempotency-Key"

// useKeys takes in the values of the header Idempotency-Key.
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
		switch {
		case f.ClientReference == nil && !f.wrong("clientReference"):
			f.ClientReference = &key
		case f.ClientReference != nil && *f.ClientReference != key:
			c.problems.add(keyHeader, ProblemConflict, "differs from clientReference")
		}
	}
}

// unquote takes the quotes off a header value that is a quoted string.
func unquote(value string) string {
	const quotes = 2
	if len(value) < quotes || value[0] != '"' || value[len(value)-1] != '"' {
		return value
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(value[1 : len(value)-1])
}
