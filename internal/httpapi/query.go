package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"mmsdispatch/internal/message"
)

// query is the query of a request, read strictly: a misspelt parameter is an
// error.
type query struct {
	values   url.Values
	problems []message.FieldError
}

// readQuery reads the known parameters, each at most once.
func readQuery(r *http.Request, known ...string) *query {
	q := &query{}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		q.wrong("query", message.ProblemInvalid, "is not well-formed")
	}
	q.values = values
	names := make([]string, 0, len(values))
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch {
		case !slices.Contains(known, name):
			q.wrong(shownName(name), message.ProblemUnknownField, "is not a parameter of this route")
		case len(values[name]) > 1:
			q.wrong(name, message.ProblemDuplicateField, "written more than once")
		}
	}
	return q
}

func (q *query) wrong(field string, code message.ProblemCode, text string) {
	q.problems = append(q.problems, message.FieldError{Field: field, Code: code, Message: text})
}

// shownName shortens an unknown name and makes it valid in JSON.
func shownName(name string) string {
	const longest = 100
	name = strings.ToValidUTF8(name, string(utf8.RuneError))
	if utf8.RuneCountInString(name) > longest {
		return string([]rune(name)[:longest]) + "…"
	}
	return name
}

// get returns a parameter that occurs once; ok is false when it is absent.
func (q *query) get(name string) (value string, ok bool) {
	values := q.values[name]
	if len(values) != 1 {
		return "", false
	}
	return values[0], true
}

// text is a parameter of 1 to 64 printable ASCII characters; empty: absent.
func (q *query) text(name string) string {
	const longest = 64
	value, ok := q.get(name)
	printable := func(r rune) bool { return r >= ' ' && r <= '~' }
	if ok && (value == "" || len(value) > longest || slices.ContainsFunc([]rune(value), func(r rune) bool { return !printable(r) })) {
		q.wrong(name, message.ProblemInvalid, "must be 1 to 64 printable ASCII characters")
	}
	return value
}

// batch is a batch id; empty: absent.
func (q *query) batch(name string) message.BatchID {
	value, ok := q.get(name)
	if !ok {
		return ""
	}
	id, err := message.ParseBatchID(value)
	if err != nil {
		q.wrong(name, message.ProblemInvalid, "must be the id of a batch")
	}
	return id
}

func (q *query) truth(name string) bool {
	value, ok := q.get(name)
	if ok && value != "true" && value != "false" {
		q.wrong(name, message.ProblemInvalid, "must be true or false")
	}
	return value == "true"
}

// limit is the limit of a page, a decimal number.
func (q *query) limit() int {
	const name = "limit"
	value, ok := q.get(name)
	if !ok {
		return limitDefault
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > limitMax || strconv.Itoa(n) != value {
		q.wrong(name, message.ProblemInvalid, "must be a number from 1 to "+strconv.Itoa(limitMax))
		return limitDefault
	}
	return n
}

// time is an RFC 3339 time; zero: absent.
func (q *query) time(name string) time.Time {
	value, ok := q.get(name)
	if !ok {
		return time.Time{}
	}
	at, ok := message.ParseTime(value)
	if !ok {
		q.wrong(name, message.ProblemInvalid, "must be an RFC 3339 time (write + as %2B)")
	}
	return at
}
