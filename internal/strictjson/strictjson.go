// Package strictjson parses JSON of untrusted origin. It accepts only texts that
// every parser reads the same way: valid UTF-8 without a byte order mark, no lone
// surrogates, one value with nothing after it, nested to a limit. Duplicate names
// are left to the caller, who has better names for them.
//
// Errors give position and kind of the fault, and never contain input.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth bounds the nesting of arrays and objects.
const MaxDepth = 32

// SyntaxError describes why a text is not valid.
type SyntaxError struct {
	Offset int64  // approximate position in bytes
	Reason string // for the caller
}

// Error implements error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Reason, e.Offset) }

// Value is one well-formed JSON value. Only Parse and the methods of a Value
// create one.
type Value struct{ raw jsontext.Value }

// Member is a name in an object and its value.
type Member struct {
	Name  string
	Value Value
}

// Parse checks that data is exactly one JSON value and nothing else.
func Parse(data []byte) (Value, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return Value{}, &SyntaxError{Reason: "there is no JSON"}
	}
	if at := invalidUTF8(data); at >= 0 {
		return Value{}, &SyntaxError{Offset: int64(at), Reason: "invalid UTF-8"}
	}
	if at := tooDeep(data); at >= 0 {
		return Value{}, &SyntaxError{Offset: int64(at), Reason: fmt.Sprintf("nested deeper than %d levels", MaxDepth)}
	}
	raw, err := read(data)
	if err != nil {
		return Value{}, explain(data, err)
	}
	return Value{raw: raw}, nil
}

// read parses the one value of data.
func read(data []byte, opts ...jsontext.Options) (jsontext.Value, error) {
	dec := jsontext.NewDecoder(bytes.NewBuffer(data), append(opts, jsontext.AllowDuplicateNames(true))...)
	raw, err := dec.ReadValue()
	if err != nil {
		return nil, err //nolint:wrapcheck // explained by the caller
	}
	end := dec.InputOffset()
	if rest := bytes.TrimLeft(data[end:], " \t\r\n"); len(rest) > 0 {
		return nil, &SyntaxError{Offset: int64(len(data) - len(rest)), Reason: "something follows the JSON value"}
	}
	return data[end-int64(len(raw)) : end], nil
}

// explain converts a parser error to a SyntaxError.
func explain(data []byte, err error) error {
	if own, ok := errors.AsType[*SyntaxError](err); ok {
		return own
	}
	problem := &SyntaxError{Reason: "malformed JSON"}
	if syntactic, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		problem.Offset = syntactic.ByteOffset
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		problem.Reason = "the JSON value ends too early"
	} else if _, err := read(data, jsontext.AllowInvalidUTF8(true)); err == nil {
		problem.Reason = "half of a surrogate pair"
	}
	return problem
}

// tooDeep is the position at which the nesting exceeds the limit; -1: none. It
// may be wrong for invalid JSON, which is refused in any case.
func tooDeep(data []byte) int {
	depth, quoted := 0, false
	for at := 0; at < len(data); at++ {
		switch c := data[at]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			at++
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return at
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return -1
}

// invalidUTF8 is the position of the first invalid byte; -1: none.
func invalidUTF8(data []byte) int {
	if utf8.Valid(data) {
		return -1
	}
	for at := 0; at < len(data); {
		r, size := utf8.DecodeRune(data[at:])
		if r == utf8.RuneError && size == 1 {
			return at
		}
		at += size
	}
	return -1
}

// Raw is the text of v.
func (v Value) Raw() []byte { return v.raw }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.raw.Kind() == jsontext.KindNull }

// IsObject reports whether v is an object.
func (v Value) IsObject() bool { return v.raw.Kind() == jsontext.KindBeginObject }

// IsArray reports whether v is an array.
func (v Value) IsArray() bool { return v.raw.Kind() == jsontext.KindBeginArray }

// Text returns the string in v; ok is false when v is not a string.
func (v Value) Text() (text string, ok bool) {
	if v.raw.Kind() != jsontext.KindString {
		return "", false
	}
	inner := v.raw[1 : len(v.raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	unquoted, err := jsontext.AppendUnquote(nil, v.raw)
	return string(unquoted), err == nil
}

// Number returns the value of a number.
func (v Value) Number() (number float64, ok bool) {
	if v.raw.Kind() != jsontext.KindNumber {
		return 0, false
	}
	number, err := strconv.ParseFloat(string(v.raw), 64)
	return number, err == nil
}

// Bool returns the truth value in v; ok is false when v is not one.
func (v Value) Bool() (truth, ok bool) {
	kind := v.raw.Kind()
	return kind == jsontext.KindTrue, kind == jsontext.KindTrue || kind == jsontext.KindFalse
}

// Members returns the members of the object v in order; any other value has none.
func (v Value) Members() iter.Seq[Member] {
	return func(yield func(Member) bool) {
		if !v.IsObject() {
			return
		}
		for child := range v.children() {
			name, _ := child.key.Text()
			if !yield(Member{Name: name, Value: child.value}) {
				return
			}
		}
	}
}

// Elements returns the elements of the array v; any other value has none.
func (v Value) Elements() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if !v.IsArray() {
			return
		}
		for child := range v.children() {
			if !yield(child.value) {
				return
			}
		}
	}
}

// child is an element (without key) or a member.
type child struct{ key, value Value }

// children yields the parts of an array or object. It cannot fail, since a Value
// is well-formed.
func (v Value) children() iter.Seq[child] {
	return func(yield func(child) bool) {
		dec := jsontext.NewDecoder(bytes.NewBuffer(v.raw), jsontext.AllowDuplicateNames(true))
		if _, err := dec.ReadToken(); err != nil {
			return
		}
		next := func() (Value, bool) {
			raw, err := dec.ReadValue()
			end := dec.InputOffset()
			return Value{raw: v.raw[end-int64(len(raw)) : end]}, err == nil
		}
		for kind := dec.PeekKind(); kind != jsontext.KindEndObject && kind != jsontext.KindEndArray; kind = dec.PeekKind() {
			var c child
			ok := true
			if v.IsObject() {
				c.key, ok = next()
			}
			if ok {
				c.value, ok = next()
			}
			if !ok || !yield(c) {
				return
			}
		}
	}
}
