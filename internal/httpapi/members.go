package httpapi

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// members writes the members of a JSON object. Most responses are messages, and
// reflection over their type was a tenth of the work of accepting one.
type members struct{ json []byte }

// name begins a member; its value follows.
func (w *members) name(name string) {
	if w.json[len(w.json)-1] != '{' {
		w.json = append(w.json, ',')
	}
	w.json = append(append(append(w.json, '"'), name...), `":`...)
}

// quote writes a text. AppendQuote replaces invalid UTF-8; there is none, since
// all texts were validated when they were accepted.
func (w *members) quote(text string) { w.json, _ = jsontext.AppendQuote(w.json, text) }

func (w *members) null(name string) {
	w.name(name)
	w.json = append(w.json, "null"...)
}

// quoted writes a text, also an empty one.
func (w *members) quoted(name, value string) {
	w.name(name)
	w.quote(value)
}

// text writes a text, or null when it is empty.
func (w *members) text(name, value string) {
	if value == "" {
		w.null(name)
		return
	}
	w.quoted(name, value)
}

// time writes a time, or null when it is zero.
func (w *members) time(name string, t time.Time) {
	if t.IsZero() {
		w.null(name)
		return
	}
	w.name(name)
	w.json = append(w.json, '"')
	w.json = t.UTC().AppendFormat(w.json, timeLayout)
	w.json = append(w.json, '"')
}

func (w *members) number(name string, n int) {
	w.name(name)
	w.json = strconv.AppendInt(w.json, int64(n), 10)
}

func (w *members) texts(name string, values []string) {
	w.name(name)
	w.json = append(w.json, '[')
	for i, value := range values {
		if i > 0 {
			w.json = append(w.json, ',')
		}
		w.quote(value)
	}
	w.json = append(w.json, ']')
}

// mapping writes an object of texts, ordered by name.
func (w *members) mapping(name string, values map[string]string) {
	w.name(name)
	w.json = append(w.json, '{')
	var keys []string
	if len(values) > 0 { // nearly always none: an iterator would allocate for it
		keys = slices.Sorted(maps.Keys(values))
	}
	for _, key := range keys {
		if w.json[len(w.json)-1] != '{' {
			w.json = append(w.json, ',')
		}
		w.quote(key)
		w.json = append(w.json, ':')
		w.quote(values[key])
	}
	w.json = append(w.json, '}')
}

// object writes an object whose members write adds.
func (w *members) object(write func()) {
	w.json = append(w.json, '{')
	write()
	w.json = append(w.json, '}')
}
