package batches

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The types of batches that the simulator takes.
const (
	typeMedia = "mt_media"
	typeText  = "mt_text"
)

// batchRequest is the body of a send, and after check the normalised batch: bare
// numbers, defaults filled in.
type batchRequest struct {
	Type             string                       `json:"type"`
	To               []string                     `json:"to"`
	From             string                       `json:"from"`
	Body             *batchBody                   `json:"body"`
	Parameters       map[string]map[string]string `json:"parameters"`
	DeliveryReport   string                       `json:"delivery_report"`
	SendAt           string                       `json:"send_at"`
	ExpireAt         string                       `json:"expire_at"`
	CallbackURL      string                       `json:"callback_url"`
	Reference        string                       `json:"client_reference"`
	FeedbackEnabled  bool                         `json:"feedback_enabled"`
	StrictValidation bool                         `json:"strict_validation"`

	sendAt, expireAt time.Time
}

// batchBody is an object for typeMedia, and the message alone for typeText.
type batchBody struct {
	URL     string `json:"url"`
	Message string `json:"message,omitzero"`
	Subject string `json:"subject,omitzero"`

	isText bool
}

type objectBody batchBody

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (b *batchBody) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	if dec.PeekKind() != jsontext.KindString {
		return json.UnmarshalDecode(dec, (*objectBody)(b)) //nolint:wrapcheck // the package wraps it with the place
	}
	b.isText = true
	return json.UnmarshalDecode(dec, &b.Message) //nolint:wrapcheck // as above
}

// MarshalJSONTo implements json.MarshalerTo.
func (b *batchBody) MarshalJSONTo(enc *jsontext.Encoder) error {
	if b.isText {
		return json.MarshalEncode(enc, b.Message) //nolint:wrapcheck // as above
	}
	return json.MarshalEncode(enc, (*objectBody)(b)) //nolint:wrapcheck // as above
}

// parseBatch reads a request: strict JSON, exact names, exact types.
func parseBatch(body []byte) (*batchRequest, *refusal) {
	var q batchRequest
	err := json.Unmarshal(body, &q)
	if err == nil {
		return &q, nil
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		field := strings.TrimPrefix(string(semantic.JSONPointer), "/")
		return nil, wrongType(field)
	}
	if _, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return nil, failure("syntax_invalid_json", "The body is not valid JSON.")
	}
	return nil, failure("syntax_invalid_json", "The body could not be read.")
}

func wrongType(field string) *refusal {
	return failure("syntax_invalid_parameter_format", fmt.Sprintf("field %q has the wrong type", field))
}

const isoWithoutZone = "2006-01-02T15:04:05.999999999"

// parseTime reads ISO 8601 with an offset, or in UTC without one.
func parseTime(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err == nil {
		return at.UTC(), nil
	}
	at, err = time.Parse(isoWithoutZone, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("time: %w", err)
	}
	return at, nil
}

// form is how reports name what the batch is.
func (q *batchRequest) form() string {
	if q.Type == typeText {
		return "sms"
	}
	return "mms"
}
