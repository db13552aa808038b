package receipt

import (
	"cmp"
	"encoding/json"
	"slices"

	"mmsdispatch/internal/sinch"
)

// fitsConversationInbound recognises a MESSAGE_INBOUND event of the Conversation API (developers.sinch.com, Conversation callbacks).
func fitsConversationInbound(f fields) bool {
	return fitsConversation(f) && f.has("message") && !f.has("message_delivery_report")
}

// phrase has the text fields of the different kinds of messages.
type phrase struct {
	Text    sinch.Text `json:"text"`
	Caption sinch.Text `json:"caption"`
	URL     sinch.Text `json:"url"`
}

// readConversationInbound reads a message of a contact. An MMS with several
// attachments is several events, each with the text.
func readConversationInbound(f fields) []Receipt {
	var event struct {
		ID         sinch.Text `json:"id"`
		SenderID   sinch.Text `json:"sender_id"` // the number it was sent to
		AcceptTime sinch.Text `json:"accept_time"`
		Identity   struct {
			Channel  sinch.Text `json:"channel"`
			Identity sinch.Text `json:"identity"`
		} `json:"channel_identity"`
		Contact map[string]json.RawMessage `json:"contact_message"`
	}
	f.into("message", &event)
	if event.Contact == nil {
		return nil // no message of a contact
	}
	var text, file, card phrase
	contact := fields(event.Contact)
	contact.into("text_message", &text)
	contact.into("media_message", &file)
	contact.into("media_card_message", &card)
	var media []string
	if url := cmp.Or(file.URL, card.URL); url != "" && len(url) <= longestURL {
		media = []string{string(url)}
	}
	from := digits(event.Identity.Identity)
	if !slices.Contains([]sinch.Text{"", "MMS", "SMS"}, event.Identity.Channel) {
		from = "" // an identity of another channel need not be a number, even if it looks like one
	}
	return []Receipt{{
		Kind: KindInbound, At: instant(cmp.Or(f.text("event_time"), event.AcceptTime, f.text("accepted_time"))), Detail: "inbound message",
		Inbound: Inbound{
			ID: event.ID.ID(), From: from, To: digits(event.SenderID),
			Text: words(cmp.Or(text.Text, card.Caption, file.Caption)), Media: media,
		},
	}}
}
