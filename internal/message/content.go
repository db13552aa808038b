package message

import (
	"maps"
	"slices"
	"time"
)

// Content is a caller's request, normalised, and without the defaults that
// configuration may change. Two requests are the same exactly when their contents
// are Equal.
type Content struct {
	To              string
	From            string // E.164; empty: the service's own number
	Subject         string
	Text            string
	Media           []string
	ClientReference string
	Priority        Lane // never empty once validated
	SendAt          time.Time
	ExpiresAt       time.Time
	FallbackText    string
	CallbackURL     string
	Metadata        map[string]string
	QuietHours      QuietHours
}

// Equal reports whether two contents are the same request.
func (c Content) Equal(o Content) bool {
	return c.To == o.To && c.From == o.From && c.Subject == o.Subject && c.Text == o.Text &&
		slices.Equal(c.Media, o.Media) && c.ClientReference == o.ClientReference && c.Priority == o.Priority &&
		c.SendAt.Equal(o.SendAt) && c.ExpiresAt.Equal(o.ExpiresAt) && c.FallbackText == o.FallbackText &&
		c.CallbackURL == o.CallbackURL && c.QuietHours == o.QuietHours && maps.Equal(c.Metadata, o.Metadata)
}

// Lane is the priority of a message: each lane has queues and limits of its own.
type Lane string

// The lanes.
const (
	High   Lane = "high"
	Normal Lane = "normal"
	Bulk   Lane = "bulk"
)

// Lanes lists the lanes, the most urgent first.
func Lanes() []Lane { return []Lane{High, Normal, Bulk} }

// BulkShards is the number of shards of the bulk lane. Tenants are distributed over
// them, so that the long queue of one does not delay the others.
const BulkShards = 8
