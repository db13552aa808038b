package ledger

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"mmsdispatch/internal/message"
)

// A record is "<version>:<operation>:<message>". The scripts read only the
// head: the version for compare-and-set, the operation to know their own write
// again when a lost reply made the client repeat it.

// errRecord is returned for a record that this release cannot read.
var errRecord = errors.New("unreadable record")

// stored is a message as it is kept: short names, no empty fields, times in
// Unix milliseconds, since a million of them wait in memory.
type stored struct {
	ID        message.ID     `json:"i"`
	Tenant    string         `json:"t"`
	Test      bool           `json:"x,omitempty"`
	Content   storedContent  `json:"c"`
	From      string         `json:"f,omitempty"`
	BatchID   string         `json:"b,omitempty"`
	Status    message.Status `json:"s"`
	Reason    *storedReason  `json:"r,omitempty"`
	Attempts  int            `json:"a,omitempty"`
	Tries     int            `json:"tr,omitempty"`
	Delays    int            `json:"d,omitempty"`
	Calls     []storedCall   `json:"cl,omitempty"`
	SinchID   string         `json:"si,omitempty"`
	SentAs    string         `json:"sa,omitempty"`
	Task      int            `json:"tk,omitempty"`
	Replayed  int            `json:"rp,omitempty"`
	NextAt    int64          `json:"n,omitempty"`
	ExpiresAt int64          `json:"e,omitempty"`
	CreatedAt int64          `json:"ct"`
	UpdatedAt int64          `json:"ut"`
	SentAt    int64          `json:"st,omitempty"`
	FinalAt   int64          `json:"ft,omitempty"`
	Timeline  []storedEntry  `json:"l"`
}

type storedContent struct {
	To           string            `json:"to"`
	From         string            `json:"f,omitempty"`
	Subject      string            `json:"s,omitempty"`
	Text         string            `json:"t,omitempty"`
	Media        []string          `json:"m"`
	Reference    string            `json:"r,omitempty"`
	Priority     message.Priority  `json:"p"`
	SendAt       int64             `json:"a,omitempty"`
	ExpiresAt    int64             `json:"e,omitempty"`
	FallbackText string            `json:"ft,omitempty"`
	CallbackURL  string            `json:"cb,omitempty"`
	Metadata     map[string]string `json:"md,omitempty"`
}

type storedReason struct {
	Code      message.ReasonCode `json:"c"`
	Message   string             `json:"m,omitempty"`
	SinchCode string             `json:"s,omitempty"`
}

type storedCall struct {
	N        int                  `json:"n"`
	State    message.AttemptState `json:"s"`
	Worker   string               `json:"w,omitempty"`
	API      string               `json:"a,omitempty"`
	BaseURL  string               `json:"u,omitempty"`
	Account  string               `json:"p,omitempty"`
	Begun    int64                `json:"b,omitempty"`
	Deadline int64                `json:"d,omitempty"`
	SinchID  string               `json:"i,omitempty"`
	Looks    int                  `json:"l,omitempty"`
	LookedAt int64                `json:"la,omitempty"`
}

type storedEntry struct {
	At      int64          `json:"a"`
	Status  message.Status `json:"s"`
	Detail  string         `json:"d,omitempty"`
	Attempt int            `json:"n,omitempty"`
}

// head is what the scripts read of a record.
type head struct {
	version   int64
	operation string
}

// newOperation names one write.
func newOperation() string { return rand.Text()[:13] }

// encode packs a message into a record.
func encode(h head, m *message.Message) ([]byte, error) {
	body, err := json.Marshal(pack(m))
	if err != nil {
		return nil, fmt.Errorf("encode record: %w", err)
	}
	out := make([]byte, 0, len(body)+40) // room for the head
	out = strconv.AppendInt(out, h.version, 10)
	out = append(out, ':')
	out = append(out, h.operation...)
	out = append(out, ':')
	return append(out, body...), nil
}

