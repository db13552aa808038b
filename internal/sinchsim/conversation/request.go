package conversation

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"mmsdispatch/internal/sinchsim"
)

// The channels of the app.
const (
	channelMMS = "MMS"
	channelSMS = "SMS"
)

// Limits of the Conversation API.
const (
	maxProperty    = 1024
	maxMetadata    = 1024
	maxCorrelation = 128
	shortestTTL    = 3
	longestTTL     = 315_576_000_000
)

// sendRequest is the body of a send.
type sendRequest struct {
	AppID     string `json:"app_id"`
	Recipient struct {
		Contact      string `json:"contact_id"`
		IdentifiedBy struct {
			Identities []channelIdentity `json:"channel_identities"`
		} `json:"identified_by"`
	} `json:"recipient"`
	Message     sendMessage       `json:"message"`
	Channels    []string          `json:"channel_priority_order"`
	Properties  map[string]string `json:"channel_properties"`
	Metadata    string            `json:"message_metadata"`
	Correlation string            `json:"correlation_id"`
	TTL         string            `json:"ttl"`
	Strategy    string            `json:"processing_strategy"`
	Queue       string            `json:"queue"`
	CallbackURL string            `json:"callback_url"`

	life time.Duration // of the message; zero: without end
}

type channelIdentity struct {
	Channel  string `json:"channel"`
	Identity string `json:"identity"`
	AppID    string `json:"app_id"`
}

type sendMessage struct {
	Media   *mediaMessage             `json:"media_message,omitzero"`
	Card    *cardMessage              `json:"card_message,omitzero"`
	Text    *textMessage              `json:"text_message,omitzero"`
	Instead map[string]jsontext.Value `json:"explicit_channel_omni_message,omitzero"`
}

type mediaMessage struct {
	URL string `json:"url"`
}

type cardMessage struct {
	Title       string        `json:"title,omitzero"`
	Description string        `json:"description,omitzero"`
	Media       *mediaMessage `json:"media_message,omitzero"`
}

type textMessage struct {
	Text string `json:"text"`
}

// parseSend reads a request: strict JSON, exact names, exact types.
func parseSend(body []byte) (*sendRequest, *refusal) {
	var q sendRequest
	err := json.Unmarshal(body, &q)
	if err == nil {
		return &q, nil
	}
	if semantic, ok := errors.AsType[*json.SemanticError](err); ok {
		return nil, invalid(fmt.Sprintf("The field %q has the wrong type.", strings.TrimPrefix(string(semantic.JSONPointer), "/")))
	}
	return nil, invalid("The body is not valid JSON.")
}

// reference is the client reference.
func (q *sendRequest) reference() string {
	if q.Metadata != "" {
		return q.Metadata
	}
	return q.Correlation
}

// number is the recipient, on any channel.
func (q *sendRequest) number() string { return q.Recipient.IdentifiedBy.Identities[0].Identity }

// allowsSMS reports whether an SMS may be sent instead.
func (q *sendRequest) allowsSMS() bool { return slices.Contains(q.order(), channelSMS) }

// order returns the channels in the order of their use.
func (q *sendRequest) order() []string {
	if len(q.Channels) > 0 {
		return q.Channels
	}
	channels := make([]string, 0, len(q.Recipient.IdentifiedBy.Identities))
	for _, i := range q.Recipient.IdentifiedBy.Identities {
		channels = append(channels, i.Channel)
	}
	return channels
}

// check is the part of the validation that comes before a message is accepted.
func (q *sendRequest) check(configured []string) *refusal {
	for _, check := range []func() string{
		q.checkRecipient, q.checkMessage, func() string { return q.checkChannels(configured) }, q.checkTexts, q.checkTTL, q.checkChoices,
	} {
		if wrong := check(); wrong != "" {
			return invalid(wrong)
		}
	}
	return nil
}

func (q *sendRequest) checkRecipient() string {
	identities := q.Recipient.IdentifiedBy.Identities
	switch {
	case q.AppID == "":
		return "app_id is missing."
	case q.Recipient.Contact != "":
		return "There are no contacts in dispatch mode."
	case len(identities) == 0:
		return "recipient is missing."
	}
	for _, i := range identities {
		if i.Channel == "" || i.Identity == "" {
			return "A channel identity lacks its channel or identity."
		}
		if i.Identity != identities[0].Identity {
			return "A message has one recipient."
		}
	}
	return ""
}

func (q *sendRequest) checkMessage() string {
	kinds := 0
	for _, there := range []bool{q.Message.Media != nil, q.Message.Card != nil, q.Message.Text != nil} {
		if there {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return "message must be exactly one of media_message, card_message and text_message."
	case q.Message.Media != nil && q.Message.Media.URL == "":
		return "media_message.url is missing."
	case q.Message.Card != nil && q.Message.Card.Media != nil && q.Message.Card.Media.URL == "":
		return "card_message.media_message.url is missing."
	case q.Message.Card != nil && *q.Message.Card == cardMessage{}:
		return "card_message is empty."
	}
	return ""
}

func (q *sendRequest) checkChannels(configured []string) string {
	for i, channel := range q.order() {
		if !slices.Contains(configured, channel) {
			return "A channel is not configured in the app."
		}
		if slices.Index(q.Channels, channel) < i && len(q.Channels) > 0 {
			return "A channel is named twice."
		}
	}
	if q.order()[0] != channelMMS {
		return "The first channel must be MMS here."
	}
	for channel := range q.Message.Instead {
		if channel != channelMMS && channel != channelSMS {
			return "explicit_channel_omni_message names no channel."
		}
	}
	return ""
}

func (q *sendRequest) checkTexts() string {
	for _, value := range q.Properties {
		if utf8.RuneCountInString(value) > maxProperty {
			return "A channel property is too long."
		}
	}
	if utf8.RuneCountInString(q.Metadata) > maxMetadata {
		return "message_metadata is too long."
	}
	if utf8.RuneCountInString(q.Correlation) > maxCorrelation {
		return "correlation_id is too long."
	}
	return ""
}

func (q *sendRequest) checkTTL() string {
	if q.TTL == "" {
		return ""
	}
	digits, ok := strings.CutSuffix(q.TTL, "s")
	seconds, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || !sinchsim.OnlyDigits(digits) || seconds < shortestTTL || seconds > longestTTL {
		return "ttl must be 3s to 315576000000s."
	}
	const most = int64(100 * 365 * 24 * time.Hour / time.Second) // the maximum of a Duration
	q.life = time.Duration(min(seconds, most)) * time.Second
	return ""
}

func (q *sendRequest) checkChoices() string {
	if !slices.Contains([]string{"", "DEFAULT", "DISPATCH_ONLY"}, q.Strategy) {
		return "processing_strategy is not known."
	}
	if !slices.Contains([]string{"", "NORMAL_PRIORITY", "HIGH_PRIORITY"}, q.Queue) {
		return "queue is not known."
	}
	if q.CallbackURL == "" {
		return ""
	}
	u, err := url.Parse(q.CallbackURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "callback_url is not a URL."
	}
	return ""
}

// deliverable is the part of the validation that follows acceptance.
func (q *sendRequest) deliverable() bool {
	media := q.Message.Media
	if q.Message.Card != nil {
		media = q.Message.Card.Media
		if utf8.RuneCountInString(q.Message.Card.Title) > sinchsim.MaxSubject {
			return false
		}
	}
	return sinchsim.IsNumber(q.number()) && sinchsim.IsSender(q.Properties["MMS_SENDER"]) &&
		(media == nil || sinchsim.IsMediaURL(media.URL))
}
