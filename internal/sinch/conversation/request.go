package conversation

import (
	"strconv"
	"time"

	"mmsdispatch/internal/sinch"
)

// Channels.
const (
	channelMMS = "MMS"
	channelSMS = "SMS"
)

// shortestLife is Sinch's minimum for ttl.
const shortestLife = 3 * time.Second

// call is the body of messages:send.
type call struct {
	AppID         string            `json:"app_id"`
	Recipient     recipient         `json:"recipient"`
	Message       content           `json:"message"`
	Channels      []string          `json:"channel_priority_order"`
	Properties    map[string]string `json:"channel_properties"`
	Metadata      string            `json:"message_metadata"`
	CorrelationID string            `json:"correlation_id"`
	Strategy      string            `json:"processing_strategy"`
	TTL           string            `json:"ttl,omitempty"`
	CallbackURL   string            `json:"callback_url,omitempty"`
}

type recipient struct {
	IdentifiedBy struct {
		Identities []identity `json:"channel_identities"`
	} `json:"identified_by"`
}

type identity struct {
	Channel  string `json:"channel"`
	Identity string `json:"identity"`
}

// content is the message: a card, media alone or text alone.
type content struct {
	Card  *card  `json:"card_message,omitempty"`
	Media *media `json:"media_message,omitempty"`
	Text  *text  `json:"text_message,omitempty"`
	// Instead is the content for a channel that replaces the message.
	Instead map[string]override `json:"explicit_channel_omni_message,omitempty"`
}

type card struct {
	Title       string `json:"title,omitempty"` // becomes the subject
	Description string `json:"description,omitempty"`
	Media       media  `json:"media_message"`
}

type media struct {
	URL string `json:"url"`
}

type text struct {
	Text string `json:"text"`
}

type override struct {
	Text text `json:"text_message"`
}

// call makes the body of a call. It has the reference twice: Sinch returns the
// metadata in every report and in lists, and the correlation id perhaps not in
// dispatch mode. Dispatch mode creates no contact and no conversation.
func (p *Provider) call(m sinch.Message) call {
	from := sinch.Digits(m.From)
	c := call{
		AppID: p.opts.AppID, Message: contentOf(m), Channels: []string{channelMMS},
		Properties: map[string]string{"MMS_SENDER": from}, Metadata: m.Ref, CorrelationID: m.Ref,
		Strategy: "DISPATCH_ONLY", TTL: p.ttl(m.ExpiresAt), CallbackURL: p.opts.CallbackURL,
	}
	if m.FallbackText != "" {
		c.Channels = append(c.Channels, channelSMS)
		c.Properties["SMS_SENDER"] = from
	}
	for _, channel := range c.Channels {
		c.Recipient.IdentifiedBy.Identities = append(c.Recipient.IdentifiedBy.Identities,
			identity{Channel: channel, Identity: sinch.Digits(m.To)})
	}
	return c
}

func contentOf(m sinch.Message) content {
	if len(m.Media) == 0 {
		return content{Text: &text{Text: m.Text}}
	}
	file := media{URL: m.Media[0].URL}
	c := content{Media: &file}
	if m.Subject != "" || m.Text != "" {
		c = content{Card: &card{Title: m.Subject, Description: m.Text, Media: file}}
	}
	if m.FallbackText != "" {
		var sms override
		sms.Text.Text = m.FallbackText
		c.Instead = map[string]override{channelSMS: sms}
	}
	return c
}

// ttl is the time until a message expires, in whole seconds.
func (p *Provider) ttl(expires time.Time) string {
	if expires.IsZero() {
		return ""
	}
	left := max(expires.Sub(p.now()), shortestLife)
	return strconv.FormatInt(int64(left/time.Second), 10) + "s"
}