// decode unpacks a record.
func decode(record []byte) (head, *message.Message, error) {
	version, rest, found := bytes.Cut(record, []byte(":"))
	operation, body, ok := bytes.Cut(rest, []byte(":"))
	n, err := strconv.ParseInt(string(version), 10, 64)
	if !found || !ok || err != nil {
		return head{}, nil, errRecord
	}
	var s stored
	if err := json.Unmarshal(body, &s); err != nil {
		return head{}, nil, errRecord // the cause could quote the record
	}
	return head{version: n, operation: string(operation)}, unpack(&s), nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func instant(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func pack(m *message.Message) *stored {
	s := &stored{
		ID: m.ID, Tenant: m.Scope.Tenant, Test: m.Scope.Test, Content: packContent(m.Content),
		From: m.From, BatchID: m.BatchID, Status: m.Status, Attempts: m.Attempts, Tries: m.Tries,
		Delays: m.Delays, SinchID: m.SinchID, SentAs: m.SentAs, Task: m.Task, Replayed: m.Replayed,
		NextAt: millis(m.NextAt), ExpiresAt: millis(m.ExpiresAt), CreatedAt: millis(m.CreatedAt),
		UpdatedAt: millis(m.UpdatedAt), SentAt: millis(m.SentAt), FinalAt: millis(m.FinalAt),
		Reason: (*storedReason)(m.Reason),
	}
	for _, a := range m.Calls {
		s.Calls = append(s.Calls, storedCall{
			N: a.N, State: a.State, Worker: a.Worker, API: a.API, BaseURL: a.BaseURL, Account: a.Account,
			Begun: millis(a.Begun), Deadline: millis(a.Deadline), SinchID: a.SinchID,
			Looks: a.Looks, LookedAt: millis(a.LookedAt),
		})
	}
	for _, e := range m.Timeline {
		s.Timeline = append(s.Timeline, storedEntry{At: millis(e.At), Status: e.Status, Detail: e.Detail, Attempt: e.Attempt})
	}
	return s
}

func packContent(c message.Content) storedContent {
	return storedContent{
		To: c.To, From: c.From, Subject: c.Subject, Text: c.Text, Media: c.Media, Reference: c.ClientReference,
		Priority: c.Priority, SendAt: millis(c.SendAt), ExpiresAt: millis(c.ExpiresAt),
		FallbackText: c.FallbackText, CallbackURL: c.CallbackURL, Metadata: c.Metadata,
	}
}

func unpack(s *stored) *message.Message {
	m := &message.Message{
		ID: s.ID, Scope: message.Scope{Tenant: s.Tenant, Test: s.Test}, Content: unpackContent(s.Content),
		From: s.From, BatchID: s.BatchID, Status: s.Status, Attempts: s.Attempts, Tries: s.Tries,
		Delays: s.Delays, SinchID: s.SinchID, SentAs: s.SentAs, Task: s.Task, Replayed: s.Replayed,
		NextAt: instant(s.NextAt), ExpiresAt: instant(s.ExpiresAt), CreatedAt: instant(s.CreatedAt),
		UpdatedAt: instant(s.UpdatedAt), SentAt: instant(s.SentAt), FinalAt: instant(s.FinalAt),
		Reason: (*message.Reason)(s.Reason),
	}
	for _, a := range s.Calls {
		m.Calls = append(m.Calls, message.Attempt{
			N: a.N, State: a.State, Worker: a.Worker, API: a.API, BaseURL: a.BaseURL, Account: a.Account,
			Begun: instant(a.Begun), Deadline: instant(a.Deadline), SinchID: a.SinchID,
			Looks: a.Looks, LookedAt: instant(a.LookedAt),
		})
	}
	for _, e := range s.Timeline {
		m.Timeline = append(m.Timeline, message.Entry{At: instant(e.At), Status: e.Status, Detail: e.Detail, Attempt: e.Attempt})
	}
	return m
}

func unpackContent(c storedContent) message.Content {
	return message.Content{
		To: c.To, From: c.From, Subject: c.Subject, Text: c.Text, Media: c.Media, ClientReference: c.Reference,
		Priority: c.Priority, SendAt: instant(c.SendAt), ExpiresAt: instant(c.ExpiresAt),
		FallbackText: c.FallbackText, CallbackURL: c.CallbackURL, Metadata: c.Metadata,
	}
}
