package sinchsim

import "time"

// Query has the page, the period and the reference of a list request.
type Query struct {
	Page, Size int
	Start, End time.Time // end zero: open
	Reference  string
}

// Covers reports whether at is within the period.
func (q Query) Covers(at time.Time) bool {
	return !at.Before(q.Start) && (q.End.IsZero() || at.Before(q.End))
}

// PageOf returns the requested page of all.
func PageOf[T any](q Query, all []T) []T {
	if q.Page > len(all)/q.Size {
		return all[:0]
	}
	from := q.Page * q.Size
	return all[from:min(from+q.Size, len(all))]
}
