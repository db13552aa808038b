package httpapi

import (
	"encoding/base64"
	"strconv"
	"strings"
)

// The length of a page.
const (
	limitDefault = 50
	limitMax     = 200
)

// page is one page of a list.
type page[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"nextCursor"`
	// Complete is true when the list reaches back to the first item.
	Complete bool `json:"complete"`
}

// cursorOf names the list of a cursor.
type cursorOf string

// The lists.
const (
	cursorMessages   cursorOf = "messages"
	cursorPlaces     cursorOf = "places" // the messages of a batch
	cursorBatches    cursorOf = "batches"
	cursorOptOuts    cursorOf = "opt-outs"
	cursorDeliveries cursorOf = "deliveries"
	cursorInbound    cursorOf = "inbound"
	cursorSeparator           = " "
)

// write encodes a number and texts without spaces as a cursor.
func (of cursorOf) write(number int64, texts ...string) *string {
	parts := append([]string{string(of), strconv.FormatInt(number, 10)}, texts...)
	return new(base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, cursorSeparator))))
}

// read is the reverse of write; ok is false for an invalid cursor or one of
// another list.
func (of cursorOf) read(cursor string, texts int) (number int64, _ []string, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	parts := strings.Split(string(raw), cursorSeparator)
	const fixed = 2
	if err != nil || len(parts) != fixed+texts || parts[0] != string(of) {
		return 0, nil, false
	}
	number, err = strconv.ParseInt(parts[1], 10, 64)
	return number, parts[fixed:], err == nil && number >= 0
}

// cursor reads the parameter cursor with read.
func (q *query) cursor(read func(cursor string) (ok bool)) {
	if cursor, given := q.get("cursor"); given && !read(cursor) {
		q.wrong("cursor", "invalid", "is not a cursor of this list")
	}
}
